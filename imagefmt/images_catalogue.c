/*
 * The catalogue on disk: a head of HEAD_SIZE bytes with the boot id, then records of 64-bit words in this machine's
 * order:
 *
 *	MAGIC and kind, number of words behind the check, check, the image's id (ID_WORDS), prints
 *
 * A reader who finds no record where one should be goes on at the next word.
 */
#include "imagefmt/images_catalogue.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"

#define FILE_NAME "catalogue"
#define HEAD_SIZE 64
#define MAGIC (UINT64_C(0xc009e7ca7a109000)) /* the last twelve bits are the kind and the algorithm */
#define MAGIC_MASK (~UINT64_C(0xfff))
#define ID_WORDS (sizeof(((struct digest *)NULL)->bytes) / sizeof(uint64_t))
#define LEAD_WORDS 3 /* magic, count, check */

void catalogue_done(struct catalogue *catalogue)
{
	buf_done(&catalogue->text);
}

uint64_t catalogue_print(const struct digest *digest)
{
	uint64_t print;

	memcpy(&print, digest->bytes, sizeof(print));
	return print;
}

uint64_t catalogue_print_repository(const char *repository, size_t length)
{
	struct digest digest;

	/* Cannot fail but for a missing library, and then nothing of the store could have been written. */
	if (digest_of(repository, length, &digest, NULL) < 0)
		return 0;
	return catalogue_print(&digest);
}

static void format_head(struct store *store, char head[HEAD_SIZE])
{
	cleanup_free char *line = mem_printf("cooper catalogue 1 %s\n", store_boot_id(store));
	size_t length = strlen(line);

	memset(head, 0, HEAD_SIZE);
	memcpy(head, line, length < HEAD_SIZE ? length : HEAD_SIZE);
}

/* ---- records ---- */

static uint64_t check_of(const uint64_t *words, size_t count)
{
	uint64_t check = count;

	for (size_t i = 0; i < count; i++)
		check = (check ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) + (check >> 29);
	return check;
}

static void append_record(struct buf *text, enum catalogue_kind kind, const struct digest *id, const uint64_t *prints,
			  size_t count)
{
	size_t words = ID_WORDS + count;
	cleanup_free uint64_t *record = mem_alloc((LEAD_WORDS + words) * sizeof(*record));

	memcpy(record + LEAD_WORDS, id->bytes, sizeof(id->bytes));
	memcpy(record + LEAD_WORDS + ID_WORDS, prints, count * sizeof(*prints));
	record[0] = MAGIC | (uint64_t)kind << 4 | (uint64_t)id->algorithm;
	record[1] = words;
	record[2] = check_of(record + LEAD_WORDS, words);
	buf_append(text, record, (LEAD_WORDS + words) * sizeof(*record));
}

static void append_image(struct buf *text, const struct digest *id, const struct marks *marks)
{
	cleanup_free uint64_t *prints = mem_alloc((marks->blobs.count + marks->layers.count) * sizeof(*prints));
	size_t count = 0;

	for (size_t i = 0; i < marks->blobs.count; i++)
		prints[count++] = catalogue_print(&marks->blobs.items[i]);
	/* Of what was built here, layer and blob have the same digest. */
	for (size_t i = 0; i < marks->layers.count; i++)
		prints[count++] = catalogue_print(&marks->layers.items[i]);
	append_record(text, marks->has_index ? CATALOGUE_INDEX : CATALOGUE_IMAGE, id, prints, count);
}

static void append_name(struct buf *text, const struct digest *id, const char *name)
{
	uint64_t print = catalogue_print_repository(name, image_repository_length(name));

	append_record(text, CATALOGUE_NAME, id, &print, 1);
}

static bool read_record(const uint64_t *at, size_t words, struct catalogue_record *record)
{
	if (words < LEAD_WORDS + ID_WORDS || (at[0] & MAGIC_MASK) != MAGIC || at[1] < ID_WORDS ||
	    at[1] > words - LEAD_WORDS || check_of(at + LEAD_WORDS, at[1]) != at[2])
		return false;
	*record = (struct catalogue_record){
		.kind = (enum catalogue_kind)(at[0] >> 4 & 0xff),
		.id = {.algorithm = (enum digest_algorithm)(at[0] & 0xf)},
		.prints = at + LEAD_WORDS + ID_WORDS,
		.count = at[1] - ID_WORDS,
	};
	memcpy(record->id.bytes, at + LEAD_WORDS, sizeof(record->id.bytes));
	return true;
}

bool catalogue_next(struct catalogue *catalogue, struct catalogue_record *record)
{
	/* As large as it is, memory of the heap is aligned for words. */
	const uint64_t *words = (const uint64_t *)(const void *)catalogue->text.data;
	size_t count = catalogue->text.len / sizeof(*words);

	for (; catalogue->at < count; catalogue->at++) {
		if (!read_record(words + catalogue->at, count - catalogue->at, record))
			continue;
		catalogue->at += LEAD_WORDS + ID_WORDS + record->count;
		return true;
	}
	return false;
}

