/*
 * Versions and ranges of them, as images-by-semver of a sync file says which tags are meant: Semantic Versioning 2.0.0,
 * read as generously as skopeo does ("v1", "1.2"), and its ranges:
 *
 *	=1.2.3 !=1.2 >1 <2.0 >=1.2 <=1.9	compared; a part that is missing stands for all of them
 *	1.2.x  1.2.*  1.2  *			any of these
 *	~1.2.3  ^1.2.3				1.2.3 or later, with the same 1.2; with the same first part that is not
 *0 1.2 - 1.4				both ends included
 *	>=1.2, <2 || ^3				all of those with a comma or a blank between, one of those with ||
 *
 * A version with a pre-release part (1.2.3-rc1) is only in a range that names such a part itself.
 */
#ifndef COOPER_BUILDER_IMAGE_SEMVER_H
#define COOPER_BUILDER_IMAGE_SEMVER_H

#include "base/error.h"

#include <stdbool.h>

/* -EINVAL for what is no range. */
int semver_check_range(const char *range, struct error **err);
/* False also for a text that is no version. The range has been checked. */
bool semver_is_in(const char *text, const char *range);

#endif
