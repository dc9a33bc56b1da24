/*
 * What the files of the store share:
 *
 *	store.c		folders, locks, the id map, room for a full disk
 *	store_tmp.c	temporary directories, and what is left of others
 *	store_known.c	layers that were found good
 *	store_loan.c	blobs that lie elsewhere
 */
#ifndef COOPER_IMAGEFMT_STORE_INTERNAL_H
#define COOPER_IMAGEFMT_STORE_INTERNAL_H

#include "imagefmt/store.h"

#include <sys/types.h>

#define TMP_FOLDER "tmp"
#define COLLECT_STAMP "images/clean" /* collect_stamp.h */

/* The temporary directory of one process. A child that was forked with the store open gets its own. */
struct store_tmp {
	pid_t pid; /* 0: none yet */
	int fd;
	int lock;
	char *name; /* below tmp/ */
};

struct known_layer {
	char *hex, *name;
};

struct loan {
	char *key;
	int fd;
	uint64_t size;
};

struct store {
	char *root;
	char *runroot;
	bool durable;
	bool scratch;
	int folders[STORE_FOLDERS];
	struct store_tmp tmp;
	unsigned tmp_names; /* given so far */
	char *id_map;
	bool single_id;
	struct known_layer *known_layers; /* sorted by hex */
	size_t known_layer_count;
	char *boot_id; /* NULL: not read yet */
	bool allows_loans;
	struct loan *loans;
	size_t loan_count;
	const struct blob_observer *observer;
};

/* store.c: a directory of ours, made when it is missing. It hands no access lists on (accesslists.h), whatever the
 * directory of the user's that the store lies in does. */
MUST_CHECK int store_open_below(int dirfd, const char *name, struct error **err);

/* store.c: for who is about to add a blob or a layer. From now on there may be something to collect, whatever becomes of
 * him (collect_stamp.h). */
void store_is_no_longer_clean(struct store *store);

/* store_tmp.c: this process's own directory, with all that is in it. */
void store_remove_tmp(struct store *store);

/* store_known.c */
void store_forget_layers(struct store *store);

/* store_loan.c */
void store_end_loans(struct store *store);

#endif
