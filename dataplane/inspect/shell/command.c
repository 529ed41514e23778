// SPDX-License-Identifier: BSD-3-Clause
//
// A simple command: what may stand before its name, the name, and what kinds of words follow it.

#include "dataplane/inspect/path/files.h"
#include "dataplane/inspect/path/walk.h"
#include "dataplane/inspect/shell/sh.h"

#include <string.h>

#define WORDS_MAX  32
#define PREFIX_MAX 8

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_name(uint8_t c)
{
	return is_letter(c) || is_digit(c) || c == '_';
}

static uint8_t at(const struct sh *s, size_t i)
{
	return i < s->len ? s->p[i] : 0;
}

static bool are(const struct sh_word *w, const char *text)
{
	return w->len == strlen(text) && memcmp(w->text, text, w->len) == 0;
}

static bool holds(const char *p, size_t len, const char *text)
{
	return memmem(p, len, text, strlen(text)) != NULL;
}

// ---- redirections --------------------------------------------------------------------------------

// < > >> >& <<< 2>&1 at s->at. true: there was one, and its word was taken.
static bool redirection(struct sh *s, struct sh_command *c)
{
	size_t i = s->at;
	struct sh_word w;
	bool out;

	while (is_digit(at(s, i)))
		i++;
	if (at(s, i) == '&' && at(s, i + 1) == '>')
		i++;
	if ((at(s, i) != '<' && at(s, i) != '>') || at(s, i + 1) == '(')
		return false;
	out = at(s, i) == '>';
	while (at(s, i) == '<' || at(s, i) == '>' || at(s, i) == '&' || at(s, i) == '|')
		i++;
	s->at = i;
	if (!sh_word(s, &w)) {
		c->from_text |= !out;
		return true;
	}
	if (w.len > 9 &&
	    (memcmp(w.text, "/dev/tcp/", 9) == 0 || memcmp(w.text, "/dev/udp/", 9) == 0))
		c->devtcp = true;
	if (!out) {
		c->tag |= at(s, s->at) == '>';
		c->from_text = true;
		if (path_file_of(w.text + 1, w.len > 0 ? w.len - 1 : 0,
				 w.len > 1 && w.text[0] == '/') == PATH_FILE_SYSTEM)
			c->secrets++;
	} else if (!is_digit((uint8_t)w.text[0]) && w.len > 0 &&
		   (memchr(w.text, '/', w.len) != NULL || memchr(w.text, '.', w.len) != NULL ||
		    memchr(w.text, '\\', w.len) != NULL)) {
		c->to_file = true;
	}
	c->flags |= w.flags;
	return true;
}

// ---- kinds of words ------------------------------------------------------------------------------

static bool is_root(const char *p, size_t len)
{
	static const char *const roots[] = {
		"/etc", "/var", "/proc", "/root", "/home", "/tmp", "/usr",  "/bin",
		"/dev", "/opt", "/sys",  "/boot", "/srv",  "/mnt", "/sbin",
	};

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		size_t n = strlen(roots[i]);

		if (len >= n && memcmp(p, roots[i], n) == 0 && (len == n || p[n] == '/'))
			return true;
	}
	return (len == 1 && *p == '/') || (len > 1 && p[0] == '~' && p[1] == '/');
}

static bool is_host(const char *p, size_t len)
{
	size_t dots = 0, colons = 0, i;

	if (holds(p, len, "://"))
		return true;
	if (len == 9 && memcmp(p, "localhost", 9) == 0)
		return true;
	const char *sign = memchr(p, '@', len);

	if (sign != NULL && sign > p && sign + 1 < p + len)
		return true;
	for (i = 0; i < len && (is_name((uint8_t)p[i]) || p[i] == '.' || p[i] == '-' ||
				p[i] == ':' || p[i] == '@' || p[i] == '{' || p[i] == '}');
	     i++) {
		dots += p[i] == '.';
		colons += p[i] == ':';
	}
	if (i < len && p[i] != '/')
		return false;
	return (dots > 0 && p[0] != '.' && p[i - 1] != '.') || colons > 1;
}

static bool is_secret(const struct sh_word *w)
{
	struct path_walk walk;

	if (w->flags & WORD_GLOB)
		return path_file_globs(w->text, w->len);
	if (memchr(w->text, '/', w->len) == NULL)
		return false;
	path_walk((const uint8_t *)w->text, w->len, &walk);
	return path_file_of(walk.text, walk.text_len, walk.absolute || walk.out > 0) ==
	       PATH_FILE_SYSTEM;
}

