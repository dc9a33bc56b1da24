/*
 * The values of --cache-to and --cache-from.
 */
#include "builder/cache_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "imagefmt/pack.h"

#define LEVEL_MAX 22
#define PLAIN_TAG "buildcache"
#define LOCAL_NAME "latest"

void cache_place_done(struct cache_place *place)
{
	free(place->text);
	location_done(&place->where);
	*place = (struct cache_place){0};
}

struct parsing {
	struct cache_place *place;
	enum cache_direction direction;
	bool has_type, has_mode, has_codec;
	char *ref, *path, *tag;
};

static void parsing_done(struct parsing *p)
{
	free(p->ref);
	free(p->path);
	free(p->tag);
}
CLEANUP_FOR_VALUE(struct parsing, parsing_done)

/* ---- fields ---------------------------------------------------------------------------------------------------------
 */

static int take_type(struct parsing *p, const char *value, struct error **err)
{
	static const char *const kinds[] = {
		[CACHE_REGISTRY] = "registry", [CACHE_LOCAL] = "local", [CACHE_INLINE] = "inline"};

	p->has_type = true;
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		if (strcmp(kinds[i], value) == 0) {
			p->place->kind = (enum cache_kind)i;
			return 0;
		}
	return error_set(err, EINVAL, "type '%s': use registry, local or inline", value);
}

static int take_mode(struct parsing *p, const char *value, struct error **err)
{
	p->has_mode = true;
	p->place->mode = strcmp(value, "max") == 0 ? CACHE_MAX : CACHE_MIN;
	if (p->place->mode == CACHE_MIN && strcmp(value, "min") != 0)
		return error_set(err, EINVAL, "mode '%s': use min or max", value);
	return 0;
}

static int take_codec(struct parsing *p, const char *key, const char *value, struct error **err)
{
	int64_t level = 0;

	p->has_codec = true;
	if (strcmp(key, "compression") == 0)
		return codec_parse(strcmp(value, "uncompressed") == 0 ? "none" : value, &p->place->codec, err);
	int rc = parse_i64(value, 0, LEVEL_MAX, key, &level, err);
	p->place->level = (int)level;
	return rc;
}

/* Truth values. The manifest is always that of an image and always OCI's. */
static int take_flag(struct parsing *p, const char *key, const char *value, struct error **err)
{
	const struct {
		const char *name;
		bool *member;
		enum cache_direction only;
	} flags[] = {
		{"registry.insecure", &p->place->insecure, p->direction},
		{"ignore-error", &p->place->ignore_error, CACHE_TO},
		{"image-manifest", NULL, CACHE_TO},
		{"oci-mediatypes", NULL, CACHE_TO},
	};

	for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
		bool on = true;
		if (strcmp(flags[i].name, key) != 0 || flags[i].only != p->direction)
			continue;
		int rc = parse_bool(value, key, &on, err);
		if (rc == 0 && !flags[i].member && !on)
			return error_set(err, EINVAL, "%s=false cannot be done", key);
		if (flags[i].member)
			*flags[i].member = on;
		return rc;
	}
	return error_set(err, EINVAL, "unknown key '%s'", key);
}

static int take_field(struct parsing *p, const char *field, struct error **err)
{
	size_t size = strcspn(field, "=");
	cleanup_free char *key = mem_strndup(field, size);
	const char *value = field[size] ? field + size + 1 : "true";
	bool is_export = p->direction == CACHE_TO;

	if (strcmp(key, "type") == 0)
		return take_type(p, value, err);
	if (strcmp(key, "ref") == 0)
		mem_replace(&p->ref, value);
	else if (strcmp(key, is_export ? "dest" : "src") == 0)
		mem_replace(&p->path, value);
	else if (strcmp(key, "tag") == 0)
		mem_replace(&p->tag, value);
	else if (is_export && strcmp(key, "mode") == 0)
		return take_mode(p, value, err);
	else if (is_export && text_has_prefix(key, "compression"))
		return strcmp(key, "compression") == 0 || strcmp(key, "compression-level") == 0
			       ? take_codec(p, key, value, err)
			       : error_set(err, EINVAL, "unknown key '%s'", key);
	else
		return take_flag(p, key, value, err);
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------
 */

static int set_registry(struct parsing *p, const char *default_tag, struct error **err)
{
	struct reference *ref = &p->place->where.ref;

	if (!p->ref || !*p->ref)
		return error_set(err, EINVAL, "ref= is missing");
	if (p->path || p->tag)
		return error_set(err, EINVAL, "type=registry has no directory and no tag=, only ref=NAME:TAG");
	p->place->where.transport = TRANSPORT_DOCKER;
	int rc = reference_parse(p->ref, ref, err);
	if (rc < 0)
		return rc;
	if (p->direction == CACHE_TO && !digest_is_null(&ref->digest))
		return error_set(err, EINVAL, "a cache cannot be written to a digest");
	reference_set_docker_domain(ref);
	if (!ref->tag && digest_is_null(&ref->digest))
		mem_replace(&ref->tag, default_tag);
	return 0;
}

static int set_local(struct parsing *p, struct error **err)
{
	if (!p->path || !*p->path)
		return error_set(err, EINVAL, "%s= is missing", p->direction == CACHE_TO ? "dest" : "src");
	if (p->ref || p->place->insecure)
		return error_set(err, EINVAL, "type=local has no ref= and no registry");
	p->place->where.transport = TRANSPORT_OCI;
	p->place->where.path = take_ptr(&p->path);
	p->place->where.name = mem_strdup(p->tag ? p->tag : LOCAL_NAME);
	return 0;
}

/* What an image holds is the image's own business: where it goes, how it is packed. */
static int set_inline(const struct parsing *p, struct error **err)
{
	if (p->direction == CACHE_FROM)
		return error_set(err, EINVAL, "read the cache of an image with type=registry,ref=IMAGE");
	if (p->ref || p->path || p->tag || p->has_codec || p->place->insecure)
		return error_set(err, EINVAL, "type=inline goes where the image goes, and has no further keys");
	if (p->place->mode == CACHE_MAX)
		return error_set(err, EINVAL, "mode=max: an image holds only its own layers (use type=registry)");
	return 0;
}

int cache_place_parse(const char *text, enum cache_direction direction, struct cache_place *place, struct error **err)
{
	cleanup(cache_place_done) struct cache_place parsed = {.codec = CODEC_GZIP, .level = PACK_LEVEL_DEFAULT};
	cleanup(parsing_done) struct parsing p = {.place = &parsed, .direction = direction};
	cleanup(strlist_done) struct strlist fields = {0};
	const char *option = direction == CACHE_TO ? "--cache-to" : "--cache-from";
	bool is_plain = !strchr(text, '=') && !strchr(text, ',');
	int rc = is_plain ? 0 : parse_csv(text, option, &fields, err);

	parsed.text = mem_strdup(text);
	if (is_plain)
		p.ref = mem_strdup(text);
	for (size_t i = 0; rc == 0 && i < fields.count; i++)
		rc = take_field(&p, fields.items[i], err);
	if (rc == 0 && !is_plain && !p.has_type)
		rc = error_set(err, EINVAL, "type= is missing");
	if (rc == 0 && parsed.kind == CACHE_REGISTRY)
		rc = set_registry(&p, is_plain ? PLAIN_TAG : "latest", err);
	else if (rc == 0 && parsed.kind == CACHE_LOCAL)
		rc = set_local(&p, err);
	else if (rc == 0)
		rc = set_inline(&p, err);
	if (rc < 0)
		return error_prefix(err, "%s '%s'", option, text);
	*place = parsed;
	parsed = (struct cache_place){0};
	return 0;
}
