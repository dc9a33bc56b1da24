/*
 * What a directory looks like from outside: while it looks the same, its names are the same. For what is remembered of
 * directories that are too large to be listed each time.
 *
 * A change gives it another time, unless it comes within one tick of the kernel's clock behind another change, as git's
 * "racily clean" entries. So what was seen of a directory counts only when its times were older than that clock
 * (dir_state_is_settled()), on file systems whose times and inodes are this kernel's own.
 */
#ifndef COOPER_IMAGEFMT_DIRSTATE_H
#define COOPER_IMAGEFMT_DIRSTATE_H

#include <stdbool.h>
#include <stdint.h>

struct stat;

struct dir_state {
	uint64_t dev, ino;
	int64_t mtime_s, ctime_s;
	int64_t mtime_ns, ctime_ns;
};

/* Now, by the clock that times of files come from. To be taken before the directory is looked at. */
struct dir_clock {
	int64_t s, ns;
};
struct dir_clock dir_clock_now(void);

/* False on file systems that others change behind this kernel's back (NFS, FUSE), and on those we know nothing of. */
bool dir_state_counts(int fd);
struct dir_state dir_state_of(const struct stat *st);
bool dir_state_equal(const struct dir_state *one, const struct dir_state *other);
/* A change after `now` would show. Never where times are whole seconds. */
bool dir_state_is_settled(const struct dir_state *state, const struct dir_clock *now);

#endif
