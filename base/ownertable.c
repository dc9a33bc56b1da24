/*
 * A hash table of records by inode, and its file: a line of magic, then one fixed-size entry for each record,
 * little-endian, sorted, so that equal tables are equal files.
 */
#include "base/ownertable.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/buf.h"
#include "base/fd.h"

#define TABLE_FILE_MAX ((size_t)256 << 20)
#define FIRST_SIZE 64
static const char magic[16] = "cooper-owners 1";

/* As it lies in the file. */
struct stored_slot {
	uint64_t ino;
	int64_t born_seconds;
	uint32_t born_nanoseconds;
	uint32_t uid, gid, mode, major, minor;
};
_Static_assert(sizeof(struct stored_slot) == 40, "no padding");

void owner_table_done(struct owner_table *table)
{
	free(table->slots);
	*table = (struct owner_table){0};
}

int owner_key_of(int dirfd, const char *name, struct owner_key *key, struct error **err)
{
	struct statx st;

	if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) < 0)
		return error_set_errno(err, "stat '%s'", name);
	*key = (struct owner_key){.ino = st.stx_ino};
	if (st.stx_mask & STATX_BTIME) {
		key->born_seconds = st.stx_btime.tv_sec;
		key->born_nanoseconds = st.stx_btime.tv_nsec;
	}
	return 0;
}

static bool is_same_key(const struct owner_key *a, const struct owner_key *b)
{
	return a->ino == b->ino && a->born_seconds == b->born_seconds && a->born_nanoseconds == b->born_nanoseconds;
}

