/* pax records (POSIX pax(1), "pax Extended Header") and GNU tar's sparse maps, from hostile text. */
#include "imagefmt/tarpax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "imagefmt/tar_internal.h"
#include "imagefmt/tarread.h"

/* ---- sparse maps ---- */

void tar_sparse_clear(struct tar_sparse *map)
{
	map->count = 0;
	map->real_size = 0;
}

void tar_sparse_done(struct tar_sparse *map)
{
	free(map->pieces);
	*map = (struct tar_sparse){0};
}

int tar_sparse_add(struct tar_sparse *map, uint64_t offset, uint64_t size, struct error **err)
{
	if (map->count == TAR_SPARSE_ENTRIES_MAX)
		return error_set(err, EBADMSG, "tar: a sparse file of more than %zu pieces", TAR_SPARSE_ENTRIES_MAX);
	if (map->count == map->cap) {
		map->cap = map->cap == 0 ? 16 : map->cap * 2;
		map->pieces = mem_grow(map->pieces, map->cap, sizeof(*map->pieces));
	}
	map->pieces[map->count++] = (struct tar_sparse_piece){.offset = offset, .size = size};
	return 0;
}

void tar_sparse_take(struct tar_sparse *map, struct tar_sparse *from)
{
	tar_sparse_done(map);
	*map = *from;
	*from = (struct tar_sparse){0};
}

int tar_sparse_check(const struct tar_sparse *map, uint64_t stored, struct error **err)
{
	uint64_t end = 0;
	uint64_t sum = 0;

	for (size_t i = 0; i < map->count; i++) {
		const struct tar_sparse_piece *piece = &map->pieces[i];
		if (piece->offset < end || piece->offset > map->real_size ||
		    piece->size > map->real_size - piece->offset)
			return error_set(err, EBADMSG, "tar: bad sparse map");
		end = piece->offset + piece->size;
		sum += piece->size;
	}
	if (sum != stored || map->real_size > INT64_MAX)
		return error_set(err, EBADMSG, "tar: sparse map and size disagree");
	return 0;
}

/* ---- pax ---- */

void tar_pax_init(struct tar_pax *pax)
{
	*pax = (struct tar_pax){0};
	buf_init(&pax->text, TAR_PAX_MAX);
}

void tar_pax_clear(struct tar_pax *pax)
{
	struct buf text = pax->text;
	struct tar_sparse map = pax->map;

	free(pax->xattrs);
	buf_clear(&text);
	tar_sparse_clear(&map);
	*pax = (struct tar_pax){.text = text, .map = map};
}

void tar_pax_done(struct tar_pax *pax)
{
	free(pax->xattrs);
	buf_done(&pax->text);
	tar_sparse_done(&pax->map);
}

struct record {
	const char *key;
	const char *value; /* NUL behind it; may hold others */
	size_t size;
};

static int bad_record(const struct record *record, struct error **err)
{
	return error_set(err, EBADMSG, "tar: bad pax record '%s'", record->key);
}

static int take_text(const struct record *record, const char **text, struct error **err)
{
	if (memchr(record->value, '\0', record->size) != NULL || record->size >= TAR_PATH_MAX)
		return bad_record(record, err);
	/* An empty value takes back what was said before (POSIX): the header's own field counts. */
	*text = record->size > 0 ? record->value : NULL;
	return 0;
}

static int take_number(const struct record *record, uint64_t max, uint64_t *number, struct error **err)
{
	if (memchr(record->value, '\0', record->size) != NULL ||
	    parse_u64(record->value, max, "number", number, /* err */ NULL) < 0)
		return bad_record(record, err);
	return 0;
}

static int take_id(const struct record *record, bool *has, uint32_t *id, struct error **err)
{
	uint64_t number = 0;

	*has = record->size > 0;
	if (!*has)
		return 0;
	int rc = take_number(record, UINT32_MAX, &number, err);
	if (rc == 0)
		*id = (uint32_t)number;
	return rc;
}

