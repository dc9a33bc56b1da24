/*
 * An image's manifest on its way out: as it is, bit for bit, unless the place it goes to or the user wants its layers
 * packed otherwise or the other format.
 */
#ifndef COOPER_BUILDER_OUTGOING_H
#define COOPER_BUILDER_OUTGOING_H

#include "builder/acquire.h"
#include "builder/packing.h"
#include "imagefmt/reference.h"
#include "imagefmt/transport.h"

struct outgoing {
	struct manifest manifest;
	struct buf text; /* of the manifest, as it will be sent */
	bool changed;	 /* the text is to be made again of the struct */
	/* Between outgoing_start() and outgoing_end(); for each layer: */
	bool *pack;   /* it has no blob yet; NULL: all have */
	bool *wanted; /* it is being packed, and not another that is the same */
	struct packing_order order;
	struct packing *packing; /* NULL: nothing is */
};

#define OUTGOING_INIT ((struct outgoing){.text = BUF_INIT(MANIFEST_SIZE_MAX)})
void outgoing_done(struct outgoing *out);
CLEANUP_FOR_VALUE(struct outgoing, outgoing_done)

/* How it shall be there. */
struct outgoing_wish {
	enum image_format format;
	enum codec codec; /* for layers that are packed now */
	int level;
	bool force; /* also for those that are packed in another way */
};
/* What does not go together, whatever the image: to be told before a place is opened, and so perhaps made. -EINVAL. */
int outgoing_check(enum transport transport, const struct export_options *options, struct error **err);
/* What the place and the user want of an image that has `format` now. -EINVAL when the two do not go together. */
int outgoing_wish(enum transport transport, const struct export_options *options, enum image_format format,
		  struct outgoing_wish *wish, struct error **err);

/* The manifest as it is now. */
int outgoing_read(const void *text, size_t size, const char *what, struct outgoing *out, struct error **err);
/* Sets pack[i] for each layer that is not packed as wished; *any when there is one. */
int outgoing_plan(const struct outgoing *out, const struct outgoing_wish *wish, bool *pack, bool *any,
		  struct error **err);
/* Layer i is now the blob with this digest. */
void outgoing_set_layer(struct outgoing *out, size_t i, const struct outgoing_wish *wish, const struct digest *digest,
			uint64_t size);
/* Another format: writes the configuration in it into `store`. Of artifacts -EINVAL. */
int outgoing_set_format(struct outgoing *out, enum image_format format, const struct image_config *config,
			struct store *store, struct error **err);
/* The text, when something has changed. */
int outgoing_finish(struct outgoing *out, struct error **err);
/* All blobs that the manifest names, each once: layers first, without those that are being packed, then the
 * configuration. The array is newly allocated, the
 * descriptors are the manifest's. */
MUST_CHECK const struct descriptor **outgoing_blobs(const struct outgoing *out, size_t *count);

/* All of the above for an image of the store, in two halves: a worker begins to pack what has no blob yet, and its feed
 * (out->packing, if anything is packed) can be sent meanwhile. What `sink` (may be NULL) has already is not packed
 * again. The caller holds the store; the image is borrowed until outgoing_end(). */
int outgoing_start(struct workshop *w, const struct image *image, const struct outgoing_wish *wish,
		   struct image_sink *sink, struct outgoing *out, struct error **err);
int outgoing_end(struct outgoing *out, const struct outgoing_wish *wish, struct error **err);
/* Both, for who sends afterwards. */
int outgoing_prepare(struct workshop *w, const struct image *image, const struct outgoing_wish *wish,
		     struct outgoing *out, struct error **err);

#endif
