/*
 * Signatures as they lie beside an image, still unverified, and what a verified one says. Three formats:
 *
 *   SIGNATURE_GPG     "simple signing": an OpenPGP message whose content is a claim (lookaside stores, dir:)
 *   SIGNATURE_COSIGN  cosign's: a claim and its signature in an annotation (the tag sha256-<hex>.sig, dir:)
 *   SIGNATURE_BUNDLE  sigstore's bundle v0.3 with a DSSE envelope around an in-toto statement (referrers)
 */
#ifndef COOPER_REGISTRY_SIGNATURE_H
#define COOPER_REGISTRY_SIGNATURE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strlist.h"
#include "imagefmt/digest.h"

#define SIGNATURE_SIZE_MAX ((size_t)4 << 20)
#define SIGNATURES_MAX 128		       /* of one manifest; further ones are not looked at */
#define SIGNATURES_SIZE_MAX ((size_t)16 << 20) /* of all in a list together: anybody may have put them there */

enum signature_format { SIGNATURE_GPG, SIGNATURE_COSIGN, SIGNATURE_BUNDLE };

struct signature {
	enum signature_format format;
	struct buf bytes; /* the OpenPGP message, cosign's payload, or the bundle's JSON */
	char *cosign;	  /* SIGNATURE_COSIGN: the annotation, base64; else NULL */
	/* SIGNATURE_COSIGN: that and all others ("key=value": certificates and the like), as they came; else empty */
	struct strlist annotations;
	char *where; /* for messages */
};

struct signature_list {
	struct signature *items;
	size_t count;
};

void signature_list_done(struct signature_list *list);
CLEANUP_FOR_VALUE(struct signature_list, signature_list_done)
/* A new, empty one at the end; the pointer holds until the next call. */
struct signature *signature_list_add(struct signature_list *list, enum signature_format format, const char *where);
/* How large the next one may be; 0 when the list is full. */
size_t signature_list_room(const struct signature_list *list);

/* What a signature says: this manifest is the image of this name. */
struct claim {
	char *name; /* "quay.io/me/app:1"; NULL when a bundle names none */
	struct digest digest;
};
void claim_done(struct claim *claim);
CLEANUP_FOR_VALUE(struct claim, claim_done)

/* The JSON of containers-signature(5), "critical" and "optional", of either kind (they differ in one word).
 * SIGNATURE_BUNDLE has another form and is not for these. Parsing is strict: -EINVAL for anything more or less. */
void claim_format(enum signature_format format, const struct claim *claim, struct buf *into);
int claim_parse(enum signature_format format, const void *text, size_t size, const char *where, struct claim *claim,
		struct error **err);

/* Signatures in files: OpenPGP as it is, cosign's in containers/image's envelope ("\0sigstore-json\n"). */
int signature_from_file(const struct buf *text, const char *where, struct signature_list *list, struct error **err);
/* -ENOTSUP for a bundle, which has no form as such a file. */
int signature_to_file(const struct signature *signature, struct buf *into, struct error **err);

#endif