/* "-12.5": seconds and the first nine digits behind the point. Rounded down, as time goes. */
static int take_time(const struct record *record, struct tar_pax *pax, struct error **err)
{
	const char *at = record->value;
	bool negative = *at == '-';
	uint64_t seconds = 0;
	uint32_t nanoseconds = 0;
	int digits = 0;

	pax->has_mtime = record->size > 0;
	if (!pax->has_mtime)
		return 0;
	for (at += negative; *at >= '0' && *at <= '9'; at++, digits++) {
		if (digits >= 18)
			return bad_record(record, err);
		seconds = seconds * 10 + (uint64_t)(*at - '0');
	}
	if (digits == 0)
		return bad_record(record, err);
	if (*at == '.') {
		uint32_t unit = 100000000;
		for (at++; *at >= '0' && *at <= '9'; at++, unit /= 10)
			nanoseconds += (uint32_t)(*at - '0') * unit;
	}
	if (at != record->value + record->size)
		return bad_record(record, err);
	pax->mtime = negative ? -(int64_t)seconds : (int64_t)seconds;
	if (negative && nanoseconds > 0) {
		pax->mtime--;
		nanoseconds = 1000000000 - nanoseconds;
	}
	pax->mtime_ns = nanoseconds;
	return 0;
}

static int take_xattr(const struct record *record, struct tar_pax *pax, struct error **err)
{
	const char *name = record->key + strlen(TAR_XATTR_KEY);

	if (*name == '\0' || pax->xattr_count == TAR_XATTRS_MAX)
		return bad_record(record, err);
	if (pax->xattrs == NULL)
		pax->xattrs = mem_grow(NULL, TAR_XATTRS_MAX, sizeof(*pax->xattrs));
	pax->xattrs[pax->xattr_count++] =
		(struct tar_xattr){.name = name, .value = record->value, .size = record->size};
	return 0;
}

/* 0.1: "offset,size,offset,size". */
static int take_sparse_map(const struct record *record, struct tar_pax *pax, struct error **err)
{
	uint64_t numbers[2] = {0, 0};
	size_t count = 0;
	const char *at = record->value;

	pax->map.count = 0;
	while (at < record->value + record->size) {
		int digits = 0;
		for (numbers[count % 2] = 0; *at >= '0' && *at <= '9'; at++, digits++)
			numbers[count % 2] = numbers[count % 2] * 10 + (uint64_t)(*at - '0');
		if (digits == 0 || digits > 18 || (*at != ',' && at != record->value + record->size))
			return bad_record(record, err);
		at++;
		if (++count % 2 == 0) {
			int rc = tar_sparse_add(&pax->map, numbers[0], numbers[1], err);
			if (rc < 0)
				return rc;
		}
	}
	return count % 2 == 0 ? 0 : bad_record(record, err);
}

static int take_sparse_version(const struct record *record, const char *expected, struct tar_pax *pax,
			       struct error **err)
{
	if (strcmp(record->value, expected) != 0)
		return error_set(err, EBADMSG, "tar: unknown kind of sparse file");
	pax->sparse = TAR_SPARSE_1;
	return 0;
}

/* 0.0: offsets and sizes in records of their own, in turn. */
static int take_sparse_piece(const struct record *record, struct tar_pax *pax, struct error **err)
{
	uint64_t size = 0;

	if (!pax->has_piece_offset)
		return bad_record(record, err);
	pax->has_piece_offset = false;
	int rc = take_number(record, INT64_MAX, &size, err);
	return rc < 0 ? rc : tar_sparse_add(&pax->map, pax->piece_offset, size, err);
}

static int take_sparse(const struct record *record, struct tar_pax *pax, struct error **err)
{
	const char *key = record->key + strlen("GNU.sparse.");

	if (pax->sparse == TAR_SPARSE_NONE)
		pax->sparse = TAR_SPARSE_0;
	if (strcmp(key, "major") == 0)
		return take_sparse_version(record, "1", pax, err);
	if (strcmp(key, "minor") == 0)
		return take_sparse_version(record, "0", pax, err);
	if (strcmp(key, "name") == 0) {
		pax->has_sparse_name = true;
		return take_text(record, &pax->path, err);
	}
	if (strcmp(key, "size") == 0 || strcmp(key, "realsize") == 0)
		return take_number(record, INT64_MAX, &pax->map.real_size, err);
	if (strcmp(key, "map") == 0)
		return take_sparse_map(record, pax, err);
	if (strcmp(key, "offset") == 0) {
		pax->has_piece_offset = true;
		return take_number(record, INT64_MAX, &pax->piece_offset, err);
	}
	if (strcmp(key, "numbytes") == 0)
		return take_sparse_piece(record, pax, err);
	return 0; /* numblocks: the map says it itself */
}

