/*
 * A batch of questions, several at once. Each goes HEAD, and, when the blob is not there and another repository has it,
 * POST ?mount=&from=. A POST that is answered with an upload session instead (202) has mounted nothing: the session is
 * given back, for the bytes come later by upload.c.
 */
#include "registry/presence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "registry/client_internal.h"
#include "registry/upload.h"
#include "registry/url.h"

#define ANSWER_MAX ((size_t)64 << 10)

enum question_step { QUESTION_HEAD, QUESTION_MOUNT, QUESTION_CANCEL };

struct presence;

struct question {
	struct presence *presence;
	const struct descriptor *blob;
	bool *has;
	enum question_step step;
	struct session_call call;
};

struct presence {
	struct registry_client *client;
	struct session *session;
	const struct reference *from;
	struct question *questions;
	size_t count;
	size_t next; /* not started yet */
	size_t running;
};

static void presence_done(struct presence *presence)
{
	for (size_t i = 0; i < presence->count; i++)
		http_request_done(&presence->questions[i].call.request);
	free(presence->questions);
}
CLEANUP_FOR_VALUE(struct presence, presence_done)

static int ask(struct question *q, enum question_step step, const char *method, char *url)
{
	struct http_request *request = &q->call.request;

	q->step = step;
	http_request_done(request);
	http_request_init(request, method, url, ANSWER_MAX);
	if (strcmp(method, "POST") == 0)
		request->body = (struct http_body){.data = "", .fd = -1, .present = true};
	return session_start(&q->call, /* err: it then counts as "no" */ NULL);
}

static int ask_mount(struct question *q)
{
	struct presence *presence = q->presence;
	cleanup(buf_done) struct buf query = BUF_INIT(URL_SIZE_MAX);
	char text[DIGEST_TEXT_SIZE];

	buf_append_str(&query, "mount=");
	url_escape(&query, digest_format(&q->blob->digest, text));
	buf_append_str(&query, "&from=");
	url_escape(&query, presence->from->path);
	cleanup_free char *url = session_url(presence->session, "blobs/uploads/");
	return ask(q, QUESTION_MOUNT, "POST", url_add_query(url, buf_str(&query)));
}

/* A session that nobody uses would be kept by the registry for days. */
static int cancel_session(struct question *q, const struct http_answer *answer)
{
	const char *location = http_answer_header(answer, "Location");
	char *url = NULL;

	if (!location || upload_location(session_origin(q->presence->session), answer->url, location, &url, NULL) < 0)
		return -EPROTO;
	return ask(q, QUESTION_CANCEL, "DELETE", url);
}

static void start_more(struct presence *presence);

/* What the answer leads to: 0 when a further request is under way, else the question is done. */
static int conclude(struct question *q, int rc, const struct http_answer *answer)
{
	struct presence *presence = q->presence;
	uint64_t size = 0;
	char text[DIGEST_TEXT_SIZE];

	if (rc < 0 || q->step == QUESTION_CANCEL)
		return -ECANCELED;
	if (q->step == QUESTION_MOUNT) {
		*q->has = answer->status == 201;
		if (*q->has)
			client_tell(presence->client, "Copying blob %s skipped: mounted from %s",
				    digest_format(&q->blob->digest, text), presence->from->path);
		return answer->status == 202 ? cancel_session(q, answer) : -ECANCELED;
	}
	/* A 200 without the right length is not believed: there are fronts that say 200 to everything. */
	*q->has = answer->status == 200 && http_answer_size(answer, &size) && size == q->blob->size;
	if (*q->has)
		client_tell(presence->client, "Copying blob %s skipped: already exists",
			    digest_format(&q->blob->digest, text));
	return !*q->has && presence->from ? ask_mount(q) : -ECANCELED;
}

static void on_answer(void *context, int rc, struct http_answer *answer, struct error **err)
{
	struct question *q = context;

	if (conclude(q, rc, answer) == 0)
		return;
	q->presence->running--;
	start_more(q->presence);
}

static void start_more(struct presence *presence)
{
	while (presence->next < presence->count && presence->running < presence->client->parallel) {
		struct question *q = &presence->questions[presence->next++];
		char text[DIGEST_TEXT_SIZE];
		char *url = session_url(presence->session, "blobs/%s", digest_format(&q->blob->digest, text));
		if (ask(q, QUESTION_HEAD, "HEAD", url) == 0)
			presence->running++;
	}
}

int presence_check(struct registry_client *client, struct session *session, const struct descriptor *const *blobs,
		   size_t count, const struct reference *from, bool *has, struct error **err)
{
	cleanup(presence_done) struct presence presence = {.client = client, .session = session, .from = from};
	int rc = session_ready(session, err);

	if (rc < 0)
		return rc;
	presence.questions = mem_alloc(count * sizeof(*presence.questions));
	presence.count = count;
	for (size_t i = 0; i < count; i++) {
		struct question *q = &presence.questions[i];
		*q = (struct question){.presence = &presence, .blob = blobs[i], .has = &has[i]};
		q->call = (struct session_call){.session = session, .done = on_answer, .context = q};
		http_request_init(&q->call.request, NULL, NULL, ANSWER_MAX);
	}
	start_more(&presence);
	return http_transport_run(client->transport, err);
}
