/*
 * The extended attributes of a file, from one to another.
 */
#ifndef COOPER_BASE_ATTRIBUTES_H
#define COOPER_BASE_ATTRIBUTES_H

#include "base/error.h"

#include <stdbool.h>

/* Whether an attribute of this name is copied. */
typedef bool attributes_wanted(const char *name);

enum attributes_flags {
	ATTRIBUTES_AT_BEST = 1 /* what cannot be had or given is left out, user.* as well */
};

/* Gives `to` the attributes that `from` has; what it has besides stays. Both may be O_PATH, and of any type. `wanted`
 * NULL: all. What the file system or our rights decide about (security.*, trusted.*, ACLs) is left out where it cannot
 * be given, said at debug level; what is in user.* is data of ours or of the image, and losing it is an error, which
 * names the attribute. */
int attributes_copy(int from, int to, attributes_wanted *wanted, unsigned flags, struct error **err);

#endif
