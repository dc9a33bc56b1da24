/*
 * The ring of blocks. One mutex and one condition for everything: a block is large, so they are touched some thousand
 * times a second, and whoever waits looks again at what it waits for.
 */
#include "imagefmt/ring.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "imagefmt/thread.h"

#define THREADS_MAX 16

struct thread {
	pthread_t id;
	void (*run)(void *context);
	void *context;
};

struct ring {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct ring_options options;
	struct ring_block blocks[RING_BLOCKS];
	uint64_t published;		/* blocks handed over so far */
	uint64_t taken[RING_KINDS_MAX]; /* by each kind */
	bool ended;
	bool broken;
	int code;
	struct error *error;
	struct thread threads[THREADS_MAX];
	size_t thread_count;
};

void ring_new(const struct ring_options *options, struct ring **ring)
{
	assert(options->kinds <= RING_KINDS_MAX && options->dict_size <= options->block_size);
	assert(options->blocks <= RING_BLOCKS);
	struct ring *r = mem_alloc(sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	r->options = *options;
	if (r->options.blocks == 0)
		r->options.blocks = RING_BLOCKS;
	for (size_t i = 0; i < RING_BLOCKS; i++)
		buf_init(&r->blocks[i].packed, 2 * options->block_size);
	*ring = r;
}

void ring_free(struct ring *r)
{
	if (r == NULL)
		return;
	ring_break(r, -ECANCELED, NULL);
	int code = ring_join(r, NULL);
	(void)code; /* nobody asks any more */
	for (size_t i = 0; i < RING_BLOCKS; i++) {
		if (r->blocks[i].data != NULL)
			free(r->blocks[i].data - r->options.dict_size);
		buf_done(&r->blocks[i].packed);
	}
	error_free(r->error);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* The end of the block before, which stands untouched: only we fill blocks. */
static void copy_dict(struct ring *r, struct ring_block *block)
{
	size_t max = r->options.dict_size;

	block->dict_size = 0;
	if (r->published == 0 || max == 0)
		return;
	const struct ring_block *before = &r->blocks[(r->published - 1) % r->options.blocks];
	block->dict_size = before->size < max ? before->size : max;
	memcpy(block->data - block->dict_size, before->data + before->size - block->dict_size, block->dict_size);
}

struct ring_block *ring_begin(struct ring *r)
{
	struct ring_block *block = &r->blocks[r->published % r->options.blocks];

	pthread_mutex_lock(&r->lock);
	while (block->users > 0 && !r->broken)
		pthread_cond_wait(&r->changed, &r->lock);
	bool broken = r->broken;
	pthread_mutex_unlock(&r->lock);
	if (broken)
		return NULL;
	if (block->data == NULL)
		block->data =
			(char *)mem_grow(NULL, r->options.dict_size + r->options.block_size, 1) + r->options.dict_size;
	block->size = 0;
	block->is_packed = false;
	copy_dict(r, block);
	return block;
}

void ring_publish(struct ring *r, struct ring_block *block)
{
	pthread_mutex_lock(&r->lock);
	block->users = r->options.kinds;
	r->published++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void ring_end(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

size_t ring_fill(struct ring *r)
{
	size_t count = 0;

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < RING_BLOCKS; i++)
		count += r->blocks[i].users > 0;
	pthread_mutex_unlock(&r->lock);
	return count;
}

struct ring_block *ring_take(struct ring *r, unsigned kind)
{
	struct ring_block *block = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->broken && !r->ended && r->taken[kind] == r->published)
		pthread_cond_wait(&r->changed, &r->lock);
	if (!r->broken && r->taken[kind] < r->published)
		block = &r->blocks[r->taken[kind]++ % r->options.blocks];
	pthread_mutex_unlock(&r->lock);
	return block;
}

void ring_keep(struct ring *r, struct ring_block *block)
{
	pthread_mutex_lock(&r->lock);
	block->users++;
	pthread_mutex_unlock(&r->lock);
}

void ring_release(struct ring *r, struct ring_block *block)
{
	pthread_mutex_lock(&r->lock);
	if (--block->users == 0)
		pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void ring_set_packed(struct ring *r, struct ring_block *block)
{
	pthread_mutex_lock(&r->lock);
	block->is_packed = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

bool ring_wait_packed(struct ring *r, struct ring_block *block)
{
	pthread_mutex_lock(&r->lock);
	while (!block->is_packed && !r->broken)
		pthread_cond_wait(&r->changed, &r->lock);
	bool packed = block->is_packed;
	pthread_mutex_unlock(&r->lock);
	return packed;
}

void ring_break(struct ring *r, int code, struct error *error)
{
	pthread_mutex_lock(&r->lock);
	if (!r->broken) {
		r->broken = true;
		r->code = code;
		r->error = take_ptr(&error);
	}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	error_free(error);
}

bool ring_is_broken(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	bool broken = r->broken;
	pthread_mutex_unlock(&r->lock);
	return broken;
}

static void *run_thread(void *context)
{
	struct thread *thread = context;

	thread->run(thread->context);
	return NULL;
}

int ring_start(struct ring *r, void (*run)(void *context), void *context, struct error **err)
{
	assert(r->thread_count < THREADS_MAX);
	struct thread *thread = &r->threads[r->thread_count];

	thread->run = run;
	thread->context = context;
	int rc = thread_start(&thread->id, run_thread, thread, err);
	if (rc < 0)
		return rc;
	r->thread_count++;
	return 0;
}

int ring_join(struct ring *r, struct error **err)
{
	for (size_t i = 0; i < r->thread_count; i++)
		pthread_join(r->threads[i].id, NULL);
	r->thread_count = 0;
	if (!r->broken)
		return 0;
	if (err != NULL && r->error != NULL)
		*err = take_ptr(&r->error);
	return r->code;
}
