// SPDX-License-Identifier: BSD-3-Clause
//
// Addresses that a server should not fetch, and those that look like them.

#define JUDGED INSPECT_SSRF
#include "tests/unit/dataplane/inspect/judge_value.h"

static void addresses_of_the_server_are_refused(void **state)
{
	static const char *const values[] = {
		"http://127.0.0.1/",
		"http://localhost/admin",
		"http://localhost:8080/x",
		"https://127.0.0.1:8443/",
		"http://[::1]/",
		"http://0.0.0.0/",
		"http://0/",
		"http://127.1/",
		"http://2130706433/",
		"http://0x7f000001/",
		"http://0177.0.0.1/",
		"http://[::ffff:127.0.0.1]/",
		"HTTP://LOCALHOST/",
		"http:\\\\127.0.0.1\\x",
		"http:///127.0.0.1/",
		"http://example.com@127.0.0.1/",
		"http://127.0.0.1:6379/",
		"http://localhost.:80/",
		"http://127.0.0.1.nip.io/",
		"http://localtest.me/",
		"http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1/",
		"http://10.0.0.1.nip.io/",
		"http%3A%2F%2F127.0.0.1%2F",
		"aHR0cDovLzEyNy4wLjAuMS9hZG1pbg==",
		"http://example.com@10.0.0.1:22/",
		"http://3232235777/",
	};

	(void)state;
	REFUSES(values);
}

static void metadata_services_are_refused(void **state)
{
	static const char *const values[] = {
		"http://169.254.169.254/latest/meta-data/",
		"http://2852039166/",
		"http://0xA9FEA9FE/x",
		"http://metadata.google.internal/computeMetadata/v1/",
		"http://100.100.100.200/latest/meta-data/",
		"169.254.169.254/latest/meta-data/iam/",
		"http://[fd00:ec2::254]/x",
		"http://[::ffff:a9fe:a9fe]/",
		"http://0251.0376.0xa9.254/x",
		"//169.254.169.254/latest/meta-data",
	};

	(void)state;
	REFUSES(values);
}

static void other_protocols_are_refused(void **state)
{
	static const char *const values[] = {
		"gopher://127.0.0.1:6379/_x",
		"gopher://example.com/_x",
		"dict://127.0.0.1:11211/stats",
		"netdoc://x/y",
		"ldap://example.com:11211/\nstats\nquit",
		"unix:AAAA|http://example.com/",
		"tftp://127.0.0.1/x",
	};

	(void)state;
	REFUSES(values);
}

static void everyday_addresses_pass(void **state)
{
	static const char *const values[] = {
		"http://example.com/",
		"https://www.example.com/a?b=http://c",
		"http://10.1.2.3/portal",
		"http://192.168.1.5:8080/x",
		"https://172.16.3.4/",
		"http://8.8.8.8/",
		"http://[2001:db8::1]/",
		"//cdn.example.com/x.js",
		"//a/b",
		"ftp://ftp.example.com/x",
		"mailto:a@b.example",
		"urn:oid:1.2.3",
		"localhost",
		"127.0.0.1",
		"10.0.0.1:80",
		"http://pacs.hospital.example:104/",
		"https://fhir.example.com/Patient/1",
		"http://loinc.org",
		"data:,x",
		"ws://example.com/socket",
		"javascript:x",
		"tel:+49",
		"C:/x/y",
		"12:30:00",
		"1.2.3.4/24",
		"169.254.0.0/16",
		"http://localhost.example.com/",
		"http://mylocalhost.com/",
		"http://nip.io.example.com/",
		"file:///C:/x",
		"http://user:pw@example.com/",
		"ldap://dc1.hospital.example/dc=x",
		"rtsp://cam.example.com/1",
		"a://b",
		"sftp://files.example.com/in",
		"smb://srv/share",
		"imaps://mail.example.com",
		"http://",
		"http:///",
		"://",
		"https://example.com:8443/",
		"see http://127.0.0.1/ for that",
		"127.0.0.1/8",
		"The host is localhost:3000",
		"http://example.com/?u=127.0.0.1",
		"https://a.example/#http://localhost",
		"x|http://y",
		"unix: a system",
		"unix:/run/x.sock",
		"jdbc:postgresql://localhost/x",
		"http://a.b.c.d/",
		"http://1.2.3.4.5/",
		"http://256.1.1.1/",
		"0x7f000001",
		"2130706433",
		"::1",
		"[::1]",
		"http//127.0.0.1",
		"http:127.0.0.1",
		"https://10.0.0.1:9443/",
		"latest/meta-data",
		"/latest/meta-data/",
		"metadata.google",
		"http://metadata.example.com/",
	};

	(void)state;
	LETS_PASS(values);
	// programs on a desk are called back at their own machine
	lets_all_pass_at(
		PLACE_QUERY, "redirect_uri",
		(const char *const[]){"http://127.0.0.1:51004/cb", "http://localhost:3000/x"}, 2);
	lets_all_pass_at(PLACE_REFERER, "", (const char *const[]){"http://localhost/x"}, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_VALUES(addresses_of_the_server_are_refused),
		TEST_VALUES(metadata_services_are_refused),
		TEST_VALUES(other_protocols_are_refused),
		TEST_VALUES(everyday_addresses_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
