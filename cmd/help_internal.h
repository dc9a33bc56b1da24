/*
 * What a usage text and a man page say in the same words.
 */
#ifndef COOPER_CMD_HELP_INTERNAL_H
#define COOPER_CMD_HELP_INTERNAL_H

#include "cmd/command.h"

/* "-q, --quiet", "    --creds USER[:PASSWORD]", "    --pull[=POLICY]"; newly allocated. */
MUST_CHECK char *help_option_label(const struct option_spec *row);
/* What follows the command's name in the line of usage; borrowed. */
const char *help_arguments(const struct command *command);

#endif
