/*
 * One file of credentials, and one helper program: the parts of auth.c.
 */
#ifndef COOPER_REGISTRY_AUTH_INTERNAL_H
#define COOPER_REGISTRY_AUTH_INTERNAL_H

#include "base/json.h"
#include "registry/auth.h"

#define AUTH_FILE_SIZE_MAX ((size_t)1 << 20)

/* What a file says about a repository, still without asking helpers. */
struct auth_lookup {
	struct credentials credentials; /* from `auths` */
	char *helper;			/* the program of `credHelpers` for this host, or of `credsStore` */
	bool helper_is_explicit;	/* of credHelpers: before the file's own entries, and its failure is an error */
};

void auth_lookup_done(struct auth_lookup *lookup);
CLEANUP_FOR_VALUE(struct auth_lookup, auth_lookup_done)
/* `text` is the content of `file` (for messages). Knows containers' auth.json, docker's config.json and the old
 * .dockercfg, whose top level is what the others have under "auths". */
int auth_file_lookup(const char *text, size_t size, const char *file, const char *repository,
		     struct auth_lookup *lookup, struct error **err);
/* True when credentials has anything in it. */
bool credentials_are_set(const struct credentials *credentials);
/* "host[:port]" of "host[:port]/path", docker.io's other names made one. Newly allocated. */
MUST_CHECK char *auth_host(const char *repository);

/* docker-credential-NAME get|store|erase (docker's credential helper protocol). No credentials is success with nothing
 * set; -ENOENT when there is no such program. */
int auth_helper_get(const char *name, const char *host, struct credentials *credentials, struct error **err);
int auth_helper_store(const char *name, const char *host, const char *username, const char *password,
		      struct error **err);
/* -ENODATA when the helper has none for the host. */
int auth_helper_erase(const char *name, const char *host, struct error **err);

#endif
