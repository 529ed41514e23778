// SPDX-License-Identifier: BSD-3-Clause
//
// Names and contents of uploads: what a server or browser would run, and what hospitals upload every day.

#define JUDGED INSPECT_UPLOAD
#include "tests/unit/dataplane/inspect/judge_value.h"

#define PNG  "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0"
#define JPEG "\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
#define PHP  "<?php echo date('Y'); ?>"

struct file {
	const char *name, *bytes;
	size_t len;
};
#define FILE_OF(name, bytes)                                                                       \
	{                                                                                          \
		name, bytes, sizeof(bytes) - 1                                                     \
	}

static unsigned judge_file(const struct file *f)
{
	return judge_bytes(PLACE_FILE, f->name, f->bytes, f->len);
}

static void names_that_servers_are_fooled_by_are_refused(void **state)
{
	static const char *const names[] = {
		"a.php.",
		"a.php ",
		"a.php. . ",
		"a.asp;.jpg",
		"a.php%00.jpg",
		"a.php:.jpg",
		"a.php::$DATA",
		"a. php",
		"a.jsp%0a.png",
		".htaccess",
		"web.config",
		".user.ini",
		"x/.htaccess",
		"C:\\a\\web.config",
		"sess_0123456789abcdef",
		"A.PHP;.GIF",
		"a.aspx ",
		"a.cer;x.jpg",
		".HtAccess",
		"a.pHp;",
	};

	(void)state;
	refuses_all_at(PLACE_FILE_NAME, "file", names, COUNT(names));
	assert_true(judge_bytes(PLACE_FILE_NAME, "f", "a.php\0.jpg", 10) >= BLOCKED);
}

static void names_of_every_day_pass(void **state)
{
	static const char *const names[] = {
		"report.pdf",
		"photo.jpg",
		"IMG_0001.JPG",
		"scan 12.05.2024.pdf",
		"Dr. Smith letter.doc",
		"v1.2.3.zip",
		"a.tar.gz",
		"Befund.2024.final.docx",
		"x-ray.dcm",
		"session.log",
		"sess_1.txt",
		"php.pdf",
		"asp-guide.pdf",
		"jsp",
		"My.Photo.png",
		"a;b.pdf",
		"data.csv",
		"index.html",
		"style.css",
		"app.js",
		"photo.jpeg.",
		"a..pdf",
		".gitignore",
		"web.configuration.pdf",
		"htaccess.txt",
		"phpinfo.txt",
		"报告.pdf",
		"Röntgen (1).jpg",
		"C:\\scans\\a.pdf",
		"upload/a.png",
		"backup.asp-net.zip",
		"cer.png",
		"page.php",
		"default.aspx",
		"index.jsp",
	};

	(void)state;
	lets_all_pass_at(PLACE_FILE_NAME, "file", names, COUNT(names));
}

static void names_in_headers_are_judged(void **state)
{
	(void)state;
	assert_true(judge_at(PLACE_HEADER, "X-Filename", "a.php") >= BLOCKED);
	assert_true(judge_at(PLACE_HEADER, "x-file-name", "a.phtml ") >= BLOCKED);
	assert_true(judge_at(PLACE_HEADER, "X_Filename", "/tmp/sess_0123456789abc") >= BLOCKED);
	assert_int_equal(judge_at(PLACE_HEADER, "X-Filename", "a.png"), 0);
	assert_int_equal(judge_at(PLACE_HEADER, "X-Rewrite", "a.php"), 0);
}

static void files_that_run_are_refused(void **state)
{
	static const struct file files[] = {
		FILE_OF("a.jpg", PHP),
		FILE_OF("a.png", PNG PHP),
		FILE_OF("a.gif", "GIF89a" PHP),
		FILE_OF("a.php", "GIF89a" PHP),
		FILE_OF("a.php.jpg", PHP),
		FILE_OF("a.php.jpg", "words"),
		FILE_OF("a.pdf", "%PDF-1.4\n" PHP),
		FILE_OF("a.jpg", JPEG "\xff\xfe<%@ page import=\"java.io.*\" %>"),
		FILE_OF("a.jpg", "<html><script>f()</script></html>"),
		FILE_OF("a.jpg", "MZ\x90\0\3\0\0\0"),
		FILE_OF("a.svg",
			"<svg xmlns='http://www.w3.org/2000/svg'><script>f()</script></svg>"),
		FILE_OF("a.svg", "<?xml version='1.0'?><svg onload='f()'/>"),
		FILE_OF("a.svg",
			"<svg><a xlink:href='java&#x73;cript:f()' href=' javascript:f()'/></svg>"),
		FILE_OF("a.svg", "<svg><foreignObject><iframe src='x'/></foreignObject></svg>"),
		FILE_OF("a.pdf",
			"%PDF-1.4 1 0 obj <</OpenAction 2 0 R>> 2 0 obj <</S /JavaScript /JS (f)>>"),
		FILE_OF("a.pdf", "%PDF-1.4 <</OpenAction<</S/J#61vaScript/JS(f)>>>>"),
		FILE_OF("a.pdf", "%PDF-1.4 <</A <</S /Launch /F (cmd.exe)>>>>"),
		FILE_OF("a/b.php", "try this"),
		FILE_OF("a.php", PNG),
		FILE_OF("a.jsp", "PK\3\4...."),
	};
	size_t missed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++)
		if (judge_file(&files[i]) < BLOCKED) {
			missed++;
			tell(files[i].bytes);
		}
	assert_int_equal(missed, 0);
}

