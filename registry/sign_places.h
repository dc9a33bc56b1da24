/*
 * registries.d (containers-registries.d(5)): where the signatures of a repository lie beside the registry itself. A
 * lookaside is a directory tree, given as a file: or http(s): address, with one file for each OpenPGP signature:
 *
 *	<base>/<repository path>@<algorithm>=<hex>/signature-<N>
 */
#ifndef COOPER_REGISTRY_SIGN_PLACES_H
#define COOPER_REGISTRY_SIGN_PLACES_H

#include "base/error.h"
#include "imagefmt/reference.h"
#include "registry/client.h"
#include "registry/signature.h"

enum attachments_use { ATTACHMENTS_UNSAID, ATTACHMENTS_YES, ATTACHMENTS_NO };

struct sign_places {
	char *read;  /* "file:///var/lib/containers/sigstore/library/debian": with the repository's path */
	char *write; /* the same, or the staging place */
	enum attachments_use attachments; /* use-sigstore-attachments */
};
void sign_places_done(struct sign_places *places);
CLEANUP_FOR_VALUE(struct sign_places, sign_places_done)

/* Reads $COOPER_REGISTRIES_D (which is also what --registries.d sets), ~/.config/containers/registries.d or, when that
 * is not there, the system's. What nothing is said about lies where all of containers' tools have it:
 * ~/.local/share/containers/sigstore, /var/lib/containers/sigstore for root. */
int sign_places_find(const struct reference *ref, struct sign_places *places, struct error **err);

/* Appends the signatures of a manifest under `base`; none is success. */
int lookaside_fetch(struct registry_client *client, const char *base, const struct digest *manifest,
		    struct signature_list *list, struct error **err);
/* Adds a signature behind those that are there. -ENOTSUP for a base that is no file: address. */
int lookaside_store(const char *base, const struct digest *manifest, const struct signature *signature,
		    struct error **err);

/* The same for the directory of a dir: image. `instance` is the digest of a child of its index, NULL for the image that
 * the directory itself is. */
int sign_dir_fetch(const char *directory, const struct digest *instance, struct signature_list *list,
		   struct error **err);
int sign_dir_store(const char *directory, const struct digest *instance, const struct signature *signature,
		   struct error **err);

#endif
