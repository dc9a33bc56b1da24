/*
 * The workers hear of new blobs by inotify(7) on their folder, where each appears by a rename once it is whole, and
 * from us over a socket when all have come. Our end closed without a word means that the rest will not. Which layer is
 * whose they agree on in memory that they share: each takes the first that is there and nobody's.
 */
#include "builder/unpacking.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "imagefmt/blob.h"
#include "imagefmt/layer.h"
#include "imagefmt/layer_stack.h"

/* One layer has three threads, of which the one that makes the files is behind: what it waits for is the file system,
 * and there a few at once are more than one. */
#define WORKERS_MAX 4
/* A worker that finds less to do than so many packed bytes costs more than it brings. */
#define WORKER_MIN ((uint64_t)4 << 20)

struct shared {
	atomic_bool failed; /* one of them: the others begin nothing more */
	atomic_bool claimed[];
};

struct unpacking {
	const struct image_config *config;
	const struct manifest *manifest;
	struct shared *shared;
	size_t shared_size;
	int ours; /* of the pair that says that all have come */
	int theirs;
	struct workshop_job *jobs[WORKERS_MAX]; /* NULL once they are finished */
	size_t job_count;
};

/* ---- in a worker ---- */

struct arrivals {
	int news; /* inotify; negative: none to be had */
	int from; /* the other's end of the pair; negative when all are there */
};

static void arrivals_done(struct arrivals *a)
{
	fd_close(a->news);
	fd_close(a->from);
}
CLEANUP_FOR_VALUE(struct arrivals, arrivals_done)

/* Where the user has too many watches already we only hear when all have come. */
static void arrivals_init(struct arrivals *a, struct store *store, int from)
{
	*a = (struct arrivals){.news = -1, .from = from};
	if (from < 0)
		return;
	cleanup_free char *folder = store_path(store, STORE_OCI, "blobs/sha256");
	a->news = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (a->news >= 0 && inotify_add_watch(a->news, folder, IN_MOVED_TO | IN_CREATE) >= 0)
		return;
	log_debug("layers are unpacked when all have come: no news of '%s'", folder);
	fd_close(take_fd(&a->news));
}

/* Waits until there may be more than before. */
static int hear(struct arrivals *a, struct error **err)
{
	struct pollfd fds[2] = {{.fd = a->from, .events = POLLIN}, {.fd = a->news, .events = POLLIN}};
	char events[4096]; /* what they say does not matter: blobs are looked for */
	char word;

	if (poll(fds, 2, -1) < 0)
		return errno == EINTR ? 0 : error_set_errno(err, "wait for layers");
	if (fds[1].revents != 0 && read(a->news, events, sizeof(events)) < 0 && errno != EAGAIN && errno != EINTR)
		return error_set_errno(err, "wait for layers");
	if (fds[0].revents == 0)
		return 0;
	ssize_t n = recv(a->from, &word, sizeof(word), 0);
	if (n < 0)
		return error_set_errno(err, "wait for layers");
	if (n == 0)
		return error_set(err, ECANCELED, "the other layers did not come");
	fd_close(take_fd(&a->from));
	return 0;
}

/* Takes the first layer that is nobody's and has come. How many are nobody's, and with 0 <= *next < layer_count one
 * that is now ours. */
static size_t claim(const struct unpacking *u, struct store *store, bool all_came, size_t *next)
{
	size_t left = 0;

	*next = u->manifest->layer_count;
	for (size_t i = 0; i < u->manifest->layer_count; i++) {
		if (atomic_load(&u->shared->claimed[i]))
			continue;
		left++;
		if (!all_came && !blob_exists(store, &u->manifest->layers[i].digest, NULL))
			continue;
		if (atomic_exchange(&u->shared->claimed[i], true))
			continue; /* somebody was faster */
		*next = i;
		break;
	}
	return left;
}

