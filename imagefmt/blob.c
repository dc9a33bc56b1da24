/*
 * Blobs of the store: read, and written so that only what is whole, verified and on disk ever has its name.
 */
#include "imagefmt/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "imagefmt/store_internal.h"

/* Bytes that are copied stay in the processor's cache between read, hash and write. */
#define COPY_BUFFER_SIZE ((size_t)128 << 10)
/* The disk begins with what is written when there is so much of it: else all waits for fsync(2) at the end. */
#define WRITEBACK_SIZE ((uint64_t)8 << 20)

/* "blobs/sha256/<hex>" below oci/. */
static char *blob_path(const struct digest *digest)
{
	char hex[DIGEST_HEX_SIZE];
	return mem_printf("blobs/%s/%s", digest_algorithm_name(digest->algorithm), digest_hex(digest, hex));
}

/* Where a blob that is lent lies, or -1. */
static int lent_fd(const struct store *store, const struct digest *digest, uint64_t *size)
{
	char text[DIGEST_TEXT_SIZE];
	return store_allows_loans(store) ? store_lent(store, digest_format(digest, text), size) : -1;
}

bool blob_exists(struct store *store, const struct digest *digest, uint64_t *size)
{
	if (lent_fd(store, digest, size) >= 0)
		return true;
	int oci = store_folder(store, STORE_OCI, NULL);
	if (oci < 0)
		return false;
	cleanup_free char *path = blob_path(digest);
	struct stat st;
	if (fstatat(oci, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return false;
	if (size)
		*size = (uint64_t)st.st_size;
	return true;
}

/* Through /proc, so that each reader has a position of his own. */
static int open_lent(int lent, struct error **err)
{
	char path[FD_PROC_PATH_SIZE];
	int fd = open(fd_proc_path(lent, path), O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_set_errno(err, "open a file again") : fd;
}

int blob_open(struct store *store, const struct digest *digest, uint64_t *size, struct error **err)
{
	int lent = lent_fd(store, digest, size);
	if (lent >= 0)
		return open_lent(lent, err);
	int oci = store_folder(store, STORE_OCI, err);
	if (oci < 0)
		return oci;
	char text[DIGEST_TEXT_SIZE];
	cleanup_free char *path = blob_path(digest);
	cleanup_close int fd = openat(oci, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return error_set(err, ENOENT, "blob %s is not in the store", digest_format(digest, text));
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, "open blob %s", digest_format(digest, text));
	if (!S_ISREG(st.st_mode))
		return error_set(err, EBADMSG, "blob %s is not a regular file", digest_format(digest, text));
	if (size)
		*size = (uint64_t)st.st_size;
	return take_fd(&fd);
}

static uint64_t sum_word(uint64_t sum, const char *bytes, size_t size)
{
	uint64_t word = 0;

	memcpy(&word, bytes, size);
	sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return sum ^ sum >> 32;
}

/* As FNV-1a, but with eight bytes a step. Each step can be undone: two texts of one size that differ in one word never
 * have the same sum. */
uint64_t blob_sum(const void *data, size_t size)
{
	const char *bytes = data;
	uint64_t sum = UINT64_C(0xcbf29ce484222325) ^ size;
	size_t at = 0;

	for (; size - at >= sizeof(uint64_t); at += sizeof(uint64_t))
		sum = sum_word(sum, bytes + at, sizeof(uint64_t));
	if (at < size)
		sum = sum_word(sum, bytes + at, size - at);
	return sum ? sum : 1;
}

int blob_read(struct store *store, const struct digest *digest, size_t max, struct buf *into, struct error **err)
{
	return blob_read_again(store, digest, /* sum */ 0, max, into, err);
}

int blob_read_again(struct store *store, const struct digest *digest, uint64_t sum, size_t max, struct buf *into,
		    struct error **err)
{
	char text[DIGEST_TEXT_SIZE];
	uint64_t size;
	cleanup_close int fd = blob_open(store, digest, &size, err);
	if (fd < 0)
		return fd;
	if (size > max)
		return error_set(err, EFBIG, "blob %s: %llu bytes, more than the %zu allowed",
				 digest_format(digest, text), (unsigned long long)size, max);

	cleanup(buf_done) struct buf bytes = BUF_INIT(max);
	int rc = fd_read_all(fd, &bytes, err);
	if (rc < 0)
		return error_prefix(err, "read blob %s", digest_format(digest, text));
	struct digest actual = *digest;
	if (sum == 0 || sum != blob_sum(bytes.data, bytes.len))
		rc = digest_of_as(digest->algorithm, bytes.data, bytes.len, &actual, err);
	if (rc < 0)
		return rc;
	if (!digest_equal(&actual, digest))
		return error_set(err, EBADMSG, "blob %s is damaged: its bytes have another digest",
				 digest_format(digest, text));
	buf_append(into, bytes.data, bytes.len);
	return 0;
}

int blob_remove(struct store *store, const struct digest *digest, struct error **err)
{
	char text[DIGEST_TEXT_SIZE];
	if (store_give_back(store, digest_format(digest, text)))
		return 0;
	int oci = store_folder(store, STORE_OCI, err);
	if (oci < 0)
		return oci;
	cleanup_free char *path = blob_path(digest);
	if (unlinkat(oci, path, 0) < 0)
		return error_set_errno(err, "remove blob %s", digest_format(digest, text));
	return 0;
}

int blob_lock(struct store *store, const struct digest *digest, enum lock_wait wait, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_free char *what = mem_printf("blob %.12s", digest_hex(digest, hex));
	return store_lock(store, "blob", hex, LOCK_EXCLUSIVE, wait, what, err);
}

/* ---- Writing ---- */

struct blob_writer {
	struct store *store; /* borrowed */
	int tmp;	     /* borrowed: the folder of `name` */
	char *name;	     /* NULL once renamed or removed */
	int fd;
	struct hasher *hasher; /* NULL: `want` is the digest of what is written (blob_put()) */
	bool has_want;
	struct digest want;
	uint64_t limit; /* or BLOB_SIZE_UNKNOWN */
	uint64_t size;
	uint64_t on_its_way;		/* of size: the disk was told of so much */
	const struct blob_watch *watch; /* borrowed, or NULL */
};

/* Does not hash. */
static int open_writer(struct store *store, const struct digest *want, uint64_t size, struct blob_writer **w,
		       struct error **err)
{
	cleanup(blob_writer_free) struct blob_writer *made = mem_alloc(sizeof(*made));
	made->store = store;
	made->fd = -1;
	made->limit = size;
	if (want) {
		made->has_want = true;
		made->want = *want;
	}
	made->tmp = store_tmp(store, err);
	if (made->tmp < 0)
		return made->tmp;
	cleanup_free char *name = store_tmp_name(store, "blob");
	made->fd = openat(made->tmp, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (made->fd < 0)
		return error_set_errno(err, "make a temporary file for a blob");
	made->name = take_ptr(&name);
	*w = take_ptr(&made);
	return 0;
}

int blob_writer_new(struct store *store, const struct digest *want, uint64_t size, struct blob_writer **w,
		    struct error **err)
{
	cleanup(hasher_free) struct hasher *hasher = NULL;
	int rc = hasher_new(want ? want->algorithm : DIGEST_SHA256, &hasher, err);
	if (rc == 0)
		rc = open_writer(store, want, size, w, err);
	if (rc == 0)
		(*w)->hasher = take_ptr(&hasher);
	return rc;
}

static int check_room(const struct blob_writer *w, uint64_t size, struct error **err)
{
	if (w->limit == BLOB_SIZE_UNKNOWN || size <= w->limit - w->size)
		return 0;
	char text[DIGEST_TEXT_SIZE];
	return error_set(err, EFBIG, "blob %s: more bytes than the %llu announced",
			 w->has_want ? digest_format(&w->want, text) : "of unknown digest",
			 (unsigned long long)w->limit);
}

void blob_writer_watch(struct blob_writer *w, const struct blob_watch *watch)
{
	w->watch = watch;
}

static void begin_writeback(struct blob_writer *w)
{
	if (w->size - w->on_its_way < WRITEBACK_SIZE || store_is_scratch(w->store))
		return;
	/* A failure shows itself again in fsync(2). */
	sync_file_range(w->fd, (off_t)w->on_its_way, (off_t)(w->size - w->on_its_way), SYNC_FILE_RANGE_WRITE);
	w->on_its_way = w->size;
}

int blob_writer_write(struct blob_writer *w, const void *data, size_t size, struct error **err)
{
	int rc = check_room(w, size, err);
	if (rc == 0)
		rc = fd_write_all(w->fd, data, size, err);
	if (rc < 0)
		return rc;
	if (w->hasher)
		hasher_update(w->hasher, data, size);
	w->size += size;
	begin_writeback(w);
	const struct blob_observer *observer = w->has_want ? store_observer(w->store) : NULL;
	if (observer)
		rc = observer->grown(observer->context, &w->want, w->fd, w->size, err);
	return rc == 0 && w->watch ? w->watch->grown(w->watch->context, w->fd, w->size, err) : rc;
}

/* Hashes what a clone brought; from our own file, which nobody else can change. */
static int hash_clone(struct blob_writer *w, struct error **err)
{
	cleanup_free char *buffer = mem_alloc(COPY_BUFFER_SIZE);
	if (lseek(w->fd, 0, SEEK_SET) < 0)
		return error_set_errno(err, "seek in a temporary file");
	for (;;) {
		ssize_t n = fd_read_full(w->fd, buffer, COPY_BUFFER_SIZE, err);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return 0;
		hasher_update(w->hasher, buffer, (size_t)n);
		w->size += (uint64_t)n;
	}
}

static bool is_whole_file(int fd, uint64_t size)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size &&
	       lseek(fd, 0, SEEK_CUR) == 0;
}

int blob_writer_copy(struct blob_writer *w, int fd, uint64_t size, struct error **err)
{
	int rc = check_room(w, size, err);
	if (rc < 0)
		return rc;
	uint64_t cloned;
	if (w->size == 0 && is_whole_file(fd, size) && fd_clone(fd, w->fd, &cloned))
		return hash_clone(w, err);

	cleanup_free char *buffer = mem_alloc(COPY_BUFFER_SIZE);
	while (size > 0) {
		size_t piece = size < COPY_BUFFER_SIZE ? (size_t)size : COPY_BUFFER_SIZE;
		ssize_t n = fd_read_full(fd, buffer, piece, err);
		if (n < 0)
			return (int)n;
		if ((size_t)n < piece)
			return error_set(err, EBADMSG, "the file ends %llu bytes too early",
					 (unsigned long long)(size - (uint64_t)n));
		rc = blob_writer_write(w, buffer, piece, err);
		if (rc < 0)
			return rc;
		size -= piece;
	}
	return 0;
}

uint64_t blob_writer_size(const struct blob_writer *w)
{
	return w->size;
}

bool blob_writer_has(const struct blob_writer *w, uint64_t offset, const void *data, size_t size)
{
	char there[4096];
	size_t done = 0;

	while (done < size) {
		size_t part = size - done < sizeof(there) ? size - done : sizeof(there);
		ssize_t got = pread(w->fd, there, part, (off_t)(offset + done));
		if (got <= 0 || memcmp(there, (const char *)data + done, (size_t)got) != 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

int blob_writer_restart(struct blob_writer *w, struct error **err)
{
	if (ftruncate(w->fd, 0) < 0 || lseek(w->fd, 0, SEEK_SET) < 0)
		return error_set_errno(err, "empty a temporary file");
	hasher_reset(w->hasher);
	w->size = w->on_its_way = 0;
	return 0;
}

static int check_whole(const struct blob_writer *w, const struct digest *actual, struct error **err)
{
	char wanted[DIGEST_TEXT_SIZE];
	char got[DIGEST_TEXT_SIZE];
	if (w->limit != BLOB_SIZE_UNKNOWN && w->size != w->limit)
		return error_set(err, EBADMSG, "blob %s: %llu bytes came instead of %llu",
				 w->has_want ? digest_format(&w->want, wanted) : digest_format(actual, wanted),
				 (unsigned long long)w->size, (unsigned long long)w->limit);
	if (w->has_want && !digest_equal(actual, &w->want))
		return error_set(err, EBADMSG, "blob %s: what came has the digest %s", digest_format(&w->want, wanted),
				 digest_format(actual, got));
	return 0;
}

/* blobs/<algorithm>, made for algorithms other than sha256. */
static int open_blob_folder(struct store *store, enum digest_algorithm algorithm, struct error **err)
{
	int oci = store_folder(store, STORE_OCI, err);
	if (oci < 0)
		return oci;
	cleanup_free char *folder = mem_printf("blobs/%s", digest_algorithm_name(algorithm));
	int fd = fd_open_dir(oci, folder, NULL);
	if (fd == -ENOENT && mkdirat(oci, folder, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, "make '%s'", folder);
	return fd >= 0 ? fd : fd_open_dir(oci, folder, err);
}

/* The file is on disk before it has its name, the name before anybody may write down that the blob is there. */
static int publish(struct blob_writer *w, const struct digest *digest, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_close int folder = open_blob_folder(w->store, digest->algorithm, err);
	if (folder < 0)
		return folder;
	bool lasts = !store_is_scratch(w->store);
	if (lasts && fsync(w->fd) < 0)
		return error_set_errno(err, "sync a blob");
	trace(STORE, "blob %s", digest_hex(digest, hex));
	store_is_no_longer_clean(w->store);
	if (renameat(w->tmp, w->name, folder, digest_hex(digest, hex)) < 0)
		return error_set_errno(err, "name blob %s", hex);
	free(w->name);
	w->name = NULL;
	if (lasts && fsync(folder) < 0)
		return error_set_errno(err, "sync the folder of blobs");
	return 0;
}

int blob_writer_commit(struct blob_writer *w, struct digest *digest, uint64_t *size, struct error **err)
{
	struct digest actual = w->want;
	if (w->hasher)
		hasher_finish(w->hasher, &actual);
	int rc = check_whole(w, &actual, err);
	if (rc == 0 && w->watch)
		rc = w->watch->whole(w->watch->context, &actual, w->size, err);
	if (rc == 0)
		rc = publish(w, &actual, err);
	if (rc < 0)
		return rc;
	if (digest)
		*digest = actual;
	if (size)
		*size = w->size;
	return 0;
}

void blob_writer_free(struct blob_writer *w)
{
	if (!w)
		return;
	if (w->name)
		unlinkat(w->tmp, w->name, 0);
	free(w->name);
	fd_close(w->fd);
	hasher_free(w->hasher);
	free(w);
}

int blob_put(struct store *store, const void *data, size_t size, struct digest *digest, struct error **err)
{
	struct digest want;
	int rc = digest_of(data, size, &want, err);
	if (rc < 0)
		return rc;
	uint64_t present;
	if (!blob_exists(store, &want, &present) || present != size) {
		/* Of the same bytes, in our memory, the digest is known. */
		cleanup(blob_writer_free) struct blob_writer *w = NULL;
		rc = open_writer(store, &want, size, &w, err);
		if (rc == 0)
			rc = blob_writer_write(w, data, size, err);
		if (rc == 0)
			rc = blob_writer_commit(w, /* digest */ NULL, /* size */ NULL, err);
		if (rc < 0)
			return rc;
	}
	if (digest)
		*digest = want;
	return 0;
}

/* ---- Loans, and the way out of a scratch store ---- */

static int check_digest(int fd, const struct digest *want, uint64_t size, struct error **err)
{
	cleanup(hasher_free) struct hasher *hasher = NULL;
	cleanup_free char *buffer = mem_alloc(COPY_BUFFER_SIZE);
	char wanted[DIGEST_TEXT_SIZE];
	struct digest actual;
	int rc = hasher_new(want->algorithm, &hasher, err);
	if (rc < 0)
		return rc;
	for (uint64_t left = size; left > 0;) {
		ssize_t n = fd_read_full(fd, buffer, left < COPY_BUFFER_SIZE ? (size_t)left : COPY_BUFFER_SIZE, err);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return error_set(err, EBADMSG, "blob %s: the file ends too early", digest_format(want, wanted));
		hasher_update(hasher, buffer, (size_t)n);
		left -= (uint64_t)n;
	}
	hasher_finish(hasher, &actual);
	if (digest_equal(&actual, want))
		return 0;
	char got[DIGEST_TEXT_SIZE];
	return error_set(err, EBADMSG, "blob %s: what is there has the digest %s", digest_format(want, wanted),
			 digest_format(&actual, got));
}

int blob_lend(struct store *scratch, const struct digest *digest, uint64_t size, int fd, struct error **err)
{
	cleanup_close int taken = fd;
	char text[DIGEST_TEXT_SIZE];
	int rc = check_digest(taken, digest, size, err);
	if (rc == 0)
		store_lend(scratch, digest_format(digest, text), take_fd(&taken), size);
	return rc;
}

bool blob_give(struct store *scratch, const struct digest *digest, int dirfd, const char *name, bool lasts)
{
	char path[FD_PROC_PATH_SIZE];
	struct stat st;
	if (!store_is_scratch(scratch) || lent_fd(scratch, digest, NULL) >= 0)
		return false;
	cleanup_close int fd = blob_open(scratch, digest, /* size */ NULL, NULL);
	/* Given once already: two places of the user's must not be one file. */
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_nlink != 1 || fchmod(fd, 0644) < 0)
		return false;
	if (lasts && fsync(fd) < 0)
		return false;
	if (linkat(AT_FDCWD, fd_proc_path(fd, path), dirfd, name, AT_SYMLINK_FOLLOW) < 0)
		return false;
	if (!lasts)
		return true;
	cleanup_close int folder = fd_open_dir(dirfd, ".", NULL);
	return folder >= 0 && fsync(folder) == 0;
}
