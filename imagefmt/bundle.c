/*
 * Bundles: directories through base/'s in-root functions; archives by a table of their members, made in one pass that
 * skips the data of large ones, and read by offset afterwards.
 */
#include "imagefmt/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rootpath.h"
#include "imagefmt/blob.h"
#include "imagefmt/codec.h"
#include "imagefmt/tarread.h"

#define MEMBERS_MAX 65536
#define MEMBER_NAMES_MAX ((size_t)16 << 20) /* bytes of all names and links */
#define LINKS_MAX 16
#define UNPACKED_MAX ((uint64_t)1 << 40)
#define SKIP_MIN ((uint64_t)1 << 20) /* data smaller than this is read over rather than sought over */

struct member {
	char *name; /* cleaned: "/a/b" */
	char *link; /* of links: what they name, cleaned, inside the archive; NULL for files */
	uint64_t offset;
	uint64_t size;
};

struct bundle {
	int fd; /* the directory or the archive */
	bool is_archive;
	struct member *members;
	size_t member_count;
	size_t name_bytes;
};

int bundle_open_directory(const char *path, struct bundle **bundle, struct error **err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "open '%s'", path);
	struct bundle *opened = mem_alloc(sizeof(*opened));
	opened->fd = fd;
	*bundle = opened;
	return 0;
}

void bundle_close(struct bundle *bundle)
{
	if (!bundle)
		return;
	for (size_t i = 0; i < bundle->member_count; i++) {
		free(bundle->members[i].name);
		free(bundle->members[i].link);
	}
	free(bundle->members);
	fd_close(bundle->fd);
	free(bundle);
}

/* ---- The table of an archive ---- */

/* Where a link leads: a hard link's name counts from the archive's top, a symlink's from its own folder. */
static char *clean_link(const struct tar_entry *entry)
{
	if (entry->type == TAR_HARDLINK || entry->link[0] == '/')
		return rootpath_clean(entry->link);
	const char *slash = strrchr(entry->path, '/');
	int folder_len = slash ? (int)(slash - entry->path) : 0;
	cleanup_free char *joined = mem_printf("%.*s/%s", folder_len, entry->path, entry->link);
	return rootpath_clean(joined);
}

static int add_member(struct bundle *bundle, const struct tar_entry *entry, uint64_t offset, struct error **err)
{
	bool is_link = entry->type == TAR_SYMLINK || entry->type == TAR_HARDLINK;
	if (!is_link && entry->type != TAR_FILE)
		return 0;
	bundle->name_bytes += strlen(entry->path) + (is_link ? strlen(entry->link) : 0);
	if (bundle->member_count == MEMBERS_MAX || bundle->name_bytes > MEMBER_NAMES_MAX)
		return error_set(err, EFBIG, "more files than an archive of images can have");

	size_t count = bundle->member_count + 1;
	if ((count & (count - 1)) == 0 || count == 1)
		bundle->members = mem_grow(bundle->members, 2 * count, sizeof(*bundle->members));
	bundle->members[bundle->member_count++] = (struct member){
		.name = rootpath_clean(entry->path),
		.link = is_link ? clean_link(entry) : NULL,
		.offset = offset,
		.size = entry->size,
	};
	return 0;
}

/* The archive from `start` on: a reader that is made anew when data is sought over. */
struct scan {
	struct bundle *bundle;
	uint64_t start;
	uint64_t file_size;
	struct stream_fd stream;
	struct tar_reader *reader;
};

static int scan_from(struct scan *scan, uint64_t start, struct error **err)
{
	if (lseek(scan->bundle->fd, (off_t)start, SEEK_SET) < 0)
		return error_set_errno(err, "seek");
	tar_reader_free(scan->reader);
	stream_fd_done(&scan->stream);
	stream_fd_init(&scan->stream, scan->bundle->fd);
	tar_reader_new(stream_fd_next, &scan->stream, &scan->reader);
	scan->start = start;
	return 0;
}

static void scan_done(struct scan *scan)
{
	tar_reader_free(scan->reader);
	stream_fd_done(&scan->stream);
}
CLEANUP_FOR_VALUE(struct scan, scan_done)

