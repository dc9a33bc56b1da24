/*
 * The workshop: what every command with images and containers stands in. It holds the store, the id map, and the way
 * into the user namespace.
 *
 * Two ways lead in: workshop_enter() turns this process into the worker (run, copy, mount, commit: everything after it
 * happens inside), workshop_call() forks a worker for one piece of work and leaves us outside (pull: the registry, the
 * user's credential helpers and keyrings stay in the user's own namespace). Inside `cooper unshare` both do it in
 * place.
 */
#ifndef COOPER_BUILDER_WORKSHOP_H
#define COOPER_BUILDER_WORKSHOP_H

#include "base/buf.h"
#include "imagefmt/store.h"
#include "run/idmap.h"
#include "run/ladder.h"

struct workshop;

struct workshop_options {
	struct store_options store;
	const char *isolation;	   /* auto full translated oci rootless chroot; NULL = auto */
	enum rung min_rung;	   /* RUNG_NONE = any */
	int64_t now;		   /* seconds since the epoch */
	int64_t source_date_epoch; /* SOURCE_DATE_EPOCH, or -1 */
};

/* Opens the store; finds the id map when it is first needed. */
int workshop_open(const struct workshop_options *options, struct workshop **workshop, struct error **err);
void workshop_close(struct workshop *workshop);
CLEANUP_FOR(struct workshop, workshop_close)
struct store *workshop_store(struct workshop *workshop);
const struct workshop_options *workshop_options(const struct workshop *workshop);
int workshop_idmap(struct workshop *workshop, const struct idmap **map, struct error **err);

/* True where everything happens without a user namespace: steps run in a translated root (run/translate.h), and what
 * belongs to root in a layer is ours on disk. Chosen by `isolation`, or found when the id map is first needed: with
 * "auto" where the kernel refuses namespaces and the translated root is possible, which is said in a warning. */
bool workshop_is_translated(const struct workshop *workshop);

/* See refused.h; borrowed. */
struct refused;
struct refused *workshop_refused(struct workshop *workshop);

int workshop_enter(struct workshop *workshop, struct error **err);
bool workshop_is_inside(const struct workshop *workshop);

typedef int workshop_task(struct workshop *workshop, void *context, struct buf *result, struct error **err);
/* Runs task in a worker and brings back its return value, its error, and up to 16 MiB of result bytes (NULL: none).
 * What the task changes in memory is lost. */
int workshop_call(struct workshop *workshop, workshop_task *task, void *context, struct buf *result,
		  struct error **err);

/* The same in two halves, for who has something else to do meanwhile; here it is a process of its own in any case. A
 * task that is to stop early must be told so by way of its context. */
struct workshop_job;
int workshop_start(struct workshop *workshop, workshop_task *task, void *context, struct workshop_job **job,
		   struct error **err);
/* The same for a task that stays outside of the user namespace: for what talks to registries. */
int workshop_start_outside(struct workshop *workshop, workshop_task *task, void *context, struct workshop_job **job,
			   struct error **err);
/* Ends it at once, wherever it is, and frees the job: for a task that leaves nothing half done that others could see.
 */
void workshop_kill(struct workshop_job *job);
/* Waits for it, and frees the job. */
int workshop_finish(struct workshop_job *job, struct buf *result, struct error **err);

#endif
