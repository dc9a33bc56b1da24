/*
 * Both ends of a copy: which places are meant, what it takes to open them, and where blobs lie in between.
 */
#include "builder/image_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/tree.h"
#include "builder/image_copy_internal.h"
#include "builder/manifest_list.h"
#include "builder/store_place.h"
#include "registry/docker.h"
#include "registry/sign_image.h"
#include "registry/trust.h"

/* ---- Places ---- */

#define STORE_PREFIX "store:"

int image_place_parse(const char *text, struct location *location, struct error **err)
{
	if (location_has_transport(text))
		return location_parse(text, location, err);
	const char *name = text_has_prefix(text, STORE_PREFIX) ? text + strlen(STORE_PREFIX) : text;
	cleanup_free char *full = mem_printf("containers-storage:%s", name);
	return location_parse(full, location, err);
}

static int find_stored(struct workshop *w, const struct location *location, struct image_entry *entry,
		       struct error **err)
{
	return images_find(workshop_store(w), location->name, entry, err);
}

int image_place_open(struct workshop *w, const struct location *location, const struct registry_options *registry,
		     struct registry_client **client, struct image_source **source, struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	int rc;

	switch (location->transport) {
	case TRANSPORT_DOCKER:
		rc = registry_client_new(registry, client, err);
		return rc < 0 ? rc : registry_source_open(*client, &location->ref, source, err);
	case TRANSPORT_STORE:
		rc = find_stored(w, location, &entry, err);
		if (rc == 0)
			*source = store_source_new(w, &entry);
		return rc;
	default:
		return image_source_open_local(location, workshop_store(w), source, err);
	}
}

static int open_sink(struct workshop *w, const struct location *location, const struct export_options *options,
		     struct registry_client **client, struct image_sink **sink, struct error **err)
{
	int rc;

	switch (location->transport) {
	case TRANSPORT_DOCKER:
		rc = *client ? 0 : registry_client_new(&options->registry, client, err);
		return rc < 0 ? rc
			      : registry_sink_open(*client, &location->ref, options->if_absent ? TAG_STAYS : TAG_MOVES,
						   sink, err);
	case TRANSPORT_STORE:
		return store_sink_open(w, location->name, sink, err);
	default:
		return image_sink_open_local(location, workshop_store(w), sink, err);
	}
}

static int parse_source(const char *text, const struct image_copy_options *options, struct location *location,
			struct error **err)
{
	int rc = image_place_parse(text, location, err);

	if (rc == 0 && options->source_blob_folder && location->transport != TRANSPORT_OCI)
		return error_set(err, EINVAL, "--src-shared-blob-dir goes with oci: as the source");
	if (rc == 0)
		location->blob_folder = mem_strdup(options->source_blob_folder);
	return rc;
}

static int parse_destination(const char *text, const struct image_copy_options *options, struct location *location,
			     struct error **err)
{
	const struct strlist *tags = options->additional_tags;
	int rc = text_has_prefix(text, STORE_PREFIX) ? 0 : location_refuse_mistyped(text, STORE_PREFIX, err);

	if (rc == 0)
		rc = location_explain(text, image_place_parse(text, location, err), err);

	if (rc < 0)
		return rc;
	if (options->destination_blob_folder && location->transport != TRANSPORT_OCI)
		return error_set(err, EINVAL, "--dest-shared-blob-dir goes with oci: as the destination");
	if (tags && tags->count && location->transport != TRANSPORT_DOCKER_ARCHIVE)
		return error_set(err, EINVAL, "--additional-tag goes with docker-archive: as the destination");
	location->blob_folder = mem_strdup(options->destination_blob_folder);
	if (tags)
		strlist_append_all(&location->more_names, tags);
	return 0;
}

/* Else who loads the archive could only call the image by its id. */
static void name_in_archive(const struct location *from, const struct image_entry *stored, struct location *to)
{
	if (to->transport != TRANSPORT_DOCKER_ARCHIVE || to->name)
		return;
	if (stored->names.count)
		to->name = mem_strdup(stored->names.items[0]);
	else if (from->transport == TRANSPORT_DOCKER && from->ref.tag && digest_is_null(&from->ref.digest))
		to->name = reference_format(&from->ref);
}

/* ---- The copy ---- */

/* What is open for all destinations. */
struct copy_source {
	struct location location;
	struct image_entry stored; /* of the store's image */
	struct registry_client *client;
	struct image_source *source;
	struct buf top; /* what it names */
	struct digest top_digest;
	char *top_type;	       /* NULL */
	struct store *scratch; /* NULL until needed */
	char *scratch_root;    /* of --tmpdir: ours to remove; NULL */
	bool several;	       /* destinations follow that want the same blobs */
};

