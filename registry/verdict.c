/*
 * What comes after an attempt: a redirect, another one, or the end.
 */
#include "registry/transport_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/json.h"
#include "base/log.h"
#include "registry/proxy.h"
#include "registry/resolver.h"
#include "registry/url.h"
#include "registry/warning.h"

#define REDIRECTS_MAX 10
#define PROGRESS_WORTH_A_RETRY ((uint64_t)1 << 20)
#define NAME_ANSWER_MS ((int64_t)4 * 1000)

static void finish(struct exchange *x, int rc)
{
	x->rc = rc;
	x->state = EXCHANGE_FINISHED;
}

/* What answers does not speak TLS, and will not next time. All that curl passes on are the words of its TLS library:
 * OpenSSL's, and GnuTLS'. */
static bool is_no_tls(const char *why)
{
	return strstr(why, "wrong version number") || strstr(why, "unexpected TLS packet");
}

static int curl_errno(CURLcode code, const char *why)
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
		return is_no_tls(why) ? EPROTONOSUPPORT : EPROTO;
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
	case CURLE_WEIRD_SERVER_REPLY: /* what is no HTTP, or no longer */
	case CURLE_BAD_CONTENT_ENCODING:
		return ECONNRESET;
	default:
		return EIO;
	}
}

bool http_transport_is_temporary(int rc)
{
	return rc == -EHOSTUNREACH || rc == -ECONNREFUSED || rc == -ETIMEDOUT || rc == -ECONNRESET || rc == -EPROTO;
}

/* Until the next attempt, as far as this request is concerned; -1: there is to be none. */
static int64_t wanted_wait(struct http_transport *transport, unsigned attempt, const struct http_answer *answer)
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
	return asked <= transport->max_wait_ms ? asked : -1;
}

/* Whether there is time for it, which is then spent. */
static bool spend_wait(struct http_transport *transport, int64_t wait_ms)
{
	int64_t now = http_transport_now_ms();
	bool spent = patience_wait(&transport->patience, now, wait_ms);

	mem_free_cleanup(&transport->no_more);
	if (!spent)
		transport->no_more = patience_explain(&transport->patience, now, wait_ms);
	return spent;
}

int64_t http_transport_retry_wait(struct http_transport *transport, unsigned attempt, const struct http_answer *answer)
{
	int64_t wait = wanted_wait(transport, attempt, answer);

	mem_free_cleanup(&transport->no_more);
	return wait >= 0 && spend_wait(transport, wait) ? wait : -1;
}

