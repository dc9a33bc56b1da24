/*
 * The loop. An exchange is one request on its way: it waits (for its turn, a redirect, the next attempt), is active (an
 * easy handle in the multi handle), or is finished. One attempt is one easy handle.
 */
#include "registry/transport_internal.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"

#define ANSWER_STALLS 10 /* a registry may think for minutes after the last byte of an upload */
#define POLL_MS 1000

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
	transport->max_wait_ms = options->max_wait_ms;
	transport->patience.max_ms = options->deadline_ms;
	transport->connect_ms = options->connect_ms;
	transport->stall_ms = options->stall_ms;
	transport->tell_ms = options->tell_ms;
	transport->progress = options->progress;
	transport->progress_context = options->progress_context;
	return transport;
}

/* ---- An exchange's life ---- */

static void exchange_free(struct exchange *x)
{
	TAILQ_REMOVE(&x->transport->exchanges, x, link);
	exchange_end_attempt(x);
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
	if (TAILQ_EMPTY(&transport->exchanges)) {
		transport->told_ms = http_transport_now_ms();
		transport->moved = 0;
	}
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
	if (transport->share)
		transport->curl.curl_share_cleanup(transport->share);
	for (size_t i = 0; i < transport->host_count; i++) {
		free(transport->hosts[i]->authority);
		tls_settings_done(&transport->hosts[i]->tls);
		free(transport->hosts[i]);
	}
	free(transport->hosts);
	strlist_done(&transport->warnings);
	free(transport->no_more);
	free(transport->user_agent);
	free(transport->cert_dir);
	free(transport);
}

/* Closing them properly would tell the other side so: the parent's end is the same. */
void http_transport_forked(struct http_transport *transport)
{
	assert(TAILQ_EMPTY(&transport->exchanges));
	transport->multi = NULL;
	transport->share = NULL;
}

/* ---- The loop ---- */

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
	if (!transport->share) {
		/* Without it each connection makes a handshake of its own, and that is all. */
		transport->share = transport->curl.curl_share_init();
		transport->curl.curl_share_setopt(transport->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	}
	return transport->multi ? 0 : error_set(err, ENOMEM, "libcurl does not start");
}

/* When an exchange that waits may begin: its own time, or its host's. */
static int64_t due_time(const struct exchange *x, const struct host *host)
{
	return host->quiet_until_ms > x->due_ms ? host->quiet_until_ms : x->due_ms;
}

/* Then a host that does not want to hear from us for longer is not waited for. */
static bool has_other_place(const struct exchange *x)
{
	return x->request->flags & HTTP_GIVE_UP_EARLY;
}

/* How long nothing will have to be done but for what comes over the wire. */
static int64_t idle_time(struct http_transport *transport)
{
	struct exchange *x = NULL;
	int64_t now = http_transport_now_ms();
	int64_t idle = transport->stall_ms < POLL_MS ? transport->stall_ms : POLL_MS;

	TAILQ_FOREACH(x, &transport->exchanges, link)
	{
		struct host *host = NULL;
		if (x->state != EXCHANGE_WAITING)
			continue;
		if (transport_host(transport, x->url, &host, NULL) < 0)
			return 0; /* which start_due() will tell */
		int64_t wait = due_time(x, host) - now;
		idle = wait < idle ? wait : idle;
	}
	return idle < 0 ? 0 : idle;
}

/* Starts what is due. */
static void start_due(struct http_transport *transport)
{
	struct exchange *x = NULL;
	int64_t now = http_transport_now_ms();

	TAILQ_FOREACH(x, &transport->exchanges, link)
	{
		struct host *host = NULL;
		if (x->state != EXCHANGE_WAITING)
			continue;
		int rc = transport_host(transport, x->url, &host, &x->error);
		if (rc == 0 && has_other_place(x) && host->quiet_until_ms - now > HTTP_EARLY_WAIT_MS)
			rc = error_set(&x->error, EBUSY, "HTTP 429 before; it asked to be left alone for %lld s more",
				       (long long)(host->quiet_until_ms - now) / 1000);
		if (rc == 0 && due_time(x, host) > now)
			continue;
		struct error *error = NULL;
		if (rc == 0) {
			rc = exchange_begin_attempt(x, host, &error);
			if (rc < 0)
				x->error = error;
		}
		if (rc < 0) {
			exchange_end_attempt(x);
			exchange_fail(x, rc);
		}
	}
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
		exchange_judge(x, code);
		exchange_end_attempt(x);
	}
}

/* Whether an attempt has been standing still for too long: less than a byte a second. */
static bool has_stalled(struct exchange *x, int64_t now)
{
	const struct http_body *body = &x->request->body;
	bool has_size = !body->growing || body->sized;
	bool is_all = has_size || body->growing->whole;
	uint64_t size = has_size ? body->size : body->growing->size - body->offset;
	bool all_sent = body->present && is_all && x->sent == size;
	int64_t patience = x->transport->stall_ms * (all_sent ? ANSWER_STALLS : 1);

	if (x->paused) /* it is we who keep it waiting */
		x->window_ms = now;
	if (x->state != EXCHANGE_ACTIVE || now - x->window_ms < patience)
		return false;
	bool stalled = x->window_moved < (uint64_t)(patience / 1000) + 1;
	x->window_ms = now;
	x->window_moved = 0;
	return stalled;
}

