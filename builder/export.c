/*
 * One image of the store to one place.
 */
#include "builder/blob_places.h"
#include "builder/acquire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "builder/outgoing.h"
#include "imagefmt/transport.h"
#include "registry/docker.h"
#include "registry/manage.h"
#include "registry/sign_image.h"

/* The blobs: those that are being packed while they are, where the sink can. */
static int send_blobs(struct workshop *w, struct image_sink *sink, const struct outgoing_wish *wish,
		      struct outgoing *out, struct error **err)
{
	bool meanwhile = out->packing && image_sink_takes_feed(sink);
	size_t count = 0;
	int rc = meanwhile ? 0 : outgoing_end(out, wish, err);

	if (rc < 0)
		return rc;
	cleanup_free const struct descriptor **blobs = outgoing_blobs(out, &count);
	if (!meanwhile)
		return image_sink_send(sink, blobs, count, workshop_store(w), err);
	rc = packing_send(w, out->packing, sink, blobs, count, err);
	return rc < 0 ? rc : outgoing_end(out, wish, err);
}

static int send_image(struct workshop *w, struct image_sink *sink, const struct outgoing_wish *wish,
		      struct outgoing *out, struct digest *digest, struct error **err)
{
	int rc = send_blobs(w, sink, wish, out, err);

	if (rc >= 0)
		rc = image_sink_manifest(sink, out->text.data, out->text.len, manifest_media_type(&out->manifest),
					 /* top */ true, err);
	if (rc >= 0)
		rc = image_sink_commit(sink, err);
	if (rc >= 0)
		rc = digest_of(out->text.data, out->text.len, digest, err);
	return rc;
}

int export_check_place(const struct export_options *options, bool is_registry, struct error **err)
{
	if ((options->if_absent || options->check_push) && !is_registry)
		return error_set(err, EINVAL, "--%s is for destinations in a registry",
				 options->if_absent ? "if-absent" : "check-push");
	return options->if_absent && options->by_digest
		       ? error_set(err, EINVAL, "--if-absent: a push by digest sets no tag")
		       : 0;
}

int export_check_push_to(const struct location *location, const struct export_options *options, struct error **err)
{
	cleanup(registry_client_free) struct registry_client *own = NULL;
	struct registry_client **client = options->client ? options->client : &own;
	int rc = export_check_place(options, location->transport == TRANSPORT_DOCKER, err);

	if (rc == 0 && !*client)
		rc = registry_client_new(&options->registry, client, err);
	if (rc == 0)
		rc = registry_check_push(*client, &location->ref, err);
	return rc < 0 ? error_prefix(err, "--check-push") : 0;
}

/* options->client is set. */
static int open_sink(struct workshop *w, const struct location *location, const struct export_options *options,
		     struct image_sink **sink, struct error **err)
{
	struct registry_client **client = options->client;
	int rc = 0;

	if (location->transport == TRANSPORT_DOCKER) {
		rc = *client ? 0 : registry_client_new(&options->registry, client, err);
		if (rc >= 0 && options->check_push)
			rc = export_check_push_to(location, options, err);
		if (rc >= 0)
			rc = registry_sink_open(*client, &location->ref, options->if_absent ? TAG_STAYS : TAG_MOVES,
						sink, err);
		if (rc >= 0 && options->by_digest)
			image_sink_leave_unnamed(*sink);
	} else {
		rc = image_sink_open_local(location, workshop_store(w), sink, err);
	}
	return rc < 0 ? rc : signing_sink(options->signing, location, *client, sink, err);
}

/* Registries that know OCI's images are a few years old; those that do not are still there, and there are some that
 * know nothing else. */
static int send_otherwise(struct workshop *w, const struct image *image, struct image_sink *sink,
			  struct outgoing_wish *wish, struct digest *digest, struct error **err)
{
	cleanup(outgoing_done) struct outgoing out = OUTGOING_INIT;
	bool was_oci = wish->format == FORMAT_OCI;