static int unpack_layers(const struct unpacking *u, struct store *store, struct arrivals *arrivals, struct error **err)
{
	size_t next;
	int rc = 0;

	while (rc >= 0 && !atomic_load(&u->shared->failed)) {
		if (claim(u, store, arrivals->from < 0, &next) == 0)
			break;
		rc = next < u->manifest->layer_count
			     ? layer_unpack(store, &u->config->diff_ids[next], &u->manifest->layers[next], err)
		     : arrivals->from >= 0 ? hear(arrivals, err)
					   : 0;
	}
	if (rc < 0)
		atomic_store(&u->shared->failed, true);
	return rc;
}

static int unpack_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	struct unpacking *u = context;
	cleanup(arrivals_done) struct arrivals arrivals;

	(void)result;
	fd_close(take_fd(&u->ours)); /* a copy: held here it would hide that the other has closed it */
	arrivals_init(&arrivals, workshop_store(w), take_fd(&u->theirs));
	return unpack_layers(u, workshop_store(w), &arrivals, err);
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

static int start_workers(struct workshop *w, struct unpacking *u, size_t count, struct error **err)
{
	int rc = 0;

	u->shared_size = sizeof(*u->shared) + u->manifest->layer_count * sizeof(u->shared->claimed[0]);
	void *memory = mmap(NULL, u->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return error_set_errno(err, "share memory with workers");
	u->shared = memory;
	while (rc >= 0 && u->job_count < count) {
		rc = workshop_start(w, unpack_task, u, &u->jobs[u->job_count], err);
		u->job_count += rc >= 0;
	}
	return rc < 0 ? rc : 0;
}

/* Waits for all of them. Who was told that the rest does not come says so in vain where another has a reason. */
static int finish_workers(struct unpacking *u, struct error **err)
{
	cleanup_error struct error *reason = NULL;
	int rc = 0;

	for (size_t i = 0; i < u->job_count; i++) {
		struct error *error = NULL;
		int one = u->jobs[i] ? workshop_finish(take_ptr(&u->jobs[i]), /* result */ NULL, &error) : 0;
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

static struct unpacking *new_unpacking(const struct image_config *config, const struct manifest *manifest)
{
	struct unpacking *u = mem_alloc(sizeof(*u));

	*u = (struct unpacking){.config = config, .manifest = manifest, .ours = -1, .theirs = -1};
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
	cleanup(unpacking_free) struct unpacking *u = new_unpacking(config, manifest);
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
	rc = start_workers(w, u, workers, err);
	return rc < 0 ? rc : finish_workers(u, err);
}

int unpacking_start(struct workshop *w, const struct image_config *config, const struct manifest *manifest,
		    struct unpacking **unpacking, struct error **err)
{
	cleanup(unpacking_free) struct unpacking *u = new_unpacking(config, manifest);
	uint64_t beside;
	int rc = workshop_idmap(w, /* map */ NULL, err);
	int pair[2];

	size_t layers = rc < 0 ? 0 : count_packed(w, config, manifest, &beside);
	if (layers == 0)
		return rc;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, "make a pair of sockets");
	u->ours = pair[0];
	u->theirs = pair[1];
	rc = start_workers(w, u, count_workers(layers, beside), err);
	fd_close(take_fd(&u->theirs));
	if (rc == 0)
		*unpacking = take_ptr(&u);
	return rc;
}

int unpacking_finish(struct unpacking *u, struct error **err)
{
	if (u == NULL)
		return 0;
	/* A byte for each. A worker that has failed does not hear it: finish_workers() tells why. */
	if (send(u->ours, (char[WORKERS_MAX]){0}, u->job_count, MSG_NOSIGNAL) < 0)
		log_debug("the workers that unpack have ended");
	return finish_workers(u, err);
}

void unpacking_free(struct unpacking *u)
{
	if (u == NULL)
		return;
	fd_close(u->ours);
	fd_close(u->theirs);
	/* What fails now is what was not wanted any more. */
	if (finish_workers(u, NULL) < 0)
		log_debug("layers that had come are left packed");
	if (u->shared != NULL)
		munmap(u->shared, u->shared_size);
	free(u);
}
