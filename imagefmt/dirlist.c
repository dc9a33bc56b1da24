/* A directory by getdents64(2), sorted by the first eight bytes of each name before the rest is looked at. */
#include "imagefmt/dirlist.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CHUNK ((size_t)32 << 10)

void dir_list_done(struct dir_list *list)
{
	free(list->names);
	free(list->text);
	*list = (struct dir_list){0};
}

static int compare_names(const void *a, const void *b)
{
	const struct dir_name *x = a;
	const struct dir_name *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return strcmp(x->name, y->name);
}

static uint64_t key_of(const char *name)
{
	uint64_t key = 0;

	memcpy(&key, name, strnlen(name, sizeof(key)));
	return be64toh(key);
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Appends all records of the directory, as the kernel writes them, to *records. */
static int read_records(int fd, char **records, size_t *size, struct error **err)
{
	size_t cap = 0;

	for (*size = 0;;) {
		if (cap - *size < CHUNK / 2) {
			cap = cap == 0 ? CHUNK : cap * 2;
			*records = mem_grow(*records, cap, 1);
		}
		ssize_t n = getdents64(fd, *records + *size, cap - *size);
		if (n < 0)
			return error_set_errno(err, "list the directory");
		if (n == 0)
			return 0;
		*size += (size_t)n;
	}
}

int dir_list_read(int fd, struct dir_list *list, struct error **err)
{
	cleanup(dir_list_done) struct dir_list found = {0};
	size_t size;
	size_t cap = 0;
	int rc = read_records(fd, &found.text, &size, err);

	if (rc < 0)
		return rc;
	for (size_t at = 0; at < size;) {
		const struct dirent64 *record = (const struct dirent64 *)(found.text + at);
		at += record->d_reclen;
		if (is_dots(record->d_name))
			continue;
		if (found.count == cap) {
			cap = cap == 0 ? 16 : cap * 2;
			found.names = mem_grow(found.names, cap, sizeof(*found.names));
		}
		found.names[found.count++] = (struct dir_name){
			.key = key_of(record->d_name), .name = record->d_name, .type = record->d_type};
	}
	if (found.count > 1)
		qsort(found.names, found.count, sizeof(*found.names), compare_names);
	*list = found;
	found = (struct dir_list){0};
	return 0;
}

ssize_t dir_list_count(int fd, const char *prefix, struct error **err)
{
	cleanup_free char *records = NULL;
	size_t length = strlen(prefix), size;
	ssize_t count = 0;
	int rc = read_records(fd, &records, &size, err);

	for (size_t at = 0; rc == 0 && at < size;) {
		const struct dirent64 *record = (const struct dirent64 *)(records + at);
		at += record->d_reclen;
		count += !is_dots(record->d_name) && strncmp(record->d_name, prefix, length) == 0;
	}
	return rc < 0 ? rc : count;
}
