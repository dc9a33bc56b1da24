/*
 * HTTP for everybody in this room: one curl_multi loop in which any number of requests are under way, each of which is
 * made again by the rules of verdict.c until its answer can be judged.
 *
 * The transport follows redirects itself (Authorization and client certificates stay with the origin they were meant
 * for), waits as long as a server asks, holds back a whole host that says 429, and gives up on a connection on which
 * nothing moves. What an answer means (401, 404, a digest) is the caller's business.
 *
 *	cleanup(http_answer_done) struct http_answer answer = {0};
 *	rc = http_transport_perform(transport, &request, &answer, err);	// one, and wait for it
 *
 *	http_transport_start(transport, &request, on_done, job);		// several
 *	rc = http_transport_run(transport, err);				// on_done may start further ones
 */
#ifndef COOPER_REGISTRY_TRANSPORT_H
#define COOPER_REGISTRY_TRANSPORT_H

#include "base/error.h"
#include "registry/client.h"
#include "registry/http.h"

struct http_transport;

struct http_transport_options {
	const char *user_agent;
	const char *cert_dir; /* NULL: certs.d */
	enum tls_verify tls_verify;
	unsigned retries;
	int64_t retry_delay_ms;
	int64_t max_wait_ms; /* longest that a Retry-After is obeyed; more ends the request */
	int64_t deadline_ms; /* what all requests together may lose to waits and failed attempts (patience.h) */
	int64_t connect_ms;  /* the name, the connection and TLS may take so long; then it is tried again */
	int64_t stall_ms;    /* fewer than one byte a second for so long is a broken connection */
	int64_t tell_ms;     /* how often somebody is told that it goes on */
	void (*progress)(const char *line, void *context); /* told of long waits; may be NULL */
	void *progress_context;
};

/* Texts of the options are copied. libcurl is loaded by the first request. */
struct http_transport *http_transport_new(const struct http_transport_options *options);
void http_transport_free(struct http_transport *transport);
/* In a process that was forked, with no request under way: connections are left to the parent, as they are. */
void http_transport_forked(struct http_transport *transport);
CLEANUP_FOR(struct http_transport, http_transport_free)

/* rc 0: there is an answer, whatever its status. rc < 0: there is none, *err says why (take it or leave it to be
 * freed). Both are borrowed for the call. */
typedef void http_done(void *context, int rc, struct http_answer *answer, struct error **err);

/* Puts a request into the loop; it is borrowed until `done` is called, from http_transport_run(). */
void http_transport_start(struct http_transport *transport, struct http_request *request, http_done *done,
			  void *context);
/* Runs the loop until no started request is left. Fails only when the loop itself does; all requests are then
 * forgotten. */
int http_transport_run(struct http_transport *transport, struct error **err);
/* Something else to wait for while requests run, besides what they wait for. */
struct http_watch {
	int fd;						 /* -1: nothing; may change in ready() */
	bool keeps_loop;				 /* the loop goes on for its sake alone */
	int (*ready)(void *context, struct error **err); /* fd is readable; a failure ends the loop */
	void *context;
};
#define HTTP_WATCHES_MAX 2
/* The same, until nothing is left either that keeps the loop. Bodies that grow (http_body.growing) go on after each
 * ready(). Watches are borrowed for the call. */
int http_transport_run_with(struct http_transport *transport, struct http_watch *const *watches, size_t count,
			    struct error **err);
/* Forgets all started requests without calling anybody: whoever started them frees them. */
void http_transport_cancel(struct http_transport *transport);
/* One request from start to answer. Others go on meanwhile, but are reported later, by http_transport_run(): so it may
 * be called from within `done`, to fetch a token. Expected: -ETIMEDOUT, -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH (the
 * name cannot be resolved), -ENXIO (there is no such name), -EPROTONOSUPPORT (no TLS on the other side), -EPROTO (TLS
 * without success), -EKEYREJECTED (its certificate is not trusted). */
int http_transport_perform(struct http_transport *transport, struct http_request *request, struct http_answer *answer,
			   struct error **err);

/* How long to wait before repetition number `attempt` by hand, for those who do not leave it to the transport; -1 when
 * the retries are used up, the answer (may be NULL) asks for more than max_wait_ms, or there is no time left to lose.
 */
int64_t http_transport_retry_wait(struct http_transport *transport, unsigned attempt, const struct http_answer *answer);
/* After a -1: returns rc, with what the error has to say about it besides. */
int http_transport_explain(const struct http_transport *transport, int rc, struct error **err);
/* The clock of all waits and expiries here: milliseconds of CLOCK_MONOTONIC. */
int64_t http_transport_now_ms(void);
/* True for failures of a connection that may pass. */
bool http_transport_is_temporary(int rc);

#endif
