/*
 * What the address of a git repository says. In: the user's text or a Dockerfile's; out: values that git cannot
 * mistake for options, refspecs or helpers ("ext::sh -c …").
 */
#include "builder/git.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/parse.h"
#include "base/rootpath.h"

#define CHECKSUM_MAX 64 /* of SHA-256 repositories */

void git_address_done(struct git_address *address)
{
	free(address->url);
	mem_free_secret(&address->user);
	mem_free_secret(&address->password);
	free(address->protocol);
	free(address->ref);
	free(address->subdir);
	free(address->checksum);
	*address = (struct git_address){0};
}

/* ---- what it is ---- */

static bool ends_in_git(const char *text)
{
	size_t size = strcspn(text, "?#");

	while (size && text[size - 1] == '/')
		size--;
	return size > 4 && strncmp(text + size - 4, ".git", 4) == 0;
}

/* user@host:path, as scp(1) has it: the ':' comes before any '/', and the path is not empty. */
static bool is_scp(const char *text)
{
	size_t user = strcspn(text, "@:/?#");
	size_t host = text[user] == '@' ? strcspn(text + user + 1, ":/?#@") : 0;

	return user > 0 && host > 0 && text[user + 1 + host] == ':' && text[user + 1 + host + 1] != '\0';
}

/* What an address without a scheme is completed with. */
static const char *missing_scheme(const char *text)
{
	return text_has_prefix(text, "github.com/") ? "https://" : "";
}

/* The scheme as a protocol of git's, or NULL. */
static const char *protocol_of(const char *text)
{
	static const char *const plain[] = {"https", "http", "ssh", "git", "file"};

	for (size_t i = 0; i < ARRAY_COUNT(plain); i++) {
		size_t size = strlen(plain[i]);
		if (strncmp(text, plain[i], size) == 0 && text_has_prefix(text + size, "://"))
			return plain[i];
	}
	return is_scp(text) ? "ssh" : NULL;
}

bool git_address_is(const char *text)
{
	const char *protocol = protocol_of(text);

	if (*missing_scheme(text))
		return true;
	if (protocol && (strcmp(protocol, "https") == 0 || strcmp(protocol, "http") == 0))
		return ends_in_git(text);
	return protocol != NULL;
}

/* ---- its parts ---- */

/* Nothing that git-check-ref-format(1) forbids: so it can be neither an option nor a refspec, a range or a pattern. */
static int check_ref(const char *ref, struct error **err)
{
	bool bad = *ref == '-' || *ref == '+' || *ref == '/' || strstr(ref, "..") || strstr(ref, "@{");

	for (const char *c = ref; *c && !bad; c++)
		bad = (unsigned char)*c <= ' ' || *c == 0x7f || strchr("~^:?*[\\", *c);
	return bad ? error_set(err, EINVAL, "'%s' cannot be a git reference", ref) : 0;
}

static int take_ref(struct git_address *address, const char *prefix, const char *value, struct error **err)
{
	if (!*value)
		return 0;
	if (address->ref)
		return error_set(err, EINVAL, "more than one reference: '%s' and '%s'", address->ref, value);
	int rc = check_ref(value, err);
	if (rc == 0)
		address->ref = mem_printf("%s%s", text_has_prefix(value, "refs/") ? "" : prefix, value);
	return rc;
}

static int take_subdir(struct git_address *address, const char *value, struct error **err)
{
	cleanup_free char *clean = rootpath_clean(value);

	if (address->subdir)
		return error_set(err, EINVAL, "more than one subdirectory: '%s' and '%s'", address->subdir, value);
	for (const char *part = value; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (text_has_prefix(part, "..") && (part[2] == '\0' || part[2] == '/'))
			return error_set(err, EINVAL, "subdirectory '%s' leaves the repository", value);
	}
	if (strcmp(clean, "/") != 0)
		address->subdir = mem_strdup(clean + 1);
	return 0;
}

