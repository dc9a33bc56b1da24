/*
 * Places of images, "transport:where". The words are those of containers/image, so that what people type for skopeo and
 * Buildah means the same here.
 */
#include "imagefmt/reference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

static const struct {
	const char *prefix;
	enum transport transport;
} transports[] = {
	{"docker://", TRANSPORT_DOCKER}, {"oci-archive:", TRANSPORT_OCI_ARCHIVE},
	{"oci:", TRANSPORT_OCI},	 {"docker-archive:", TRANSPORT_DOCKER_ARCHIVE},
	{"dir:", TRANSPORT_DIR},	 {"containers-storage:", TRANSPORT_STORE},
};

/* Transports of others that cooper has not: an error shall say so instead of taking them for a short name. */
static const char *const unsupported[] = {"docker-daemon:"};

void location_done(struct location *location)
{
	free(location->path);
	free(location->name);
	reference_done(&location->ref);
	free(location->blob_folder);
	strlist_done(&location->more_names);
	*location = (struct location){0};
}

bool location_has_transport(const char *text)
{
	for (size_t i = 0; i < ARRAY_COUNT(transports); i++) {
		if (text_has_prefix(text, transports[i].prefix))
			return true;
	}
	for (size_t i = 0; i < ARRAY_COUNT(unsupported); i++) {
		if (text_has_prefix(text, unsupported[i]))
			return true;
	}
	return false;
}

/* How far two words are apart, roughly: what is left of the longer without their common beginning and end. Two letters
 * that have changed places are two. */
static size_t difference(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t least = a_len < b_len ? a_len : b_len;
	size_t before = 0;
	size_t behind = 0;

	while (before < least && a[before] == b[before])
		before++;
	while (behind < least - before && a[a_len - 1 - behind] == b[b_len - 1 - behind])
		behind++;
	return (a_len > b_len ? a_len : b_len) - before - behind;
}

#define SHORT_WORD 4

static bool is_mistyped(const char *text)
{
	size_t len = strcspn(text, ":/");

	const char *rest = text[len] == ':' ? text + len + 1 : "";
	bool is_host = rest[strspn(rest, "0123456789")] == '/'; /* with a port */

	if (!*rest || is_host || location_has_transport(text))
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(transports); i++) {
		size_t known = strcspn(transports[i].prefix, ":");
		size_t most = known < SHORT_WORD ? 1 : 2;
		size_t apart = difference(text, len, transports[i].prefix, known);
		if (len + 1 >= known && apart > 0 && apart <= most) /* "docker:dind" is an image */
			return true;
	}
	return false;
}

/* "word:path/of/something" is no name of an image: a port has digits. */
static bool has_path_behind_word(const char *text)
{
	size_t len = strcspn(text, ":/");
	const char *rest = text[len] == ':' ? text + len + 1 : "";

	return strchr(rest, '/') && rest[strspn(rest, "0123456789")] != '/';
}

int location_explain(const char *text, int rc, struct error **err)
{
	bool is_meant = !location_has_transport(text) && (is_mistyped(text) || has_path_behind_word(text));

	if (rc < 0 && is_meant)
		error_hint(err, "'%.*s' is no transport: %s", (int)strcspn(text, ":") + 1, text, LOCATION_TRANSPORTS);
	return rc;
}

int location_refuse_mistyped(const char *text, const char *instead, struct error **err)
{
	if (!is_mistyped(text))
		return 0;
	return error_set(err, EINVAL, "'%s': '%.*s' is no transport: %s (if it is an image's name, say %s%s)", text,
			 (int)strcspn(text, ":") + 1, text, LOCATION_TRANSPORTS, instead, text);
}

/* docker:// never means a short name of registries.conf: without a domain it is docker.io, as everywhere. */
static int parse_docker(const char *rest, struct location *location, struct error **err)
{
	int rc = reference_parse(rest, &location->ref, err);
	if (rc < 0)
		return rc;
	reference_set_docker_domain(&location->ref);
	reference_add_default_tag(&location->ref);
	return reference_check_length(&location->ref, err);
}

