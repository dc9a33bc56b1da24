/*
 * Where memos lie.
 */
#ifndef COOPER_BUILDER_BUILD_MEMO_INTERNAL_H
#define COOPER_BUILDER_BUILD_MEMO_INTERNAL_H

#include "builder/build_memo.h"

#define BUILD_MEMO_FOLDER "contexts" /* in cache/ */

#endif
