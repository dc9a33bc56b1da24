/*
 * Values as Go's fmt prints them: the history of images is full of them.
 */
#ifndef COOPER_BUILDER_BUILD_GOTEXT_H
#define COOPER_BUILDER_BUILD_GOTEXT_H

#include "base/buf.h"
#include "base/strlist.h"

/* %q of a []string: ["a" "b\n"] */
void gotext_quoted_list(const struct strlist *list, struct buf *into);
/* %v of a []string: [a b] */
void gotext_list(const struct strlist *list, struct buf *into);
/* time.Duration's String(): "1m30s", "1.5s", "300ms", "0s" */
void gotext_duration(int64_t nanoseconds, struct buf *into);

#endif
