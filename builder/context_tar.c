/*
 * A stream of bytes as a context: a tar archive, packed or not, or a lone Dockerfile. libarchive knows the ways of
 * packing; where entries go is decided here. The archive is anybody's: names are resolved inside the directory, links
 * are kept as they are and followed inside of it only, devices and FIFOs are left out, and of the mode only the
 * permission bits count, since a context says nothing about owners.
 */
#include "builder/context_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/archive_library.h"
#include "dockerfile/dockerfile.h"

#define BLOCK_SIZE ((size_t)128 << 10)
#define TAR_HEADER ((size_t)512)
#define ENTRIES_MAX ((uint64_t)20000000)
#define BYTES_MAX ((uint64_t)1 << 40)

/* ---- reading ---- */

struct context_tar {
	struct archive_library call;
	struct archive *archive;
	struct archive_entry *entry;
	int fd;
	const void *start; /* bytes read already, not yet given */
	size_t start_size;
	char *block;
	int root;
	uint64_t entries, bytes;
	int64_t newest; /* time of a file; -1 before there is one */
	/* Directories, with the modes and times they get in the end: until then we must be able to write into them. */
	struct strlist directories;
	struct stat *stats;
};

static void context_tar_done(struct context_tar *tar)
{
	if (tar->archive)
		tar->call.archive_read_free(tar->archive);
	free(tar->block);
	free(tar->stats);
	strlist_done(&tar->directories);
}
CLEANUP_FOR_VALUE(struct context_tar, context_tar_done)

/* A callback of libarchive's: the next bytes. */
static la_ssize_t give_block(struct archive *archive, void *context, const void **data)
{
	struct context_tar *tar = context;

	if (tar->start_size) {
		size_t size = tar->start_size;
		*data = tar->start;
		tar->start_size = 0;
		return (la_ssize_t)size;
	}
	*data = tar->block;
	return fd_read_full(tar->fd, tar->block, BLOCK_SIZE, NULL);
}

static int tar_open(struct context_tar *tar, struct error **err)
{
	int rc = archive_library_load(&tar->call, err);

	if (rc < 0)
		return rc;
	tar->block = mem_grow(NULL, BLOCK_SIZE, 1);
	tar->archive = tar->call.archive_read_new();
	if (!tar->archive)
		return error_set(err, ENOMEM, "libarchive has no memory");
	/* Not all that libarchive has: some of its filters start other programs. */
	tar->call.archive_read_support_filter_gzip(tar->archive);
	tar->call.archive_read_support_filter_bzip2(tar->archive);
	tar->call.archive_read_support_filter_xz(tar->archive);
	tar->call.archive_read_support_filter_zstd(tar->archive);
	tar->call.archive_read_support_format_tar(tar->archive);
	/* Names are bytes to us, whatever the locale. */
	tar->call.archive_read_set_options(tar->archive, "hdrcharset=BINARY");
	if (tar->call.archive_read_open(tar->archive, tar, /* open */ NULL, give_block, /* close */ NULL) == ARCHIVE_OK)
		return 0;
	return error_set(err, EBADMSG, "%s", tar->call.archive_error_string(tar->archive));
}

static int tar_error(struct context_tar *tar, struct error **err)
{
	const char *why = tar->call.archive_error_string(tar->archive);

	return error_set(err, EBADMSG, "%s", why ? why : "damaged archive");
}

/* ---- entries ---- */

/* The directory for `path` (made when missing), with what is there of that name removed. A directory stays for a
 * directory. */
