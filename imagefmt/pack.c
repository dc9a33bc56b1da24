/*
 * A tree to a tar: one walk, parents first and names sorted, that reads files straight into the pipeline's blocks. What
 * decides the speed for small files are the system calls: one open, fstat, flistxattr, read and close for each.
 */
#include "imagefmt/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/inodetable.h"
#include "base/log.h"
#include "base/ovlmark.h"
#include "base/owner.h"
#include "base/parse.h"
#include "imagefmt/blob.h"
#include "imagefmt/dirlist.h"
#include "imagefmt/layerroot.h"
#include "imagefmt/layerxattr.h"
#include "imagefmt/normalise.h"
#include "imagefmt/packahead_internal.h"
#include "imagefmt/packqueue.h"
#include "imagefmt/pipeline.h"
#include "imagefmt/tar.h"
#include "imagefmt/tarread.h"

/* xattr(7): the kernel's limits for a list of names and for one value. */
#define XATTR_LIST_SIZE ((size_t)64 << 10)
#define XATTR_VALUE_SIZE ((size_t)64 << 10)
#define HEADER_MAX ((size_t)64 << 20)

struct packer {
	struct pack_queue *queue;
	struct pack_outline *outline;	  /* only the headers are wanted, for this; else NULL */
	struct buf header;		  /* for that */
	const struct owner_table *owners; /* borrowed; may be NULL */
	struct normaliser *normaliser;	  /* puts things in order before they are read; NULL: they are */
	uint64_t entries;
	bool must_touch;	  /* a file's time of access cannot be left alone: it is somebody else's */
	struct buf path;	  /* of the entry at hand, relative, without '/' behind it */
	struct inode_table links; /* files with several names: the path of the first */
	char *xattr_list;
	struct buf xattr_text; /* names and values of the entry's attributes */
	struct tar_xattr *xattrs;
	size_t xattr_count;
	size_t xattr_cap;
};

static void packer_init(struct packer *p, struct pack_queue *queue, const struct owner_table *owners)
{
	*p = (struct packer){.queue = queue, .owners = owners};
	buf_init(&p->header, HEADER_MAX);
	buf_init(&p->path, TAR_PATH_MAX);
	buf_init(&p->xattr_text, HEADER_MAX);
	p->xattr_list = mem_grow(NULL, XATTR_LIST_SIZE, 1);
}

static void packer_done(struct packer *p)
{
	buf_done(&p->header);
	buf_done(&p->path);
	buf_done(&p->xattr_text);
	inode_table_done(&p->links);
	free(p->xattr_list);
	free(p->xattrs);
}
CLEANUP_FOR_VALUE(struct packer, packer_done)

static int fail_errno(const struct packer *p, const char *what, struct error **err)
{
	return error_set_errno(err, "%s '%s'", what, buf_str(&p->path));
}

static int outline_entry(struct packer *p, const struct tar_entry *entry)
{
	buf_clear(&p->header);
	tar_format_entry(entry, &p->header);
	pack_outline_add(p->outline, &p->header, entry->size);
	return 0;
}

static int put_entry(struct packer *p, const struct tar_entry *entry)
{
	if (p->outline)
		return outline_entry(p, entry);
	tar_format_entry(entry, pack_queue_bytes(p->queue));
	p->entries++;
	return pack_queue_put(p->queue);
}

/* Takes the file. */
static int put_entry_with(struct packer *p, const struct tar_entry *entry, int fd)
{
	if (p->outline) {
		fd_close(fd);
		return outline_entry(p, entry);
	}
	tar_format_entry(entry, pack_queue_bytes(p->queue));
	p->entries++;
	return pack_queue_put_file(p->queue, fd, entry->size, entry->path);
}

static struct tar_entry entry_of(const struct packer *p, const struct stat *st, enum tar_type type)
{
	return (struct tar_entry){
		.path = buf_str(&p->path),
		.type = type,
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime = st->st_mtim.tv_sec,
		.xattrs = p->xattrs,
		.xattr_count = p->xattr_count,
	};
}

/* ---- extended attributes ---- */

/* What the attributes of a file or directory said beside those that go into the tar. */
struct marks {
	bool has_owner;
	bool is_opaque;
};

