/*
 * The worker hears of new blobs by inotify(7) on their folder, where each appears by a rename once it is whole, and
 * from us over a socket when all have come. Our end closed without a word means that the rest will not.
 */
#include "builder/unpacking.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "imagefmt/blob.h"
#include "imagefmt/layer.h"

struct unpacking {
	const struct image_config *config;
	const struct manifest *manifest;
	int ours; /* of the pair that says that all have come */
	int theirs;
	struct workshop_job *job;
};

/* ---- in the worker ---- */

struct arrivals {
	struct store *store;
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
	cleanup_free char *folder = store_path(store, STORE_OCI, "blobs/sha256");

	*a = (struct arrivals){.store = store, .news = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .from = from};
	if (a->news >= 0 && inotify_add_watch(a->news, folder, IN_MOVED_TO | IN_CREATE) >= 0)
		return;
	log_debug("layers are unpacked when all have come: no news of '%s'", folder);
	fd_close(take_fd(&a->news));
}

/* 1 when all are there now, 0 for other news. */
static int hear(struct arrivals *a, struct error **err)
{
	struct pollfd fds[2] = {{.fd = a->from, .events = POLLIN}, {.fd = a->news, .events = POLLIN}};
	char events[4096]; /* what they say does not matter: the blob is looked for */
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
	return n == 1 ? 1 : error_set(err, ECANCELED, "the other layers did not come");
}

static int wait_for_blob(struct arrivals *a, const struct digest *digest, struct error **err)
{
	while (a->from >= 0 && !blob_exists(a->store, digest, NULL)) {
		int rc = hear(a, err);
		if (rc < 0)
			return rc;
		if (rc == 1)
			fd_close(take_fd(&a->from));
	}
	return 0;
}

static int unpack_layers(struct store *store, const struct image_config *config, const struct manifest *manifest,
			 struct arrivals *arrivals, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < manifest->layer_count; i++) {
		if (arrivals)
			rc = wait_for_blob(arrivals, &manifest->layers[i].digest, err);
		if (rc >= 0)
			rc = layer_unpack(store, &config->diff_ids[i], &manifest->layers[i], err);
	}
	return rc;
}

static int unpack_arriving(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	struct unpacking *u = context;
	cleanup(arrivals_done) struct arrivals arrivals;

	(void)result;
	fd_close(take_fd(&u->ours)); /* a copy: held here it would hide that the other has closed it */
	arrivals_init(&arrivals, workshop_store(w), take_fd(&u->theirs));
	return unpack_layers(workshop_store(w), u->config, u->manifest, &arrivals, err);
}

static int unpack_present(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct unpacking *u = context;

	(void)result;
	return unpack_layers(workshop_store(w), u->config, u->manifest, /* arrivals */ NULL, err);
}

/* ---- outside ---- */

/* Whether there is nothing to do that would be worth a user namespace. */
static bool all_unpacked(struct workshop *w, const struct image_config *config)
{
	for (size_t i = 0; i < config->diff_id_count; i++) {
		cleanup(layer_record_done) struct layer_record record = {0};
		if (layer_load_record(workshop_store(w), &config->diff_ids[i], &record, NULL) < 0)
			return false;
	}
	return true;
}

int unpack_all(struct workshop *w, const struct image_config *config, const struct manifest *manifest,
	       struct error **err)
{
	struct unpacking u = {.config = config, .manifest = manifest};
	/* Which trees are good here depends on the id map. */
	int rc = workshop_idmap(w, /* map */ NULL, err);

	if (rc < 0 || all_unpacked(w, config))
		return rc;
	return workshop_call(w, unpack_present, &u, /* result */ NULL, err);
}

int unpacking_start(struct workshop *w, const struct image_config *config, const struct manifest *manifest,
		    struct unpacking **unpacking, struct error **err)
{
	int rc = workshop_idmap(w, /* map */ NULL, err);
	int pair[2];

	if (rc < 0 || all_unpacked(w, config))
		return rc;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, "make a pair of sockets");
	struct unpacking *u = mem_alloc(sizeof(*u));
	*u = (struct unpacking){.config = config, .manifest = manifest, .ours = pair[0], .theirs = pair[1]};
	rc = workshop_start(w, unpack_arriving, u, &u->job, err);
	fd_close(take_fd(&u->theirs));
	if (rc < 0) {
		unpacking_free(u);
		return rc;
	}
	*unpacking = u;
	return 0;
}

int unpacking_finish(struct unpacking *u, struct error **err)
{
	if (u == NULL)
		return 0;
	/* A worker that has failed does not hear it: workshop_finish() tells why. */
	if (send(u->ours, "", 1, MSG_NOSIGNAL) < 0)
		log_debug("the worker that unpacks has ended");
	return workshop_finish(take_ptr(&u->job), /* result */ NULL, err);
}

void unpacking_free(struct unpacking *u)
{
	if (u == NULL)
		return;
	fd_close(u->ours);
	fd_close(u->theirs);
	/* What fails now is what was not wanted any more. */
	if (u->job != NULL && workshop_finish(u->job, /* result */ NULL, NULL) < 0)
		log_debug("layers that had come are left packed");
	free(u);
}
