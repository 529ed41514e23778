// SPDX-License-Identifier: BSD-3-Clause
//
// What looks like command lines and is none: prose, notation of a hospital, code in forum posts, lists.

#define JUDGED INSPECT_COMMAND
#include "tests/unit/dataplane/inspect/judge_value.h"

static void prose_with_the_names_of_programs_passes(void **state)
{
	static const char *const values[] = {
		"the cat sat on the mat; find me at noon",
		"Please sort the list; more text follows",
		"first in time; last in line",
		"R&D",
		"A|B",
		"AT&T",
		"Q&A",
		"Johnson & Johnson; more at the date below",
		"Tom & Jerry",
		"black & white",
		"fish & chips; time to eat",
		"Send it to the host & mail me at home",
		"I cut my finger; it bled for a time",
		"He said: kill the process; start again",
		"who is it; what is it",
		"echo in the valley; no answer came",
		"to be, or not to be; that is the question",
		"ping me when you are back; I wait at the host",
		"id",
		"test; more text",
		"time",
		"cat",
		"Watch out; split the dose and wait",
		"less is more; more or less",
		"Yes | No | Maybe",
		"head of department | tail of the list",
		"Name|Id|Date|Host",
		"name|id|date",
		"id|name|time",
		"sort=name;date",
		"| id | name | date |",
		"a;b;c",
		"1;2;3",
		"x=1;y=2;z=3",
		"cut & paste",
		"copy & paste; type your name",
		"Mary's cat; John's dog",
		"We had to install the printer; service was slow",
		"The patient could not sleep; expect more tests",
		"Make an appointment & print the form",
		"node 3; stage II; grade 2",
		"ruby red; go green; lua of course",
		"look at this; tell us the history",
		"(see also: users; groups; last of them)",
		"no pain, no gain; set your goals & watch them",
		"dig deep & fetch the date",
		"python is a snake; perl is not a pearl",
		"W & W",
		"PS; see you",
		"Top 10 & more",
		"read the file & mount the picture",
		"Don't stop; watch the service",
		"cost: $(amount) per unit",
		"price in US$ (net) & more",
		"rock 'n' roll; cut 'em off",
		"50% off; sort of",
	};

	(void)state;
	LETS_PASS(values);
}

static void a_hospitals_notation_passes(void **state)
{
	static const char *const values[] = {
		"IV; push",
		"p.o. & i.m.",
		"t.i.d.; p.r.n.",
		"A&E",
		"ECG; CT | MRI",
		"5 mg; 2x daily | 10 mg; 1x",
		"PID|1||12345^^^MRN||DOE^JOHN^^^^||19700101|M",
		"MSH|^~\\&|LAB|HOSP|EHR|HOSP|202401011200||ORU^R01|123|P|2.5\rPID|1||99\rOBX|1|NM|WBC||7.2|10*9/L|4-11||||F",
		"OBX|1|ST|ID|W|positive|||N",
		"PV1|1|I|W^389^1^UABH||||",
		"NTE|1||cat scratch; sort of infected & red",
		"Hb 13.2 g/dL; WBC 7.2 (4-11) | plt 250",
		"p<0.05; n=30 & CI 95%",
		"BP 120/80; HR 72; SpO2 98% & T 36.6",
		"Rx: Amoxicillin 500 mg; sig: 1 cap. t.i.d. | #21",
		"q.d. | b.i.d. | t.i.d.",
		"Dx: NSTEMI; s/p PCI & stent",
		"allergies: cat; dog; dust & pollen",
		"head: normal; neck: supple; tail of pancreas: not seen",
		"CT head; CT neck & chest",
		"Na 140 | K 4.2 | Cl 101",
		"(10*9/L; 10*12/L)",
		"wait 24 h; sleep well",
		"ICD-10: I21.4; E11.9 | Z95.5",
		"type 2 diabetes; type A & B",
		"date: 2024-01-01; time: 12:30; host: ward 3",
		"fold & cut along the line; expand if needed",
		"sleep apnea; sleep 8 h",
		"w/o contrast; w & w/o",
	};

	(void)state;
	LETS_PASS(values);
}

