/*
 * An exchange, and what its three files say to each other: transport.c is the loop, attempt.c makes one attempt with
 * curl, verdict.c says what comes after it.
 */
#ifndef COOPER_REGISTRY_TRANSPORT_INTERNAL_H
#define COOPER_REGISTRY_TRANSPORT_INTERNAL_H

#include <sys/queue.h>

#include "registry/curl.h"
#include "registry/patience.h"
#include "registry/tls.h"
#include "registry/transport.h"

enum exchange_state { EXCHANGE_WAITING, EXCHANGE_ACTIVE, EXCHANGE_FINISHED };

struct exchange {
	TAILQ_ENTRY(exchange) link;
	struct http_transport *transport;
	struct http_request *request;
	http_done *done; /* NULL: somebody waits in http_transport_perform() */
	void *context;
	enum exchange_state state;
	int64_t due_ms;	       /* while waiting */
	int64_t begun_ms;      /* this attempt */
	int64_t window_ms;     /* since when `window_moved` counts */
	uint64_t window_moved; /* bytes that went either way */
	int64_t moved_ms;      /* when the last of a body did, in this attempt */
	unsigned attempt;      /* repetitions so far, since there was progress */
	unsigned redirects;
	char *url; /* of this hop */
	CURL *easy;
	struct curl_slist *header_list;
	char curl_text[CURL_ERROR_SIZE];
	uint64_t sent;	   /* of the body, in this attempt */
	uint64_t received; /* by the receiver, in this attempt */
	bool head_whole;   /* the empty line behind the headers has come */
	bool head_shown;
	bool is_refused; /* the attempt found nobody there */
	bool paused;	 /* all of the growing body that is there has gone out */
	struct http_answer answer;
	int rc;
	struct error *error;
};
TAILQ_HEAD(exchange_queue, exchange);

/* What is known about a host: its certificates, and until when it does not want to hear from us. */
struct host {
	char *authority;
	struct tls_settings tls;
	int64_t quiet_until_ms;
};

struct http_transport {
	struct curl_library curl;
	bool loaded;
	CURLM *multi;
	CURLSH *share; /* sessions of TLS: a further connection to a host costs half a handshake */
	struct exchange_queue exchanges;
	struct host **hosts;
	size_t host_count;
	struct strlist warnings; /* that have been told */
	uint64_t moved;		 /* bytes of bodies, both ways, of all attempts */
	int64_t told_ms;	 /* when somebody was last told how it goes */
	char *user_agent;
	char *cert_dir;
	enum tls_verify tls_verify;
	unsigned retries;
	int64_t retry_delay_ms;
	int64_t max_wait_ms;
	struct patience patience;
	char *no_more; /* why the last wait was refused, when it was for want of time; NULL */
	int64_t connect_ms;
	int64_t stall_ms;
	int64_t tell_ms;
	void (*progress)(const char *line, void *context);
	void *progress_context;
};

/* What is known about the host of an address; found out when first asked for. Borrowed from the transport. */
int transport_host(struct http_transport *transport, const char *url, struct host **found, struct error **err);
/* Puts the request as it now stands into curl's hands: EXCHANGE_ACTIVE. */
int exchange_begin_attempt(struct exchange *x, struct host *host, struct error **err);
/* Takes it back, whether it was finished or not. */
void exchange_end_attempt(struct exchange *x);
/* Shows a receiver status and headers, unless it has seen them. */
int exchange_show_head(struct exchange *x);

/* Decides on an attempt that curl has ended: EXCHANGE_FINISHED, or EXCHANGE_WAITING for a redirect or the next one. */
void exchange_judge(struct exchange *x, CURLcode code);
/* Ends the exchange with what x->error says, with method and address before it. */
void exchange_fail(struct exchange *x, int rc);
/* Puts the exchange back in the queue for another attempt at the request's own address (a redirect's target may have
 * expired); false when there is none left. */
bool exchange_retry(struct exchange *x, const char *why);

#endif