static int make_way(struct context_tar *tar, const char *path, bool is_directory, char **leaf, struct error **err)
{
	struct stat st;
	cleanup_close int parent = rootpath_open_parent(tar->root, path, /* create */ true, leaf, err);

	if (parent < 0)
		return parent;
	if (fstatat(parent, *leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && !(is_directory && S_ISDIR(st.st_mode))) {
		int rc = tree_remove(parent, *leaf, err);
		if (rc < 0)
			return rc;
	}
	return take_fd(&parent);
}

static mode_t mode_of(const struct context_tar *tar)
{
	return tar->call.archive_entry_mode(tar->entry) & 07777;
}

static int write_data(struct context_tar *tar, int fd, struct error **err)
{
	const void *data;
	size_t size;
	la_int64_t offset;
	int status;

	while ((status = tar->call.archive_read_data_block(tar->archive, &data, &size, &offset)) == ARCHIVE_OK) {
		if ((tar->bytes += size) > BYTES_MAX)
			return error_set(err, EFBIG, "the archive holds more than %llu bytes",
					 (unsigned long long)BYTES_MAX);
		if (lseek(fd, offset, SEEK_SET) < 0)
			return error_set_errno(err, "write");
		int rc = fd_write_all(fd, data, size, err);
		if (rc < 0)
			return rc;
	}
	if (status != ARCHIVE_EOF)
		return tar_error(tar, err);
	/* A hole at the end is not among the data. */
	la_int64_t whole = tar->call.archive_entry_size(tar->entry);
	struct stat st;
	if (fstat(fd, &st) == 0 && st.st_size < whole && ftruncate(fd, whole) < 0)
		return error_set_errno(err, "write");
	return 0;
}

static int unpack_file(struct context_tar *tar, int parent, const char *name, struct error **err)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = archive_mtime(&tar->call, tar->entry)}};
	cleanup_close int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_set_errno(err, "make the file");
	if (times[1].tv_sec > tar->newest)
		tar->newest = times[1].tv_sec;
	int rc = write_data(tar, fd, err);
	if (rc < 0)
		return rc;
	if (fchmod(fd, mode_of(tar)) < 0 || futimens(fd, times) < 0)
		return error_set_errno(err, "set mode and time");
	return 0;
}

static int unpack_directory(struct context_tar *tar, int parent, const char *name, const char *path, struct error **err)
{
	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, "make the directory");
	tar->stats = mem_grow(tar->stats, tar->directories.count + 1, sizeof(*tar->stats));
	tar->stats[tar->directories.count] =
		(struct stat){.st_mode = mode_of(tar), .st_mtim.tv_sec = archive_mtime(&tar->call, tar->entry)};
	strlist_append(&tar->directories, path);
	return 0;
}

static int unpack_symlink(struct context_tar *tar, int parent, const char *name, struct error **err)
{
	const char *target = archive_symlink(&tar->call, tar->entry);
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = archive_mtime(&tar->call, tar->entry)}};

	if (!target || !*target)
		return error_set(err, EBADMSG, "a symlink to nothing");
	if (symlinkat(target, parent, name) < 0)
		return error_set_errno(err, "make the link");
	utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

/* The file it is another name of was unpacked before; a link there is linked itself, never what it leads to. */
static int unpack_hardlink(struct context_tar *tar, int parent, const char *name, const char *to, struct error **err)
{
	cleanup_free char *leaf = NULL;
	cleanup_close int there = rootpath_open_parent(tar->root, to, /* create */ false, &leaf, err);

	if (there < 0)
		return there;
	return linkat(there, leaf, parent, name, 0) < 0 ? error_set_errno(err, "link to '%s'", to) : 0;
}

static int unpack_entry(struct context_tar *tar, const char *path, struct error **err)
{
	const struct archive_library *call = &tar->call;
	const char *hardlink = archive_hardlink(call, tar->entry);
	mode_t type = call->archive_entry_filetype(tar->entry);
	cleanup_free char *leaf = NULL;

	bool is_known = hardlink || S_ISREG(type) || S_ISDIR(type) || S_ISLNK(type);
	if (!is_known) {
		log_debug("'%s' in the context is neither file, directory nor link: leaving it out", path);
		return 0;
	}
	cleanup_free char *clean = rootpath_clean(path);
	if (strcmp(clean, "/") == 0) /* "./" */
		return 0;
	cleanup_close int parent = make_way(tar, clean, !hardlink && S_ISDIR(type), &leaf, err);
	if (parent < 0)
		return parent;
	if (hardlink)
		return unpack_hardlink(tar, parent, leaf, hardlink, err);
	if (S_ISDIR(type))
		return unpack_directory(tar, parent, leaf, clean, err);
	return S_ISLNK(type) ? unpack_symlink(tar, parent, leaf, err) : unpack_file(tar, parent, leaf, err);
}

/* Deepest last, so backwards: a directory's time is set when nothing is put into it any more. What was replaced by
 * another kind of file meanwhile is not touched. */
static void dress_directories(struct context_tar *tar)
{
	for (size_t i = tar->directories.count; i-- > 0;) {
		const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, tar->stats[i].st_mtim};
		cleanup_close int fd = rootpath_open(tar->root, tar->directories.items[i],
						     O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, NULL);
		/* We must be able to read our own context, and to remove it. */
		if (fd >= 0 && (fchmod(fd, tar->stats[i].st_mode | 0700) < 0 || futimens(fd, times) < 0))
			log_debug("'%s': mode and time are not kept: %s", tar->directories.items[i], strerror(errno));
	}
}

