/*
 * Authorization of requests: from the challenge of a ping or a 401 to a header, and again when it no longer holds.
 */
#include "registry/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "registry/client_internal.h"
#include "registry/url.h"

struct session {
	struct registry_client *client;
	struct endpoint *endpoint;	  /* borrowed from the client */
	char *path;			  /* NULL: the registry itself */
	bool is_mirror;			  /* --creds are not for it, and there is another place behind it */
	struct strlist scopes;		  /* what we want to do */
	struct credentials own;		  /* instead of the client's and the files' */
	struct challenge_list challenges; /* of the last 401; else those of the ping hold */
	char *authorization;		  /* NULL: none yet, or none needed */
	char *token;			  /* what of it is a token */
	int64_t expires_ms;		  /* of the token */
	bool token_held;		  /* one was good for something: a 401 means that it has ended */
	unsigned generation;		  /* counts authorizations */
};

struct session *session_new(struct registry_client *client, const struct registry_place *place, const char *actions)
{
	struct session *session = mem_alloc(sizeof(*session));

	session->client = client;
	session->endpoint = client_endpoint(client, place->domain, place->insecure);
	session->path = mem_strdup(place->path);
	session->is_mirror = place->is_mirror;
	if (place->path)
		strlist_printf(&session->scopes, "repository:%s:%s", place->path, actions);
	return session;
}

int session_open(struct registry_client *client, const struct reference *ref, const char *actions,
		 struct session **session, struct error **err)
{
	const struct registries *registries = NULL;
	cleanup(registry_place_done) struct registry_place place = {0};
	int rc = client_registries(client, &registries, err);

	if (rc == 0)
		rc = registries_own_place(registries, ref, &place, err);
	if (rc == 0)
		*session = session_new(client, &place, actions);
	return rc;
}

struct session *session_like(const struct session *session)
{
	struct session *made = mem_alloc(sizeof(*made));

	made->client = session->client;
	made->endpoint = session->endpoint;
	made->path = mem_strdup(session->path);
	made->is_mirror = session->is_mirror;
	strlist_append_all(&made->scopes, &session->scopes);
	return made;
}

void session_add_source(struct session *session, const char *path)
{
	strlist_printf(&session->scopes, "repository:%s:pull", path);
}

void session_free(struct session *session)
{
	if (!session)
		return;
	free(session->path);
	strlist_done(&session->scopes);
	credentials_done(&session->own);
	challenge_list_done(&session->challenges);
	mem_free_secret(&session->authorization);
	mem_free_secret(&session->token);
	free(session);
}

void session_set_credentials(struct session *session, const char *username, const char *password)
{
	credentials_done(&session->own);
	session->own.username = mem_strdup(username);
	session->own.password = mem_strdup(password);
}

int session_ready(struct session *session, struct error **err)
{
	return endpoint_settle(session->endpoint, session->client->transport, session->client->tls_verify,
			       session->is_mirror ? HTTP_GIVE_UP_EARLY : 0, err);
}

char *session_url(const struct session *session, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	cleanup_free char *rest = mem_vprintf(fmt, args);
	va_end(args);
	return mem_printf("%s/v2/%s%s%s", session->endpoint->origin, session->path ? session->path : "",
			  session->path ? "/" : "", rest);
}

const char *session_origin(const struct session *session)
{
	return session->endpoint->origin;
}

const char *session_domain(const struct session *session)
{
	return session->endpoint->domain;
}

const char *session_path(const struct session *session)
{
	return session->path;
}

struct upload_habits *session_upload_habits(const struct session *session)
{
	return &session->endpoint->upload_habits;
}

/* What registries.conf says about the registry goes for each request. */
static unsigned request_flags(const struct session *session)
{
	bool insecure = session->endpoint->insecure && session->client->tls_verify == TLS_VERIFY_DEFAULT;

	return (insecure ? HTTP_INSECURE : 0) | (session->is_mirror ? HTTP_GIVE_UP_EARLY : 0);
}

/* ---- From a challenge to a header ---- */