static int add_xattr(struct packer *p, int fd, const char *name, const char *tar_name, struct error **err)
{
	size_t name_size = strlen(tar_name) + 1;
	cleanup_free char *value = mem_grow(NULL, XATTR_VALUE_SIZE, 1);
	ssize_t got = fgetxattr(fd, name, value, XATTR_VALUE_SIZE);

	if (got < 0)
		return fail_errno(p, "read an extended attribute of", err);
	if (strchr(tar_name, '=') != NULL)
		return error_set(err, EINVAL, "'%s': no tar can hold an extended attribute named '%s'",
				 buf_str(&p->path), tar_name);
	size_t size = (size_t)got;
	layer_xattr_normalise(name, value, &size);
	if (p->xattr_count == p->xattr_cap) {
		p->xattr_cap = p->xattr_cap == 0 ? 8 : p->xattr_cap * 2;
		p->xattrs = mem_grow(p->xattrs, p->xattr_cap, sizeof(*p->xattrs));
	}
	/* Offsets until all are there: the text may still move. */
	p->xattrs[p->xattr_count++] = (struct tar_xattr){.size = size};
	buf_append(&p->xattr_text, tar_name, name_size);
	buf_append(&p->xattr_text, value, size);
	return 0;
}

static void point_xattrs(struct packer *p)
{
	const char *at = buf_str(&p->xattr_text);

	for (size_t i = 0; i < p->xattr_count; i++) {
		p->xattrs[i].name = at;
		p->xattrs[i].value = at + strlen(at) + 1;
		at = (const char *)p->xattrs[i].value + p->xattrs[i].size;
	}
}

static int read_xattrs(struct packer *p, int fd, struct marks *marks, struct error **err)
{
	*marks = (struct marks){0};
	p->xattr_count = 0;
	ssize_t size = flistxattr(fd, p->xattr_list, XATTR_LIST_SIZE);
	if (size < 0 && errno != EOPNOTSUPP)
		return fail_errno(p, "list the extended attributes of", err);
	buf_clear(&p->xattr_text);
	for (const char *name = p->xattr_list; size > 0 && name < p->xattr_list + size; name += strlen(name) + 1) {
		cleanup_free char *tar_name = layer_xattr_to_tar(name);
		if (tar_name != NULL) {
			int rc = add_xattr(p, fd, name, tar_name, err);
			if (rc < 0)
				return rc;
		} else if (strcmp(name, OWNER_XATTR) == 0) {
			marks->has_owner = true;
		} else if (ovlmark_classify(name) == OVLMARK_KERNEL) {
			marks->is_opaque |= ovlmark_is_opaque(fd);
		}
	}
	point_xattrs(p);
	return 0;
}

/* Puts what cooper recorded about the owner over what the kernel says. */
static int read_marks(struct packer *p, int fd, struct stat *st, struct marks *marks, struct error **err)
{
	struct owner_record record;
	int rc = read_xattrs(p, fd, marks, err);

	if (rc < 0 || !marks->has_owner)
		return rc;
	rc = owner_get(fd, &record, err);
	if (rc < 0)
		return error_prefix(err, "'%s'", buf_str(&p->path));
	owner_apply(&record, st);
	return 0;
}

/* The same for what carries no attributes. */
static int read_owner_aside(const struct packer *p, int dirfd, const char *name, struct stat *st, struct error **err)
{
	struct owner_key key;

	if (p->owners == NULL || p->owners->count == 0)
		return 0;
	int rc = owner_key_of(dirfd, name, &key, err);
	const struct owner_record *record = rc < 0 ? NULL : owner_table_find(p->owners, &key);
	if (record != NULL)
		owner_apply(record, st);
	return rc;
}

/* ---- entries ---- */

/* The directory whose children are read, as far as putting them in order is concerned. */
struct parent {
	bool merges;	   /* things of lower layers can be seen in it */
	bool has_lost_one; /* something was taken out of it */
};

static int put_device(struct packer *p, const struct stat *st, struct error **err)
{
	struct tar_entry entry = entry_of(p, st, S_ISCHR(st->st_mode) ? TAR_CHARDEV : TAR_BLOCKDEV);

	if (major(st->st_rdev) > TAR_DEVICE_MAX || minor(st->st_rdev) > TAR_DEVICE_MAX)
		return error_set(err, EINVAL, "'%s': no tar can hold the device %u:%u", buf_str(&p->path),
				 major(st->st_rdev), minor(st->st_rdev));
	entry.major = major(st->st_rdev);
	entry.minor = minor(st->st_rdev);
	return put_entry(p, &entry);
}

