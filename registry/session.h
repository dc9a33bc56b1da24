/*
 * A conversation with one repository of one registry: requests through the client's transport, with the authorization
 * that the registry asks for. What a 401 takes back is fetched again, once per request, also for requests with a body.
 */
#ifndef COOPER_REGISTRY_SESSION_H
#define COOPER_REGISTRY_SESSION_H

#include "registry/auth.h"
#include "registry/client.h"
#include "registry/http.h"
#include "registry/transport.h"

struct session;

/* `path` is the repository ("library/debian"), NULL for the registry itself; `actions` is "pull" or "pull,push".
 * Nothing is asked yet. The client is borrowed. */
MUST_CHECK struct session *session_new(struct registry_client *client, const char *domain, const char *path,
				       const char *actions);
void session_free(struct session *session);
CLEANUP_FOR(struct session, session_free)
/* Use these and no others. */
void session_set_credentials(struct session *session, const char *username, const char *password);
/* Settles where the registry is; to be called before session_url(). */
int session_ready(struct session *session, struct error **err);
/* "https://host/v2/<path>/<rest>". */
MUST_CHECK char *session_url(const struct session *session, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *session_origin(const struct session *session);

/* One request and who is told of its answer. The caller keeps it where it is until `done` is called, and frees it with
 * http_request_done(&call->request). */
struct session_call {
	struct session *session;
	struct http_request request;
	http_done *done;
	void *context;
	unsigned generation; /* of the authorization it went out with */
	bool renewed;
};

/* Authorizes and starts it; on failure `done` is not called. */
int session_start(struct session_call *call, struct error **err);
/* http_answer_error(), and for a 401 the way out. */
int session_refused(const struct session *session, const char *method, const struct http_answer *answer,
		    struct error **err);
/* One request from start to answer, whatever its status. */
int session_perform(struct session *session, struct http_request *request, struct http_answer *answer,
		    struct error **err);

#endif
