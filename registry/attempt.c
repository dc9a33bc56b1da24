/*
 * One attempt: an easy handle with everything that the request says, and what curl calls while it is under way.
 */
#include "registry/transport_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "registry/proxy.h"
#include "registry/url.h"

#define TRANSFER_BUFFER_SIZE ((long)128 << 10)

/* ---- Hosts ---- */

int transport_host(struct http_transport *transport, const char *url, struct host **found, struct error **err)
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

/* ---- What curl calls: a fault is kept in the exchange and ends the transfer ---- */

static size_t abandon(struct exchange *x, int rc)
{
	x->rc = rc;
	return 0;
}

/* Bytes of the body that can be read now. */
static uint64_t body_there(const struct http_body *body)
{
	if (!body->growing)
		return body->size;
	uint64_t there = body->growing->size > body->offset ? body->growing->size - body->offset : 0;
	return body->sized && there > body->size ? body->size : there;
}

static bool body_is_all_there(const struct http_body *body)
{
	return !body->growing || body->growing->whole || (body->sized && body_there(body) == body->size);
}

static size_t read_body(char *into, size_t size, size_t count, void *context)
{
	struct exchange *x = context;
	const struct http_body *body = &x->request->body;
	uint64_t there = body_there(body);
	uint64_t left = there > x->sent ? there - x->sent : 0;
	size_t want = size * count < left ? size * count : (size_t)left;

	if (want == 0 && !body_is_all_there(body)) {
		x->paused = true;
		return CURL_READFUNC_PAUSE;
	}
	if (want == 0)
		return 0;
	if (body->data) {
		memcpy(into, (const char *)body->data + x->sent, want);
	} else {
		ssize_t got = pread(body->fd, into, want, (off_t)(body->offset + x->sent));
		if (got == 0 && !body_is_all_there(body)) { /* it begins anew, as the next news will say */
			x->paused = true;
			return CURL_READFUNC_PAUSE;
		}
		if (got <= 0) {
			x->rc = got < 0 ? error_set_errno(&x->error, "read what is being sent")
					: error_set(&x->error, EIO, "what is being sent became shorter");
			return CURL_READFUNC_ABORT;
		}
		want = (size_t)got;
	}
	x->sent += want;
	x->transport->moved += want;
	x->moved_ms = http_transport_now_ms();
	if (body->moved)
		body->moved(x->sent, body->moved_context);
	x->window_moved += want;
	return want;
}

/* curl sends a body again by itself when a kept connection turns out to be dead. */
static int rewind_body(void *context, curl_off_t offset, int origin)
{
	struct exchange *x = context;

	uint64_t there = body_there(&x->request->body);

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > there)
		return CURL_SEEKFUNC_FAIL;
	x->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
	struct exchange *x = context;
	size_t len = size * count;

	x->window_moved += len;
	while (len > 0 && (data[len - 1] == '\r' || data[len - 1] == '\n'))
		len--;
	x->head_whole = len == 0;
	if (len > 5 && strncasecmp(data, "HTTP/", 5) == 0) {
		strlist_clear(&x->answer.headers); /* those of a 100 or of a proxy are not the answer's */
	} else if (len > 0 && x->answer.headers.count < HTTP_HEADERS_MAX) {
		strlist_take(&x->answer.headers, mem_strndup(data, len));
	}
	return size * count;
}

int exchange_show_head(struct exchange *x)
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

	x->window_moved += len;
	x->transport->curl.curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	x->answer.status = (int)status;
	if (!http_answer_is_success(&x->answer)) {
		buf_append(&x->answer.body, data, len);
		/* What does not fit is not needed: exchange_judge() takes the end of the transfer for that of the
		 * body. */
		return x->answer.body.overflow ? 0 : len;
	}
	if (!x->request->receiver) {
		buf_append(&x->answer.body, data, len);
		if (!x->answer.body.overflow)
			return len;
		return abandon(
			x, error_set(&x->error, EFBIG, "the answer is larger than %zu bytes", x->request->answer_max));
	}
	int rc = exchange_show_head(x);
	if (rc == 0)
		rc = x->request->receiver->data(x->request->receiver_context, data, len, &x->error);
	if (rc < 0)
		return abandon(x, rc);
	x->received += len;
	x->transport->moved += len;
	x->moved_ms = http_transport_now_ms();
	return len;
}

