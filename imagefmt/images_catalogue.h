/*
 * images/catalogue: what each image uses, and in which repositories it has names, so that nobody has to read all images
 * to know whether another one uses a layer, or has a name like the one that is asked for. It is read whole, but is
 * small: eight bytes for each blob, layer and name.
 *
 * It is derived, and may only say too much: of images that are gone, and names that have moved. So it is only ever
 * appended to, before what it is about becomes true, under the lock of the table. Where it cannot be written, or is
 * another machine's on the same file system, it is removed. It is not synced: after a crash of the machine, which
 * another boot id shows, it is nothing, and is made anew by who needs it first. A record that a killed process has
 * begun is passed over.
 */
#ifndef COOPER_IMAGEFMT_IMAGES_CATALOGUE_H
#define COOPER_IMAGEFMT_IMAGES_CATALOGUE_H

#include "imagefmt/images_internal.h"
#include "imagefmt/marks.h"

enum catalogue_kind {
	CATALOGUE_IMAGE = 1, /* prints of blobs and layers that the image uses */
	CATALOGUE_INDEX,     /* nothing: what it leads to (of a list, or of what was not in the store) may have come
			      * since, it must be looked at */
	CATALOGUE_NAME,	     /* print of a repository in which the image has a name */
	CATALOGUE_UNNAMED,   /* nothing: the image has a row without a name, or has had one */
	CATALOGUE_SURE, /* nothing: what was begun by the image's record before this is true: it has a row that counts
			 */
};

struct catalogue_record {
	enum catalogue_kind kind;
	struct digest id;	/* of the image */
	const uint64_t *prints; /* borrowed from the catalogue */
	size_t count;
};

struct catalogue {
	const uint64_t *words; /* of `map` or `made` */
	size_t count;
	size_t at; /* the next record */
	void *map; /* the file, or NULL */
	size_t map_size;
	struct buf made;
};
#define CATALOGUE_INIT ((struct catalogue){.made = BUF_INIT(CATALOGUE_SIZE_MAX)})
#define CATALOGUE_SIZE_MAX ((size_t)1 << 30)
void catalogue_done(struct catalogue *catalogue);
CLEANUP_FOR_VALUE(struct catalogue, catalogue_done)

/* Eight bytes that stand for a digest; by accident others may have the same. */
uint64_t catalogue_print(const struct digest *digest);
uint64_t catalogue_print_repository(const char *repository, size_t length);

/* -ESTALE when there is none that can be used. Needs no lock. */
int catalogue_load(struct store *store, int table, struct catalogue *catalogue, struct error **err);
/* The same, or a new one of all images, also written where that is possible. The table is locked. */
int catalogue_load_or_make(struct store *store, int table, struct catalogue *catalogue, struct error **err);
/* The next record; false at the end. */
bool catalogue_next(struct catalogue *catalogue, struct catalogue_record *record);

/* An empty one, for a table that has no images yet. */
int catalogue_begin(struct store *store, int table, struct error **err);
/* For who is about to add an image, or a name to it. The table is locked. */
int catalogue_note_image(struct store *store, int table, const struct digest *id, const struct marks *marks,
			 struct error **err);
/* There is none any more. */
int catalogue_give_up(int table, struct error **err);
int catalogue_note_name(struct store *store, int table, const struct digest *id, const char *name, struct error **err);
/* For who is about to write a row without a name. */
int catalogue_note_unnamed(struct store *store, int table, const struct digest *id, struct error **err);
/* For who has added one, and has not been killed on the way. */
int catalogue_note_sure(struct store *store, int table, const struct digest *id, struct error **err);

/* What living images use, by prints. */
struct print_set {
	uint64_t *slots; /* a power of two of them, at most half in use; 0 is none */
	size_t size, count;
	bool has_zero;
};
void print_set_done(struct print_set *set);
CLEANUP_FOR_VALUE(struct print_set, print_set_done)
void print_set_add(struct print_set *set, uint64_t print);
bool print_set_has(const struct print_set *set, uint64_t print);
/* Adds what the catalogue says of images that are in the table, and to `indexes` those that must be looked at, also
 * because it says nothing of them. Nobody may change the table meanwhile. */
int catalogue_living(struct store *store, int table, struct print_set *prints, struct digest_set *indexes,
		     struct error **err);

#endif
