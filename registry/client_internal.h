/*
 * What all conversations of one client share.
 */
#ifndef COOPER_REGISTRY_CLIENT_INTERNAL_H
#define COOPER_REGISTRY_CLIENT_INTERNAL_H

#include "registry/auth.h"
#include "registry/client.h"
#include "registry/endpoint.h"
#include "registry/known_internal.h"
#include "registry/registries.h"
#include "registry/token.h"
#include "registry/transport.h"

struct registry_client {
	char *authfile;			/* NULL: the default ones */
	struct credentials credentials; /* --creds; nothing set without it */
	enum tls_verify tls_verify;
	unsigned parallel;
	void (*progress)(const char *line, void *context);
	void *progress_context;
	void (*transfer)(const struct registry_transfer *transfer, void *context);
	void *transfer_context;
	struct http_transport *transport;
	bool anonymous;	    /* no credentials at all */
	bool sends_foreign; /* as in the options */
	bool is_forked;	    /* somebody else tells of the blobs */

	struct endpoint **endpoints; /* each stays where it is: sessions point to them */
	size_t endpoint_count;
	struct token_cache tokens;
	struct registries *registries; /* NULL until client_registries() */
	struct known_blobs known;
};

/* A line for people, if anybody wants to read it. */
void client_tell(const struct registry_client *client, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same of a blob on its way. *told_ms is when that was last done; what comes too soon after it is not told, unless
 * it is the last. */
void client_tell_transfer(const struct registry_client *client, const struct registry_transfer *transfer,
			  int64_t *told_ms);
/* Credentials were given for it; they are not those of a file. */
bool client_was_told_who(const struct registry_client *client);
/* The endpoint of a domain, made when first asked for; borrowed. */
struct endpoint *client_endpoint(struct registry_client *client, const char *domain, bool insecure);
/* registries.conf, read when first asked for; borrowed. */
int client_registries(struct registry_client *client, const struct registries **registries, struct error **err);

#endif