/* ---- Setting up an attempt ---- */

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
		curl->curl_easy_setopt(
			x->easy, CURLOPT_INFILESIZE_LARGE,
			x->request->body.growing && !x->request->body.sized ? -1 : (curl_off_t)x->request->body.size);
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
	bool verify = x->transport->tls_verify != TLS_VERIFY_NO && !(x->request->flags & HTTP_INSECURE);

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
	bool knows_us = own_origin && (!x->transport->cert_dir || !(x->request->flags & HTTP_STRANGER));
	if (host->tls.certificate && knows_us) {
		curl->curl_easy_setopt(x->easy, CURLOPT_SSLCERT, host->tls.certificate);
		curl->curl_easy_setopt(x->easy, CURLOPT_SSLKEY, host->tls.key);
	}
}

/* A proxy that is spoken to in TLS has its certs.d directory as any host has. */
static int set_proxy_tls(struct exchange *x, const char *proxy, struct error **err)
{
	struct host *host = NULL;
	int rc = transport_host(x->transport, proxy, &host, err);

	if (rc < 0)
		return error_prefix(err, "https proxy");
	if (host->tls.authorities.len > 0) {
		struct curl_blob blob = {.data = host->tls.authorities.data,
					 .len = host->tls.authorities.len,
					 .flags = CURL_BLOB_NOCOPY};
		x->transport->curl.curl_easy_setopt(x->easy, CURLOPT_PROXY_CAINFO_BLOB, &blob);
	}
	return 0;
}

/* Decided here and not by curl: "" is no proxy, and its own list of exceptions is not asked. */
static int set_proxy(struct exchange *x, const struct url *url, struct error **err)
{
	const struct curl_library *curl = &x->transport->curl;
	const char *proxy = proxy_find(url);

	curl->curl_easy_setopt(x->easy, CURLOPT_PROXY, proxy ? proxy : "");
	curl->curl_easy_setopt(x->easy, CURLOPT_NOPROXY, "");
	return proxy && text_has_prefix(proxy, "https://") ? set_proxy_tls(x, proxy, err) : 0;
}

static void set_connection(struct exchange *x)
{
	const struct curl_library *curl = &x->transport->curl;

	curl->curl_easy_setopt(x->easy, CURLOPT_URL, x->url);
	curl->curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
	curl->curl_easy_setopt(x->easy, CURLOPT_SHARE, x->transport->share);
	curl->curl_easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->curl_text);
	curl->curl_easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
	curl->curl_easy_setopt(x->easy, CURLOPT_NOPROGRESS, 1L);
	curl->curl_easy_setopt(x->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl->curl_easy_setopt(x->easy, CURLOPT_FOLLOWLOCATION, 0L);
	/* A connection per transfer: several layers in one HTTP/2 connection share its losses and its end. */
	curl->curl_easy_setopt(x->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl->curl_easy_setopt(x->easy, CURLOPT_USERAGENT, x->transport->user_agent);
	curl->curl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)x->transport->connect_ms);
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
	x->paused = false;
	x->is_refused = false;
	x->head_whole = false;
	x->head_shown = false;
	x->rc = 0;
	error_clear(&x->error);
	x->curl_text[0] = '\0';
}

int exchange_begin_attempt(struct exchange *x, struct host *host, struct error **err)
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
	rc = set_proxy(x, &url, err);
	if (rc == 0)
		rc = set_headers(x, own_origin, err);
	if (rc < 0)
		return rc;
	CURLMcode code = transport->curl.curl_multi_add_handle(transport->multi, x->easy);
	if (code != CURLM_OK)
		return error_set(err, EIO, "libcurl: %s", transport->curl.curl_multi_strerror(code));
	x->state = EXCHANGE_ACTIVE;
	x->begun_ms = http_transport_now_ms();
	x->moved_ms = x->begun_ms;
	x->window_ms = x->begun_ms;
	x->window_moved = 0;
	if (trace_is_on(TRACE_HTTP)) {
		cleanup_free char *shown = url_redact(x->url);
		trace(HTTP, "> %s %s%s", x->request->method, shown,
		      x->request->authorization && own_origin ? " (with Authorization)" : "");
	}
	return 0;
}

/* The list holds the Authorization header as text. */
static void wipe_header_list(struct http_transport *transport, struct curl_slist **list)
{
	for (struct curl_slist *item = *list; item; item = item->next)
		mem_wipe(item->data, strlen(item->data));
	if (*list)
		transport->curl.curl_slist_free_all(*list);
	*list = NULL;
}

void exchange_end_attempt(struct exchange *x)
{
	struct http_transport *transport = x->transport;

	if (x->easy) {
		transport->curl.curl_multi_remove_handle(transport->multi, x->easy);
		transport->curl.curl_easy_cleanup(x->easy);
		x->easy = NULL;
	}
	wipe_header_list(transport, &x->header_list);
}
