// SPDX-License-Identifier: BSD-3-Clause
//
// Code of PHP in values, in each place where it may land, and under the changes that PHP undoes.

#define JUDGED INSPECT_PHP_CODE
#include "tests/unit/dataplane/inspect/judge_value.h"

static void code_behind_a_tag_is_refused(void **state)
{
	static const char *const values[] = {
		"<?php echo 'hello';",
		"<?php system('uname -a'); ?>",
		"<?PHP eval($_POST['x']); ?>",
		"<?= `id` ?>",
		"<?=7*6?>",
		"<? echo exec('date'); ?>",
		"<?php /* c */ phpinfo /* d */ ();",
		"<?xml : echo 5;",
		"<?php $f = fopen('a.php', 'w'); fwrite($f, 'x'); ?>",
		"x<?php passthru($_GET[0]);",
		"<?php if (isset($_GET['a'])) { include $_GET['a']; }",
		"<?php\n\tinclude \"/etc/passwd\"",
		"\xef\xbb\xbf<?php print_r(scandir('/'));",
	};

	(void)state;
	REFUSES(values);
}

static void code_for_eval_is_refused(void **state)
{
	static const char *const values[] = {
		"system('id')",
		"system(\"id\");",
		"SyStEm('id');",
		"\\system('id');",
		"@system('ls /');",
		"system/**/('id');",
		"system # x\n('id');",
		"passthru('cat /etc/passwd');",
		"echo shell_exec('whoami');",
		"echo `whoami`;",
		"print(`id`);",
		"phpinfo()",
		"phpinfo();",
		"PHPINFO() ;",
		"print(md5(31337));",
		"echo md5('a');",
		"die(md5(23));",
		"die(print_r(glob('/*')));",
		"var_dump(getcwd());",
		"echo file_get_contents('/etc/hosts');",
		"readfile('../config.php');",
		"highlight_file(__FILE__);",
		"file_put_contents('a.php', '<?php echo 1;');",
		"eval(base64_decode('cGhwaW5mbygpOw=='));",
		"assert('phpinfo()');",
		"assert(base64_decode('cGhwaW5mbygp'));",
		"call_user_func('system', 'id');",
		"array_map('system', ['id']);",
		"usort($a, 'system');",
		"$f = 'system'; $f('id');",
		"$a(1)",
		"$_GET['a']($_GET['b']);",
		"(system)('id');",
		"('sys'.'tem')('id');",
		"(\"sy\".\"st\".\"em\")(\"id\");",
		"\"\\x73ystem\"('id');",
		"\"\\163ystem\"('id');",
		"\"\\u{73}ystem\"('id');",
		"(chr(115).chr(121).'stem')('id');",
		"strrev('metsys')('id');",
		"[system][0]('id');",
		"$x = str_rot13('flfgrz'); $x('id');",
		"create_function('', 'system(\"id\");');",
		"preg_replace('/a/e', 'system(\"id\")', 'a');",
		"(new ReflectionFunction('system'))->invoke('id');",
		"include 'php://input';",
		"$_SERVER['HTTP_X'];",
		"goto a; b: system('id'); a: goto b;",
		"if(1){system('id');}",
		"foreach(glob('/*') as $f) echo $f;",
		"function a() { phpinfo(); } a();",
		"(~'\x8c\x86\x8c\x8b\x9a\x92')('id');",
		"('#######'^'PZPWFN')('id');",
	};

	(void)state;
	REFUSES(values);
}

static void code_that_leaves_a_text_is_refused(void **state)
{
	static const char *const values[] = {
		"'.system('id').'",     "\".system('id').\"",   "' . phpinfo() . '",
		"1'.passthru('id').'",  "\";phpinfo();//",      "');phpinfo();//",
		"'));system('id');#",   "\");}system('id');/*", ";phpinfo();",
		"1;phpinfo();//",       "1);system('id');//",   "a'.print(`id`).'b",
		"\".eval($_GET[0]).\"", "']=system('id');//",   "'.system/*x*/('id').'",
	};

	(void)state;
	REFUSES(values);
}

static void code_within_a_text_is_refused(void **state)
{
	static const char *const values[] = {
		"${system('id')}", "${@print(md5(7))}",   "{${phpinfo()}}",  "{${system('id')}}",
		"${${phpinfo()}}", "a${eval($_POST[1])}", "{$x(phpinfo())}", "${'ff'}",
	};

	(void)state;
	REFUSES(values);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_VALUES(code_behind_a_tag_is_refused),
		TEST_VALUES(code_for_eval_is_refused),
		TEST_VALUES(code_that_leaves_a_text_is_refused),
		TEST_VALUES(code_within_a_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
