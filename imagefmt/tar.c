/* Tar entries to bytes: the ustar header, and the pax header before it where ustar's fields are too small. */
#include "imagefmt/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "imagefmt/tar_internal.h"

#define SIZE_OCTAL_MAX 077777777777ULL /* 11 digits */
#define ID_OCTAL_MAX 07777777U	       /* 7 digits */
#define HEADER_MAX ((size_t)1 << 26)
#define COPY_SIZE ((size_t)256 << 10)

static bool is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

/* Digits with leading zeros and a NUL behind them, as POSIX has it. The value fits, or is said by pax as well. */
static void put_octal(char *field, size_t size, uint64_t value)
{
	field[size - 1] = '\0';
	for (size_t i = size - 1; i-- > 0; value >>= 3)
		field[i] = (char)('0' + (value & 7));
}

static void put_text(char *field, size_t size, const char *text)
{
	memcpy(field, text, strnlen(text, size));
}

/* For readers without pax: what fits, in ASCII. */
static void put_ascii(char *field, size_t size, const char *text)
{
	for (size_t i = 0; i < size && text[i] != '\0'; i++)
		field[i] = (unsigned char)text[i] < 0x80 ? text[i] : '_';
}

/* Splits at the first '/' that leaves at most 100 bytes behind it. False when neither the whole path nor a split fits.
 */
static bool put_path(struct tar_header *header, const char *path)
{
	size_t length = strlen(path);

	if (length <= sizeof(header->name)) {
		put_text(header->name, sizeof(header->name), path);
		return true;
	}
	const char *from = path + length - sizeof(header->name) - 1;
	const char *slash = strchr(from, '/');
	if (slash == NULL || slash[1] == '\0' || slash == path || (size_t)(slash - path) > sizeof(header->prefix))
		return false;
	memcpy(header->prefix, path, (size_t)(slash - path));
	put_text(header->name, sizeof(header->name), slash + 1);
	return true;
}

static void put_checksum(struct tar_header *header)
{
	memset(header->checksum, ' ', sizeof(header->checksum));
	put_octal(header->checksum, 7, tar_checksum(header));
}

static void put_magic(struct tar_header *header)
{
	memcpy(header->magic, "ustar", 6);
	memcpy(header->version, "00", 2);
}

/* One record, "<length> <key>=<value>\n", where the length counts its own digits too. */
static void append_record(struct buf *records, const char *key, const char *name, const void *value, size_t size)
{
	size_t rest = 1 + strlen(key) + strlen(name) + 1 + size + 1;
	size_t digits = 1;

	for (size_t limit = 10; rest + digits >= limit; limit *= 10)
		digits++;
	buf_printf(records, "%zu %s%s=", rest + digits, key, name);
	buf_append(records, value, size);
	buf_append_char(records, '\n');
}

static void append_text_record(struct buf *records, const char *key, const char *text)
{
	append_record(records, key, "", text, strlen(text));
}

static void append_number_record(struct buf *records, const char *key, int64_t number)
{
	cleanup_free char *text = mem_printf("%lld", (long long)number);

	append_text_record(records, key, text);
}

static int compare_xattrs(const void *a, const void *b)
{
	return strcmp(((const struct tar_xattr *)a)->name, ((const struct tar_xattr *)b)->name);
}

static void append_xattr_records(struct buf *records, const struct tar_entry *entry)
{
	cleanup_free struct tar_xattr *sorted = mem_dup(entry->xattrs, entry->xattr_count * sizeof(struct tar_xattr));

	qsort(sorted, entry->xattr_count, sizeof(struct tar_xattr), compare_xattrs);
	for (size_t i = 0; i < entry->xattr_count; i++)
		append_record(records, TAR_XATTR_KEY, sorted[i].name, sorted[i].value, sorted[i].size);
}

/* Writes the fields of *header that hold names and numbers, and collects as records, in the order of their keys, what
 * the fields cannot say. */
static void fill_header(const struct tar_entry *entry, const char *path, struct tar_header *header, struct buf *records)
{
	const char *link = entry->link != NULL ? entry->link : "";
	bool long_path = !is_ascii(path) || !put_path(header, path);
	bool long_link = !is_ascii(link) || strlen(link) > sizeof(header->link);

	if (entry->xattr_count > 0)
		append_xattr_records(records, entry);
	if (entry->gid > ID_OCTAL_MAX)
		append_number_record(records, "gid", entry->gid);
	/* Without it libarchive takes bytes that are not UTF-8 for a mistake; others ignore it. */
	if ((long_path && !utf8_is_valid(path, strlen(path))) || (long_link && !utf8_is_valid(link, strlen(link))))
		append_text_record(records, "hdrcharset", "BINARY");
	if (long_link)
		append_text_record(records, "linkpath", link);
	if (entry->mtime < 0 || (uint64_t)entry->mtime > SIZE_OCTAL_MAX)
		append_number_record(records, "mtime", entry->mtime);
	if (long_path)
		append_text_record(records, "path", path);
	if (entry->size > SIZE_OCTAL_MAX)
		append_number_record(records, "size", (int64_t)entry->size);
	if (entry->uid > ID_OCTAL_MAX)
		append_number_record(records, "uid", entry->uid);
	if (long_path) {
		memset(header->name, 0, sizeof(header->name));
		memset(header->prefix, 0, sizeof(header->prefix));
		put_ascii(header->name, sizeof(header->name), path);
	}
	put_ascii(header->link, sizeof(header->link), link);
	put_octal(header->mode, sizeof(header->mode), entry->mode & 07777);
	put_octal(header->uid, sizeof(header->uid), entry->uid > ID_OCTAL_MAX ? 0 : entry->uid);
	put_octal(header->gid, sizeof(header->gid), entry->gid > ID_OCTAL_MAX ? 0 : entry->gid);
	put_octal(header->size, sizeof(header->size), entry->size > SIZE_OCTAL_MAX ? 0 : entry->size);
	put_octal(header->mtime, sizeof(header->mtime),
		  entry->mtime < 0 || (uint64_t)entry->mtime > SIZE_OCTAL_MAX ? 0 : (uint64_t)entry->mtime);
	put_octal(header->major, sizeof(header->major), entry->major);
	put_octal(header->minor, sizeof(header->minor), entry->minor);
}

