/*
 * The loop. An exchange is one request on its way: it waits (for its turn, a redirect, the next attempt), is active (an
 * easy handle in the multi handle), or is finished. One attempt is one easy handle.
 */
#include "registry/transport.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/env.h"
#include "base/log.h"
#include "base/strlist.h"
#include "registry/curl.h"
#include "registry/tls.h"
#include "registry/url.h"

#define REDIRECTS_MAX 10
#define CONNECT_TIMEOUT_MS 30000L
#define STALL_MS ((int64_t)60 * 1000)
#define ANSWER_MS ((int64_t)600 * 1000) /* a registry may think for minutes after the last byte of an upload */
#define PROGRESS_WORTH_A_RETRY ((uint64_t)1 << 20)
#define POLL_MS 1000
#define TRANSFER_BUFFER_SIZE ((long)128 << 10)

enum exchange_state { EXCHANGE_WAITING, EXCHANGE_ACTIVE, EXCHANGE_FINISHED };

struct exchange {
	TAILQ_ENTRY(exchange) link;
	struct http_transport *transport;
	struct http_request *request;
	http_done *done; /* NULL: somebody waits in http_transport_perform() */
	void *context;
	enum exchange_state state;
	int64_t due_ms;	  /* while waiting */
	int64_t moved_ms; /* when the last byte went either way */
	unsigned attempt; /* repetitions so far, since there was progress */
	unsigned redirects;
	char *url; /* of this hop */
	CURL *easy;
	struct curl_slist *header_list;
	char curl_text[CURL_ERROR_SIZE];
	uint64_t sent;	   /* of the body, in this attempt */
	uint64_t received; /* by the receiver, in this attempt */
	bool head_shown;
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
	struct exchange_queue exchanges;
	struct host **hosts;
	size_t host_count;
	char *user_agent;
	char *cert_dir;
	enum tls_verify tls_verify;
	unsigned retries;
	int64_t retry_delay_ms;
	void (*progress)(const char *line, void *context);
	void *progress_context;
};

int64_t http_transport_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct http_transport *http_transport_new(const struct http_transport_options *options)
{
	struct http_transport *transport = mem_alloc(sizeof(*transport));

	TAILQ_INIT(&transport->exchanges);
	transport->user_agent = mem_strdup(options->user_agent);
	transport->cert_dir = mem_strdup(options->cert_dir);
	transport->tls_verify = options->tls_verify;
	transport->retries = options->retries;
	transport->retry_delay_ms = options->retry_delay_ms;
	transport->progress = options->progress;
	transport->progress_context = options->progress_context;
	return transport;
}

/* ---- An exchange's life ------------------------------------------------------------------------------------------ */

/* The list holds the Authorization header as text. */
static void wipe_header_list(struct http_transport *transport, struct curl_slist **list)
{
	for (struct curl_slist *item = *list; item; item = item->next)
		mem_wipe(item->data, strlen(item->data));
	if (*list)
		transport->curl.curl_slist_free_all(*list);
	*list = NULL;
}

static void end_attempt(struct exchange *x)
{
	struct http_transport *transport = x->transport;

	if (x->easy) {
		transport->curl.curl_multi_remove_handle(transport->multi, x->easy);
		transport->curl.curl_easy_cleanup(x->easy);
		x->easy = NULL;
	}
	wipe_header_list(transport, &x->header_list);
}

static void exchange_free(struct exchange *x)
{
	TAILQ_REMOVE(&x->transport->exchanges, x, link);
	end_attempt(x);
	free(x->url);
	http_answer_done(&x->answer);
	error_free(x->error);
	free(x);
}

static struct exchange *exchange_add(struct http_transport *transport, struct http_request *request, http_done *done,
				     void *context)
{
	struct exchange *x = mem_alloc(sizeof(*x));

	x->transport = transport;
	x->request = request;
	x->done = done;
	x->context = context;
	x->url = mem_strdup(request->url);
	x->due_ms = http_transport_now_ms() + request->delay_ms;
	TAILQ_INSERT_TAIL(&transport->exchanges, x, link);
	return x;
}

