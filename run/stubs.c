/*
 * Makes and unmakes places to mount on.
 */
#include "run/stubs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/rootpath.h"
#include "base/strlist.h"
#include "run/channel.h"

#define DIRECTORY (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void stubs_done(struct stubs *stubs)
{
	for (size_t i = 0; i < stubs->count; i++)
		fd_close(stubs->items[i].fd);
	free(stubs->items);
	*stubs = (struct stubs){0};
}

void stubs_add(struct stubs *stubs, const struct stub_record *record, int fd)
{
	stubs->items = mem_grow(stubs->items, stubs->count + 1, sizeof(*stubs->items));
	stubs->items[stubs->count] = (struct stub){.record = *record, .fd = fd};
	stubs->items[stubs->count++].record.name[STUB_NAME_SIZE - 1] = '\0';
}

/* ---- The child's side: making ---- */

static bool knows(const struct stubs *stubs, const struct stat *st)
{
	for (size_t i = 0; i < stubs->count; i++)
		if (stubs->items[i].record.dev == st->st_dev && stubs->items[i].record.ino == st->st_ino)
			return true;
	return false;
}

static int note(struct stubs *stubs, enum stub_kind kind, int dirfd, const char *name, const struct timespec *mtime,
		struct error **err)
{
	struct stub_record record = {.kind = kind, .mtime = *mtime};
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return error_set_errno(err, "stat '%s'", name);
	if (knows(stubs, &st))
		return 0; /* the first note has what was there before us */
	if (strlen(name) >= STUB_NAME_SIZE)
		return error_set(err, ENAMETOOLONG, "the name '%s' is too long", name);
	record.dev = st.st_dev;
	record.ino = st.st_ino;
	memcpy(record.name, name, strlen(name));
	int copy = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return error_set_errno(err, "keep a directory open");
	stubs_add(stubs, &record, copy);
	return 0;
}

/* The way down to a place that is to be made: the directories that exist in the root, outermost first. */
struct way {
	struct timespec *mtimes; /* of each directory, in the root, before us */
	bool *in_record;	 /* it is there for the parent to see already */
	size_t depth;		 /* how many of `names` exist; mtimes and in_record have depth + 1, the first is "/" */
	int end;		 /* the last of them */
};

static void way_done(struct way *way)
{
	free(way->mtimes);
	free(way->in_record);
	fd_close(way->end);
}
CLEANUP_FOR_VALUE(struct way, way_done)

static int add_step(struct way *way, size_t index, int dir, int record, struct error **err)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return error_set_errno(err, "stat a directory");
	way->mtimes = mem_grow(way->mtimes, index + 1, sizeof(*way->mtimes));
	way->in_record = mem_grow(way->in_record, index + 1, sizeof(*way->in_record));
	way->mtimes[index] = st.st_mtim;
	way->in_record[index] = record >= 0;
	return 0;
}

/* Goes down `names`, which hold no links any more, as far as they exist, in the root and beside it in the record. */
static int find_way(int root, int record, const struct strlist *names, struct way *way, struct error **err)
{
	cleanup_close int beside = fcntl(record, F_DUPFD_CLOEXEC, 3);
	cleanup_close int dir = fcntl(root, F_DUPFD_CLOEXEC, 3);

	if (dir < 0 || beside < 0)
		return error_set_errno(err, "keep a directory open");
	int rc = add_step(way, 0, dir, beside, err);
	for (size_t i = 0; rc == 0 && i < names->count; i++) {
		int next = openat(dir, names->items[i], DIRECTORY);
		if (next < 0 && errno == ENOENT)
			break;
		if (next < 0)
			return error_set_errno(err, "open '%s'", names->items[i]);
		fd_close(dir);
		dir = next;
		int next_beside = beside >= 0 ? openat(beside, names->items[i], DIRECTORY) : -1;
		fd_close(beside);
		beside = next_beside;
		way->depth = i + 1;
		rc = add_step(way, i + 1, dir, beside, err);
	}
	way->end = take_fd(&dir);
	return rc;
}

