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
 * Everything in it is a copy, by tree_copy_one().
 */
#include "imagefmt/layer_pile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/ovlmark.h"
#include "base/ownertable.h"
#include "base/parse.h"
#include "base/tree.h"
#include "imagefmt/layer_internal.h"
#include "imagefmt/layerroot.h"

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
static int format_members(struct store *store, const struct pile_member *members, size_t count, struct buf *text,
			  struct error **err)
{
	struct stat st;
	int layers = store_folder(store, STORE_LAYERS, err);

	if (layers < 0)
		return layers;
	if (fstat(layers, &st) < 0)
		return error_set_errno(err, "look at the store's layers");
	buf_printf(text, "1 %s %llx:%llx %s\n", store_boot_id(store), (unsigned long long)st.st_dev,
		   (unsigned long long)st.st_ino, store_id_map(store));
	for (size_t i = 0; i < count; i++)
		buf_printf(text, "%s\n", members[i].name);
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

static int pile_up(int made, const struct pile_member *members, size_t count, const struct buf *text,
		   struct error **err)
{
	if (mkdirat(made, TREE, 0755) < 0)
		return error_set_errno(err, "make a pile of layers");
	cleanup_close int to = open_dir(made, TREE, err);
	struct piling piling = {to};
	int rc = to < 0 ? to : 0;

	for (size_t i = 0; rc >= 0 && i < count; i++)
		rc = tree_walk(members[i].tree, put_entry, dress_dir, &piling, err);
	if (rc >= 0)
		rc = dress_root(members[count - 1].tree, to, err);
	return rc < 0 ? rc : atomic_file_write(made, MEMBERS, 0600, text->data, text->len, /* flags */ 0, err);
}

/* ---- in the store ---- */

static int make_named(struct store *store, const char *name, const struct pile_member *members, size_t count,
		      const struct buf *text, struct error **err)
{
	cleanup_free char *work = store_tmp_name(store, "pile");
	int layers = store_folder(store, STORE_LAYERS, err);
	int tmp = layers < 0 ? layers : store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	if (mkdirat(tmp, work, 0700) < 0)
		return error_set_errno(err, "make a pile of layers");
	cleanup_close int made = open_dir(tmp, work, err);
	int rc = made < 0 ? made : pile_up(made, members, count, text, err);
	/* Another process may have been faster, with the same. */
	if (rc >= 0 && renameat2(tmp, work, layers, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (rc >= 0 && errno != EEXIST)
		rc = error_set_errno(err, "keep a pile of layers");
	tree_remove(tmp, work, /* else it is swept */ NULL);
	return rc < 0 ? rc : 0;
}

int layer_pile_make(struct store *store, const struct pile_member *members, size_t count, char **name,
		    struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MEMBERS_SIZE_MAX);
	struct digest digest;
	char hex[DIGEST_HEX_SIZE];
	int layers = store_folder(store, STORE_LAYERS, err);
	int rc = layers < 0 ? layers : format_members(store, members, count, &text, err);

	if (rc == 0)
		rc = digest_of(buf_str(&text), text.len, &digest, err);
	if (rc < 0)
		return rc;
	cleanup_free char *given = mem_printf(PREFIX "%s", digest_hex(&digest, hex));
	if (faccessat(layers, given, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		rc = make_named(store, given, members, count, &text, err);
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

	if (format_members(store, /* members */ NULL, 0, &head, NULL) < 0)
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
	int fd = layers < 0 ? -1 : openat(layers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	int rc = 0;

	if (!names) {
		fd_close(fd);
		return layers < 0 ? layers : error_set(err, EIO, "read the store's layers");
	}
	for (const struct dirent *entry; rc == 0 && (entry = readdir(names));)
		if (text_has_prefix(entry->d_name, PREFIX) && !stays(store, layers, entry->d_name, gone))
			rc = take_away(store, layers, entry->d_name, trash, err);
	closedir(names);
	return rc;
}