static void append_pax_header(const struct buf *records, struct buf *into)
{
	static const char zeros[TAR_BLOCK];
	struct tar_header header = {0};

	put_text(header.name, sizeof(header.name), "././@PaxHeader");
	put_octal(header.mode, sizeof(header.mode), 0644);
	put_octal(header.uid, sizeof(header.uid), 0);
	put_octal(header.gid, sizeof(header.gid), 0);
	put_octal(header.size, sizeof(header.size), records->len);
	put_octal(header.mtime, sizeof(header.mtime), 0);
	put_octal(header.major, sizeof(header.major), 0);
	put_octal(header.minor, sizeof(header.minor), 0);
	header.type = TAR_PAX;
	put_magic(&header);
	put_checksum(&header);
	buf_append(into, &header, sizeof(header));
	buf_append(into, records->data, records->len);
	buf_append(into, zeros, tar_padding(records->len));
}

void tar_format_entry(const struct tar_entry *entry, struct buf *into)
{
	cleanup(buf_done) struct buf records = BUF_INIT(HEADER_MAX);
	cleanup_free char *with_slash = NULL;
	struct tar_header header = {0};
	const char *path = entry->path;
	size_t length = strlen(path);

	if (entry->type == TAR_DIRECTORY && (length == 0 || path[length - 1] != '/'))
		path = with_slash = mem_printf("%s/", path);
	fill_header(entry, path, &header, &records);
	header.type = (char)entry->type;
	put_magic(&header);
	put_checksum(&header);
	if (records.len > 0)
		append_pax_header(&records, into);
	buf_append(into, &header, sizeof(header));
}

void tar_writer_init(struct tar_writer *w, stream_sink *sink, void *context)
{
	*w = (struct tar_writer){.sink = sink, .context = context};
}

static int give(struct tar_writer *w, const void *data, size_t size, struct error **err)
{
	if (size == 0)
		return 0;
	w->size += size;
	return w->sink(data, size, w->context, err);
}

static int give_padding(struct tar_writer *w, struct error **err)
{
	static const char zeros[TAR_BLOCK];

	return give(w, zeros, w->padding, err);
}

int tar_write_entry(struct tar_writer *w, const struct tar_entry *entry, struct error **err)
{
	cleanup(buf_done) struct buf header = BUF_INIT(HEADER_MAX);

	if (w->left > 0)
		return error_set(err, EINVAL, "tar: %llu bytes are missing before '%s'", (unsigned long long)w->left,
				 entry->path);
	tar_format_entry(entry, &header);
	w->left = entry->size;
	w->padding = tar_padding(entry->size);
	return give(w, header.data, header.len, err);
}

int tar_write_data(struct tar_writer *w, const void *data, size_t size, struct error **err)
{
	if (size > w->left)
		return error_set(err, EINVAL, "tar: more data than the entry's size");
	int rc = give(w, data, size, err);
	if (rc < 0)
		return rc;
	w->left -= size;
	return w->left == 0 && size > 0 ? give_padding(w, err) : 0;
}

int tar_write_file(struct tar_writer *w, const char *path, const void *data, size_t size, int64_t mtime,
		   struct error **err)
{
	struct tar_entry entry = {.path = path, .type = TAR_FILE, .mode = 0644, .size = size, .mtime = mtime};
	int rc = tar_write_entry(w, &entry, err);

	return rc < 0 ? rc : tar_write_data(w, data, size, err);
}

int tar_write_file_fd(struct tar_writer *w, const char *path, int fd, uint64_t size, int64_t mtime, struct error **err)
{
	struct tar_entry entry = {.path = path, .type = TAR_FILE, .mode = 0644, .size = size, .mtime = mtime};
	cleanup_free char *buffer = mem_grow(NULL, COPY_SIZE, 1);
	int rc = tar_write_entry(w, &entry, err);

	while (rc == 0 && w->left > 0) {
		ssize_t n = fd_read_full(fd, buffer, w->left < COPY_SIZE ? (size_t)w->left : COPY_SIZE, err);
		if (n < 0)
			return error_prefix(err, "'%s'", path);
		if (n == 0)
			return error_set(err, EIO, "'%s' is %llu bytes shorter than it was", path,
					 (unsigned long long)w->left);
		rc = tar_write_data(w, buffer, (size_t)n, err);
	}
	return rc;
}

int tar_write_end(struct tar_writer *w, struct error **err)
{
	static const char zeros[2 * TAR_BLOCK];

	if (w->left > 0)
		return error_set(err, EINVAL, "tar: %llu bytes are missing at the end", (unsigned long long)w->left);
	return give(w, zeros, sizeof(zeros), err);
}
