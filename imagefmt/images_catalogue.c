/*
 * The catalogue on disk: a head of HEAD_SIZE bytes with the boot id, then records of 64-bit words in this machine's
 * order:
 *
 *	MAGIC with kind and algorithm and the number of words that follow, their sum, the image's id, prints
 *
 * A reader who finds no record where one should be goes on at the next word.
 */
#include "imagefmt/images_catalogue.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"

#define FILE_NAME "catalogue"
#define HEAD_SIZE 64
#define MAGIC UINT64_C(0xca7a1095) /* then four bits of kind, four of algorithm, 24 of the number of words */
#define COUNT_MAX ((size_t)0xffffff)
#define LEAD_WORDS 2

void catalogue_done(struct catalogue *catalogue)
{
	if (catalogue->map)
		munmap(catalogue->map, catalogue->map_size);
	buf_done(&catalogue->made);
	*catalogue = CATALOGUE_INIT;
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
	cleanup_free char *line = mem_printf("cooper catalogue 2 %s\n", store_boot_id(store));
	size_t length = strlen(line);

	memset(head, 0, HEAD_SIZE);
	memcpy(head, line, length < HEAD_SIZE ? length : HEAD_SIZE);
}

/* ---- records ---- */

/* Enough to tell a record from one of which a part was never written; sums are what a processor does best. */
static uint64_t sum_of(const uint64_t *words, size_t count)
{
	uint64_t sum = ~(uint64_t)count, other = 0;
	size_t i = 0;

	/* Two at once do not wait for each other: this is most of what reading a catalogue costs. */
	for (; i + 1 < count; i += 2) {
		sum += words[i];
		other += words[i + 1];
	}
	return sum + other + (i < count ? words[i] : 0);
}

static size_t id_words(enum digest_algorithm algorithm)
{
	return (algorithm == DIGEST_SHA512 ? 64 : 32) / sizeof(uint64_t);
}

static void append_record(struct buf *text, enum catalogue_kind kind, const struct digest *id, const uint64_t *prints,
			  size_t count)
{
	size_t id_size = id_words(id->algorithm);
	size_t words = id_size + count;
	cleanup_free uint64_t *record = mem_alloc((LEAD_WORDS + words) * sizeof(*record));

	assert(words <= COUNT_MAX); /* a manifest has no room for so many */
	memcpy(record + LEAD_WORDS, id->bytes, id_size * sizeof(*record));
	if (count > 0)
		memcpy(record + LEAD_WORDS + id_size, prints, count * sizeof(*prints));
	record[0] = MAGIC << 32 | (uint64_t)kind << 28 | (uint64_t)id->algorithm << 24 | words;
	record[1] = sum_of(record + LEAD_WORDS, words);
	buf_append(text, record, (LEAD_WORDS + words) * sizeof(*record));
}

static void append_image(struct buf *text, const struct digest *id, const struct marks *marks)
{
	cleanup_free uint64_t *prints = mem_alloc((marks->blobs.count + marks->layers.count) * sizeof(*prints));
	size_t count = 0;

	if (marks->has_index || marks->lacks_some) {
		append_record(text, CATALOGUE_INDEX, id, NULL, 0);
		return;
	}
	for (size_t i = 0; i < marks->blobs.count; i++)
		prints[count++] = catalogue_print(&marks->blobs.items[i]);
	/* Of what was built here, layer and blob have the same digest. */
	for (size_t i = 0; i < marks->layers.count; i++)
		prints[count++] = catalogue_print(&marks->layers.items[i]);
	append_record(text, CATALOGUE_IMAGE, id, prints, count);
}

static void append_name(struct buf *text, const struct digest *id, const char *name)
{
	uint64_t print = catalogue_print_repository(name, image_repository_length(name));

	append_record(text, CATALOGUE_NAME, id, &print, 1);
}

static void append_fact(struct buf *text, enum catalogue_kind kind, const struct digest *id)
{
	append_record(text, kind, id, NULL, 0);
}

static bool read_record(const uint64_t *at, size_t words, struct catalogue_record *record)
{
	enum digest_algorithm algorithm = (enum digest_algorithm)(at[0] >> 24 & 0xf);
	size_t count = at[0] & COUNT_MAX, id_size = id_words(algorithm);

	if (at[0] >> 32 != MAGIC || words < LEAD_WORDS || count < id_size || count > words - LEAD_WORDS ||
	    sum_of(at + LEAD_WORDS, count) != at[1])
		return false;
	*record = (struct catalogue_record){
		.kind = (enum catalogue_kind)(at[0] >> 28 & 0xf),
		.id = {.algorithm = algorithm},
		.prints = at + LEAD_WORDS + id_size,
		.count = count - id_size,
	};
	memcpy(record->id.bytes, at + LEAD_WORDS, id_size * sizeof(*at));
	return true;
}

