/*
 * A thread that finds its layer wrong may have read a blob that has begun anew meanwhile. So a failure is looked into
 * once more when all are in the store, and only that counts.
 */
#include "imagefmt/layer_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/fd.h"
#include "imagefmt/blob.h"
#include "imagefmt/layer_origin.h"
#include "imagefmt/thread.h"
#include "imagefmt/unpack.h"

/* So many bytes are worth waking somebody for. */
#define NEWS_SIZE ((uint64_t)256 << 10)

struct check {
	struct layer_verify *verify;
	struct layer_claim claim;
	pthread_t thread;
	bool has_thread;
	int fd;	       /* the file that it comes into, once there is one */
	uint64_t size; /* of it that can be read */
	uint64_t seen; /* by the thread, when it last asked */
	int rc;
};

struct layer_verify {
	struct store *store;
	struct check *checks;
	size_t count;
	pthread_mutex_t lock; /* of all that follows, and of a check's fd, size and seen */
	pthread_cond_t changed;
	bool all_came;
	bool given_up;
};

/* ---- One layer ---- */

static int verify_layer(const struct check *check, const struct layer_arrival *arrival, struct error **err)
{
	cleanup(layer_origin_done) struct layer_origin origin = {
		.store = check->verify->store, .packed = check->claim.packed, .arrival = arrival, .fd = -1};
	struct unpack_options options = {.algorithm = check->claim.diff_id->algorithm};
	struct unpack_result result;
	char text[DIGEST_TEXT_SIZE];
	enum codec codec;
	int rc = layer_origin_limit(&options.max_bytes, err);

	if (rc == 0)
		rc = layer_origin_begin(&origin, &codec, err);
	if (rc == 0)
		rc = unpack_verify_from(layer_origin_next, &origin, codec, &options, &result, err);
	if (rc == 0)
		rc = layer_origin_wait(&origin, err);
	if (rc < 0)
		return error_prefix(err, "layer %s", digest_format(check->claim.diff_id, text));
	rc = layer_origin_compare(&origin, &result.diff_id, check->claim.diff_id, err);
	return rc < 0 ? error_hint(err, "which is not the diff_id that the configuration gives") : 0;
}

/* ---- Its thread ---- */

static int wait_for_news(void *context, struct error **err)
{
	struct check *check = context;
	struct layer_verify *verify = check->verify;

	pthread_mutex_lock(&verify->lock);
	while (!verify->given_up && !verify->all_came && check->size <= check->seen)
		pthread_cond_wait(&verify->changed, &verify->lock);
	check->seen = check->size;
	bool given_up = verify->given_up;
	bool all_came = verify->all_came;
	pthread_mutex_unlock(&verify->lock);
	return given_up ? error_set(err, ECANCELED, "the blob did not come") : all_came;
}

static void *run(void *context)
{
	struct check *check = context;

	if (wait_for_news(check, NULL) < 0)
		return NULL;
	const struct layer_arrival arrival = {.fd = check->fd, .wait = wait_for_news, .context = check};
	check->rc = verify_layer(check, &arrival, /* err */ NULL);
	return NULL;
}

static void join_all(struct layer_verify *verify)
{
	for (size_t i = 0; i < verify->count; i++)
		if (verify->checks[i].has_thread)
			pthread_join(verify->checks[i].thread, NULL);
	for (size_t i = 0; i < verify->count; i++)
		verify->checks[i].has_thread = false;
}

/* ---- Who fetches ---- */

int layer_verify_start(struct store *store, const struct layer_claim *claims, size_t count,
		       struct layer_verify **verify, struct error **err)
{
	cleanup(layer_verify_free) struct layer_verify *made = mem_alloc(sizeof(*made));
	int rc = 0;

	made->store = store;
	made->checks = mem_alloc((count + 1) * sizeof(*made->checks));
	pthread_mutex_init(&made->lock, NULL);
	pthread_cond_init(&made->changed, NULL);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct check *check = &made->checks[made->count++];
		*check = (struct check){.verify = made, .claim = claims[i], .fd = -1};
		rc = thread_start(&check->thread, run, check, err);
		check->has_thread = rc == 0;
	}
	if (rc == 0)
		*verify = take_ptr(&made);
	return rc;
}

int layer_verify_grown(void *context, const struct digest *want, int fd, uint64_t size, struct error **err)
{
	struct layer_verify *verify = context;

	(void)err;
	for (size_t i = 0; i < verify->count; i++) {
		struct check *check = &verify->checks[i];
		if (!digest_equal(&check->claim.packed->digest, want))
			continue;
		pthread_mutex_lock(&verify->lock);
		if (check->fd < 0) /* when there is no descriptor left, it is looked at in the end */
			check->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (check->fd >= 0)
			check->size = size;
		if (size >= check->seen + NEWS_SIZE || size == check->claim.packed->size)
			pthread_cond_broadcast(&verify->changed);
		pthread_mutex_unlock(&verify->lock);
	}
	return 0;
}

/* For the threads of those that were there before, or were lent: nobody has seen them come. */
static int open_others(struct layer_verify *verify, struct error **err)
{
	for (size_t i = 0; i < verify->count; i++) {
		struct check *check = &verify->checks[i];
		if (check->fd >= 0)
			continue;
		int fd = blob_open(verify->store, &check->claim.packed->digest, /* size */ NULL, err);
		if (fd < 0)
			return fd;
		pthread_mutex_lock(&verify->lock);
		check->fd = fd;
		pthread_mutex_unlock(&verify->lock);
	}
	return 0;
}

int layer_verify_end(struct layer_verify *verify, struct error **err)
{
	int rc = open_others(verify, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&verify->lock);
	verify->all_came = true;
	pthread_cond_broadcast(&verify->changed);
	pthread_mutex_unlock(&verify->lock);
	join_all(verify);
	for (size_t i = 0; rc == 0 && i < verify->count; i++)
		if (verify->checks[i].rc < 0)
			rc = verify_layer(&verify->checks[i], /* arrival */ NULL, err);
	return rc;
}

void layer_verify_free(struct layer_verify *verify)
{
	if (!verify)
		return;
	pthread_mutex_lock(&verify->lock);
	verify->given_up = true;
	pthread_cond_broadcast(&verify->changed);
	pthread_mutex_unlock(&verify->lock);
	join_all(verify);
	for (size_t i = 0; i < verify->count; i++)
		fd_close(verify->checks[i].fd);
	pthread_cond_destroy(&verify->changed);
	pthread_mutex_destroy(&verify->lock);
	free(verify->checks);
	free(verify);
}
