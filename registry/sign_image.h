/*
 * Signing what is pushed. A sink that signs is put in front of the real one; each manifest and index that goes through
 * it is signed once everything has arrived and before the tag is set, the children of an index as well, because whoever
 * pulls verifies the image of his platform and not the index.
 *
 *	rc = registry_sink_open(client, ref, &sink, err);
 *	if (rc == 0)
 *		rc = signing_sink(signing, &location, client, &sink, err);
 *
 * OpenPGP signatures go to the lookaside that registries.d names, sigstore's beside the image in its repository; those
 * of a dir: image into the directory.
 */
#ifndef COOPER_REGISTRY_SIGN_IMAGE_H
#define COOPER_REGISTRY_SIGN_IMAGE_H

#include "imagefmt/reference.h"
#include "imagefmt/transport.h"
#include "registry/client.h"
#include "registry/keys.h"
#include "registry/sign_carry.h"

enum signing_formats { SIGNING_LEGACY = 1, SIGNING_BUNDLE = 2 };

struct signing {
	const char *gpg_key;		  /* --sign-by; NULL: none */
	const struct buf *gpg_passphrase; /* NULL: gpg asks its agent */
	const struct signing_key *key;	  /* --sign-by-sigstore-private-key; NULL: none */
	unsigned formats;		  /* of sigstore's signatures */
	const char *identity;		  /* --sign-identity; NULL: the destination's own name */
	int64_t now;			  /* seconds since the epoch, for what carries a time */
};

/* Puts a signing sink in front of *sink, or leaves it as it is when `signing` is NULL or asks for nothing. What can be
 * known before anything is sent fails here: -ENOTSUP for a place without room for signatures, -EINVAL for one without a
 * name when no identity is given. `signing` is borrowed for the life of the sink, and so is the client (NULL for dir:).
 * On failure the sink stays the caller's, unchanged. */
int signing_sink(const struct signing *signing, const struct location *location, struct registry_client *client,
		 struct image_sink **sink, struct error **err);
/* The same for a copy of an image that may have signatures: they are found and put at the destination, too, where both
 * ends have a place for such. `from` (may be NULL) is copied, what it points to is borrowed for the life of the sink.
 */
int signing_sink_from(const struct signing *signing, const struct signature_origin *from,
		      const struct location *location, struct registry_client *client, struct image_sink **sink,
		      struct error **err);
/* The error of who was told to sign what goes into the store: signatures belong to names in registries. */
int signing_refuse_store(struct error **err);

#endif
