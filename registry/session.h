/*
 * A conversation with one repository of one registry: requests through the client's transport, with the authorization
 * that the registry asks for. What a 401 takes back is fetched again, once per request, also for requests with a body.
 */
#ifndef COOPER_REGISTRY_SESSION_H
#define COOPER_REGISTRY_SESSION_H

#include "registry/auth.h"
#include "registry/client.h"
#include "registry/http.h"
#include "registry/registries.h"
#include "registry/transport.h"

struct session;

/* `actions` is "pull", "pull,push" or the like; NULL for the registry itself. Nothing is asked yet. The client is
 * borrowed. */
MUST_CHECK struct session *session_new(struct registry_client *client, const struct registry_place *place,
				       const char *actions);
void session_free(struct session *session);
CLEANUP_FOR(struct session, session_free)
/* Of the repository that `ref` names, whatever mirrors there are for it. -EPERM when it is blocked. */
int session_open(struct registry_client *client, const struct reference *ref, const char *actions,
		 struct session **session, struct error **err);
/* Another conversation with the same repository. */
MUST_CHECK struct session *session_like(const struct session *session);
/* Asks for "repository:<path>:pull" as well, of another repository of the same registry. */
void session_add_source(struct session *session, const char *path);
/* Use these and no others. */
void session_set_credentials(struct session *session, const char *username, const char *password);
/* Settles where the registry is; to be called before session_url(). */
int session_ready(struct session *session, struct error **err);
/* "https://host/v2/<path>/<rest>". */
MUST_CHECK char *session_url(const struct session *session, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *session_origin(const struct session *session);
/* The repository's name, "host/path", for messages and for what is known about it. */
const char *session_domain(const struct session *session);
const char *session_path(const struct session *session);
/* What uploads have found out about the registry; for all sessions with it. */
struct upload_habits *session_upload_habits(const struct session *session);

/* One request and who is told of its answer. The caller keeps it where it is until `done` is called, and frees it with
 * http_request_done(&call->request). */
struct session_call {
	struct session *session;
	struct http_request request;
	http_done *done;
	void *context;
	unsigned generation; /* of the authorization it went out with */
	unsigned renewals;   /* after a 401; whoever sees progress sets it back, so that a long transfer may outlive
			      * several tokens */
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