void http_transport_cancel(struct http_transport *transport)
{
	while (!TAILQ_EMPTY(&transport->exchanges))
		exchange_free(TAILQ_FIRST(&transport->exchanges));
}

void http_transport_free(struct http_transport *transport)
{
	if (!transport)
		return;
	http_transport_cancel(transport);
	if (transport->multi)
		transport->curl.curl_multi_cleanup(transport->multi);
	for (size_t i = 0; i < transport->host_count; i++) {
		free(transport->hosts[i]->authority);
		tls_settings_done(&transport->hosts[i]->tls);
		free(transport->hosts[i]);
	}
	free(transport->hosts);
	free(transport->user_agent);
	free(transport->cert_dir);
	free(transport);
}

static void finish(struct exchange *x, int rc)
{
	x->rc = rc;
	x->state = EXCHANGE_FINISHED;
}

/* ---- Hosts ------------------------------------------------------------------------------------------------------- */

static int find_host(struct http_transport *transport, const char *url, struct host **found, struct error **err)
{
	cleanup(url_done) struct url parsed = {0};
	int rc = url_parse(url, &parsed, err);

	if (rc < 0)
		return rc;
	cleanup_free char *authority = url_authority(&parsed);
	for (size_t i = 0; i < transport->host_count; i++) {
		if (strcmp(transport->hosts[i]->authority, authority) == 0) {
			*found = transport->hosts[i];
			return 0;
		}
	}
	cleanup(tls_settings_done) struct tls_settings tls = {0};
	rc = parsed.https ? tls_settings_load(transport->cert_dir, authority, &tls, err) : 0;
	if (rc < 0)
		return rc;
	struct host *host = mem_alloc(sizeof(*host));
	host->authority = take_ptr(&authority);
	host->tls = tls;
	tls = (struct tls_settings){0};
	transport->hosts = mem_grow(transport->hosts, transport->host_count + 1, sizeof(struct host *));
	transport->hosts[transport->host_count++] = host;
	*found = host;
	return 0;
}

/* ---- What curl calls: a fault is kept in the exchange and ends the transfer ----------------------------------------
 */

static size_t abandon(struct exchange *x, int rc)
{
	x->rc = rc;
	return 0;
}

static size_t read_body(char *into, size_t size, size_t count, void *context)
{
	struct exchange *x = context;
	const struct http_body *body = &x->request->body;
	uint64_t left = body->size - x->sent;
	size_t want = size * count < left ? size * count : (size_t)left;

	if (want == 0)
		return 0;
	if (body->data) {
		memcpy(into, (const char *)body->data + x->sent, want);
	} else {
		ssize_t got = pread(body->fd, into, want, (off_t)(body->offset + x->sent));
		if (got <= 0) {
			x->rc = got < 0 ? error_set_errno(&x->error, "read what is being sent")
					: error_set(&x->error, EIO, "what is being sent became shorter");
			return CURL_READFUNC_ABORT;
		}
		want = (size_t)got;
	}
	x->sent += want;
	x->moved_ms = http_transport_now_ms();
	return want;
}

/* curl sends a body again by itself when a kept connection turns out to be dead. */
static int rewind_body(void *context, curl_off_t offset, int origin)
{
	struct exchange *x = context;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > x->request->body.size)
		return CURL_SEEKFUNC_FAIL;
	x->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
	struct exchange *x = context;
	size_t len = size * count;

	x->moved_ms = http_transport_now_ms();
	while (len > 0 && (data[len - 1] == '\r' || data[len - 1] == '\n'))
		len--;
	if (len > 5 && strncasecmp(data, "HTTP/", 5) == 0) {
		strlist_clear(&x->answer.headers); /* those of a 100 or of a proxy are not the answer's */
	} else if (len > 0 && x->answer.headers.count < HTTP_HEADERS_MAX) {
		strlist_take(&x->answer.headers, mem_strndup(data, len));
	}
	return size * count;
}

