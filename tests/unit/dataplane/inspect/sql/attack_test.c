// SPDX-License-Identifier: BSD-3-Clause
//
// Attacks on each place where a value may stand, in the dialects of MySQL, PostgreSQL, SQL Server, Oracle and
// SQLite.

#include "tests/unit/dataplane/inspect/sql/judge.h"

static void breaks_out_of_numbers(void **state)
{
	static const char *const values[] = {
		"1 or 1=1",
		"1 OR 1=1-- -",
		"1/**/or/**/1=1",
		"1\x09"
		"or\x0b"
		"1=1",
		"1\xa0"
		"or\xa0"
		"1=1",
		"1)or(1=1",
		"1) or (1=1",
		"1)) or ((1=1",
		"-1 or 17-7=10",
		"1 or 'a'='a'",
		"1 or 'a' like 'a'",
		"1 or 2 between 1 and 3",
		"1 or 1 in (1)",
		"1 or 1 is not null",
		"1 or not 1=2",
		"1 || 1=1",
		"1 && 1=1",
		"1 or true",
		"1 or 'x' rlike 'x'",
		"1 or 'x' regexp '^x'",
		"1 xor 1=2",
		"1 or 0x41=0x41",
		"1 or char(65)='A'",
		"1 or ascii('A')=65",
		"1 or (select 1)=1",
		"1 and (select count(*) from users)>0",
		"1 and exists(select * from users)",
		"1 and (select substring(password,1,1) from users limit 1)='a'",
		"1 and ascii(substr((select database()),1,1))>64",
		"1 and length(database())=4",
		"1 and @@version like '5%'",
		"1 and sleep(5)",
		"1-sleep(5)",
		"1*sleep(5)",
		"1 and if(1=1,sleep(5),0)",
		"1 and (select 1 from (select sleep(5))a)",
		"1;select pg_sleep(5)",
		"1;waitfor delay '0:0:5'",
		"1 waitfor delay '0:0:5'--",
		"1; exec xp_cmdshell 'whoami'",
		"1;drop table users--",
		"1; insert into users values (1,'a','b')",
		"1;update users set admin=1 where id=2",
		"1; delete from users",
		"1;declare @x varchar(99);set @x='xp_cmdshell';exec @x 'dir'",
		"1;copy t from program 'id'",
		"1;copy (select 1) to '/tmp/x'",
		"1;create table x(a text)",
		"1;shutdown",
		"1;handler users open",
		"1;call dbms_java.runjava('x')",
		"1;do pg_sleep(5)",
		"1;attach database '/var/www/x.php' as l",
		"1;load data infile '/etc/passwd' into table t",
		"1;grant all on *.* to 'x'@'%'",
		"1 union select 1",
		"1 union all select null,null",
		"1 union select username,password from users",
		"1 union(select 1,2)",
		"1 union select @@version,2",
		"1 union distinct select 1,2",
		"1 union/**/select/**/1,2",
		"1 /*!union*/ /*!select*/ 1,2",
		"1 /*!50000union*/ /*!50000all*/ /*!50000select*/ 1",
		"1%0aunion%0aselect%0a1,2",
		"1e0union select 1,2",
		"1.union select 1,2",
		"1.0union select 1,2",
		"1 union select 1,group_concat(table_name) from information_schema.tables",
		"1 union select name,null from sqlite_master",
		"1 union select banner,null from v$version",
		"1 union select null,name from sysobjects where xtype='U'",
		"1 union values row(1,2)",
		"1 union table users",
		"1 intersect select 1",
		"1 except select 1,2",
		"1 minus select 1 from dual",
		"1 order by 5",
		"1 order by 5--",
		"1 order by (select 1)",
		"1 order by if(1=1,1,(select 1 union select 2))",
		"1 group by 1 having 1=1",
		"1 having 1=1",
		"1 procedure analyse(extractvalue(1,concat(0x3a,version())),1)",
		"1 into outfile '/tmp/x'",
		"1 limit 1 into dumpfile '/tmp/x'",
		"1 limit 0,1 procedure analyse()",
		"1,extractvalue(1,concat(0x7e,version()))",
		"1 and extractvalue(rand(),concat(0x3a,version()))",
		"1 and updatexml(1,concat(0x7e,(select user())),1)",
		"1 and exp(~(select * from (select user())x))",
		"1 and (select 1 from (select count(*),concat(version(),floor(rand(0)*2))x from information_schema.tables group by x)a)",
		"1 and 1=convert(int,@@version)",
		"1 and 1=cast((select version()) as int)",
		"1 and 1=(select top 1 name from sysobjects)",
		"1 and 1=ctxsys.drithsx.sn(1,(select user from dual))",
		"1 and 1=utl_inaddr.get_host_address((select user from dual))",
		"1 and 1=dbms_pipe.receive_message('a',5)",
		"1 or dbms_lock.sleep(5)",
		"1 and 1=(select count(*) from all_users t1,all_users t2)",
		"1 and 1=like('abc',upper(hex(randomblob(100000000))))",
		"1 and 1=(select count(*) from generate_series(1,10000000))",
		"1 and load_extension('\\\\x\\y')",
		"1 and json_extract('{\"a\":1}','$.a')=1",
		"1 or '{\"a\":1}'::jsonb @> '{\"a\":1}'::jsonb",
		"1 or json_length('{}')<=8",
		"1 and gtid_subset(@@version,1)",
		"1 rlike (select (case when (1=1) then 1 else 0x28 end))",
		"7'xor(if(3>2,sleep(4),1))xor'y",
		"7\"xor(if(3>2,sleep(4),1))xor\"y",
		"1 and 1=1",
		"1 and 1=2",
		"1' and '1'='2",
		"1 and 1 like 1",
		"1 and 7=7",
		"99999 union select 1,2",
		"1 aNd 1=1",
		"1 %26%26 1=1",
		"1 or 1=1 limit 1",
		"1 or 1=1 order by id desc",
	};

	(void)state;
	REFUSES_ALL(values);
}

