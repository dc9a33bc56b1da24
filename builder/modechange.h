/*
 * chmod(1)'s two notations, "0755" and "u=rwX,go=rX", as a change that is applied to many modes.
 */
#ifndef COOPER_BUILDER_MODECHANGE_H
#define COOPER_BUILDER_MODECHANGE_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* The text is checked once and kept; borrowed. Zeroed: no change. */
struct mode_change {
	const char *text;
	bool is_octal;
	mode_t octal;
};

/* -EINVAL quotes the text. NULL and "" are no change. */
int mode_change_parse(const char *text, struct mode_change *change, struct error **err);
/* The permission bits (07777) that `mode`, with its type, gets. */
mode_t mode_change_apply(const struct mode_change *change, mode_t mode);

#endif