static int show_head(struct exchange *x)
{
	const struct http_receiver *receiver = x->request->receiver;

	if (x->head_shown || !receiver || !receiver->head)
		return 0;
	x->head_shown = true;
	return receiver->head(x->request->receiver_context, &x->answer, &x->error);
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
	struct exchange *x = context;
	size_t len = size * count;
	long status = 0;

	x->moved_ms = http_transport_now_ms();
	x->transport->curl.curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	x->answer.status = (int)status;
	if (!http_answer_is_success(&x->answer)) {
		buf_append(&x->answer.body, data, len); /* what does not fit is not needed */
		return len;
	}
	if (!x->request->receiver) {
		buf_append(&x->answer.body, data, len);
		if (!x->answer.body.overflow)
			return len;
		return abandon(
			x, error_set(&x->error, EFBIG, "the answer is larger than %zu bytes", x->request->answer_max));
	}
	int rc = show_head(x);
	if (rc == 0)
		rc = x->request->receiver->data(x->request->receiver_context, data, len, &x->error);
	if (rc < 0)
		return abandon(x, rc);
	x->received += len;
	return len;
}

/* ---- Setting up an attempt -----------------------------------------------------------------------------------------
 */

static int add_header(struct exchange *x, const char *line, struct error **err)
{
	struct curl_slist *list = NULL;

	if (strpbrk(line, "\r\n"))
		return error_set(err, EINVAL, "a header with a line break in it");
	list = x->transport->curl.curl_slist_append(x->header_list, line);
	if (!list)
		return error_set(err, ENOMEM, "libcurl is out of memory");
	x->header_list = list;
	return 0;
}

static int set_headers(struct exchange *x, bool own_origin, struct error **err)
{
	const struct http_request *request = x->request;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < request->headers.count; i++)
		rc = add_header(x, request->headers.items[i], err);
	if (rc == 0 && request->authorization && own_origin) {
		cleanup_free char *line = mem_printf("Authorization: %s", request->authorization);
		rc = add_header(x, line, err);
		mem_wipe(line, strlen(line));
	}
	if (rc == 0)
		x->transport->curl.curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->header_list);
	return rc;
}

static void set_body(struct exchange *x)
{
	const struct curl_library *curl = &x->transport->curl;

	if (x->request->body.present) {
		curl->curl_easy_setopt(x->easy, CURLOPT_UPLOAD, 1L);
		curl->curl_easy_setopt(x->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->request->body.size);
		curl->curl_easy_setopt(x->easy, CURLOPT_READFUNCTION, read_body);
		curl->curl_easy_setopt(x->easy, CURLOPT_READDATA, x);
		curl->curl_easy_setopt(x->easy, CURLOPT_SEEKFUNCTION, rewind_body);
		curl->curl_easy_setopt(x->easy, CURLOPT_SEEKDATA, x);
	} else if (strcmp(x->request->method, "HEAD") == 0) {
		curl->curl_easy_setopt(x->easy, CURLOPT_NOBODY, 1L);
	}
	curl->curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, x->request->method);
}