static int scan_entry(struct scan *scan, const struct tar_entry *entry, struct error **err)
{
	if (tar_reader_is_sparse(scan->reader))
		return error_set(err, EBADMSG, "'%s' is stored as a sparse file", entry->path);
	uint64_t offset = scan->start + tar_reader_position(scan->reader);
	uint64_t left = scan->file_size - offset;
	if (offset > scan->file_size || entry->size > left)
		return error_set(err, EBADMSG, "the archive ends within '%s'", entry->path);
	uint64_t size = entry->size;
	int rc = add_member(scan->bundle, entry, offset, err); /* `entry` is stale once we seek */
	if (rc < 0 || size < SKIP_MIN || left - size < tar_padding(size))
		return rc;
	return scan_from(scan, offset + size + tar_padding(size), err);
}

static int scan_archive(struct bundle *bundle, struct error **err)
{
	struct stat st;
	if (fstat(bundle->fd, &st) < 0)
		return error_set_errno(err, "stat");
	cleanup(scan_done) struct scan scan = {.bundle = bundle, .file_size = (uint64_t)st.st_size};
	int rc = scan_from(&scan, 0, err);
	const struct tar_entry *entry;
	while (rc == 0 && (rc = tar_reader_next(scan.reader, &entry, err)) > 0)
		rc = scan_entry(&scan, entry, err);
	return rc;
}

/* ---- Opening an archive ---- */

/* Copies what `stream` gives, unpacked, into an unlinked file. */
static int spool(enum codec codec, stream_source *source, void *context, struct store *store, struct error **err)
{
	int tmp = store_tmp(store, err);
	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "archive");
	cleanup_close int fd = openat(tmp, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || unlinkat(tmp, name, 0) < 0)
		return error_set_errno(err, "make a temporary file");

	cleanup(inflater_free) struct inflater *inflater = NULL;
	int rc = inflater_new(codec, source, context, &inflater, err);
	uint64_t total = 0;
	const void *data;
	size_t size;
	while (rc == 0 && (rc = inflater_next(inflater, &data, &size, err)) > 0) {
		total += size;
		rc = total > UNPACKED_MAX ? error_set(err, EFBIG, "unpacks to more than %llu bytes",
						      (unsigned long long)UNPACKED_MAX)
					  : fd_write_all(fd, data, size, err);
	}
	return rc < 0 ? rc : take_fd(&fd);
}

/* A source that gives `head`, already read, before what is left in the descriptor. */
struct headed_stream {
	struct stream_memory head;
	struct stream_fd rest;
};

static int headed_next(void *context, const void **data, size_t *size, struct error **err)
{
	struct headed_stream *stream = context;
	int rc = stream_memory_next(&stream->head, data, size, err);
	return rc != 0 ? rc : stream_fd_next(&stream->rest, data, size, err);
}

/* Makes bundle->fd a plain tar that can be sought in. */
static int make_seekable(struct bundle *bundle, struct store *store, struct error **err)
{
	char head[16];
	ssize_t n = fd_read_full(bundle->fd, head, sizeof(head), err);
	if (n < 0)
		return (int)n;
	enum codec codec = codec_detect(head, (size_t)n);
	struct stat st;
	bool is_file = fstat(bundle->fd, &st) == 0 && S_ISREG(st.st_mode);
	if (is_file && codec == CODEC_NONE)
		return 0;

	struct headed_stream stream = {.head = {.data = head, .size = (size_t)n}};
	stream_fd_init(&stream.rest, bundle->fd);
	int fd = spool(codec, headed_next, &stream, store, err);
	stream_fd_done(&stream.rest);
	if (fd < 0)
		return fd;
	fd_close(bundle->fd);
	bundle->fd = fd;
	return 0;
}

int bundle_open_archive(const char *path, struct store *store, struct bundle **bundle, struct error **err)
{
	cleanup(bundle_close) struct bundle *opened = mem_alloc(sizeof(*opened));
	opened->is_archive = true;
	opened->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (opened->fd < 0)
		return error_set_errno(err, "open '%s'", path);
	int rc = make_seekable(opened, store, err);
	if (rc == 0)
		rc = scan_archive(opened, err);
	if (rc < 0)
		return error_prefix(err, "read '%s'", path);
	*bundle = take_ptr(&opened);
	return 0;
}

/* ---- Files ---- */

/* Of several members of one name the last counts, as when the archive is unpacked. */
static const struct member *find_member(const struct bundle *bundle, const char *clean_name)
{
	for (size_t i = bundle->member_count; i-- > 0;) {
		if (strcmp(bundle->members[i].name, clean_name) == 0)
			return &bundle->members[i];
	}
	return NULL;
}

