/*
 * Where images come from and go to, each transport behind the same two doors. The registry's are in registry/docker.h;
 * those that are files are opened here.
 *
 * A source gives manifests by name or digest and fetches blobs into a store. A sink takes blobs of a store and then the
 * manifests that name them; nothing of it is visible (an archive's file does not exist, a layout's index does not name
 * it) before image_sink_commit().
 */
#ifndef COOPER_IMAGEFMT_TRANSPORT_H
#define COOPER_IMAGEFMT_TRANSPORT_H

#include "base/buf.h"
#include "imagefmt/blob.h"
#include "imagefmt/feed.h"
#include "imagefmt/manifest.h"
#include "imagefmt/reference.h"

struct image_source;
struct image_sink;

/* What a transport implements. `state` is its own. */
struct image_source_ops {
	/* The manifest or index that the location names (want NULL) or the one with a digest. *media_type is newly
	 * allocated, NULL when the transport does not tell. The bytes have been checked against the digest. */
	int (*manifest)(void *state, const struct digest *want, struct buf *text, char **media_type,
			struct error **err);
	/* Brings the blobs into the store, those that are not there yet, several at once where that helps; each is
	 * verified and committed. On failure those that were whole stay. */
	int (*fetch)(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
		     struct error **err);
	/* A name for the image when the location has none ("docker-archive" knows its tags); NULL when there is none.
	 */
	char *(*name)(void *state);
	void (*close)(void *state);
};
struct image_sink_ops {
	/* Puts blobs of the store there, those that are not there yet. */
	int (*send)(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
		    struct error **err);
	/* NULL, or: the same, and beside them what is being made meanwhile; until the feed's end. */
	int (*send_feed)(void *state, const struct descriptor *const *blobs, size_t count, struct blob_feed *feed,
			 struct store *store, struct error **err);
	/* For sinks in front of others: whether those do; NULL: yes. */
	bool (*takes_feed)(const void *state);
	/* NULL, or: which of the blobs need not be sent. */
	int (*has)(void *state, const struct descriptor *const *blobs, size_t count, const struct reference *from,
		   bool *has, struct error **err);
	/* Puts a manifest or index, by digest only (top false: a child of an index) or under the location's name. */
	int (*manifest)(void *state, const void *text, size_t size, const char *media_type, bool top,
			struct error **err);
	int (*commit)(void *state, struct error **err);
	void (*close)(void *state);
};

/* For transports. Takes `state`. */
struct image_source *image_source_new(const struct image_source_ops *ops, void *state);
struct image_sink *image_sink_new(const struct image_sink_ops *ops, void *state);

int image_source_manifest(struct image_source *source, const struct digest *want, struct buf *text, char **media_type,
			  struct error **err);
/* A child of an index: by the entry's digest, and held to the size and type that the entry tells. */
int image_source_child(struct image_source *source, const struct descriptor *entry, struct buf *text, char **media_type,
		       struct error **err);
int image_source_fetch(struct image_source *source, const struct descriptor *const *blobs, size_t count,
		       struct store *store, struct error **err);
MUST_CHECK char *image_source_name(struct image_source *source);
void image_source_close(struct image_source *source);
CLEANUP_FOR(struct image_source, image_source_close)

int image_sink_send(struct image_sink *sink, const struct descriptor *const *blobs, size_t count, struct store *store,
		    struct error **err);
/* The same, and beside them the blobs of a feed while they are made. Only for sinks that take one. */
int image_sink_send_feed(struct image_sink *sink, const struct descriptor *const *blobs, size_t count,
			 struct blob_feed *feed, struct store *store, struct error **err);
bool image_sink_takes_feed(const struct image_sink *sink);
/* Sets has[i] where a blob is there already, or got there without being sent: mounted from the repository `from` (may
 * be NULL), when that is of the same registry and the blob is known to be in it. */
int image_sink_has(struct image_sink *sink, const struct descriptor *const *blobs, size_t count,
		   const struct reference *from, bool *has, struct error **err);
int image_sink_manifest(struct image_sink *sink, const void *text, size_t size, const char *media_type, bool top,
			struct error **err);
/* From now on what comes as `top` goes by its digest only, too: no name of the place changes. For registries. */
void image_sink_leave_unnamed(struct image_sink *sink);
int image_sink_commit(struct image_sink *sink, struct error **err);
/* Without a commit before it, what was sent is abandoned. */
void image_sink_close(struct image_sink *sink);
CLEANUP_FOR(struct image_sink, image_sink_close)

/* oci:, oci-archive:, docker-archive: and dir:. -ENOENT when the place or the name in it is missing. */
int image_source_open_local(const struct location *location, struct store *store, struct image_source **source,
			    struct error **err);
int image_sink_open_local(const struct location *location, struct store *store, struct image_sink **sink,
			  struct error **err);
/* The names of all images at an oci:, oci-archive: or docker-archive: place, in their order; others have none
 * (-EINVAL).
 */
int image_names_local(const struct location *location, struct store *store, struct strlist *names, struct error **err);
/* What compression a sink of this transport wants for layers that are not compressed yet. */
enum codec transport_default_codec(enum transport transport);

#endif
