/*
 * What an instruction does to the image's configuration, and the line it leaves in the history: both exactly as
 * BuildKit has them.
 */
#ifndef COOPER_BUILDER_BUILD_CONFIG_H
#define COOPER_BUILDER_BUILD_CONFIG_H

#include "dockerfile/instruction.h"
#include "imagefmt/config.h"

#define BUILD_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define BUILD_HISTORY_COMMENT "buildkit.dockerfile.v0"

/* The configuration of `FROM scratch`. */
void build_config_scratch(struct image_config *config, const struct platform *platform);
/* What FROM takes over of a base: all but its triggers and its time; with a PATH. */
int build_config_begin(struct image_config *config, const struct image_config *base, struct error **err);

/* Applies an expanded instruction; those that only touch files (RUN, COPY, ADD), ARG and FROM change nothing.
 * `cmd_is_set`: a CMD of this stage came before. *text is what the history shows, NULL when it shows nothing (ONBUILD)
 * or when the caller knows better. -EINVAL without a place. */
int build_config_apply(struct image_config *config, const struct instruction *instruction, bool cmd_is_set, char **text,
		       struct error **err);

/* "COPY --chown=1 a b /dst" of an expanded COPY or ADD. */
MUST_CHECK char *build_config_copy_text(const struct instruction *copy);
/* The words that are executed for RUN: its own, or SHELL's with the text behind. */
void build_config_argv(const struct image_config *config, const struct instruction_run *run, struct strlist *argv);
/* Appends the entry; its time comes later. */
void build_config_record(struct image_config *config, const char *text, bool has_layer);

#endif
