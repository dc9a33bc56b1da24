/*
 * The list of a root's unchanged state, read and written.
 */
#include "builder/rootcopy_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/parse.h"

#define LENGTH_DIGITS 16

/* ---- reading ---- */

static const char *next_string(const char *at, const char *end)
{
	const char *nul = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;

	return nul ? nul + 1 : NULL;
}

int list_damaged(struct error **err)
{
	return error_set(err, EINVAL, "the list of the container's files is damaged");
}

/* What stands at the cursor, which stays. */
int list_peek(const struct list_cursor *cursor, struct list_record *record, struct error **err)
{
	const char *second = next_string(cursor->at, cursor->end);
	uint64_t length;

	if (!second)
		return list_damaged(err);
	*record = (struct list_record){.kind = cursor->at[0], .name = cursor->at + 1, .start = cursor->at};
	if (record->kind == LIST_END) {
		record->behind = second;
		return 0;
	}
	record->state = second;
	record->behind = next_string(second, cursor->end);
	if (record->behind && record->kind == 'd' && parse_u64(second, UINT64_MAX, "length", &length, NULL) == 0) {
		record->state = record->behind;
		record->inside = next_string(record->state, cursor->end);
		if (!record->inside || length == 0 || length > (uint64_t)(cursor->end - record->inside))
			return list_damaged(err);
		record->behind = record->inside + length;
	} else if (!record->behind || (record->kind != 'f' && record->kind != 'l')) {
		return list_damaged(err);
	}
	return 0;
}

int list_load(int dir, struct buf *text, struct list_cursor *cursor, struct error **err)
{
	int rc = fd_read_file(dir, ROOTCOPY_LIST, text, err);

	if (rc < 0)
		return rc;
	*cursor = (struct list_cursor){text->data, text->data + text->len};
	return text->len ? 0 : list_damaged(err);
}

/* ---- writing ---- */

void list_writer_done(struct list_writer *writer)
{
	buf_done(&writer->text);
	free(writer->open);
}

static void put_string(struct buf *list, const char *text)
{
	buf_append(list, text, strlen(text) + 1);
}

void list_put(struct list_writer *writer, char kind, const char *name, const char *state)
{
	buf_append_char(&writer->text, kind);
	put_string(&writer->text, name);
	put_string(&writer->text, state);
}

void list_put_again(struct list_writer *writer, const struct list_record *record)
{
	buf_append(&writer->text, record->start, (size_t)(record->behind - record->start));
}

void list_enter(struct list_writer *writer, const char *name, const char *state)
{
	struct list_open open;

	if (writer->depth == writer->cap) {
		writer->cap = writer->cap ? writer->cap * 2 : 32;
		writer->open = mem_grow(writer->open, writer->cap, sizeof(*writer->open));
	}
	buf_append_char(&writer->text, 'd');
	put_string(&writer->text, name);
	open.length_at = writer->text.len;
	put_string(&writer->text, "0000000000000000");
	put_string(&writer->text, state);
	open.inside_at = writer->text.len;
	writer->open[writer->depth++] = open;
}

int list_leave(struct list_writer *writer, struct error **err)
{
	const char end[] = {LIST_END, '\0'};
	char length[LENGTH_DIGITS + 1];

	if (writer->depth == 0)
		return list_damaged(err);
	const struct list_open *open = &writer->open[--writer->depth];
	put_string(&writer->text, end);
	if (writer->text.overflow)
		return error_set(err, EFBIG, "the list of the container's files is too large");
	snprintf(length, sizeof(length), "%016" PRIu64, (uint64_t)(writer->text.len - open->inside_at));
	memcpy(writer->text.data + open->length_at, length, LENGTH_DIGITS);
	return 0;
}

int list_save(int dir, const char *name, const struct list_writer *writer, struct error **err)
{
	return atomic_file_write(dir, name, 0600, buf_str(&writer->text), writer->text.len, /* flags */ 0, err);
}

void list_identity(const struct stat *st, struct buf *state)
{
	buf_clear(state);
	buf_printf(state, "%" PRIu64 " %lld.%09ld", (uint64_t)st->st_ino, (long long)st->st_ctim.tv_sec,
		   st->st_ctim.tv_nsec);
}

/* ---- files that are shared no more ---- */

static int compare_privatised(const void *a, const void *b)
{
	const struct privatised *x = a, *y = b;

	return x->before < y->before ? -1 : x->before > y->before;
}

/* Its list is read and written beside each other. */
struct rewriting {
	struct list_cursor cursor;
	struct list_writer writer;
	struct buf state; /* for a moment */
};

static void rewriting_done(struct rewriting *rewriting)
{
	list_writer_done(&rewriting->writer);
	buf_done(&rewriting->state);
}
CLEANUP_FOR_VALUE(struct rewriting, rewriting_done)

static int rewrite(struct rewriting *rewriting, const struct privatised *files, size_t count, struct error **err)
{
	struct list_writer *writer = &rewriting->writer;
	struct list_record record;
	struct privatised key = {0};
	const struct privatised *file = NULL;
	int rc = list_peek(&rewriting->cursor, &record, err);

	if (rc < 0)
		return rc;
	if (record.kind == 'd') {
		list_enter(writer, record.name, record.state);
		rewriting->cursor.at = record.inside;
		return 0;
	}
	rewriting->cursor.at = record.behind;
	if (record.kind == LIST_END)
		return list_leave(writer, err);
	if (record.kind == 'l' && count && parse_u64(record.state, UINT64_MAX, "inode", &key.before, NULL) == 0)
		file = bsearch(&key, files, count, sizeof(key), compare_privatised);
	if (file) {
		list_identity(&file->now, &rewriting->state);
		list_put(writer, 'f', record.name, buf_str(&rewriting->state));
	} else {
		list_put_again(writer, &record);
	}
	return 0;
}

int rootcopy_list_privatise(int dir, const struct privatised *files, size_t count, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(LIST_SIZE_MAX);
	cleanup(rewriting_done) struct rewriting rewriting = {.writer = LIST_WRITER_INIT,
							      .state = BUF_INIT(BUF_MAX_DEFAULT)};
	cleanup_free struct privatised *sorted = count ? mem_dup(files, count * sizeof(*files)) : NULL;
	int rc = list_load(dir, &text, &rewriting.cursor, err);

	if (sorted)
		qsort(sorted, count, sizeof(*sorted), compare_privatised);
	while (rc >= 0 && rewriting.cursor.at < rewriting.cursor.end)
		rc = rewrite(&rewriting, sorted, count, err);
	return rc < 0 ? rc : list_save(dir, ROOTCOPY_LIST, &rewriting.writer, err);
}
