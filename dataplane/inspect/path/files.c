// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/path/files.h"

#include <string.h>

// Whole ends of paths. "etc/passwd" is one of "etc/passwd" and "x/etc/passwd", not of "my-etc/passwd".
static const char *const system_ends[] = {
	"etc/passwd",
	"etc/passwd-",
	"etc/shadow",
	"etc/shadow-",
	"etc/group",
	"etc/gshadow",
	"etc/hosts",
	"etc/issue",
	"etc/hostname",
	"etc/fstab",
	"etc/crontab",
	"etc/sudoers",
	"etc/motd",
	"etc/resolv.conf",
	"etc/os-release",
	"etc/profile",
	"etc/master.passwd",
	"etc/security/passwd",
	"etc/subuid-",
	"etc/subuid",
	"etc/ssh/sshd_config",
	"proc/version",
	"proc/cpuinfo",
	"proc/mounts",
	"boot.ini",
	"win.ini",
	"system.ini",
	"windows/win.ini",
	"winnt/win.ini",
	"windows/repair/sam",
	"windows/system32/config/sam",
	"windows/system32/cmd.exe",
	"winnt/system32/cmd.exe",
	"system32/inetsrv/metabase.xml",
	"inetpub/wwwroot/global.asa",
	".ssh/id_rsa",
	".ssh/id_dsa",
	".ssh/id_ed25519",
	".ssh/authorized_keys",
	".ssh/known_hosts",
	".aws/credentials",
	".aws/config",
	".bash_history",
	".mysql_history",
	".git-credentials",
	".kube/config",
	".docker/config.json",
	"web-inf/web.xml",
	"meta-inf/manifest.mf",
	"unattend.xml",
	"ntds.dit",
};

// Worth it once the path has left the place it belongs to.
static const char *const app_ends[] = {
	"access.log",
	"access_log",
	"error.log",
	"error_log",
	"ssl_access_log",
	"ssl_error_log",
	"httpd.conf",
	"apache2.conf",
	"apache.conf",
	"nginx.conf",
	"php.ini",
	"my.cnf",
	"my.ini",
	"web.config",
	"machine.config",
	"global.asax",
	"wp-config.php",
	"configuration.php",
	"config.php",
	"config.inc.php",
	"settings.php",
	"localsettings.php",
	"database.yml",
	"secrets.yml",
	"settings.py",
	"application.properties",
	"application.yml",
	"tomcat-users.xml",
	"server.xml",
	"context.xml",
	"web.xml",
	"id_rsa",
	"id_dsa",
	".env",
	".htaccess",
	".htpasswd",
	".git/config",
	".git/head",
	".svn/entries",
	".svn/wc.db",
	".history",
	".bashrc",
	".profile",
	".npmrc",
	".netrc",
	"laravel.log",
	"production.log",
	"catalina.out",
	"mysql.log",
	"hosts",
	"passwd",
	"shadow",
	"sam",
};

// Directories of a system's root. What is below is not a site's own.
static const char *const roots[] = {
	"etc",
	"proc",
	"var",
	"usr",
	"root",
	"boot",
	"sys",
	"dev",
	"windows",
	"winnt",
	"opt",
	"home",
	"bin",
	"sbin",
	"library",
	"private",
	"volumes",
	"inetpub",
	"xampp",
	"program files",
	"program files (x86)",
	"documents and settings",
	"users",
	"mnt",
	"srv",
	"tmp",
};

// Of those, the ones whose every file tells about the machine.
static const char *const secret_roots[] = {
	"etc/",
	"proc/self/",
	"proc/net/",
	"proc/sys/",
	"root/.",
	"var/log/",
	"var/run/secrets/",
	"sys/class/",
	"windows/system32/",
	"winnt/system32/",
	"windows/repair/",
};