static void copy_source_done(struct copy_source *from)
{
	image_source_close(from->source);
	buf_done(&from->top);
	free(from->top_type);
	registry_client_free(from->client);
	store_close(from->scratch);
	if (from->scratch_root && tree_remove(AT_FDCWD, from->scratch_root, NULL) < 0)
		log_warn("'%s' is left behind", from->scratch_root);
	free(from->scratch_root);
	image_entry_done(&from->stored);
	location_done(&from->location);
}
CLEANUP_FOR_VALUE(struct copy_source, copy_source_done)

/* A scratch store where the user wants it; the store's own is swept also when we are killed, this is not. */
static int open_scratch_at(const char *directory, struct copy_source *from, struct error **err)
{
	cleanup_free char *whole = realpath(directory, NULL);
	cleanup_free char *path = whole ? mem_printf("%s/cooper-XXXXXX", whole) : NULL;

	if (!path || !mkdtemp(path))
		return error_set_errno(err, "--tmpdir '%s'", directory);
	from->scratch_root = take_ptr(&path);
	const struct store_options options = {
		.root = from->scratch_root, .runroot = from->scratch_root, .scratch = true};
	return store_open(&options, &from->scratch, err);
}

static int open_scratch(struct workshop *w, const char *directory, struct copy_source *from, struct error **err)
{
	return directory ? open_scratch_at(directory, from, err)
			 : store_open_scratch(workshop_store(w), &from->scratch, err);
}

/* With the user's store at one end, blobs are where they belong already. */
static int choose_work(struct workshop *w, struct copy_source *from, struct copier *copier, struct error **err)
{
	bool in_store = copier->from == TRANSPORT_STORE || copier->to == TRANSPORT_STORE;
	int rc = in_store || from->scratch ? 0 : open_scratch(w, copier->options->tmpdir, from, err);

	/* A registry checks what it gets, so that a file which changes meanwhile does no harm there. */
	if (rc == 0 && !in_store && !from->several && copier->to == TRANSPORT_DOCKER)
		store_allow_loans(from->scratch);
	copier->work = in_store ? workshop_store(w) : from->scratch;
	/* An archive of Docker's is written when its manifest has come. */
	copier->keeps_blobs = in_store || from->several || copier->to == TRANSPORT_DOCKER_ARCHIVE;
	return rc;
}

/* What can be known before a place is opened, and so perhaps made. */
static int check_place(const struct copy_source *from, const struct location *to,
		       const struct image_copy_options *options, struct error **err)
{
	enum manifest_kind kind;
	int rc = manifest_kind(buf_str(&from->top), from->top.len, from->top_type, &kind, err);

	if (rc == 0 && kind == MANIFEST_INDEX && options->extent != COPY_ONE_PLATFORM &&
	    to->transport == TRANSPORT_DOCKER_ARCHIVE)
		return error_set(err, EINVAL, "an archive of Docker's holds one image, not a list of them");
	return rc < 0 ? rc : outgoing_check(to->transport, &options->export, err);
}

/* From the store into the store: a further name. */
static int name_again(struct workshop *w, const struct copy_source *from, const struct location *to,
		      struct digest *digest, struct error **err)
{
	const struct image_entry *entry = &from->stored;
	cleanup_free char *name = NULL;
	int rc = reference_local_name(to->name, &name, err);

	if (rc == 0)
		rc = images_add(workshop_store(w), &entry->manifest, &entry->id, entry->created, name, err);
	if (rc == 0)
		*digest = entry->manifest.digest;
	return rc;
}

