/*
 * Hostile tar bytes to entries. Headers are read one block at a time; an extension (pax, GNU long name) is collected
 * whole, within its limit, and applies to the next entry only; data are handed on as they come, without a copy.
 */
#include "imagefmt/tarread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "imagefmt/tar_internal.h"
#include "imagefmt/tarpax.h"

struct tar_reader {
	stream_source *source;
	void *context;
	const char *piece; /* what the source gave and nobody has taken yet */
	size_t piece_size;
	uint64_t position;

	struct tar_entry entry;
	struct buf path;
	struct buf link;
	struct buf long_name; /* of GNU tar, for the next entry */
	struct buf long_link;
	struct tar_pax global;
	struct tar_pax pax;

	bool is_sparse;
	struct tar_sparse sparse;
	size_t sparse_at;     /* index of the piece being read */
	uint64_t sparse_done; /* bytes of it given */
	uint64_t offset;      /* of the next byte in the file */
	uint64_t left;	      /* stored bytes of the entry not read yet */
	size_t padding;
};

void tar_reader_new(stream_source *source, void *context, struct tar_reader **reader)
{
	struct tar_reader *r = mem_alloc(sizeof(*r));

	r->source = source;
	r->context = context;
	buf_init(&r->path, TAR_PATH_MAX);
	buf_init(&r->link, TAR_PATH_MAX);
	buf_init(&r->long_name, TAR_PATH_MAX);
	buf_init(&r->long_link, TAR_PATH_MAX);
	tar_pax_init(&r->global);
	tar_pax_init(&r->pax);
	*reader = r;
}

void tar_reader_free(struct tar_reader *r)
{
	if (r == NULL)
		return;
	buf_done(&r->path);
	buf_done(&r->link);
	buf_done(&r->long_name);
	buf_done(&r->long_link);
	tar_pax_done(&r->global);
	tar_pax_done(&r->pax);
	tar_sparse_done(&r->sparse);
	free(r);
}

uint64_t tar_reader_position(const struct tar_reader *r)
{
	return r->position;
}

bool tar_reader_is_sparse(const struct tar_reader *r)
{
	return r->is_sparse;
}

/* ---- bytes ---- */

/* Makes sure that r->piece holds something: 1, or 0 at the end of the source. */
static int fill(struct tar_reader *r, struct error **err)
{
	if (r->piece_size > 0)
		return 1;
	const void *data;
	int rc = r->source(r->context, &data, &r->piece_size, err);
	if (rc <= 0) {
		r->piece_size = 0;
		return rc;
	}
	r->piece = data;
	return 1;
}

static void advance(struct tar_reader *r, size_t size)
{
	r->piece += size;
	r->piece_size -= size;
	r->position += size;
}

static int cut_short(struct error **err)
{
	return error_set(err, EBADMSG, "the tar ends in the middle of an entry");
}