static int open_member(struct bundle *bundle, const char *name, uint64_t *size, struct error **err)
{
	cleanup_free char *clean = rootpath_clean(name);
	const struct member *member = find_member(bundle, clean);
	for (int links = 0; member && member->link; links++) {
		if (links == LINKS_MAX)
			return error_set(err, ELOOP, "'%s': too many links", name);
		member = find_member(bundle, member->link);
	}
	if (!member)
		return error_set(err, ENOENT, "there is no '%s' in the archive", name);
	cleanup_close int fd = fcntl(bundle->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0 || lseek(fd, (off_t)member->offset, SEEK_SET) < 0)
		return error_set_errno(err, "read '%s'", name);
	*size = member->size;
	return take_fd(&fd);
}

int bundle_open_file(struct bundle *bundle, const char *name, uint64_t *size, struct error **err)
{
	if (bundle->is_archive)
		return open_member(bundle, name, size, err);
	cleanup_close int fd = rootpath_open_file(bundle->fd, name, INT64_MAX, err);
	struct stat st;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return error_set_errno(err, "stat '%s'", name);
	*size = (uint64_t)st.st_size;
	return take_fd(&fd);
}

int bundle_read(struct bundle *bundle, const char *name, size_t max, struct buf *into, struct error **err)
{
	uint64_t size;
	cleanup_close int fd = bundle_open_file(bundle, name, &size, err);
	if (fd < 0)
		return fd;
	if (size > max)
		return error_set(err, EFBIG, "'%s': %llu bytes, more than the %zu allowed", name,
				 (unsigned long long)size, max);
	cleanup_free char *data = mem_alloc((size_t)size);
	ssize_t n = fd_read_full(fd, data, (size_t)size, err);
	if (n < 0)
		return error_prefix(err, "read '%s'", name);
	if ((uint64_t)n != size)
		return error_set(err, EBADMSG, "'%s' ends too early", name);
	buf_append(into, data, (size_t)n);
	return 0;
}

int bundle_read_verified(struct bundle *bundle, const char *name, const struct digest *digest, size_t max,
			 struct buf *into, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(max);
	struct digest actual;
	int rc = bundle_read(bundle, name, max, &text, err);
	if (rc == 0)
		rc = digest_of_as(digest->algorithm, text.data ? text.data : "", text.len, &actual, err);
	if (rc < 0)
		return rc;
	if (!digest_equal(&actual, digest)) {
		char hex[DIGEST_TEXT_SIZE];
		return error_set(err, EBADMSG, "'%s' does not have the digest %s", name, digest_format(digest, hex));
	}
	buf_append(into, text.data ? text.data : "", text.len);
	return 0;
}

int bundle_fetch(struct bundle *bundle, const char *name, const struct descriptor *blob, struct store *store,
		 struct error **err)
{
	uint64_t size;
	if (blob_exists(store, &blob->digest, &size) && size == blob->size)
		return 0;
	cleanup_close int lock = blob_lock(store, &blob->digest, LOCK_WAIT, err);
	if (lock < 0)
		return lock;
	if (blob_exists(store, &blob->digest, &size) && size == blob->size)
		return 0; /* another brought it while we waited */

	cleanup_close int fd = bundle_open_file(bundle, name, &size, err);
	if (fd < 0)
		return fd;
	char text[DIGEST_TEXT_SIZE];
	if (size != blob->size)
		return error_set(err, EBADMSG, "blob %s: '%s' has %llu bytes instead of %llu",
				 digest_format(&blob->digest, text), name, (unsigned long long)size,
				 (unsigned long long)blob->size);
	cleanup(blob_writer_free) struct blob_writer *w = NULL;
	/* Of an archive the bytes of other files follow. */
	if (store_allows_loans(store) && !bundle->is_archive) {
		int rc = blob_lend(store, &blob->digest, size, take_fd(&fd), err);
		return rc < 0 ? error_prefix(err, "'%s'", name) : 0;
	}
	int rc = blob_writer_new(store, &blob->digest, size, &w, err);
	if (rc == 0)
		rc = blob_writer_copy(w, fd, size, err);
	if (rc == 0)
		rc = blob_writer_commit(w, /* digest */ NULL, /* size */ NULL, err);
	if (rc < 0)
		error_prefix(err, "fetch '%s'", name);
	return rc;
}
