/*
 * Changes to an image's configuration, one function per kind of thing, in the syntax that users write: `cooper config`,
 * `commit --change` and `--config`. What the instructions of a Dockerfile do in a build is build_config.c's.
 */
#ifndef COOPER_BUILDER_EDIT_H
#define COOPER_BUILDER_EDIT_H

#include "imagefmt/config.h"

/* "K=V" sets, "K" takes the value of our environment (from_environment) or sets it empty, "K-" removes, "-" clears. For
 * env, labels, annotations. */
int edit_map(struct strlist *map, const char *text, bool from_environment, struct error **err);
/* edit_map() as `cooper config --env` has it: $NAME and ${NAME} in a value stand for variables that are already set,
 * and are left as they are written, with a warning, where there is none; "K" that is not in our environment gives
 * -EINVAL.
 */
int edit_env(struct strlist *env, const char *text, struct error **err);
/* "X" adds, "X-" removes, "-" clears. For volumes. */
void edit_set(struct strlist *set, const char *text);
/* "80", "80/udp", "8000-8010/tcp"; "N-" removes; "-" clears. */
int edit_ports(struct strlist *ports, const char *text, struct error **err);
/* The same, but "80" is kept as it is written: what Buildah's config does, and scripts that inspect it expect. */
int edit_ports_as_written(struct strlist *ports, const char *text, struct error **err);
/* A JSON array is taken as it is; other text is split like a shell (cmd) or given to /bin/sh -c (entrypoint). Empty
 * text clears. */
int edit_cmd(struct image_config *config, const char *text, struct error **err);
int edit_entrypoint(struct image_config *config, const char *text, struct error **err);
/* "/bin/bash -c" or a JSON array. */
int edit_shell(struct image_config *config, const char *text, struct error **err);
/* "CMD …" (also a JSON array), "CMD-SHELL …", "NONE", a command for the shell; "" removes. */
int edit_healthcheck(struct image_config *config, const char *text, struct error **err);
int edit_stop_signal(struct image_config *config, const char *text, struct error **err);

/* One Dockerfile instruction that changes only the configuration: ENV LABEL CMD ENTRYPOINT EXPOSE USER VOLUME WORKDIR
 * STOPSIGNAL SHELL HEALTHCHECK ONBUILD MAINTAINER. -EINVAL for others. */
int edit_instruction(struct image_config *config, const char *text, struct error **err);

/* What the file, a Docker configuration, says of User, WorkingDir, Env, Labels, Cmd and Entrypoint; variables and
 * labels are added to those there are, the others replaced. The path is the user's own. */
int edit_from_file(struct image_config *config, const char *path, struct error **err);

#endif
