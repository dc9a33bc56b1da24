/*
 * What a step is shown and nothing keeps: secrets as files in memory, and sockets that lead to an ssh agent. The user
 * grants them by --secret and --ssh; a step asks for them with a mount of type secret or ssh. Both live in a room, a
 * file system in memory that is mounted in our own mount namespace for the length of the step.
 *
 *	cleanup(secret_room_done) struct secret_room room = SECRET_ROOM_INIT(w);
 *	rc = secret_room_show(&room, grants, &setting, value, &outcome, err);	for each such mount
 *	(run the step with the settings that are SECRET_MOUNTED, and with room.env)
 */
#ifndef COOPER_BUILDER_SECRET_H
#define COOPER_BUILDER_SECRET_H

#include "base/buf.h"
#include "builder/settings_parse.h"
#include "builder/workshop.h"

#include <sys/types.h>

#define SECRET_SIZE_MAX ((size_t)500 << 10) /* BuildKit's */

/* One --secret. */
struct secret {
	char *id;
	char *file, *variable; /* one of them */
};

struct secret_grants {
	struct secret *secrets;
	size_t secret_count;
	const struct strlist *ssh; /* "default", "id=socket", "id=key,key"; borrowed; NULL */
};
void secret_grants_done(struct secret_grants *grants);
CLEANUP_FOR_VALUE(struct secret_grants, secret_grants_done)
/* "id=ID[,src=FILE|env=VAR][,type=file|env]". What cannot be read now is refused now: -ENOENT, -EACCES, -EINVAL. */
int secret_grants_add(struct secret_grants *grants, const char *text, struct error **err);

struct secret_room {
	struct workshop *w;
	char *path;  /* where the file system is mounted; NULL before it is */
	int fd;	     /* of it; -1 */
	size_t made; /* names given so far */
	size_t agents;
	pid_t *relays;
	size_t relay_count;
	struct ssh_agent **own_agents; /* of key files */
	size_t own_agent_count;
	struct strlist
		env; /* variables for the step: secrets with env=, SSH_AUTH_SOCK; not for anything that is kept */
};
#define SECRET_ROOM_INIT(workshop) ((struct secret_room){.w = (workshop), .fd = -1})

/* Takes all away again. */
void secret_room_done(struct secret_room *room);
CLEANUP_FOR_VALUE(struct secret_room, secret_room_done)

enum secret_outcome {
	SECRET_MISSING, /* it was not granted, and the mount does not require it */
	SECRET_IN_ENV,	/* a variable is all that was asked for */
	SECRET_MOUNTED	/* the setting is now a bind mount of what it named */
};
/* Does what a setting of kind MOUNT_SECRET or MOUNT_SSH asks for. Its target is absolute or NULL (then it is
 * /run/secrets/<id> or /run/buildkit/ssh_agent.<n>). A secret's text is appended to `value`, for who has to mask it.
 * -ENOENT when it was not granted and is required. */
int secret_room_show(struct secret_room *room, const struct secret_grants *grants, struct mount_setting *setting,
		     struct buf *value, enum secret_outcome *outcome, struct error **err);

#endif
