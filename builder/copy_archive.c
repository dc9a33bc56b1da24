/*
 * Archives that `add` unpacks. libarchive reads them; where their entries go is decided here, by the same functions as
 * for any other file: a name with "..", an absolute one, or one that leads through a link stays inside the root.
 */
#include "builder/copy_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/ovlmark.h"
#include "base/owner.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/archive_library.h"

#define BLOCK_SIZE ((size_t)128 << 10)

/* ---- what is an archive -------------------------------------------------------------------------------------------
 */

/* Formats besides tar are unpacked when the name says that the file is one: a .jar, a .whl, a .docx are zip files, an
 * initrd is a cpio archive, and nobody who adds them wants their contents. */
static bool name_says_archive(const char *name)
{
	static const char *const endings[] = {".zip", ".7z",  ".cpio", ".cpio.gz", ".cpio.xz", ".cpio.zst",
					      ".rar", ".cab", ".lha",  ".lzh",	   ".xar",     ".iso"};
	size_t size = strlen(name);

	for (size_t i = 0; i < ARRAY_COUNT(endings); i++) {
		size_t length = strlen(endings[i]);
		if (size > length && strcasecmp(name + size - length, endings[i]) == 0)
			return true;
	}
	return false;
}

struct reader {
	struct archive_library call;
	struct archive *archive;
	const char *name;
};

static void reader_done(struct reader *reader)
{
	if (reader->archive)
		reader->call.archive_read_free(reader->archive);
	reader->archive = NULL;
}
CLEANUP_FOR_VALUE(struct reader, reader_done)

static int reader_error(struct reader *reader, struct error **err)
{
	const char *why = reader->call.archive_error_string(reader->archive);
	int code = reader->call.archive_errno(reader->archive);

	return error_set(err, code > 0 ? code : EBADMSG, "unpack '%s': %s", reader->name,
			 why ? why : "damaged archive");
}

/* Opens the archive at the position 0 of fd. -EBADMSG when it is none. A compressed file that holds no archive is none:
 * libarchive's "raw" format is not asked for. */
static int reader_open(struct reader *reader, int fd, bool every_format, struct error **err)
{
	int rc = archive_library_load(&reader->call, err);

	if (rc < 0)
		return rc;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_set_errno(err, "read '%s'", reader->name);
	reader->archive = reader->call.archive_read_new();
	if (!reader->archive)
		return error_set(err, ENOMEM, "libarchive has no memory");
	reader->call.archive_read_support_filter_all(reader->archive);
	if (every_format)
		reader->call.archive_read_support_format_all(reader->archive);
	else
		reader->call.archive_read_support_format_tar(reader->archive);
	/* Names are bytes to us, whatever the locale. Formats that do not know the option say so, and need it not. */
	reader->call.archive_read_set_options(reader->archive, "hdrcharset=BINARY");
	if (reader->call.archive_read_open_fd(reader->archive, fd, BLOCK_SIZE) != ARCHIVE_OK)
		return error_set(err, EBADMSG, "'%s' is not an archive", reader->name);
	return 0;
}

int copy_is_archive(const struct copy_job *job, int fd, const char *name, bool *is_archive, struct error **err)
{
	cleanup(reader_done) struct reader reader = {.name = name};
	struct archive_entry *entry = NULL;
	bool every_format = job->options->force_unpack || name_says_archive(name);
	int rc = reader_open(&reader, fd, every_format, err);

	if (rc < 0 && rc != -EBADMSG)
		return rc;
	if (rc < 0) {
		error_clear(err);
		*is_archive = false;
	} else {
		int status = reader.call.archive_read_next_header(reader.archive, &entry);
		*is_archive = status == ARCHIVE_OK || status == ARCHIVE_WARN;
	}
	return lseek(fd, 0, SEEK_SET) < 0 ? error_set_errno(err, "read '%s'", name) : 0;
}

/* ---- entries ------------------------------------------------------------------------------------------------------
 */

struct unpacking {
	struct copy_job *job;
	struct reader *reader;
	struct archive_entry *entry;
	const char *destination;
	/* Directories with the times they get in the end, when nothing more is put into them. */
	struct strlist directories;
	int64_t *times;
};

static void unpacking_done(struct unpacking *unpacking)
{
	strlist_done(&unpacking->directories);
	free(unpacking->times);
}
CLEANUP_FOR_VALUE(struct unpacking, unpacking_done)

