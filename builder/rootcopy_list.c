/*
 * The list of the unchanged state: written while the tree is walked, and read beside that walk, in the same order.
 */
#include "builder/rootcopy_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/parse.h"

#define LIST_SIZE_MAX ((size_t)4 << 30)
#define LENGTH_DIGITS 16
#define END "."

void changes_done(struct changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		free(changes->items[i].path);
	free(changes->items);
	*changes = (struct changes){0};
}

/* ---- reading ---- */

/* One entry of the list, borrowed from its text. */
struct record {
	char kind; /* 'd', 'f', 'l', or '.' for the end of a directory */
	const char *name;
	const char *state;
	const char *start;  /* of the record in the text */
	const char *behind; /* it, and for a directory what is in it with its end */
	const char *inside; /* of a directory: its first entry */
};

struct cursor {
	const char *at, *end; /* NULL: there is no list */
};

static const char *next_string(const char *at, const char *end)
{
	const char *nul = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;

	return nul ? nul + 1 : NULL;
}

static int damaged(struct error **err)
{
	return error_set(err, EINVAL, "the list of the container's files is damaged");
}

/* What stands at the cursor, which stays. */
static int peek(const struct cursor *cursor, struct record *record, struct error **err)
{
	const char *second = next_string(cursor->at, cursor->end);
	uint64_t length;

	if (!second)
		return damaged(err);
	*record = (struct record){.kind = cursor->at[0], .name = cursor->at + 1, .start = cursor->at};
	if (record->kind == END[0]) {
		record->behind = second;
		return 0;
	}
	record->state = second;
	record->behind = next_string(second, cursor->end);
	if (record->behind && record->kind == 'd' && parse_u64(second, UINT64_MAX, "length", &length, NULL) == 0) {
		record->state = record->behind;
		record->inside = next_string(record->state, cursor->end);
		if (!record->inside || length == 0 || length > (uint64_t)(cursor->end - record->inside))
			return damaged(err);
		record->behind = record->inside + length;
	} else if (!record->behind || (record->kind != 'f' && record->kind != 'l')) {
		return damaged(err);
	}
	return 0;
}

static int list_load(int dir, struct buf *text, struct cursor *cursor, struct error **err)
{
	int rc = fd_read_file(dir, ROOTCOPY_LIST, text, err);

	if (rc < 0)
		return rc;
	*cursor = (struct cursor){text->data, text->data + text->len};
	return text->len ? 0 : damaged(err);
}

/* ---- the walk ---- */

struct level {
	bool is_listed;	   /* the cursor goes through it */
	bool is_unchanged; /* it has the entries that it had */
	const char *last;  /* the name in the list that was passed last; NULL */
	size_t length_at;  /* in the new list: where its length is to be written */
	size_t inside_at;  /* and where what it counts starts */
};

struct scan {
	struct cursor cursor;
	struct buf next;
	const struct rootcopy_links *links;
	unsigned flags;
	struct changes *changes;
	struct timespec newest; /* of all ctimes */
	struct level *levels;
	size_t depth, cap;
	struct buf state; /* for a moment */
};

static void scan_done(struct scan *scan)
{
	buf_done(&scan->next);
	buf_done(&scan->state);
	free(scan->levels);
}
CLEANUP_FOR_VALUE(struct scan, scan_done)

static struct level *innermost(struct scan *scan)
{
	return &scan->levels[scan->depth - 1];
}

static void note(struct scan *scan, enum change_kind kind, const char *path, uint64_t ino)
{
	struct changes *changes = scan->changes;

	if (!changes)
		return;
	if (changes->count == changes->cap) {
		changes->cap = changes->cap ? changes->cap * 2 : 256;
		changes->items = mem_grow(changes->items, changes->cap, sizeof(*changes->items));
	}
	changes->items[changes->count++] = (struct change){.kind = kind, .path = mem_strdup(path), .ino = ino};
}

static void put_string(struct buf *list, const char *text)
{
	buf_append(list, text, strlen(text) + 1);
}

static void put_record(struct buf *list, char kind, const char *name, const char *state)
{
	buf_append_char(list, kind);
	put_string(list, name);
	put_string(list, state);
}

