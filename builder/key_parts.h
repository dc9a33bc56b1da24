/*
 * What went into a key, in short: the name of each value, variable and file with a small hash of it, so that two keys
 * can be compared and the difference told. Values themselves are not kept: they may be nobody's business.
 *
 * The bytes are bounded (KEY_PARTS_MAX): what does not fit is one part more, that says only whether the rest is the
 * same. They are read back by this program or thrown away.
 */
#ifndef COOPER_BUILDER_KEY_PARTS_H
#define COOPER_BUILDER_KEY_PARTS_H

#include "base/buf.h"
#include "builder/build_key.h"

#define KEY_PARTS_MAX ((size_t)2 << 20)

struct key_parts {
	struct buf bytes;
	struct buf last; /* the last name: the next is written as what differs from it */
	uint64_t rest;	 /* hash of what did not fit, or 0 */
};
#define KEY_PARTS_INIT ((struct key_parts){.bytes = BUF_INIT(KEY_PARTS_MAX), .last = BUF_INIT(KEY_PARTS_MAX)})

void key_parts_done(struct key_parts *parts);
CLEANUP_FOR_VALUE(struct key_parts, key_parts_done)
/* `value` may be NULL. */
void key_parts_add_value(struct key_parts *parts, const char *name, const char *value);
/* "KEY=VALUE" */
void key_parts_add_variable(struct key_parts *parts, const char *text);
void key_parts_add_file(struct key_parts *parts, const struct build_key_file *file);
/* The last one; the bytes are then complete. */
void key_parts_end(struct key_parts *parts);

/* One difference. */
/* KEY_NOTE is no part: only words, in `change`. */
enum key_change_kind { KEY_VALUE, KEY_VARIABLE, KEY_FILE, KEY_REST, KEY_NOTE };
struct key_change {
	enum key_change_kind kind;
	char *name;
	char *change; /* "changed", "added", "removed"; of a file also "content changed", "mode 0644 -> 0755", … */
};
struct key_changes {
	struct key_change *items;
	size_t count;
};
void key_changes_done(struct key_changes *changes);
CLEANUP_FOR_VALUE(struct key_changes, key_changes_done)
void key_changes_add(struct key_changes *changes, enum key_change_kind kind, const char *name, const char *change);
/* What is different in `now`. False when one of them cannot be read. */
bool key_parts_compare(const void *before, size_t before_size, const void *now, size_t now_size,
		       struct key_changes *changes);

#endif
