/*
 * Files and directories from the source root into the container.
 */
#include "builder/copy_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/owner.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/build_seen.h"

#define LINKS_FIRST 64
#define LINK_TARGET_MAX ((size_t)PATH_MAX)

/* ---- hard links ---------------------------------------------------------------------------------------------------
 */

static struct link_slot *find_slot(const struct link_table *table, dev_t dev, ino_t ino)
{
	uint64_t hash = ((uint64_t)ino ^ (uint64_t)dev << 40) * UINT64_C(0x9e3779b97f4a7c15);
	size_t at = (size_t)(hash >> 32) & (table->size - 1);

	while (table->slots[at].path && (table->slots[at].dev != dev || table->slots[at].ino != ino))
		at = (at + 1) & (table->size - 1);
	return &table->slots[at];
}

static void grow_links(struct link_table *table)
{
	struct link_table bigger = {.size = table->size ? table->size * 2 : LINKS_FIRST, .count = table->count};

	bigger.slots = mem_alloc(bigger.size * sizeof(*bigger.slots));
	for (size_t i = 0; i < table->size; i++) {
		if (table->slots[i].path)
			*find_slot(&bigger, table->slots[i].dev, table->slots[i].ino) = table->slots[i];
	}
	free(table->slots);
	*table = bigger;
}

/* Where what is known of the file by an earlier link stands, or will stand. Borrowed until the next call. */
static struct link_slot *link_of(struct link_table *table, const struct stat *st)
{
	if ((table->count + 1) * 2 > table->size)
		grow_links(table);
	return find_slot(table, st->st_dev, st->st_ino);
}

/* Can another name be given to what the first link became? A later source may have put something else there. */
static bool is_still_there(const struct copy_job *job, const struct link_slot *link)
{
	struct stat st;

	return link->path && rootpath_stat(job->root, link->path, /* follow */ false, &st, NULL) == 0 &&
	       st.st_dev == link->made_dev && st.st_ino == link->made_ino && st.st_size == link->made_size;
}

static void remember_link(struct copy_job *job, struct link_slot *link, const struct stat *source, const char *path,
			  const struct digest *content)
{
	struct stat st;

	if (rootpath_stat(job->root, path, /* follow */ false, &st, NULL) < 0)
		return;
	job->links.count += !link->path;
	free(link->path);
	*link = (struct link_slot){
		.dev = source->st_dev,
		.ino = source->st_ino,
		.path = mem_strdup(path),
		.made_dev = st.st_dev,
		.made_ino = st.st_ino,
		.made_size = st.st_size,
		.content = *content,
	};
}

/* ---- what was added, for the digest ---- */

static void note(struct copy_job *job, const char *path, const struct stat *st, const char *content)
{
	uint32_t uid = job->has_owner ? job->uid : job->keep_owner ? st->st_uid : 0;
	uint32_t gid = job->has_owner ? job->gid : job->keep_owner ? st->st_gid : 0;

	/* The content stands last: a link's target may hold any byte. */
	strlist_printf(&job->digest_lines, "%s %o %o %u %u %s", copy_digest_path(job, path),
		       (unsigned)(st->st_mode & S_IFMT), (unsigned)mode_change_apply(&job->mode, st->st_mode), uid, gid,
		       content);
}

static char *join(const char *directory, const char *path)
{
	if (!*path)
		return mem_strdup(directory);
	return mem_printf("%s/%s", strcmp(directory, "/") == 0 ? "" : directory, path);
}

void copy_tell_seen(const struct copy_job *job, const char *source, const char *path, const struct stat *st,
		    const char *link, const struct digest *content)
{
	struct build_seen *seen = job->options->root ? job->options->root->seen : NULL;
	struct stat shown_st = *st;

	if (!seen)
		return;
	if (job->options->git_modes)
		shown_st.st_mode = copy_git_mode(st->st_mode);
	cleanup_free char *whole = seen->key->parts ? join(source, path) : NULL;
	build_seen_file(seen, path, whole ? whole + strspn(whole, "/") : NULL, &shown_st, link, content);
}

/* ---- one file -----------------------------------------------------------------------------------------------------
 */

