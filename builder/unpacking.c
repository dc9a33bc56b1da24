/*
 * The workers hear of new blobs by inotify(7) on their folder, where each appears by a rename once it is whole, and
 * from us over a socket each: the file that a blob is written to, as soon as there is one, word when there is more in
 * it, and in the end that all have come. Our end closed without that means that the rest will not. Which layer is whose
 * they agree on in memory that they share: each takes the first that is nobody's and has come, else one that is coming.
 */
#include "builder/unpacking.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/processors.h"
#include "builder/blob_news.h"
#include "imagefmt/blob.h"
#include "imagefmt/layer.h"
#include "imagefmt/layer_stack.h"

/* One layer has three threads, of which the one that makes the files is behind: what it waits for is the file system,
 * and there a few at once are more than one. */
#define WORKERS_MAX 4
/* A worker that finds less to do than so many packed bytes costs more than it brings. */
#define WORKER_MIN ((uint64_t)4 << 20)

/* So many bytes are worth waking somebody for; smaller layers are unpacked when they are there. */
#define NEWS_SIZE ((uint64_t)1 << 20)

struct shared {
	atomic_bool failed; /* one of them: the others begin nothing more */
	atomic_bool claimed[];
};

/* One worker, seen from outside. */
struct worker {
	struct workshop_job *job; /* NULL once it is finished */
	int to;			  /* where it hears of blobs; -1: it has ended */
	bool *has_file;		  /* of each layer: it was given its file */
};

struct unpacking {
	struct store *store;
	const struct image_config *config;
	const struct manifest *manifest;
	struct shared *shared;
	size_t shared_size;
	int from; /* in a worker that is being started: where it hears */
	struct worker workers[WORKERS_MAX];
	size_t worker_count;
	uint64_t *told; /* of each layer: how much of it all have heard of */
	struct blob_observer observer;
};

/* ---- in a worker ---- */

struct arrivals {
	const struct unpacking *unpacking;
	struct store *store;
	int folder;	       /* inotify; negative: none to be had */
	struct blob_feed feed; /* of all layers; its end: all have come, or no more will */
	size_t at;	       /* the layer that is being unpacked while it comes */
};

static bool all_came(const struct arrivals *a)
{
	for (size_t i = 0; i < a->feed.count; i++)
		if (!a->feed.blobs[i].whole)
			return false;
	return true;
}

static void arrivals_done(struct arrivals *a)
{
	fd_close(a->folder);
	blob_news_close(&a->feed);
	free(a->feed.blobs);
}
CLEANUP_FOR_VALUE(struct arrivals, arrivals_done)

/* Where the user has too many watches already we only hear of blobs from the other. */
static void arrivals_init(struct arrivals *a, const struct unpacking *u, struct store *store, int from)
{
	*a = (struct arrivals){.unpacking = u, .store = store, .folder = -1};
	a->feed = (struct blob_feed){.fd = from, .count = u->manifest->layer_count, .take = blob_news_take};
	a->feed.blobs = mem_alloc((a->feed.count + 1) * sizeof(*a->feed.blobs));
	for (size_t i = 0; i < a->feed.count; i++)
		a->feed.blobs[i] = (struct growing_blob){.is_known = true, .fd = -1, .whole = from < 0};
	if (from < 0)
		return;
	cleanup_free char *folder = store_path(store, STORE_OCI, "blobs/sha256");
	a->folder = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (a->folder >= 0 && inotify_add_watch(a->folder, folder, IN_MOVED_TO | IN_CREATE) >= 0)
		return;
	log_debug("no news of blobs that others bring: '%s' cannot be watched", folder);
	fd_close(take_fd(&a->folder));
}

/* Waits until there may be more than before. -ECANCELED: there will not be. */
static int hear(struct arrivals *a, struct error **err)
{
	struct pollfd fds[2] = {{.fd = a->feed.fd, .events = POLLIN}, {.fd = a->folder, .events = POLLIN}};
	cleanup_error struct error *error = NULL;
	char events[4096]; /* what they say does not matter: blobs are looked for */

	if (a->feed.fd < 0)
		return error_set(err, ECANCELED, "the other layers did not come");
	if (poll(fds, 2, -1) < 0)
		return errno == EINTR ? 0 : error_set_errno(err, "wait for layers");
	if (fds[1].revents != 0 && read(a->folder, events, sizeof(events)) < 0 && errno != EAGAIN && errno != EINTR)
		return error_set_errno(err, "wait for layers");
	if (fds[0].revents == 0)
		return 0;
	int rc = a->feed.take(&a->feed, &error);
	if (rc == -EPIPE) /* which the next look will see */
		return 0;
	if (rc < 0 && err != NULL)
		*err = take_ptr(&error);
	return rc;
}

