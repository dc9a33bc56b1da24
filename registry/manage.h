/*
 * What one does with a repository beside pulling and pushing images: single documents and small blobs, removal, and
 * what refers to an image (OCI distribution-spec "Content Discovery" and "Content Management"). registry_tags() and
 * registry_resolve() are in docker.h.
 *
 * Everywhere `ref` names the repository (its domain must be there) and, where that is said, the manifest. The client is
 * borrowed. Errors carry the registry's own words: -ENOENT when the thing does not exist, -EACCES when we may not.
 */
#ifndef COOPER_REGISTRY_MANAGE_H
#define COOPER_REGISTRY_MANAGE_H

#include "base/buf.h"
#include "imagefmt/manifest.h"
#include "imagefmt/reference.h"
#include "registry/client.h"

/* Whom to ask for a document: as for pulls, its mirrors and then the registry; or the registry alone, of what is about
 * to be changed there. */
enum registry_side { REGISTRY_AND_MIRRORS, REGISTRY_ITSELF };

/* ---- Documents and small blobs, in memory ---- */

/* The bytes of a manifest or index: `want`, or (NULL) what ref's digest, tag or "latest" names. Checked against the
 * digest, at most MANIFEST_SIZE_MAX. Appends to `text`; *media_type (newly allocated, may become NULL) may be NULL. */
int registry_get_manifest(struct registry_client *client, enum registry_side side, const struct reference *ref,
			  const struct digest *want, struct buf *text, char **media_type, struct error **err);
/* A blob (a configuration, a signature) of at most `max` bytes, checked against size and digest. -EFBIG. */
int registry_get_blob(struct registry_client *client, const struct reference *ref, const struct descriptor *blob,
		      size_t max, struct buf *into, struct error **err);
/* Sends bytes as a blob unless they are there. */
int registry_put_blob(struct registry_client *client, const struct reference *ref, const void *data, size_t size,
		      struct digest *digest, struct error **err);
/* Puts a manifest or index under ref's tag, or, without one, under its digest. When it has a `subject` that the
 * registry does not index by itself (no OCI-Subject in its answer), the tag sha256-<hex> is kept up to date as the
 * specification says. *digest (may be NULL) is that of the bytes. */
int registry_put_manifest(struct registry_client *client, const struct reference *ref, const void *text, size_t size,
			  const char *media_type, struct digest *digest, struct error **err);

/* ---- May we? ---- */

/* Opens an upload in ref's repository and cancels it: what a push needs, credentials and permission, before there is
 * anything to push. Whether the registry lets it be cancelled does not matter. */
int registry_check_push(struct registry_client *client, const struct reference *ref, struct error **err);

/* ---- Referrers ---- */

/* What refers to the manifest with ref's digest, through the API or, where there is none, the tag sha256-<hex>; of
 * `artifact_type` only unless that is NULL. A place that knows of nothing is no
 * answer as long as there is another; nothing at all is success with an empty index. */
int registry_referrers(struct registry_client *client, enum registry_side side, const struct reference *ref,
		       const char *artifact_type, struct image_index *index, struct error **err);

/* ---- Removal ---- */

/* Removes the manifest that ref names, by its digest (a tag is resolved first), and with it all its tags. A manifest
 * with a subject is also taken out of the tag sha256-<hex>. *removed (may be NULL) is its digest. -EOPNOTSUPP when the
 * registry does not delete (405). */
int registry_delete_manifest(struct registry_client *client, const struct reference *ref, struct digest *removed,
			     struct error **err);
/* Removes ref's tag and leaves the manifest. -EOPNOTSUPP when the registry deletes nothing, or only by digest. */
int registry_delete_tag(struct registry_client *client, const struct reference *ref, struct error **err);

#endif
