/*
 * What the user calls an image, and where it then comes from: the store, a file, a registry.
 */
#include "builder/acquire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "builder/fetch.h"
#include "builder/manifest_list.h"
#include "builder/shortname.h"
#include "registry/docker.h"
#include "registry/trust.h"

int pull_policy_parse(const char *text, enum pull_policy *policy, struct error **err)
{
	static const struct {
		const char *name;
		enum pull_policy policy;
	} names[] = {
		{"", PULL_ALWAYS},	   {"true", PULL_ALWAYS},	{"always", PULL_ALWAYS},
		{"missing", PULL_MISSING}, {"ifmissing", PULL_MISSING}, {"notpresent", PULL_MISSING},
		{"never", PULL_NEVER},	   {"false", PULL_NEVER},	{"newer", PULL_NEWER},
		{"ifnewer", PULL_NEWER},
	};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		if (strcmp(text, names[i].name) == 0) {
			*policy = names[i].policy;
			return 0;
		}
	}
	return error_set(err, EINVAL, "unsupported pull policy \"%s\" (one of always, missing, never, newer)", text);
}

/* ---- from the store ---- */

static int from_registries(struct workshop *w, const char *text, const struct acquire_options *options,
			   struct image *image, struct error **err);

/* `entry` is taken over. */
static int use_entry(struct workshop *w, struct image_entry *entry, const char *name,
		     const struct acquire_options *options, struct image *image, struct error **err)
{
	cleanup(image_done) struct image loaded = {0};
	int rc = image_load(workshop_store(w), entry, &loaded, err);

	if (rc < 0)
		return rc;
	if (options->platform) {
		cleanup(platform_done) struct platform want = {0};
		platform_copy(&want, options->platform);
		platform_complete(&want);
		if (platform_rank(&want, &loaded.config.platform) == 0) {
			cleanup_free char *have = platform_format(&loaded.config.platform);
			return error_set(err, ENOENT, "%s: image not known for that platform (it is for %s)", name,
					 have);
		}
	}
	if (!options->keep_packed) {
		rc = fetch_unpack(w, &loaded, err);
		if (rc < 0)
			return error_prefix(err, "image '%s'", name);
	}
	*image = loaded;
	loaded = (struct image){0};
	return 0;
}

/* Of a list the image for the platform. One that was added from a registry may have its layers only there. */
static int from_list(struct workshop *w, const struct image_entry *list, const char *name,
		     const struct acquire_options *options, struct image *image, struct error **err)
{
	cleanup(image_entry_done) struct image_entry child = {0};
	char digest[DIGEST_TEXT_SIZE];
	int rc = manifest_list_choose(w, list, options->platform, &child, err);

	if (rc < 0)
		return rc;
	cleanup_free char *origin = manifest_list_origin(list, &child.manifest.digest);
	if (!origin || manifest_list_has_blobs(w, &child.manifest.digest))
		return use_entry(w, &child, name, options, image, err);
	cleanup_free char *there = mem_printf("%s@%s", origin, digest_format(&child.manifest.digest, digest));
	if (options->policy == PULL_NEVER)
		return error_set(err, ENOENT, "%s: the image for this platform is only in the registry, as %s", name,
				 there);
	return from_registries(w, there, options, image, err);
}

static int from_store(struct workshop *w, const char *name, const struct acquire_options *options, struct image *image,
		      struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	int rc = images_find(workshop_store(w), name, &entry, err);

	if (rc < 0)
		return rc;
	return manifest_list_is(&entry) ? from_list(w, &entry, name, options, image, err)
					: use_entry(w, &entry, name, options, image, err);
}

/* ---- from a registry ---- */

/* Progress, which --quiet leaves out. */
static void PRINTF_LIKE(2, 3) tell(const struct acquire_options *options, const char *format, ...)
{
	va_list args;

	if (!options->registry.progress)
		return;
	va_start(args, format);
	cleanup_free char *line = mem_vprintf(format, args);
	va_end(args);
	options->registry.progress(line, options->registry.progress_context);
}

struct acquire_rest {
	struct registry_client *client;
	struct image_source *source;
	char *name;
};

void acquire_rest_free(struct acquire_rest *rest)
{
	if (!rest)
		return;
	image_source_close(rest->source);
	registry_client_free(rest->client);
	free(rest->name);
	free(rest);
}

/* `source` is taken over; the client's owner hands it over in the end. */
static int pull_head(struct workshop *w, struct image_source **source, const char *name,
		     const struct acquire_options *options, struct image *image, struct error **err)
{
	int rc = fetch_head(w, *source, name, options, image, err);

	if (rc < 0)
		return rc;
	struct acquire_rest *rest = mem_alloc(sizeof(*rest));
	*rest = (struct acquire_rest){.source = take_ptr(source), .name = mem_strdup(name)};
	strlist_append(&image->entry.names, name);
	*options->rest = rest;
	return 0;
}

