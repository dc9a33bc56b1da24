/*
 * Lists of images ("multi-arch"): an index in the store under a name, whose entries are images of the store or of a
 * registry.
 *
 * A list is changed by replacing it: the index is a blob, so each change gives it another digest, and that digest is
 * its id. All its names go along. Changes are made one after the other, whoever makes them (one lock, held while the
 * index is written and never while anything is fetched): two builds that add to one list both end up in it.
 *
 * Of an image that was added from a registry the store has manifest and configuration; the list remembers where the
 * layers are (in annotations of the store's own table, which are never sent). manifest_list_push() takes them from
 * there, by mount where it is the same registry.
 */
#ifndef COOPER_BUILDER_MANIFEST_LIST_H
#define COOPER_BUILDER_MANIFEST_LIST_H

#include "builder/acquire.h"
#include "builder/artifact.h"

/* How `manifest create` deals with a name that is there. */
enum manifest_list_create_mode { LIST_MUST_BE_NEW, LIST_AMEND, LIST_REPLACE };

/* The full name (reference_local_name()) of an empty list. -EEXIST for LIST_MUST_BE_NEW when there is an image of that
 * name, -EINVAL for LIST_AMEND when that is no list. `annotations` ("K=V") may be NULL. *entry is the list. */
int manifest_list_create(struct workshop *w, const char *name, enum manifest_list_create_mode mode,
			 const struct strlist *annotations, struct image_entry *entry, struct error **err);
/* As images_find(), but -EINVAL when it is no list. */
int manifest_list_find(struct workshop *w, const char *text, struct image_entry *entry, struct error **err);
bool manifest_list_is(const struct image_entry *entry);

/* What an entry of an index says beside the digest: set by `manifest add` and `annotate`. NULL or empty: as it is. */
struct list_entry_changes {
	const char *os, *architecture, *variant, *os_version;
	const struct strlist *os_features, *features;
	const struct strlist *annotations; /* "K=V" */
};

/* The entry that stands for an image of the store in a list. */
void manifest_list_entry_of(const struct image *image, struct descriptor *entry);
/* A list of just these entries, which bears each of the names (full; none: only its digest) from now on, whatever bore
 * them before. *entry is the list. */
int manifest_list_write(struct workshop *w, const struct image_index *index, const struct strlist *names,
			struct image_entry *entry, struct error **err);

/* Puts an image of the store into the list `name` (full), which is made when there is none: what
 * `commit --manifest`, `build --manifest` and `build --platform a,b` do. It takes the place of an entry for the same
 * platform, whose attestations go with it. `changes` may be NULL; *entry (may be NULL) is the list afterwards. The
 * caller holds the store (store_hold()). */
int manifest_list_add_image(struct workshop *w, const char *name, const struct image *image,
			    const struct list_entry_changes *changes, struct image_entry *entry, struct error **err);

struct list_add_options {
	bool all;			 /* of an index every entry, else the one for `platform` */
	const struct platform *platform; /* NULL: this machine's */
	struct list_entry_changes changes;
	struct registry_options registry;
};
/* Puts what `source` names into a list that exists: an image of the store, a name in a registry, or "transport:…".
 * Indexes in indexes come in flat, attestations with the image they speak of. *added is the digest of the image, or,
 * with `all`, of the index that it came from. */
int manifest_list_add(struct workshop *w, const char *list, const char *source, const struct list_add_options *options,
		      struct image_entry *entry, struct digest *added, struct error **err);

/* The same of several sources, into a list that is made (or, with LIST_AMEND, may be there): all of them, or nothing
 * changes. Names that cannot be taken are told before anything is fetched; the rest as manifest_list_create(). */
int manifest_list_create_of(struct workshop *w, const char *name, enum manifest_list_create_mode mode,
			    const struct strlist *annotations, const struct strlist *sources,
			    const struct list_add_options *options, struct image_entry *entry, struct error **err);
/* Puts an artifact made of files into a list that exists; of `options` only `changes` count. */
int manifest_list_add_artifact(struct workshop *w, const char *list, const struct artifact_spec *spec,
			       const struct list_entry_changes *changes, struct image_entry *entry,
			       struct digest *added, struct error **err);

/* What a place names, as documents refer to it (media type, digest, size): for --subject. Nothing is brought. */
int manifest_list_describe(struct workshop *w, const char *source, const struct registry_options *registry,
			   struct descriptor *descriptor, struct error **err);
/* The digest of an entry as the user says it: itself, or an image of the store. */
int manifest_list_instance(struct workshop *w, const char *text, struct digest *instance, struct error **err);

/* Changes one entry, by its digest; -ENOENT when it is not there. */
int manifest_list_annotate(struct workshop *w, const char *list, const struct digest *instance,
			   const struct list_entry_changes *changes, struct image_entry *entry, struct error **err);
/* Annotations of the index itself, and its subject (NULL: none). */
int manifest_list_annotate_index(struct workshop *w, const char *list, const struct strlist *annotations,
				 const struct descriptor *subject, struct image_entry *entry, struct error **err);
/* Takes one entry out, and attestations that speak of it. -ENOENT. */
int manifest_list_remove(struct workshop *w, const char *list, const struct digest *instance, struct image_entry *entry,
			 struct error **err);

/* The image of a list for a platform (NULL: this machine's): *child is an entry as images_find() gives it. -ENOENT
 * lists what there is. */
int manifest_list_choose(struct workshop *w, const struct image_entry *list, const struct platform *platform,
			 struct image_entry *child, struct error **err);
/* The repository ("domain/path") that a list's image was added from, newly allocated; NULL when it was no registry's.
 */
MUST_CHECK char *manifest_list_origin(const struct image_entry *list, const struct digest *image);
/* False when the store lacks blobs of the image, which are then where it came from. */
bool manifest_list_has_blobs(struct workshop *w, const struct digest *image);

/* Sends the index, and with `all` its images, to a place. Images that were built here are compressed on the way, so
 * that the list that arrives may have another digest than the one in the store: *digest is its. */
struct list_push_options {
	bool index_only;
	unsigned add_codecs; /* as image_copy_options has it */
	struct export_options export;
};
int manifest_list_push(struct workshop *w, const struct image_entry *list, const char *destination,
		       const struct list_push_options *options, struct digest *digest, struct error **err);

#endif
