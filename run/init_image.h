/*
 * The program of run/init/, as bytes inside cooper.
 */
#ifndef COOPER_RUN_INIT_IMAGE_H
#define COOPER_RUN_INIT_IMAGE_H

#include "base/error.h"

/* A sealed memory file with the init, to be executed by execveat(2): a file that nobody can write and that is in no
 * file system. Returns the descriptor. */
MUST_CHECK int init_image_open(struct error **err);

#endif
