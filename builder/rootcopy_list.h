/*
 * The list of the unchanged state, as a file and in memory. Of rootcopy.h's files alone.
 *
 * The list is a tree written depth first, the names of each directory sorted bytewise, in strings that end with a NUL:
 *
 *	"d<name>" "<bytes of what is in it, 16 digits>" "<inode> <ctime> <attributes>"   a directory; its entries; "."
 *	"f<name>" "<inode> <ctime>"                            a file, link or node of the container's own
 *	"l<name>" "<inode>"                                    a file that is shared with a layer
 */
#ifndef COOPER_BUILDER_ROOTCOPY_LIST_H
#define COOPER_BUILDER_ROOTCOPY_LIST_H

#include "builder/rootcopy_internal.h"

#include "base/buf.h"

#define LIST_SIZE_MAX ((size_t)4 << 30)
#define LIST_END '.'

/* One entry of the list, borrowed from its text. */
struct list_record {
	char kind; /* 'd', 'f', 'l', or '.' for the end of a directory */
	const char *name;
	const char *state;
	const char *start;  /* of the record in the text */
	const char *behind; /* it, and for a directory what is in it with its end */
	const char *inside; /* of a directory: its first entry */
};

struct list_cursor {
	const char *at, *end; /* NULL: there is no list */
};

/* The list in dir, which `cursor` then borrows from `text`. */
int list_load(int dir, struct buf *text, struct list_cursor *cursor, struct error **err);
/* What stands at the cursor, which stays. */
int list_peek(const struct list_cursor *cursor, struct list_record *record, struct error **err);
int list_damaged(struct error **err); /* sets that it is, -EINVAL */

/* A new one, from its start to its end. */
struct list_open {
	size_t length_at; /* where the length of an open directory is to be written */
	size_t inside_at; /* and where what it counts starts */
};
struct list_writer {
	struct buf text;
	struct list_open *open;
	size_t depth, cap;
};
#define LIST_WRITER_INIT                        \
	{                                       \
		.text = BUF_INIT(LIST_SIZE_MAX) \
	}
void list_writer_done(struct list_writer *writer);
void list_put(struct list_writer *writer, char kind, const char *name, const char *state);
void list_put_again(struct list_writer *writer, const struct list_record *record);
void list_enter(struct list_writer *writer, const char *name, const char *state);
/* -EFBIG; -EINVAL when no directory is open. */
int list_leave(struct list_writer *writer, struct error **err);
int list_save(int dir, const char *name, const struct list_writer *writer, struct error **err);

/* "<inode> <ctime>", in the place of what `state` has. */
void list_identity(const struct stat *st, struct buf *state);

#endif
