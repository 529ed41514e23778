// SPDX-License-Identifier: BSD-3-Clause
//
// What looks like PHP and is none, or is only talked about: prose, mathematics, other languages, markup.

#define JUDGED INSPECT_PHP_CODE
#include "tests/unit/dataplane/inspect/judge_value.h"

static void prose_passes(void **state)
{
	static const char *const values[] = {
		"the system (see below) is down",
		"system (cardiovascular)",
		"system(s)",
		"Please check the file(s) and the date(s).",
		"file(s)",
		"date (of birth)",
		"Exec (Vice President)",
		"copy(ies)",
		"time(24h)",
		"count(leukocytes) = 5",
		"hash(tag)",
		"$5 (five dollars)",
		"$100(net)",
		"costs $a lot (of money)",
		"print (2 copies)",
		"echo (cardiac) normal; follow-up in 6 months",
		"eval (pending)",
		"eval(uation)",
		"link (see https://example.org/a?b=c)",
		"mail(box)",
		"The function phpinfo() shows the settings of PHP, do not leave it there",
		"How do I use array_map() with two arrays?",
		"What is the difference between include and require in PHP?",
		"In PHP you write <?php at the top of the file",
		"we close it with ?> at the end",
		"Use htmlspecialchars() on output and prepared statements for queries.",
		"O'Brien (system analyst)",
		"She said \"stop\"; echo (transthoracic) was normal",
		"rank (1); file (2); list (3)",
		"sleep (8 h); date (today)",
		"Return (if any): by mail (registered)",
		"If (and only if) the test (PCR) is positive; include (contact) list",
		"die (Katze)",
		"die (junge) Patientin",
		"max(2, 5)",
		"min(a, b) + max(c, d)",
		"abs(x - 3) < 5",
		"f(x) = exp(-x)",
		"sin(2*pi) + cos(0)",
		"round(3.7)",
		"log(10)",
	};

	(void)state;
	LETS_PASS(values);
}

static void code_in_a_post_passes(void **state)
{
	static const char *const values[] = {
		"Why does this not work for me? <?php echo $a ?>",
		"my template begins like this here <?php foreach ($rows as $row): ?> and it fails",
		"You can see your settings if you put <?php phpinfo(); ?> into a file",
		"I have the following code in my file: <?php $x = $_POST['name']; echo $x; ?>",
		"Does anyone know why `date` and `echo` are not found",
		"Use the `system` call with care, and `exec` too",
	};

	(void)state;
	LETS_PASS(values);
}

static void other_languages_pass(void **state)
{
	static const char *const values[] = {
		"$f(x)$",
		"$f(x) = x^2$",
		"$e^{i\\pi} + 1 = 0$",
		"$$\\frac{a}{b}$$",
		"$x$ and $y$",
		"$$$$",
		"$(document).ready(init)",
		"$('#name').val()",
		"$.get('/a', f)",
		"${patient.name}",
		"${count} (of ${total})",
		"{{ name }} ({{ age }})",
		"`code` and `more code`",
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><a b=\"c\"/>",
		"<?xml-stylesheet type=\"text/xsl\" href=\"cda.xsl\"?>",
		"<?mso-application progid=\"Word.Document\"?>",
		"<?xpacket begin='' id='W5M0'?>",
		"a <? b ?> c",
		"x <?",
		"SELECT count(*) FROM t",
		"=SUM(A1:A5)",
		"=IF(A1>5, \"yes\", \"no\")",
		"len(x) if x else 0",
		"print(len(names))",
		"print(max(1, 2))",
		"for (i = 0; i < n; i++) sum += a[i];",
		"if (a > b) return a;",
		"{\"a\": \"b (c)\", \"d\": [1, 2]}",
		"rgb(255, 0, 0)",
		"url(image.png)",
		"translate(10, 20) rotate(45)",
		"Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101",
		"a.substr(1).trim()",
		"window.print();",
		"Patient/123?_include=Observation:subject&date=ge2020-01-01",
		"OBX|1|NM|718-7^Hemoglobin (Hb)^LN||13.5|g/dL|13.0-17.0||||F",
		"C6H12O6 + 6 O2 -> 6 CO2 + 6 H2O (exothermic)",
		"Mg(OH)2; Ca(NO3)2",
		"chr(6)(p22.3)",
		"t(9;22)(q34;q11)",
	};

	(void)state;
	LETS_PASS(values);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_VALUES(prose_passes),
		TEST_VALUES(code_in_a_post_passes),
		TEST_VALUES(other_languages_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