/* Makes what is missing below the way's end; gives the descriptor of the last. */
static int make_rest(const struct way *way, const struct strlist *names, mode_t type, struct error **err)
{
	cleanup_close int dir = fcntl(way->end, F_DUPFD_CLOEXEC, 3);

	for (size_t i = way->depth; i < names->count; i++) {
		const char *name = names->items[i];
		bool is_file = i + 1 == names->count && type != S_IFDIR;
		int made = is_file ? mknodat(dir, name, S_IFREG | 0644, 0) : mkdirat(dir, name, 0755);

		if (made < 0)
			return error_set_errno(err, "make '%s' to mount on", name);
		int next = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return error_set_errno(err, "open '%s'", name);
		fd_close(dir);
		dir = next;
	}
	return take_fd(&dir);
}

/* Notes, in the record, the directories above (brought up from a lower layer, or touched) and what was made. */
static int note_all(struct stubs *stubs, int record, const struct strlist *names, const struct way *way,
		    struct error **err)
{
	static const struct timespec none = {0};
	cleanup_close int dir = fcntl(record, F_DUPFD_CLOEXEC, 3);
	int rc = 0;

	if (way->depth == 0)
		rc = note(stubs, STUB_TOUCHED, dir, "", &way->mtimes[0], err);
	for (size_t i = 0; rc == 0 && i < names->count; i++) {
		int next = openat(dir, names->items[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);

		if (next < 0)
			return error_set_errno(err, "find '%s' again", names->items[i]);
		if (i >= way->depth)
			rc = note(stubs, STUB_MADE, dir, names->items[i], &none, err);
		else if (!way->in_record[i + 1])
			rc = note(stubs, STUB_BROUGHT, dir, names->items[i], &way->mtimes[i + 1], err);
		else if (i + 1 == way->depth)
			rc = note(stubs, STUB_TOUCHED, next, "", &way->mtimes[i + 1], err);
		fd_close(dir);
		dir = next;
	}
	return rc;
}

/* By the mount's number, not the device: a volume may come from the root's own file system. */
static bool same_mount(int a, int b)
{
	struct statx first;
	struct statx second;

	return statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID, &first) == 0 &&
	       statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID, &second) == 0 && first.stx_mnt_id == second.stx_mnt_id;
}

static int make(struct stubs *stubs, int root, int record, const char *path, mode_t type, struct error **err)
{
	cleanup_free char *resolved = NULL;
	cleanup(strlist_done) struct strlist names = {0};
	cleanup(way_done) struct way way = {.end = -1};
	int rc = rootpath_resolve(root, path, &resolved, err);

	if (rc < 0)
		return rc;
	strlist_split(&names, resolved + 1, '/');
	rc = find_way(root, record, &names, &way, err);
	if (rc < 0)
		return rc;
	cleanup_close int place = make_rest(&way, &names, type, err);
	if (place < 0)
		return place;
	/* Below another mount (a volume of the user's, the step's own /dev) it is not in the record, and stays: that is
	 * what mounting into a volume does everywhere. */
	if (same_mount(way.end, root)) {
		rc = note_all(stubs, record, &names, &way, err);
		if (rc < 0)
			return rc;
	}
	return take_fd(&place);
}

int stub_place(struct stubs *stubs, int root, int record, const char *path, mode_t type, struct error **err)
{
	cleanup_close int place = rootpath_open(root, path, O_PATH, 0, NULL);
	struct stat st;

	if (place == -ENOENT) {
		cleanup_close int made = make(stubs, root, record, path, type, err);
		if (made < 0)
			return error_prefix(err, "'%s'", path);
		/* A link through directories that do not exist still leads nowhere; what is mounted at its end could
		 * not be found by who masks it. */
		cleanup_close int again = rootpath_open(root, path, O_PATH, 0, NULL);
		if (again < 0)
			return error_set(err, -again, "'%s' in the image is a link that leads nowhere", path);
		return take_fd(&made);
	}
	if (place < 0)
		return error_set(err, -place, "'%s' in the image: %s", path, strerror(-place));
	if (fstat(place, &st) < 0)
		return error_set_errno(err, "stat '%s'", path);
	if (type == S_IFDIR && !S_ISDIR(st.st_mode))
		return error_set(err, ENOTDIR, "'%s' in the image is not a directory", path);
	if (type != S_IFDIR && S_ISDIR(st.st_mode))
		return error_set(err, EISDIR, "'%s' in the image is a directory", path);
	return take_fd(&place);
}