static void breaks_out_of_single_quotes(void **state)
{
	static const char *const values[] = {
		"\\Nunion select 1,2",
		"' or ''='",
		"' or '1'='1",
		"' or '1'='1' --",
		"' or '1'='1'#",
		"' or '1'='1'/*",
		"' or 1=1 --",
		"' or 1=1;%00",
		"' or 1=1;\x00",
		"') or ('1'='1",
		"')) or (('1'='1",
		"' or 'a' like 'a",
		"' or 'a' in ('a",
		"' or 'x' between 'a' and 'z",
		"' or 1=1 or ''='",
		"' or true--",
		"' or 1--",
		"' || '1'='1",
		"'||1=1#",
		"'&&1=1#",
		"'or'1'='1",
		"'/**/or/**/'1'='1",
		"'%0bor%0b'1'='1",
		"admin'--",
		"admin' #",
		"admin'/*",
		"admin' or 1=1",
		"admin') --",
		"admin' and '1'='1",
		"admin' and password like 'a%",
		"admin' and substring(password,1,1)='a",
		"x' and 1=(select count(*) from users) --",
		"x' and email is null; --",
		"x' union select 1,2,3-- -",
		"x' union select null,null from dual--",
		"x' union all select 'a','b",
		"x';drop table users;--",
		"x';exec master..xp_cmdshell 'ping x'--",
		"x'; waitfor delay '0:0:5'--",
		"x'+(select 1)+'",
		"x'||(select user from dual)||'",
		"x'||pg_sleep(5)--",
		"x'||utl_http.request('http://x/')||'",
		"x'+char(65)+'",
		"x'+cast(@@version as int)+'",
		"x'-sleep(5)-'",
		"x'^sleep(5)^'",
		"x'*(select 1)*'",
		"x' rlike sleep(5) --",
		"x',(select version()),'",
		"x','y'),('a','b')-- ",
		"x', role='admin' where id=1 -- ",
		"x' where 1=1 --",
		"x' order by 3 --",
		"x' group by 1 --",
		"x' having 1=1 --",
		"x' limit 1,1 --",
		"x' into outfile '/var/www/a.php' --",
		"x' procedure analyse()--",
		"x' collate nocase--",
		"%' or '1'='1",
		"%' and 1=1 and '%'='",
		"%') or 1=1 --",
		"\\' or 1=1 --",
		"\\' or 1=1 --",
		"''or 1=1 --",
		"a'or'b'<'c",
		"' or username like '%admin%",
		"' or 3>2 --",
		"' or 0x1=0x1 --",
		"' or length('a')=1 --",
		"' OR NOT '1'='2",
		"' or 1.0=1e0 --",
		"'or(1)=(1)#",
		"'or(true)#",
		"' and (select*from(select(sleep(5)))a)-- ",
		"'\"`) or 1=1 --",
	};

	(void)state;
	REFUSES_ALL(values);
}

