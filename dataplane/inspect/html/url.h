// SPDX-License-Identifier: BSD-3-Clause
//
// html/url - does following this URL run something? WHATWG URL, section 4.4: controls and blanks before a
// scheme do not count, nor do tabs and line ends within it.
#pragma once

#include "dataplane/inspect/html/tag.h"

enum html_scheme {
	HTML_URL_OTHER,     // a path, or a scheme that runs nothing
	HTML_URL_ELSEWHERE, // //host or scheme://host
	HTML_URL_SCRIPT,    // javascript: and its dead relatives
	HTML_URL_VBSCRIPT,
	HTML_URL_DATA_PAGE, // data: of a type that is shown as a page or run: text/html, SVG, XML, script
	HTML_URL_DATA, // data: of any other type
};

// rest: what follows the scheme
enum html_scheme html_url_scheme(struct html_text url, struct html_text *rest);