/* Most files have no extended attributes: then nobody need ask for them again. */
static int with_attributes(int fd)
{
	return fd < 0 || flistxattr(fd, NULL, 0) == 0 ? -1 : fd;
}

/* A file of an image may stand for something that could not be made here. */
static void apply_record(const struct copy_job *job, int fd, const char *source, struct stat *st)
{
	cleanup_free char *resolved = NULL;
	struct owner_record record;

	if (!job->keep_owner)
		return;
	owner_see(st);
	if (!source || owner_get(fd, &record, NULL) < 0)
		return;
	if (job->vouchers && (rootpath_resolve(job->source_root, source, &resolved, NULL) < 0 ||
			      !vouch_check(job->vouchers, resolved + 1, &record))) {
		log_warn("'%s' was marked by a step as a device or as belonging to somebody else; copying it as it is",
			 source);
		return;
	}
	owner_apply(&record, st);
}

/* The same for what carries no record. */
void copy_see_aside(const struct owner_table *owners, int dirfd, const char *name, struct stat *st)
{
	struct owner_key key;

	owner_see(st);
	if (!owners || owners->count == 0 || owner_key_of(dirfd, name, &key, NULL) < 0)
		return;
	const struct owner_record *record = owner_table_find(owners, &key);
	if (record)
		owner_apply(record, st);
}

static void apply_aside(const struct copy_job *job, int dirfd, const char *name, struct stat *st)
{
	if (job->keep_owner)
		copy_see_aside(job->source_owners, dirfd, name, st);
}

void copy_apply_aside_at(const struct copy_job *job, const char *path, bool follow, struct stat *st)
{
	bool carries_none = !S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode);

	if (job->keep_owner)
		owner_see(st);
	cleanup_close int fd =
		!carries_none || !job->source_owners || job->source_owners->count == 0
			? -1
			: rootpath_open(job->source_root, path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0, NULL);

	if (fd >= 0)
		apply_aside(job, fd, "", st);
}