static void files_of_every_day_pass(void **state)
{
	static const struct file files[] = {
		FILE_OF("a.jpg", JPEG),
		FILE_OF("a.png", PNG),
		FILE_OF("a.png", JPEG),
		FILE_OF("a.jpg", "GIF89a\1\0\1\0"),
		FILE_OF("a.jpg", JPEG "..<?..<%..?>..%>\0\1\2"),
		FILE_OF("a.jpg",
			JPEG "<?xpacket begin='' id='W5M0'?><x:xmpmeta xmlns:x='adobe:ns:meta/'/>"),
		FILE_OF("a.pdf", "%PDF-1.7\n1 0 obj <</Type /Catalog /Pages 2 0 R>>"),
		FILE_OF("a.pdf", "%PDF-1.7\n<</S /JavaScript /JS (AFDate_Format(1))>>"),
		FILE_OF("a.pdf",
			"%PDF-1.7\n<</OpenAction [3 0 R /Fit] /PageLaunch 1 /Launch true>>"),
		FILE_OF("a.docx", "PK\3\4\x14\0\6\0"),
		FILE_OF("a.zip", "PK\5\6\0\0\0\0"),
		FILE_OF("a.doc", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
		FILE_OF("a.doc", "{\\rtf1\\ansi text}"),
		FILE_OF("a.doc", "<html><body>exported</body></html>"),
		FILE_OF("a.txt", "plain text"),
		FILE_OF("a.csv", "a;b;c\n1;2;3\n"),
		FILE_OF("a.md", "# How to\n\n" PHP "\n"),
		FILE_OF("notes.txt", "In PHP you begin with <?php and in JSP with <% code %>"),
		FILE_OF("a.html", "<html><body><script>f()</script></body></html>"),
		FILE_OF("a.svg", "<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0'/></svg>"),
		FILE_OF("a.svg",
			"<?xml version='1.0'?><!-- x --><svg version='1.1'><g id='on'><a href='#b'/></g></svg>"),
		FILE_OF("a.php", PHP),
		FILE_OF("a.php",
			"<html><?php foreach ($rows as $r): ?><p><?= $r ?></p><?php endforeach ?>"),
		FILE_OF("a.jsp", "<%@ page contentType=\"text/html\" %><html></html>"),
		FILE_OF("a.aspx", "<%@ Page Language=\"C#\" %><form runat=\"server\"></form>"),
		FILE_OF("a.exe", "MZ\x90\0\3"),
		FILE_OF("cda.xml",
			"<?xml version=\"1.0\"?><ClinicalDocument xmlns=\"urn:hl7-org:v3\"/>"),
		FILE_OF("a.json", "{\"resourceType\":\"Patient\"}"),
		FILE_OF("a.hl7", "MSH|^~\\&|A|B|C|D|20240101||ADT^A01|1|P|2.5\r"),
		FILE_OF("a.jpg", "not a picture"),
		FILE_OF("", JPEG),
		FILE_OF("a", "anything"),
		FILE_OF("a.heic", "\0\0\0\x18"
				  "ftypheic"),
		FILE_OF("a.mp4", "\0\0\0\x18"
				 "ftypmp42"),
	};
	static uint8_t dicom[140];
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++)
		if (judge_file(&files[i]) >= BLOCKED) {
			wrong++;
			tell(files[i].bytes);
		}
	memcpy(dicom + 128, "DICM", 4);
	assert_int_equal(judge_bytes(PLACE_FILE, "a.dcm", dicom, sizeof(dicom)), 0);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_VALUES(names_that_servers_are_fooled_by_are_refused),
		TEST_VALUES(names_of_every_day_pass),
		TEST_VALUES(names_in_headers_are_judged),
		TEST_VALUES(files_that_run_are_refused),
		TEST_VALUES(files_of_every_day_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
