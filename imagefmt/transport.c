/*
 * The two doors behind which every transport stands, and which of the local ones a location opens.
 */
#include "imagefmt/transport.h"

#include <errno.h>
#include <stdlib.h>

#include "imagefmt/transport_internal.h"

struct image_source {
	const struct image_source_ops *ops;
	void *state;
};

struct image_sink {
	const struct image_sink_ops *ops;
	void *state;
	bool unnamed;
};

struct image_source *image_source_new(const struct image_source_ops *ops, void *state)
{
	struct image_source *source = mem_alloc(sizeof(*source));
	*source = (struct image_source){.ops = ops, .state = state};
	return source;
}

struct image_sink *image_sink_new(const struct image_sink_ops *ops, void *state)
{
	struct image_sink *sink = mem_alloc(sizeof(*sink));
	*sink = (struct image_sink){.ops = ops, .state = state};
	return sink;
}

int image_source_manifest(struct image_source *source, const struct digest *want, struct buf *text, char **media_type,
			  struct error **err)
{
	return source->ops->manifest(source->state, want, text, media_type, err);
}

int image_source_child(struct image_source *source, const struct descriptor *entry, struct buf *text, char **media_type,
		       struct error **err)
{
	cleanup(buf_done) struct buf read = BUF_INIT(text->max);
	cleanup_free char *type = NULL;
	int rc = image_source_manifest(source, &entry->digest, &read, &type, err);

	if (rc == 0)
		rc = manifest_check_entry(entry, buf_str(&read), read.len, type, err);
	if (rc < 0)
		return rc;
	buf_append(text, read.data, read.len);
	*media_type = take_ptr(&type);
	return 0;
}

int image_source_fetch(struct image_source *source, const struct descriptor *const *blobs, size_t count,
		       struct store *store, struct error **err)
{
	return source->ops->fetch(source->state, blobs, count, store, err);
}

char *image_source_name(struct image_source *source)
{
	return source->ops->name ? source->ops->name(source->state) : NULL;
}

void image_source_close(struct image_source *source)
{
	if (!source)
		return;
	source->ops->close(source->state);
	free(source);
}

int image_sink_send(struct image_sink *sink, const struct descriptor *const *blobs, size_t count, struct store *store,
		    struct error **err)
{
	return sink->ops->send(sink->state, blobs, count, store, err);
}

bool image_sink_takes_feed(const struct image_sink *sink)
{
	return sink->ops->send_feed && (!sink->ops->takes_feed || sink->ops->takes_feed(sink->state));
}

int image_sink_send_feed(struct image_sink *sink, const struct descriptor *const *blobs, size_t count,
			 struct blob_feed *feed, struct store *store, struct error **err)
{
	return sink->ops->send_feed(sink->state, blobs, count, feed, store, err);
}

int image_sink_has(struct image_sink *sink, const struct descriptor *const *blobs, size_t count,
		   const struct reference *from, bool *has, struct error **err)
{
	for (size_t i = 0; i < count; i++)
		has[i] = false;
	return sink->ops->has ? sink->ops->has(sink->state, blobs, count, from, has, err) : 0;
}

void image_sink_leave_unnamed(struct image_sink *sink)
{
	sink->unnamed = true;
}

int image_sink_manifest(struct image_sink *sink, const void *text, size_t size, const char *media_type, bool top,
			struct error **err)
{
	return sink->ops->manifest(sink->state, text, size, media_type, top && !sink->unnamed, err);
}

int image_sink_commit(struct image_sink *sink, struct error **err)
{
	return sink->ops->commit(sink->state, err);
}

void image_sink_close(struct image_sink *sink)
{
	if (!sink)
		return;
	sink->ops->close(sink->state);
	free(sink);
}

int image_source_open_local(const struct location *location, struct store *store, struct image_source **source,
			    struct error **err)
{
	int rc;
	switch (location->transport) {
	case TRANSPORT_OCI:
	case TRANSPORT_OCI_ARCHIVE:
		rc = layout_source_open(location, store, source, err);
		break;
	case TRANSPORT_DOCKER_ARCHIVE:
		rc = archive_source_open(location, store, source, err);
		break;
	case TRANSPORT_DIR:
		rc = dirlayout_source_open(location, source, err);
		break;
	default:
		return error_set(err, EINVAL, "not a place on this machine's disks");
	}
	if (rc < 0) {
		cleanup_free char *text = location_format(location);
		error_prefix(err, "%s", text);
		return rc;
	}
	return 0;
}

int image_names_local(const struct location *location, struct store *store, struct strlist *names, struct error **err)
{
	cleanup_free char *text = location_format(location);
	int rc;
	switch (location->transport) {
	case TRANSPORT_OCI:
	case TRANSPORT_OCI_ARCHIVE:
		rc = layout_names(location, store, names, err);
		break;
	case TRANSPORT_DOCKER_ARCHIVE:
		rc = archive_names(location, store, names, err);
		break;
	default:
		rc = error_set(err, EINVAL, "images have no names there");
	}
	return rc < 0 ? error_prefix(err, "%s", text) : 0;
}

int image_sink_open_local(const struct location *location, struct store *store, struct image_sink **sink,
			  struct error **err)
{
	switch (location->transport) {
	case TRANSPORT_OCI:
	case TRANSPORT_OCI_ARCHIVE:
		return layout_sink_open(location, store, sink, err);
	case TRANSPORT_DOCKER_ARCHIVE:
		return archive_sink_open(location, store, sink, err);
	case TRANSPORT_DIR:
		return dirlayout_sink_open(location, sink, err);
	default:
		return error_set(err, EINVAL, "not a place on this machine's disks");
	}
}

enum codec transport_default_codec(enum transport transport)
{
	switch (transport) {
	case TRANSPORT_DOCKER:
	case TRANSPORT_OCI:
	case TRANSPORT_OCI_ARCHIVE:
		return CODEC_GZIP;
	case TRANSPORT_STORE:
	case TRANSPORT_DOCKER_ARCHIVE: /* holds plain tars only */
	case TRANSPORT_DIR:	       /* as skopeo and podman leave it */
		break;
	}
	return CODEC_NONE;
}
