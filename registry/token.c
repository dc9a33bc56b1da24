/*
 * Asking a token server, in its two forms, and remembering what it gave.
 */
#include "registry/token.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"
#include "registry/url.h"

#define TOKEN_ANSWER_MAX ((size_t)1 << 20)
#define TOKEN_SECONDS_LEAST 60	       /* also for those that do not say: docker's rule */
#define TOKEN_SECONDS_MOST (24 * 3600) /* what is said beyond that is not relied on */
#define TOKEN_MARGIN_MS 5000	       /* on its way a token gets older */
#define CLIENT_ID "cooper"

static void token_done(struct token *token)
{
	free(token->key);
	strlist_done(&token->scopes);
	mem_free_secret(&token->text);
}

void token_cache_done(struct token_cache *cache)
{
	for (size_t i = 0; i < cache->count; i++)
		token_done(&cache->items[i]);
	free(cache->items);
	*cache = (struct token_cache){0};
}

static void remove_token(struct token_cache *cache, size_t at)
{
	token_done(&cache->items[at]);
	cache->items[at] = cache->items[--cache->count];
}

void token_forget(struct token_cache *cache, const char *token)
{
	for (size_t i = cache->count; i > 0; i--)
		if (strcmp(cache->items[i - 1].text, token) == 0)
			remove_token(cache, i - 1);
}

bool token_scope_covers(const char *have, const char *want)
{
	const char *have_colon = strrchr(have, ':');
	const char *want_colon = strrchr(want, ':');
	cleanup(strlist_done) struct strlist given = {0};
	cleanup(strlist_done) struct strlist asked = {0};

	if (!have_colon || !want_colon || have_colon - have != want_colon - want ||
	    strncmp(have, want, (size_t)(have_colon - have)) != 0)
		return strcmp(have, want) == 0;
	strlist_split(&given, have_colon + 1, ',');
	strlist_split(&asked, want_colon + 1, ',');
	for (size_t i = 0; i < asked.count; i++)
		if (!strlist_contains(&given, asked.items[i]))
			return false;
	return true;
}

/* Who asks whom. What a token is good for stands beside it. */
static char *cache_key(const struct token_question *question)
{
	const struct credentials *who = question->credentials;

	return mem_printf("%s\n%s\n%s%s", question->realm, question->service ? question->service : "",
			  who->identity_token ? "identity:" : "user:", who->username ? who->username : "");
}

static bool is_covered(const struct strlist *have, const char *want)
{
	for (size_t i = 0; i < have->count; i++)
		if (token_scope_covers(have->items[i], want))
			return true;
	return false;
}

bool token_scopes_cover(const struct strlist *have, const struct strlist *want)
{
	for (size_t i = 0; i < want->count; i++)
		if (!is_covered(have, want->items[i]))
			return false;
	/* A token for nothing says who we are; one for something may be refused where none is asked for. */
	return want->count > 0 || have->count == 0;
}

static const struct token *find_token(struct token_cache *cache, const char *key, const struct strlist *scopes)
{
	for (size_t i = cache->count; i > 0; i--) {
		if (strcmp(cache->items[i - 1].key, key) != 0 ||
		    !token_scopes_cover(&cache->items[i - 1].scopes, scopes))
			continue;
		if (cache->items[i - 1].expires_ms > http_transport_now_ms())
			return &cache->items[i - 1];
		remove_token(cache, i - 1);
	}
	return NULL;
}

static void append_field(struct buf *into, const char *name, const char *value)
{
	if (into->len > 0)
		buf_append_char(into, '&');
	buf_printf(into, "%s=", name);
	url_escape(into, value);
}

/* The classic form: GET, the scopes one by one, Basic for the user. */
static void make_get(const struct token_question *question, struct http_request *request)
{
	cleanup(buf_done) struct buf query = BUF_INIT(URL_SIZE_MAX);
	const struct credentials *who = question->credentials;

	if (who->username)
		append_field(&query, "account", who->username);
	if (question->service)
		append_field(&query, "service", question->service);
	for (size_t i = 0; i < question->scopes->count; i++)
		append_field(&query, "scope", question->scopes->items[i]);
	char *url = query.len > 0 ? url_add_query(question->realm, buf_str(&query)) : mem_strdup(question->realm);
	http_request_init(request, "GET", url, TOKEN_ANSWER_MAX);
	if (who->username) {
		cleanup_free char *pair = mem_printf("%s:%s", who->username, who->password ? who->password : "");
		cleanup_free char *encoded = format_base64(pair, strlen(pair));
		http_request_set_authorization(request, mem_printf("Basic %s", encoded));
		mem_wipe(pair, strlen(pair));
		mem_wipe(encoded, strlen(encoded));
	}
}

