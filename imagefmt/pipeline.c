/* The threads around the ring when a layer is packed. Each runs one short loop and ends with the ring. */
#include "imagefmt/pipeline.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/processors.h"
#include "imagefmt/checksum.h"
#include "imagefmt/ring.h"

/* Starting threads costs more than packing so few blocks. */
#define INLINE_BLOCKS 4
#define PACKERS_MAX 8

/* What the ring and the packers take together. The process has some ten more; docs/benchmarks.md says less than 64 MiB
 * for any size and any number of processors. */
#define MEMORY_MAX ((size_t)48 << 20)
/* A block, and what it is packed to. */
#define MEMORY_OF_BLOCK (2 * CODEC_BLOCK + CODEC_BLOCK / 8)
/* Who needs more for packing has less in the ring: so slow a packer is never waited for by more than a few. */
#define MEMORY_LARGE ((size_t)4 << 20)
#define BLOCKS_BESIDE 6

/* Who packs, writes and hashes, as the ring has them: who hashes is the last of them, or the only one. */
enum kind { PACK, WRITE };

struct packer {
	struct pipeline *pipeline;
	struct deflater *deflater;
};

struct pipeline {
	struct ring *ring;
	struct ring_block *block; /* being filled, or NULL */
	enum pipeline_sums sums;
	struct hasher *hasher; /* NULL: no digest is wanted */
	unsigned hash;	       /* the kind that hashes */
	bool counts;	       /* `checksum` is of all bytes published */
	struct checksum checksum;
	stream_sink *plain_sink;
	void *plain_context;
	bool packs;
	struct codec_recipe recipe;
	struct codec_frame frame;
	struct packer packers[PACKERS_MAX];
	size_t packer_count;
	stream_sink *sink;
	void *context;
	uint64_t size;
	bool has_threads;
	bool one_processor;
};

static unsigned blocks_for(const struct codec_recipe *recipe)
{
	return recipe != NULL && deflater_memory(recipe) > MEMORY_LARGE ? BLOCKS_BESIDE : RING_BLOCKS;
}

static size_t packers_for(const struct codec_recipe *recipe)
{
	size_t room = (MEMORY_MAX - blocks_for(recipe) * MEMORY_OF_BLOCK) / deflater_memory(recipe);
	size_t processors = process_processors();
	size_t most = processors < PACKERS_MAX ? processors : PACKERS_MAX;

	return room < most ? room : most;
}

static bool is_gzip(const struct pipeline *p)
{
	return p->packs && p->recipe.codec == CODEC_GZIP;
}

static int choose_sums(struct pipeline *p, enum pipeline_sums wanted, struct error **err)
{
	p->sums = wanted;
	if (wanted == PIPELINE_CRC && !is_gzip(p)) {
		assert(p->packs);
		p->counts = checksum_init(&p->checksum, NULL) == 0;
		if (!p->counts)
			p->sums = PIPELINE_DIGEST;
	}
	p->hash = p->packs ? WRITE + 1 : 0;
	return p->sums == PIPELINE_CRC ? 0 : hasher_new(DIGEST_SHA256, &p->hasher, err);
}

int pipeline_new(const struct pipeline_options *options, struct pipeline **pipeline, struct error **err)
{
	cleanup(pipeline_free) struct pipeline *p = mem_alloc(sizeof(*p));

	p->plain_sink = options->plain_sink;
	p->plain_context = options->plain_context;
	p->packs = options->recipe != NULL;
	if (p->packs)
		p->recipe = *options->recipe;
	p->sink = options->sink;
	p->context = options->context;
	p->one_processor = process_processors() < 2;
	int rc = choose_sums(p, options->sums, err);
	if (rc < 0)
		return rc;
	const struct ring_options ring = {.kinds = p->hash + (p->hasher ? 1 : 0),
					  .block_size = CODEC_BLOCK,
					  .blocks = blocks_for(options->recipe),
					  .dict_size = p->packs ? CODEC_DICT : 0};
	ring_new(&ring, &p->ring);
	*pipeline = take_ptr(&p);
	return 0;
}

