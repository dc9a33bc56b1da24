/*
 * The two ends of a packing. The workers' is pack_task(), which ends by itself when nobody listens any more; ours is a
 * blob_feed. Between them is a socket that keeps messages apart; the first of each blob carries its file. Which layer
 * is next the workers agree on by a counter in memory that they share.
 */
#include "builder/packing.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/processors.h"
#include "builder/blob_news.h"
#include "imagefmt/blob.h"
#include "imagefmt/layer.h"

/* One layer keeps all processors busy with compressing, if it has large files; with small ones it is the walk through
 * the tree that takes the time, which only other layers' can go beside. Each worker has a ring of blocks of its own. */
#define WORKERS_MAX 4
/* A worker that finds less to do than so many bytes costs more than it brings. */
#define WORKER_MIN ((uint64_t)8 << 20)

struct packing {
	struct blob_feed feed; /* first: what take() gets is the packing */
	const struct packing_order *order;
	size_t *layers;				/* of each blob of the feed: which of the order's */
	atomic_size_t *next;			/* blob of the feed, shared by the workers; NULL until they start */
	struct workshop_job *jobs[WORKERS_MAX]; /* NULL once they are finished */
	size_t job_count;
	int to; /* the workers' end, in the workers */
};

/* ---- The worker's end ---- */

struct teller {
	int to;
	size_t index;
	bool has_file; /* the other side has it */
	bool told_whole;
};

static int tell_grown(void *context, int fd, uint64_t size, struct error **err)
{
	struct teller *teller = context;
	const struct blob_news news = {.index = teller->index, .size = size};
	int rc = blob_news_send(teller->to, &news, teller->has_file ? -1 : fd, err);

	teller->has_file = true;
	return rc;
}

static int tell_whole(void *context, const struct digest *digest, uint64_t size, struct error **err)
{
	struct teller *teller = context;
	const struct blob_news news = {.index = teller->index, .size = size, .whole = true, .digest = *digest};

	teller->told_whole = true;
	return blob_news_send(teller->to, &news, /* fd */ -1, err);
}

/* The base of an image that was only given another configuration has never been unpacked. */
static int make_blob(struct store *store, const struct packing_order *order, size_t i, const struct blob_watch *watch,
		     struct layer_blob *blob, struct error **err)
{
	cleanup_error struct error *error = NULL;
	int rc = layer_make_blob(store, &order->diff_ids[i], order->codec, order->level, order->exactly, watch, blob,
				 &error);

	if (rc == -ENOENT && order->packed && blob_exists(store, &order->packed[i].digest, NULL)) {
		rc = layer_unpack(store, &order->diff_ids[i], &order->packed[i], err);
		return rc < 0 ? rc
			      : layer_make_blob(store, &order->diff_ids[i], order->codec, order->level, order->exactly,
						watch, blob, err);
	}
	if (rc < 0 && err)
		*err = take_ptr(&error);
	return rc;
}

static int pack_one(struct workshop *w, const struct packing *packing, size_t index, struct error **err)
{
	cleanup(layer_blob_done) struct layer_blob blob = {0};
	struct teller teller = {.to = packing->to, .index = index};
	const struct blob_watch watch = {.grown = tell_grown, .whole = tell_whole, .context = &teller};
	const struct blob_news failed = {.index = index, .failed = true};
	int rc = make_blob(workshop_store(w), packing->order, packing->layers[index], &watch, &blob, err);

	if (rc < 0) { /* now, and not when the other workers are done as well */
		blob_news_send(teller.to, &failed, /* fd */ -1, NULL);
		return rc;
	}
	/* It was there, or came out of another blob. */
	return teller.told_whole ? 0 : tell_whole(&teller, &blob.digest, blob.size, err);
}

static int pack_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct packing *packing = context;
	int rc = 0;

	(void)result;
	fd_close(packing->feed.fd); /* the other end: it must end with the parent */
	while (rc == 0) {
		size_t index = atomic_fetch_add(packing->next, 1);
		if (index >= packing->feed.count)
			break;
		rc = pack_one(w, packing, index, err);
	}
	return rc;
}

/* ---- Our end ---- */

static void expect(struct workshop *w, const struct digest *diff_id, struct growing_blob *blob)
{
	cleanup(layer_record_done) struct layer_record record = {0};

	*blob = (struct growing_blob){.diff_id = *diff_id, .fd = -1};
	/* A layer that has none is for the worker to complain about. */
	if (layer_load_record(workshop_store(w), diff_id, &record, NULL) == 0)
		blob->expected = record.size;
}

