/*
 * The configuration files of the containers tools (containers.conf(5), containers-registries.conf(5)): TOML, and beside
 * FILE the drop-ins FILE.d/NAME.conf, which come after it in the order of their names. What is read later counts.
 */
#ifndef COOPER_BASE_CONFFILE_H
#define COOPER_BASE_CONFFILE_H

#include "base/json.h"

enum conf_file_flags {
	CONF_FILE_REQUIRED = 1, /* missing is -ENOENT; else it is nothing */
	CONF_FILE_DROP_INS = 2	/* with its drop-ins, which may be there without it */
};

/* Takes what a file says; `root` is its top. A failure ends the reading. */
typedef int conf_file_take(const struct json_place *root, void *context, struct error **err);

/* Gives the file, and then each drop-in, to `take`. -EINVAL for what is not TOML; errors name the file. */
int conf_file_read(const char *file, unsigned flags, conf_file_take *take, void *context, struct error **err);

#endif