/* "../x", "/x" and "x" are all destination/x. */
static char *place_of(const struct unpacking *u, const char *name)
{
	cleanup_free char *rooted = mem_printf("/%s", name);
	cleanup_free char *clean = rootpath_clean(rooted);
	const char *below = strcmp(u->destination, "/") == 0 ? "" : u->destination;

	return strcmp(clean, "/") == 0 ? mem_strdup(u->destination) : mem_printf("%s%s", below, clean);
}

/* Patterns are matched against the path below the destination; the archive's own "./" has none. */
static bool is_excluded(const struct unpacking *u, const char *path)
{
	const char *below = strcmp(u->destination, "/") == 0 ? path : path + strlen(u->destination);

	return *below == '/' && below[1] && ignore_rules_match(&u->job->exclude_rules, below + 1);
}

static int stat_of(const struct unpacking *u, const char *name, struct stat *st, struct error **err)
{
	const struct archive_library *call = &u->reader->call;
	int64_t uid = call->archive_entry_uid(u->entry);
	int64_t gid = call->archive_entry_gid(u->entry);

	if (!u->job->has_owner && (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX))
		return error_set(err, EINVAL, "unpack '%s': '%s' has an impossible owner", u->reader->name, name);
	*st = (struct stat){
		.st_mode = call->archive_entry_filetype(u->entry) | (call->archive_entry_mode(u->entry) & 07777),
		.st_uid = (uid_t)uid,
		.st_gid = (gid_t)gid,
		.st_rdev = call->archive_entry_rdev(u->entry),
		.st_mtim.tv_sec = archive_mtime(call, u->entry),
	};
	return 0;
}

static int write_data(const struct unpacking *u, int fd, struct hasher *hasher, struct error **err)
{
	const struct archive_library *call = &u->reader->call;
	const void *data;
	size_t size;
	la_int64_t offset;
	int status;

	while ((status = call->archive_read_data_block(u->reader->archive, &data, &size, &offset)) == ARCHIVE_OK) {
		if (lseek(fd, offset, SEEK_SET) < 0)
			return error_set_errno(err, "write");
		int rc = fd_write_all(fd, data, size, err);
		if (rc < 0)
			return rc;
		hasher_update(hasher, &offset, sizeof(offset));
		hasher_update(hasher, data, size);
	}
	if (status != ARCHIVE_EOF)
		return reader_error(u->reader, err);
	/* A hole at the end is not among the data. */
	la_int64_t whole = call->archive_entry_size(u->entry);
	struct stat st;
	if (fstat(fd, &st) == 0 && st.st_size < whole && ftruncate(fd, whole) < 0)
		return error_set_errno(err, "write");
	return 0;
}

static void set_attributes(const struct unpacking *u, int fd, const char *path)
{
	const struct archive_library *call = &u->reader->call;
	const char *name;
	const void *value;
	size_t size;

	call->archive_entry_xattr_reset(u->entry);
	while (call->archive_entry_xattr_next(u->entry, &name, &value, &size) == ARCHIVE_OK) {
		if (strcmp(name, "security.capability") == 0)
			name = owner_capability_xattr();
		else if (!text_has_prefix(name, "user.") || ovlmark_classify(name) != OVLMARK_PLAIN)
			continue;
		if (fsetxattr(fd, name, value, size, 0) < 0)
			log_debug("'%s': attribute %s is not kept: %s", path, name, strerror(errno));
	}
}

static int unpack_file(const struct unpacking *u, const char *path, const struct copy_entry *entry, char **content,
		       struct error **err)
{
	cleanup(hasher_free) struct hasher *hasher = NULL;
	struct digest digest;
	char hex[DIGEST_HEX_SIZE];
	int rc = hasher_new(DIGEST_SHA256, &hasher, err);

	if (rc < 0)
		return rc;
	cleanup(copy_place_done) struct copy_place place = COPY_PLACE_INIT;
	rc = copy_place_file(u->job, path, &place, err);
	if (rc < 0)
		return rc;
	rc = write_data(u, place.fd, hasher, err);
	if (rc < 0)
		return error_prefix(err, "'%s'", path);
	rc = copy_finish_file(u->job, path, &place, entry, err);
	if (rc < 0)
		return rc;
	/* After the owner, whose change drops capabilities. */
	set_attributes(u, place.fd, path);
	rc = copy_settle_file(u->job, path, &place, err);
	if (rc < 0)
		return rc;
	hasher_finish(hasher, &digest);
	*content = mem_strdup(digest_hex(&digest, hex));
	return 0;
}