static int changed_meanwhile(const struct packer *p, struct error **err)
{
	return error_set(err, EIO, "'%s' changed while it was read", buf_str(&p->path));
}

static int put_hardlink(struct packer *p, const struct stat *st, const char *first)
{
	struct tar_entry entry = entry_of(p, st, TAR_HARDLINK);

	entry.link = first;
	entry.xattr_count = 0; /* the file has said it */
	return put_entry(p, &entry);
}

/* The path under which this file has been written before, or NULL. */
static const char *seen_before(struct packer *p, const struct stat *st)
{
	return st->st_nlink > 1 ? inode_table_visit(&p->links, st, buf_str(&p->path)) : NULL;
}

/* O_NOATIME: else the first look at each new file would be written down (mount(8), relatime). open(2) allows it to who
 * owns the file, and to root. */
static int open_to_read(struct packer *p, int dirfd, const char *name, int flags, struct error **err)
{
	flags |= O_RDONLY | O_NOFOLLOW | O_CLOEXEC;
	int fd = p->must_touch ? -1 : openat(dirfd, name, flags | O_NOATIME);

	if (fd < 0 && (p->must_touch || errno == EPERM)) {
		fd = openat(dirfd, name, flags);
		p->must_touch = p->must_touch || fd >= 0;
	}
	return fd < 0 ? fail_errno(p, "open", err) : fd;
}

static int put_file(struct packer *p, int dirfd, const char *name, struct error **err)
{
	/* O_NONBLOCK: should a FIFO have taken the name meanwhile. */
	cleanup_close int fd = open_to_read(p, dirfd, name, O_NONBLOCK, err);
	struct marks marks = {0};
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return fail_errno(p, "stat", err);
	if (!S_ISREG(st.st_mode))
		return changed_meanwhile(p, err);
	bool has_xattrs = true;
	/* By its first name the file has been put in order, and is in the tar as it was then: what would be judged
	 * otherwise by another name must not change any more. */
	const char *first = seen_before(p, &st);
	int rc = p->normaliser && !first ? normalise_file(p->normaliser, fd, &st, &has_xattrs, err) : 0;
	if (rc < 0)
		return rc;
	owner_see(&st);
	uint64_t size = (uint64_t)st.st_size;
	p->xattr_count = 0;
	rc = has_xattrs ? read_marks(p, fd, &st, &marks, err) : 0;
	if (rc < 0)
		return rc;
	if (first != NULL)
		return put_hardlink(p, &st, first);
	if (!S_ISREG(st.st_mode))
		return put_device(p, &st, err);
	struct tar_entry entry = entry_of(p, &st, TAR_FILE);
	entry.size = size;
	return size > 0 ? put_entry_with(p, &entry, take_fd(&fd)) : put_entry(p, &entry);
}

static int put_symlink(struct packer *p, int dirfd, const char *name, const struct stat *st, struct error **err)
{
	cleanup_free char *target = mem_alloc(PATH_MAX + 1);
	struct tar_entry entry = entry_of(p, st, TAR_SYMLINK);

	if (readlinkat(dirfd, name, target, PATH_MAX) < 0)
		return fail_errno(p, "read the link", err);
	entry.link = target;
	return put_entry(p, &entry);
}

/* ".wh.name" beside where `name` was: says that the layers below have nothing there. */
static int put_whiteout(struct packer *p, size_t name_at)
{
	cleanup_free char *path = mem_printf("%.*s" LAYER_WHITEOUT_PREFIX "%s", (int)name_at, buf_str(&p->path),
					     buf_str(&p->path) + name_at);

	return put_entry(p, &(struct tar_entry){.path = path, .type = TAR_FILE});
}

