/*
 * Where a registry's API is: the host behind the domain of an image's name, https or http, and what it asks of those
 * who come without credentials. Found out by one ping (GET /v2/) per registry and client, which carries no credentials:
 * they are only sent once the scheme is settled.
 */
#ifndef COOPER_REGISTRY_ENDPOINT_H
#define COOPER_REGISTRY_ENDPOINT_H

#include "base/error.h"
#include "registry/challenge.h"
#include "registry/client.h"
#include "registry/transport.h"

/* How a registry takes large blobs, found out on the way. */
struct upload_habits {
	bool keeps_chunks;    /* a second chunk was kept behind the first */
	bool loses_chunks;    /* only the first was: all bytes have to be in one request */
	bool refuses_streams; /* bodies without a length */
	bool tells_http;      /* as the place of an upload, of its own https address; that has been said */
	uint64_t body_max;    /* after HTTP 413: so much is let through, or less; 0: no limit known */
};

struct endpoint {
	char *domain;  /* as images are named: "docker.io" */
	bool insecure; /* registries.conf says so: any certificate will do, and http */
	char *origin;  /* "https://registry-1.docker.io"; NULL until settled */
	struct challenge_list challenges;
	struct upload_habits upload_habits;
};

void endpoint_free(struct endpoint *endpoint);
CLEANUP_FOR(struct endpoint, endpoint_free)
MUST_CHECK struct endpoint *endpoint_new(const char *domain, bool insecure);
/* Pings unless that has been done. https first; http after it only with TLS_VERIFY_NO, or on a loopback address unless
 * TLS_VERIFY_YES, and there never after a certificate that is not trusted. `verify` is what the user has said, which
 * counts more than `insecure`. `flags` are for the ping (enum http_flags). */
int endpoint_settle(struct endpoint *endpoint, struct http_transport *transport, enum tls_verify verify, unsigned flags,
		    struct error **err);
/* The host that serves a domain's API. Static or the argument itself. */
const char *endpoint_api_host(const char *domain);
/* Whether plain http may be tried for a host. */
bool endpoint_allows_http(const char *host, enum tls_verify verify);
/* All WWW-Authenticate headers of an answer, as far as they can be read. */
void endpoint_read_challenges(const struct http_answer *answer, struct challenge_list *list);

#endif
