/*
 * Unpacking and packing at the same time: the pipeline's threads compress what the caller inflates.
 */
#include "imagefmt/transcode.h"

#include <errno.h>

#include "base/fd.h"
#include "imagefmt/blob.h"
#include "imagefmt/pipeline.h"

static int write_to_blob(const void *data, size_t size, void *context, struct error **err)
{
	return blob_writer_write(context, data, size, err);
}

/* The plain bytes of a blob into the pipeline, and past a hasher, which may be NULL. */
static int feed(int fd, enum codec codec, struct pipeline *pipeline, struct hasher *hasher, struct error **err)
{
	cleanup(stream_fd_done) struct stream_fd packed;
	cleanup(inflater_free) struct inflater *inflater = NULL;
	ssize_t n = 1;

	stream_fd_init(&packed, fd);
	int rc = inflater_new(codec, stream_fd_next, &packed, &inflater, err);
	while (rc == 0 && n > 0) {
		size_t size;
		char *room = pipeline_room(pipeline, &size);
		if (room == NULL)
			return 0; /* pipeline_finish() tells why */
		n = inflater_read(inflater, room, size, err);
		if (n < 0)
			return (int)n;
		if (hasher != NULL)
			hasher_update(hasher, room, (size_t)n);
		pipeline_filled(pipeline, (size_t)n);
	}
	return rc;
}

int blob_transcode(struct store *store, const struct digest *from, enum codec codec, const struct digest *diff_id,
		   const struct codec_recipe *recipe, struct digest *made, uint64_t *size, struct error **err)
{
	cleanup(blob_writer_free) struct blob_writer *writer = NULL;
	cleanup(pipeline_free) struct pipeline *pipeline = NULL;
	cleanup(hasher_free) struct hasher *hasher = NULL; /* the pipeline's own is for sha256 */
	cleanup_close int fd = blob_open(store, from, NULL, err);
	int rc = fd < 0 ? fd : blob_writer_new(store, /* want */ NULL, BLOB_SIZE_UNKNOWN, &writer, err);
	struct digest unpacked;
	uint64_t unpacked_size;

	if (rc < 0)
		return rc;
	struct pipeline_options options = {.recipe = recipe, .sink = write_to_blob, .context = writer};
	rc = pipeline_new(&options, &pipeline, err);
	if (rc == 0 && diff_id->algorithm != DIGEST_SHA256)
		rc = hasher_new(diff_id->algorithm, &hasher, err);
	if (rc == 0)
		rc = feed(fd, codec, pipeline, hasher, err);
	if (rc == 0)
		rc = pipeline_finish(pipeline, &unpacked, &unpacked_size, err);
	if (rc < 0)
		return rc;
	if (hasher != NULL)
		hasher_finish(hasher, &unpacked);
	if (!digest_equal(&unpacked, diff_id)) {
		char text[DIGEST_TEXT_SIZE];
		return error_set(err, EBADMSG, "blob %s does not unpack to what the configuration says",
				 digest_format(from, text));
	}
	return blob_writer_commit(writer, made, size, err);
}
