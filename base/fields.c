/* Fields of "<letter> <length>\n<bytes>\n", written and read. */
#include "base/fields.h"

#include <errno.h>
#include <string.h>

void field_put(struct buf *list, char key, const char *value)
{
	char head[24]; /* a letter, a blank, 20 digits at most, a newline */
	size_t at = sizeof(head);

	if (!value)
		return;
	size_t size = strlen(value), left = size;
	head[--at] = '\n';
	do {
		head[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	head[--at] = ' ';
	head[--at] = key;
	buf_append(list, head + at, sizeof(head) - at);
	buf_append(list, value, size);
	buf_append_char(list, '\n');
}

int field_next(const struct buf *list, size_t *at, struct field *field)
{
	size_t left = list->len - *at, size = 0, digits = 2;

	if (left == 0)
		return 0;
	const char *start = list->data + *at;
	if (left < 4 || start[1] != ' ')
		return -EINVAL;
	for (; digits < left && start[digits] >= '0' && start[digits] <= '9'; digits++) {
		size = size * 10 + (size_t)(start[digits] - '0');
		if (size > left)
			return -EINVAL;
	}
	if (digits == 2 || digits >= left || start[digits] != '\n' || left - digits - 1 <= size ||
	    start[digits + 1 + size] != '\n')
		return -EINVAL;
	const char *value = start + digits + 1;
	if (memchr(value, '\0', size))
		return -EINVAL;
	*field = (struct field){.key = start[0], .value = value, .size = size};
	*at += digits + 1 + size + 1;
	return 1;
}