int acquire_finish(struct workshop *w, struct acquire_rest *rest, enum fetch_layers layers, struct image *image,
		   struct error **err)
{
	int rc = fetch_rest(w, rest->source, rest->name, layers, image, err);

	return rc < 0 ? error_prefix(err, "%s", rest->name) : 0;
}

static int pull_reference(struct workshop *w, struct registry_client *client, const struct reference *ref,
			  const struct acquire_options *options, struct image *image, struct error **err)
{
	cleanup(image_source_close) struct image_source *source = NULL;
	cleanup_free char *name = reference_format(ref);
	const struct location location = {.transport = TRANSPORT_DOCKER, .ref = *ref};
	const struct trust_options trust = {.location = &location, .client = client};

	tell(options, "Trying to pull %s...", name);
	int rc = registry_source_open(client, ref, &source, err);
	if (rc >= 0)
		rc = trust_source(&trust, &source, err);
	if (rc >= 0)
		tell(options, "Getting the image's manifest");
	if (rc >= 0)
		rc = options->rest ? pull_head(w, &source, name, options, image, err)
				   : fetch_image(w, source, name, name, options, image, err);
	return rc;
}

/* True when the tag stands for what the store has under that name. */
static bool is_current(struct workshop *w, struct registry_client *client, const struct reference *ref)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	cleanup_free char *name = reference_format(ref);
	struct digest remote = {0};

	if (images_find(workshop_store(w), name, &entry, NULL) < 0)
		return false;
	/* A tag that names an index is never equal to the manifest that was chosen from it: then it is pulled again, at
	 * the cost of two small documents. */
	return registry_resolve(client, ref, &remote, NULL) == 0 && digest_equal(&remote, &entry.manifest.digest);
}

/* Every tag of the repository; the image is that of the last one. */
static int pull_all_tags(struct workshop *w, struct registry_client *client, const struct reference *repository,
			 const struct acquire_options *options, struct image *image, struct error **err)
{
	cleanup(strlist_done) struct strlist tags = {0};
	int rc = registry_tags(client, repository, &tags, err);

	if (rc < 0)
		return rc;
	if (tags.count == 0) {
		cleanup_free char *name = reference_repository(repository);
		return error_set(err, ENOENT, "%s has no tags", name);
	}
	for (size_t i = 0; i < tags.count; i++) {
		cleanup(reference_done) struct reference ref = {0};
		cleanup(image_done) struct image pulled = {0};
		reference_copy(&ref, repository);
		mem_replace(&ref.tag, tags.items[i]);
		rc = pull_reference(w, client, &ref, options, &pulled, err);
		if (rc < 0)
			return rc;
		if (i + 1 == tags.count) {
			*image = pulled;
			pulled = (struct image){0};
		}
	}
	return 0;
}

/* One place that the name may mean. */
static int try_reference(struct workshop *w, struct registry_client *client, struct reference *ref,
			 const struct acquire_options *options, struct image *image, struct error **err)
{
	if (options->all_tags)
		return pull_all_tags(w, client, ref, options, image, err);
	reference_add_default_tag(ref);
	cleanup_free char *name = reference_format(ref);
	if (options->policy == PULL_NEWER && is_current(w, client, ref))
		return from_store(w, name, options, image, err);
	return pull_reference(w, client, ref, options, image, err);
}

/* The name that an image made here has: with it in the store, the short name means that one. Whoever has a registry's
 * account of the same name must not get between a user and his own image. */
static char *own_name(struct workshop *w, const struct reference *ref)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	cleanup_free char *name = mem_printf("localhost/%s:%s", ref->path, ref->tag ? ref->tag : "latest");
	bool found = images_find(workshop_store(w), name, &entry, NULL) == 0 && strlist_contains(&entry.names, name);

	return found ? take_ptr(&name) : NULL;
}

static int candidates(struct workshop *w, const struct reference *ref, struct strlist *repositories, struct error **err)
{
	cleanup_free char *own = ref->domain ? NULL : own_name(w, ref);

	if (ref->domain) {
		strlist_take(repositories, reference_repository(ref));
		return 0;
	}
	if (own) {
		strlist_printf(repositories, "localhost/%s", ref->path);
		return 0;
	}
	return shortname_candidates(ref->path, repositories, err);
}

/* Tries the places that the name may mean, in order. What is told in the end is why the last one failed, and that there
 * were others. */
static int from_registries(struct workshop *w, const char *text, const struct acquire_options *options,
			   struct image *image, struct error **err)
{
	cleanup(reference_done) struct reference ref = {0};
	cleanup(strlist_done) struct strlist repositories = {0};
	cleanup(strlist_done) struct strlist reasons = {0};
	cleanup(registry_client_free) struct registry_client *client = NULL;
	int code = ENOENT;

