/*
 * Finished filters in a directory, each in a file named after what it was made from. What it was made from also stands
 * in the file and is compared, so that neither an accident nor a forged collision of names can load a wrong filter.
 *
 * Which libseccomp made it is part of that, but asking libseccomp would mean loading it; so the file says which library
 * file it was, and a filter counts only as long as that file is still the same.
 */
#ifndef COOPER_RUN_SECCOMP_CACHE_H
#define COOPER_RUN_SECCOMP_CACHE_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

/* Appends the program made from `inputs`. False when there is none, or the file is damaged or outdated. */
bool seccomp_cache_load(int dir, const struct buf *inputs, struct buf *program);
int seccomp_cache_save(int dir, const struct buf *inputs, const struct buf *maker, const struct buf *program,
		       struct error **err);

/* Appends "path\ndevice inode size mtime version"; nothing when there is no such file: what it made is then never
 * taken from the cache. */
void seccomp_maker_describe(const char *library, unsigned major, unsigned minor, unsigned micro, struct buf *maker);

/* The file of `inputs`, newly allocated: "seccomp-<32 hex digits>.bpf". */
MUST_CHECK char *seccomp_cache_name(const struct buf *inputs);

#endif
