/*
 * Signatures that go along when an image is copied: what lies beside a manifest at one place is found first, and put
 * beside the same manifest at another. It is not verified here (trust.h is for that), and nothing is changed in it,
 * also not the names that it was made for. A signature is for one digest: an image that had to be changed on the way
 * leaves its signatures behind.
 *
 * OpenPGP signatures go from lookaside to lookaside, cosign's are added to those under the tag sha256-<hex>.sig, and
 * artifacts that refer to the manifest and are signatures (sigstore's bundles, Notation's) are copied as they are. The
 * directory of dir: takes the first two kinds.
 */
#ifndef COOPER_REGISTRY_SIGN_CARRY_H
#define COOPER_REGISTRY_SIGN_CARRY_H

#include "imagefmt/index.h"
#include "imagefmt/reference.h"
#include "registry/client.h"
#include "registry/signature.h"

/* Where an image comes from. */
struct signature_origin {
	const struct location *location;
	struct registry_client *client; /* of docker: */
	struct digest top; /* what the location names: the signatures of a dir: have its digest not in their names */
};

/* Where it goes. All borrowed. */
struct signature_target {
	enum transport transport;
	const struct reference *ref;	/* of docker: */
	const char *directory;		/* of dir: */
	const char *lookaside;		/* of docker:, to write to */
	struct registry_client *client; /* of docker: */
};

struct carried_signatures {
	struct signature_list list;
	struct image_index artifacts; /* that refer to the manifest */
};
void carried_signatures_done(struct carried_signatures *carried);
CLEANUP_FOR_VALUE(struct carried_signatures, carried_signatures_done)
static inline size_t carried_signatures_count(const struct carried_signatures *carried)
{
	return carried->list.count + carried->artifacts.manifest_count;
}

/* Whether there can be signatures at such a place. */
bool signatures_have_place(enum transport transport);
/* What there is for a manifest; nothing is success, and so is a registry that lets nobody look. */
int signatures_find(const struct signature_origin *from, const struct digest *manifest,
		    struct carried_signatures *carried, struct error **err);
/* Puts them beside the manifest, which is there already; those that are there as well are left out. What a directory
 * has no place for is warned about. */
int signatures_put(const struct signature_origin *from, const struct carried_signatures *carried,
		   const struct digest *manifest, bool top, const struct signature_target *to, struct error **err);

#endif