/* Where the search for a key begins; to be taken modulo the table's size. */
static size_t home_of(const struct owner_key *key)
{
	/* Inode numbers stand close together: the multiplication spreads them (Knuth). */
	return (size_t)((key->ino * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

/* The slot of the key, or the free one where it would be. */
static struct owner_slot *find_slot(const struct owner_table *table, const struct owner_key *key)
{
	for (size_t at = home_of(key);; at++) {
		struct owner_slot *slot = &table->slots[at & (table->size - 1)];
		if (!slot->is_used || is_same_key(&slot->key, key))
			return slot;
	}
}

const struct owner_record *owner_table_find(const struct owner_table *table, const struct owner_key *key)
{
	if (!table || table->count == 0)
		return NULL;
	const struct owner_slot *slot = find_slot(table, key);
	return slot->is_used ? &slot->record : NULL;
}

static void resize(struct owner_table *table, size_t size)
{
	struct owner_table larger = {
		.slots = mem_alloc(size * sizeof(*larger.slots)),
		.size = size,
		.count = table->count,
		.has_changed = table->has_changed,
	};

	for (size_t i = 0; i < table->size; i++)
		if (table->slots[i].is_used)
			*find_slot(&larger, &table->slots[i].key) = table->slots[i];
	owner_table_done(table);
	*table = larger;
}

void owner_table_put(struct owner_table *table, const struct owner_key *key, const struct owner_record *record)
{
	if (2 * (table->count + 1) > table->size)
		resize(table, table->size ? 2 * table->size : FIRST_SIZE);
	struct owner_slot *slot = find_slot(table, key);
	table->count += !slot->is_used;
	*slot = (struct owner_slot){.key = *key, .record = *record, .is_used = true};
	table->has_changed = true;
}

/* Fills the slot that has become free with what once had to step aside for it, and so on up to the next free one: a
 * search ends at a free slot, so none may stand between an entry and its home (Knuth, vol. 3, 6.4, algorithm R). */
static void close_gap(struct owner_table *table, size_t gap)
{
	size_t mask = table->size - 1;

	for (size_t at = (gap + 1) & mask; table->slots[at].is_used; at = (at + 1) & mask) {
		size_t steps = (at - home_of(&table->slots[at].key)) & mask;
		if (steps < ((at - gap) & mask))
			continue;
		table->slots[gap] = table->slots[at];
		gap = at;
	}
	table->slots[gap] = (struct owner_slot){0};
}

void owner_table_remove(struct owner_table *table, const struct owner_key *key)
{
	if (!owner_table_find(table, key))
		return;
	close_gap(table, (size_t)(find_slot(table, key) - table->slots));
	table->count--;
	table->has_changed = true;
}

void owner_table_add_all(struct owner_table *table, const struct owner_table *from)
{
	for (size_t i = 0; i < from->size; i++)
		if (from->slots[i].is_used)
			owner_table_put(table, &from->slots[i].key, &from->slots[i].record);
}

/* ---- The tree ---- */

int owner_table_bind(struct owner_table *table, int tree, struct error **err)
{
	/* Of a directory nothing is kept here but this. */
	static const struct owner_record nothing = {0};
	struct owner_key key;

	if (table->count == 0)
		return 0;
	int rc = owner_key_of(tree, "", &key, err);
	if (rc == 0 && !owner_table_find(table, &key))
		owner_table_put(table, &key, &nothing);
	return rc;
}

bool owner_table_is_of(const struct owner_table *table, int tree)
{
	struct owner_key key;

	return table->count == 0 || (owner_key_of(tree, "", &key, NULL) == 0 && owner_table_find(table, &key));
}

/* ---- The file ---- */

static void read_slot(const struct stored_slot *stored, struct owner_key *key, struct owner_record *record)
{
	*key = (struct owner_key){
		.ino = le64toh(stored->ino),
		.born_seconds = (int64_t)le64toh((uint64_t)stored->born_seconds),
		.born_nanoseconds = le32toh(stored->born_nanoseconds),
	};
	*record = (struct owner_record){
		.uid = le32toh(stored->uid),
		.gid = le32toh(stored->gid),
		.mode = le32toh(stored->mode),
		.major = le32toh(stored->major),
		.minor = le32toh(stored->minor),
	};
}

static int read_table(const struct buf *file, struct owner_table *table)
{
	size_t rest = file->len - sizeof(magic);

	if (file->len < sizeof(magic) || memcmp(file->data, magic, sizeof(magic)) != 0 ||
	    rest % sizeof(struct stored_slot) != 0)
		return -EINVAL;
	for (const char *at = file->data + sizeof(magic); rest > 0; at += sizeof(struct stored_slot)) {
		struct stored_slot stored;
		struct owner_key key;
		struct owner_record record;
		memcpy(&stored, at, sizeof(stored));
		read_slot(&stored, &key, &record);
		if (!owner_record_is_valid(&record))
			return -EINVAL;
		owner_table_put(table, &key, &record);
		rest -= sizeof(stored);
	}
	return 0;
}

int owner_table_load(int dirfd, const char *name, struct owner_table *table, struct error **err)
{
	cleanup(buf_done) struct buf file = BUF_INIT(TABLE_FILE_MAX);
	bool was_empty = table->count == 0;
	cleanup_error struct error *trouble = NULL;
	int rc = fd_read_file(dirfd, name, &file, &trouble);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0) {
		if (err)
			*err = take_ptr(&trouble);
		return rc;
	}
	rc = read_table(&file, table);
	if (rc < 0)
		return error_set(err, -rc, "'%s' is damaged: the owners of links and devices are lost with it", name);
	if (was_empty)
		table->has_changed = false;
	return 0;
}

static int compare_stored(const void *a, const void *b)
{
	const struct stored_slot *x = a, *y = b;
	uint64_t left = le64toh(x->ino), right = le64toh(y->ino);

	if (left != right)
		return left < right ? -1 : 1;
	return memcmp(x, y, sizeof(*x));
}

static struct stored_slot store_slot(const struct owner_slot *slot)
{
	return (struct stored_slot){
		.ino = htole64(slot->key.ino),
		.born_seconds = (int64_t)htole64((uint64_t)slot->key.born_seconds),
		.born_nanoseconds = htole32(slot->key.born_nanoseconds),
		.uid = htole32(slot->record.uid),
		.gid = htole32(slot->record.gid),
		.mode = htole32(slot->record.mode),
		.major = htole32(slot->record.major),
		.minor = htole32(slot->record.minor),
	};
}

int owner_table_save(int dirfd, const char *name, struct owner_table *table, struct error **err)
{
	cleanup_free struct stored_slot *stored = mem_grow(NULL, table->count + 1, sizeof(*stored));
	cleanup(buf_done) struct buf file = BUF_INIT(TABLE_FILE_MAX);
	size_t count = 0;

	if (table->count == 0) {
		if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
			return error_set_errno(err, "remove '%s'", name);
		table->has_changed = false;
		return 0;
	}
	for (size_t i = 0; i < table->size; i++)
		if (table->slots[i].is_used)
			stored[count++] = store_slot(&table->slots[i]);
	qsort(stored, count, sizeof(*stored), compare_stored);
	buf_append(&file, magic, sizeof(magic));
	buf_append(&file, stored, count * sizeof(*stored));
	if (file.overflow)
		return error_set(err, EFBIG, "'%s' would hold more than %zu bytes", name, TABLE_FILE_MAX);
	int rc = atomic_file_write(dirfd, name, 0600, file.data, file.len, /* flags */ 0, err);
	if (rc == 0)
		table->has_changed = false;
	return rc;
}