static int copy_to(struct workshop *w, struct copy_source *from, const char *destination,
		   const struct image_copy_options *options, struct digest *digest, struct error **err)
{
	cleanup(location_done) struct location to = {0};
	cleanup(registry_client_free) struct registry_client *own = NULL;
	struct registry_client **client = options->export.client ? options->export.client : &own;
	cleanup(image_sink_close) struct image_sink *sink = NULL;
	int rc = parse_destination(destination, options, &to, err);

	if (rc == 0)
		rc = check_place(from, &to, options, err);
	if (rc == 0)
		rc = export_check_place(&options->export, to.transport == TRANSPORT_DOCKER, err);
	if (rc < 0)
		return rc;
	bool is_list = manifest_list_is(&from->stored);
	bool is_whole = !is_list || options->extent != COPY_ONE_PLATFORM;
	if (to.transport == TRANSPORT_STORE && options->export.signing)
		return signing_refuse_store(err);
	if (from->location.transport == TRANSPORT_STORE && to.transport == TRANSPORT_STORE && is_whole)
		return name_again(w, from, &to, digest, err);
	name_in_archive(&from->location, &from->stored, &to);
	bool carries = !options->remove_signatures && signatures_have_place(from->location.transport) &&
		       signatures_have_place(to.transport);
	const struct signature_origin origin = {
		.location = &from->location, .client = from->client, .top = from->top_digest};
	size_t manifests = 0;
	/* Opened first: a place that cannot be written to is told before anything is fetched. */
	rc = open_sink(w, &to, &options->export, client, &sink, err);
	if (rc == 0 && options->export.by_digest && to.transport == TRANSPORT_DOCKER)
		image_sink_leave_unnamed(sink);
	if (rc == 0)
		rc = signing_sink_from(options->export.signing, carries ? &origin : NULL, &to, *client, &sink, err);
	struct copier copier = {
		.w = w,
		.options = options,
		.from = from->location.transport,
		.to = to.transport,
		.source = from->source,
		.client = from->client,
		.top_text = &from->top,
		.top_type = from->top_type,
		.sink = sink,
		.signatures = carries ? &origin : NULL,
		.repository = from->location.transport == TRANSPORT_DOCKER ? &from->location.ref : NULL,
		.list = is_list ? &from->stored : NULL,
		.manifests = &manifests,
		.checks_layers = options->check == COPY_CHECK_ALL ||
				 (options->check == COPY_CHECK_LOCAL && to.transport != TRANSPORT_DOCKER),
	};
	if (rc == 0)
		rc = choose_work(w, from, &copier, err);
	if (rc == 0)
		rc = copier_copy_top(&copier, digest, err);
	return rc < 0 ? error_prefix(err, "copy to %s", destination) : 0;
}

/* All of them, before anything is fetched. */
static int check_pushes(const struct strlist *destinations, const struct image_copy_options *options,
			struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && options->export.check_push && i < destinations->count; i++) {
		cleanup(location_done) struct location to = {0};
		rc = parse_destination(destinations->items[i], options, &to, err);
		if (rc == 0)
			rc = export_check_push_to(&to, &options->export, err);
	}
	return rc;
}

static int copy_to_all(struct workshop *w, const char *source, const struct strlist *destinations,
		       const struct image_copy_options *options, struct strlist *told, struct digest *digest,
		       struct error **err)
{
	cleanup_close int hold = store_hold(workshop_store(w), err);
	cleanup(copy_source_done) struct copy_source from = {.top = BUF_INIT(MANIFEST_SIZE_MAX),
							     .several = destinations->count > 1};
	int rc = hold < 0 ? hold : parse_source(source, options, &from.location, err);

	if (rc == 0)
		rc = check_pushes(destinations, options, err);
	if (rc == 0 && from.location.transport == TRANSPORT_STORE)
		rc = find_stored(w, &from.location, &from.stored, err);
	if (rc == 0)
		rc = image_place_open(w, &from.location, &options->source_registry, &from.client, &from.source, err);
	const struct trust_options trust = {.location = &from.location,
					    .client = from.client,
					    .check_indexes = options->extent != COPY_ONE_PLATFORM};
	/* What is in the store has come in through here, or was made here. */
	if (rc == 0 && from.location.transport != TRANSPORT_STORE && !options->insecure_policy)
		rc = trust_source(&trust, &from.source, err);
	if (rc == 0)
		rc = image_source_manifest(from.source, /* want */ NULL, &from.top, &from.top_type, err);
	if (rc == 0)
		rc = digest_of(buf_str(&from.top), from.top.len, &from.top_digest, err);
	if (rc < 0)
		return location_explain(source, error_prefix(err, "copy %s", source), err);
	for (size_t i = 0; rc == 0 && i < destinations->count; i++) {
		rc = copy_to(w, &from, destinations->items[i], options, digest, err);
		strlist_clear(told);
	}
	return rc;
}

/* Between registries a blob comes and goes; for who reads along that is one thing. */
struct once {
	struct strlist told;
	void (*progress)(const char *line, void *context);
	void *context;
};

static void tell_once(const char *line, void *context)
{
	struct once *once = context;

	if (strlist_contains(&once->told, line))
		return;
	if (text_has_prefix(line, "Copying blob "))
		strlist_append(&once->told, line);
	once->progress(line, once->context);
}

int image_copy(struct workshop *w, const char *source, const struct strlist *destinations,
	       const struct image_copy_options *options, struct digest *digest, struct error **err)
{
	struct once once = {.progress = options->source_registry.progress,
			    .context = options->source_registry.progress_context};
	struct image_copy_options telling = *options;

	if (once.progress && once.progress == options->export.registry.progress) {
		telling.source_registry.progress = telling.export.registry.progress = tell_once;
		telling.source_registry.progress_context = telling.export.registry.progress_context = &once;
	}
	int rc = copy_to_all(w, source, destinations, &telling, &once.told, digest, err);
	strlist_done(&once.told);
	return rc;
}