int http_transport_explain(const struct http_transport *transport, int rc, struct error **err)
{
	if (transport->no_more)
		error_hint(err, "%s", transport->no_more);
	return rc;
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

/* "Too many requests" is about all that we send there, not about this one: the whole host is left alone, also by those
 * requests that are not repeated by us. */
static void quieten_host(struct exchange *x, int64_t wait_ms)
{
	struct host *host = NULL;
	int64_t until = http_transport_now_ms() + wait_ms;

	if (x->answer.status == 429 && transport_host(x->transport, x->url, &host, NULL) == 0 &&
	    host->quiet_until_ms < until)
		host->quiet_until_ms = until;
}

/* TLS has come about, or an answer has come: whatever is wrong, it is not that the other side speaks something else. */
static bool has_connected(const struct exchange *x)
{
	curl_off_t handshake = 0;

	if (x->easy)
		x->transport->curl.curl_easy_getinfo(x->easy, CURLINFO_APPCONNECT_TIME_T, &handshake);
	return x->answer.status > 0 || handshake > 0;
}

/* Whether those who asked want to hear the answer to a further attempt, after such a wait. */
static bool may_repeat(const struct exchange *x, int64_t wait_ms)
{
	unsigned flags = x->request->flags;

	if (flags & HTTP_ONCE)
		return false;
	if (flags & HTTP_GIVE_UP_EARLY && (x->attempt > 0 || wait_ms > HTTP_EARLY_WAIT_MS))
		return false;
	return !(flags & HTTP_ONE_CONNECTION) || has_connected(x);
}

/* Of an attempt that moved much, only the standing still at its end: an upload goes on where it was cut. */
static void lose_attempt(struct exchange *x)
{
	bool moved_much = x->sent + x->received >= PROGRESS_WORTH_A_RETRY;

	patience_lose(&x->transport->patience, moved_much ? x->moved_ms : x->begun_ms, http_transport_now_ms());
}

/* Nobody listens on this machine. Who is about to will in a moment, and no crowd comes with us: asked again as often as
 * ever, but soon. */
static bool is_deaf_neighbour(const struct exchange *x)
{
	cleanup(url_done) struct url url = {0};

	return x->is_refused && url_parse(x->url, &url, NULL) == 0 && url_host_is_loopback(url.host);
}

bool exchange_retry(struct exchange *x, const char *why)
{
	struct http_transport *transport = x->transport;
	const struct http_answer *answer = x->answer.status > 0 ? &x->answer : NULL;

	lose_attempt(x);
	if (x->received >= PROGRESS_WORTH_A_RETRY)
		x->attempt = 0;
	int64_t wait = wanted_wait(transport, x->attempt + 1, answer);
	if (wait < 0)
		return false;
	if (is_deaf_neighbour(x))
		wait = transport->retry_delay_ms / 2;
	quieten_host(x, wait);
	if (!may_repeat(x, wait))
		return false;
	if (!spend_wait(transport, wait)) {
		x->answer.no_more = take_ptr(&transport->no_more);
		return false;
	}
	x->attempt++;
	announce_wait(x, wait, why);
	exchange_end_attempt(x);
	int64_t until = http_transport_now_ms() + wait;
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
	if ((x->request->flags & HTTP_SECRET_BODY) && !url_same_origin(x->request->url, target))
		return error_set(err, EPERM, "a redirect to %s is not followed with a secret", shown);
	trace(HTTP, "  redirected to %s", shown);
	free(x->url);
	x->url = take_ptr(&target);
	x->due_ms = 0;
	x->state = EXCHANGE_WAITING;
	return 0;
}

void exchange_fail(struct exchange *x, int rc)
{
	cleanup_free char *shown = url_redact(x->url);

	if (x->answer.no_more)
		error_hint(&x->error, "%s", x->answer.no_more);
	finish(x, error_prefix(&x->error, "%s %s", x->request->method, shown));
	x->rc = rc;
}

/* curl says the same of a name that does not exist and of one that nobody could be asked about. The first is known
 * soon: when it took long, nobody is asked a second time, as all transfers would wait. */
static bool is_unknown_name(const struct exchange *x, CURLcode code)
{
	cleanup(url_done) struct url url = {0};

	if (http_transport_now_ms() - x->begun_ms > NAME_ANSWER_MS || url_parse(x->url, &url, NULL) < 0)
		return false;
	cleanup_free char *proxy = code == CURLE_COULDNT_RESOLVE_PROXY ? proxy_host(proxy_find(&url)) : NULL;
	return resolver_denies(proxy ? proxy : url.host);
}

static void fail_connection(struct exchange *x, CURLcode code)
{
	const char *why = x->curl_text[0] ? x->curl_text : x->transport->curl.curl_easy_strerror(code);
	int number = curl_errno(code, why);
	long connect_status = 0;

	x->transport->curl.curl_easy_getinfo(x->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
	if (connect_status == 407)
		number = EACCES;
	if (number == EHOSTUNREACH && is_unknown_name(x, code))
		number = ENXIO;
	x->is_refused = number == ECONNREFUSED;
	if (http_transport_is_temporary(-number) && exchange_retry(x, why))
		return;
	error_clear(&x->error);
	error_set(&x->error, number, "%s", why);
	if (number == ENXIO)
		error_hint(&x->error, "there is no such name");
	exchange_fail(x, -number);
}

/* A signed address of a storage service holds for minutes; when it is refused, the registry is asked for a new one
 * (registry.k8s.io#333: 400 after a reconnect). */
static bool has_expired(const struct exchange *x)
{
	int status = x->answer.status;

	return x->redirects > 0 && !url_same_origin(x->request->url, x->url) &&
	       (status == 400 || status == 401 || status == 403 || status == 404 || status == 410);
}

#define NO_JSON_RETRIES 2

/* A success that cannot be one. */
static bool is_no_json(const struct exchange *x)
{
	cleanup_json json_t *root = NULL;

	return (x->request->flags & HTTP_JSON) && http_answer_is_success(&x->answer) && x->attempt < NO_JSON_RETRIES &&
	       json_parse(buf_str(&x->answer.body), x->answer.body.len, "answer", &root, NULL) < 0;
}

static void judge_answer(struct exchange *x)
{
	int rc = 0;

	warnings_tell(&x->answer, &x->transport->warnings);
	if (http_status_is_temporary(x->answer.status) || has_expired(x)) {
		cleanup_free char *why = mem_printf("HTTP %d", x->answer.status);
		if (exchange_retry(x, why))
			return;
	}
	if (is_no_json(x) && exchange_retry(x, "the answer is no JSON"))
		return;
	if (is_followed(x)) {
		rc = follow(x, &x->error);
		if (rc == 0) {
			exchange_end_attempt(x);
			return;
		}
	} else if (http_answer_is_success(&x->answer)) {
		rc = exchange_show_head(x); /* an empty body */
	}
	if (rc == -EAGAIN && exchange_retry(x, error_message(x->error)))
		return;
	if (rc < 0)
		exchange_fail(x, rc);
	else
		finish(x, 0);
}

void exchange_judge(struct exchange *x, CURLcode code)
{
	long status = 0;

	x->transport->curl.curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	x->answer.status = (int)status;
	trace(HTTP, "< %ld (curl %d, %llu sent, %llu received)", status, code, (unsigned long long)x->sent,
	      (unsigned long long)x->received);
	if (x->rc < 0) { /* one of ours said no */
		int rc = x->rc;
		if (rc == -EAGAIN && exchange_retry(x, error_message(x->error)))
			return;
		exchange_fail(x, rc);
		return;
	}
	/* A registry that says no in the middle of an upload closes the connection: the answer counts, not the reset.
	 */
	bool refused = status >= 400 && (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR);
	/* Nor do we listen for ever to the reasons. */
	refused |= status >= 300 && code == CURLE_WRITE_ERROR;
	/* To curl the end of a connection is also that of the headers: half of them are no answer. */
	if (code == CURLE_OK && !x->head_whole)
		code = CURLE_RECV_ERROR;
	if (code != CURLE_OK && !refused)
		fail_connection(x, code);
	else
		judge_answer(x);
}
