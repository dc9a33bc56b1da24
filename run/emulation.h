/*
 * Root for a step that has one id: owners, devices and modes that the kernel will not give are recorded
 * (base/owner.h, base/ownertable.h), and the step is shown what was recorded. Where ids are mapped, only devices are.
 *
 * What a fake user may do is not checked (it has the access of the one real id), but what it is told is right: its ids,
 * the owners of what it makes, and that it cannot become root again. Not seen through: /proc/PID/status, SO_PEERCRED of
 * what was connected before, AT_UID in the auxiliary vector.
 */
#ifndef COOPER_RUN_EMULATION_H
#define COOPER_RUN_EMULATION_H

#include "base/error.h"
#include "base/ownertable.h"
#include "run/credentials.h"
#include "run/supervisor.h"

enum emulation_scope {
	EMULATE_NODES,	       /* mknod of devices alone */
	EMULATE_IDS,	       /* all of it */
	EMULATE_IDS_AND_MOVES, /* the same where lower layers have records of links and FIFOs, which must be followed */
};

/* A tree that has a table of records beside it, and where in it a file is. */
struct emulation_place {
	struct owner_table *owners;
	int upper;	  /* the tree, as it lies on disk; -1: unknown */
	const char *path; /* in it */
};
/* Which tree a file is in, by its path as we see it; false: none that keeps records. What it gives is borrowed until
 * it is called again. */
typedef bool emulation_find_place(void *context, const char *path, struct emulation_place *place);

struct emulation_options {
	enum emulation_scope scope;
	struct owner_table *owners; /* borrowed: what the step's tree has, and what is added. NULL: kept for the step */
	int upper;		    /* the tree that `owners` belongs to, as it lies on disk; -1: unknown */
	bool may_change_root;	    /* the step can make mount namespaces: its root is looked up at each call */
	/* With `find_place`: no user namespace has made us root (emul_unmapped.c). What is ours is shown as root's; and in
	 * the trees that are found there, which the kernel does not open to us as to root, modes that would shut us out,
	 * and capabilities of files, are written down. */
	bool without_namespace;
	/* Instead of `owners` and `upper`, for what runs in no container but among several (emulated.h). Elsewhere
	 * files and directories keep their records, too, as they would keep a real owner; those of links and FIFOs end
	 * with it. NULL: there is one tree, the step's. */
	emulation_find_place *find_place;
	void *place_context;
};

struct emulation;

/* The calls that are trapped. Static. */
const struct trap_table *emulation_table(enum emulation_scope scope);

MUST_CHECK struct emulation *emulation_new(const struct emulation_options *options);
void emulation_free(struct emulation *emulation);
CLEANUP_FOR(struct emulation, emulation_free)
/* The step's first process is `pid`, and will believe to be `credentials`. Both it and `listener` are taken. Until
 * emulation_arm() all it calls is let through. */
int emulation_start(struct emulation *emulation, int listener, pid_t pid, struct credentials *credentials,
		    struct error **err);
/* The step's first process has its root, and what it calls from here on is the step's. */
void emulation_arm(struct emulation *emulation);
struct supervisor *emulation_supervisor(struct emulation *emulation);
/* Between these two nothing but supervisor_serve() may be done: our process may have the step's root for its own, in
 * which a path of the step's is looked up by one call. */
void emulation_row_begin(struct emulation *emulation);
/* Fails when the working directory does not let us in any more. */
int emulation_row_end(struct emulation *emulation, struct error **err);

#endif
