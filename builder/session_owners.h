/*
 * The tables of ownership (base/ownertable.h) of the containers that a `cooper unshare` works in: loaded when a path
 * below containers/<id> is first asked for, saved when nothing else is to be done. Commands of the same session change
 * the same tables on disk: session_owners_release() before one starts, session_owners_merge() when one has ended.
 *
 * What two do at the same time to links and FIFOs of one container, one of them may not see.
 */
#ifndef COOPER_BUILDER_SESSION_OWNERS_H
#define COOPER_BUILDER_SESSION_OWNERS_H

#include "builder/workshop.h"
#include "run/emulation.h"

struct session_owners;

/* `w` is borrowed, and inside. */
MUST_CHECK struct session_owners *session_owners_new(struct workshop *w);
/* Without saving. */
void session_owners_free(struct session_owners *owners);
CLEANUP_FOR(struct session_owners, session_owners_free)

/* An emulation_find_place; the context is the struct session_owners. */
bool session_owners_find(void *context, const char *path, struct emulation_place *place);
/* True when there is something to save. */
bool session_owners_have_changed(const struct session_owners *owners);
/* Failures are warnings: who works in the session goes on. */
void session_owners_save(struct session_owners *owners);
/* Saves, and forgets what was loaded. */
void session_owners_release(struct session_owners *owners);
/* What was loaded meanwhile is loaded again, and what has changed since is put over it. */
void session_owners_merge(struct session_owners *owners);

#endif