static void set_tls(struct exchange *x, const struct host *host, bool own_origin)
{
	const struct curl_library *curl = &x->transport->curl;
	bool verify = x->transport->tls_verify != TLS_VERIFY_NO;

	curl->curl_easy_setopt(x->easy, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
	curl->curl_easy_setopt(x->easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
	if (host->tls.authorities.len > 0) {
		struct curl_blob blob = {
			.data = host->tls.authorities.data,
			.len = host->tls.authorities.len,
			.flags = CURL_BLOB_NOCOPY, /* lives as long as the transport */
		};
		curl->curl_easy_setopt(x->easy, CURLOPT_CAINFO_BLOB, &blob);
	}
	/* With --cert-dir every host has the same settings: who we are is told to the registry only. */
	if (host->tls.certificate && own_origin) {
		curl->curl_easy_setopt(x->easy, CURLOPT_SSLCERT, host->tls.certificate);
		curl->curl_easy_setopt(x->easy, CURLOPT_SSLKEY, host->tls.key);
	}
}

/* curl reads http_proxy, https_proxy, HTTPS_PROXY and NO_PROXY itself. Go's programs also read HTTP_PROXY, except in a
 * CGI script, where it is a header of the request (httpoxy), and never send a loopback address through a proxy. */
static void set_proxy(struct exchange *x, const struct url *url)
{
	const struct curl_library *curl = &x->transport->curl;

	if (url_host_is_loopback(url->host))
		curl->curl_easy_setopt(x->easy, CURLOPT_PROXY, "");
	else if (!url->https && env_plain("HTTP_PROXY") && !env_plain("http_proxy") && !env_plain("REQUEST_METHOD"))
		curl->curl_easy_setopt(x->easy, CURLOPT_PROXY, env_plain("HTTP_PROXY"));
}

static void set_connection(struct exchange *x)
{
	const struct curl_library *curl = &x->transport->curl;

	curl->curl_easy_setopt(x->easy, CURLOPT_URL, x->url);
	curl->curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
	curl->curl_easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->curl_text);
	curl->curl_easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
	curl->curl_easy_setopt(x->easy, CURLOPT_NOPROGRESS, 1L);
	curl->curl_easy_setopt(x->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl->curl_easy_setopt(x->easy, CURLOPT_FOLLOWLOCATION, 0L);
	/* A connection per transfer: several layers in one HTTP/2 connection share its losses and its end. */
	curl->curl_easy_setopt(x->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl->curl_easy_setopt(x->easy, CURLOPT_USERAGENT, x->transport->user_agent);
	curl->curl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl->curl_easy_setopt(x->easy, CURLOPT_BUFFERSIZE, TRANSFER_BUFFER_SIZE);
	curl->curl_easy_setopt(x->easy, CURLOPT_UPLOAD_BUFFERSIZE, TRANSFER_BUFFER_SIZE);
	/* A large body waits this long for "100 Continue": long enough to see a 401 or 413 before gigabytes go out,
	 * short enough for proxies that swallow the question. */
	curl->curl_easy_setopt(x->easy, CURLOPT_EXPECT_100_TIMEOUT_MS, 1000L);
	curl->curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, take_header);
	curl->curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
	curl->curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, take_body);
	curl->curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
}

static void reset_answer(struct exchange *x)
{
	const struct http_request *request = x->request;
	size_t max = request->answer_max > HTTP_ERROR_BODY_MAX ? request->answer_max : HTTP_ERROR_BODY_MAX;

	http_answer_done(&x->answer);
	x->answer.body = BUF_SECRET(request->receiver ? HTTP_ERROR_BODY_MAX : max); /* may be a token */
	x->answer.url = mem_strdup(x->url);
	x->sent = 0;
	x->received = 0;
	x->head_shown = false;
	x->rc = 0;
	error_clear(&x->error);
	x->curl_text[0] = '\0';
}

static int library_ready(struct http_transport *transport, struct error **err)
{
	if (!transport->loaded) {
		int rc = curl_library_load(&transport->curl, err);
		if (rc < 0)
			return rc;
		transport->loaded = true;
	}
	if (!transport->multi)
		transport->multi = transport->curl.curl_multi_init();
	return transport->multi ? 0 : error_set(err, ENOMEM, "libcurl does not start");
}

static int begin_attempt(struct exchange *x, struct host *host, struct error **err)
{
	struct http_transport *transport = x->transport;
	const struct http_receiver *receiver = x->request->receiver;
	bool own_origin = url_same_origin(x->request->url, x->url);
	cleanup(url_done) struct url url = {0};

	reset_answer(x);
	int rc = url_parse(x->url, &url, err);
	if (rc == 0 && receiver && receiver->begin)
		rc = receiver->begin(x->request->receiver_context, x->request, err);
	if (rc < 0)
		return rc;
	x->easy = transport->curl.curl_easy_init();
	if (!x->easy)
		return error_set(err, ENOMEM, "libcurl is out of memory");
	set_connection(x);
	set_body(x);
	set_tls(x, host, own_origin);
	set_proxy(x, &url);
	rc = set_headers(x, own_origin, err);
	if (rc < 0)
		return rc;
	CURLMcode code = transport->curl.curl_multi_add_handle(transport->multi, x->easy);
	if (code != CURLM_OK)
		return error_set(err, EIO, "libcurl: %s", transport->curl.curl_multi_strerror(code));
	x->state = EXCHANGE_ACTIVE;
	x->moved_ms = http_transport_now_ms();
	if (trace_is_on(TRACE_HTTP)) {
		cleanup_free char *shown = url_redact(x->url);
		trace(HTTP, "> %s %s%s", x->request->method, shown,
		      x->request->authorization && own_origin ? " (with Authorization)" : "");
	}
	return 0;
}

/* ---- Judging an attempt --------------------------------------------------------------------------------------------
 */

static int curl_errno(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return ETIMEDOUT;
	case CURLE_SSL_CONNECT_ERROR:
		return EPROTO;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_ISSUER_ERROR:
		return EKEYREJECTED;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_SEND_FAIL_REWIND:
		return ECONNRESET;
	default:
		return EIO;
	}
}

