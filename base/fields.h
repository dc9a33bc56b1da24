/*
 * A list of texts, each with a letter that says what it is, for files of ours that many commands read: fields of
 * "<letter> <length>\n<bytes>\n". Nothing is escaped, so nothing has to be looked at byte by byte, which makes it many
 * times faster than JSON.
 */
#ifndef COOPER_BASE_FIELDS_H
#define COOPER_BASE_FIELDS_H

#include "base/buf.h"

struct field {
	char key;
	const char *value; /* borrowed from the list, without a NUL behind it and in it */
	size_t size;
};

/* NULL adds nothing. */
void field_put(struct buf *list, char key, const char *value);
/* Goes on from *at, 0 before the first: 1 with a field, 0 at the end, -EINVAL for what is no such list. What was cut
 * between two fields is not noticed: a list wants a last one that is always there. */
int field_next(const struct buf *list, size_t *at, struct field *field);

#endif