/* Reads exactly `size` bytes (into NULL: skips them): 1, or 0 when the source had ended before the first. */
static int read_exact(struct tar_reader *r, void *into, uint64_t size, struct error **err)
{
	bool started = false;
	char *next = into;

	while (size > 0) {
		int rc = fill(r, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return started ? cut_short(err) : 0;
		size_t n = r->piece_size < size ? r->piece_size : (size_t)size;
		if (next != NULL) {
			memcpy(next, r->piece, n);
			next += n;
		}
		advance(r, n);
		size -= n;
		started = true;
	}
	return 1;
}

/* The same where the bytes must be there. */
static int need(struct tar_reader *r, void *into, uint64_t size, struct error **err)
{
	int rc = read_exact(r, into, size, err);

	if (rc == 0 && size > 0)
		return cut_short(err);
	return rc < 0 ? rc : 0;
}

/* The data of an extension header, whole, with a NUL behind it. */
static int read_extension(struct tar_reader *r, uint64_t size, size_t max, struct buf *into, struct error **err)
{
	if (size >= max)
		return error_set(err, EBADMSG, "tar: an extended header of %llu bytes (%zu are allowed)",
				 (unsigned long long)size, max);
	buf_clear(into);
	for (uint64_t left = size; left > 0;) {
		int rc = fill(r, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return cut_short(err);
		size_t n = r->piece_size < left ? r->piece_size : (size_t)left;
		buf_append(into, r->piece, n);
		advance(r, n);
		left -= n;
	}
	return need(r, NULL, tar_padding(size), err);
}

/* ---- fields of a header ---- */

/* Gives 1, or 0 at the end: two zero blocks, or no more bytes. */
static int read_header(struct tar_reader *r, struct tar_header *header, struct error **err)
{
	int rc = read_exact(r, header, sizeof(*header), err);

	if (rc <= 0)
		return rc;
	if (tar_is_zero_block(header)) {
		rc = read_exact(r, header, sizeof(*header), err);
		if (rc <= 0 || tar_is_zero_block(header))
			return rc < 0 ? rc : 0;
		return error_set(err, EBADMSG, "tar: one block of zeros between entries");
	}
	if (!tar_has_good_checksum(header))
		return error_set(err, EBADMSG, "not a tar, or a damaged one (wrong checksum at byte %llu)",
				 (unsigned long long)(r->position - TAR_BLOCK));
	return 1;
}

static void take_names(struct tar_reader *r, const struct tar_header *header)
{
	size_t prefix = tar_prefix_size(header);

	buf_clear(&r->path);
	buf_clear(&r->link);
	if (r->pax.path != NULL) {
		buf_append_str(&r->path, r->pax.path);
	} else if (r->long_name.len > 0) {
		buf_append_str(&r->path, r->long_name.data);
	} else {
		if (prefix > 0) {
			buf_append(&r->path, header->prefix, prefix);
			buf_append_char(&r->path, '/');
		}
		buf_append(&r->path, header->name, strnlen(header->name, sizeof(header->name)));
	}
	if (r->pax.link != NULL)
		buf_append_str(&r->link, r->pax.link);
	else if (r->long_link.len > 0)
		buf_append_str(&r->link, r->long_link.data);
	else
		buf_append(&r->link, header->link, strnlen(header->link, sizeof(header->link)));
	r->entry.path = buf_str(&r->path);
	r->entry.link = buf_str(&r->link);
}

static int take_numbers(struct tar_reader *r, const struct tar_header *header, struct error **err)
{
	struct tar_entry *entry = &r->entry;
	uint32_t mode = 0;
	int rc = tar_parse_u32(header->mode, sizeof(header->mode), "mode", &mode, err);

	if (rc == 0 && !r->pax.has_uid && !r->global.has_uid)
		rc = tar_parse_u32(header->uid, sizeof(header->uid), "user id", &entry->uid, err);
	if (rc == 0 && !r->pax.has_gid && !r->global.has_gid)
		rc = tar_parse_u32(header->gid, sizeof(header->gid), "group id", &entry->gid, err);
	if (rc == 0 && !r->pax.has_size)
		rc = tar_parse_size(header->size, "size", &entry->size, err);
	if (rc == 0 && (entry->type == TAR_CHARDEV || entry->type == TAR_BLOCKDEV)) {
		rc = tar_parse_u32(header->major, sizeof(header->major), "device number", &entry->major, err);
		if (rc == 0)
			rc = tar_parse_u32(header->minor, sizeof(header->minor), "device number", &entry->minor, err);
	}
	if (rc == 0 && !r->pax.has_mtime && !r->global.has_mtime &&
	    !tar_parse_number(header->mtime, sizeof(header->mtime), &entry->mtime))
		rc = error_set(err, EBADMSG, "tar: bad time");
	if (rc < 0)
		return rc;
	entry->mode = mode & 07777;
	tar_pax_apply(&r->global, entry);
	tar_pax_apply(&r->pax, entry);
	return 0;
}

/* ---- sparse files ---- */

/* Appends `count` pieces of a GNU header; a piece that starts with NUL is unused. */
static int take_gnu_pieces(struct tar_reader *r, const char *at, size_t count, struct error **err)
{
	for (size_t i = 0; i < count; i++, at += sizeof(struct tar_gnu_piece)) {
		uint64_t offset = 0;
		uint64_t size = 0;

		if (at[0] == '\0' && at[12] == '\0')
			return 0;
		int rc = tar_parse_size(at, "sparse map", &offset, err);
		if (rc == 0)
			rc = tar_parse_size(at + 12, "sparse map", &size, err);
		if (rc == 0)
			rc = tar_sparse_add(&r->sparse, offset, size, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_gnu_sparse(struct tar_reader *r, const struct tar_header *header, struct error **err)
{
	const char *bytes = (const char *)header;
	bool more = bytes[TAR_GNU_EXTENDED_AT] != '\0';
	int rc = take_gnu_pieces(r, bytes + TAR_GNU_SPARSE_AT, 4, err);

	if (rc == 0)
		rc = tar_parse_size(bytes + TAR_GNU_REAL_SIZE_AT, "size", &r->sparse.real_size, err);
	while (rc == 0 && more) {
		char block[TAR_BLOCK];
		rc = need(r, block, sizeof(block), err);
		if (rc == 0)
			rc = take_gnu_pieces(r, block, TAR_GNU_EXTENSION_PIECES, err);
		more = rc == 0 && block[TAR_GNU_EXTENSION_MORE_AT] != '\0';
	}
	return rc;
}

/* One decimal number of a 1.0 map, ended by a newline. */
static int read_map_number(struct tar_reader *r, uint64_t *value, struct error **err)
{
	uint64_t number = 0;

	for (int digits = 0;; digits++) {
		char c;
		if (r->left == 0)
			return error_set(err, EBADMSG, "tar: bad sparse map");
		int rc = need(r, &c, 1, err);
		if (rc < 0)
			return rc;
		r->left--;
		if (c == '\n' && digits > 0)
			break;
		if (c < '0' || c > '9' || digits >= 18)
			return error_set(err, EBADMSG, "tar: bad sparse map");
		number = number * 10 + (uint64_t)(c - '0');
	}
	*value = number;
	return 0;
}

/* pax sparse 1.0: the map stands at the head of the data, padded to a block. */
static int read_sparse_map(struct tar_reader *r, struct error **err)
{
	uint64_t start = r->left;
	uint64_t count = 0;
	int rc = read_map_number(r, &count, err);

	if (rc == 0 && count > TAR_SPARSE_ENTRIES_MAX)
		rc = error_set(err, EBADMSG, "tar: a sparse map of %llu pieces", (unsigned long long)count);
	for (uint64_t i = 0; rc == 0 && i < count; i++) {
		uint64_t offset = 0;
		uint64_t size = 0;
		rc = read_map_number(r, &offset, err);
		if (rc == 0)
			rc = read_map_number(r, &size, err);
		if (rc == 0)
			rc = tar_sparse_add(&r->sparse, offset, size, err);
	}
	if (rc < 0)
		return rc;
	size_t rest = tar_padding(start - r->left);
	if (rest > r->left)
		return error_set(err, EBADMSG, "tar: bad sparse map");
	r->left -= rest;
	return need(r, NULL, rest, err);
}

static int begin_sparse(struct tar_reader *r, const struct tar_header *header, struct error **err)
{
	int rc = 0;

	tar_sparse_clear(&r->sparse);
	r->is_sparse = header->type == TAR_GNU_SPARSE || r->pax.sparse != TAR_SPARSE_NONE;
	if (!r->is_sparse)
		return 0;
	if (header->type == TAR_GNU_SPARSE) {
		rc = read_gnu_sparse(r, header, err);
	} else {
		tar_sparse_take(&r->sparse, &r->pax.map);
		if (r->pax.sparse == TAR_SPARSE_1)
			rc = read_sparse_map(r, err);
	}
	if (rc == 0)
		rc = tar_sparse_check(&r->sparse, r->left, err);
	if (rc < 0)
		return error_prefix(err, "'%s'", r->entry.path);
	r->entry.size = r->sparse.real_size;
	return 0;
}

/* ---- entries ---- */

static int read_long_name(struct tar_reader *r, const struct tar_header *header, struct buf *into, struct error **err)
{
	uint64_t size = 0;
	int rc = tar_parse_size(header->size, "size", &size, err);

	return rc < 0 ? rc : read_extension(r, size, TAR_PATH_MAX, into, err);
}

static int read_pax(struct tar_reader *r, const struct tar_header *header, struct tar_pax *pax, struct error **err)
{
	uint64_t size = 0;
	int rc = tar_parse_size(header->size, "size", &size, err);

	tar_pax_clear(pax);
	if (rc == 0)
		rc = read_extension(r, size, TAR_PAX_MAX, &pax->text, err);
	if (rc == 0)
		rc = tar_pax_parse(pax, err);
	return rc;
}

static int skip_volume_label(struct tar_reader *r, const struct tar_header *header, struct error **err)
{
	uint64_t size = 0;
	int rc = tar_parse_size(header->size, "size", &size, err);

	if (rc == 0)
		rc = need(r, NULL, size, err);
	return rc < 0 ? rc : need(r, NULL, tar_padding(size), err);
}

/* Reads what stands before an entry: 1 when `header` was such a thing, 0 when it is the entry's own. */
static int take_extension(struct tar_reader *r, const struct tar_header *header, struct error **err)
{
	int rc;

	switch (header->type) {
	case TAR_PAX:
	case 'X': /* Solaris */
		rc = read_pax(r, header, &r->pax, err);
		break;
	case TAR_PAX_GLOBAL:
		rc = read_pax(r, header, &r->global, err);
		if (rc == 0)
			rc = tar_pax_check_global(&r->global, err);
		break;
	case TAR_GNU_LONG_NAME:
		rc = read_long_name(r, header, &r->long_name, err);
		break;
	case TAR_GNU_LONG_LINK:
		rc = read_long_name(r, header, &r->long_link, err);
		break;
	case 'V':
		rc = skip_volume_label(r, header, err);
		break;
	case 'M':
		rc = error_set(err, EBADMSG, "tar: part of an archive of several volumes");
		break;
	default:
		return 0;
	}
	return rc < 0 ? rc : 1;
}

static bool has_data(enum tar_type type, char header_type)
{
	return type == TAR_FILE || (type == TAR_DIRECTORY && header_type != TAR_DIRECTORY);
}

/* The rest of the entry before, and what was said about it only. */
static int finish_entry(struct tar_reader *r, struct error **err)
{
	int rc = need(r, NULL, r->left, err);

	if (rc == 0)
		rc = need(r, NULL, r->padding, err);
	r->left = 0;
	r->padding = 0;
	buf_clear(&r->long_name);
	buf_clear(&r->long_link);
	tar_pax_clear(&r->pax);
	return rc;
}

static int begin_entry(struct tar_reader *r, const struct tar_header *header, struct error **err)
{
	r->entry = (struct tar_entry){0};
	take_names(r, header);
	r->entry.type = tar_type_of(header, r->entry.path);
	int rc = take_numbers(r, header, err);
	if (rc < 0)
		return error_prefix(err, "'%s'", r->entry.path);
	/* Links, devices and directories have no data whatever their size says: some write the target's there. */
	r->left = has_data(r->entry.type, header->type) ? r->entry.size : 0;
	if (r->left > INT64_MAX - TAR_BLOCK)
		return error_set(err, EBADMSG, "'%s': bad size", r->entry.path);
	r->padding = tar_padding(r->left);
	if (r->entry.type != TAR_FILE)
		r->entry.size = 0;
	r->offset = 0;
	r->sparse_at = 0;
	r->sparse_done = 0;
	r->is_sparse = false;
	return r->entry.type == TAR_FILE ? begin_sparse(r, header, err) : 0;
}

int tar_reader_next(struct tar_reader *r, const struct tar_entry **entry, struct error **err)
{
	struct tar_header header;
	int rc = finish_entry(r, err);

	if (rc < 0)
		return rc;
	do {
		rc = read_header(r, &header, err);
		if (rc <= 0)
			return rc;
		rc = take_extension(r, &header, err);
	} while (rc > 0);
	if (rc == 0)
		rc = begin_entry(r, &header, err);
	if (rc < 0)
		return rc;
	*entry = &r->entry;
	return 1;
}

int tar_reader_data(struct tar_reader *r, struct tar_piece *piece, struct error **err)
{
	uint64_t most = r->left;

	if (r->entry.type != TAR_FILE || r->left == 0)
		return 0;
	if (r->is_sparse) {
		/* tar_sparse_check() has made sure that the pieces sum up to what is left. */
		while (r->sparse_done == r->sparse.pieces[r->sparse_at].size) {
			r->sparse_at++;
			r->sparse_done = 0;
		}
		const struct tar_sparse_piece *at = &r->sparse.pieces[r->sparse_at];
		r->offset = at->offset + r->sparse_done;
		most = at->size - r->sparse_done;
	}
	int rc = fill(r, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return cut_short(err);
	piece->data = r->piece;
	piece->size = r->piece_size < most ? r->piece_size : (size_t)most;
	piece->offset = r->offset;
	advance(r, piece->size);
	r->left -= piece->size;
	r->offset += piece->size;
	r->sparse_done += piece->size;
	return 1;
}

int tar_reader_drain(struct tar_reader *r, struct error **err)
{
	int rc;

	while ((rc = fill(r, err)) > 0)
		advance(r, r->piece_size);
	return rc;
}