static int put_other(struct packer *p, int dirfd, const char *name, size_t name_at, struct parent *parent,
		     struct error **err)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno(p, "stat", err);
	int rc = p->normaliser ? normalise_other(p->normaliser, dirfd, name, &st, parent->merges, err) : NORMALISE_KEPT;
	if (rc < 0)
		return rc;
	parent->has_lost_one |= rc != NORMALISE_KEPT;
	if (rc == NORMALISE_REMOVED)
		return 0;
	p->xattr_count = 0; /* user.* is for files and directories; the kernel keeps none that we want on others */
	if (ovlmark_is_whiteout(&st))
		return put_whiteout(p, name_at);
	if (S_ISSOCK(st.st_mode)) {
		log_debug("'%s' is a socket and left out of the layer", buf_str(&p->path));
		return 0;
	}
	owner_see(&st);
	rc = read_owner_aside(p, dirfd, name, &st, err);
	if (rc < 0)
		return rc;
	const char *first = seen_before(p, &st);
	if (first != NULL)
		return put_hardlink(p, &st, first);
	if (S_ISLNK(st.st_mode))
		return put_symlink(p, dirfd, name, &st, err);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		return put_device(p, &st, err);
	if (!S_ISFIFO(st.st_mode))
		return changed_meanwhile(p, err);
	struct tar_entry entry = entry_of(p, &st, TAR_FIFO);
	return put_entry(p, &entry);
}

/* "./", where the layer says something of its root. */
static int put_root(struct packer *p, int fd, struct error **err)
{
	struct marks marks;
	struct stat st;

	if (!layer_root_is_said(fd))
		return 0;
	if (fstat(fd, &st) < 0)
		return error_set_errno(err, "stat the layer's tree");
	owner_see(&st);
	int rc = read_marks(p, fd, &st, &marks, err);
	if (rc < 0)
		return rc;
	buf_append_str(&p->path, "./");
	struct tar_entry entry = entry_of(p, &st, TAR_DIRECTORY);
	rc = put_entry(p, &entry);
	buf_clear(&p->path);
	return rc;
}

static int put_children(struct packer *p, int dirfd, struct parent *parent, struct error **err);

/* `merges` is of the directory that holds it. */
static int put_directory(struct packer *p, int dirfd, const char *name, bool merges, struct error **err)
{
	cleanup_close int fd = open_to_read(p, dirfd, name, O_DIRECTORY, err);
	struct parent self = {.merges = merges};
	struct marks marks = {0};
	bool has_xattrs = true;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return fail_errno(p, "stat", err);
	int rc = p->normaliser ? normalise_dir(p->normaliser, fd, &st, &self.merges, &has_xattrs, err) : 0;
	if (rc < 0)
		return rc;
	struct stat seen = st;
	owner_see(&seen);
	p->xattr_count = 0;
	rc = has_xattrs ? read_marks(p, fd, &seen, &marks, err) : 0;
	if (rc < 0)
		return rc;
	buf_append_char(&p->path, '/');
	struct tar_entry entry = entry_of(p, &seen, TAR_DIRECTORY);
	rc = put_entry(p, &entry);
	if (rc == 0 && marks.is_opaque) {
		cleanup_free char *path = mem_printf("%s" LAYER_WHITEOUT_OPAQUE, buf_str(&p->path));
		rc = put_entry(p, &(struct tar_entry){.path = path, .type = TAR_FILE});
	}
	if (rc == 0)
		rc = put_children(p, fd, &self, err);
	return rc == 0 && self.has_lost_one ? normalise_time_again(p->normaliser, fd, &st, err) : rc;
}

static int put_child(struct packer *p, int dirfd, const struct dir_name *child, size_t name_at, struct parent *parent,
		     struct error **err)
{
	unsigned char type = child->type;
	struct stat st;

