/*
 * A file that is there is read to its end. One that somebody else still writes is read as far as it goes, and then
 * there is a wait for more.
 */
#include "imagefmt/layer_origin.h"

#include <errno.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/parse.h"
#include "imagefmt/blob.h"
#include "imagefmt/codec.h"

#define HEAD_SIZE 6 /* what codec_detect() wants */

void layer_origin_done(struct layer_origin *origin)
{
	stream_fd_done(&origin->stream);
	if (origin->arrival == NULL)
		fd_close(origin->fd);
}

static int wait_for_more(struct layer_origin *origin, struct error **err)
{
	int rc = origin->arrival->wait(origin->arrival->context, err);

	if (rc > 0)
		origin->has_arrived = true;
	return rc < 0 ? rc : 0;
}

/* Its position is not ours. */
static int next_arriving(struct layer_origin *origin, const void **data, size_t *size, struct error **err)
{
	struct stream_fd *stream = &origin->stream;

	while (stream->offset < origin->packed->size) {
		bool was_all = origin->has_arrived;
		int rc = stream_fd_next_at(stream, data, size, err);
		if (rc != 0)
			return rc;
		if (was_all)
			return error_set(err, EBADMSG, "the blob has arrived anew");
		rc = wait_for_more(origin, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int layer_origin_next(void *context, const void **data, size_t *size, struct error **err)
{
	struct layer_origin *origin = context;

	return origin->arrival != NULL ? next_arriving(origin, data, size, err)
				       : stream_fd_next(&origin->stream, data, size, err);
}

static int read_head(struct layer_origin *origin, char head[HEAD_SIZE], size_t *head_size, struct error **err)
{
	ssize_t n;

	while ((n = pread(origin->fd, head, HEAD_SIZE, 0)) < HEAD_SIZE && origin->arrival != NULL &&
	       !origin->has_arrived && n >= 0) {
		int rc = wait_for_more(origin, err);
		if (rc < 0)
			return rc;
	}
	if (n < 0)
		return error_set_errno(err, "read");
	*head_size = (size_t)n;
	return 0;
}

int layer_origin_begin(struct layer_origin *origin, enum codec *codec, struct error **err)
{
	char head[HEAD_SIZE];
	size_t head_size = 0;

	origin->fd = origin->arrival != NULL ? origin->arrival->fd
					     : blob_open(origin->store, &origin->packed->digest, NULL, err);
	if (origin->fd < 0)
		return origin->fd;
	stream_fd_init(&origin->stream, origin->fd);
	int rc = read_head(origin, head, &head_size, err);
	if (rc == 0)
		rc = layer_codec(origin->packed->media_type, codec, err);
	if (rc < 0)
		return rc;
	enum codec seen = codec_detect(head, head_size);
	if (seen != *codec && (seen != CODEC_NONE || *codec == CODEC_NONE))
		*codec = seen;
	return 0;
}

int layer_origin_wait(struct layer_origin *origin, struct error **err)
{
	int rc = 0;

	while (rc == 0 && origin->arrival != NULL && !origin->has_arrived)
		rc = wait_for_more(origin, err);
	return rc;
}

int layer_origin_compare(const struct layer_origin *origin, const struct digest *got, const struct digest *diff_id,
			 struct error **err)
{
	char wanted[DIGEST_TEXT_SIZE];
	char blob[DIGEST_TEXT_SIZE];
	char have[DIGEST_TEXT_SIZE];

	if (digest_equal(got, diff_id))
		return 0;
	return error_set(err, EBADMSG, "layer %s: its blob %.19s… holds %s", digest_format(diff_id, wanted),
			 digest_format(&origin->packed->digest, blob), digest_format(got, have));
}

int layer_origin_limit(uint64_t *max_bytes, struct error **err)
{
	const char *text = env_get("LAYER_MAX");

	return text ? parse_size(text, "COOPER_LAYER_MAX", max_bytes, err) : 0;
}
