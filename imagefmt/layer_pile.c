/*
 * Layers put together. The members are gone through from the bottom, each on the tree of those below it:
 *
 *	a file, link or whiteout	takes the place of what is there
 *	a directory on nothing		comes as it is
 *	an opaque directory		takes the place of what is there
 *	a directory on a directory	has its own owner, mode, times and attributes, and both contents; it is opaque
 *					when the lower one is
 *	a directory on anything else	takes its place, and is opaque: what was there hides what lies below the pile
 *
 * Everything in it is a copy, by tree_copy_one(). Whiteouts that hide nothing of what lies below are taken out in the
 * end.
 */
#include "imagefmt/layer_pile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/ovlmark.h"
#include "base/ownertable.h"
#include "base/parse.h"
#include "base/tree.h"
#include "imagefmt/layer_internal.h"
#include "imagefmt/layerroot.h"
#include "imagefmt/vouch.h"

#define PREFIX "p-"
#define TREE "fs"
#define MEMBERS "members"
#define MEMBERS_SIZE_MAX ((size_t)16 << 10)
#define ATTRIBUTES_SIZE_MAX 4096
/* Of a layer's tar stream: what is larger costs more to copy than it saves. */
#define SIZE_SMALL ((uint64_t)64 << 10)

/* ---- what it is made of ---- */

bool layer_pile_takes(struct store *store, const struct pile_member *member)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	int layers = store_folder(store, STORE_LAYERS, NULL);
	cleanup_free char *owners = mem_printf("%s/" OWNER_TABLE_FILE, member->name);

	/* What is recorded beside a tree is so by inode, and a copy has another. */
	return layers >= 0 && layer_record_load(layers, member->name, &record, NULL) == 0 &&
	       record.size <= SIZE_SMALL && faccessat(layers, owners, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	       errno == ENOENT && !layer_root_counts(member->tree);
}

/* For what a pile holds, and of what it is. */
static int format_members(struct store *store, const struct pile *pile, struct buf *text, struct error **err)
{
	struct stat st;
	int layers = store_folder(store, STORE_LAYERS, err);

	if (layers < 0)
		return layers;
	if (fstat(layers, &st) < 0)
		return error_set_errno(err, "look at the store's layers");
	buf_printf(text, "2 %s %llx:%llx %s\n", store_boot_id(store), (unsigned long long)st.st_dev,
		   (unsigned long long)st.st_ino, store_id_map(store));
	for (size_t i = 0; i < pile->count; i++)
		buf_printf(text, "%s\n", pile->members[i].name);
	return text->overflow ? error_set(err, E2BIG, "a pile of layers has too long names") : 0;
}

/* ---- putting together ---- */

struct piling {
	int to; /* the tree of the pile */
};

static int refuse(const struct tree_entry *entry, const char *why, struct error **err)
{
	return error_set(err, EOPNOTSUPP, "'%s' %s: these layers stay as they are", entry->path, why);
}

/* Attributes in user.* are kept by every copy; of others it depends on rights. */
static int check_attributes(const struct tree_entry *entry, int fd, struct error **err)
{
	char path[FD_PROC_PATH_SIZE], names[ATTRIBUTES_SIZE_MAX];
	ssize_t size = listxattr(fd_proc_path(fd, path), names, sizeof(names));

	if (size < 0)
		return errno == EOPNOTSUPP ? 0 : refuse(entry, "has many attributes", err);
	for (const char *name = names; name < names + size; name += strlen(name) + 1)
		if (!text_has_prefix(name, "user."))
			return refuse(entry, "has attributes of the system", err);
	return 0;
}

static int check_entry(const struct tree_entry *entry, struct error **err)
{
	mode_t type = entry->st->st_mode & S_IFMT;
	cleanup_close int fd = -1;

	if (entry->is_mount)
		return refuse(entry, "is a mount", err);
	if (ovlmark_is_whiteout(entry->st))
		return 0;
	if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK)
		return refuse(entry, "is a special file", err);
	if (type != S_IFDIR && entry->st->st_nlink > 1)
		return refuse(entry, "has several names", err);
	fd = openat(entry->dirfd, *entry->path ? entry->name : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_set_errno(err, "open '%s'", entry->path) : check_attributes(entry, fd, err);
}