int stubs_send(struct stubs *stubs, int channel, struct error **err)
{
	for (size_t i = 0; i < stubs->count; i++) {
		struct stub *stub = &stubs->items[i];
		struct stat st;

		if (fstatat(stub->fd, stub->record.name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
			return error_set_errno(err, "stat '%s'", stub->record.name);
		stub->record.after_mtime = st.st_mtim;
		stub->record.after_ctime = st.st_ctim;
		int rc = channel_send(channel, CHANNEL_STUB, 0, &stub->record, sizeof(stub->record), stub->fd);
		if (rc < 0)
			return error_set(err, -rc, "tell of '%s'", stub->record.name);
	}
	return 0;
}

/* ---- The parent's side: unmaking ---- */

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* What the step left of a noted thing, read before anything is undone (undoing changes the times of what is above). */
struct finding {
	int self;  /* the directory itself; -1 when it is not there any more, or not a directory */
	bool same; /* it is still what was noted */
	bool times_kept, state_kept;
	struct timespec mtime;
};

static struct finding look(const struct stub *stub)
{
	const struct stub_record *record = &stub->record;
	struct finding found = {.self = -1};
	struct stat st;

	if (fstatat(stub->fd, record->name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return found;
	found.same = st.st_ino == record->ino && st.st_dev == record->dev;
	found.mtime = st.st_mtim;
	found.times_kept = same_time(&st.st_mtim, &record->after_mtime);
	found.state_kept = found.times_kept && same_time(&st.st_ctim, &record->after_ctime);
	if (found.same && S_ISDIR(st.st_mode))
		found.self = record->kind == STUB_TOUCHED ? fcntl(stub->fd, F_DUPFD_CLOEXEC, 3)
							  : openat(stub->fd, record->name, DIRECTORY);
	return found;
}

static void set_mtime(const struct finding *found, const struct stub_record *record)
{
	char path[FD_PROC_PATH_SIZE];
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT},
		found->times_kept ? record->mtime : found->mtime,
	};

	/* By /proc because futimens(3) refuses O_PATH descriptors. */
	if (utimensat(AT_FDCWD, fd_proc_path(found->self, path), times, 0) < 0)
		log_debug("the time of '%s' could not be set back: %m", record->name);
}

static void undo(const struct stub *stub, const struct finding *found)
{
	const struct stub_record *record = &stub->record;
	struct stat st;

	if (!found->same)
		return; /* the step has replaced it: what is there now is its own */
	if (record->kind == STUB_MADE) {
		bool is_dir = found->self >= 0;
		if (!is_dir && (fstatat(stub->fd, record->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size > 0))
			return;
		if (unlinkat(stub->fd, record->name, is_dir ? AT_REMOVEDIR : 0) < 0)
			log_debug("'%s', made to mount on, stays: %m", record->name);
		return;
	}
	if (record->kind == STUB_BROUGHT && found->state_kept && unlinkat(stub->fd, record->name, AT_REMOVEDIR) == 0)
		return;
	if (found->self >= 0)
		set_mtime(found, record);
}

void stubs_undo(struct stubs *stubs)
{
	struct finding *found = mem_grow(NULL, stubs->count + 1, sizeof(*found));

	for (size_t i = 0; i < stubs->count; i++)
		found[i] = look(&stubs->items[i]);
	/* In reverse, so that a directory is empty when its turn comes. */
	for (size_t i = stubs->count; i > 0; i--) {
		undo(&stubs->items[i - 1], &found[i - 1]);
		fd_close(found[i - 1].self);
	}
	free(found);
	stubs_done(stubs);
}