/* As tar and Docker have it, an entry takes the place of what is of another kind: a file that of a directory with all
 * that is in it, a directory that of a file. A link to a directory is one. */
static int make_room(const struct unpacking *u, const char *path, bool for_directory, struct error **err)
{
	cleanup_free char *leaf = NULL;
	struct stat st;

	if (rootpath_stat(u->job->root, path, /* follow */ for_directory, &st, NULL) < 0 ||
	    S_ISDIR(st.st_mode) == for_directory)
		return 0;
	cleanup_close int parent = rootpath_open_parent(u->job->root, path, /* create */ false, &leaf, err);
	return parent < 0 ? parent : tree_remove(parent, leaf, err);
}

static int unpack_directory(struct unpacking *u, const char *path, const struct copy_entry *entry, struct error **err)
{
	int rc = copy_place_directory(u->job, path, entry, err);
	if (rc < 0)
		return rc;
	u->times = mem_grow(u->times, u->directories.count + 1, sizeof(*u->times));
	u->times[u->directories.count] = entry->st.st_mtim.tv_sec;
	strlist_append(&u->directories, path);
	return 0;
}

static int unpack_entry(struct unpacking *u, struct error **err)
{
	const struct archive_library *call = &u->reader->call;
	const char *name = archive_name(call, u->entry);
	const char *hardlink = archive_hardlink(call, u->entry);
	const char *symlink = archive_symlink(call, u->entry);
	struct copy_entry entry = {.attributes = -1};
	cleanup_free char *content = NULL;

	if (!name)
		return error_set(err, EBADMSG, "unpack '%s': an entry without a name", u->reader->name);
	int rc = stat_of(u, name, &entry.st, err);
	if (rc < 0)
		return rc;
	cleanup_free char *path = place_of(u, name);
	/* "./", or no name at all: the destination keeps what it is. */
	if (is_excluded(u, path) || strcmp(path, u->destination) == 0)
		return 0;
	rc = make_room(u, path, !hardlink && S_ISDIR(entry.st.st_mode), err);
	if (rc < 0)
		return rc;
	if (hardlink) {
		cleanup_free char *existing = place_of(u, hardlink);
		content = mem_printf("link %s", hardlink);
		rc = copy_place_hardlink(u->job, path, existing, err);
	} else if (S_ISDIR(entry.st.st_mode)) {
		rc = unpack_directory(u, path, &entry, err);
	} else if (S_ISLNK(entry.st.st_mode)) {
		entry.link = symlink ? symlink : "";
		content = mem_strdup(entry.link);
		rc = copy_place_symlink(u->job, path, &entry, err);
	} else if (S_ISREG(entry.st.st_mode)) {
		rc = unpack_file(u, path, &entry, &content, err);
	} else {
		rc = copy_place_node(u->job, path, &entry, err);
	}
	if (rc >= 0)
		strlist_printf(&u->job->digest_lines, "%s %o %u %u %s", copy_digest_path(u->job, path),
			       (unsigned)entry.st.st_mode, entry.st.st_uid, entry.st.st_gid, content ? content : "");
	return rc;
}

static int unpack_all(struct unpacking *u, struct error **err)
{
	for (;;) {
		int status = u->reader->call.archive_read_next_header(u->reader->archive, &u->entry);
		if (status == ARCHIVE_EOF)
			break;
		if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
			return reader_error(u->reader, err);
		int rc = unpack_entry(u, err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = u->directories.count; i-- > 0;) {
		struct stat st = {.st_mtim.tv_sec = u->times[i]};
		copy_place_directory_time(u->job, u->directories.items[i], &st);
	}
	return 0;
}

int copy_unpack_archive(struct copy_job *job, int fd, const char *name, const char *path, struct error **err)
{
	cleanup(reader_done) struct reader reader = {.name = name};
	bool every_format = job->options->force_unpack || name_says_archive(name);
	int rc = reader_open(&reader, fd, every_format, err);

	if (rc >= 0)
		rc = copy_make_destination(job, path, err);
	if (rc < 0)
		return rc;
	cleanup(unpacking_done) struct unpacking u = {.job = job, .reader = &reader, .destination = path};
	bool kept = job->keep_owner;
	job->keep_owner = true;
	rc = unpack_all(&u, err);
	job->keep_owner = kept;
	return rc;
}