static bool is_same_time(const struct timespec *one, const struct timespec *other)
{
	return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

static bool is_same_state(const struct stat *one, const struct stat *other)
{
	return one->st_size == other->st_size && is_same_time(&one->st_mtim, &other->st_mtim) &&
	       is_same_time(&one->st_ctim, &other->st_ctim);
}

/* What the key is to know of a file: what the memo knows, where the file stayed as it is while it was copied; else what
 * was written. */
static int fill_and_see(struct copy_job *job, int from, int to, const struct stat *st, struct digest *content,
			struct error **err)
{
	struct build_seen *seen = job->options->root->seen;
	const struct timespec began = build_memo_now();
	bool is_known = build_memo_find(seen->memo, st, content);
	struct digest written;
	struct stat now;
	int rc = copy_content(job, from, to, (uint64_t)st->st_size, is_known ? NULL : &written, err);

	if (rc >= 0 && !is_known)
		rc = build_memo_learn(seen->memo, from, st, &began, &written, content, err);
	if (rc >= 0 && (fstat(from, &now) < 0 || !is_same_state(st, &now)))
		seen->is_unsure = true;
	return rc;
}

static int fill_file(struct copy_job *job, int from, const struct copy_place *to, const char *path,
		     const struct copy_entry *entry, struct digest *content, struct error **err)
{
	const struct copy_options *options = job->options;
	char hex[DIGEST_HEX_SIZE] = "";
	struct digest digest;
	uint64_t size = (uint64_t)entry->st.st_size;

	copy_say_ahead(job, path, TAR_FILE, entry, size);
	int rc = options->root && options->root->seen && content
			 ? fill_and_see(job, from, to->fd, &entry->st, content, err)
			 : copy_content(job, from, to->fd, size, options->root ? NULL : &digest, err);

	if (rc < 0)
		return error_prefix(err, "'%s'", path);
	if (!options->root)
		digest_hex(&digest, hex);
	note(job, path, &entry->st, hex);
	return copy_finish_file(job, path, to, entry, err);
}

int copy_file(struct copy_job *job, int fd, const struct stat *st, const char *source, const char *path,
	      struct digest *content, struct error **err)
{
	struct copy_entry entry = {.st = *st, .attributes = with_attributes(fd)};

	apply_record(job, fd, source, &entry.st);
	if (job->options->git_modes)
		entry.st.st_mode = copy_git_mode(entry.st.st_mode);
	if (S_ISCHR(entry.st.st_mode) || S_ISBLK(entry.st.st_mode)) {
		note(job, path, &entry.st, "device");
		/* One that could not be made lies there as an empty file with a record. */
		int rc = job->options->root && job->options->root->seen && content ? build_memo_empty(fd, content, err)
										   : 0;
		return rc < 0 ? rc : copy_place_node(job, path, &entry, err);
	}
	cleanup(copy_place_done) struct copy_place to = COPY_PLACE_INIT;
	int rc = copy_place_file(job, path, &to, err);
	if (rc >= 0)
		rc = fill_file(job, fd, &to, path, &entry, content, err);
	return rc < 0 ? rc : copy_settle_file(job, path, &to, err);
}

/* ---- a directory's contents -----------------------------------------------------------------------------------------
 */

struct directory_copy {
	struct copy_job *job;
	const char *source; /* in the source root */
	const char *path;   /* in the container */
};

static bool is_left_out(const struct directory_copy *copy, const char *path)
{
	cleanup_free char *source = join(copy->source, path);

	return ignore_rules_match(&copy->job->context_rules, source + strspn(source, "/")) ||
	       ignore_rules_match(&copy->job->exclude_rules, path);
}

static int read_link(const struct tree_entry *entry, char **target, struct error **err)
{
	cleanup_free char *text = mem_alloc(LINK_TARGET_MAX + 1);
	ssize_t size = readlinkat(entry->dirfd, entry->name, text, LINK_TARGET_MAX);

	if (size < 0)
		return error_set_errno(err, "read the link '%s'", entry->path);
	text[size] = '\0';
	*target = take_ptr(&text);
	return 0;
}

/* O_NONBLOCK: it may have become a FIFO since it was looked at. O_NOATIME: that we have read it is nothing that the
 * file system should write down (for each file of a new tree it would); open(2) allows it to the owner. */
static int open_file(const struct tree_entry *entry)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = openat(entry->dirfd, entry->name, flags | O_NOATIME);

	return fd < 0 && errno == EPERM ? openat(entry->dirfd, entry->name, flags) : fd;
}

/* Nodes lose their further names when they are copied, and so does what stands for one. */
static bool is_device(const struct copy_job *job, int fd)
{
	struct owner_record record;

	return job->keep_owner && owner_get(fd, &record, NULL) == 0 && (record.mode & S_IFMT) != 0;
}

static int copy_one_file(const struct directory_copy *copy, const struct tree_entry *entry, const char *path,
			 struct error **err)
{
	struct copy_job *job = copy->job;
	cleanup_free char *source = job->keep_owner ? join(copy->source, entry->path) : NULL;
	struct stat st;
	cleanup_close int fd = open_file(entry);

	if (fd < 0)
		return error_set_errno(err, "open '%s'", entry->path);
	if (fstat(fd, &st) < 0)
		return error_set_errno(err, "'%s'", entry->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EAGAIN, "'%s' changed while it was copied", entry->path);
	struct link_slot *link = st.st_nlink > 1 && !is_device(job, fd) ? link_of(&job->links, &st) : NULL;
	struct digest content = {0};
	int rc;
	if (link && is_still_there(job, link)) {
		content = link->content;
		note(job, path, &st, "link");
		copy_say_ahead(job, path, TAR_HARDLINK,
			       &(struct copy_entry){.st = st, .link = link->path, .attributes = -1}, 0);
		rc = copy_place_hardlink(job, path, link->path, err);
	} else {
		rc = copy_file(job, fd, &st, source, path, &content, err);
		if (rc >= 0 && link)
			remember_link(job, link, &st, path, &content);
	}
	if (rc >= 0)
		copy_tell_seen(job, copy->source, entry->path, &st, /* link */ NULL, &content);
	return rc;
}