// C:\.. as it stood, before the backslashes went.
static bool is_drive(const struct sh *s, const struct sh_word *w)
{
	return w->to - w->from > 2 && is_letter(s->p[w->from]) && s->p[w->from + 1] == ':' &&
	       (s->p[w->from + 2] == '\\' || s->p[w->from + 2] == '/');
}

static bool is_number(const struct sh_word *w)
{
	size_t dots = 0;

	for (size_t i = 0; i < w->len; i++) {
		if (!is_digit((uint8_t)w->text[i]) && w->text[i] != '.' &&
		    !(i + 1 == w->len && i > 0 && memchr("smhd", w->text[i], 4) != NULL))
			return false;
		dots += w->text[i] == '.';
	}
	return w->len > 0 && w->len < 12 && dots < 2 && is_digit((uint8_t)w->text[0]);
}

// A word of prose: letters, perhaps an apostrophe or a hyphen in it and punctuation behind.
static bool is_plain(const struct sh_word *w)
{
	size_t letters = 0;

	if ((w->flags & ~(uint32_t)(WORD_QUOTED | WORD_GLOB)) != 0)
		return false;
	for (size_t i = 0; i < w->len; i++) {
		uint8_t c = (uint8_t)w->text[i];

		if (is_letter(c) || c >= 0x80)
			letters++;
		else if (c != '\'' && c != '-' && (i + 1 < w->len || memchr(".,:!?", c, 5) == NULL))
			return false;
	}
	return letters > 0;
}

// /all /c of Windows
static bool is_slash_option(const struct sh_word *w, const struct program *p)
{
	return p != NULL && (p->flags & PROGRAM_WIN) != 0 && w->len > 1 && w->len < 12 &&
	       w->text[0] == '/' && memchr(w->text + 1, '/', w->len - 1) == NULL;
}