/* Who we are for this repository: read anew each time, because a long build outlives what the files say. */
static int find_credentials(struct session *session, struct credentials *who, struct error **err)
{
	const struct credentials *given = session->own.username ? &session->own : &session->client->credentials;

	if (session->client->anonymous)
		return 0;
	if (given->registry_token && !session->is_mirror) {
		who->registry_token = mem_strdup(given->registry_token);
		return 0;
	}
	if (given->username && !session->is_mirror) {
		who->username = mem_strdup(given->username);
		who->password = mem_strdup(given->password);
		return 0;
	}
	cleanup_free char *name = mem_printf("%s%s%s", session->endpoint->domain, session->path ? "/" : "",
					     session->path ? session->path : "");
	const struct registries *registries = NULL;
	int rc = client_registries(session->client, &registries, err);
	if (rc < 0)
		return rc;
	const struct strlist *helpers = registries_credential_helpers(registries);
	if (helpers->count > 0)
		return credentials_find_by(helpers, session->client->authfile, name, who, err);
	return credentials_find(session->client->authfile, name, who, err);
}

static void set_authorization(struct session *session, char *authorization)
{
	mem_free_secret(&session->authorization);
	mem_free_secret(&session->token);
	session->authorization = authorization;
	session->expires_ms = INT64_MAX;
}

static void use_basic(struct session *session, const struct credentials *who)
{
	cleanup_free char *pair = mem_printf("%s:%s", who->username, who->password ? who->password : "");
	cleanup_free char *encoded = format_base64(pair, strlen(pair));

	set_authorization(session, mem_printf("Basic %s", encoded));
	mem_wipe(pair, strlen(pair));
	mem_wipe(encoded, strlen(encoded));
}

/* Our scopes, and what the challenge asks for beyond them. */
static void collect_scopes(const struct session *session, const struct challenge *bearer, struct strlist *scopes)
{
	cleanup(strlist_done) struct strlist asked = {0};
	const char *text = challenge_get(bearer, "scope");

	strlist_append_all(scopes, &session->scopes);
	strlist_split(&asked, text ? text : "", ' ');
	for (size_t i = 0; i < asked.count; i++) {
		bool covered = *asked.items[i] == '\0';
		for (size_t j = 0; j < scopes->count && !covered; j++)
			covered = token_scope_covers(scopes->items[j], asked.items[i]);
		if (!covered)
			strlist_append(scopes, asked.items[i]);
	}
}

static int use_bearer(struct session *session, const struct challenge *bearer, const struct credentials *who,
		      struct error **err)
{
	cleanup(strlist_done) struct strlist scopes = {0};
	char *token = NULL;
	int64_t expires_ms = INT64_MAX;
	struct token_question question = {
		.realm = challenge_get(bearer, "realm"),
		.service = challenge_get(bearer, "service"),
		.scopes = &scopes,
		.credentials = who,
		.registry_is_https = text_has_prefix(session->endpoint->origin, "https:"),
		.flags = request_flags(session),
	};
	int rc = 0;

	if (who->registry_token) {
		token = mem_strdup(who->registry_token);
	} else if (!question.realm) {
		return error_set(err, EPROTO, "registry '%s' asks for a token, but does not say from where",
				 session->endpoint->domain);
	} else {
		collect_scopes(session, bearer, &scopes);
		rc = token_get(&session->client->tokens, session->client->transport, &question, &token, &expires_ms,
			       err);
	}
	/* A scope that is not ours costs the whole token at some (go-containerregistry#220): what we came for may do.
	 */
	if (rc == -EACCES && session->scopes.count > 0 && scopes.count > session->scopes.count) {
		error_clear(err);
		question.scopes = &session->scopes;
		rc = token_get(&session->client->tokens, session->client->transport, &question, &token, &expires_ms,
			       err);
	}
	if (rc < 0)
		return rc;
	set_authorization(session, mem_printf("Bearer %s", token));
	session->token = token;
	session->expires_ms = expires_ms;
	return 0;
}

/* Makes the header that the present challenges ask for. None that we know how to meet is not an error here: the
 * registry's answer will be. */
static int authorize(struct session *session, struct error **err)
{
	const struct challenge_list *list =
		session->challenges.count > 0 ? &session->challenges : &session->endpoint->challenges;
	const struct challenge *bearer = challenge_find(list, "bearer");
	cleanup(credentials_done) struct credentials who = {0};

	if (list->count == 0)
		return 0;
	int rc = find_credentials(session, &who, err);
	if (rc < 0)
		return rc;
	session->generation++;
	if (bearer)
		return use_bearer(session, bearer, &who, err);
	set_authorization(session, NULL);
	if (challenge_find(list, "basic") && who.username)
		use_basic(session, &who);
	return 0;
}

/* ---- Calls ---- */

static void on_answer(void *context, int rc, struct http_answer *answer, struct error **err);