static bool is_there(const struct arrivals *a, size_t i)
{
	return a->feed.blobs[i].whole || blob_exists(a->store, &a->unpacking->manifest->layers[i].digest, NULL);
}

static bool is_coming(const struct arrivals *a, size_t i)
{
	return a->feed.blobs[i].fd >= 0;
}

static size_t claim_first(const struct arrivals *a, bool (*suits)(const struct arrivals *a, size_t i))
{
	struct shared *shared = a->unpacking->shared;
	size_t count = a->feed.count;

	for (size_t i = 0; i < count; i++)
		if (!atomic_load(&shared->claimed[i]) && suits(a, i) && !atomic_exchange(&shared->claimed[i], true))
			return i;
	return count;
}

/* Takes a layer that is nobody's and has come, or else is coming. How many were nobody's, and with *next < count one
 * that is now ours. */
static size_t claim(const struct arrivals *a, size_t *next)
{
	size_t left = 0;

	for (size_t i = 0; i < a->feed.count; i++)
		left += !atomic_load(&a->unpacking->shared->claimed[i]);
	*next = claim_first(a, is_there);
	if (*next == a->feed.count)
		*next = claim_first(a, is_coming);
	return left;
}

/* For layer_unpack_arriving(): of the one that is at hand. */
static int wait_for_bytes(void *context, struct error **err)
{
	struct arrivals *a = context;

	if (is_there(a, a->at))
		return 1;
	int rc = hear(a, err);
	return rc < 0 ? rc : is_there(a, a->at);
}

static int unpack_coming(struct arrivals *a, size_t i, struct error **err)
{
	const struct layer_arrival arrival = {.fd = a->feed.blobs[i].fd, .wait = wait_for_bytes, .context = a};

	a->at = i;
	return layer_unpack_arriving(a->store, &a->unpacking->config->diff_ids[i], &a->unpacking->manifest->layers[i],
				     &arrival, err);
}

static int unpack_one(struct arrivals *a, size_t i, struct error **err)
{
	cleanup_error struct error *error = NULL;
	int rc = 0;

	if (!is_there(a, i)) {
		rc = unpack_coming(a, i, &error);
		if (rc == 0)
			return 0;
		/* It may have been begun anew, or come from elsewhere in the end. */
		log_debug("%s; once more when its blob is there", error_message(error));
		while (!is_there(a, i)) {
			rc = hear(a, err);
			if (rc < 0)
				return rc;
		}
	}
	return layer_unpack(a->store, &a->unpacking->config->diff_ids[i], &a->unpacking->manifest->layers[i], err);
}

static int unpack_layers(struct arrivals *a, struct error **err)
{
	struct shared *shared = a->unpacking->shared;
	size_t next;
	int rc = 0;

	while (rc >= 0 && !atomic_load(&shared->failed)) {
		if (claim(a, &next) == 0)
			break;
		rc = next < a->feed.count ? unpack_one(a, next, err) : all_came(a) ? 0 : hear(a, err);
	}
	if (rc < 0)
		atomic_store(&shared->failed, true);
	return rc;
}

static int unpack_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	struct unpacking *u = context;
	cleanup(arrivals_done) struct arrivals arrivals;

	(void)result;
	/* Copies: held here they would hide that the other has closed them. */
	for (size_t i = 0; i < WORKERS_MAX; i++)
		fd_close(take_fd(&u->workers[i].to));
	arrivals_init(&arrivals, u, workshop_store(w), take_fd(&u->from));
	return unpack_layers(&arrivals, err);
}

/* ---- outside ---- */