bool http_transport_is_temporary(int rc)
{
	return rc == -EHOSTUNREACH || rc == -ECONNREFUSED || rc == -ETIMEDOUT || rc == -ECONNRESET || rc == -EPROTO;
}

int64_t http_transport_retry_wait(struct http_transport *transport, unsigned attempt, const struct http_answer *answer)
{
	uint64_t random = 0;
	int64_t asked = 0;

	if (attempt > transport->retries)
		return -1;
	/* Without randomness every client waits the same, which is what jitter is against; no harm beyond that. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint64_t)http_transport_now_ms();
	if (!answer || !http_retry_after(answer, (int64_t)time(NULL), &asked))
		return http_backoff(transport->retry_delay_ms, attempt, random);
	return asked <= HTTP_RETRY_AFTER_MAX_MS ? asked : -1;
}

static void tell(struct http_transport *transport, const char *line)
{
	if (transport->progress)
		transport->progress(line, transport->progress_context);
	else
		log_debug("%s", line);
}

static void announce_wait(struct exchange *x, int64_t wait_ms, const char *why)
{
	cleanup_free char *shown = url_redact(x->url);
	cleanup_free char *line =
		mem_printf("%s %s: %s, trying again in %.1f s", x->request->method, shown, why, (double)wait_ms / 1000);

	tell(x->transport, line);
}

/* Puts the exchange back in the queue for another attempt at the request's own address (a redirect's target may have
 * expired); false when there is none left. */
static bool retry(struct exchange *x, const char *why)
{
	struct http_transport *transport = x->transport;
	const struct http_answer *answer = x->answer.status > 0 ? &x->answer : NULL;

	if (x->request->flags & HTTP_ONCE)
		return false;
	if (x->received >= PROGRESS_WORTH_A_RETRY)
		x->attempt = 0;
	int64_t wait = http_transport_retry_wait(transport, x->attempt + 1, answer);
	if (wait < 0)
		return false;
	x->attempt++;
	announce_wait(x, wait, why);
	end_attempt(x);
	struct host *host = NULL;
	int64_t until = http_transport_now_ms() + wait;
	if (x->answer.status == 429 && find_host(transport, x->url, &host, NULL) == 0 && host->quiet_until_ms < until)
		host->quiet_until_ms = until;
	free(x->url);
	x->url = mem_strdup(x->request->url);
	x->redirects = 0;
	x->due_ms = until;
	x->state = EXCHANGE_WAITING;
	return true;
}

static bool is_followed(const struct exchange *x)
{
	bool reads = strcmp(x->request->method, "GET") == 0 || strcmp(x->request->method, "HEAD") == 0;

	switch (x->answer.status) {
	case 301:
	case 302:
	case 303:
		return reads; /* others would have to become a GET */
	case 307:
	case 308:
		return true;
	default:
		return false;
	}
}

static int follow(struct exchange *x, struct error **err)
{
	const char *location = http_answer_header(&x->answer, "Location");
	cleanup_free char *target = NULL;

	if (!location)
		return error_set(err, EPROTO, "HTTP %d without a Location", x->answer.status);
	if (++x->redirects > REDIRECTS_MAX)
		return error_set(err, ELOOP, "more than %d redirects", REDIRECTS_MAX);
	int rc = url_resolve(x->url, location, &target, err);
	if (rc < 0)
		return error_prefix(err, "redirect");
	cleanup_free char *shown = url_redact(target);
	if (strncasecmp(x->url, "https:", 6) == 0 && strncasecmp(target, "http:", 5) == 0)
		return error_set(err, EPERM, "a redirect from https to %s is not followed", shown);
	trace(HTTP, "  redirected to %s", shown);
	free(x->url);
	x->url = take_ptr(&target);
	x->due_ms = 0;
	x->state = EXCHANGE_WAITING;
	return 0;
}

/* Ends the exchange with what x->error says, with method and address before it. */
static void fail(struct exchange *x, int rc)
{
	cleanup_free char *shown = url_redact(x->url);

	finish(x, error_prefix(&x->error, "%s %s", x->request->method, shown));
	x->rc = rc;
}

static void fail_connection(struct exchange *x, CURLcode code)
{
	const char *why = x->curl_text[0] ? x->curl_text : x->transport->curl.curl_easy_strerror(code);
	int number = curl_errno(code);

	if (http_transport_is_temporary(-number) && retry(x, why))
		return;
	error_clear(&x->error);
	fail(x, error_set(&x->error, number, "%s", why));
}

static void judge_answer(struct exchange *x)
{
	int rc = 0;

	if (http_status_is_temporary(x->answer.status)) {
		cleanup_free char *why = mem_printf("HTTP %d", x->answer.status);
		if (retry(x, why))
			return;
	}
	if (is_followed(x)) {
		rc = follow(x, &x->error);
		if (rc == 0) {
			end_attempt(x);
			return;
		}
	} else if (http_answer_is_success(&x->answer)) {
		rc = show_head(x); /* an empty body */
	}
	if (rc == -EAGAIN && retry(x, error_message(x->error)))
		return;
	if (rc < 0)
		fail(x, rc);
	else
		finish(x, 0);
}

static void judge(struct exchange *x, CURLcode code)
{
	long status = 0;

	x->transport->curl.curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	x->answer.status = (int)status;
	trace(HTTP, "< %ld (curl %d, %llu sent, %llu received)", status, code, (unsigned long long)x->sent,
	      (unsigned long long)x->received);
	if (x->rc < 0) { /* one of ours said no */
		int rc = x->rc;
		if (rc == -EAGAIN && retry(x, error_message(x->error)))
			return;
		fail(x, rc);
		return;
	}
	/* A registry that says no in the middle of an upload closes the connection: the answer counts, not the reset.
	 */
	bool refused = status >= 400 && (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR);
	if (code != CURLE_OK && !refused)
		fail_connection(x, code);
	else
		judge_answer(x);
}

/* ---- The loop ------------------------------------------------------------------------------------------------------
 */

/* Starts what is due; gives the time until the next one is. */
static int64_t start_due(struct http_transport *transport)
{
	struct exchange *x = NULL;
	int64_t next = POLL_MS;
	int64_t now = http_transport_now_ms();

	TAILQ_FOREACH(x, &transport->exchanges, link)
	{
		struct host *host = NULL;
		if (x->state != EXCHANGE_WAITING)
			continue;
		int rc = find_host(transport, x->url, &host, &x->error);
		int64_t due = rc == 0 && host->quiet_until_ms > x->due_ms ? host->quiet_until_ms : x->due_ms;
		if (rc == 0 && due > now) {
			next = due - now < next ? due - now : next;
			continue;
		}
		struct error *error = NULL;
		if (rc == 0) {
			rc = begin_attempt(x, host, &error);
			if (rc < 0)
				x->error = error;
		}
		if (rc < 0) {
			end_attempt(x);
			fail(x, rc);
		}
	}
	return next;
}

static void judge_ended(struct http_transport *transport)
{
	int left = 0;
	const CURLMsg *message = NULL;

	while ((message = transport->curl.curl_multi_info_read(transport->multi, &left))) {
		struct exchange *x = NULL;
		CURLcode code = message->data.result;
		if (message->msg != CURLMSG_DONE)
			continue;
		transport->curl.curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&x);
		judge(x, code);
		end_attempt(x);
	}
}