/* PATH[:NAME]: the first ':' splits, because names hold colons ("localhost/app:1") and paths seldom do. */
static int parse_path(const char *rest, struct location *location, struct error **err)
{
	const char *colon = strchrnul(rest, ':');
	if (colon == rest)
		return error_set(err, EINVAL, "no path is given");
	location->path = mem_strndup(rest, (size_t)(colon - rest));
	if (*colon && !colon[1])
		return error_set(err, EINVAL, "nothing follows the ':'");
	location->name = *colon ? mem_strdup(colon + 1) : NULL;
	return 0;
}

/* A name of the OCI layout specification ("annotations.md", ref.name): what the shell, paths and URLs bear. */
static int check_ref_name(const char *name, struct error **err)
{
	for (const char *c = name; *c; c++) {
		bool is_word = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
		if (!is_word && !strchr("-._:@/+", *c))
			return error_set(err, EINVAL, "name '%s' has a character that names cannot have", name);
	}
	return 0;
}

int location_parse_index(const char *name, uint64_t *index)
{
	if (name[0] != '@')
		return -EINVAL;
	return parse_u64(name + 1, UINT32_MAX, "index", index, NULL);
}

static int check_archive_name(const char *name, struct error **err)
{
	uint64_t index;
	if (name[0] == '@')
		return location_parse_index(name, &index) == 0
			       ? 0
			       : error_set(err, EINVAL, "'%s' is not '@' and the number of an image", name);
	cleanup(reference_done) struct reference ref = {0};
	int rc = reference_parse(name, &ref, err);
	if (rc < 0)
		return rc;
	if (!digest_is_null(&ref.digest))
		return error_set(err, EINVAL, "'%s' has a digest, which Docker's archives cannot name", name);
	return 0;
}

static int parse_rest(const char *rest, struct location *location, struct error **err)
{
	int rc;
	switch (location->transport) {
	case TRANSPORT_DOCKER:
		return parse_docker(rest, location, err);
	case TRANSPORT_OCI:
	case TRANSPORT_OCI_ARCHIVE:
		rc = parse_path(rest, location, err);
		return rc < 0 || !location->name ? rc : check_ref_name(location->name, err);
	case TRANSPORT_DOCKER_ARCHIVE:
		rc = parse_path(rest, location, err);
		return rc < 0 || !location->name ? rc : check_archive_name(location->name, err);
	case TRANSPORT_DIR:
		if (!*rest)
			return error_set(err, EINVAL, "no path is given");
		location->path = mem_strdup(rest);
		return 0;
	case TRANSPORT_STORE:
		if (!*rest || *rest == '[')
			return error_set(err, EINVAL, "what follows must be the name of an image");
		location->name = mem_strdup(rest);
		return 0;
	}
	return -EINVAL;
}

int location_parse(const char *text, struct location *location, struct error **err)
{
	for (size_t i = 0; i < ARRAY_COUNT(transports); i++) {
		if (!text_has_prefix(text, transports[i].prefix))
			continue;
		cleanup(location_done) struct location parsed = {.transport = transports[i].transport};
		int rc = parse_rest(text + strlen(transports[i].prefix), &parsed, err);
		if (rc < 0) {
			error_prefix(err, "'%s'", text);
			return rc;
		}
		location_done(location);
		*location = parsed;
		parsed = (struct location){0};
		return 0;
	}
	return error_set(
		err, EINVAL,
		"'%s': not one of docker://, oci:, oci-archive:, docker-archive:, dir: and containers-storage:", text);
}

char *location_format(const struct location *location)
{
	const char *prefix = "";
	for (size_t i = 0; i < ARRAY_COUNT(transports); i++) {
		if (transports[i].transport == location->transport)
			prefix = transports[i].prefix;
	}
	if (location->transport == TRANSPORT_DOCKER) {
		cleanup_free char *name = reference_format(&location->ref);
		return mem_printf("%s%s", prefix, name);
	}
	if (location->transport == TRANSPORT_STORE)
		return mem_printf("%s%s", prefix, location->name);
	return mem_printf("%s%s%s%s", prefix, location->path, location->name ? ":" : "",
			  location->name ? location->name : "");
}
