/*
 * A request that can be made again, and its answer, as plain values; transport.h makes them happen.
 *
 * Everything that a second attempt needs is in the request: the body is bytes in memory or a range of a file, never a
 * pipe, and a receiver is asked before each attempt where it stands.
 */
#ifndef COOPER_REGISTRY_HTTP_H
#define COOPER_REGISTRY_HTTP_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strlist.h"
#include "imagefmt/feed.h"

#include <stdbool.h>
#include <stdint.h>

#define HTTP_ERROR_BODY_MAX ((size_t)64 << 10) /* of an answer that says no; the rest is not kept */
#define HTTP_HEADERS_MAX 256
#define HTTP_BACKOFF_MAX_MS ((int64_t)30 * 1000)
#define HTTP_EARLY_WAIT_MS ((int64_t)5 * 1000)

struct http_answer {
	int status;
	struct strlist headers; /* "Name: value" as they came */
	struct buf body;	/* what no receiver took */
	char *url;		/* the one that answered, after redirects */
	char *no_more; /* why a fault that may pass was not the beginning of a wait, where that needs words; NULL */
};

void http_answer_done(struct http_answer *answer);
CLEANUP_FOR_VALUE(struct http_answer, http_answer_done)
/* The value of the line "Name: value" when the name is this one (any case), else NULL; borrowed. */
const char *http_header_value(const char *line, const char *name);
/* The first header of that name (any case), borrowed; NULL when there is none. */
const char *http_answer_header(const struct http_answer *answer, const char *name);
/* Content-Length; false when it is missing or no number. */
bool http_answer_size(const struct http_answer *answer, uint64_t *size);
bool http_answer_is_success(const struct http_answer *answer);
/* The address of `Link: <…>; rel="next"`, also among others, newly allocated; NULL when there is none, or when it is of
 * another origin than the answer. */
MUST_CHECK char *http_answer_next_page(const struct http_answer *answer);

/* Takes the body of a 2xx answer as it comes. Errors end the request; -EAGAIN ends the attempt only. */
struct http_request;
struct http_receiver {
	/* Before each attempt: may set headers (Range). May be NULL. */
	int (*begin)(void *context, struct http_request *request, struct error **err);
	/* Status and headers are there, the body is not yet. May be NULL. */
	int (*head)(void *context, const struct http_answer *answer, struct error **err);
	int (*data)(void *context, const void *data, size_t size, struct error **err);
};

struct http_body {
	const void *data; /* NULL: from fd */
	int fd;
	uint64_t offset; /* where it begins in the file */
	uint64_t size;
	const struct growing_blob *growing; /* sent while it grows: all that there will be behind `offset`, and so
					     * without a length (RFC 9112, 7.1) */
	bool sized;			    /* or, of what grows, `size` bytes */
	bool present;			    /* an empty body is not the same as none */
	void (*moved)(uint64_t sent, void *context); /* told how much of it has gone out; NULL */
	void *moved_context;
};

enum http_flags {
	HTTP_ONCE = 1,	      /* no retries: whoever asks decides what comes next */
	HTTP_SECRET_BODY = 2, /* not sent on to another origin, whatever a redirect says */
	HTTP_INSECURE = 4,    /* registries.conf has said `insecure`: any certificate will do */
	/* There is another place to ask: only one repetition, and no wait of more than HTTP_EARLY_WAIT_MS. */
	HTTP_GIVE_UP_EARLY = 8,
	HTTP_ONE_CONNECTION = 16, /* there is another scheme to try: a connection that is refused is not tried again */
	HTTP_STRANGER = 32, /* the host has nothing to do with the registry: no certificate of --cert-dir is shown */
	HTTP_JSON = 64	    /* the answer is JSON: what is none (a page to log in) is asked again, as after a 503 */
};

struct http_request {
	const char *method; /* static */
	char *url;
	struct strlist headers; /* "Name: value"; never Authorization */
	char *authorization;	/* "Bearer …", NULL; sent to the origin of `url` only; wiped */
	struct http_body body;
	const struct http_receiver *receiver; /* NULL: the body goes to the answer */
	void *receiver_context;
	size_t answer_max; /* most bytes of a 2xx body without a receiver; more is -EFBIG */
	int64_t delay_ms;  /* before the first attempt */
	unsigned flags;
};

/* Zeroes the request and sets the first three; takes `url`. */
void http_request_init(struct http_request *request, const char *method, char *url, size_t answer_max);
void http_request_done(struct http_request *request);
CLEANUP_FOR_VALUE(struct http_request, http_request_done)
/* Replaces or adds a header; NULL value removes it. */
void http_request_set_header(struct http_request *request, const char *name, const char *value);
/* Takes a heap string, wiping the one before. */
void http_request_set_authorization(struct http_request *request, char *authorization);

/* An answer that is a failure, as errno and text: method, redacted address, status, the registry's own errors or the
 * beginning of its body. 401 and 403 are -EACCES, 404 is -ENOENT, 429 is -EBUSY, the rest -EREMOTEIO. */
int http_answer_error(const char *method, const struct http_answer *answer, struct error **err);
/* True when the registry's error list has this code ("BLOB_UPLOAD_UNKNOWN"). */
bool http_answer_has_code(const struct http_answer *answer, const char *code);

/* 408, 425, 429, 499, 500, 502, 503, 504, 520-527: what may pass when asked again. */
bool http_status_is_temporary(int status);
/* Milliseconds that Retry-After asks for, seconds or date; false when it is missing or malformed. */
bool http_retry_after(const struct http_answer *answer, int64_t now, int64_t *wait_ms);
/* The wait before attempt number `attempt` (1 = first repetition): base doubled each time, at most HTTP_BACKOFF_MAX_MS,
 * of which `random` (any number) chooses a part. */
int64_t http_backoff(int64_t base_ms, unsigned attempt, uint64_t random);
/* RFC 9110's IMF-fixdate to seconds since the epoch; -EINVAL. */
int http_date_parse(const char *text, int64_t *seconds);
/* "bytes 100-199/200" to 100; "0-99" (an upload's Range) has no unit. -EINVAL. */
int http_range_parse(const char *text, uint64_t *first, uint64_t *last);

#endif