/* Not curl's own LOW_SPEED_TIME: it would count the minutes that a registry needs to store what it has been sent. */
static void end_stalled(struct http_transport *transport)
{
	struct exchange *x = NULL;
	int64_t now = http_transport_now_ms();

	TAILQ_FOREACH(x, &transport->exchanges, link)
	{
		bool all_sent = x->request->body.present && x->sent == x->request->body.size;
		if (x->state != EXCHANGE_ACTIVE || now - x->moved_ms < (all_sent ? ANSWER_MS : STALL_MS))
			continue;
		/* The curl text of this attempt is unused: nothing has failed yet in curl's eyes. */
		x->curl_text[0] = '\0';
		if (!retry(x, "nothing moved for a minute")) {
			end_attempt(x);
			fail(x, error_set(&x->error, ETIMEDOUT, "nothing moved for %lld s",
					  (long long)(now - x->moved_ms) / 1000));
		}
	}
}

static bool has_finished(const struct http_transport *transport)
{
	const struct exchange *x = NULL;

	TAILQ_FOREACH(x, &transport->exchanges, link)
	{
		if (x->state == EXCHANGE_FINISHED)
			return true;
	}
	return false;
}

/* One turn: everything that can go on goes on, then it waits for more. */
static int pump(struct http_transport *transport, struct error **err)
{
	int active = 0;
	int rc = library_ready(transport, err);

	if (rc < 0)
		return rc;
	int64_t next = start_due(transport);
	CURLMcode code = transport->curl.curl_multi_perform(transport->multi, &active);
	if (code == CURLM_OK) {
		judge_ended(transport);
		end_stalled(transport);
		if (!has_finished(transport))
			code = transport->curl.curl_multi_poll(transport->multi, NULL, 0, (int)next, NULL);
	}
	return code == CURLM_OK ? 0 : error_set(err, EIO, "libcurl: %s", transport->curl.curl_multi_strerror(code));
}

