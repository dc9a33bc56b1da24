/*
 * Entries of a hostile tar into a tree. Every directory is reached from the root's descriptor, component by component;
 * a symlink on the way is resolved inside the root; the last component is never followed. Directories get their modes
 * and times at the end, when nothing is put into them any more.
 */
#ifndef COOPER_IMAGEFMT_EXTRACT_H
#define COOPER_IMAGEFMT_EXTRACT_H

#include "imagefmt/tarread.h"
#include "imagefmt/unpack.h"

struct extractor;

/* For who has the bytes of the tar in blocks that can outlive the reading of what follows: files are then written by a
 * thread of the extractor's while the caller makes the next ones. */
struct piece_keeper {
	/* The block that the reader's last piece lies in stays as it is until it is released. */
	void *(*keep)(void *context);
	void (*release)(void *context, void *kept); /* from any thread */
	void *context;
};

/* `dirfd` is borrowed and must outlive the extractor, and so must what the keeper (NULL: none) needs. */
int extractor_new(int dirfd, const struct unpack_options *options, const struct piece_keeper *keeper,
		  struct extractor **extractor, struct error **err);
/* Makes one entry, reading its data from the reader. Errors name the entry. */
int extractor_add(struct extractor *x, struct tar_reader *reader, const struct tar_entry *entry, struct error **err);
/* To be called before a keeper waits for more of the tar: what was kept so far will be released without that. */
void extractor_hand_over(struct extractor *x);
/* Waits until all is written; then modes and times of directories, and the counts. */
int extractor_finish(struct extractor *x, struct unpack_result *result, struct error **err);
void extractor_free(struct extractor *x);
CLEANUP_FOR(struct extractor, extractor_free)

#endif
