/*
 * The store on disk (docs/store.md): who is where, and who may touch what while others work.
 *
 *	oci/          an OCI layout: blobs/sha256/…
 *	images/       the table of images, see images_internal.h
 *	layers/       unpacked layers, see layer.h
 *	containers/   working containers, kept by builder/
 *	cache/        derived things that may go at any time (compiled seccomp programs, build cache)
 *	locks/        files for flock(2). They stand in the store and not under the runroot, because two logins of
 *	              a user may have different runroots and must still see each other's locks
 *	tmp/          work in progress, one directory per process, locked while it lives
 *	reserve       room for removing things on a full disk
 *
 * Any number of processes use one store. Nothing is visible before it is whole: work in tmp/, sync, rename, name last.
 */
#ifndef COOPER_IMAGEFMT_STORE_H
#define COOPER_IMAGEFMT_STORE_H

#include "base/error.h"
#include "base/lock.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

struct store_options {
	const char *root;    /* absolute */
	const char *runroot; /* absolute; made when first needed */
	bool durable;	     /* sync unpacked trees as well (--durable) */
	bool scratch;	     /* nothing in it outlives us: blobs are not synced */
};

/* Opens the store and makes what is missing. -EACCES, -ENOSPC, … name the root. */
int store_open(const struct store_options *options, struct store **store, struct error **err);
void store_close(struct store *store);
CLEANUP_FOR(struct store, store_close)
/* Opens all folders again by path, in the mount namespace that the process is in now: a descriptor from another one
 * cannot become part of an overlay or be mounted on. Locks are kept. */
int store_reopen(struct store *store, struct error **err);
const char *store_root(const struct store *store);
const char *store_runroot(const struct store *store);
bool store_is_durable(const struct store *store);
bool store_is_scratch(const struct store *store);

enum store_folder {
	STORE_ROOT,
	STORE_OCI,
	STORE_LAYERS,
	STORE_CONTAINERS,
	STORE_CACHE,
	STORE_LOCKS,
	STORE_RUN,
	STORE_FOLDERS
};
/* Borrowed descriptor of a folder, opened when first asked for; -errno. */
int store_folder(struct store *store, enum store_folder folder, struct error **err);
/* "<root>/layers" and so on, newly allocated. */
MUST_CHECK char *store_path(const struct store *store, enum store_folder folder, const char *name);

/* Locks "kind-name" (e.g. "blob", hex). `what` as in lock_take(). Returns the descriptor. */
MUST_CHECK int store_lock(struct store *store, const char *kind, const char *name, enum lock_mode mode,
			  enum lock_wait wait, const char *what, struct error **err);
/* Held (shared) from the first object a command adds until the reference to it is written; whoever removes garbage
 * holds it exclusively. So nothing that is on its way to a name can be swept. */
MUST_CHECK int store_hold(struct store *store, struct error **err);

/* Exclusive: for whoever removes garbage. LOCK_TRY: -EWOULDBLOCK while others hold it. */
MUST_CHECK int store_hold_alone(struct store *store, enum lock_wait wait, struct error **err);
/* Removes the lock file of an object that is gone, unless somebody has the lock. */
int store_forget_lock(struct store *store, const char *kind, const char *name);
/* The same by who has the lock, exclusively. */
void store_drop_lock(struct store *store, const char *kind, const char *name);

/* A directory in tmp/ of this process's own, made when first needed and removed when the store is closed; what a killed
 * process left is removed by store_sweep(). Borrowed. */
int store_tmp(struct store *store, struct error **err);
/* A name that is free in store_tmp(): "<prefix>-<n>". Newly allocated. */
MUST_CHECK char *store_tmp_name(struct store *store, const char *prefix);
/* "<root>/tmp/<ours>/<name>". */
MUST_CHECK char *store_tmp_path(struct store *store, const char *name);

/* Which id map layer trees are written under (text from run/idmap.h); trees of another map are made again beside. Set
 * once, before any layer is touched; "" until then. */
void store_set_id_map(struct store *store, const char *map, bool single_id);
const char *store_id_map(const struct store *store);
/* What this process has found to be good already: "<hex>" of a layer to the name of its tree in layers/. A step asks
 * for each of the layers that it stands on. NULL when it is not known; borrowed. */
const char *store_known_layer(const struct store *store, const char *hex);
void store_know_layer(struct store *store, const char *hex, const char *name);
/* True when only one id is mapped: owners that cannot be given are recorded (base/owner.h). */
bool store_has_single_id(const struct store *store);

/* On a full disk nothing could be removed: the table without an image, the directory that takes what goes must be
 * written first. So a file without a meaning keeps some room; what frees space gives it up when there is no other
 * (false: there is none), and tries again. `size` is what a table of images takes. */
void store_keep_reserve(struct store *store, size_t size);
bool store_use_reserve(struct store *store);

/* A store of its own in store_tmp(), for blobs on their way from one place to another. It goes with our directory
 * there, also when we are killed; store_close() it before `store`. */
int store_open_scratch(struct store *store, struct store **scratch, struct error **err);
/* What a scratch store borrows: a blob that lies as a file elsewhere and need not be copied (blob.h). `key` is the
 * digest's text, `fd` is taken over. */
void store_allow_loans(struct store *scratch);
bool store_allows_loans(const struct store *store);
void store_lend(struct store *scratch, const char *key, int fd, uint64_t size);
/* The descriptor, borrowed, or -1; `size` may be NULL. */
int store_lent(const struct store *store, const char *key, uint64_t *size);
bool store_give_back(struct store *scratch, const char *key);

/* Told of blobs while they come into the store, see blob.h. Borrowed; NULL: nobody is. */
struct blob_observer;
void store_set_observer(struct store *store, const struct blob_observer *observer);
const struct blob_observer *store_observer(const struct store *store);

struct store_swept {
	uint64_t entries;
	uint64_t bytes;
};
/* Removes the work of processes that died. */
int store_sweep(struct store *store, struct store_swept *swept, struct error **err);

/* This boot of this machine, read once; "" where /proc does not say: then the store is no older than the sandbox that
 * we are in. */
const char *store_boot_id(struct store *store);

#endif
