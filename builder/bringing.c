/*
 * The process that fetches, bring_task(), and our end. What is fetched and what is sent are together no more blobs than
 * may be under way at once, and no more lie in somebody's tmp/: for each that has been sent the process gets a byte,
 * and only then fetches another. It never waits for us in the middle of a blob, nor we for it with one that is whole,
 * so that one blob at once is enough.
 */
#include "builder/bringing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "builder/blob_news.h"
#include "imagefmt/blob.h"

#define TELL_SIZE ((uint64_t)1 << 20) /* that came, between two words about the same blob */

struct bringing {
	struct blob_feed feed; /* first: what sent() gets is the bringing */
	struct bringing_order order;
	struct workshop_job *job; /* NULL once it is finished */
	int to;			  /* the process's end of the news, in it */
	int done[2];		  /* a byte for each blob that has been sent: its end, ours */
};

/* ---- The process that fetches ---- */

/* What has been told of a blob. */
struct told {
	uint64_t size;
	ino_t file; /* 0: none */
	bool whole;
};

struct bringer {
	const struct bringing *bringing;
	struct told *told; /* one for each blob */
};

static int tell(struct bringer *bringer, size_t index, int fd, uint64_t size, bool whole, struct error **err)
{
	struct told *told = &bringer->told[index];
	const struct blob_news news = {
		.index = index, .size = size, .whole = whole, .digest = bringer->bringing->order.blobs[index]->digest};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set_errno(err, "look at a file");
	int rc = blob_news_send(bringer->bringing->to, &news, st.st_ino == told->file ? -1 : fd, err);
	*told = (struct told){.size = size, .file = st.st_ino, .whole = whole};
	return rc;
}

/* Every so often; and at once of a first byte, and of what begins anew. */
static int on_grown(void *context, const struct digest *want, int fd, uint64_t size, struct error **err)
{
	struct bringer *bringer = context;
	const struct bringing_order *order = &bringer->bringing->order;

	for (size_t i = 0; i < order->count; i++) {
		const struct told *told = &bringer->told[i];
		if (!digest_equal(&order->blobs[i]->digest, want))
			continue;
		bool is_news = told->file == 0 || size < told->size || size >= told->size + TELL_SIZE;
		return is_news ? tell(bringer, i, fd, size, /* whole */ false, err) : 0;
	}
	return 0;
}

/* Also of blobs that were there before, and of files that are lent. */
static int tell_whole(struct bringer *bringer, size_t first, size_t count, struct error **err)
{
	const struct bringing_order *order = &bringer->bringing->order;
	int rc = 0;

	for (size_t i = first; rc == 0 && i < first + count; i++) {
		cleanup_close int fd = blob_open(order->work, &order->blobs[i]->digest, /* size */ NULL, err);
		rc = fd < 0 ? fd : tell(bringer, i, fd, order->blobs[i]->size, /* whole */ true, err);
	}
	return rc;
}

/* How many further blobs have been sent, waiting for one if `flags` do not say otherwise; -EPIPE when nobody sends any
 * more. */
static ssize_t read_sent(int from, int flags, struct error **err)
{
	char bytes[64];

	for (;;) {
		ssize_t got = recv(from, bytes, sizeof(bytes), flags);
		if (got > 0)
			return got;
		if (got == 0)
			return error_set(err, EPIPE, "nobody sends the blobs any more");
		if (errno == EAGAIN)
			return 0;
		if (errno != EINTR)
			return error_set_errno(err, "wait for blobs to be sent");
	}
}

static int bring_all(struct bringer *bringer, struct error **err)
{
	const struct bringing *bringing = bringer->bringing;
	const struct bringing_order *order = &bringing->order;
	size_t under_way = 0; /* fetched, and not sent yet */
	size_t first = 0;

	while (first < order->count) {
		ssize_t sent = read_sent(bringing->done[0], under_way < order->at_once ? MSG_DONTWAIT : 0, err);
		if (sent < 0)
			return (int)sent;
		under_way -= (size_t)sent;
		size_t room = order->at_once - under_way;
		size_t count = order->count - first < room ? order->count - first : room;
		int rc = claims_fetch(order->claims, order->source, order->blobs + first, count, order->work, err);
		if (rc == 0)
			rc = tell_whole(bringer, first, count, err);
		if (rc < 0)
			return rc;
		first += count;
		under_way += count;
	}
	return 0;
}