/* ---- reading ---- */

int catalogue_load(struct store *store, int table, struct catalogue *catalogue, struct error **err)
{
	cleanup(catalogue_done) struct catalogue read = CATALOGUE_INIT;
	char head[HEAD_SIZE];
	int rc = fd_read_file(table, FILE_NAME, &read.text, NULL);

	format_head(store, head);
	if (rc < 0 || read.text.len < HEAD_SIZE || memcmp(read.text.data, head, HEAD_SIZE) != 0)
		return error_set(err, ESTALE, "there is no catalogue of the images of this boot");
	read.at = HEAD_SIZE / sizeof(uint64_t);
	catalogue_done(catalogue);
	*catalogue = read;
	read = CATALOGUE_INIT;
	return 0;
}

/* ---- making ---- */

struct making {
	struct store *store;
	struct buf *text;
};

static int note_rows(const struct digest *id, const struct image_index *rows, void *context, struct error **err)
{
	const struct making *making = context;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < rows->manifest_count; i++) {
		const struct descriptor *d = &rows->manifests[i];
		cleanup(marks_done) struct marks marks = {.store = making->store};
		const char *name = images_name_of(d);
		if (name)
			append_name(making->text, id, name);
		bool is_known = false;
		for (size_t k = 0; k < i; k++)
			is_known |= digest_equal(&rows->manifests[k].digest, &d->digest);
		if (is_known)
			continue;
		rc = marks_add(&marks, d, err);
		if (rc == 0)
			append_image(making->text, id, &marks);
	}
	return rc;
}

int catalogue_load_or_make(struct store *store, int table, struct catalogue *catalogue, struct error **err)
{
	if (catalogue_load(store, table, catalogue, NULL) == 0)
		return 0;
	cleanup(catalogue_done) struct catalogue made = CATALOGUE_INIT;
	cleanup_error struct error *why = NULL;
	struct making making = {store, &made.text};
	char head[HEAD_SIZE];

	format_head(store, head);
	buf_append(&made.text, head, HEAD_SIZE);
	int rc = images_each(table, "", note_rows, &making, err);
	if (rc == 0 && made.text.overflow)
		rc = error_set(err, EFBIG, "the catalogue of images would be too large");
	if (rc < 0)
		return rc;
	/* For the next one; on a full disk it is used all the same. */
	if (atomic_file_write(table, FILE_NAME, 0600, made.text.data, made.text.len, /* flags */ 0, &why) < 0)
		log_debug("the catalogue of images is not kept: %s", error_message(why));
	made.at = HEAD_SIZE / sizeof(uint64_t);
	catalogue_done(catalogue);
	*catalogue = made;
	made = CATALOGUE_INIT;
	return 0;
}

int catalogue_begin(struct store *store, int table, struct error **err)
{
	char head[HEAD_SIZE];

	format_head(store, head);
	return atomic_file_write(table, FILE_NAME, 0600, head, HEAD_SIZE, /* flags */ 0, err);
}

/* ---- appending ---- */

/* One that is not of this boot says nothing to anybody, and stays as it is: 0. 1 when it can be appended to. */
static int is_current(struct store *store, int fd)
{
	char head[HEAD_SIZE], is[HEAD_SIZE];

	format_head(store, head);
	return pread(fd, is, HEAD_SIZE, 0) == HEAD_SIZE && memcmp(head, is, HEAD_SIZE) == 0;
}

static int append(struct store *store, int table, const struct buf *record)
{
	cleanup_close int fd = openat(table, FILE_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!is_current(store, fd))
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* Behind what a killed process has begun, and in step with it. */
	off_t end = st.st_size - st.st_size % (off_t)sizeof(uint64_t);
	ssize_t written = pwrite(fd, record->data, record->len, end);
	return written < 0 ? -errno : (size_t)written == record->len ? 0 : -ENOSPC;
}

int catalogue_give_up(int table, struct error **err)
{
	return unlinkat(table, FILE_NAME, /* flags */ 0) < 0 && errno != ENOENT
		       ? error_set_errno(err, "remove 'images/" FILE_NAME "'")
		       : 0;
}

static int note(struct store *store, int table, const struct buf *record, struct error **err)
{
	int rc = append(store, table, record);

	if (rc == 0)
		return 0;
	log_debug("the catalogue of images is given up: %s", strerror(-rc));
	return catalogue_give_up(table, err);
}

int catalogue_note_image(struct store *store, int table, const struct digest *id, const struct marks *marks,
			 struct error **err)
{
	cleanup(buf_done) struct buf record = BUF_INIT(CATALOGUE_SIZE_MAX);

	append_image(&record, id, marks);
	return note(store, table, &record, err);
}

int catalogue_note_name(struct store *store, int table, const struct digest *id, const char *name, struct error **err)
{
	cleanup(buf_done) struct buf record = BUF_INIT(CATALOGUE_SIZE_MAX);

	append_name(&record, id, name);
	return note(store, table, &record, err);
}
