// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/path/files.h"

#include <string.h>

struct end {
	const char *text;
	size_t len; // 2 or more
};
#define END(text)                                                                                  \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

// Whole ends of paths. "etc/passwd" is one of "etc/passwd" and "x/etc/passwd", not of "my-etc/passwd".
static const struct end system_ends[] = {
	END("etc/passwd"),
	END("etc/passwd-"),
	END("etc/shadow"),
	END("etc/shadow-"),
	END("etc/group"),
	END("etc/gshadow"),
	END("etc/hosts"),
	END("etc/issue"),
	END("etc/hostname"),
	END("etc/fstab"),
	END("etc/crontab"),
	END("etc/sudoers"),
	END("etc/motd"),
	END("etc/resolv.conf"),
	END("etc/os-release"),
	END("etc/profile"),
	END("etc/master.passwd"),
	END("etc/security/passwd"),
	END("etc/subuid-"),
	END("etc/subuid"),
	END("etc/ssh/sshd_config"),
	END("proc/version"),
	END("proc/cpuinfo"),
	END("proc/mounts"),
	END("boot.ini"),
	END("win.ini"),
	END("system.ini"),
	END("windows/win.ini"),
	END("winnt/win.ini"),
	END("windows/repair/sam"),
	END("windows/system32/config/sam"),
	END("windows/system32/cmd.exe"),
	END("winnt/system32/cmd.exe"),
	END("system32/inetsrv/metabase.xml"),
	END("inetpub/wwwroot/global.asa"),
	END(".ssh/id_rsa"),
	END(".ssh/id_dsa"),
	END(".ssh/id_ed25519"),
	END(".ssh/authorized_keys"),
	END(".ssh/known_hosts"),
	END(".aws/credentials"),
	END(".aws/config"),
	END(".bash_history"),
	END(".mysql_history"),
	END(".git-credentials"),
	END(".kube/config"),
	END(".docker/config.json"),
	END("web-inf/web.xml"),
	END("meta-inf/manifest.mf"),
	END("unattend.xml"),
	END("ntds.dit"),
};

// Worth it once the path has left the place it belongs to.
static const struct end app_ends[] = {
	END("access.log"),
	END("access_log"),
	END("error.log"),
	END("error_log"),
	END("ssl_access_log"),
	END("ssl_error_log"),
	END("httpd.conf"),
	END("apache2.conf"),
	END("apache.conf"),
	END("nginx.conf"),
	END("php.ini"),
	END("my.cnf"),
	END("my.ini"),
	END("web.config"),
	END("machine.config"),
	END("global.asax"),
	END("wp-config.php"),
	END("configuration.php"),
	END("config.php"),
	END("config.inc.php"),
	END("settings.php"),
	END("localsettings.php"),
	END("database.yml"),
	END("secrets.yml"),
	END("parameters.yml"),
	END("settings.py"),
	END("application.properties"),
	END("application.yml"),
	END("tomcat-users.xml"),
	END("server.xml"),
	END("context.xml"),
	END("web.xml"),
	END("id_rsa"),
	END("id_dsa"),
	END(".env"),
	END(".htaccess"),
	END(".htpasswd"),
	END(".git/config"),
	END(".git/head"),
	END(".svn/entries"),
	END(".svn/wc.db"),
	END(".history"),
	END(".bashrc"),
	END(".profile"),
	END(".npmrc"),
	END(".netrc"),
	END("laravel.log"),
	END("production.log"),
	END("catalina.out"),
	END("mysql.log"),
};

// Directories of a system's root that no site has beside its own.
static const struct end roots[] = {
	END("etc/"),     END("proc/"),        END("usr/"),           END("windows/"),
	END("winnt/"),   END("private/etc/"), END("private/var/"),   END("volumes/"),
	END("inetpub/"), END("xampp/"),       END("program files/"), END("documents and settings/"),
};

// Directories of which every file tells about the machine.
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
static const struct end hidden[] = {
	END(".git/config"),
	END(".git/head"),
	END(".git/index"),
	END(".git/logs/head"),
	END(".svn/entries"),
	END(".svn/wc.db"),
	END(".hg/hgrc"),
	END(".env"),
	END(".htaccess"),
	END(".htpasswd"),
	END(".ds_store"),
	END(".bash_history"),
	END(".ssh/id_rsa"),
	END(".ssh/authorized_keys"),
	END(".aws/credentials"),
	END("web-inf/web.xml"),
	END("meta-inf/manifest.mf"),
	END("wp-config.php.bak"),
	END("wp-config.php~"),
	END("web.config"),
	END(".npmrc"),
	END(".git-credentials"),
	END(".docker/config.json"),
	END(".kube/config"),
	END(".vscode/sftp.json"),
	END(".idea/workspace.xml"),
	END(".user.ini"),
	END(".history"),
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool ends(const char *path, size_t len, const char *end, size_t n)
{
	return len >= n && path[len - 1] == end[n - 1] && path[len - 2] == end[n - 2] &&
	       memcmp(path + len - n, end, n) == 0 && (len == n || path[len - n - 1] == '/');
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

enum path_file path_file_of(const char *path, size_t len, bool rooted)
{
	if (!rooted || len < 2)
		return PATH_FILE_NONE;
	for (size_t i = 0; i < COUNT(system_ends); i++)
		if (ends(path, len, system_ends[i].text, system_ends[i].len))
			return PATH_FILE_SYSTEM;
	for (size_t i = 0; i < COUNT(secret_roots); i++)
		if (begins(path, len, secret_roots[i]))
			return i < 4 ? PATH_FILE_SYSTEM : PATH_FILE_APP;
	if (is_process(path, len))
		return PATH_FILE_SYSTEM;
	for (size_t i = 0; i < COUNT(app_ends); i++)
		if (ends(path, len, app_ends[i].text, app_ends[i].len))
			return PATH_FILE_APP;
	for (size_t i = 0; i < COUNT(roots); i++)
		if (len > roots[i].len && memcmp(path, roots[i].text, roots[i].len) == 0)
			return PATH_FILE_APP;
	return PATH_FILE_NONE;
}

// Of the files above, by last letter, the letters before it: bit 0 is a, bit 26 anything else.
static const uint32_t tails[26] = {
	// clang-format off
	0x0040000, 0x0000009, 0x0020000, 0x0480101, 0x0961800, 0x0003000, 0x0000100,
	0x0000000, 0x0002000, 0x0000000, 0x0000001, 0x0001000, 0x0000001, 0x0004000,
	0x0000020, 0x0100000, 0x0000000, 0x0000000, 0x10e0810, 0x0000100, 0x0000000,
	0x0002000, 0x0004000, 0x0000010, 0x0020000, 0x0000000,
	// clang-format on
};

bool path_file_may_end(const uint8_t *p, size_t len)
{
	uint8_t a = (uint8_t)((p[len - 2] | 0x20) - 'a'), b = (uint8_t)((p[len - 1] | 0x20) - 'a');

	return b >= 26 || (tails[b] >> (a < 26 ? a : 26) & 1) != 0;
}

bool path_file_is_hidden(const char *path, size_t len)
{
	for (size_t i = 0; len > 1 && i < COUNT(hidden); i++)
		if (ends(path, len, hidden[i].text, hidden[i].len))
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
