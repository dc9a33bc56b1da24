/*
 * Names of images, read by hand along the grammar of the distribution project (reference/regexp.go):
 *
 *	reference = name [ ":" tag ] [ "@" digest ]
 *	name      = [ domain "/" ] component *( "/" component )
 *	domain    = ( label *( "." label ) / "[" ipv6 "]" ) [ ":" digits ]
 *	component = alnum *( separator alnum )      separator = "." / "_" / "__" / 1*"-"
 *	tag       = word 0*127( word / "." / "-" )
 *
 * Every part is checked before it can become part of a URL, a path or a name in the store.
 */
#include "imagefmt/reference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define NAME_MAX_LENGTH 255
#define TAG_MAX_LENGTH 128
#define DOCKER_DOMAIN "docker.io"

void reference_done(struct reference *ref)
{
	free(ref->domain);
	free(ref->path);
	free(ref->tag);
	*ref = (struct reference){0};
}

void reference_copy(struct reference *to, const struct reference *from)
{
	struct reference copy = {
		.domain = mem_strdup(from->domain),
		.path = mem_strdup(from->path),
		.tag = mem_strdup(from->tag),
		.digest = from->digest,
	};
	reference_done(to);
	*to = copy;
}

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static const char *skip_lower_alnum(const char *at, const char *end)
{
	while (at < end && is_lower_alnum(*at))
		at++;
	return at;
}

/* Past one separator, or `at` itself when there is none. */
static const char *skip_separator(const char *at, const char *end)
{
	if (at < end && *at == '.')
		return at + 1;
	if (at < end && *at == '_')
		return at + 1 < end && at[1] == '_' ? at + 2 : at + 1;
	while (at < end && *at == '-')
		at++;
	return at;
}

static bool is_component(const char *at, const char *end)
{
	for (;;) {
		const char *word = at;
		at = skip_lower_alnum(at, end);
		if (at == word)
			return false;
		if (at == end)
			return true;
		const char *separator = at;
		at = skip_separator(at, end);
		if (at == separator)
			return false;
	}
}

static bool is_path(const char *path)
{
	for (;;) {
		const char *slash = strchrnul(path, '/');
		if (!is_component(path, slash))
			return false;
		if (!*slash)
			return true;
		path = slash + 1;
	}
}

/* One label of a host name: letters and digits, hyphens inside. */
static bool is_label(const char *at, const char *end)
{
	if (at == end || !is_alnum(*at) || !is_alnum(end[-1]))
		return false;
	for (; at < end; at++) {
		if (!is_alnum(*at) && *at != '-')
			return false;
	}
	return true;
}

static bool is_host(const char *at, const char *end)
{
	if (at < end && *at == '[') {
		size_t inside = strspn(at + 1, "0123456789abcdefABCDEF:");
		return inside > 0 && at + 1 + inside + 1 == end && end[-1] == ']';
	}
	for (;;) {
		const char *dot = memchr(at, '.', (size_t)(end - at));
		if (!is_label(at, dot ? dot : end))
			return false;
		if (!dot)
			return true;
		at = dot + 1;
	}
}

static bool is_domain(const char *domain)
{
	const char *end = domain + strlen(domain);
	const char *bracket = strrchr(domain, ']');
	const char *colon = strchr(bracket ? bracket : domain, ':');
	if (!colon)
		return is_host(domain, end);
	size_t digits = strspn(colon + 1, "0123456789");
	return digits > 0 && digits <= 5 && colon[1 + digits] == '\0' && is_host(domain, colon);
}

static bool is_tag(const char *tag)
{
	size_t len = strlen(tag);
	if (len == 0 || len > TAG_MAX_LENGTH || *tag == '.' || *tag == '-')
		return false;
	for (const char *c = tag; *c; c++) {
		if (!is_alnum(*c) && !strchr("_.-", *c))
			return false;
	}
	return true;
}

/* The first component is a domain only if it could not be a part of a path on docker.io. */
static bool looks_like_domain(const char *at, const char *end)
{
	if (end - at == 9 && strncmp(at, "localhost", 9) == 0)
		return true;
	for (; at < end; at++) {
		if (*at == '.' || *at == ':' || (*at >= 'A' && *at <= 'Z'))
			return true;
	}
	return false;
}

static bool is_image_id(const char *name)
{
	return strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64;
}

