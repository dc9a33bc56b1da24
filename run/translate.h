/*
 * A root without namespaces: the step's processes are ordinary ones of ours, and every call that names a file is
 * carried out by the supervisor inside of a directory (docs/rootless.md, rungs 3 and 4). The kernel never sees a path
 * of the step's; it is not allowed to execute or open anything by itself (Landlock, run/landlock.h).
 *
 *	open            the supervisor opens it and hands the descriptor over
 *	other paths     the supervisor does it and answers
 *	exec            a tracer's stop: the kernel executes our loader (run/loader/), which maps the program
 *	chdir, umask    are kept by the supervisor; the kernel's own never change
 *	/proc           shows the step's own processes, and of them nothing that would name the host's files
 *
 * Ids are emulated (run/emulation.h): its handlers of ids and capabilities are the same code, its records too. What a
 * fake user may not do is not refused: there is the one real id.
 *
 * Calls that are in no table are refused with ENOSYS; other ABIs than the native one as a whole. This is a border only
 * together with Landlock, which does not cover stat, chdir and sockets with a path: these the kernel never gets.
 *
 *	parent: translation_new(spec, &t); translation_program(&filter)      before the fork
 *	parent: translation_seize(t, pid)                                    the child waits for us
 *	child:  translation_confine(loader), as the last thing before its exec
 *	parent: translation_start(t, listener, credentials), then in its loop:
 *	        supervisor_serve(translation_supervisor(t)) and, at SIGCHLD, translation_wait(t)
 *	parent: translation_end(t): nothing of the step lives any more
 */
#ifndef COOPER_RUN_TRANSLATE_H
#define COOPER_RUN_TRANSLATE_H

#include "base/buf.h"
#include "run/spec.h"

struct credentials;
struct supervisor;
struct translation;

/* 0, or -ENOTSUP with what is missing: an architecture that the tracer does not know, a kernel before 5.19. */
int translation_check(struct error **err);
/* 0, or -ENOTSUP: what of a step's wishes (network, limits, devices, …) it could not have here. Asks for no root. */
int translation_check_wishes(const struct run_spec *spec, struct error **err);
/* The filter, struct sock_filter[]. */
int translation_program(const struct run_spec *spec, struct buf *program, struct error **err);

/* spec->root is a plain tree: `mounted`, or `upper` without layers. What of `spec` a root without namespaces cannot
 * give is refused here, by name. Borrows spec. */
int translation_new(const struct run_spec *spec, struct translation **translation, struct error **err);
void translation_free(struct translation *t);
CLEANUP_FOR(struct translation, translation_free)

/* The step's root, for who looks the user up in it: borrowed. */
int translation_root(const struct translation *t);
/* Makes `dir` inside the root when it is missing, as the step's working directory. */
int translation_set_directory(struct translation *t, const char *dir, struct error **err);
/* The loader's file, to be the step's descriptor LOADER_DESCRIPTOR. Borrowed. */
int translation_loader(const struct translation *t);

/* Traces the child, which is ours, dumpable, and waits. */
int translation_seize(struct translation *t, pid_t pid, struct error **err);
/* Takes both. `umask` is the step's first. */
int translation_start(struct translation *t, int listener, struct credentials *credentials, struct error **err);
struct supervisor *translation_supervisor(struct translation *t);
/* Hears what the kernel has to say of traced processes, and lets them go on. To be called at SIGCHLD. */
void translation_wait(struct translation *t);
/* Whether the first process has ended; *status as wait(2) has it, *usage (may be NULL) as wait4(2). */
bool translation_has_ended(const struct translation *t, int *status, struct rusage *usage);
/* Kills what is left. */
void translation_end(struct translation *t);

#endif
