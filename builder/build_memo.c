/*
 * A table of fixed-size entries in the order in which the files were last walked, and behind it the numbers of the
 * entries sorted by device and inode. It is mapped. A walk like the last one finds each file where the one before it
 * ended and touches the table once from end to end; only what is not there is searched for. What is new is collected
 * beside it and added when the memo is closed. Two builds that close at once lose what one of them has learned, which
 * costs reading it again.
 */
#include "builder/build_memo_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/build_key.h"
#include "imagefmt/sha256.h"

#define FOLDER BUILD_MEMO_FOLDER
#define MAGIC "coopmem2"
#define FILE_SIZE_MAX ((off_t)1 << 30)
#define COUNT_MAX ((uint64_t)10 << 20)
/* From here on a table holds no more than so many times what a build has met. */
#define CROWDED_COUNT ((size_t)16 << 10)
#define CROWDED_TIMES 4
#define TOUCH_AFTER_S (24 * 60 * 60) /* how exactly the time of the last use is kept */
#define READ_SIZE ((size_t)256 << 10)
/* Beyond so many bytes of small files loading the faster library pays. */
#define SMALL_TOTAL_MAX ((uint64_t)2 << 20)

struct memo_entry {
	uint64_t dev, ino;
	int64_t size;
	int64_t mtime_s, ctime_s;
	uint32_t mtime_ns, ctime_ns;
	uint8_t sha256[32];
};

struct memo_header {
	char magic[8];
	uint64_t count;
};

struct build_memo {
	struct store *store;
	char *name; /* in cache/ */
	void *map;  /* the file, or NULL */
	size_t map_size;
	const struct memo_entry *known;
	const uint32_t *order; /* their numbers, sorted by dev and ino */
	size_t known_count;
	bool *met; /* of those; NULL before the first */
	size_t met_count;
	size_t next;   /* in `known`: behind what was found last */
	size_t resume; /* where the walk was before that was out of order */
	struct memo_entry *learned;
	size_t learned_count, learned_cap;
	uint32_t *places; /* of what was learned, by a hash of the file: its number + 1; 0: free */
	size_t place_count;
	uint64_t hashed; /* bytes */
	char *block;
};

/* ---- the table ----------------------------------------------------------------------------------------------------
 */

static int compare_file(const struct memo_entry *one, const struct memo_entry *other)
{
	if (one->dev != other->dev)
		return one->dev < other->dev ? -1 : 1;
	return (one->ino > other->ino) - (one->ino < other->ino);
}

static void map_table(struct build_memo *memo, int cache)
{
	cleanup_close int fd = openat(cache, memo->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(struct memo_header) ||
	    st.st_size > FILE_SIZE_MAX)
		return;
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return;
	memo->map = map;
	memo->map_size = (size_t)st.st_size;
	const struct memo_header *header = map;
	if (memcmp(header->magic, MAGIC, sizeof(header->magic)) != 0 || header->count > COUNT_MAX ||
	    memo->map_size != sizeof(*header) + header->count * (sizeof(struct memo_entry) + sizeof(uint32_t)))
		return;
	memo->known = (const struct memo_entry *)(header + 1);
	memo->known_count = header->count;
	memo->order = (const uint32_t *)(memo->known + memo->known_count);
	/* It is of use: build_memo_sweep() goes by its time. */
	if (st.st_mtime < time(NULL) - TOUCH_AFTER_S && futimens(fd, NULL) < 0)
		log_debug("the memo of a context keeps its old time");
}

struct build_memo *build_memo_open(struct store *store, int root)
{
	struct build_memo *memo = mem_alloc(sizeof(*memo));
	int cache = store_folder(store, STORE_CACHE, NULL);
	struct stat st;