static void put_as_it_was(struct scan *scan, const struct record *record)
{
	buf_append(&scan->next, record->start, (size_t)(record->behind - record->start));
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static void describe_identity(struct scan *scan, const struct stat *st)
{
	buf_clear(&scan->state);
	buf_printf(&scan->state, "%" PRIu64 " %lld.%09ld", (uint64_t)st->st_ino, (long long)st->st_ctim.tv_sec,
		   st->st_ctim.tv_nsec);
	if (is_later(&st->st_ctim, &scan->newest))
		scan->newest = st->st_ctim;
}

/* Extended attributes, among them the record of an owner (base/owner.h). */
static void describe_attributes(int fd, struct buf *text)
{
	ssize_t size = flistxattr(fd, NULL, 0);

	if (size <= 0)
		return;
	cleanup_free char *names = mem_alloc(XATTR_LIST_MAX);
	cleanup_free char *value = mem_alloc(XATTR_SIZE_MAX);
	size = flistxattr(fd, names, XATTR_LIST_MAX);
	for (const char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
		ssize_t got = fgetxattr(fd, name, value, XATTR_SIZE_MAX);
		buf_printf(text, " %s=", name);
		for (ssize_t i = 0; i < got; i++)
			buf_printf(text, "%02x", (unsigned char)value[i]);
	}
}

/* Behind the identity. Its time is the last of its attributes: a file that was made and removed again has changed the
 * directory, as overlayfs sees it, too. */
static void describe_directory(struct scan *scan, const struct tree_entry *entry)
{
	const struct stat *st = entry->st;
	const char *name = *entry->path ? entry->name : ".";
	cleanup_close int fd = openat(entry->dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	buf_printf(&scan->state, " %o %u %u %lld.%09ld", (unsigned)st->st_mode, st->st_uid, st->st_gid,
		   (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	if (fd >= 0)
		describe_attributes(fd, &scan->state);
}

static const char *attributes_of(const char *state)
{
	const char *at = strchr(state, ' ');

	at = at ? strchr(at + 1, ' ') : NULL;
	return at ? at : "";
}

/* What comes next in the list of the innermost directory. */
static int peek_here(struct scan *scan, struct record *record, struct error **err)
{
	const struct level *level = innermost(scan);
	int rc = peek(&scan->cursor, record, err);

	/* Out of order it would be taken for something removed, or new. */
	if (rc == 0 && record->kind != END[0] && level->last && strcmp(level->last, record->name) >= 0)
		return damaged(err);
	return rc;
}

/* What the list has and the tree has not. Below a directory that is gone nothing needs to be said. */
static void pass_missing(struct scan *scan, const struct record *record, const char *above)
{
	struct level *level = innermost(scan);

	level->last = record->name;
	/* Of a directory that is as it was only a part is visited. */
	if (level->is_unchanged) {
		put_as_it_was(scan, record);
	} else {
		cleanup_free char *path = *above ? mem_printf("%s/%s", above, record->name) : mem_strdup(record->name);
		note(scan, CHANGE_REMOVAL, path, 0);
	}
	scan->cursor.at = record->behind;
}

/* Goes on to the record of this name. 1: it is there, and has been taken. */
static int find_listed(struct scan *scan, const struct tree_entry *entry, struct record *record, struct error **err)
{
	size_t above_length = entry->name > entry->path ? (size_t)(entry->name - entry->path) - 1 : 0;
	cleanup_free char *above = NULL;

	if (!innermost(scan)->is_listed)
		return 0;
	for (;;) {
		int rc = peek_here(scan, record, err);
		if (rc < 0)
			return rc;
		int order = record->kind == END[0] ? 1 : strcmp(record->name, entry->name);
		if (order == 0) {
			innermost(scan)->last = record->name;
			scan->cursor.at = record->kind == 'd' ? record->inside : record->behind;
		}
		if (order >= 0)
			return order == 0;
		if (!above)
			above = mem_strndup(entry->path, above_length);
		pass_missing(scan, record, above);
	}
}

static void enter(struct scan *scan, const char *name, struct level level)
{
	if (scan->depth == scan->cap) {
		scan->cap = scan->cap ? scan->cap * 2 : 32;
		scan->levels = mem_grow(scan->levels, scan->cap, sizeof(*scan->levels));
	}
	buf_append_char(&scan->next, 'd');
	put_string(&scan->next, name);
	level.length_at = scan->next.len;
	put_string(&scan->next, "0000000000000000");
	put_string(&scan->next, buf_str(&scan->state));
	level.inside_at = scan->next.len;
	scan->levels[scan->depth++] = level;
}

/* A directory that has its entries, none of which needs to be looked at. */
static bool has_only_shared(struct scan *scan, const struct record *record)
{
	struct cursor inside = {record->inside, record->behind};
	struct record child;

	while (peek(&inside, &child, NULL) == 0 && child.kind == 'l')
		inside.at = child.behind;
	return child.kind == END[0] && child.behind == record->behind;
}

static int visit_directory(struct scan *scan, const struct tree_entry *entry, const struct record *record)
{
	bool is_listed = record && record->kind == 'd';

	describe_identity(scan, entry->st);
	size_t identity = scan->state.len;
	if (is_listed && strncmp(record->state, buf_str(&scan->state), identity) == 0 &&
	    record->state[identity] == ' ') {
		if (*entry->path && has_only_shared(scan, record)) {
			put_as_it_was(scan, record);
			scan->cursor.at = record->behind;
			return TREE_SKIP_CHILDREN;
		}
		buf_append_str(&scan->state, record->state + identity);
		enter(scan, entry->name, (struct level){.is_listed = true, .is_unchanged = true});
		return TREE_GO_ON;
	}
	describe_directory(scan, entry);
	if (*entry->path && (!is_listed || strcmp(attributes_of(record->state), buf_str(&scan->state) + identity) != 0))
		note(scan, CHANGE_DIRECTORY, entry->path, 0);
	enter(scan, entry->name, (struct level){.is_listed = is_listed});
	return TREE_GO_ON;
}

static bool is_as_listed(struct scan *scan, const struct stat *st, const struct record *record)
{
	char ino[24];

	if (record->kind != 'l')
		return record->kind == 'f' && strcmp(record->state, buf_str(&scan->state)) == 0;
	snprintf(ino, sizeof(ino), "%" PRIu64, (uint64_t)st->st_ino);
	return S_ISREG(st->st_mode) && strcmp(record->state, ino) == 0;
}

static void visit_file(struct scan *scan, const struct tree_entry *entry, const struct record *record)
{
	const struct stat *st = entry->st;
	bool is_shared = S_ISREG(st->st_mode) && st->st_nlink > 1 && rootcopy_links_has(scan->links, st->st_ino);

	if (record)
		scan->cursor.at = record->behind;
	/* Of a socket no layer has anything, and none of a step's may pass for a whiteout (base/ovlmark.h). */
	if (S_ISSOCK(st->st_mode)) {
		if (record)
			put_as_it_was(scan, record);
		return;
	}
	describe_identity(scan, st);
	if (record && is_as_listed(scan, st, record)) {
		put_as_it_was(scan, record);
		return;
	}
	bool shares = scan->flags & SCAN_MAY_SHARE && S_ISREG(st->st_mode) && (is_shared || st->st_nlink == 1);
	note(scan, shares ? CHANGE_SHARE : CHANGE_FILE, entry->path, st->st_ino);
	if (is_shared || shares) {
		buf_clear(&scan->state);
		buf_printf(&scan->state, "%" PRIu64, (uint64_t)st->st_ino);
	}
	put_record(&scan->next, is_shared || shares ? 'l' : 'f', entry->name, buf_str(&scan->state));
}

static int visit(const struct tree_entry *entry, void *context, struct error **err)
{
	struct scan *scan = context;
	struct record record;
	int rc = 0;

	if (*entry->path) {
		rc = find_listed(scan, entry, &record, err);
	} else if (scan->cursor.at) {
		rc = peek(&scan->cursor, &record, err);
		if (rc == 0 && record.kind != 'd')
			rc = damaged(err);
		if (rc == 0)
			scan->cursor.at = record.inside;
		rc = rc < 0 ? rc : 1;
	}
	if (rc < 0)
		return rc;
	const struct record *listed = rc > 0 ? &record : NULL;
	if (entry->is_mount) {
		/* What is beneath it cannot be seen, and is as it was. */
		if (listed) {
			put_as_it_was(scan, listed);
			scan->cursor.at = listed->behind;
		}
		return TREE_SKIP_CHILDREN;
	}
	if (S_ISDIR(entry->st->st_mode))
		return visit_directory(scan, entry, listed);
	visit_file(scan, entry, listed);
	return TREE_GO_ON;
}

static int leave(const struct tree_entry *entry, void *context, struct error **err)
{
	struct scan *scan = context;
	const struct level level = *innermost(scan);
	struct record record;
	char length[LENGTH_DIGITS + 1];

	while (level.is_listed) {
		int rc = peek_here(scan, &record, err);
		if (rc < 0)
			return rc;
		if (record.kind == END[0])
			break;
		pass_missing(scan, &record, entry->path);
	}
	if (level.is_listed)
		scan->cursor.at = record.behind;
	put_string(&scan->next, END);
	if (scan->next.overflow)
		return error_set(err, EFBIG, "the list of the container's files is too large");
	snprintf(length, sizeof(length), "%016" PRIu64, (uint64_t)(scan->next.len - level.inside_at));
	memcpy(scan->next.data + level.length_at, length, LENGTH_DIGITS);
	scan->depth--;
	return TREE_GO_ON;
}

/* Of a directory that has its old entries: what may have changed all the same. */
static bool choose_names(const char *path, void *context, struct strlist *names)
{
	struct scan *scan = context;
	const struct level *level = innermost(scan);
	struct cursor inside = scan->cursor;
	struct record record;

	if (!level->is_unchanged)
		return false;
	while (peek(&inside, &record, NULL) == 0 && record.kind != END[0]) {
		if (record.kind != 'l')
			strlist_append(names, record.name);
		inside.at = record.behind;
	}
	return true;
}

/* The kernel's clock for files goes in ticks (before Linux 6.13): what changes in the one in which the list was written
 * would have the time that the list has. */
static void wait_for_next_tick(const struct timespec *newest)
{
	const struct timespec pause = {.tv_nsec = 500000};
	struct timespec now;

	for (unsigned i = 0; i < 40; i++) {
		if (clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0 || is_later(&now, newest))
			return;
		nanosleep(&pause, NULL);
	}
}

int rootcopy_scan(int dir, int root, const char *name, const struct rootcopy_links *links, unsigned flags,
		  struct changes *changes, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(LIST_SIZE_MAX);
	cleanup(scan_done) struct scan scan = {
		.next = BUF_INIT(LIST_SIZE_MAX),
		.state = BUF_INIT(BUF_MAX_DEFAULT),
		.links = links,
		.flags = flags,
		.changes = changes,
	};
	int rc = flags & SCAN_ANEW ? 0 : list_load(dir, &text, &scan.cursor, err);

	if (rc >= 0)
		rc = tree_walk_some(root, visit, leave, choose_names, &scan, err);
	if (rc < 0)
		return rc;
	wait_for_next_tick(&scan.newest);
	return atomic_file_write(dir, name, 0600, buf_str(&scan.next), scan.next.len, /* flags */ 0, err);
}

/* ---- files that are shared no more ---- */

static int compare_privatised(const void *a, const void *b)
{
	const struct privatised *x = a, *y = b;

	return x->before < y->before ? -1 : x->before > y->before;
}

static int rewrite(struct scan *scan, const struct privatised *files, size_t count, struct error **err)
{
	struct record record;
	int rc = peek(&scan->cursor, &record, err);

	if (rc < 0)
		return rc;
	struct privatised key = {0};
	const struct privatised *file = NULL;
	if (record.kind == 'l' && count && parse_u64(record.state, UINT64_MAX, "inode", &key.before, NULL) == 0)
		file = bsearch(&key, files, count, sizeof(key), compare_privatised);
	if (record.kind == 'd') {
		buf_clear(&scan->state);
		buf_append_str(&scan->state, record.state);
		enter(scan, record.name, (struct level){0});
		scan->cursor.at = record.inside;
		return 0;
	}
	scan->cursor.at = record.behind;
	if (record.kind == END[0])
		return scan->depth ? leave(NULL, scan, err) : damaged(err);
	if (file) {
		describe_identity(scan, &file->now);
		put_record(&scan->next, 'f', record.name, buf_str(&scan->state));
	} else {
		put_as_it_was(scan, &record);
	}
	return 0;
}

int rootcopy_list_privatise(int dir, const struct privatised *files, size_t count, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(LIST_SIZE_MAX);
	cleanup(scan_done) struct scan scan = {.next = BUF_INIT(LIST_SIZE_MAX), .state = BUF_INIT(BUF_MAX_DEFAULT)};
	cleanup_free struct privatised *sorted = count ? mem_dup(files, count * sizeof(*files)) : NULL;
	int rc = list_load(dir, &text, &scan.cursor, err);

	if (sorted)
		qsort(sorted, count, sizeof(*sorted), compare_privatised);
	while (rc >= 0 && scan.cursor.at < scan.cursor.end)
		rc = rewrite(&scan, sorted, count, err);
	if (rc < 0)
		return rc;
	return atomic_file_write(dir, ROOTCOPY_LIST, 0600, buf_str(&scan.next), scan.next.len, /* flags */ 0, err);
}