static void breaks_out_of_other_quotes(void **state)
{
	static const char *const values[] = {
		"\" or \"\"=\"",           "\" or \"1\"=\"1",          "\" or 1=1 --",
		"x\" union select 1,2 --", "x\");drop table users;--", "` where 1=1 --",
		"x` where 1=1 #",          "x] where 1=1--",
	};

	(void)state;
	REFUSES_ALL(values);
}

static void takes_whole_statements(void **state)
{
	static const char *const values[] = {
		"select version()",
		"select @@version",
		"select user from mysql.user",
		"select * from sysobjects",
		"select sleep(5)",
		"select pg_sleep(5)",
		"select load_file('/etc/passwd')",
		"SELECT table_name FROM information_schema.tables",
		"exec xp_cmdshell 'dir'",
		"exec master.dbo.xp_dirtree '\\x\\y'",
		"waitfor delay '0:0:5'",
		"drop table users--",
		"drop database x;--",
		"delete from users;--",
		"insert into users values('a','b')--",
		"; exec sp_executesql N'select 1'",
	};

	(void)state;
	REFUSES_ALL(values);
}

static void takes_expressions_and_lists(void **state)
{
	static const char *const values[] = {
		"(select 1 from dual where 1=1 and sleep(5))",
		"(case when 1=1 then 1 else 2 end)",
		"if(1=1,1,2)",
		"iif(1=1,'a','b')",
		"case when (select count(*) from users)>1 then id else name end",
		"id,(select sleep(5))",
		"(select load_file('/etc/passwd'))",
		"load_file(0x2f6574632f706173737764)",
		"pg_read_file('/etc/passwd')",
		"admin\"--",
		"begin dbms_lock.sleep(5); end;",
	};

	(void)state;
	REFUSES_ALL(values);
}

static void reads_segments_of_a_path(void **state)
{
	(void)state;
	assert_true(judge_at(PLACE_PATH, "/item/1 or 1=1", 14) >= BLOCKED);
	assert_true(judge_at(PLACE_PATH, "/item/x' or '1'='1/view", 23) >= BLOCKED);
	assert_true(judge_at(PLACE_PATH, "/if(3>2,sleep(5),0)/", 20) >= BLOCKED);
	assert_true(judge_at(PLACE_PATH, "/a/0/1", 6) < DOUBTED);
	assert_true(judge_at(PLACE_PATH, "/a b/c--d.js", 12) < DOUBTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(breaks_out_of_numbers),
		cmocka_unit_test(breaks_out_of_single_quotes),
		cmocka_unit_test(breaks_out_of_other_quotes),
		cmocka_unit_test(takes_whole_statements),
		cmocka_unit_test(takes_expressions_and_lists),
		cmocka_unit_test(reads_segments_of_a_path),
	};

	return cmocka_run_group_tests(tests, judge_create, judge_destroy);
}
