/*
 * Headers and data into a pipeline as they come, and the headers once more into a digest by which the walk knows them.
 */
#include "imagefmt/packahead_internal.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "imagefmt/pipeline.h"

#define HEADER_MAX ((size_t)1 << 26)

/* ---- outlines -----------------------------------------------------------------------------------------------------
 */

int pack_outline_init(struct pack_outline *outline, struct error **err)
{
	*outline = (struct pack_outline){0};
	return hasher_new(DIGEST_SHA256, &outline->hasher, err);
}

void pack_outline_done(struct pack_outline *outline)
{
	hasher_free(outline->hasher);
	outline->hasher = NULL;
}

void pack_outline_add(struct pack_outline *outline, const struct buf *header, uint64_t size)
{
	const uint64_t numbers[] = {htole64(header->len), htole64(size)};

	hasher_update(outline->hasher, numbers, sizeof(numbers));
	hasher_update(outline->hasher, header->data, header->len);
	outline->entries++;
}

/* ---- ahead --------------------------------------------------------------------------------------------------------
 */

struct pack_ahead {
	struct pipeline *pipeline; /* NULL: given up */
	struct pack_outline outline;
	struct buf header;
	char *last;    /* path of the entry before; NULL: none */
	uint64_t left; /* of the file's data */
	uint64_t file_size;
	int64_t clamp_mtime;
	bool set_mtime;
};

int pack_ahead_new(int64_t clamp_mtime, bool set_mtime, struct pack_ahead **ahead, struct error **err)
{
	cleanup(pack_ahead_free) struct pack_ahead *a = mem_alloc(sizeof(*a));

	a->clamp_mtime = clamp_mtime;
	a->set_mtime = set_mtime;
	buf_init(&a->header, HEADER_MAX);
	int rc = pack_outline_init(&a->outline, err);
	if (rc >= 0)
		rc = pipeline_new(&(struct pipeline_options){.sums = PIPELINE_DIGEST_AND_CRC}, &a->pipeline, err);
	if (rc < 0)
		return rc;
	*ahead = take_ptr(&a);
	return 0;
}

void pack_ahead_free(struct pack_ahead *ahead)
{
	if (!ahead)
		return;
	pipeline_free(ahead->pipeline);
	pack_outline_done(&ahead->outline);
	buf_done(&ahead->header);
	free(ahead->last);
	free(ahead);
}

void pack_ahead_give_up(struct pack_ahead *ahead)
{
	if (!ahead || !ahead->pipeline)
		return;
	pipeline_free(take_ptr(&ahead->pipeline));
}

bool pack_ahead_is_on(const struct pack_ahead *ahead)
{
	return ahead && ahead->pipeline;
}

/* Each directory before what is in it, and the names of one bytewise: as strcmp(3), with '/' before any other byte. */
static bool comes_before(const char *one, const char *other)
{
	while (*one && *one == *other) {
		one++;
		other++;
	}
	if (!*one || !*other)
		return !*one && *other;
	if (*one == '/' || *other == '/')
		return *one == '/';
	return (unsigned char)*one < (unsigned char)*other;
}

static void put(struct pack_ahead *ahead, const void *data, size_t size)
{
	if (!pipeline_write(ahead->pipeline, data, size))
		pack_ahead_give_up(ahead);
}

void pack_ahead_entry(struct pack_ahead *ahead, const struct tar_entry *said)
{
	struct tar_entry entry = *said;

	if (!pack_ahead_is_on(ahead))
		return;
	if (ahead->left > 0 || (ahead->last && !comes_before(ahead->last, entry.path))) {
		trace(STORE, "'%s' does not come behind '%s' in a tar: the layer is packed by a walk", entry.path,
		      ahead->last);
		pack_ahead_give_up(ahead);
		return;
	}
	if (ahead->clamp_mtime >= 0 && (ahead->set_mtime || entry.mtime > ahead->clamp_mtime))
		entry.mtime = ahead->clamp_mtime;
	mem_replace(&ahead->last, entry.path);
	buf_clear(&ahead->header);
	tar_format_entry(&entry, &ahead->header);
	pack_outline_add(&ahead->outline, &ahead->header, entry.size);
	ahead->left = ahead->file_size = entry.size;
	put(ahead, ahead->header.data, ahead->header.len);
}

char *pack_ahead_room(struct pack_ahead *ahead, size_t *size)
{
	if (!pack_ahead_is_on(ahead) || ahead->left == 0)
		return NULL;
	char *room = pipeline_room(ahead->pipeline, size);
	if (!room)
		pack_ahead_give_up(ahead);
	else if (*size > ahead->left)
		*size = (size_t)ahead->left;
	return room;
}

void pack_ahead_filled(struct pack_ahead *ahead, size_t size)
{
	static const char zeros[TAR_BLOCK];

	pipeline_filled(ahead->pipeline, size);
	ahead->left -= size;
	if (ahead->left == 0)
		put(ahead, zeros, tar_padding(ahead->file_size));
}

bool pack_ahead_take(struct pack_ahead *ahead, struct pack_outline *outline, struct pack_result *result)
{
	static const char zeros[2 * TAR_BLOCK];
	struct digest said, found;

	if (!pack_ahead_is_on(ahead) || ahead->left > 0)
		return false;
	hasher_finish(ahead->outline.hasher, &said);
	hasher_finish(outline->hasher, &found);
	bool is_same = ahead->outline.entries == outline->entries && digest_equal(&said, &found);
	struct pack_result packed = {.entries = outline->entries};
	if (is_same)
		put(ahead, zeros, sizeof(zeros));
	is_same = is_same && pack_ahead_is_on(ahead) &&
		  pipeline_finish(ahead->pipeline, &packed.diff_id, &packed.size, NULL) == 0;
	if (is_same)
		packed.crc.is_known = pipeline_crc(ahead->pipeline, &packed.crc.value);
	pack_ahead_give_up(ahead);
	trace(STORE, "a layer packed ahead: %s", is_same ? "as it is" : "not as it is, packing it again");
	if (is_same)
		*result = packed;
	return is_same;
}