/* With the attributes, in which its owner may be recorded, where that counts (build_selection.c). */
static int see_directory(const struct directory_copy *copy, const struct tree_entry *entry, int fd, struct error **err)
{
	const struct build_seen *seen = copy->job->options->root ? copy->job->options->root->seen : NULL;
	bool has_content = seen && seen->keep_owner;
	struct digest content;

	if (has_content && fd < 0)
		return error_set_errno(err, "open '%s'", entry->path);
	int rc = has_content ? build_memo_empty(fd, &content, err) : 0;
	if (rc >= 0)
		copy_tell_seen(copy->job, copy->source, entry->path, entry->st, /* link */ NULL,
			       has_content ? &content : NULL);
	return rc;
}

static int copy_one_directory(const struct directory_copy *copy, const struct tree_entry *entry, const char *path,
			      struct error **err)
{
	struct copy_job *job = copy->job;
	struct copy_entry placed = {.st = *entry->st};
	cleanup_free char *source = job->keep_owner ? join(copy->source, entry->path) : NULL;
	cleanup_close int fd = openat(entry->dirfd, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc = see_directory(copy, entry, fd, err);

	if (rc < 0)
		return rc;
	placed.attributes = with_attributes(fd);
	if (fd >= 0)
		apply_record(job, fd, source, &placed.st);
	if (job->options->git_modes)
		placed.st.st_mode = copy_git_mode(placed.st.st_mode);
	note(job, path, &placed.st, "");
	copy_say_ahead(job, path, TAR_DIRECTORY, &placed, 0);
	return copy_place_directory(job, path, &placed, err);
}

static int visit(const struct tree_entry *entry, void *context, struct error **err)
{
	const struct directory_copy *copy = context;
	struct copy_job *job = copy->job;
	bool is_dir = S_ISDIR(entry->st->st_mode);

	if (!*entry->path) /* the destination, which is there already */
		return TREE_GO_ON;
	if (is_left_out(copy, entry->path)) {
		bool look_inside = job->context_rules.has_exceptions || job->exclude_rules.has_exceptions;
		return is_dir && !look_inside ? TREE_SKIP_CHILDREN : TREE_GO_ON;
	}
	cleanup_free char *path = join(copy->path, entry->path);
	struct copy_entry placed = {.st = *entry->st, .attributes = -1};
	int rc;
	if (!is_dir && !S_ISREG(placed.st.st_mode))
		apply_aside(job, entry->dirfd, entry->name, &placed.st);
	if (is_dir) {
		rc = copy_one_directory(copy, entry, path, err);
	} else if (S_ISREG(entry->st->st_mode)) {
		rc = copy_one_file(copy, entry, path, err);
	} else if (S_ISLNK(entry->st->st_mode)) {
		cleanup_free char *target = NULL;
		rc = read_link(entry, &target, err);
		placed.link = target;
		if (rc >= 0) {
			note(job, path, &placed.st, target);
			copy_tell_seen(job, copy->source, entry->path, &placed.st, target, /* content */ NULL);
			copy_say_ahead(job, path, TAR_SYMLINK, &placed, 0);
			rc = copy_place_symlink(job, path, &placed, err);
		}
	} else {
		note(job, path, &placed.st, "node");
		copy_tell_seen(job, copy->source, entry->path, &placed.st, /* link */ NULL, /* content */ NULL);
		if (S_ISFIFO(placed.st.st_mode))
			copy_say_ahead(job, path, TAR_FIFO, &placed, 0);
		else
			copy_give_up_ahead(job, path);
		rc = copy_place_node(job, path, &placed, err);
	}
	return rc < 0 ? rc : TREE_GO_ON;
}

/* A directory's time is the last thing it gets: what is put into it changes it. */
static int leave(const struct tree_entry *entry, void *context, struct error **err)
{
	const struct directory_copy *copy = context;

	if (*entry->path && !is_left_out(copy, entry->path)) {
		cleanup_free char *path = join(copy->path, entry->path);
		copy_place_directory_time(copy->job, path, entry->st);
	}
	return TREE_GO_ON;
}

int copy_directory(struct copy_job *job, int fd, const char *source, const char *path, struct error **err)
{
	struct directory_copy copy = {job, source, path};

	return tree_walk(fd, visit, leave, &copy, err);
}
