/*
 * A conversation with registries: what all requests of one command share (connections, tokens, credentials, options).
 * libcurl is loaded when the first request is made. The client has one thread and one curl_multi loop.
 */
#ifndef COOPER_REGISTRY_CLIENT_H
#define COOPER_REGISTRY_CLIENT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strlist.h"
#include "imagefmt/digest.h"

#include <stdbool.h>
#include <stdint.h>

struct registry_client;

enum tls_verify { TLS_VERIFY_DEFAULT, TLS_VERIFY_YES, TLS_VERIFY_NO };

/* A blob on its way. */
struct registry_transfer {
	bool is_upload;
	const struct digest *digest;
	uint64_t done, size; /* bytes; done goes back when a transfer begins anew */
};

/* Zeroed fields are the defaults; texts are copied. */
struct registry_options {
	const char *authfile;	 /* --authfile; a missing file is an error */
	const char *credentials; /* --creds "user[:password]" */
	/* The same in two words, for a name that has a colon. */
	const char *username, *password;
	const char *registry_token; /* instead: sent as it is where a token is asked for */
	bool anonymous;		    /* whatever the files say */
	/* Asks the user for the password that `credentials` or `username` lacks, into a secret buffer; NULL: it is "".
	 */
	int (*ask_password)(struct buf *password, struct error **err);
	const char *cert_dir; /* --cert-dir */
	enum tls_verify tls_verify;
	int retries;		/* per request; negative = default (5) */
	int64_t retry_delay_ms; /* 0 = 1 s, doubled, with jitter */
	int64_t max_wait_ms;	/* longest that a Retry-After is obeyed; 0 = 5 min */
	/* What all requests together may lose to waits and to attempts that fail; 0 = 30 min, or twice max_wait_ms. */
	int64_t retry_deadline_ms;
	int64_t connect_ms;	/* a connection that takes longer is none; 0 = 30 s */
	int64_t stall_ms;	/* a transfer that stands still so long; 0 = 60 s */
	int64_t tell_ms;	/* a line that it goes on, each so often; 0 = 30 s */
	int parallel;		/* transfers at once; 0 = 4 */
	bool sends_foreign;	/* also layers that must not be distributed and lie elsewhere (elsewhere.h) */
	const char *user_agent; /* NULL = "cooper/VERSION" */
	void (*progress)(const char *line, void *context); /* NULL: none; lines for people */
	void *progress_context;
	/* Of each blob a few times in a second, and when all of it is there; NULL. */
	void (*transfer)(const struct registry_transfer *transfer, void *context);
	void *transfer_context;
};

int registry_client_new(const struct registry_options *options, struct registry_client **client, struct error **err);
void registry_client_free(struct registry_client *client);
/* In a process that was forked from the client's: connections stay the parent's, what is known (tokens, certificates)
 * is taken along. Blobs that are fetched are not told of any more: the parent does that when he sends them. */
void registry_client_forked(struct registry_client *client);
CLEANUP_FOR(struct registry_client, registry_client_free)

#endif