/* Not curl's own LOW_SPEED_TIME: it would count the minutes that a registry needs to store what it has been sent. */
static void end_stalled(struct http_transport *transport)
{
	struct exchange *x = NULL;
	int64_t now = http_transport_now_ms();

	TAILQ_FOREACH(x, &transport->exchanges, link)
	{
		if (!has_stalled(x, now))
			continue;
		/* The curl text of this attempt is unused: nothing has failed yet in curl's eyes. */
		x->curl_text[0] = '\0';
		cleanup_free char *why = mem_printf("nothing moved for %lld s", (long long)transport->stall_ms / 1000);
		if (!exchange_retry(x, why)) {
			exchange_end_attempt(x);
			exchange_fail(x, error_set(&x->error, ETIMEDOUT, "%s", why));
		}
	}
}

/* A log in which nothing happens for minutes is what makes CI systems kill a job. */
static void tell_progress(struct http_transport *transport)
{
	const struct exchange *x = NULL;
	int64_t now = http_transport_now_ms();
	unsigned active = 0;

	if (now - transport->told_ms < transport->tell_ms)
		return;
	TAILQ_FOREACH(x, &transport->exchanges, link)
	active += x->state == EXCHANGE_ACTIVE;
	cleanup_free char *size = format_size(transport->moved);
	cleanup_free char *line = mem_printf("Still copying: %s so far, %u under way", size, active);
	if (transport->progress && active > 0 && transport->moved > 0)
		transport->progress(line, transport->progress_context);
	transport->told_ms = now;
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

/* One turn: everything that can go on goes on, then it waits for more, also on the `count` descriptors. */
static int pump(struct http_transport *transport, struct curl_waitfd *others, unsigned count, struct error **err)
{
	int active = 0;
	int rc = library_ready(transport, err);

	if (rc < 0)
		return rc;
	start_due(transport);
	CURLMcode code = transport->curl.curl_multi_perform(transport->multi, &active);
	if (code == CURLM_OK) {
		judge_ended(transport);
		end_stalled(transport);
		tell_progress(transport);
		/* What has just failed may be due again sooner than anything was before. */
		if (!has_finished(transport))
			code = transport->curl.curl_multi_poll(transport->multi, others, count,
							       (int)idle_time(transport), NULL);
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

/* Bodies that have stopped for want of bytes: perhaps there are some now. */
static void go_on_sending(struct http_transport *transport)
{
	struct exchange *x = NULL;

	TAILQ_FOREACH(x, &transport->exchanges, link)
	{
		if (!x->paused || !x->easy)
			continue;
		x->paused = false;
		transport->curl.curl_easy_pause(x->easy, CURLPAUSE_CONT);
	}
}

static bool has_keeper(struct http_watch *const *watches, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (watches[i]->fd >= 0 && watches[i]->keeps_loop)
			return true;
	return false;
}

static unsigned list_watched(struct http_watch *const *watches, size_t count, struct curl_waitfd *others)
{
	unsigned n = 0;

	for (size_t i = 0; i < count; i++)
		if (watches[i]->fd >= 0)
			others[n++] = (struct curl_waitfd){.fd = watches[i]->fd, .events = CURL_WAIT_POLLIN};
	return n;
}

/* Not curl's revents: another descriptor may have been closed since, and this one opened. */
static bool is_readable(int fd)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&entry, 1, 0) > 0;
}

static int hear_watches(struct http_transport *transport, struct http_watch *const *watches, size_t count,
			struct error **err)
{
	bool heard = false;

	for (size_t i = 0; i < count; i++) {
		if (!is_readable(watches[i]->fd))
			continue;
		int rc = watches[i]->ready(watches[i]->context, err);
		if (rc < 0)
			return rc;
		heard = true;
	}
	if (heard)
		go_on_sending(transport);
	return 0;
}

int http_transport_run_with(struct http_transport *transport, struct http_watch *const *watches, size_t count,
			    struct error **err)
{
	struct curl_waitfd others[HTTP_WATCHES_MAX];

	assert(count <= HTTP_WATCHES_MAX);
	while (has_keeper(watches, count) || !TAILQ_EMPTY(&transport->exchanges)) {
		struct exchange *x = next_finished(transport);
		if (x) {
			report(x);
			continue;
		}
		int rc = pump(transport, others, list_watched(watches, count, others), err);
		if (rc >= 0)
			rc = hear_watches(transport, watches, count, err);
		if (rc < 0) {
			http_transport_cancel(transport);
			return rc;
		}
	}
	return 0;
}

int http_transport_run(struct http_transport *transport, struct error **err)
{
	return http_transport_run_with(transport, /* watches */ NULL, 0, err);
}

int http_transport_perform(struct http_transport *transport, struct http_request *request, struct http_answer *answer,
			   struct error **err)
{
	struct exchange *x = exchange_add(transport, request, /* done */ NULL, NULL);
	int rc = 0;

	while (rc == 0 && x->state != EXCHANGE_FINISHED)
		rc = pump(transport, /* others */ NULL, 0, err);
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