static void code_and_other_languages_pass(void **state)
{
	static const char *const values[] = {
		"SELECT id, name FROM users; SELECT date FROM host",
		"SELECT `id`, `date`, `host` FROM `t` ORDER BY `time`",
		"`id`,`name`,`date`",
		"for (i = 0; i < n; i++) { print(i); }",
		"if (a && b || c) { return id; }",
		"x = a | b; y = a & b;",
		"$(document).ready(function() { $('#id').hide(); });",
		"$(id).show(); $(this).find('a')",
		"function test() { return date; }",
		"var date = new Date(); var host = location.host;",
		"import os; print(os.name)",
		"try { exec(x); } catch (e) { print(e); }",
		"std::sort(a.begin(), a.end()); std::find(x, y, z);",
		"<p>time &amp; date; cat &gt; dog</p>",
		"color: red; top: 5px; left: 3px; cursor: help",
		"font: 12px/1 sans; sort: none; cat: 1",
		"text/html; charset=utf-8; q=0.9",
		"{\"cmd\": \"sort\", \"id\": 5, \"more\": true}",
		"{id,name}",
		"{date,time,host}",
		"{ user { id name } }",
		"a=1&id=5&date=2024-01-01&sort=asc",
		"?id=5&host=x&w=100&top=5",
		"http://example.com/?a=1&cat=2&id=3",
		"http://example.com/a;jsessionid=1?x=1&sort=id",
		"C:\\Program Files\\Hospital\\app.exe",
		"C:\\Users\\doe\\Documents\\report.doc; D:\\data\\x.pdf",
		"/usr/share/doc/readme.txt",
		"/usr/bin/python",
		"/opt/app/bin/start.log",
		"a\nb\nc\nid\nname\ndate",
		"Error: x is not defined\n    at foo (a.js:1:2)\n    at bar (b.js:3:4)",
		"java.lang.Exception: x\n\tat a.b.C.d(C.java:12)\n\tat e.f(G.java:3)",
		"Use `ls` to list and `cat` to show files.",
		"In Markdown you write `code` between backticks, like `sort` or `find`.",
		"The commands `date`, `time` and `who` are harmless to talk about",
		"**bold** | _italic_ | `id`",
		"| Option | Meaning |\n|---|---|\n| time | seconds |\n| host | name |",
		"f(x) = x^2; g(x) = |x| & h(x) = x!",
		"|x| < 1 && |y| > 2",
		"2 > 1; 1 < 2 | true",
		"[1,2,3] | [4,5,6]",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36",
		"Mozilla/5.0 (Linux; U; Android 2.3; id; GT-S5360)",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def_123",
		"550e8400-e29b-41d4-a716-446655440000",
		"doe@example.com; roe@example.com",
		"John Doe <doe@example.com>; Jane Roe <roe@example.com>",
		"report (final).pdf; scan & copy.jpg",
		"Set-Cookie: a=b; path=/",
		"Get-Together & Start-Up; Add-On",
		"Get-Well card; New-Year party",
		"Invoke-ment; Write-Off | Set-Top box",
		"$100 & $200; $5.50",
		"%PATIENT% & %NAME%; 100% sure",
		"if a then b else c; for all x in (A) do so",
		"for each of them in (our) view do write",
		"if exist then go; if not why",
		"A (B) {C}; D() & E()",
		"ls 300 lexus",
		"nc 8000 controller",
		"curl and divergence",
		"#include <stdio.h>; int main() { return 0; }",
		"a ? b : c; x ?: y",
		"x->id; y->next; z->top",
		"1 | 2 & 3 ^ 4",
	};

	(void)state;
	LETS_PASS(values);
}

static void talk_about_commands_passes(void **state)
{
	static const char *const values[] = {
		"You can restart it by hand: open a terminal; top shows the load",
		"I tried to run python and it said: command not found; then I gave up",
		"Please open the folder, then sort by date; find the newest & mail it",
		"In the shell we used `ls -l` to see who owns the file, and it was root",
		"The manual says to use `sudo apt-get update` before the installation of the driver",
		"Install with pip install foo and restart the service afterwards",
		"Our server runs bash, zsh & fish; users may choose",
		"The wget and curl programs are not installed on this host",
	};

	(void)state;
	LETS_PASS(values);
}

static void fields_named_as_programs_pass(void **state)
{
	static const char *const names[] = {"id",   "date", "host", "cmd", "sort",
					    "time", "find", "ping", "pwd"};

	(void)state;
	lets_all_pass_at(PLACE_QUERY_NAME, "cmd", names, COUNT(names));
	lets_all_pass_at(PLACE_QUERY, "action", names, COUNT(names));
	// who names a parameter cmd may well mean find
	lets_all_pass_at(PLACE_QUERY, "cmd", (const char *const[]){"find", "sort", "print", "test"},
			 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_VALUES(prose_with_the_names_of_programs_passes),
		TEST_VALUES(a_hospitals_notation_passes),
		TEST_VALUES(code_and_other_languages_pass),
		TEST_VALUES(talk_about_commands_passes),
		TEST_VALUES(fields_named_as_programs_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