	int rc = reference_parse(text, &ref, err);
	if (rc >= 0)
		rc = candidates(w, &ref, &repositories, err);
	if (rc >= 0 && options->all_tags && (ref.tag || !digest_is_null(&ref.digest)))
		return error_set(err, EINVAL, "'%s': tag can't be used with --all-tags", text);
	if (rc >= 0)
		rc = registry_client_new(&options->registry, &client, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < repositories.count; i++) {
		cleanup(reference_done) struct reference full = {0};
		cleanup_error struct error *error = NULL;
		rc = reference_parse(repositories.items[i], &full, &error);
		if (rc >= 0) {
			mem_replace(&full.tag, ref.tag);
			full.digest = ref.digest;
			rc = try_reference(w, client, &full, options, image, &error);
		}
		if (rc >= 0 && options->rest && *options->rest)
			(*options->rest)->client = take_ptr(&client);
		if (rc >= 0)
			return rc;
		code = -rc;
		strlist_append(&reasons, error_message(error));
	}
	cleanup_free char *why = strlist_join(&reasons, "; ");
	error_set(err, code, "%s", why);
	bool is_own = !ref.domain && repositories.count == 1 && text_has_prefix(repositories.items[0], "localhost/");
	if (is_own && options->policy == PULL_MISSING && !options->all_tags)
		return error_hint(err, "'%s' in this store is an image for another platform", text);
	if (is_own)
		return error_hint(err, "'%s' is an image of this store; without --pull it is taken from there", text);
	return -code;
}

/* ---- from a place that the user names ---- */

/* What the image is called in the store when it came from a file: as the user or the archive says, or not at all. */
static char *local_name(const struct location *location, struct image_source *source)
{
	cleanup_free char *own = image_source_name(source);
	cleanup_free char *name = NULL;
	const char *text = own;

	if (!text && location->name && location->name[0] != '@')
		text = location->name;
	if (!text || reference_local_name(text, &name, NULL) < 0)
		return NULL;
	return take_ptr(&name);
}

static int from_file(struct workshop *w, const char *text, const struct location *location,
		     const struct acquire_options *options, struct image *image, struct error **err)
{
	cleanup(image_source_close) struct image_source *source = NULL;
	const struct trust_options trust = {.location = location};
	int rc = image_source_open_local(location, workshop_store(w), &source, err);

	if (rc >= 0)
		rc = trust_source(&trust, &source, err);
	if (rc < 0)
		return rc;
	cleanup_free char *name = local_name(location, source);
	rc = fetch_image(w, source, text, name, options, image, err);
	return rc < 0 ? error_prefix(err, "%s", text) : rc;
}

static int from_location(struct workshop *w, const char *text, const struct acquire_options *options,
			 struct image *image, struct error **err)
{
	cleanup(location_done) struct location location = {0};
	int rc = location_parse(text, &location, err);

	if (rc < 0)
		return rc;
	if (options->all_tags && location.transport != TRANSPORT_DOCKER)
		return error_set(err, EINVAL, "'%s': pulling all tags is not supported for %.*s transport", text,
				 (int)strcspn(text, ":"), text);
	if (location.transport == TRANSPORT_STORE)
		return from_store(w, location.name, options, image, err);
	if (location.transport != TRANSPORT_DOCKER)
		return from_file(w, text, &location, options, image, err);
	cleanup_free char *name = reference_format(&location.ref);
	/* Parsing has given it a tag, which --all-tags must not see unless the user wrote it. */
	return acquire_image(w, options->all_tags ? text + strlen("docker://") : name, options, image, err);
}

/* ---- the door ---- */

/* Ids are never asked for at a registry, "sha256:…" could be a name there. */
static bool is_id(const char *text)
{
	struct digest digest;

	return digest_parse(text, &digest, NULL) == 0 || (strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64);
}

int acquire_image(struct workshop *w, const char *name, const struct acquire_options *options, struct image *image,
		  struct error **err)
{
	if (options->all_tags && options->policy == PULL_NEVER)
		return error_set(err, EINVAL, "--all-tags asks the registry, --policy never forbids it");
	if (location_has_transport(name))
		return from_location(w, name, options, image, err);

	bool local = options->policy == PULL_NEVER || is_id(name);
	if (local || (options->policy == PULL_MISSING && !options->all_tags)) {
		cleanup_error struct error *error = NULL;
		int rc = from_store(w, name, options, image, &error);
		if (rc != -ENOENT || local) {
			if (rc < 0 && err)
				*err = take_ptr(&error);
			return rc;
		}
	}
	if (options->policy != PULL_NEWER || options->all_tags)
		return location_explain(name, from_registries(w, name, options, image, err), err);
	cleanup_error struct error *error = NULL;
	int rc = from_registries(w, name, options, image, &error);
	if (rc >= 0)
		return rc;
	/* What the trust policy refuses is no reason to go on with something older. */
	if (rc != -EPERM && from_store(w, name, options, image, NULL) >= 0) {
		log_warn("%s, using the image that is in the store", error_message(error));
		return 0;
	}
	if (err)
		*err = take_ptr(&error);
	return rc;
}