void http_transport_start(struct http_transport *transport, struct http_request *request, http_done *done,
			  void *context)
{
	assert(done);
	exchange_add(transport, request, done, context);
}

static void report(struct exchange *x)
{
	struct exchange ended = *x;

	/* Off the list before `done` is called, which may start, cancel or perform others. */
	x->answer = (struct http_answer){0};
	x->error = NULL;
	exchange_free(x);
	ended.done(ended.context, ended.rc, ended.rc == 0 ? &ended.answer : NULL, &ended.error);
	http_answer_done(&ended.answer);
	error_free(ended.error);
}

static struct exchange *next_finished(struct http_transport *transport)
{
	struct exchange *x = NULL;

	TAILQ_FOREACH(x, &transport->exchanges, link)
	{
		if (x->state == EXCHANGE_FINISHED && x->done)
			return x;
	}
	return NULL;
}

int http_transport_run(struct http_transport *transport, struct error **err)
{
	while (!TAILQ_EMPTY(&transport->exchanges)) {
		struct exchange *x = next_finished(transport);
		if (x) {
			report(x);
			continue;
		}
		int rc = pump(transport, err);
		if (rc < 0) {
			http_transport_cancel(transport);
			return rc;
		}
	}
	return 0;
}

int http_transport_perform(struct http_transport *transport, struct http_request *request, struct http_answer *answer,
			   struct error **err)
{
	struct exchange *x = exchange_add(transport, request, /* done */ NULL, NULL);
	int rc = 0;

	while (rc == 0 && x->state != EXCHANGE_FINISHED)
		rc = pump(transport, err);
	if (rc == 0) {
		rc = x->rc;
		if (rc < 0 && err)
			*err = take_ptr(&x->error);
	}
	if (rc == 0) {
		*answer = x->answer;
		x->answer = (struct http_answer){0};
	}
	exchange_free(x);
	return rc;
}
