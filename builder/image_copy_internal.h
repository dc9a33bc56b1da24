/*
 * One copy under way, as the files that make it share it: image_copy.c opens the places, image_copy_tree.c goes through
 * indexes, image_copy_image.c does one image, and image_copy_blobs.c moves bytes.
 */
#ifndef COOPER_BUILDER_IMAGE_COPY_INTERNAL_H
#define COOPER_BUILDER_IMAGE_COPY_INTERNAL_H

#include "builder/claims.h"
#include "builder/image_copy.h"
#include "builder/outgoing.h"
#include "registry/sign_carry.h"

struct copier {
	struct workshop *w;
	const struct image_copy_options *options;
	enum transport from, to;
	struct image_source *source;
	struct registry_client *client; /* that the source needs; NULL */
	const struct buf *top_text;	/* what the source names, read once */
	const char *top_type;		/* its media type, as the source says; may be NULL */
	struct image_sink *sink;
	struct store *work;		    /* where blobs lie on their way: a scratch store, or the user's own */
	bool checks_layers;		    /* layers that are moved must be what the configuration says */
	bool keeps_blobs;		    /* they stay in it: somebody will want them once more */
	const struct reference *repository; /* that the source's blobs are in; NULL when it is none */
	/* Where signatures are that should go along; NULL: none do. */
	const struct signature_origin *signatures;
	const struct image_entry *list; /* the list of the store that is copied, or NULL */
	size_t *manifests;		/* how many have been come to */
};

/* A manifest as it stands in a document that names it. */
struct copied {
	const char *media_type; /* static */
	struct digest digest;
	uint64_t size;
};

/* ---- image_copy_tree.c ---- */
/* What the source names, as the destination's top. */
int copier_copy_top(struct copier *copier, struct digest *digest, struct error **err);

/* ---- image_copy_image.c ---- */
/* One image, whose manifest is `text`. `want` is its digest where the source knows it by that, or NULL. */
int copier_copy_image(struct copier *copier, const struct digest *want, const struct buf *text, bool top,
		      struct copied *copied, struct error **err);
/* The manifest or index with its digest to the sink. */
int copier_send_document(struct copier *copier, const struct buf *text, const char *media_type, bool top,
			 struct copied *copied, struct error **err);
/* Warns when `text`, which has become another document, is signed: its signatures are for what it was. */
void copier_tell_signatures(struct copier *copier, const struct buf *text, const struct copied *copied);
/* -EINVAL with --preserve-digests, since `what` would change. */
int copier_check_change(const struct copier *copier, const char *what, struct error **err);

/* ---- image_copy_blobs.c ---- */
/* Blobs as they are, those that the sink does not have; not before what is claimed of them (NULL: nothing) is known to
 * be true. */
int copier_move_blobs(struct copier *copier, const struct descriptor *const *blobs, size_t count,
		      const struct layer_claims *claims, struct error **err);
/* Blobs of the store, those that the sink does not have, and beside them those of a packing while they are made. */
int copier_send_packing(struct copier *copier, struct packing *packing, const struct descriptor *const *blobs,
			size_t count, struct error **err);
/* Layer i of `out`, packed anew on the way. */
int copier_move_packed(struct copier *copier, struct outgoing *out, size_t i, const struct outgoing_wish *wish,
		       const struct digest *diff_id, struct error **err);
/* The user's store has the blob: it need not be fetched. */
bool copier_has_in_store(const struct copier *copier, const struct descriptor *blob);
/* One blob into the place of work. */
int copier_fetch(struct copier *copier, const struct descriptor *blob, struct error **err);
/* A blob that is in the place of work, to the sink. */
int copier_send(struct copier *copier, const struct descriptor *blob, struct error **err);

#endif
