/*
 * Bearer tokens: fetched from the realm that a challenge names (distribution "Token Authentication Specification" and
 * its OAuth2 form), kept until they expire.
 */
#ifndef COOPER_REGISTRY_TOKEN_H
#define COOPER_REGISTRY_TOKEN_H

#include "base/error.h"
#include "base/strlist.h"
#include "registry/auth.h"
#include "registry/transport.h"

struct token {
	char *key; /* realm, service and user */
	struct strlist scopes;
	char *text; /* secret */
	int64_t expires_ms;
};

struct token_cache {
	struct token *items;
	size_t count;
};

void token_cache_done(struct token_cache *cache);

struct token_question {
	const char *realm;
	const char *service; /* NULL when the challenge has none */
	const struct strlist *scopes;
	const struct credentials *credentials; /* nothing set: anonymous */
	bool registry_is_https;		       /* then an http realm gets no credentials */
	unsigned flags;			       /* enum http_flags, for the question */
};

/* A token from the cache (one that was fetched for more is good for less) or from the realm, newly allocated, and when
 * it ends (http_transport_now_ms()). -EACCES when the realm refuses. */
int token_get(struct token_cache *cache, struct http_transport *transport, const struct token_question *question,
	      char **token, int64_t *expires_ms, struct error **err);
/* Drops a token that a registry did not take. */
void token_forget(struct token_cache *cache, const char *token);
/* True when the scope `have` ("repository:x:pull,push") allows all that `want` does. */
bool token_scope_covers(const char *have, const char *want);
/* The same of several; those who want none are served by none only. */
bool token_scopes_cover(const struct strlist *have, const struct strlist *want);

#endif