static int bring_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct bringing *bringing = context;
	const struct blob_news failed = {.failed = true};
	cleanup_free struct told *told = mem_alloc((bringing->order.count + 1) * sizeof(*told));
	struct bringer bringer = {.bringing = bringing, .told = told};
	const struct blob_observer observer = {.grown = on_grown, .context = &bringer};

	(void)w, (void)result;
	/* The others' ends: they must end with the parent. */
	fd_close(bringing->feed.fd);
	fd_close(bringing->done[1]);
	if (bringing->order.client)
		registry_client_forked(bringing->order.client);
	store_set_observer(bringing->order.work, &observer);
	int rc = bring_all(&bringer, err);
	store_set_observer(bringing->order.work, NULL);
	if (rc < 0) /* the reason comes as the task's */
		blob_news_send(bringing->to, &failed, /* fd */ -1, NULL);
	return rc;
}

/* ---- Our end ---- */

static void on_sent(struct blob_feed *feed, size_t index)
{
	struct bringing *bringing = (struct bringing *)feed;
	const struct bringing_order *order = &bringing->order;

	fd_close(take_fd(&feed->blobs[index].fd)); /* so that its room is free when it is removed */
	if (order->sent)
		order->sent(order->context, order->blobs[index]);
	/* When the process has ended, its end says so. */
	if (send(bringing->done[1], "", 1, MSG_NOSIGNAL) < 0)
		log_debug("the process that fetches blobs has ended");
}

int bringing_start(struct workshop *w, const struct bringing_order *order, struct bringing **bringing,
		   struct error **err)
{
	cleanup(bringing_free) struct bringing *made = mem_alloc(sizeof(*made));

	*made = (struct bringing){.order = *order, .to = -1, .done = {-1, -1}};
	made->feed = (struct blob_feed){.fd = -1, .sent = on_sent, .count = order->count};
	made->feed.blobs = mem_alloc((order->count + 1) * sizeof(*made->feed.blobs));
	for (size_t i = 0; i < order->count; i++)
		made->feed.blobs[i] = (struct growing_blob){.diff_id = order->blobs[i]->digest,
							    .digest = order->blobs[i]->digest,
							    .expected = order->blobs[i]->size,
							    .is_known = true,
							    .fd = -1};
	int rc = blob_news_open(&made->feed, &made->to, err);
	if (rc == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made->done) < 0)
		rc = error_set_errno(err, "make a pair of sockets");
	if (rc == 0)
		rc = workshop_start_outside(w, bring_task, made, &made->job, err);
	fd_close(take_fd(&made->to)); /* so that its end is the end */
	fd_close(take_fd(&made->done[0]));
	if (rc == 0)
		*bringing = take_ptr(&made);
	return rc;
}

int bringing_send(struct bringing *bringing, struct image_sink *sink, struct store *store, struct error **err)
{
	int rc = image_sink_send_feed(sink, /* blobs */ NULL, 0, &bringing->feed, store, err);

	if (rc == 0)
		return workshop_finish(take_ptr(&bringing->job), /* result */ NULL, err);
	if (rc != -EPIPE)
		return rc;
	error_clear(err); /* the process knows better why it has ended */
	rc = workshop_finish(take_ptr(&bringing->job), /* result */ NULL, err);
	return rc < 0 ? rc : error_set(err, EIO, "the process that fetches blobs has ended early");
}

void bringing_free(struct bringing *bringing)
{
	if (!bringing)
		return;
	if (bringing->job) /* which may be waiting for a registry */
		workshop_kill(bringing->job);
	blob_news_close(&bringing->feed);
	fd_close(bringing->to);
	fd_close(bringing->done[0]);
	fd_close(bringing->done[1]);
	free(bringing->feed.blobs);
	free(bringing);
}