// What a web server keeps in its tree and does not give away.
static const char *const hidden[] = {
	".git/config",
	".git/head",
	".git/index",
	".git/logs/head",
	".svn/entries",
	".svn/wc.db",
	".hg/hgrc",
	".env",
	".htaccess",
	".htpasswd",
	".ds_store",
	".bash_history",
	".ssh/id_rsa",
	".ssh/authorized_keys",
	".aws/credentials",
	"web-inf/web.xml",
	"meta-inf/manifest.mf",
	"wp-config.php.bak",
	"wp-config.php~",
	"web.config",
	".npmrc",
	".git-credentials",
	".docker/config.json",
	".kube/config",
	".vscode/sftp.json",
	".idea/workspace.xml",
	".user.ini",
	".history",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool ends(const char *path, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && memcmp(path + len - n, end, n) == 0 &&
	       (len == n || path[len - n - 1] == '/');
}

static bool begins(const char *path, size_t len, const char *head)
{
	size_t n = strlen(head);

	return len > n && memcmp(path, head, n) == 0;
}

static bool is_process(const char *path, size_t len)
{
	return len > 6 && memcmp(path, "proc/", 5) == 0 && path[5] >= '0' && path[5] <= '9';
}

static bool is_below_root(const char *path, size_t len)
{
	for (size_t i = 0; i < COUNT(roots); i++)
		if (begins(path, len, roots[i]) && path[strlen(roots[i])] == '/')
			return true;
	return false;
}

enum path_file path_file_of(const char *path, size_t len, bool rooted)
{
	if (!rooted || len == 0)
		return PATH_FILE_NONE;
	for (size_t i = 0; i < COUNT(system_ends); i++)
		if (ends(path, len, system_ends[i]))
			return PATH_FILE_SYSTEM;
	for (size_t i = 0; i < COUNT(secret_roots); i++)
		if (begins(path, len, secret_roots[i]))
			return i < 4 ? PATH_FILE_SYSTEM : PATH_FILE_APP;
	if (is_process(path, len))
		return PATH_FILE_SYSTEM;
	for (size_t i = 0; i < COUNT(app_ends); i++)
		if (ends(path, len, app_ends[i]))
			return PATH_FILE_APP;
	return is_below_root(path, len) ? PATH_FILE_APP : PATH_FILE_NONE;
}

bool path_file_is_hidden(const char *path, size_t len)
{
	for (size_t i = 0; i < COUNT(hidden); i++)
		if (ends(path, len, hidden[i]))
			return true;
	return false;
}

// ---- globs ---------------------------------------------------------------------------------------

// Length of the set at p, "[..]"; 0: none. *hit: c is in it.
static size_t set_of(const char *p, size_t len, char c, bool *hit)
{
	bool no = len > 1 && (p[1] == '!' || p[1] == '^'), in = false;
	size_t i = no ? 2 : 1;

	for (size_t first = i; i < len && i < 32; i++) {
		if (p[i] == ']' && i > first) {
			*hit = in != no;
			return i + 1;
		}
		if (i + 2 < len && p[i + 1] == '-' && p[i + 2] != ']') {
			in |= c >= p[i] && c <= p[i + 2];
			i += 2;
		} else {
			in |= c == p[i];
		}
	}
	return 0;
}

// One byte of text against one sign of the pattern. Returns what of the pattern it takes; 0: it does not match
static size_t one(const char *p, size_t len, char c)
{
	bool hit = false;
	size_t n;

	if (*p == '?')
		return 1;
	if (*p == '[') {
		n = set_of(p, len, c, &hit);
		if (n > 0)
			return hit ? n : 0;
	}
	return *p == c ? 1 : 0;
}

bool path_glob(const char *pattern, size_t len, const char *text)
{
	const char *back = NULL;
	size_t i = 0, star = 0, n;
	bool any = false;

	while (*text != '\0') {
		if (i < len && pattern[i] == '*') {
			star = ++i;
			back = text;
			any = true;
			continue;
		}
		n = i < len ? one(pattern + i, len - i, *text) : 0;
		if (n > 0) {
			i += n;
			text++;
			continue;
		}
		if (!any)
			return false;
		i = star;
		text = ++back;
	}
	while (i < len && pattern[i] == '*')
		i++;
	return i == len;
}

bool path_file_globs(const char *pattern, size_t len)
{
	static const char *const wanted[] = {
		"/etc/passwd",       "/etc/shadow",  "/etc/group",    "/etc/hosts",
		"/etc/issue",        "/etc/passwd-", "/etc/hostname", "/proc/self/environ",
		"/root/.ssh/id_rsa", "/etc/crontab",
	};
	size_t signs = 0;

	for (size_t i = 0; i < len; i++)
		signs += pattern[i] == '/' ? 0 : pattern[i] != '*' && pattern[i] != '?';
	if (signs == 0) // "/*/*" stands for anything
		return false;
	for (size_t i = 0; i < COUNT(wanted); i++)
		if (path_glob(pattern, len, wanted[i]))
			return true;
	return false;
}
