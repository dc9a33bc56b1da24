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

/* `dirfd` is borrowed and must outlive the extractor. */
int extractor_new(int dirfd, const struct unpack_options *options, struct extractor **extractor, struct error **err);
/* Makes one entry, reading its data from the reader. Errors name the entry. */
int extractor_add(struct extractor *x, struct tar_reader *reader, const struct tar_entry *entry, struct error **err);
/* Modes and times of directories, and the counts. */
int extractor_finish(struct extractor *x, struct unpack_result *result, struct error **err);
void extractor_free(struct extractor *x);
CLEANUP_FOR(struct extractor, extractor_free)

#endif
