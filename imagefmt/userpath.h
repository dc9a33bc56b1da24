/*
 * Directories at paths that the user chose (the store, the target of a push): symlinks in them are meant and followed.
 */
#ifndef COOPER_IMAGEFMT_USERPATH_H
#define COOPER_IMAGEFMT_USERPATH_H

#include "base/error.h"

#include <sys/types.h>

/* Opens the directory, made with what is missing above it. Relative paths count from the working directory. */
MUST_CHECK int userpath_open_dir(const char *path, mode_t mode, struct error **err);

#endif