/* "ref", "ref:subdir", ":subdir" */
static int parse_fragment(struct git_address *address, const char *text, struct error **err)
{
	size_t size = strcspn(text, ":");
	cleanup_free char *ref = mem_strndup(text, size);
	int rc = take_ref(address, "", ref, err);

	return rc == 0 && text[size] && text[size + 1] ? take_subdir(address, text + size + 1, err) : rc;
}

static int take_checksum(struct git_address *address, const char *value, struct error **err)
{
	size_t size = strspn(value, "0123456789abcdef");

	if (size < 7 || size > CHECKSUM_MAX || value[size])
		return error_set(err, EINVAL, "checksum '%s': not 7 to %d hexadecimal digits of a commit's id", value,
				 CHECKSUM_MAX);
	mem_replace(&address->checksum, value);
	return 0;
}

static int take_mtime(struct git_address *address, const char *value, struct error **err)
{
	if (strcmp(value, "commit") == 0)
		address->mtime = GIT_MTIME_COMMIT;
	else if (strcmp(value, "checkout") != 0)
		return error_set(err, EINVAL, "mtime '%s': use commit or checkout", value);
	return 0;
}

static int take_bool(const char *key, const char *value, bool *on, struct error **err)
{
	*on = true;
	return *value ? parse_bool(value, key, on, err) : 0;
}

/* A commit named in full is fetched by its id in any case: fetch-by-commit only wants the reference to be one. */
static int take_fetch_by_commit(const char *value, struct error **err)
{
	bool on;

	return take_bool("fetch-by-commit", value, &on, err);
}

static int take_pair(struct git_address *address, const char *key, const char *value, struct error **err)
{
	bool on = false;
	int rc;

	if (strcmp(key, "ref") == 0)
		return take_ref(address, "", value, err);
	if (strcmp(key, "branch") == 0)
		return take_ref(address, "refs/heads/", value, err);
	if (strcmp(key, "tag") == 0)
		return take_ref(address, "refs/tags/", value, err);
	if (strcmp(key, "subdir") == 0)
		return take_subdir(address, value, err);
	if (strcmp(key, "checksum") == 0 || strcmp(key, "commit") == 0)
		return take_checksum(address, value, err);
	if (strcmp(key, "mtime") == 0)
		return take_mtime(address, value, err);
	if (strcmp(key, "keep-git-dir") == 0)
		return take_bool(key, value, &address->keep_git_dir, err);
	if (strcmp(key, "fetch-by-commit") == 0)
		return take_fetch_by_commit(value, err);
	if (strcmp(key, "submodules") == 0) {
		rc = take_bool(key, value, &on, err);
		address->no_submodules = !on;
		return rc;
	}
	return error_set(err, EINVAL,
			 "unknown key '%s' (known: ref, branch, tag, subdir, checksum, keep-git-dir, submodules, "
			 "mtime, fetch-by-commit)",
			 key);
}

/* Undoes %XX; -EINVAL for a broken one and for NUL. */
static int unescape(const char *text, char **plain, struct error **err)
{
	cleanup(buf_done) struct buf out = BUF_INIT(strlen(text) + 1);

	for (const char *c = text; *c; c++) {
		unsigned char byte = (unsigned char)*c;
		if (*c == '%') {
			char digits[2] = {(char)tolower((unsigned char)c[1]), 0};
			digits[1] = (char)(c[1] ? tolower((unsigned char)c[2]) : 0);
			if (!digits[1] || parse_hex(digits, sizeof(digits), &byte, 1) < 0 || byte == 0)
				return error_set(err, EINVAL, "'%s': broken percent-encoding", text);
			c += 2;
		}
		buf_append_char(&out, (char)byte);
	}
	*plain = buf_take(&out);
	return 0;
}

static int parse_query(struct git_address *address, const char *text, struct error **err)
{
	cleanup(strlist_done) struct strlist pairs = {0};
	int rc = 0;

	strlist_split(&pairs, text, '&');
	for (size_t i = 0; rc == 0 && i < pairs.count; i++) {
		const char *pair = pairs.items[i];
		size_t size = strcspn(pair, "=");
		cleanup_free char *key = mem_strndup(pair, size);
		cleanup_free char *value = NULL;
		if (!*pair)
			continue;
		rc = unescape(pair[size] ? pair + size + 1 : "", &value, err);
		if (rc == 0)
			rc = take_pair(address, key, value, err);
	}
	return rc;
}