	if (text_has_prefix(child->name, LAYER_WHITEOUT_PREFIX))
		return error_set(err, EINVAL,
				 "'%s' cannot be in a layer: names that begin with '" LAYER_WHITEOUT_PREFIX
				 "' mean that a file was removed",
				 buf_str(&p->path));
	if (type == DT_UNKNOWN) {
		if (fstatat(dirfd, child->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return fail_errno(p, "stat", err);
		type = IFTODT(st.st_mode);
	}
	if (type == DT_REG)
		return put_file(p, dirfd, child->name, err);
	if (type == DT_DIR)
		return put_directory(p, dirfd, child->name, parent->merges, err);
	return put_other(p, dirfd, child->name, name_at, parent, err);
}

/* p->path is the directory's, with '/' behind it, or "" for the root; it is the same again afterwards. */
static int put_children(struct packer *p, int dirfd, struct parent *parent, struct error **err)
{
	cleanup(dir_list_done) struct dir_list list = {0};
	size_t name_at = p->path.len;
	int rc = dir_list_read(dirfd, &list, err);

	if (rc < 0)
		return error_prefix(err, "'%s'", buf_str(&p->path));
	if (name_at == 0)
		rc = put_root(p, dirfd, err);
	for (size_t i = 0; rc == 0 && i < list.count; i++) {
		buf_append_str(&p->path, list.names[i].name);
		if (p->path.overflow)
			return error_set(err, ENAMETOOLONG, "the path '%.100s…' is longer than %d bytes",
					 buf_str(&p->path), TAR_PATH_MAX);
		rc = put_child(p, dirfd, &list.names[i], name_at, parent, err);
		p->path.len = name_at;
		if (p->path.data != NULL)
			p->path.data[name_at] = '\0';
	}
	return rc;
}

/* All that is below the root, which is put in order itself before and after that. */
static int put_tree(struct packer *p, int root, const struct normalise_options *normalise, struct error **err)
{
	cleanup(normaliser_done) struct normaliser n = {0};
	struct parent self = {0};
	struct stat st;

	if (normalise == NULL)
		return put_children(p, root, &self, err);
	if (fstat(root, &st) < 0)
		return error_set_errno(err, "stat the upper directory");
	normaliser_init(&n, root, normalise, &p->path);
	p->normaliser = &n;
	self.merges = normalise->lower_count > 0;
	int rc = normalise_root(&n, root, &st, err);
	if (rc == 0)
		rc = put_children(p, root, &self, err);
	if (rc == 0 && self.has_lost_one)
		rc = normalise_time_again(&n, root, &st, err);
	normaliser_say_lists(&n);
	if (rc == 0)
		normaliser_keep_owners(&n);
	p->normaliser = NULL;
	return rc;
}

struct pack_job {
	int dirfd;
	const struct owner_table *owners;
	const struct normalise_options *normalise; /* NULL: it is in order */
};

/* The walk without the contents. 1: the tar that was made ahead is the tree's. */
static int take_ahead(const struct pack_job *job, struct pack_ahead *ahead, int root, struct pack_result *result,
		      struct error **err)
{
	cleanup(pack_outline_done) struct pack_outline outline = {0};
	cleanup(packer_done) struct packer p = {0};
	/* Its own open file: a directory is read once through one. */
	cleanup_close int own = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (own < 0)
		return error_set_errno(err, "open the layer's tree");
	int rc = pack_outline_init(&outline, err);
	if (rc < 0)
		return rc;
	packer_init(&p, /* queue */ NULL, job->owners);
	p.outline = &outline;
	rc = put_tree(&p, own, job->normalise, err);
	return rc < 0 ? rc : pack_ahead_take(ahead, &outline, result);
}

static int pack(const struct pack_job *job, const struct pipeline_options *options, struct pack_result *result,
		struct error **err)
{
	static const char zeros[2 * TAR_BLOCK];
	cleanup(pipeline_free) struct pipeline *pipeline = NULL;
	cleanup(pack_queue_free) struct pack_queue *queue = NULL;
	cleanup(packer_done) struct packer p = {0};
	/* Its own open file: the caller's may stand anywhere in the directory. */
	cleanup_close int root = openat(job->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return error_set_errno(err, "open the layer's tree");
	struct pack_ahead *ahead = job->normalise ? job->normalise->ahead : NULL;
	int rc = pack_ahead_is_on(ahead) ? take_ahead(job, ahead, root, result, err) : 0;
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = pipeline_new(options, &pipeline, err);
	if (rc < 0)
		return rc;
	pack_queue_new(pipeline, &queue);
	packer_init(&p, queue, job->owners);
	rc = put_tree(&p, root, job->normalise, err);
	if (rc < 0 && rc != PACK_QUEUE_BROKEN)
		return rc;
	if (rc == 0)
		buf_append(pack_queue_bytes(queue), zeros, sizeof(zeros));
	rc = pack_queue_finish(queue, err);
	if (rc < 0 && rc != PACK_QUEUE_BROKEN)
		return rc;
	struct pack_result packed = {.entries = p.entries};
	rc = pipeline_finish(pipeline, &packed.diff_id, &packed.size, err);
	if (rc < 0)
		return rc;
	packed.crc.is_known = pipeline_crc(pipeline, &packed.crc.value);
	*result = packed;
	return 0;
}

int pack_finish(int upper, const struct normalise_options *options, struct pack_result *result, struct error **err)
{
	const struct pack_job job = {.dirfd = upper, .owners = options->owners, .normalise = options};

	return pack(&job, &(struct pipeline_options){.sums = PIPELINE_DIGEST_AND_CRC}, result, err);
}

int pack_tree(int dirfd, const struct owner_table *owners, pack_sink *sink, void *context, struct pack_result *result,
	      struct error **err)
{
	const struct pack_job job = {.dirfd = dirfd, .owners = owners};

	return pack(&job, &(struct pipeline_options){.plain_sink = sink, .plain_context = context}, result, err);
}

static int write_to_blob(const void *data, size_t size, void *context, struct error **err)
{
	return blob_writer_write(context, data, size, err);
}

int pack_finish_packed(int upper, const struct normalise_options *options, const struct codec_recipe *recipe,
		       struct blob_writer *writer, struct pack_result *result, struct error **err)
{
	const struct pack_job job = {.dirfd = upper, .owners = options->owners, .normalise = options};
	const struct pipeline_options into = {
		.sums = PIPELINE_DIGEST_AND_CRC, .recipe = recipe, .sink = write_to_blob, .context = writer};

	return pack(&job, &into, result, err);
}

/* What was packed by its digest, or where none was made by size and CRC: 0, and then the digest is there. */
static int compare(const struct pack_want *want, struct pack_result *packed, struct error **err)
{
	char wanted[DIGEST_TEXT_SIZE], got[DIGEST_TEXT_SIZE];

	if (!digest_is_null(&packed->diff_id)) {
		if (digest_equal(&want->diff_id, &packed->diff_id))
			return 0;
		return error_set(err, EBADMSG, "the layer %s has changed on disk: it now packs to %s",
				 digest_format(&want->diff_id, wanted), digest_format(&packed->diff_id, got));
	}
	if (packed->size != want->size)
		return error_set(err, EBADMSG, "the layer %s has changed on disk: it now packs to %llu bytes, not %llu",
				 digest_format(&want->diff_id, wanted), (unsigned long long)packed->size,
				 (unsigned long long)want->size);
	if (packed->crc.value != want->crc.value)
		return error_set(
			err, EBADMSG,
			"the layer %s has changed on disk: it now packs to a tar with the CRC-32 %08x, not %08x",
			digest_format(&want->diff_id, wanted), packed->crc.value, want->crc.value);
	packed->diff_id = want->diff_id;
	return 0;
}

int pack_into_blob(struct blob_writer *writer, int dirfd, const struct owner_table *owners,
		   const struct codec_recipe *recipe, const struct pack_want *want, struct pack_result *result,
		   struct pack_blob *blob, struct error **err)
{
	struct pipeline_options options = {
		.sums = want && want->crc.is_known ? PIPELINE_CRC : PIPELINE_DIGEST,
		.recipe = recipe,
		.sink = write_to_blob,
		.context = writer,
	};
	struct pack_result packed;
	int rc = pack(&(struct pack_job){.dirfd = dirfd, .owners = owners}, &options, &packed, err);

	if (rc < 0)
		return rc;
	rc = want ? compare(want, &packed, err) : 0;
	if (rc < 0)
		return rc;
	struct pack_blob made = {0};
	rc = blob_writer_commit(writer, &made.digest, &made.size, err);
	if (rc < 0)
		return rc;
	memcpy(made.codec, recipe->name, sizeof(made.codec));
	*result = packed;
	*blob = made;
	return 0;
}

int pack_to_blob(struct store *store, int dirfd, const struct owner_table *owners, enum codec codec, int level,
		 const struct pack_want *want, struct pack_result *result, struct pack_blob *blob, struct error **err)
{
	cleanup(blob_writer_free) struct blob_writer *writer = NULL;
	struct codec_recipe recipe;
	int rc = codec_recipe_init(codec, level, &recipe, err);

	if (rc == 0)
		rc = blob_writer_new(store, /* want */ NULL, BLOB_SIZE_UNKNOWN, &writer, err);
	return rc < 0 ? rc : pack_into_blob(writer, dirfd, owners, &recipe, want, result, blob, err);
}
