/*
 * A step while it runs, as run.c (its way from the fork to the end), step_prepare.c (what can be had without a child)
 * and step_watch.c (what the parent does beside it) share it.
 */
#ifndef COOPER_RUN_STEP_INTERNAL_H
#define COOPER_RUN_STEP_INTERNAL_H

#include <signal.h>

#include "run/cgroup.h"
#include "run/child_internal.h"
#include "run/disk.h"
#include "run/emulation.h"
#include "run/idmap_internal.h"
#include "run/ladder.h"
#include "run/network.h"
#include "run/relay.h"
#include "run/sources.h"
#include "run/stubs.h"
#include "run/translate.h"
#include "run/tty.h"

struct step {
	const struct run_spec *spec;
	struct child_plan plan;
	struct idmap map;
	pid_t pid;
	int init;
	int pidfd;
	int channel;	   /* our end; -1 when the other has closed */
	int child_channel; /* the step's end, ours only until the fork */
	int signals;	   /* signalfd; -1 when signals are not ours */
	sigset_t mask;	   /* as it was before */
	struct stubs stubs;
	struct sources sources;
	struct tty tty;
	struct relay relay;
	struct network network;
	struct cgroup cgroup;
	struct disk disk;
	struct buf supervisor;		 /* the filter of the supervisor; empty: there is none */
	struct emulation *emulation;	 /* what answers; NULL: nothing is to be answered */
	struct credentials *identity;	 /* whom the command is to believe to be */
	struct translation *translation; /* the root without namespaces; NULL: there are namespaces */
	char *runtime;			 /* path of the OCI runtime; NULL: none */
	int bundle;			 /* its directory; -1 */
	int command_code; /* why the command could not be executed, as far as the root tells, should the runtime fail */
	bool expects_orphans;
	bool wants_no_pid; /* the child says that a fresh /proc is refused */
	bool is_set_up;
	int exec_code; /* why the command could not be executed; 0: it could, or it did not come to that */
	int failure;   /* code of set-up; its text is in the caller's error */
	char *killed_for;
};

/* ---- step_prepare.c ---- */
/* What the step is isolated by, once its map is known. */
enum rung step_rung(const struct step *step);
/* The namespaces of the step's own: CHILD_OWN_… */
unsigned step_namespaces(const struct run_spec *spec, bool with_pid);
static inline bool step_has_many_ids(const struct step *step)
{
	return step->map.kind != IDMAP_SINGLE;
}
/* Fills the plan of the child, and opens what the step stands on. -ENOTSUP when it would be less than the caller asks
 * for. On failure what was opened stays in `step`, for whoever cleans up. */
int step_prepare(struct step *step, struct error **err);

/* ---- step_watch.c ---- */
/* Serves the child until its first process has ended, which it does only when all others of its pid namespace have.
 * What the child says of its set-up is then in `step`. */
int step_watch(struct step *step, struct error **err);
/* Signals that came for us go to the step. */
void step_pass_signals(struct step *step);
/* `why` is for the user. */
void step_kill(struct step *step, const char *why);

#endif