/* Takes "user:password@" out of an http(s) address. */
static int take_user(struct git_address *address, struct error **err)
{
	char *authority = strstr(address->url, "://") + 3;
	char *at = memrchr(authority, '@', strcspn(authority, "/"));

	if (!at)
		return 0;
	size_t size = (size_t)(at - authority);
	cleanup_free char *user = mem_strndup(authority, size);
	memmove(authority, at + 1, strlen(at + 1) + 1);
	char *colon = strchr(user, ':');
	if (colon)
		*colon = '\0';
	int rc = *user ? unescape(user, &address->user, NULL) : 0;
	if (rc == 0 && colon)
		rc = unescape(colon + 1, &address->password, NULL);
	if (rc == 0 && address->password && !address->user)
		address->user = mem_strdup("");
	mem_wipe(user, size);
	/* git is told them a line each. */
	bool bad = rc < 0 || (address->user && strpbrk(address->user, "\r\n")) ||
		   (address->password && strpbrk(address->password, "\r\n"));
	return bad ? error_set(err, EINVAL, "user or password: broken percent-encoding, or a newline") : 0;
}

static int parse_parts(const char *text, struct git_address *address, struct error **err)
{
	size_t url = strcspn(text, "?#");
	size_t query = text[url] == '?' ? strcspn(text + url, "#") : 0;
	cleanup_free char *pairs = query ? mem_strndup(text + url + 1, query - 1) : NULL;
	const char *fragment = text[url + query] == '#' ? text + url + query + 1 : NULL;
	cleanup_free char *place = mem_strndup(text, url);

	address->url = mem_printf("%s%s", missing_scheme(place), place);
	const char *protocol = protocol_of(address->url);
	if (!protocol || *address->url == '-')
		return error_set(err, EINVAL, "not the address of a git repository");
	address->protocol = mem_strdup(protocol);
	/* "ssh://-oProxyCommand=…" would be an option of ssh's; git refuses it too (CVE-2017-1000117). */
	const char *scheme = strstr(address->url, "://");
	const char *user = strchr(address->url, '@');
	if ((scheme && scheme[3] == '-') || (user && user[1] == '-'))
		return error_set(err, EINVAL, "a host cannot begin with '-'");
	int rc = text_has_prefix(protocol, "http") ? take_user(address, err) : 0;
	if (rc == 0 && pairs)
		rc = parse_query(address, pairs, err);
	return rc == 0 && fragment ? parse_fragment(address, fragment, err) : rc;
}

int git_address_parse(const char *text, struct git_address *address, struct error **err)
{
	cleanup(git_address_done) struct git_address parsed = {0};
	int rc = parse_parts(text, &parsed, err);

	if (rc < 0) {
		/* A password in it is not for an error. */
		cleanup_free char *shown = parsed.url ? git_address_format(&parsed) : mem_strdup("git address");
		return error_prefix(err, "%s", shown);
	}
	*address = parsed;
	parsed = (struct git_address){0};
	return 0;
}

char *git_address_format(const struct git_address *address)
{
	const char *begin = strstr(address->url, "://");
	const char *authority = begin ? begin + 3 : address->url;
	size_t size = strcspn(authority, "/");
	const char *at = begin ? memrchr(authority, '@', size) : NULL;
	const char *colon = at ? memchr(authority, ':', (size_t)(at - authority)) : NULL;

	if (address->user)
		return mem_printf("%.*s%s%s@%s", (int)(authority - address->url), address->url,
				  address->password ? address->user : "", address->password ? ":***" : "***",
				  authority);
	if (!colon)
		return mem_strdup(address->url);
	return mem_printf("%.*s:***%s", (int)(colon - address->url), address->url, at);
}