static int send_call(struct session_call *call, struct error **err)
{
	struct session *session = call->session;
	bool ours = url_same_origin(call->request.url, session->endpoint->origin);

	/* A Location may lead to a storage service that has its own ideas of authorization. */
	http_request_set_authorization(&call->request, ours ? mem_strdup(session->authorization) : NULL);
	call->request.flags |= request_flags(session);
	call->generation = session->generation;
	http_transport_start(session->client->transport, &call->request, on_answer, call);
	return 0;
}

int session_start(struct session_call *call, struct error **err)
{
	struct session *session = call->session;
	int rc = session_ready(session, err);

	call->renewals = 0;
	if (rc == 0 && (!session->authorization || session->expires_ms <= http_transport_now_ms()))
		rc = authorize(session, err);
	return rc < 0 ? rc : send_call(call, err);
}

/* The header did not hold. When another call has renewed it meanwhile, that one is tried. */
static int renew(struct session_call *call, const struct http_answer *answer, struct error **err)
{
	struct session *session = call->session;
	struct challenge_list fresh = {0};

	if (call->generation != session->generation)
		return 0;
	endpoint_read_challenges(answer, &fresh);
	if (fresh.count > 0) { /* a 401 without any leaves those of the ping in force */
		challenge_list_done(&session->challenges);
		session->challenges = fresh;
	}
	if (session->token)
		token_forget(&session->client->tokens, session->token);
	return authorize(session, err);
}

/* 401, or the 403 of RFC 6750: the token is good, but for something else. */
static bool asks_for_authorization(const struct http_answer *answer)
{
	cleanup(challenge_list_done) struct challenge_list list = {0};

	if (answer->status != 403)
		return answer->status == 401;
	endpoint_read_challenges(answer, &list);
	const struct challenge *bearer = challenge_find(&list, "bearer");
	const char *error = bearer ? challenge_get(bearer, "error") : NULL;
	return error && strcmp(error, "insufficient_scope") == 0;
}

#define RENEWALS_MAX 4

/* Once, for what was wrong with the authorization is wrong still. But tokens that have held may end again before the
 * call is repeated: where they live for moments, and where several transfers see them end one after the other. */
static bool may_renew(const struct session_call *call)
{
	return call->renewals < (call->session->token_held ? RENEWALS_MAX : 1);
}

static void on_answer(void *context, int rc, struct http_answer *answer, struct error **err)
{
	struct session_call *call = context;
	bool asks = rc == 0 && asks_for_authorization(answer);

	if (rc == 0 && !asks && call->session->token && call->request.authorization)
		call->session->token_held = true;
	if (asks && may_renew(call) && url_same_origin(answer->url, call->session->endpoint->origin)) {
		call->renewals++;
		call->request.delay_ms = 0;
		trace(AUTH, "%d, authorizing anew", answer->status);
		rc = renew(call, answer, err);
		if (rc == 0) {
			send_call(call, err);
			return;
		}
	}
	call->done(call->context, rc, rc == 0 ? answer : NULL, err);
}

int session_refused(const struct session *session, const char *method, const struct http_answer *answer,
		    struct error **err)
{
	int rc = http_answer_error(method, answer, err);

	if (answer->status == 401 && client_was_told_who(session->client) && !session->is_mirror)
		return error_hint(err, "the credentials that were given are not accepted for '%s%s%s'",
				  session->endpoint->domain, session->path ? "/" : "",
				  session->path ? session->path : "");
	if (answer->status == 401)
		return error_hint(err, "is 'cooper login %s' needed, or the name wrong?", session->endpoint->domain);
	return rc;
}

/* Where the answer of session_perform() goes. */
struct waiting {
	int rc;
	struct http_answer *answer;
	struct error *error;
};

static void on_waited(void *context, int rc, struct http_answer *answer, struct error **err)
{
	struct waiting *waiting = context;

	waiting->rc = rc;
	if (rc == 0) {
		*waiting->answer = *answer;
		*answer = (struct http_answer){0};
	} else {
		waiting->error = take_ptr(err);
	}
}

int session_perform(struct session *session, struct http_request *request, struct http_answer *answer,
		    struct error **err)
{
	struct waiting waiting = {.answer = answer};
	struct session_call call = {.session = session, .request = *request, .done = on_waited, .context = &waiting};
	int rc = session_start(&call, err);

	if (rc == 0)
		rc = http_transport_run(session->client->transport, err);
	if (rc == 0)
		rc = waiting.rc;
	if (waiting.error && err)
		*err = take_ptr(&waiting.error);
	error_free(waiting.error);
	*request = call.request; /* still the caller's, with what was added to it */
	return rc;
}