static bool takes_code(const struct sh_word *w)
{
	static const char *const options[] = {
		"-c",
		"-e",
		"-r",
		"-E",
		"/c",
		"/C",
		"/k",
		"/K",
		"-lc",
		"-ic",
		"-ec",
		"-i",
		"-enc",
		"-Enc",
		"-ENC",
		"-encodedcommand",
		"-EncodedCommand",
		"-Command",
		"-command",
		"-nop",
		"-NoP",
		"-noprofile",
		"-NoProfile",
		"-w",
		"-W",
		"-ep",
		"-exec",
		"--eval",
		"-ne",
		"-pe",
		"-le",
		"-File",
		"-file",
		"-NonI",
		"-ExecutionPolicy",
		"-wrapper",
		"/s",
		"/i:",
		"call",
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (are(w, options[i]))
			return true;
	return w->len > 3 && (memcmp(w->text, "/i:", 3) == 0 || memcmp(w->text, "-c:", 3) == 0);
}

// What some programs have in the place of options.
static bool is_subcommand(const struct program *p, const struct sh_word *w)
{
	static const struct {
		const char *program, *sub;
	} known[] = {
		{"net", "user"},
		{"net", "localgroup"},
		{"net", "group"},
		{"net", "share"},
		{"net", "view"},
		{"net", "use"},
		{"net", "start"},
		{"net", "stop"},
		{"net", "accounts"},
		{"net", "session"},
		{"reg", "query"},
		{"reg", "add"},
		{"reg", "save"},
		{"reg", "export"},
		{"sc", "query"},
		{"sc", "create"},
		{"sc", "config"},
		{"wmic", "process"},
		{"wmic", "os"},
		{"wmic", "service"},
		{"wmic", "product"},
		{"netsh", "advfirewall"},
		{"netsh", "interface"},
		{"ip", "addr"},
		{"ip", "a"},
		{"ip", "route"},
		{"ps", "aux"},
		{"ps", "ef"},
		{"vssadmin", "delete"},
		{"getent", "passwd"},
		{"apt", "install"},
		{"systemctl", "stop"},
		{"systemctl", "start"},
		{"systemctl", "restart"},
		{"systemctl", "disable"},
		{"service", "stop"},
		{"service", "start"},
		{"service", "restart"},
		{"apt-get", "install"},
		{"apt-get", "remove"},
		{"yum", "install"},
		{"apt", "remove"},
		{"docker", "run"},
		{"git", "clone"},
		{"pip", "install"},
		{"npm", "install"},
		{"docker", "ps"},
		{"docker", "exec"},
		{"docker", "images"},
		{"kubectl", "get"},
		{"kubectl", "exec"},
		{"aws", "s3"},
		{"route", "print"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(p->name, known[i].program) == 0 && are(w, known[i].sub))
			return true;
	return false;
}

// ..\x, as it stood.
static bool is_windows_path(const struct sh *s, const struct sh_word *w, const struct sh_command *c)
{
	return (c->program->flags & PROGRAM_WIN) != 0 &&
	       memchr(s->p + w->from, '\\', w->to - w->from) != NULL;
}

static bool is_script(const struct sh_word *w)
{
	static const char *const ends[] = {".exe", ".bat", ".cmd", ".vbs",
					   ".ps1", ".sh",  ".py",  ".hta"};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t n = strlen(ends[i]);

		if (w->len > n && memcmp(w->text + w->len - n, ends[i], n) == 0)
			return true;
	}
	return false;
}

static void sort_argument(const struct sh *s, const struct sh_word *w, struct sh_command *c)
{
	bool option = (w->len > 1 && (w->text[0] == '-')) || is_slash_option(w, c->program);
	bool path = memchr(w->text, '/', w->len) != NULL || is_drive(s, w) ||
		    is_windows_path(s, w, c) || are(w, "..");

	c->flags |= w->flags;
	if (is_subcommand(c->program, w))
		option = true;
	if (c->args++ == 0) {
		c->first_plain = is_plain(w) && !option;
	}
	if (w->len > 8 &&
	    (holds(w->text, w->len, "/dev/tcp/") || holds(w->text, w->len, "/dev/udp/")))
		c->devtcp = true;
	if (is_script(w))
		c->scripts++;
	if (is_plain(w) && program_find(w->text, w->len) != NULL)
		c->names++;
	if (is_secret(w))
		c->secrets++;
	if (is_root(w->text, w->len) || is_drive(s, w))
		c->roots++;
	if (option) {
		c->options++;
		c->code |= takes_code(w);
	} else if (is_number(w)) {
		c->numbers++;
	} else if (is_host(w->text, w->len)) {
		c->hosts++;
		c->paths += path || !holds(w->text, w->len, "://");
	} else if (is_plain(w)) { // "who is it?" is no glob
		c->plain++;
	} else if (path || (w->flags & WORD_GLOB) != 0) {
		c->paths++;
	} else {
		c->odd++;
	}
}

// ---- the name ------------------------------------------------------------------------------------

static bool is_bin(const char *p, size_t len)
{
	static const char *const dirs[] = {"/bin/",      "/usr/bin/",       "/sbin/",
					   "/usr/sbin/", "/usr/local/bin/", "bin/"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if ((*p == dirs[i][0] || *p == '?' || *p == '*' || *p == '[') &&
		    path_glob(p, len, dirs[i]))
			return true;
	return false;
}

static void name_of(const struct sh *s, const struct sh_word *w, struct sh_command *c)
{
	const char *p = w->text, *slash = memrchr(w->text, '/', w->len);
	size_t len = w->len;

	c->name_flags |= w->flags;
	c->flags |= w->flags;
	if (slash != NULL) {
		if (slash + 1 == p + len ||
		    !(p[0] == '/' || p[0] == '.' || p[0] == '~' || is_bin(p, len)))
			return;
		c->path = is_bin(p, (size_t)(slash - p) + 1);
		if (!c->path && p[0] != '.')
			return;
		len -= (size_t)(slash + 1 - p);
		p = slash + 1;
	} else if (is_drive(s, w)) {
		const uint8_t *raw = memrchr(s->p + w->from, '\\', w->to - w->from);

		if (raw == NULL)
			return;
		p = (const char *)raw + 1;
		len = w->to - (size_t)(raw + 1 - s->p);
		c->path = true;
	}
	if ((w->flags & WORD_GLOB) != 0)
		c->program = c->path || w->len > 2 ? program_glob(p, len) : NULL;
	else
		c->program = program_find(p, len);
}

// x=y in front of a name.
static bool is_assignment(const struct sh_word *w, const struct sh *s)
{
	size_t i = w->from;

	if (!is_letter(at(s, i)) && at(s, i) != '_')
		return false;
	while (i < w->to && is_name(s->p[i]))
		i++;
	return i < w->to && s->p[i] == '=' && at(s, i + 1) != '=';
}

bool sh_is_keyword(const char *p, size_t len)
{
	static const char *const words[] = {"then",  "do",   "else", "if", "while",
					    "until", "elif", "!",    "{",  "-"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (len == strlen(words[i]) && memcmp(p, words[i], len) == 0)
			return true;
	return false;
}

// {cat,/etc/passwd}
static bool is_brace_list(const struct sh *s)
{
	size_t i = s->at + 1, commas = 0;

	if (at(s, s->at) != '{' || at(s, i) <= ' ' || at(s, i) == '"')
		return false;
	for (; i < s->len && i - s->at < 128 && s->p[i] != '}'; i++) {
		if (s->p[i] == ' ' || s->p[i] == ':' || s->p[i] == '\n')
			return false;
		commas += s->p[i] == ',';
	}
	return commas > 0 && at(s, i) == '}';
}

static void skip_front(struct sh *s)
{
	sh_blanks(s);
	while (at(s, s->at) == '(' || at(s, s->at) == '@' || at(s, s->at) == '!') {
		s->at++;
		sh_blanks(s);
	}
}

// The name and what stands before it. In a brace list empty elements are nothing.
static bool take_name(struct sh *s, struct sh_command *c, struct sh_word *w)
{
	for (unsigned i = 0; i < PREFIX_MAX; i++) {
		if (!s->brace && is_brace_list(s)) {
			s->brace = true;
			s->at++;
		}
		while (s->brace && at(s, s->at) == ',') {
			c->name_flags |= WORD_PIECES; // {,cat}
			s->at++;
		}
		c->from = s->at;
		if (redirection(s, c))
			continue;
		if (!sh_word(s, w))
			return false;
		if (is_assignment(w, s)) {
			c->assigned++;
			c->flags |= w->flags;
			sh_blanks(s);
			continue;
		}
		if (w->len == 0 && (w->flags & WORD_VAR) != 0 && at(s, s->at) == ' ') {
			c->name_flags |= WORD_PIECES; // $u id
			continue;
		}
		if (!sh_is_keyword(w->text, w->len))
			return true;
		c->keyword = true;
		skip_front(s);
	}
	return false;
}

// ---- the command ---------------------------------------------------------------------------------

static bool ends_command(uint8_t c)
{
	return c == ';' || c == '|' || c == '&' || c == '\n' || c == ')' || c == '`' || c == '(';
}

static void take_arguments(struct sh *s, struct sh_command *c)
{
	size_t most = s->most != 0 ? s->most : SH_COMMAND_MAX;
	struct sh_word w;

	for (unsigned i = 0; i < WORDS_MAX && s->at - c->from < most; i++) {
		while (s->brace && at(s, s->at) == ',')
			s->at++;
		if (s->brace && at(s, s->at) == '}') {
			if (s->p[s->at - 1] == ',')
				c->name_flags |= WORD_PIECES; // {id,}
			s->brace = false;
			s->at++;
		}
		sh_blanks(s);
		if (s->at >= s->len || s->p[s->at] == '#')
			return;
		if (at(s, s->at) == '<' && at(s, s->at + 1) == '(') {
			c->flags |= WORD_SUBST;
			s->at++;
			continue;
		}
		if (at(s, s->at) == '&' && at(s, s->at + 1) == '>') {
			redirection(s, c);
			continue;
		}
		if (ends_command(s->p[s->at]) || redirection(s, c)) {
			if (ends_command(at(s, s->at)))
				return;
			continue;
		}
		if (!sh_word(s, &w))
			return;
		// what a wrapper runs
		if (c->program->kind == PROGRAM_RUN && w.len > 0 && w.text[0] != '-' &&
		    !is_number(&w) && !is_assignment(&w, s)) {
			const struct program *outer = c->program;

			c->program = NULL;
			name_of(s, &w, c);
			if (c->program != NULL) {
				c->run = true;
				continue;
			}
			c->program = outer;
		}
		if (w.len > 0 ||
		    w.flags != WORD_QUOTED) // else the quote that the value was put into
			sort_argument(s, &w, c);
	}
}

bool sh_command(struct sh *s, struct sh_command *c)
{
	struct sh_word w;

	memset(c, 0, sizeof(*c));
	s->brace = false;
	skip_front(s);
	if (!take_name(s, c, &w))
		return false;
	name_of(s, &w, c);
	if (c->program == NULL)
		return false;
	// name(: a function of another language
	if (at(s, s->at) == '(')
		return false;
	take_arguments(s, c);
	c->to = s->at;
	c->end = at(s, s->at);
	s->work += c->to - c->from;
	return !c->tag && c->end != '('; // no command has one within, calls and stack traces do
}