void pipeline_free(struct pipeline *p)
{
	if (p == NULL)
		return;
	ring_free(p->ring); /* first: its threads use the rest */
	for (size_t i = 0; i < p->packer_count; i++)
		deflater_free(p->packers[i].deflater);
	hasher_free(p->hasher);
	free(p);
}

/* ---- what happens to a block ---- */

/* By who fills it: it is in his cache, and who hashes has more to do. gzip's packers count their own. */
static void count_block(struct pipeline *p, const struct ring_block *block)
{
	bool is_first = p->size == block->size;

	if (p->sums == PIPELINE_DIGEST_AND_CRC && !is_gzip(p) && is_first && block->size == CODEC_BLOCK)
		p->counts = checksum_init(&p->checksum, NULL) == 0;
	if (p->counts)
		checksum_update(&p->checksum, block->data, block->size);
}

static int add_packer(struct pipeline *p, struct error **err)
{
	struct packer *packer = &p->packers[p->packer_count];

	packer->pipeline = p;
	int rc = deflater_new(&p->recipe, &packer->deflater, err);
	if (rc == 0)
		p->packer_count++;
	return rc;
}

static int pack_block(struct packer *packer, struct ring_block *block, struct error **err)
{
	return deflater_block(packer->deflater, block->data - block->dict_size, block->dict_size, block->data,
			      block->size, &block->packed, &block->crc, err);
}

static int give(struct pipeline *p, const struct buf *bytes, struct error **err)
{
	return bytes->len > 0 ? p->sink(bytes->data, bytes->len, p->context, err) : 0;
}

static int write_begin(struct pipeline *p, struct error **err)
{
	cleanup(buf_done) struct buf head = BUF_INIT(64);
	int rc = codec_frame_begin(&p->frame, &p->recipe, &head, err);

	return rc < 0 ? rc : give(p, &head, err);
}

static int write_block(struct pipeline *p, const struct ring_block *block, struct error **err)
{
	codec_frame_add(&p->frame, block->crc, block->size);
	return give(p, &block->packed, err);
}

static int write_end(struct pipeline *p, struct error **err)
{
	cleanup(buf_done) struct buf tail = BUF_INIT(64);

	codec_frame_end(&p->frame, &tail);
	return give(p, &tail, err);
}

/* ---- threads ---- */

static void run_hash(void *context)
{
	struct pipeline *p = context;
	struct ring_block *block;

	while ((block = ring_take(p->ring, p->hash)) != NULL) {
		hasher_update(p->hasher, block->data, block->size);
		ring_release(p->ring, block);
	}
}

static void run_pack(void *context)
{
	struct packer *packer = context;
	struct ring *ring = packer->pipeline->ring;
	struct ring_block *block;

	while ((block = ring_take(ring, PACK)) != NULL) {
		struct error *error = NULL;
		int rc = pack_block(packer, block, &error);
		if (rc < 0)
			ring_break(ring, rc, error);
		else
			ring_set_packed(ring, block);
		ring_release(ring, block);
	}
}

static void run_write(void *context)
{
	struct pipeline *p = context;
	struct ring_block *block;

	while ((block = ring_take(p->ring, WRITE)) != NULL) {
		struct error *error = NULL;
		int rc = ring_wait_packed(p->ring, block) ? write_block(p, block, &error) : 0;
		if (rc < 0)
			ring_break(p->ring, rc, error);
		ring_release(p->ring, block);
	}
}

static int start_threads(struct pipeline *p, struct error **err)
{
	size_t packers = p->packs ? packers_for(&p->recipe) : 0;
	int rc = 0;

	p->has_threads = true;
	if (p->packs) {
		rc = write_begin(p, err);
		while (rc == 0 && p->packer_count < packers)
			rc = add_packer(p, err);
		for (size_t i = 0; rc == 0 && i < p->packer_count; i++)
			rc = ring_start(p->ring, run_pack, &p->packers[i], err);
		if (rc == 0)
			rc = ring_start(p->ring, run_write, p, err);
	}
	return rc < 0 || !p->hasher ? rc : ring_start(p->ring, run_hash, p, err);
}

