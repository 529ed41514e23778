// SPDX-License-Identifier: BSD-3-Clause
//
// What looks like a traversal or an inclusion and is none.

#define JUDGED INSPECT_TRAVERSAL
#include "tests/unit/dataplane/inspect/judge_value.h"

static void dots_pass(void **state)
{
	static const char *const values[] = {
		"1..2",
		"1..10",
		"...",
		"wait...",
		"well... maybe",
		"a..b",
		"..",
		".",
		"v1.2.3",
		"1.2..1.4",
		"2024.01.01",
		"01.02.2024..03.02.2024",
		"file.name.with.dots.txt",
		"report..pdf",
		"e.g. this",
		"x...y",
		"[0..9]",
		"a.b.c.d",
		"....",
		"etc...",
		"and so on ... / or not",
		"../",
		"./a/b",
		"git diff main..topic",
		"1.5/2.5",
		"0...1",
		"C:\\...\\x",
		"p.o./i.m.",
		"1/2..3/4",
	};

	(void)state;
	LETS_PASS(values);
}

static void links_pass(void **state)
{
	static const char *const values[] = {
		"../img/a.png",
		"../../css/site.css",
		"<a href=\"../x.html\">x</a>",
		"<img src=\"../../i/a.png\">",
		"url(../fonts/a.woff)",
		"./index.html",
		"../index.php?id=5",
		"/a/b/../c",
		"/a/./b",
		"images/../a.png",
		"http://example.com/a/../b",
		"import x from '../lib/x.js'",
		"require('../../config')",
		"sourceMappingURL=../maps/a.js.map",
		"//cdn.example.com/x.js",
		"/index.html",
		"/home",
		"/users/5/files",
		"/var",
		"/etc",
		"/search/etc/all",
		"/opt-in",
		"/usr-manual.pdf",
		"/public/app.js",
		"/application/config/main",
		"/tmp-files/a",
		"../../patients/list",
	};

	(void)state;
	LETS_PASS(values);
	lets_all_pass_at(PLACE_REFERER, "",
			 (const char *const[]){"../img/a.png", "../../../x/y/z.html"}, 2);
}

static void paths_of_everyday_pass(void **state)
{
	static const char *const values[] = {
		"C:\\Users\\doe\\Documents\\report.doc",
		"D:\\scans\\2024\\a.dcm",
		"\\\\fileserver\\ward3\\plan.xlsx",
		"C:/Program Files/App/app.exe",
		"/home/doe/report.pdf",
		"/var/lib/app/data.db",
		"/opt/app/lib/x.so",
		"/usr/lib/jvm/java-17/bin/java",
		"/tmp/upload_123.tmp",
		"logs/access.log",
		"conf/httpd.conf",
		"access.log",
		"error.log",
		"passwd",
		"etc/passwd.md",
		"my-etc/passwd-policy.html",
		"web.config",
		"The file /etc/passwd is a classic example",
		"see /proc/cpuinfo for more",
		"php.ini settings",
		"config.php",
		"install.php",
		".\\index.php",
		"readme.md",
		".gitignore",
		".env.example",
		"id_rsa.pub",
		"/Patient/123/_history/2",
		"Observation?code=http://loinc.org|8867-4",
		"urn:oid:2.16.840.1.113883",
		"Patient/123..456",
		"1.2.840.10008.5.1.4.1.1.2/..",
		"/studies/1.2.840/series/1.2/instances/1.2.3",
		"boot.inition",
		"windows/system",
		"My password was not accepted this morning",
		"/api/v1/hosts/5",
		"/group/issue/12",
		"/etc-shop/passwd.html",
		"Exception in /srv/app/main.py line 5",
	};

	(void)state;
	LETS_PASS(values);
}

static void addresses_pass(void **state)
{
	static const char *const values[] = {
		"http://example.com/",
		"https://example.com/index.php",
		"https://example.com/a.php?id=5",
		"http://10.1.2.3/portal/index.php",
		"http://192.168.1.5/start.aspx",
		"https://example.com/?",
		"ftp://ftp.example.com/pub/a.zip",
		"mailto:doe@example.com",
		"tel:+4930123",
		"urn:uuid:550e8400",
		"data:image/png;base64,iVBORw0KGgo=",
		"data:text/plain,hello",
		"data:,x",
		"javascript:void(0)",
		"file:///C:/Users/doe/report.doc",
		"file://server/share/a.doc",
		"12:30:00",
		"a:b:c",
		"key:value",
		"file: report.pdf",
		"php: the language",
		"zip: 10115",
		"http://loinc.org",
		"http://hl7.org/fhir/sid/us-ssn",
		"blob:https://example.com/550e8400",
		"about:blank",
		"ws://example.com/x",
		"https://a.example/b.jsp;x=1",
	};

	(void)state;
	LETS_PASS(values);
	lets_all_pass_at(PLACE_QUERY, "url", values, COUNT(values));
	lets_all_pass_at(PLACE_REFERER, "", values, COUNT(values));
}

static void requests_pass(void **state)
{
	static const char *const paths[] = {
		"/",
		"/index.html",
		"/a/b/c.php",
		"/.well-known/security.txt",
		"/.well-known/acme-challenge/x",
		"/a.b/c.d",
		"/~doe/",
		"/a//b",
		"/a;v=1/b",
		"/v1..2/x",
		"/files/etc/list",
		"/a/...",
		"/search/win",
		"/static/js/app.min.js.map",
		"/fhir/Patient/1",
		"/issue/5",
		"/hosts",
		"/my.cnf.html",
		"/wp-content/themes/x/style.css",
		"/web/config",
		"/_next/static/x.js",
		"/@id/x",
		"/x/.a",
	};
	static const char *const names[] = {
		"report.pdf", "scan 1.jpg",  "a.b.c.docx",          "Befund_2024.pdf",
		"v1..2.txt",  "...txt",      "C:\\fakepath\\a.png", "\xe6\x8a\xa5\xe5\x91\x8a.pdf",
		"a (1).dcm",  "php.ini.txt",
	};

	(void)state;
	lets_all_pass_at(PLACE_PATH, "", paths, COUNT(paths));
	lets_all_pass_at(PLACE_FILE_NAME, "file", names, COUNT(names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_VALUES(dots_pass),
		TEST_VALUES(links_pass),
		TEST_VALUES(paths_of_everyday_pass),
		TEST_VALUES(addresses_pass),
		TEST_VALUES(requests_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