/* Layers that are not unpacked, and what they have beside the largest of them. */
static size_t count_packed(struct workshop *w, const struct image_config *config, const struct manifest *manifest,
			   uint64_t *beside)
{
	uint64_t largest = 0;
	size_t count = 0;

	*beside = 0;
	for (size_t i = 0; i < config->diff_id_count; i++) {
		cleanup(layer_record_done) struct layer_record record = {0};
		uint64_t size = manifest->layers[i].size;
		if (layer_load_record(workshop_store(w), &config->diff_ids[i], &record, NULL) == 0)
			continue;
		*beside += size < largest ? size : largest;
		largest = size > largest ? size : largest;
		count++;
	}
	return count;
}

static size_t count_workers(size_t layers, uint64_t beside)
{
	size_t processors = process_processors();
	size_t most = processors < WORKERS_MAX ? processors : WORKERS_MAX;
	uint64_t useful = 1 + beside / WORKER_MIN;

	most = layers < most ? layers : most;
	return useful < most ? (size_t)useful : most;
}

/* `hears`: it is told of blobs, which are not all there. */
static int start_worker(struct workshop *w, struct unpacking *u, bool hears, struct error **err)
{
	struct worker *worker = &u->workers[u->worker_count];
	struct blob_feed feed = {.fd = -1};
	int rc = hears ? blob_news_open(&feed, &worker->to, err) : 0;

	if (rc < 0)
		return rc;
	u->from = feed.fd;
	worker->has_file = mem_alloc((u->manifest->layer_count + 1) * sizeof(*worker->has_file));
	rc = workshop_start(w, unpack_task, u, &worker->job, err);
	fd_close(take_fd(&u->from));
	u->worker_count += rc >= 0;
	return rc < 0 ? rc : 0;
}