static int take_record(const struct record *record, struct tar_pax *pax, struct error **err)
{
	if (strncmp(record->key, TAR_XATTR_KEY, strlen(TAR_XATTR_KEY)) == 0)
		return take_xattr(record, pax, err);
	if (strncmp(record->key, "GNU.sparse.", strlen("GNU.sparse.")) == 0)
		return take_sparse(record, pax, err);
	if (strcmp(record->key, "path") == 0) /* of a sparse file it is a name made up for other readers */
		return pax->has_sparse_name ? 0 : take_text(record, &pax->path, err);
	if (strcmp(record->key, "linkpath") == 0)
		return take_text(record, &pax->link, err);
	if (strcmp(record->key, "uid") == 0)
		return take_id(record, &pax->has_uid, &pax->uid, err);
	if (strcmp(record->key, "gid") == 0)
		return take_id(record, &pax->has_gid, &pax->gid, err);
	if (strcmp(record->key, "mtime") == 0)
		return take_time(record, pax, err);
	if (strcmp(record->key, "size") == 0) {
		pax->has_size = record->size > 0;
		return pax->has_size ? take_number(record, INT64_MAX, &pax->size, err) : 0;
	}
	return 0; /* atime, ctime, comment, owner names and what others have invented */
}

/* "<length> <key>=<value>\n": cuts one record off the text. */
static int next_record(char **at, char *end, struct record *record, struct error **err)
{
	char *start = *at;
	size_t length = 0;
	char *p = start;

	for (; p < end && *p >= '0' && *p <= '9' && p - start < 8; p++)
		length = length * 10 + (size_t)(*p - '0');
	if (p == start || p == end || *p != ' ' || length > (size_t)(end - start) || start + length < p + 3)
		return error_set(err, EBADMSG, "tar: bad pax header");
	char *stop = start + length - 1;
	char *key = p + 1;
	char *equals = memchr(key, '=', (size_t)(stop - key));
	if (*stop != '\n' || equals == NULL || equals == key || memchr(key, '\0', (size_t)(equals - key)) != NULL)
		return error_set(err, EBADMSG, "tar: bad pax header");
	*equals = '\0';
	*stop = '\0';
	*record = (struct record){.key = key, .value = equals + 1, .size = (size_t)(stop - equals - 1)};
	*at = start + length;
	return 0;
}

int tar_pax_parse(struct tar_pax *pax, struct error **err)
{
	int rc = 0;

	if (pax->text.len == 0)
		return 0;
	char *at = pax->text.data;
	char *end = at + pax->text.len;
	/* Some pad the last record's block with NULs inside the size. */
	while (rc == 0 && at < end && *at != '\0') {
		struct record record = {0};
		rc = next_record(&at, end, &record, err);
		if (rc == 0)
			rc = take_record(&record, pax, err);
	}
	return rc;
}

int tar_pax_check_global(const struct tar_pax *pax, struct error **err)
{
	if (pax->path != NULL || pax->link != NULL || pax->has_size || pax->xattr_count > 0 ||
	    pax->sparse != TAR_SPARSE_NONE)
		return error_set(err, EBADMSG,
				 "tar: a global header that gives all files the same name, size or attributes");
	return 0;
}

void tar_pax_apply(const struct tar_pax *pax, struct tar_entry *entry)
{
	if (pax->has_uid)
		entry->uid = pax->uid;
	if (pax->has_gid)
		entry->gid = pax->gid;
	if (pax->has_size)
		entry->size = pax->size;
	if (pax->has_mtime) {
		entry->mtime = pax->mtime;
		entry->mtime_ns = pax->mtime_ns;
	}
	if (pax->xattr_count > 0) {
		entry->xattrs = pax->xattrs;
		entry->xattr_count = pax->xattr_count;
	}
}
