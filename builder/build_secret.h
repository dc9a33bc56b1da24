/*
 * What RUN is shown and nothing keeps: secrets as files in memory, and sockets that lead to an ssh agent. Both live in
 * a file system in memory that is mounted in our own mount namespace for the length of the step.
 */
#ifndef COOPER_BUILDER_BUILD_SECRET_H
#define COOPER_BUILDER_BUILD_SECRET_H

#include "base/buf.h"
#include "builder/build.h"
#include "dockerfile/instruction.h"

#include <sys/types.h>

struct build_secrets {
	struct workshop *w;
	char *path;  /* where the file system is mounted; NULL before it is */
	int fd;	     /* of it; -1 */
	size_t made; /* names given so far */
	pid_t *relays;
	size_t relay_count;
};
#define BUILD_SECRETS_INIT(workshop) ((struct build_secrets){.w = (workshop), .fd = -1})

/* Takes all away again. */
void build_secrets_done(struct build_secrets *secrets);
CLEANUP_FOR_VALUE(struct build_secrets, build_secrets_done)

/* The value of the secret that the mount names; -ENOENT when the build was not given it. */
int build_secret_read(const struct build_options *options, const char *id, struct buf *value, struct error **err);
/* The value as a file with the mount's owner and mode (0400). *path is newly allocated. */
int build_secret_file(struct build_secrets *secrets, const struct file_mount *mount, const struct buf *value,
		      char **path, struct error **err);
/* A socket that leads to the agent of that id, with the mount's owner and mode (0600). -ENOENT when there is none. */
int build_secret_agent(struct build_secrets *secrets, const struct build_options *options,
		       const struct file_mount *mount, const char *id, char **path, struct error **err);

#endif