	memo->store = store;
	if (cache < 0 || root < 0 || fstat(root, &st) < 0)
		return memo;
	memo->name = mem_printf(FOLDER "/%llx-%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	map_table(memo, cache);
	return memo;
}

static struct memo_entry entry_of(const struct stat *st)
{
	return (struct memo_entry){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.ctime_s = st->st_ctim.tv_sec,
		.ctime_ns = (uint32_t)st->st_ctim.tv_nsec,
	};
}

/* The number of the file in the table, or known_count. */
static size_t search(const struct build_memo *memo, const struct memo_entry *want)
{
	size_t low = 0, high = memo->known_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		/* What a broken file says is not believed. */
		size_t number = memo->order[middle] < memo->known_count ? memo->order[middle] : 0;
		int order = compare_file(&memo->known[number], want);
		if (order == 0)
			return number;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return memo->known_count;
}

static bool is_at(const struct build_memo *memo, size_t number, const struct memo_entry *want)
{
	return number < memo->known_count && compare_file(&memo->known[number], want) == 0;
}

static size_t find_entry(struct build_memo *memo, const struct memo_entry *want)
{
	size_t number = memo->next;

	if (!is_at(memo, number, want)) {
		number = is_at(memo, memo->resume, want) ? memo->resume : search(memo, want);
		memo->resume = memo->next;
	}
	if (number < memo->known_count)
		memo->next = number + 1;
	return number;
}

/* Where the file is among what was learned, or belongs. */
static uint32_t *place_of(const struct build_memo *memo, const struct memo_entry *file)
{
	uint64_t hash = (file->ino ^ file->dev << 40) * UINT64_C(0x9e3779b97f4a7c15);
	size_t at = (size_t)(hash >> 32) & (memo->place_count - 1);

	while (memo->places[at] && compare_file(&memo->learned[memo->places[at] - 1], file) != 0)
		at = (at + 1) & (memo->place_count - 1);
	return &memo->places[at];
}

static bool is_same_state(const struct memo_entry *one, const struct memo_entry *other)
{
	return memcmp(one, other, offsetof(struct memo_entry, sha256)) == 0;
}

static void take_digest(const struct memo_entry *entry, struct digest *digest)
{
	*digest = (struct digest){.algorithm = DIGEST_SHA256};
	memcpy(digest->bytes, entry->sha256, sizeof(entry->sha256));
}

/* One build asks for a step's files when it looks the step up, and again when it is about to make it. */
static bool find_learned(const struct build_memo *memo, const struct memo_entry *want, struct digest *digest)
{
	const uint32_t *place = memo->place_count ? place_of(memo, want) : NULL;

	if (!place || !*place || !is_same_state(&memo->learned[*place - 1], want))
		return false;
	take_digest(&memo->learned[*place - 1], digest);
	return true;
}

static bool find(struct build_memo *memo, const struct stat *st, struct digest *digest)
{
	const struct memo_entry want = entry_of(st);
	size_t number = find_entry(memo, &want);

	if (number == memo->known_count || !is_same_state(&memo->known[number], &want))
		return find_learned(memo, &want, digest);
	if (!memo->met)
		memo->met = mem_alloc(memo->known_count * sizeof(*memo->met));
	memo->met_count += !memo->met[number];
	memo->met[number] = true;
	take_digest(&memo->known[number], digest);
	return true;
}

static bool is_before(const struct timespec *one, const struct timespec *other)
{
	return one->tv_sec != other->tv_sec ? one->tv_sec < other->tv_sec : one->tv_nsec < other->tv_nsec;
}

/* Half of the places stay free. */
static void make_places(struct build_memo *memo)
{
	memo->place_count = memo->learned_cap * 2;
	free(memo->places);
	memo->places = mem_alloc(memo->place_count * sizeof(*memo->places));
	for (size_t i = 0; i < memo->learned_count; i++)
		*place_of(memo, &memo->learned[i]) = (uint32_t)(i + 1);
}

static void learn(struct build_memo *memo, const struct stat *st, const struct timespec *began,
		  const struct digest *digest)
{
	struct memo_entry entry = entry_of(st);

	if (!is_before(&st->st_mtim, began) || !is_before(&st->st_ctim, began))
		return;
	memcpy(entry.sha256, digest->bytes, sizeof(entry.sha256));
	if (memo->learned_count == memo->learned_cap) {
		memo->learned_cap = memo->learned_cap ? memo->learned_cap * 2 : 64;
		memo->learned = mem_grow(memo->learned, memo->learned_cap, sizeof(entry));
		make_places(memo);
	}
	memo->learned[memo->learned_count++] = entry;
	*place_of(memo, &entry) = (uint32_t)memo->learned_count;
}

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

struct table {
	struct memo_entry *entries;
	uint32_t *order;
	size_t count;
};

static int compare_numbers(const void *a, const void *b, void *entries)
{
	const struct memo_entry *all = entries;
	uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
	int order = compare_file(&all[one], &all[other]);

	return order ? order : (one > other) - (one < other);
}

static void sort_numbers(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		table->order[i] = (uint32_t)i;
	qsort_r(table->order, table->count, sizeof(*table->order), compare_numbers, table->entries);
}

/* A file with several names was learned more than once; the last time counts. */
static void drop_duplicates(struct table *table)
{
	size_t kept = 0;

	for (size_t i = 0; i + 1 < table->count; i++) {
		struct memo_entry *entry = &table->entries[table->order[i]];
		if (compare_file(entry, &table->entries[table->order[i + 1]]) == 0)
			entry->size = -1;
	}
	for (size_t i = 0; i < table->count; i++)
		if (table->entries[i].size >= 0)
			table->entries[kept++] = table->entries[i];
	bool dropped = kept < table->count;
	table->count = kept;
	if (dropped)
		sort_numbers(table);
}

/* Of a context whose files come and go, most of what is known is about files that are gone. */
static bool is_crowded(const struct build_memo *memo)
{
	return memo->known_count > CROWDED_COUNT &&
	       memo->known_count / CROWDED_TIMES > memo->met_count + memo->learned_count;
}

static void keep_met(const struct build_memo *memo, struct table *table)
{
	for (size_t i = 0; memo->met && i < memo->known_count; i++)
		if (memo->met[i])
			table->entries[table->count++] = memo->known[i];
	for (size_t i = 0; i < memo->learned_count; i++)
		table->entries[table->count++] = memo->learned[i];
}

static void keep_all(struct build_memo *memo, struct table *table)
{
	if (memo->known_count)
		memcpy(table->entries, memo->known, memo->known_count * sizeof(*table->entries));
	table->count = memo->known_count;
	for (size_t i = 0; i < memo->learned_count; i++) {
		size_t number = find_entry(memo, &memo->learned[i]);
		if (number == memo->known_count)
			number = table->count++;
		table->entries[number] = memo->learned[i];
	}
}

/* What was learned stands behind what was known, or in its place where it is the same file. */
static void merge(struct build_memo *memo, struct table *table)
{
	size_t room = memo->known_count + memo->learned_count;

	table->entries = mem_grow(NULL, room, sizeof(*table->entries));
	table->order = mem_grow(NULL, room, sizeof(*table->order));
	if (is_crowded(memo))
		keep_met(memo, table);
	else
		keep_all(memo, table);
	sort_numbers(table);
	drop_duplicates(table);
}

static int write_table(const struct table *table, struct atomic_file *file, struct error **err)
{
	const struct memo_header header = {.magic = MAGIC, .count = table->count};
	int fd = atomic_file_fd(file);
	int rc = fd_write_all(fd, &header, sizeof(header), err);

	if (rc >= 0)
		rc = fd_write_all(fd, table->entries, table->count * sizeof(*table->entries), err);
	if (rc >= 0)
		rc = fd_write_all(fd, table->order, table->count * sizeof(*table->order), err);
	return rc < 0 ? rc : atomic_file_commit(file, /* flags */ 0, err);
}

static int save(struct build_memo *memo, struct error **err)
{
	int cache = store_folder(memo->store, STORE_CACHE, err);
	struct table table = {0};

	if (cache < 0)
		return cache;
	if (mkdirat(cache, FOLDER, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, "make the directory of context memos");
	cleanup(atomic_file_free) struct atomic_file *file = NULL;
	int rc = atomic_file_open(cache, memo->name, 0600, &file, err);
	if (rc < 0)
		return rc;
	merge(memo, &table);
	rc = write_table(&table, file, err);
	free(table.entries);
	free(table.order);
	return rc;
}

void build_memo_close(struct build_memo *memo)
{
	if (!memo)
		return;
	cleanup_error struct error *error = NULL;
	bool is_new = memo->known_count == 0;
	if (memo->learned_count && memo->name && save(memo, &error) < 0)
		log_debug("%s; the context's files will be read again", error_message(error));
	else if (memo->learned_count && memo->name && is_new &&
		 build_memo_sweep(memo->store, time(NULL), NULL, &error) < 0)
		log_debug("%s; memos of other contexts stay", error_message(error));
	if (memo->map)
		munmap(memo->map, memo->map_size);
	free(memo->learned);
	free(memo->places);
	free(memo->met);
	free(memo->block);
	free(memo->name);
	free(memo);
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

static int hash_small(int fd, char *block, struct digest *digest, bool *is_small, struct error **err)
{
	ssize_t size = fd_read_full(fd, block, SHA256_SMALL_MAX + 1, err);

	if (size < 0)
		return (int)size;
	*is_small = (size_t)size <= SHA256_SMALL_MAX;
	return *is_small ? digest_of(block, (size_t)size, digest, err) : 0;
}

static int hash_large(int fd, char *block, struct digest *digest, struct error **err)
{
	cleanup(hasher_free) struct hasher *hasher = NULL;
	int rc = hasher_new(DIGEST_SHA256, &hasher, err);

	if (rc < 0)
		return rc;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_set_errno(err, "read");
	for (;;) {
		ssize_t size = fd_read_full(fd, block, READ_SIZE, err);
		if (size < 0)
			return (int)size;
		if (size == 0)
			break;
		hasher_update(hasher, block, (size_t)size);
	}
	hasher_finish(hasher, digest);
	return 0;
}

static int hash_file(int fd, uint64_t already, char *block, struct digest *digest, struct error **err)
{
	bool is_small = false;
	int rc = 0;

	if (already < SMALL_TOTAL_MAX)
		rc = hash_small(fd, block, digest, &is_small, err);
	return rc < 0 || is_small ? rc : hash_large(fd, block, digest, err);
}

#define XATTR_NAMES_MAX ((size_t)64 << 10) /* the kernel's XATTR_LIST_MAX */
#define XATTR_VALUE_MAX ((size_t)64 << 10) /* the kernel's XATTR_SIZE_MAX */

/* Those that a copy takes along and that say something about the file. */
static bool counts(const char *name)
{
	return strcmp(name, "security.capability") == 0 ||
	       (!text_has_prefix(name, "security.") && !text_has_prefix(name, "system."));
}

/* Puts the extended attributes into the digest of a file that has some; most have none. */
static int add_attributes(int fd, struct digest *digest, struct error **err)
{
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;
	cleanup(strlist_done) struct strlist names = {0};

	if (flistxattr(fd, NULL, 0) <= 0)
		return 0;
	cleanup_free char *list = mem_alloc(XATTR_NAMES_MAX);
	ssize_t size = flistxattr(fd, list, XATTR_NAMES_MAX);
	for (const char *name = list; name < list + size; name += strlen(name) + 1)
		if (counts(name))
			strlist_append(&names, name);
	if (names.count == 0)
		return 0;
	strlist_sort(&names);
	build_key_digest(&key, "content", digest);
	cleanup_free char *value = mem_alloc(XATTR_VALUE_MAX);
	for (size_t i = 0; i < names.count; i++) {
		struct digest one;
		ssize_t length = fgetxattr(fd, names.items[i], value, XATTR_VALUE_MAX);
		int rc = length < 0 ? 0 : digest_of(value, (size_t)length, &one, err);
		if (rc < 0)
			return rc;
		if (length >= 0)
			build_key_digest(&key, names.items[i], &one);
	}
	return build_key_finish(&key, digest, err);
}

bool build_memo_find(struct build_memo *memo, const struct stat *st, struct digest *digest)
{
	return memo && find(memo, st, digest);
}

struct timespec build_memo_now(void)
{
	struct timespec now = {0};

	/* The clock that the kernel gives files their times by. */
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now;
}

int build_memo_learn(struct build_memo *memo, int fd, const struct stat *st, const struct timespec *began,
		     const struct digest *content, struct digest *digest, struct error **err)
{
	struct digest whole = *content;
	int rc = add_attributes(fd, &whole, err);

	if (rc < 0)
		return rc;
	if (memo) {
		memo->hashed += (uint64_t)st->st_size;
		learn(memo, st, began, &whole);
	}
	*digest = whole;
	return 0;
}

int build_memo_empty(int fd, struct digest *digest, struct error **err)
{
	struct digest empty;
	int rc = digest_of("", 0, &empty, err);

	return rc < 0 ? rc
		      : build_memo_learn(/* memo */ NULL, fd, /* st */ NULL, /* began */ NULL, &empty, digest, err);
}

int build_memo_file(struct build_memo *memo, int dirfd, const char *name, const struct stat *st, struct digest *digest,
		    struct error **err)
{
	struct digest content;
	struct stat now;

	if (build_memo_find(memo, st, digest))
		return 0;
	struct timespec began = build_memo_now();
	/* O_NONBLOCK: it may have become a FIFO since it was looked at. */
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &now) < 0)
		return error_set_errno(err, "'%s'", name);
	if (!S_ISREG(now.st_mode))
		return error_set(err, EAGAIN, "'%s' changed while it was read", name);
	cleanup_free char *own = memo ? NULL : mem_alloc(READ_SIZE);
	if (memo && !memo->block)
		memo->block = mem_alloc(READ_SIZE);
	int rc = hash_file(fd, memo ? memo->hashed : 0, memo ? memo->block : own, &content, err);
	if (rc >= 0)
		rc = build_memo_learn(memo, fd, &now, &began, &content, digest, err);
	return rc < 0 ? error_prefix(err, "'%s'", name) : 0;
}