/* Takes "@digest" and ":tag" off the end of `name`. */
static int split_suffixes(char *name, struct reference *ref, struct error **err)
{
	char *at = strchr(name, '@');
	if (at) {
		*at = '\0';
		int rc = digest_parse(at + 1, &ref->digest, err);
		if (rc < 0)
			return rc;
	}
	char *slash = strrchr(name, '/');
	char *colon = strrchr(slash ? slash : name, ':');
	if (colon) {
		*colon = '\0';
		if (!is_tag(colon + 1))
			return error_set(err, EINVAL,
					 "tag '%.140s' is not letters, digits, '_', '.' and '-', 128 at most",
					 colon + 1);
		ref->tag = mem_strdup(colon + 1);
	}
	return 0;
}

static void normalise_docker(struct reference *ref)
{
	if (!ref->domain)
		return;
	if (strcmp(ref->domain, "index.docker.io") == 0 || strcmp(ref->domain, "registry.hub.docker.com") == 0)
		mem_replace(&ref->domain, DOCKER_DOMAIN);
	if (strcmp(ref->domain, DOCKER_DOMAIN) == 0 && !strchr(ref->path, '/')) {
		char *path = mem_printf("library/%s", ref->path);
		free(ref->path);
		ref->path = path;
	}
}

int reference_check_length(const struct reference *ref, struct error **err)
{
	size_t len = strlen(ref->path) + (ref->domain ? strlen(ref->domain) + 1 : 0);
	if (len > NAME_MAX_LENGTH)
		return error_set(err, EINVAL, "the name is longer than %d characters", NAME_MAX_LENGTH);
	return 0;
}

static int split_name(const char *name, struct reference *ref, struct error **err)
{
	if (!*name)
		return error_set(err, EINVAL, "the name is empty");
	if (is_image_id(name))
		return error_set(err, EINVAL, "this is an image id, not a name");

	const char *slash = strchr(name, '/');
	const char *path = name;
	if (slash && looks_like_domain(name, slash)) {
		ref->domain = mem_strndup(name, (size_t)(slash - name));
		path = slash + 1;
		if (!is_domain(ref->domain))
			return error_set(err, EINVAL, "'%s' is not a registry's host[:port]", ref->domain);
	}
	if (!is_path(path))
		return error_set(err, EINVAL,
				 "'%s' must be lower-case letters and digits, separated by '.', '_', '__', '-' and '/'",
				 path);
	ref->path = mem_strdup(path);
	normalise_docker(ref);
	return reference_check_length(ref, err);
}

int reference_parse(const char *text, struct reference *ref, struct error **err)
{
	cleanup(reference_done) struct reference parsed = {0};
	cleanup_free char *name = mem_strdup(text);
	int rc = split_suffixes(name, &parsed, err);
	if (rc == 0)
		rc = split_name(name, &parsed, err);
	if (rc < 0) {
		error_prefix(err, "image name '%.300s'", text);
		return rc; /* also for callers who only branch */
	}

	reference_done(ref);
	*ref = parsed;
	parsed = (struct reference){0};
	return 0;
}

void reference_add_default_tag(struct reference *ref)
{
	if (!ref->tag && digest_is_null(&ref->digest))
		ref->tag = mem_strdup("latest");
}

void reference_set_docker_domain(struct reference *ref)
{
	if (!ref->domain)
		ref->domain = mem_strdup(DOCKER_DOMAIN);
	normalise_docker(ref);
}

char *reference_repository(const struct reference *ref)
{
	if (!ref->domain)
		return mem_strdup(ref->path);
	return mem_printf("%s/%s", ref->domain, ref->path);
}

char *reference_format(const struct reference *ref)
{
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	if (ref->domain)
		buf_printf(&text, "%s/", ref->domain);
	buf_append_str(&text, ref->path);
	if (ref->tag)
		buf_printf(&text, ":%s", ref->tag);
	if (!digest_is_null(&ref->digest)) {
		char digest[DIGEST_TEXT_SIZE];
		buf_printf(&text, "@%s", digest_format(&ref->digest, digest));
	}
	return buf_take(&text);
}

int reference_local_name(const char *text, char **name, struct error **err)
{
	cleanup(reference_done) struct reference ref = {0};
	int rc = reference_parse(text, &ref, err);
	if (rc < 0)
		return rc;
	if (!ref.domain)
		ref.domain = mem_strdup("localhost");
	rc = reference_check_length(&ref, err);
	if (rc < 0)
		return rc;
	reference_add_default_tag(&ref);
	*name = reference_format(&ref);
	return 0;
}
