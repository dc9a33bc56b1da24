/*
 * Images from any place to any other: docker://, oci:, oci-archive:, docker-archive:, dir: and the store, without going
 * through the store when neither end is it. Blobs that need not change are moved as they are, those that the
 * destination has (or can mount from the source's repository) are not moved at all. On their way they lie in a
 * directory in the store's tmp/, a few at a time, and are removed as soon as they have arrived.
 */
#ifndef COOPER_BUILDER_IMAGE_COPY_H
#define COOPER_BUILDER_IMAGE_COPY_H

#include "builder/acquire.h"
#include "imagefmt/reference.h"
#include "imagefmt/transport.h"

/* Of an index: the image for one platform; it with all its images; it alone, when its images are there already. */
enum copy_extent { COPY_ONE_PLATFORM, COPY_ALL, COPY_INDEX_ONLY };
/* Whether layers that are moved as they are must unpack to what the configuration says. A registry leaves that to who
 * unpacks them, and so do we, unless told otherwise. */
enum copy_check { COPY_CHECK_LOCAL, COPY_CHECK_ALL, COPY_CHECK_NONE };

struct image_copy_options {
	enum copy_extent extent;
	const struct platform *platform; /* NULL: this machine's */
	/* registry: that of the destinations. When it goes to several, layers are packed for each as it asks. */
	struct export_options export;
	/* Bits 1 << CODEC_…: of a list with all its images, each image also packed so, as a further entry. */
	unsigned add_codecs;
	bool accept_uncompressed; /* of an OCI layout: layers that are not packed stay so */
	enum copy_check check;	  /* which destinations' layers */
	bool preserve_digests;	  /* -EINVAL when a manifest would have to change */
	bool remove_signatures;
	bool insecure_policy; /* the trust policy is not asked */
	struct registry_options source_registry;
	const char *source_blob_folder, *destination_blob_folder; /* of oci:, shared ones; NULL */
	const struct strlist *additional_tags;			  /* of docker-archive:; NULL */
	const char *tmpdir;					  /* for blobs on their way; NULL: the store's */
	size_t parallel;					  /* blobs at once; 0 = 4 */
};

/* What a user calls a place here: "transport:…", "store:NAME", or a plain name, which is one in the store. */
int image_place_parse(const char *text, struct location *location, struct error **err);

/* Copies to each destination in turn. *digest is that of the manifest that the last one got; the error's code is
 * -ENOENT when the source does not exist. A destination that fails has what had come before, under no name. */
int image_copy(struct workshop *w, const char *source, const struct strlist *destinations,
	       const struct image_copy_options *options, struct digest *digest, struct error **err);

/* What a location names, to be read: a source, and the client that it needs (both are the caller's). The store is a
 * source, too. */
int image_place_open(struct workshop *w, const struct location *location, const struct registry_options *registry,
		     struct registry_client **client, struct image_source **source, struct error **err);

#endif