/* ---- without threads ---- */

static void hash_here(struct pipeline *p)
{
	struct ring_block *block = ring_take(p->ring, p->hash);

	hasher_update(p->hasher, block->data, block->size);
	ring_release(p->ring, block);
}

static int process_here(struct pipeline *p, struct error **err)
{
	struct ring_block *block;
	int rc = 0;

	if (p->packs && p->packer_count == 0) {
		rc = write_begin(p, err);
		if (rc == 0)
			rc = add_packer(p, err);
	}
	/* What each kind releases it has taken: none of these waits. */
	while (rc == 0 && ring_fill(p->ring) > 0 && !ring_is_broken(p->ring)) {
		if (p->hasher)
			hash_here(p);
		if (!p->packs)
			continue;
		block = ring_take(p->ring, PACK);
		rc = pack_block(&p->packers[0], block, err);
		ring_release(p->ring, block);
		block = ring_take(p->ring, WRITE);
		if (rc == 0)
			rc = write_block(p, block, err);
		ring_release(p->ring, block);
	}
	return rc;
}

/* ---- the caller's side ---- */

static void publish(struct pipeline *p)
{
	struct ring_block *block = take_ptr(&p->block);
	struct error *error = NULL;
	int rc = 0;

	count_block(p, block);
	if (p->plain_sink != NULL)
		rc = p->plain_sink(block->data, block->size, p->plain_context, &error);
	ring_publish(p->ring, block);
	if (rc == 0 && p->one_processor)
		rc = process_here(p, &error);
	else if (rc == 0 && !p->has_threads && ring_fill(p->ring) == INLINE_BLOCKS)
		rc = start_threads(p, &error);
	if (rc < 0)
		ring_break(p->ring, rc, error);
}

char *pipeline_room(struct pipeline *p, size_t *size)
{
	if (p->block == NULL)
		p->block = ring_begin(p->ring);
	if (p->block == NULL)
		return NULL;
	*size = CODEC_BLOCK - p->block->size;
	return p->block->data + p->block->size;
}

void pipeline_filled(struct pipeline *p, size_t size)
{
	p->block->size += size;
	p->size += size;
	if (p->block->size == CODEC_BLOCK)
		publish(p);
}

bool pipeline_write(struct pipeline *p, const void *data, size_t size)
{
	const char *next = data;

	while (size > 0) {
		size_t room_size;
		char *room = pipeline_room(p, &room_size);
		if (room == NULL)
			return false;
		size_t n = size < room_size ? size : room_size;
		memcpy(room, next, n);
		pipeline_filled(p, n);
		next += n;
		size -= n;
	}
	return true;
}

int pipeline_finish(struct pipeline *p, struct digest *digest, uint64_t *size, struct error **err)
{
	int rc = 0;

	if (p->block != NULL && p->block->size > 0)
		publish(p);
	ring_end(p->ring);
	if (!p->has_threads) {
		struct error *error = NULL;
		rc = process_here(p, &error);
		if (rc < 0)
			ring_break(p->ring, rc, error);
	}
	rc = ring_join(p->ring, err);
	if (rc == 0 && p->packs)
		rc = write_end(p, err);
	if (rc < 0)
		return rc;
	*digest = (struct digest){0};
	if (p->hasher)
		hasher_finish(p->hasher, digest);
	*size = p->size;
	return 0;
}

bool pipeline_crc(const struct pipeline *p, uint32_t *crc)
{
	if (p->sums == PIPELINE_DIGEST || (!is_gzip(p) && !p->counts))
		return false;
	*crc = is_gzip(p) ? p->frame.crc : p->checksum.value;
	return true;
}