/* The directory of the pile that is to hold the entry. Directories above it were put there before, so that no link is
 * on the way. */
MUST_CHECK static int open_above(const struct piling *piling, const struct tree_entry *entry, struct error **err)
{
	size_t length = (size_t)(entry->name - entry->path);
	cleanup_free char *above = length > 1 ? mem_strndup(entry->path, length - 1) : mem_strdup(".");

	return fd_open_dir(piling->to, above, err);
}

MUST_CHECK static int open_dir(int dirfd, const char *name, struct error **err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? error_set_errno(err, "open '%s'", name) : fd;
}

/* A new directory in the place of whatever is there. */
static int replace_by_dir(int above, const struct tree_entry *entry, bool is_opaque, struct error **err)
{
	int rc = tree_remove(above, entry->name, err);

	if (rc == 0 && mkdirat(above, entry->name, 0700) < 0)
		rc = error_set_errno(err, "make the directory '%s'", entry->path);
	if (rc < 0 || !is_opaque)
		return rc;
	cleanup_close int made = open_dir(above, entry->name, err);
	return made < 0 ? made : ovlmark_set_opaque(made, err);
}

static int put_dir(int above, const struct tree_entry *entry, struct error **err)
{
	struct stat below;
	cleanup_close int own = open_dir(entry->dirfd, entry->name, err);

	if (own < 0)
		return own;
	if (fstatat(above, entry->name, &below, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT && mkdirat(above, entry->name, 0700) == 0
			       ? 0
			       : error_set_errno(err, "make the directory '%s'", entry->path);
	if (!S_ISDIR(below.st_mode))
		return replace_by_dir(above, entry, /* is_opaque */ true, err);
	return ovlmark_is_opaque(own) ? replace_by_dir(above, entry, /* is_opaque */ true, err) : 0;
}

static int put_entry(const struct tree_entry *entry, void *context, struct error **err)
{
	struct piling *piling = context;
	int rc = check_entry(entry, err);

	if (rc < 0 || !*entry->path)
		return rc;
	cleanup_close int above = open_above(piling, entry, err);
	if (above < 0)
		return above;
	if (S_ISDIR(entry->st->st_mode))
		return put_dir(above, entry, err);
	rc = tree_remove(above, entry->name, err);
	return rc < 0 ? rc : tree_copy_one(entry, above, err);
}

/* All attributes but the mark: those of the upper directory come in their place. */
static int strip(int fd, struct error **err)
{
	char names[ATTRIBUTES_SIZE_MAX];
	bool is_opaque = ovlmark_is_opaque(fd);
	ssize_t size = flistxattr(fd, names, sizeof(names));

	if (size < 0)
		return errno == EOPNOTSUPP ? 0 : error_set_errno(err, "list attributes");
	for (const char *name = names; name < names + size; name += strlen(name) + 1)
		if (fremovexattr(fd, name) < 0)
			return error_set_errno(err, "remove the attribute %s", name);
	return is_opaque ? ovlmark_set_opaque(fd, err) : 0;
}

/* What a directory is itself, once it is full. */
static int dress_dir(const struct tree_entry *entry, void *context, struct error **err)
{
	struct piling *piling = context;

	if (!*entry->path)
		return 0;
	cleanup_close int above = open_above(piling, entry, err);
	cleanup_close int made = above < 0 ? above : open_dir(above, entry->name, err);
	if (made < 0)
		return made;
	int rc = strip(made, err);
	return rc < 0 ? rc : tree_copy_one(entry, above, err);
}

/* The root directory of the topmost is the pile's. */
static int dress_root(int from, int to, struct error **err)
{
	struct stat st;

	if (fstat(from, &st) < 0)
		return error_set_errno(err, "look at a layer");
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	if (fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0 || futimens(to, times) < 0)
		return error_set_errno(err, "make the root of a pile");
	return 0;
}

/* ---- what hides nothing ---- */

struct weeding {
	const struct pile *pile;
	char *opaque; /* the directory without anything below it in which the walk is, or NULL */
};

static bool is_seen_below(const struct pile *pile, const char *path)
{
	for (size_t i = pile->below_count; i-- > 0;) {
		cleanup_close int fd = -1;
		struct stat st;
		enum lower_verdict verdict = lower_find(pile->below[i].tree, path, &fd);
		if (verdict != LOWER_SAYS_NOTHING)
			return verdict == LOWER_HAS_IT && fstat(fd, &st) == 0 && !ovlmark_is_whiteout(&st);
	}
	return false;
}

/* Its directory keeps its time. */
static int take_out(const struct tree_entry *entry, struct error **err)
{
	struct stat st;

	if (fstat(entry->dirfd, &st) < 0 || unlinkat(entry->dirfd, entry->name, 0) < 0)
		return error_set_errno(err, "remove the whiteout '%s'", entry->path);
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	if (utimensat(entry->dirfd, "", times, AT_EMPTY_PATH) < 0)
		return error_set_errno(err, "set the times of the directory of '%s'", entry->path);
	return 0;
}

static int weed_entry(const struct tree_entry *entry, void *context, struct error **err)
{
	struct weeding *weeding = context;

	if (ovlmark_is_whiteout(entry->st))
		return weeding->opaque || !is_seen_below(weeding->pile, entry->path) ? take_out(entry, err) : 0;
	if (!S_ISDIR(entry->st->st_mode) || !*entry->path || weeding->opaque)
		return 0;
	cleanup_close int own = open_dir(entry->dirfd, entry->name, err);
	if (own < 0)
		return own;
	if (ovlmark_is_opaque(own))
		weeding->opaque = mem_strdup(entry->path);
	return 0;
}

static int leave_dir(const struct tree_entry *entry, void *context, struct error **err)
{
	struct weeding *weeding = context;

	(void)err;
	if (weeding->opaque && strcmp(weeding->opaque, entry->path) == 0) {
		free(weeding->opaque);
		weeding->opaque = NULL;
	}
	return 0;
}

static int weed(int to, const struct pile *pile, struct error **err)
{
	struct weeding weeding = {.pile = pile};
	int rc = tree_walk(to, weed_entry, leave_dir, &weeding, err);

	free(weeding.opaque);
	return rc;
}

/* ---- all of it ---- */

static int pile_up(int made, const struct pile *pile, const struct buf *text, struct error **err)
{
	if (mkdirat(made, TREE, 0755) < 0)
		return error_set_errno(err, "make a pile of layers");
	cleanup_close int to = open_dir(made, TREE, err);
	struct piling piling = {to};
	int rc = to < 0 ? to : 0;

	for (size_t i = 0; rc >= 0 && i < pile->count; i++)
		rc = tree_walk(pile->members[i].tree, put_entry, dress_dir, &piling, err);
	if (rc >= 0)
		rc = weed(to, pile, err);
	if (rc >= 0)
		rc = dress_root(pile->members[pile->count - 1].tree, to, err);
	return rc < 0 ? rc : atomic_file_write(made, MEMBERS, 0600, text->data, text->len, /* flags */ 0, err);
}

/* ---- in the store ---- */

/* A layer that goes is first moved out of layers/, then taken to pieces: who stands on none of its images while they
 * are removed may have read what was left of it. */
static int check_trees(int layers, const struct pile_member *trees, size_t count, struct error **err)
{
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *path = mem_printf("%s/" TREE, trees[i].name);
		struct stat named, read;
		if (fstatat(layers, path, &named, AT_SYMLINK_NOFOLLOW) < 0 || fstat(trees[i].tree, &read) < 0 ||
		    named.st_ino != read.st_ino || named.st_dev != read.st_dev)
			return error_set(err, ESTALE, "layer %.12s… was removed meanwhile", trees[i].name);
	}
	return 0;
}

static int make_named(struct store *store, const char *name, const struct pile *pile, const struct buf *text,
		      struct error **err)
{
	cleanup_free char *work = store_tmp_name(store, "pile");
	int layers = store_folder(store, STORE_LAYERS, err);
	int tmp = layers < 0 ? layers : store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	if (mkdirat(tmp, work, 0700) < 0)
		return error_set_errno(err, "make a pile of layers");
	cleanup_close int made = open_dir(tmp, work, err);
	int rc = made < 0 ? made : pile_up(made, pile, text, err);
	if (rc >= 0)
		rc = check_trees(layers, pile->members, pile->count, err);
	if (rc >= 0)
		rc = check_trees(layers, pile->below, pile->below_count, err);
	/* Another process may have been faster, with the same. */
	if (rc >= 0 && renameat2(tmp, work, layers, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (rc >= 0 && errno != EEXIST)
		rc = error_set_errno(err, "keep a pile of layers");
	tree_remove(tmp, work, /* else it is swept */ NULL);
	return rc < 0 ? rc : 0;
}

static int hash_of(const struct buf *text, const struct pile *pile, struct digest *digest, struct error **err)
{
	cleanup(hasher_free) struct hasher *hasher = NULL;
	int rc = hasher_new(DIGEST_SHA256, &hasher, err);

	if (rc < 0)
		return rc;
	hasher_update(hasher, buf_str(text), text->len);
	hasher_update(hasher, "\n", 1);
	for (size_t i = 0; i < pile->below_count; i++) {
		hasher_update(hasher, pile->below[i].name, strlen(pile->below[i].name));
		hasher_update(hasher, "\n", 1);
	}
	hasher_finish(hasher, digest);
	return 0;
}

int layer_pile_make(struct store *store, const struct pile *pile, char **name, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MEMBERS_SIZE_MAX);
	struct digest digest;
	char hex[DIGEST_HEX_SIZE];
	int layers = store_folder(store, STORE_LAYERS, err);
	int rc = layers < 0 ? layers : format_members(store, pile, &text, err);

	if (rc == 0)
		rc = hash_of(&text, pile, &digest, err);
	if (rc < 0)
		return rc;
	cleanup_free char *given = mem_printf(PREFIX "%s", digest_hex(&digest, hex));
	if (faccessat(layers, given, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		rc = make_named(store, given, pile, &text, err);
	if (rc == 0)
		*name = take_ptr(&given);
	return rc;
}

/* ---- taking away ---- */

static bool has_all_members(struct store *store, const char *text)
{
	int layers = store_folder(store, STORE_LAYERS, NULL);

	for (const char *line = strchr(text, '\n'); line && *++line;) {
		const char *end = strchrnul(line, '\n');
		cleanup_free char *member = mem_strndup(line, (size_t)(end - line));
		if (layers < 0 || faccessat(layers, member, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return false;
		line = *end ? end : NULL;
	}
	return true;
}

/* Whether it is of this boot and this directory of layers; the id map of who made it may be another than ours. */
static bool is_current(struct store *store, const char *text)
{
	cleanup(buf_done) struct buf head = BUF_INIT(MEMBERS_SIZE_MAX);

	if (format_members(store, &(struct pile){0}, &head, NULL) < 0)
		return false;
	return strncmp(text, buf_str(&head), head.len - strlen(store_id_map(store)) - 1) == 0;
}

static bool stays(struct store *store, int layers, const char *name, const struct strlist *gone)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MEMBERS_SIZE_MAX);
	cleanup_free char *path = mem_printf("%s/" MEMBERS, name);

	if (fd_read_file(layers, path, &text, NULL) < 0)
		return false;
	for (size_t i = 0; gone && i < gone->count; i++)
		if (strstr(buf_str(&text), gone->items[i]))
			return false;
	return gone || (is_current(store, buf_str(&text)) && has_all_members(store, buf_str(&text)));
}

static int take_away(struct store *store, int layers, const char *name, struct strlist *trash, struct error **err)
{
	cleanup_free char *moved = store_tmp_name(store, "old-pile");
	int tmp = store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	if (renameat(layers, name, tmp, moved) < 0)
		return error_set_errno(err, "take away the pile '%s'", name);
	strlist_take(trash, take_ptr(&moved));
	return 0;
}

int layer_piles_take_away(struct store *store, const struct strlist *gone, struct strlist *trash, struct error **err)
{
	int layers = store_folder(store, STORE_LAYERS, err);
	cleanup_directory DIR *names = NULL;
	int rc = layers < 0 ? layers : directory_open(layers, ".", &names, err);

	for (const struct dirent *entry; rc == 0 && (entry = directory_next(names, &rc, err));)
		if (text_has_prefix(entry->d_name, PREFIX) && !stays(store, layers, entry->d_name, gone))
			rc = take_away(store, layers, entry->d_name, trash, err);
	return rc;
}
