/*
 * Credentials: the files and helpers in which users keep them (containers-auth.json(5), docker's config.json), in the
 * order of that page. Read anew at each use, so that what expires can be renewed meanwhile. Never
 * logged; wiped when freed.
 */
#ifndef COOPER_REGISTRY_AUTH_H
#define COOPER_REGISTRY_AUTH_H

#include "base/error.h"
#include "base/strlist.h"

#include <stdbool.h>

struct credentials {
	char *username; /* NULL when there are none */
	char *password;
	char *identity_token; /* instead of the two */
	char *registry_token;
	char *source; /* the file or helper, for messages */
};
void credentials_done(struct credentials *credentials);
CLEANUP_FOR_VALUE(struct credentials, credentials_done)

/* What a person calls a registry, as a key of the files: of a URL (Docker's old form) the host; newly allocated. */
MUST_CHECK char *credentials_key(const char *registry);
/* For "host[:port][/path]", longest match first. None at all is success with nothing set. */
int credentials_find(const char *authfile, const char *repository, struct credentials *credentials, struct error **err);
/* The same in the order of registries.conf's credential-helpers: CREDENTIALS_IN_FILES is the above, anything else the
 * name of a helper. One that fails is passed over with a warning. */
#define CREDENTIALS_IN_FILES "containers-auth.json"
int credentials_find_by(const struct strlist *helpers, const char *authfile, const char *repository,
			struct credentials *credentials, struct error **err);
/* login: writes (0600, atomically, other keys kept) to authfile, or to the default file. *written tells where. */
int credentials_store(const char *authfile, const char *key, const char *username, const char *password, char **written,
		      struct error **err);
/* logout: -ENOENT when there were none. NULL key = all. */
int credentials_erase(const char *authfile, const char *key, struct error **err);

#endif
