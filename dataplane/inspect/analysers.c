// SPDX-License-Identifier: BSD-3-Clause
//
// All analysers, in the order in which they run.

#include "dataplane/inspect/html/xss.h"
#include "dataplane/inspect/java/lookup.h"
#include "dataplane/inspect/java/object.h"
#include "dataplane/inspect/node.h"
#include "dataplane/inspect/path/path.h"
#include "dataplane/inspect/php/php.h"
#include "dataplane/inspect/php/serial.h"
#include "dataplane/inspect/script/code.h"
#include "dataplane/inspect/shell/shell.h"
#include "dataplane/inspect/sql/sql.h"
#include "dataplane/inspect/ssrf/ssrf.h"
#include "dataplane/inspect/template/template.h"
#include "dataplane/inspect/upload/upload.h"

// clang-format off
const struct inspect_analyser *const inspect_analysers[] = {
	&inspect_sql,
	&inspect_path,
	&inspect_shell,
	&inspect_shell_word,
	&inspect_ssrf,
	&inspect_php,
	&inspect_php_serial,
	&inspect_xss,
	&inspect_template,
	&inspect_code,
	&inspect_script_object,
	&inspect_lookup,
	&inspect_java_object,
	&inspect_java_stream,
	&inspect_java_xml,
	&inspect_json_path,
	&inspect_upload,
	&inspect_upload_name,
	NULL,
};
// clang-format on