bool catalogue_next(struct catalogue *catalogue, struct catalogue_record *record)
{
	for (; catalogue->at < catalogue->count; catalogue->at++) {
		const uint64_t *at = catalogue->words + catalogue->at;
		if (!read_record(at, catalogue->count - catalogue->at, record))
			continue;
		catalogue->at += (size_t)(record->prints - at) + record->count;
		return true;
	}
	return false;
}

/* ---- reading ---- */

/* One that is not of this boot says nothing to anybody. */
static bool is_current(struct store *store, int fd)
{
	char head[HEAD_SIZE], is[HEAD_SIZE];

	format_head(store, head);
	return pread(fd, is, HEAD_SIZE, 0) == HEAD_SIZE && memcmp(head, is, HEAD_SIZE) == 0;
}

/* Both a map and memory of the heap are aligned for words. */
static void start(struct catalogue *catalogue, const void *text, size_t size)
{
	catalogue->words = text;
	catalogue->count = size / sizeof(uint64_t);
	catalogue->at = HEAD_SIZE / sizeof(uint64_t);
}

int catalogue_load(struct store *store, int table, struct catalogue *catalogue, struct error **err)
{
	cleanup_close int fd = openat(table, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || !is_current(store, fd) || fstat(fd, &st) < 0 || (uint64_t)st.st_size > CATALOGUE_SIZE_MAX)
		return error_set(err, ESTALE, "there is no catalogue of the images of this boot");
	/* It never gets shorter, and another takes its place by rename: what is mapped stays. */
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED)
		return error_set_errno(err, "read the catalogue of images");
	catalogue_done(catalogue);
	catalogue->map = map;
	catalogue->map_size = (size_t)st.st_size;
	start(catalogue, map, catalogue->map_size);
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
	char hex[DIGEST_HEX_SIZE];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < rows->manifest_count; i++) {
		const struct descriptor *d = &rows->manifests[i];
		cleanup(marks_done) struct marks marks = {.store = making->store};
		const char *name = images_name_of(d);
		if (name)
			append_name(making->text, id, name);
		else
			append_fact(making->text, CATALOGUE_UNNAMED, id);
		bool is_known = false;
		for (size_t k = 0; k < i; k++)
			is_known |= digest_equal(&rows->manifests[k].digest, &d->digest);
		if (is_known)
			continue;
		rc = marks_add(&marks, d, err);
		if (rc == 0)
			append_image(making->text, id, &marks);
		if (rc < 0)
			error_prefix(err, "image %s", name ? name : digest_hex(id, hex));
	}
	append_fact(making->text, CATALOGUE_SURE, id);
	return rc;
}

