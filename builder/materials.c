/*
 * Materials out of a plan whose images and contexts have been found.
 */
#include "builder/materials.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "builder/build_internal.h"
#include "builder/copy.h"
#include "builder/git.h"
#include "imagefmt/reference.h"
#include "registry/url.h"

#define COMMIT_SHA1_DIGITS 40
#define COMMIT_SHA256_DIGITS 64

void materials_done(struct materials *materials)
{
	for (size_t i = 0; i < materials->count; i++) {
		free(materials->items[i].uri);
		free(materials->items[i].algorithm);
		free(materials->items[i].value);
		free(materials->items[i].image_name);
	}
	free(materials->items);
	*materials = (struct materials){0};
}

/* Takes `uri`. */
static struct material *add(struct materials *materials, char *uri, const char *algorithm, const char *value)
{
	for (size_t i = 0; i < materials->count; i++) {
		struct material *known = &materials->items[i];
		bool same = (!value && !known->value) || (value && known->value && strcmp(value, known->value) == 0);
		if (same && strcmp(known->uri, uri) == 0) {
			free(uri);
			return known;
		}
	}
	materials->items = mem_grow(materials->items, materials->count + 1, sizeof(*materials->items));
	struct material *added = &materials->items[materials->count++];
	*added = (struct material){
		.uri = uri, .algorithm = value ? mem_strdup(algorithm) : NULL, .value = mem_strdup(value)};
	return added;
}

/* ---- images ---- */

char *material_image_uri(const char *name, const char *platform)
{
	cleanup(reference_done) struct reference ref = {0};
	cleanup(buf_done) struct buf uri = BUF_INIT(BUF_MAX_DEFAULT);

	buf_append_str(&uri, "pkg:docker/");
	if (reference_parse(name, &ref, NULL) < 0) {
		url_escape(&uri, name);
		return buf_take(&uri);
	}
	if (digest_is_null(&ref.digest))
		reference_add_default_tag(&ref);
	/* Docker Hub's have no registry in their name. */
	const char *path = ref.path;
	if (ref.domain && strcmp(ref.domain, "docker.io") != 0)
		buf_printf(&uri, "%s/", ref.domain);
	else if (text_has_prefix(path, "library/"))
		path += strlen("library/");
	buf_append_str(&uri, path);
	if (ref.tag)
		buf_printf(&uri, "@%s", ref.tag);
	if (platform) {
		buf_append_str(&uri, "?platform=");
		url_escape(&uri, platform);
	}
	return buf_take(&uri);
}

static void add_image(const struct build_image *image, struct materials *materials)
{
	cleanup_free char *platform = platform_format(&image->image.config.platform);
	const struct digest *digest = &image->image.entry.manifest.digest;
	char hex[DIGEST_HEX_SIZE];
	struct material *added = add(materials, material_image_uri(image->name, platform),
				     digest_algorithm_name(digest->algorithm), digest_hex(digest, hex));

	mem_replace(&added->image_name, image->name);
}

/* ---- files from elsewhere ---- */

/* A whole commit's id; a part of one pins nothing for others. */
static const char *whole_commit(const char *text)
{
	size_t digits = text ? strspn(text, "0123456789abcdef") : 0;
	bool is_whole = digits == COMMIT_SHA1_DIGITS || digits == COMMIT_SHA256_DIGITS;

	return is_whole && !text[digits] ? text : NULL;
}

static void add_source(const char *source, const char *checksum, struct materials *materials)
{
	cleanup(git_address_done) struct git_address address = {0};
	struct digest digest;
	char hex[DIGEST_HEX_SIZE];

	if (git_address_is(source) && git_address_parse(source, &address, NULL) == 0) {
		const char *pinned = checksum && *checksum ? checksum : address.checksum;
		const char *commit = whole_commit(pinned) ? pinned : whole_commit(address.ref);
		add(materials, git_address_format(&address), "gitCommit", commit);
		return;
	}
	bool is_pinned = checksum && *checksum && digest_parse(checksum, &digest, NULL) == 0;
	add(materials, url_redact(source), is_pinned ? digest_algorithm_name(digest.algorithm) : NULL,
	    is_pinned ? digest_hex(&digest, hex) : NULL);
}

static void add_sources(const struct plan_step *step, struct materials *materials)
{
	const struct instruction_copy *copy = &step->instruction->copy;

	for (size_t i = 0; i < copy->sources.count; i++)
		if (copy_is_remote(copy->sources.items[i]))
			add_source(copy->sources.items[i], copy->checksum, materials);
}

static void add_context(const struct build_context *context, struct materials *materials)
{
	const char *origin = context ? build_context_origin(context) : NULL;

	if (origin)
		add(materials, mem_strdup(origin), "gitCommit", build_context_commit(context));
}

void materials_gather(const struct build *build, struct materials *materials)
{
	size_t named = build->options->named_contexts ? build->options->named_contexts->count : 0;

	for (size_t i = 0; build->directories && i <= named; i++)
		add_context(build->directories[i].context, materials);
	for (size_t i = 0; i < build->image_count; i++)
		add_image(build->images[i], materials);
	for (size_t i = 0; i < build->plan->stage_count; i++) {
		const struct plan_stage *stage = build->plan->stages[i];
		for (size_t k = 0; k < stage->step_count; k++)
			if (stage->steps[k].kind == INSTRUCTION_ADD)
				add_sources(&stage->steps[k], materials);
	}
}
