/*
 * Our own environment and the user's directories: read once by cmd/, handed on as values.
 */
#ifndef COOPER_BASE_ENV_H
#define COOPER_BASE_ENV_H

#include "base/error.h"

/* getenv() of COOPER_<name>, else BUILDAH_<name>, else NULL. Empty counts as unset. */
const char *env_get(const char *name);
/* The plain variable; empty counts as unset. */
const char *env_plain(const char *name);
/* $HOME if it is absolute, else the account's directory; newly allocated, never NULL ("/" at the worst). */
MUST_CHECK char *env_home(void);
/* $XDG_DATA_HOME or ~/.local/share, $XDG_CONFIG_HOME or ~/.config, $XDG_RUNTIME_DIR or NULL. */
MUST_CHECK char *env_data_home(void);
MUST_CHECK char *env_config_home(void);
MUST_CHECK char *env_runtime_dir(void);

#endif