	log_info("%s: the registry does not take %s types, sending it in %s format", error_message(*err),
		 was_oci ? "OCI's" : "Docker's", was_oci ? "Docker's" : "OCI's");
	error_clear(err);
	wish->format = was_oci ? FORMAT_DOCKER : FORMAT_OCI;
	int rc = outgoing_prepare(w, image, wish, &out, err);
	return rc < 0 ? rc : send_image(w, sink, wish, &out, digest, err);
}

static int name_in_store(struct workshop *w, const struct image *image, const char *text, struct digest *digest,
			 struct error **err)
{
	cleanup_free char *name = NULL;
	int rc = reference_local_name(text, &name, err);

	if (rc >= 0)
		rc = images_add(workshop_store(w), &image->entry.manifest, &image->entry.id, image->entry.created, name,
				err);
	if (rc >= 0)
		*digest = image->entry.manifest.digest;
	return rc;
}

/* A plain name is a registry's; without a registry it is Docker Hub's, as for all of Docker's tools. */
static int parse_destination(const char *text, struct location *location, struct error **err)
{
	if (location_has_transport(text))
		return location_parse(text, location, err);
	cleanup_free char *full = mem_printf("docker://%s", text);
	int rc = location_refuse_mistyped(text, "docker://", err);
	return rc < 0 ? rc : location_explain(text, location_parse(full, location, err), err);
}

int export_check_push(const char *destination, const struct export_options *options, struct error **err)
{
	cleanup(location_done) struct location location = {0};
	int rc = parse_destination(destination, &location, err);

	return rc < 0 ? rc : export_check_push_to(&location, options, err);
}

int export_recipe(const char *destination, const struct export_options *options, struct codec_recipe *recipe,
		  bool *at_once, struct error **err)
{
	cleanup(location_done) struct location location = {0};
	struct outgoing_wish wish;
	int rc = parse_destination(destination, &location, err);

	if (rc < 0)
		return rc;
	*at_once = location.transport != TRANSPORT_DOCKER && location.transport != TRANSPORT_STORE;
	if (!*at_once)
		return 0;
	rc = outgoing_wish(location.transport, options, FORMAT_OCI, &wish, err);
	return rc < 0 ? rc : codec_recipe_init(wish.codec, wish.level, recipe, err);
}

int export_image(struct workshop *w, const struct image *image, const char *destination,
		 const struct export_options *asked, struct digest *digest, struct error **err)
{
	cleanup(location_done) struct location location = {0};
	cleanup(outgoing_done) struct outgoing out = OUTGOING_INIT;
	cleanup(registry_client_free) struct registry_client *client = NULL; /* that nobody else uses */
	cleanup(image_sink_close) struct image_sink *sink = NULL;
	struct export_options with_client = *asked;
	const struct export_options *options = &with_client;

	if (!with_client.client)
		with_client.client = &client;

	int rc = parse_destination(destination, &location, err);
	if (rc < 0)
		return rc;
	struct outgoing_wish wish;
	rc = outgoing_wish(location.transport, options, image->manifest.format, &wish, err);
	if (rc == 0)
		rc = export_check_place(options, location.transport == TRANSPORT_DOCKER, err);
	if (rc < 0)
		return rc;
	if (location.transport == TRANSPORT_STORE && options->signing)
		return signing_refuse_store(err);
	if (location.transport == TRANSPORT_STORE)
		return name_in_store(w, image, location.name, digest, err);
	/* Else who loads the archive could only call the image by its id. */
	if (location.transport == TRANSPORT_DOCKER_ARCHIVE && !location.name && image->entry.names.count)
		location.name = mem_strdup(image->entry.names.items[0]);
	cleanup_close int hold = store_hold(workshop_store(w), err);
	if (hold < 0)
		return hold;
	/* Opened first: a place that cannot be written to is told before an hour of compressing. */
	rc = open_sink(w, &location, options, &sink, err);
	if (rc >= 0)
		rc = outgoing_start(w, image, &wish, sink, &out, err);
	if (rc >= 0 && location.transport == TRANSPORT_DOCKER)
		blob_places_tell(workshop_store(w), &out.manifest, *options->client);
	if (rc >= 0)
		rc = send_image(w, sink, &wish, &out, digest, err);
	if (rc == -EMEDIUMTYPE && options->format_fallback)
		rc = send_otherwise(w, image, sink, &wish, digest, err);
	return rc;
}