/* The OAuth2 form, for identity tokens. The body stays in `form`, which outlives the request. */
static void make_post(const struct token_question *question, struct buf *form, struct http_request *request)
{
	cleanup_free char *scopes = strlist_join(question->scopes, " ");

	append_field(form, "grant_type", "refresh_token");
	if (question->service)
		append_field(form, "service", question->service);
	append_field(form, "client_id", CLIENT_ID);
	if (*scopes)
		append_field(form, "scope", scopes);
	append_field(form, "refresh_token", question->credentials->identity_token);
	http_request_init(request, "POST", mem_strdup(question->realm), TOKEN_ANSWER_MAX);
	http_request_set_header(request, "Content-Type", "application/x-www-form-urlencoded");
	request->flags = HTTP_SECRET_BODY;
	request->body = (struct http_body){.data = form->data, .fd = -1, .size = form->len, .present = true};
}

static int read_answer(const struct http_answer *answer, int64_t asked_ms, char **token, int64_t *expires_ms,
		       struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup_free char *shown = url_redact(answer->url);
	cleanup_free char *what = mem_printf("token from %s", shown);
	char *text = NULL;
	int64_t seconds = 0;
	int rc = json_parse(buf_str(&answer->body), answer->body.len, what, &root, err);

	if (rc < 0)
		return rc;
	struct json_place at = json_root(what, root);
	rc = json_get_string(json_field(&at, "token"), &text, err);
	if (rc == 0 && (!text || *text == '\0')) {
		mem_free_secret(&text);
		rc = json_get_string(json_field(&at, "access_token"), &text, err);
	}
	/* What is no number says as little as nothing does. */
	(void)json_get_i64(json_field(&at, "expires_in"), &seconds, NULL);
	if (rc == 0 && (!text || *text == '\0' || strpbrk(text, "\r\n")))
		rc = error_set(err, EPROTO, "%s: there is none in the answer", what);
	if (rc < 0) {
		mem_free_secret(&text);
		return rc;
	}
	if (seconds < TOKEN_SECONDS_LEAST)
		seconds = TOKEN_SECONDS_LEAST;
	if (seconds > TOKEN_SECONDS_MOST)
		seconds = TOKEN_SECONDS_MOST;
	*token = text;
	*expires_ms = asked_ms + seconds * 1000 - TOKEN_MARGIN_MS;
	return 0;
}

static int ask_by_get(struct http_transport *transport, const struct token_question *question,
		      struct http_answer *answer, struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};

	make_get(question, &request);
	request.flags |= question->flags | HTTP_JSON;
	int rc = http_transport_perform(transport, &request, answer, err);
	return rc < 0 || http_answer_is_success(answer) ? rc : http_answer_error("GET", answer, err);
}

static int ask_by_post(struct http_transport *transport, const struct token_question *question,
		       struct http_answer *answer, struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(buf_done) struct buf form = BUF_SECRET(TOKEN_ANSWER_MAX);

	make_post(question, &form, &request);
	request.flags |= question->flags | HTTP_JSON;
	int rc = http_transport_perform(transport, &request, answer, err);
	buf_wipe(&form);
	if (rc < 0 || http_answer_is_success(answer))
		return rc;
	if ((answer->status == 404 || answer->status == 405) && question->credentials->username) {
		http_answer_done(answer);
		return ask_by_get(transport, question, answer, err);
	}
	return http_answer_error("POST", answer, err);
}

static bool has_secrets(const struct credentials *credentials)
{
	return credentials->username || credentials->identity_token;
}

static int ask(struct http_transport *transport, const struct token_question *question, char **token,
	       int64_t *expires_ms, struct error **err)
{
	cleanup(http_answer_done) struct http_answer answer = {0};
	cleanup(url_done) struct url realm = {0};
	int64_t asked_ms = http_transport_now_ms();
	int rc = url_parse(question->realm, &realm, err);

	if (rc < 0)
		return error_prefix(err, "token realm");
	if (realm.userinfo)
		return error_set(err, EPERM, "the registry wants credentials of its own sent, to '%s'", realm.host);
	if (question->registry_is_https && !realm.https && has_secrets(question->credentials))
		return error_set(err, EPERM, "the registry wants credentials sent over http, to '%s'", realm.host);
	rc = question->credentials->identity_token ? ask_by_post(transport, question, &answer, err)
						   : ask_by_get(transport, question, &answer, err);
	return rc < 0 ? rc : read_answer(&answer, asked_ms, token, expires_ms, err);
}

int token_get(struct token_cache *cache, struct http_transport *transport, const struct token_question *question,
	      char **token, int64_t *expires_ms, struct error **err)
{
	cleanup_free char *key = cache_key(question);
	const struct token *kept = find_token(cache, key, question->scopes);
	char *fresh = NULL;
	int64_t end = 0;

	if (!kept) {
		int rc = ask(transport, question, &fresh, &end, err);
		if (rc < 0)
			return rc;
		cache->items = mem_grow(cache->items, cache->count + 1, sizeof(*cache->items));
		struct token *made = &cache->items[cache->count++];
		*made = (struct token){.key = take_ptr(&key), .text = fresh, .expires_ms = end};
		strlist_copy(&made->scopes, question->scopes);
		kept = made;
		cleanup_free char *shown = url_redact(question->realm);
		trace(AUTH, "new token from %s for %lld s", shown, (long long)(end - http_transport_now_ms()) / 1000);
	}
	*token = mem_strdup(kept->text);
	*expires_ms = kept->expires_ms;
	return 0;
}
