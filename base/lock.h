/*
 * Locks between processes: flock(2) on a file made for it, held by a descriptor, so that death frees them.
 * The lock files stay; an object that is removed for good removes its lock file while holding it exclusively
 * (lock_take() notices and takes the new file).
 *
 * In a store that we may only read, a shared lock is taken on a file that is there already: it keeps those who can
 * write from removing what we read. Where there is none it is -EROFS or -EACCES, not a lock that nobody sees.
 */
#ifndef COOPER_BASE_LOCK_H
#define COOPER_BASE_LOCK_H

#include "base/error.h"

enum lock_mode { LOCK_SHARED, LOCK_EXCLUSIVE };
enum lock_wait { LOCK_WAIT, LOCK_TRY };

/* Takes the lock dirfd/path (made 0600 when missing). Returns the descriptor that holds it; LOCK_TRY gives -EWOULDBLOCK
 * when somebody else has it. LOCK_WAIT says on stderr (info) what it waits for after half a second, once: `what` names
 * the user's thing, e.g. "container 'web'". */
MUST_CHECK int lock_take(int dirfd, const char *path, enum lock_mode mode, enum lock_wait wait, const char *what,
			 struct error **err);
/* The same on a directory itself, which is there: for directories of the user, where no file of ours is to be left. */
MUST_CHECK int lock_take_directory(int dirfd, const char *path, enum lock_mode mode, const char *what,
				   struct error **err);

#endif