static int unpack_all(struct context_tar *tar, struct error **err)
{
	for (;;) {
		int status = tar->call.archive_read_next_header(tar->archive, &tar->entry);
		if (status == ARCHIVE_EOF)
			return 0;
		if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
			return tar_error(tar, err);
		if (++tar->entries > ENTRIES_MAX)
			return error_set(err, EFBIG, "the archive has more than %llu entries",
					 (unsigned long long)ENTRIES_MAX);
		const char *name = archive_name(&tar->call, tar->entry);
		if (!name)
			return error_set(err, EBADMSG, "an entry without a name");
		int rc = unpack_entry(tar, name, err);
		if (rc < 0)
			return error_prefix(err, "'%s'", name);
	}
}

/* Unpacks the tar archive that starts with the `size` bytes at `start` and goes on in `fd`, into the directory
 * `dirfd`. Names stay inside of it; owners, devices and attributes do not count in a context. *newest becomes the time
 * of its newest file, if it has any. */
static int unpack(int fd, const void *start, size_t size, int dirfd, int64_t *newest, struct error **err)
{
	cleanup(context_tar_done) struct context_tar tar = {
		.fd = fd, .start = start, .start_size = size, .root = dirfd, .newest = -1};
	int rc = tar_open(&tar, err);

	if (rc == 0)
		rc = unpack_all(&tar, err);
	if (rc == 0)
		dress_directories(&tar);
	if (rc == 0 && tar.newest >= 0)
		*newest = tar.newest;
	return rc;
}

/* ---- archive or Dockerfile ---- */

/* The checksum of a tar header (POSIX ustar): the sum of its bytes, with the field itself as blanks. */
static bool is_tar_header(const unsigned char *bytes)
{
	unsigned long sum = 0, said = 0;

	for (size_t i = 0; i < TAR_HEADER; i++)
		sum += i >= 148 && i < 156 ? ' ' : bytes[i];
	for (size_t i = 148; i < 156; i++)
		if (bytes[i] >= '0' && bytes[i] <= '7')
			said = said * 8 + (unsigned long)(bytes[i] - '0');
	return sum == said;
}

static bool is_archive(const unsigned char *bytes, size_t size)
{
	static const struct {
		const char *bytes;
		size_t size;
	} magic[] = {{"\x1f\x8b\x08", 3},
		     {"BZh", 3},
		     {"\xfd"
		      "7zXZ\0",
		      6},
		     {"\x28\xb5\x2f\xfd", 4}};

	for (size_t i = 0; i < ARRAY_COUNT(magic); i++)
		if (size >= magic[i].size && memcmp(bytes, magic[i].bytes, magic[i].size) == 0)
			return true;
	if (size < TAR_HEADER)
		return false;
	/* An empty archive is nothing but zeros, which no Dockerfile has. */
	return is_tar_header(bytes) || memchr(bytes, 0, size) == bytes;
}

static int take_archive(struct build_context *context, int fd, const void *start, size_t size, struct error **err)
{
	cleanup_free char *path = NULL;
	int rc = context_make_temporary(context, &path, err);
	int64_t newest = -1;

	if (rc == 0)
		rc = unpack(fd, start, size, context->root, &newest, err);
	/* What the server has said of the whole counts more. */
	if (context->time < 0)
		context->time = newest;
	return rc;
}

static int take_text(struct build_context *context, int fd, const void *start, size_t size, struct error **err)
{
	/* Of what is no archive nobody knows the time. */
	if (context->is_for_time)
		return 0;
	buf_append(&context->text, start, size);
	context->has_text = true;
	int rc = fd_read_all(fd, &context->text, err);
	return rc == -EFBIG ? error_hint(err, "it is no tar archive, and too large for a Dockerfile") : rc;
}

int context_take_stream(struct build_context *context, int fd, struct error **err)
{
	cleanup_free char *start = mem_alloc(TAR_HEADER);
	ssize_t size = fd_read_full(fd, start, TAR_HEADER, err);
	int rc = (int)size;

	if (size > 0 && is_archive((const unsigned char *)start, (size_t)size))
		rc = take_archive(context, fd, start, (size_t)size, err);
	else if (size >= 0)
		rc = take_text(context, fd, start, (size_t)size, err);
	return rc < 0 ? error_prefix(err, "build context '%s'", context->where) : 0;
}