int catalogue_load_or_make(struct store *store, int table, struct catalogue *catalogue, struct error **err)
{
	if (catalogue_load(store, table, catalogue, NULL) == 0)
		return 0;
	cleanup(catalogue_done) struct catalogue made = CATALOGUE_INIT;
	cleanup_error struct error *why = NULL;
	struct making making = {store, &made.made};
	char head[HEAD_SIZE];

	format_head(store, head);
	buf_append(&made.made, head, HEAD_SIZE);
	int rc = images_each(table, "", note_rows, &making, err);
	if (rc == 0 && made.made.overflow)
		rc = error_set(err, EFBIG, "the catalogue of images would be too large");
	if (rc < 0)
		return rc;
	/* For the next one; on a full disk it is used all the same. */
	if (atomic_file_write(table, FILE_NAME, 0600, made.made.data, made.made.len, /* flags */ 0, &why) < 0)
		log_debug("the catalogue of images is not kept: %s", error_message(why));
	start(&made, made.made.data, made.made.len);
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

static int append(struct store *store, int table, const struct buf *record)
{
	cleanup_close int fd = openat(table, FILE_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	/* Of another boot, or written by another version: to leave it would be right only if its writer never came
	 * back. But he may be another machine on the same file system, and would miss this record. */
	if (!is_current(store, fd))
		return -ESTALE;
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

int catalogue_note_unnamed(struct store *store, int table, const struct digest *id, struct error **err)
{
	cleanup(buf_done) struct buf record = BUF_INIT(CATALOGUE_SIZE_MAX);

	append_fact(&record, CATALOGUE_UNNAMED, id);
	return note(store, table, &record, err);
}

int catalogue_note_sure(struct store *store, int table, const struct digest *id, struct error **err)
{
	cleanup(buf_done) struct buf record = BUF_INIT(CATALOGUE_SIZE_MAX);

	append_fact(&record, CATALOGUE_SURE, id);
	return note(store, table, &record, err);
}

/* ---- all that is used ---- */

void print_set_done(struct print_set *set)
{
	free(set->slots);
	*set = (struct print_set){0};
}

/* Its slot, or the free one that it belongs in. Prints are as good as random. */
static size_t slot_of(const struct print_set *set, uint64_t print)
{
	size_t at = (size_t)print & (set->size - 1);

	while (set->slots[at] && set->slots[at] != print)
		at = (at + 1) & (set->size - 1);
	return at;
}

static void grow(struct print_set *set)
{
	struct print_set larger = {.size = set->size ? 2 * set->size : 1024, .has_zero = set->has_zero};

	larger.slots = mem_alloc(larger.size * sizeof(*larger.slots));
	for (size_t i = 0; i < set->size; i++)
		if (set->slots[i])
			print_set_add(&larger, set->slots[i]);
	print_set_done(set);
	*set = larger;
}

void print_set_add(struct print_set *set, uint64_t print)
{
	if (2 * set->count >= set->size)
		grow(set);
	if (!print) {
		set->has_zero = true;
		return;
	}
	size_t at = slot_of(set, print);
	set->count += !set->slots[at];
	set->slots[at] = print;
}

bool print_set_has(const struct print_set *set, uint64_t print)
{
	if (!print)
		return set->has_zero;
	return set->size && set->slots[slot_of(set, print)] == print;
}

/* An image that has rows. */
struct living {
	uint64_t print;
	const char *hex; /* its id */
	bool is_sure;	 /* that they count */
	bool is_told;	 /* what it uses */
};

static int compare_living(const void *a, const void *b)
{
	const struct living *one = a, *other = b;

	return one->print < other->print ? -1 : one->print > other->print;
}

struct census {
	struct living *items; /* by print; of one print there may be two */
	size_t count;
	struct strlist names; /* that `hex` points to */
};

static void census_done(struct census *census)
{
	free(census->items);
	strlist_done(&census->names);
}
CLEANUP_FOR_VALUE(struct census, census_done)

/* The ids of all images, without a look at what they are. */
static int take_census(int table, struct census *census, struct error **err)
{
	int rc = images_ids(table, &census->names, err);

	census->items = mem_alloc((census->names.count + 1) * sizeof(*census->items));
	for (size_t i = 0; rc == 0 && i < census->names.count; i++) {
		struct living *item = &census->items[census->count];
		item->hex = census->names.items[i];
		if (strlen(item->hex) > 2 * sizeof(item->print))
			census->count +=
				parse_hex(item->hex, 2 * sizeof(item->print), &item->print, sizeof(item->print)) == 0;
	}
	if (census->count > 1)
		qsort(census->items, census->count, sizeof(*census->items), compare_living);
	return rc;
}

static struct living *find_living(const struct census *census, const struct digest *id)
{
	const struct living key = {.print = catalogue_print(id)};

	return census->count ? bsearch(&key, census->items, census->count, sizeof(key), compare_living) : NULL;
}

/* The last word on each image, and of which there is one at all. */
static void make_sure(struct catalogue *catalogue, struct census *census)
{
	struct catalogue_record record;

	while (catalogue_next(catalogue, &record)) {
		bool tells = record.kind == CATALOGUE_IMAGE || record.kind == CATALOGUE_INDEX;
		struct living *item = tells || record.kind == CATALOGUE_SURE ? find_living(census, &record.id) : NULL;
		if (!item)
			continue;
		item->is_told |= tells;
		if (record.kind != CATALOGUE_INDEX)
			item->is_sure = record.kind == CATALOGUE_SURE;
	}
	catalogue->at = HEAD_SIZE / sizeof(uint64_t);
}

/* Of these the catalogue says nothing: its record is damaged, or a version that writes none has added them. */
static void add_untold(const struct census *census, struct digest_set *untold)
{
	for (size_t i = 0; i < census->count; i++) {
		const char *hex = census->items[i].hex;
		cleanup_free char *text = mem_printf("sha%s:%s", strlen(hex) == 128 ? "512" : "256", hex);
		struct digest id;
		if (!census->items[i].is_told && digest_parse(text, &id, NULL) == 0)
			digest_set_add(untold, &id);
	}
}

/* Who was killed while he added it has left rows that do not count. */
static bool is_living(int table, const struct census *census, const struct digest *id)
{
	cleanup(image_index_done) struct image_index rows = {0};
	const struct living *item = find_living(census, id);

	return item && (item->is_sure || images_rows_load(table, id, &rows, NULL) != -ENOENT);
}

int catalogue_living(struct store *store, int table, struct print_set *prints, struct digest_set *indexes,
		     struct error **err)
{
	cleanup(catalogue_done) struct catalogue catalogue = CATALOGUE_INIT;
	cleanup(census_done) struct census census = {0};
	struct catalogue_record record;
	int rc = catalogue_load_or_make(store, table, &catalogue, err);

	if (rc == 0)
		rc = take_census(table, &census, err);
	if (rc == 0) {
		make_sure(&catalogue, &census);
		add_untold(&census, indexes);
	}
	while (rc == 0 && catalogue_next(&catalogue, &record)) {
		if (record.kind == CATALOGUE_INDEX)
			digest_set_add(indexes, &record.id);
		if (record.kind != CATALOGUE_IMAGE || !is_living(table, &census, &record.id))
			continue;
		for (size_t i = 0; i < record.count; i++)
			print_set_add(prints, record.prints[i]);
	}
	return rc;
}
