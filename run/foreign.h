/*
 * Programs of other machines: the kernel starts an interpreter (qemu's user mode emulation) in their place.
 *
 * Since Linux 6.7 a user namespace can have a binfmt_misc of its own. Ours is attached nowhere, holds the interpreter
 * open (so that the container needs no file of it), serves all namespaces below ours, and is gone when the last
 * descriptor of it is closed; the host sees nothing of it. Where that cannot be, what the host has registered serves.
 *
 *	cleanup(foreign_end) struct foreign foreign = FOREIGN_INIT;
 *	rc = foreign_begin("arm64", &foreign, err);
 *	... run_step() ...
 */
#ifndef COOPER_RUN_FOREIGN_H
#define COOPER_RUN_FOREIGN_H

#include "base/error.h"

#include <stdbool.h>

struct foreign {
	int instance; /* the file system that holds the registration; -1: none is needed */
};
#define FOREIGN_INIT ((struct foreign){.instance = -1})

/* Does this machine's processor itself execute programs for `architecture` (a word of Go's: amd64, arm64, …)? What
 * only some machines of a kind do (arm on arm64) is false. */
bool foreign_is_native(const char *architecture);

/* From here to foreign_end() what we start can execute programs for `architecture`. To be called in the user
 * namespace, with one thread. Nothing is done for what is native. -ENOEXEC with what to install or to ask for. */
int foreign_begin(const char *architecture, struct foreign *foreign, struct error **err);
/* No step that needs it may be running any more. */
void foreign_end(struct foreign *foreign);
CLEANUP_FOR_VALUE(struct foreign, foreign_end)

/* The line that registers the interpreter at `path` for an architecture, as binfmt_misc takes it; NULL for one that
 * is not known. Newly allocated. */
MUST_CHECK char *foreign_registration(const char *architecture, const char *path);

#endif
