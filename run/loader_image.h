/*
 * The loader of a translated root (run/loader/), as a file in memory that can be executed and not changed.
 */
#ifndef COOPER_RUN_LOADER_IMAGE_H
#define COOPER_RUN_LOADER_IMAGE_H

#include "base/error.h"
#include "base/mem.h"

MUST_CHECK int loader_image_open(struct error **err);

#endif