/* As many as there are processors, and enough to do beside the largest layer. */
static size_t count_workers(const struct blob_feed *feed)
{
	size_t most = process_processors() < WORKERS_MAX ? process_processors() : WORKERS_MAX;
	uint64_t largest = 0, all = 0;

	for (size_t i = 0; i < feed->count; i++) {
		all += feed->blobs[i].expected;
		largest = feed->blobs[i].expected > largest ? feed->blobs[i].expected : largest;
	}
	uint64_t useful = 1 + (all - largest) / WORKER_MIN;
	return useful < most ? (size_t)useful : most;
}

static int start_workers(struct workshop *w, struct packing *packing, struct error **err)
{
	size_t count = count_workers(&packing->feed);
	void *shared = mmap(NULL, sizeof(*packing->next), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int rc = 0;

	if (shared == MAP_FAILED)
		return error_set_errno(err, "share memory with workers");
	packing->next = shared;
	while (rc == 0 && packing->job_count < count) {
		rc = workshop_start(w, pack_task, packing, &packing->jobs[packing->job_count], err);
		packing->job_count += rc == 0;
	}
	fd_close(take_fd(&packing->to)); /* so that their end is the end */
	return rc;
}

int packing_start(struct workshop *w, const struct packing_order *order, struct packing **packing, struct error **err)
{
	cleanup(packing_free) struct packing *made = mem_alloc(sizeof(*made));

	made->feed = (struct blob_feed){.fd = -1};
	made->order = order;
	made->to = -1;
	made->feed.blobs = mem_alloc((order->count + 1) * sizeof(*made->feed.blobs));
	made->layers = mem_alloc((order->count + 1) * sizeof(*made->layers));
	for (size_t i = 0; i < order->count; i++) {
		if (!order->wanted[i])
			continue;
		made->layers[made->feed.count] = i;
		expect(w, &order->diff_ids[i], &made->feed.blobs[made->feed.count++]);
	}
	int rc = blob_news_open(&made->feed, &made->to, err);
	if (rc == 0)
		rc = start_workers(w, made, err);
	if (rc == 0)
		*packing = take_ptr(&made);
	return rc;
}

struct blob_feed *packing_feed(struct packing *packing)
{
	return &packing->feed;
}

/* Waits for all of them. Who was stopped because another had failed says so in vain. */
static int finish_workers(struct packing *packing, struct error **err)
{
	cleanup_error struct error *reason = NULL;
	int rc = 0;

	for (size_t i = 0; i < packing->job_count; i++) {
		struct error *error = NULL;
		int one =
			packing->jobs[i] ? workshop_finish(take_ptr(&packing->jobs[i]), /* result */ NULL, &error) : 0;
		if (one < 0 && (rc == 0 || rc == -EPIPE)) {
			rc = one;
			error_free(reason);
			reason = take_ptr(&error);
		}
		error_free(error);
	}
	if (err)
		*err = take_ptr(&reason);
	return rc;
}

int packing_finish(struct packing *packing, struct error **err)
{
	struct error *lost = NULL;
	int told = 0;

	while (told == 0 && packing->feed.fd >= 0)
		told = packing->feed.take(&packing->feed, &lost);
	fd_close(take_fd(&packing->feed.fd));
	cleanup_error struct error *early = lost;
	/* What the workers say themselves is the better reason. */
	int rc = finish_workers(packing, err);
	if (rc == 0 && told < 0)
		rc = error_set(err, -told, "%s", error_message(early));
	for (size_t i = 0; rc == 0 && i < packing->feed.count; i++)
		if (!packing->feed.blobs[i].whole)
			rc = error_set(err, EIO, "the worker has not packed all layers");
	return rc;
}

/* ---- Sending ---- */

int packing_send(struct workshop *w, struct packing *packing, struct image_sink *sink,
		 const struct descriptor *const *blobs, size_t count, struct error **err)
{
	int rc = image_sink_send_feed(sink, blobs, count, &packing->feed, workshop_store(w), err);

	if (rc == -EPIPE) /* the workers know better why they have ended */
		error_clear(err);
	return rc < 0 && rc != -EPIPE ? rc : packing_finish(packing, err);
}

void packing_free(struct packing *packing)
{
	if (!packing)
		return;
	fd_close(take_fd(&packing->feed.fd));
	fd_close(packing->to);
	finish_workers(packing, NULL); /* whose words nobody needs: it is we who gave up */
	if (packing->next)
		munmap(packing->next, sizeof(*packing->next));
	blob_news_close(&packing->feed);
	free(packing->feed.blobs);
	free(packing->layers);
	free(packing);
}