static int start_workers(struct workshop *w, struct unpacking *u, size_t count, bool hear_news, struct error **err)
{
	int rc = 0;

	u->shared_size = sizeof(*u->shared) + u->manifest->layer_count * sizeof(u->shared->claimed[0]);
	void *memory = mmap(NULL, u->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return error_set_errno(err, "share memory with workers");
	u->shared = memory;
	while (rc >= 0 && u->worker_count < count)
		rc = start_worker(w, u, hear_news, err);
	return rc;
}

/* Waits for all of them. Who was told that the rest does not come says so in vain where another has a reason. */
static int finish_workers(struct unpacking *u, struct error **err)
{
	cleanup_error struct error *reason = NULL;
	int rc = 0;

	for (size_t i = 0; i < u->worker_count; i++) {
		struct workshop_job *job = take_ptr(&u->workers[i].job);
		struct error *error = NULL;
		int one = job ? workshop_finish(job, /* result */ NULL, &error) : 0;
		if (one < 0 && (rc == 0 || rc == -ECANCELED)) {
			rc = one;
			error_free(reason);
			reason = take_ptr(&error);
		}
		error_free(error);
	}
	if (rc < 0 && err)
		*err = take_ptr(&reason);
	return rc;
}

static struct unpacking *new_unpacking(struct workshop *w, const struct image_config *config,
				       const struct manifest *manifest)
{
	struct unpacking *u = mem_alloc(sizeof(*u));

	*u = (struct unpacking){.store = workshop_store(w), .config = config, .manifest = manifest, .from = -1};
	u->told = mem_alloc((manifest->layer_count + 1) * sizeof(*u->told));
	for (size_t i = 0; i < WORKERS_MAX; i++)
		u->workers[i].to = -1;
	return u;
}

static int unpack_in_order(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct unpacking *u = context;
	int rc = 0;

	(void)result;
	for (size_t i = 0; rc >= 0 && i < u->manifest->layer_count; i++)
		rc = layer_unpack(workshop_store(w), &u->config->diff_ids[i], &u->manifest->layers[i], err);
	return rc;
}

int unpack_all(struct workshop *w, const struct image_config *config, const struct manifest *manifest,
	       struct error **err)
{
	cleanup(unpacking_free) struct unpacking *u = new_unpacking(w, config, manifest);
	uint64_t beside;
	/* Which trees are good here depends on the id map. */
	int rc = workshop_idmap(w, /* map */ NULL, err);

	if (rc >= 0 && layer_stack_is_there(workshop_store(w), config->diff_ids, config->diff_id_count))
		return 0;
	size_t layers = rc < 0 ? 0 : count_packed(w, config, manifest, &beside);
	if (layers == 0 && rc >= 0)
		layer_stack_remember(workshop_store(w), config->diff_ids, config->diff_id_count);
	if (layers == 0)
		return rc;
	size_t workers = count_workers(layers, beside);
	if (workers < 2) /* in place, where we are inside already */
		return workshop_call(w, unpack_in_order, u, /* result */ NULL, err);
	rc = start_workers(w, u, workers, /* hear_news */ false, err);
	return rc < 0 ? rc : finish_workers(u, err);
}

/* ---- news ---- */

/* A worker that does not listen now, for it has enough to do, need not be woken: but for the file, which is told with
 * the next news, nothing is lost. */
static void tell(struct worker *worker, size_t index, int fd, uint64_t size)
{
	const struct blob_news news = {.index = index, .size = size};

	if (worker->to >= 0 && blob_news_send(worker->to, &news, worker->has_file[index] ? -1 : fd, NULL) == 0)
		worker->has_file[index] = true;
}

/* There is more of a blob; nothing that can be wrong here is wrong with the blob. */
static int tell_grown(void *context, const struct digest *want, int fd, uint64_t size, struct error **err)
{
	struct unpacking *u = context;

	(void)err;
	for (size_t i = 0; i < u->manifest->layer_count; i++) {
		const struct descriptor *layer = &u->manifest->layers[i];
		if (layer->size < NEWS_SIZE || !digest_equal(&layer->digest, want))
			continue;
		if (size >= u->told[i] && size < u->told[i] + NEWS_SIZE && size < layer->size && u->told[i] > 0)
			continue;
		u->told[i] = size;
		for (size_t k = 0; k < u->worker_count; k++)
			tell(&u->workers[k], i, fd, size);
	}
	return 0;
}

/* Now it is waited until each has heard it. */
static void tell_all_came(struct unpacking *u, struct worker *worker)
{
	int flags = fcntl(worker->to, F_GETFL);
	int rc = flags < 0 ? -errno : fcntl(worker->to, F_SETFL, flags & ~O_NONBLOCK);

	for (size_t i = 0; rc >= 0 && i < u->manifest->layer_count; i++) {
		const struct blob_news news = {.index = i, .size = u->manifest->layers[i].size, .whole = true};
		rc = blob_news_send(worker->to, &news, /* fd */ -1, NULL);
	}
	if (rc < 0) /* finish_workers() tells why */
		log_debug("a worker that unpacks has ended");
}

static void stop_telling(struct unpacking *u)
{
	if (u->observer.grown)
		store_set_observer(u->store, NULL);
	u->observer.grown = NULL;
}

int unpacking_start(struct workshop *w, const struct image_config *config, const struct manifest *manifest,
		    struct unpacking **unpacking, struct error **err)
{
	cleanup(unpacking_free) struct unpacking *u = new_unpacking(w, config, manifest);
	uint64_t beside;
	int rc = workshop_idmap(w, /* map */ NULL, err);

	size_t layers = rc < 0 ? 0 : count_packed(w, config, manifest, &beside);
	if (layers == 0)
		return rc;
	rc = start_workers(w, u, count_workers(layers, beside), /* hear_news */ true, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < u->worker_count; i++)
		fcntl(u->workers[i].to, F_SETFL, O_NONBLOCK);
	u->observer = (struct blob_observer){.grown = tell_grown, .context = u};
	store_set_observer(u->store, &u->observer);
	*unpacking = take_ptr(&u);
	return 0;
}

int unpacking_finish(struct unpacking *u, struct error **err)
{
	if (u == NULL)
		return 0;
	stop_telling(u);
	for (size_t i = 0; i < u->worker_count; i++)
		tell_all_came(u, &u->workers[i]);
	return finish_workers(u, err);
}

void unpacking_free(struct unpacking *u)
{
	if (u == NULL)
		return;
	stop_telling(u);
	for (size_t i = 0; i < WORKERS_MAX; i++)
		fd_close(take_fd(&u->workers[i].to));
	fd_close(u->from);
	/* What fails now is what was not wanted any more. */
	if (finish_workers(u, NULL) < 0)
		log_debug("layers that had come are left packed");
	if (u->shared != NULL)
		munmap(u->shared, u->shared_size);
	for (size_t i = 0; i < WORKERS_MAX; i++)
		free(u->workers[i].has_file);
	free(u->told);
	free(u);
}
