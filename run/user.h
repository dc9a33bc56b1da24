/*
 * Users of an image, from its own /etc/passwd and /etc/group: no NSS, no file of the host, sizes limited, regular files
 * only.
 */
#ifndef COOPER_RUN_USER_H
#define COOPER_RUN_USER_H

#include "base/error.h"
#include "base/strlist.h"

#include <stdint.h>

#define USER_ID_MAX ((uint32_t)0xfffffffe) /* 4294967295 is "no id" */

struct user {
	uint32_t uid, gid;
	uint32_t *groups; /* supplementary, from the image's /etc/group; owned */
	size_t group_count;
	char *home; /* "/" when the entry has none */
	char *name; /* NULL when the number has no entry */
};

void user_done(struct user *user);
CLEANUP_FOR_VALUE(struct user, user_done)
/* "name", "uid", "name:group", "uid:gid", ":group"; "" or NULL is root. A name that the image does not know is -ENOENT
 * and named; numbers past USER_ID_MAX are -EINVAL. When a group is given, no supplementary groups are taken. */
int user_find(int rootfd, const char *text, struct user *user, struct error **err);
/* The same for an owner ("--chown"): only ids. A user without an entry has its uid as gid; a name without a group takes
 * the user's own. */
int user_find_owner(int rootfd, const char *text, uint32_t *uid, uint32_t *gid, struct error **err);
/* Names or numbers of groups to ids. */
int user_find_groups(int rootfd, const struct strlist *names, uint32_t **gids, size_t *count, struct error **err);

#endif
