/*
 * What has changed in a root: the list of its unchanged state is read beside a walk, in the same order, and written
 * anew.
 */
#include "builder/rootcopy_list.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "imagefmt/accesslists.h"

void changes_done(struct changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		free(changes->items[i].path);
	free(changes->items);
	*changes = (struct changes){0};
}

/* ---- the walk ---- */

struct level {
	bool is_listed;	   /* the cursor goes through it */
	bool is_unchanged; /* it has the entries that it had */
	const char *last;  /* the name in the list that was passed last; NULL */
};

struct scan {
	struct list_cursor cursor;
	struct list_writer next;
	const struct rootcopy_links *links;
	unsigned flags;
	struct changes *changes;
	struct access_lists lost;
	struct timespec newest; /* of all ctimes */
	struct level *levels;
	size_t depth, cap;
	struct buf state; /* for a moment */
};

static void scan_done(struct scan *scan)
{
	list_writer_done(&scan->next);
	buf_done(&scan->state);
	access_lists_done(&scan->lost);
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

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static void describe_identity(struct scan *scan, const struct stat *st)
{
	list_identity(st, &scan->state);
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
static void describe_directory(struct scan *scan, const struct tree_entry *entry, const struct stat *st)
{
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
static int peek_here(struct scan *scan, struct list_record *record, struct error **err)
{
	const struct level *level = innermost(scan);
	int rc = list_peek(&scan->cursor, record, err);

	/* Out of order it would be taken for something removed, or new. */
	if (rc == 0 && record->kind != LIST_END && level->last && strcmp(level->last, record->name) >= 0)
		return list_damaged(err);
	return rc;
}

/* What the list has and the tree has not. Below a directory that is gone nothing needs to be said. */
static void pass_missing(struct scan *scan, const struct list_record *record, const char *above)
{
	struct level *level = innermost(scan);

	level->last = record->name;
	/* Of a directory that is as it was only a part is visited. */
	if (level->is_unchanged) {
		list_put_again(&scan->next, record);
	} else {
		cleanup_free char *path = *above ? mem_printf("%s/%s", above, record->name) : mem_strdup(record->name);
		note(scan, CHANGE_REMOVAL, path, 0);
	}
	scan->cursor.at = record->behind;
}

/* Goes on to the record of this name. 1: it is there, and has been taken. */
static int find_listed(struct scan *scan, const struct tree_entry *entry, struct list_record *record,
		       struct error **err)
{
	size_t above_length = entry->name > entry->path ? (size_t)(entry->name - entry->path) - 1 : 0;
	cleanup_free char *above = NULL;

	if (!innermost(scan)->is_listed)
		return 0;
	for (;;) {
		int rc = peek_here(scan, record, err);
		if (rc < 0)
			return rc;
		int order = record->kind == LIST_END ? 1 : strcmp(record->name, entry->name);
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
	list_enter(&scan->next, name, buf_str(&scan->state));
	scan->levels[scan->depth++] = level;
}

/* The list of the unchanged state is without them: taken away later they would count as a change. 1: something was taken
 * away, and *st is what there is now. */
static int drop_access_lists(struct scan *scan, const struct tree_entry *entry, struct stat *st, struct error **err)
{
	const char *name = *entry->path ? entry->name : ".";

	*st = *entry->st;
	if (!(scan->flags & SCAN_FOR_LAYER) || S_ISLNK(st->st_mode))
		return 0;
	int rc = access_lists_drop_at(&scan->lost, entry->dirfd, name, entry->path, err);
	if (rc > 0 && fstatat(entry->dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, "look at '%s'", entry->path);
	return rc;
}

/* A directory that has its entries, none of which needs to be looked at. */
static bool has_only_shared(struct scan *scan, const struct list_record *record)
{
	struct list_cursor inside = {record->inside, record->behind};
	struct list_record child;

	while (list_peek(&inside, &child, NULL) == 0 && child.kind == 'l')
		inside.at = child.behind;
	return child.kind == LIST_END && child.behind == record->behind;
}

static int visit_directory(struct scan *scan, const struct tree_entry *entry, const struct list_record *record,
			   struct error **err)
{
	bool is_listed = record && record->kind == 'd';

	describe_identity(scan, entry->st);
	size_t identity = scan->state.len;
	if (is_listed && strncmp(record->state, buf_str(&scan->state), identity) == 0 &&
	    record->state[identity] == ' ') {
		if (*entry->path && has_only_shared(scan, record)) {
			list_put_again(&scan->next, record);
			scan->cursor.at = record->behind;
			return TREE_SKIP_CHILDREN;
		}
		buf_append_str(&scan->state, record->state + identity);
		enter(scan, entry->name, (struct level){.is_listed = true, .is_unchanged = true});
		return TREE_GO_ON;
	}
	describe_directory(scan, entry, entry->st);
	if (*entry->path && (!is_listed || strcmp(attributes_of(record->state), buf_str(&scan->state) + identity) != 0))
		note(scan, CHANGE_DIRECTORY, entry->path, 0);
	struct stat now;
	int rc = drop_access_lists(scan, entry, &now, err);
	if (rc < 0)
		return rc;
	if (rc > 0) {
		describe_identity(scan, &now);
		describe_directory(scan, entry, &now);
	}
	enter(scan, entry->name, (struct level){.is_listed = is_listed});
	return TREE_GO_ON;
}

static bool is_as_listed(struct scan *scan, const struct stat *st, const struct list_record *record)
{
	char ino[24];

	if (record->kind != 'l')
		return record->kind == 'f' && strcmp(record->state, buf_str(&scan->state)) == 0;
	snprintf(ino, sizeof(ino), "%" PRIu64, (uint64_t)st->st_ino);
	return S_ISREG(st->st_mode) && strcmp(record->state, ino) == 0;
}

/* As it is taken away from an upper directory (imagefmt/normalise.h). The directory's time does not tell of it. */
static void remove_socket(const struct tree_entry *entry)
{
	struct stat above;

	if (fstat(entry->dirfd, &above) < 0 || unlinkat(entry->dirfd, entry->name, 0) < 0)
		return;
	const struct timespec times[2] = {above.st_atim, above.st_mtim};
	utimensat(entry->dirfd, ".", times, 0);
}

/* Of a socket no layer has anything, and none of a step's may pass for a whiteout (base/ovlmark.h). What it has taken
 * the place of is gone all the same. */
static void visit_socket(struct scan *scan, const struct tree_entry *entry, const struct list_record *record)
{
	if (record)
		note(scan, CHANGE_REMOVAL, entry->path, 0);
	if (scan->flags & SCAN_FOR_LAYER)
		remove_socket(entry);
}

static int visit_file(struct scan *scan, const struct tree_entry *entry, const struct list_record *record,
		      struct error **err)
{
	const struct stat *st = entry->st;
	bool is_shared = S_ISREG(st->st_mode) && st->st_nlink > 1 && rootcopy_links_has(scan->links, st->st_ino);

	if (record)
		scan->cursor.at = record->behind;
	if (S_ISSOCK(st->st_mode)) {
		visit_socket(scan, entry, record);
		return TREE_GO_ON;
	}
	describe_identity(scan, st);
	if (record && is_as_listed(scan, st, record)) {
		list_put_again(&scan->next, record);
		return TREE_GO_ON;
	}
	struct stat now;
	int rc = drop_access_lists(scan, entry, &now, err);
	if (rc < 0)
		return rc;
	describe_identity(scan, &now);
	bool shares = scan->flags & SCAN_MAY_SHARE && S_ISREG(st->st_mode) && (is_shared || st->st_nlink == 1);
	note(scan, shares ? CHANGE_SHARE : CHANGE_FILE, entry->path, st->st_ino);
	if (is_shared || shares) {
		buf_clear(&scan->state);
		buf_printf(&scan->state, "%" PRIu64, (uint64_t)st->st_ino);
	}
	list_put(&scan->next, is_shared || shares ? 'l' : 'f', entry->name, buf_str(&scan->state));
	return TREE_GO_ON;
}

static int visit(const struct tree_entry *entry, void *context, struct error **err)
{
	struct scan *scan = context;
	struct list_record record;
	int rc = 0;

	if (*entry->path) {
		rc = find_listed(scan, entry, &record, err);
	} else if (scan->cursor.at) {
		rc = list_peek(&scan->cursor, &record, err);
		if (rc == 0 && record.kind != 'd')
			rc = list_damaged(err);
		if (rc == 0)
			scan->cursor.at = record.inside;
		rc = rc < 0 ? rc : 1;
	}
	if (rc < 0)
		return rc;
	const struct list_record *listed = rc > 0 ? &record : NULL;
	if (entry->is_mount) {
		/* What is beneath it cannot be seen, and is as it was. */
		if (listed) {
			list_put_again(&scan->next, listed);
			scan->cursor.at = listed->behind;
		}
		return TREE_SKIP_CHILDREN;
	}
	if (S_ISDIR(entry->st->st_mode))
		return visit_directory(scan, entry, listed, err);
	return visit_file(scan, entry, listed, err);
}

static int leave(const struct tree_entry *entry, void *context, struct error **err)
{
	struct scan *scan = context;
	const struct level level = *innermost(scan);
	struct list_record record;

	while (level.is_listed) {
		int rc = peek_here(scan, &record, err);
		if (rc < 0)
			return rc;
		if (record.kind == LIST_END)
			break;
		pass_missing(scan, &record, entry->path);
	}
	if (level.is_listed)
		scan->cursor.at = record.behind;
	scan->depth--;
	int rc = list_leave(&scan->next, err);
	return rc < 0 ? rc : TREE_GO_ON;
}

/* Of a directory that has its old entries: what may have changed all the same. */
static bool choose_names(const char *path, void *context, struct strlist *names)
{
	struct scan *scan = context;
	const struct level *level = innermost(scan);
	struct list_cursor inside = scan->cursor;
	struct list_record record;

	if (!level->is_unchanged)
		return false;
	while (list_peek(&inside, &record, NULL) == 0 && record.kind != LIST_END) {
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
		.next = LIST_WRITER_INIT,
		.state = BUF_INIT(BUF_MAX_DEFAULT),
		.links = links,
		.flags = flags,
		.changes = changes,
	};
	int rc = flags & SCAN_ANEW ? 0 : list_load(dir, &text, &scan.cursor, err);

	if (rc >= 0)
		rc = tree_walk_some(root, visit, leave, choose_names, &scan, err);
	access_lists_warn(&scan.lost);
	if (rc < 0)
		return rc;
	wait_for_next_tick(&scan.newest);
	return list_save(dir, name, &scan.next, err);
}
