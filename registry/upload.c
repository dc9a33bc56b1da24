/*
 * A batch of uploads. Each blob is a job that goes through the steps of distribution-spec "Pushing blobs":
 *
 *	HEAD     is it there?                      -> done
 *	POST     open a session                    -> a Location
 *	PATCH    all bytes in one stream           -> a new Location     (small blobs go with the PUT)
 *	PUT      ?digest=                          -> done
 *
 * Any failure that may pass leads to
 *
 *	STATUS   GET the Location: where does it stand?   -> PATCH the rest, or PUT when all is there
 *	CHECK    HEAD the blob: the answer that was lost may have been "created"   -> done
 *
 * and from there, when neither helps, to a new POST. Every repetition counts against the retries of the client. The
 * place for a mount from another repository is the POST.
 */
#include "registry/upload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "imagefmt/blob.h"
#include "registry/client_internal.h"
#include "registry/url.h"

#define SINGLE_PUT_MAX ((uint64_t)4 << 20) /* blobs up to this size save the PATCH */
#define ANSWER_MAX ((size_t)64 << 10)

enum upload_step { UPLOAD_HEAD, UPLOAD_POST, UPLOAD_PATCH, UPLOAD_PUT, UPLOAD_STATUS, UPLOAD_CHECK };

struct upload;

struct upload_job {
	struct upload *upload;
	const struct descriptor *blob;
	enum upload_step step;
	int fd;
	char *location;	   /* where the session goes on */
	uint64_t sent;	   /* what the registry says it has */
	bool monolithic;   /* all bytes in the PUT */
	bool was_refused;  /* the last bytes were answered with a no, and not cut off */
	unsigned attempts; /* repetitions so far, since a step was completed */
	int64_t delay_ms;  /* before the next request */
	struct session_call call;
};

struct upload {
	struct registry_client *client;
	struct session *session;
	struct store *store;
	struct upload_job *jobs;
	size_t count;
	size_t next; /* not started yet */
	size_t running;
	int rc;
	struct error *error;
};

static void job_end(struct upload_job *job)
{
	http_request_done(&job->call.request);
	fd_close(job->fd);
	job->fd = -1;
	free(take_ptr(&job->location));
}

static void upload_done(struct upload *upload)
{
	for (size_t i = 0; i < upload->count; i++)
		job_end(&upload->jobs[i]);
	free(upload->jobs);
	error_free(upload->error);
}
CLEANUP_FOR_VALUE(struct upload, upload_done)

int upload_location(const char *origin, const char *base, const char *location, char **url, struct error **err)
{
	cleanup(url_done) struct url here = {0};
	cleanup(url_done) struct url there = {0};
	cleanup_free char *resolved = NULL;
	int rc = url_resolve(base, location, &resolved, err);

	if (rc == 0)
		rc = url_parse(resolved, &there, err);
	if (rc == 0)
		rc = url_parse(origin, &here, err);
	if (rc < 0)
		return error_prefix(err, "Location of the upload");
	if (here.https && !there.https) {
		if (strcmp(here.host, there.host) != 0)
			return error_set(err, EPERM, "the registry wants the upload sent over http, to '%s'",
					 there.host);
		log_debug("the registry gives http as the place of an upload, using https instead");
		free(resolved);
		resolved = mem_printf("%s%s", origin, there.rest);
	}
	*url = take_ptr(&resolved);
	return 0;
}

/* ---- Requests ---- */

static int send_request(struct upload_job *job, enum upload_step step, const char *method, char *url,
			struct error **err)
{
	struct http_request *request = &job->call.request;

	job->step = step;
	request->method = method;
	free(request->url);
	request->url = url;
	request->answer_max = ANSWER_MAX;
	request->delay_ms = job->delay_ms;
	job->delay_ms = 0;
	return session_start(&job->call, err);
}

static void new_request(struct upload_job *job)
{
	http_request_done(&job->call.request);
	http_request_init(&job->call.request, NULL, NULL, ANSWER_MAX);
}

static int send_head(struct upload_job *job, enum upload_step step, struct error **err)
{
	char text[DIGEST_TEXT_SIZE];

	new_request(job);
	return send_request(job, step, "HEAD",
			    session_url(job->upload->session, "blobs/%s", digest_format(&job->blob->digest, text)),
			    err);
}

static int send_post(struct upload_job *job, struct error **err)
{
	new_request(job);
	job->sent = 0;
	job->call.request.body = (struct http_body){.data = "", .fd = -1, .present = true};
	return send_request(job, UPLOAD_POST, "POST", session_url(job->upload->session, "blobs/uploads/"), err);
}

/* The rest of the file from job->sent on. */
static void add_file(struct upload_job *job)
{
	struct http_request *request = &job->call.request;

	request->body = (struct http_body){
		.fd = job->fd, .offset = job->sent, .size = job->blob->size - job->sent, .present = true};
	http_request_set_header(request, "Content-Type", "application/octet-stream");
	if (job->sent > 0) {
		cleanup_free char *range =
			mem_printf("%llu-%llu", (unsigned long long)job->sent, (unsigned long long)job->blob->size - 1);
		http_request_set_header(request, "Content-Range", range);
	}
	/* After a cut the registry is asked first how much it has: not simply again. */
	request->flags = HTTP_ONCE;
}

static int send_patch(struct upload_job *job, struct error **err)
{
	new_request(job);
	add_file(job);
	return send_request(job, UPLOAD_PATCH, "PATCH", mem_strdup(job->location), err);
}

static int send_put(struct upload_job *job, struct error **err)
{
	cleanup(buf_done) struct buf query = BUF_INIT(URL_SIZE_MAX);
	char text[DIGEST_TEXT_SIZE];

	new_request(job);
	if (job->sent < job->blob->size) {
		add_file(job);
	} else {
		job->call.request.body = (struct http_body){.data = "", .fd = -1, .present = true};
		job->call.request.flags = HTTP_ONCE;
	}
	buf_append_str(&query, "digest=");
	url_escape(&query, digest_format(&job->blob->digest, text));
	return send_request(job, UPLOAD_PUT, "PUT", url_add_query(job->location, buf_str(&query)), err);
}

static int send_status(struct upload_job *job, struct error **err)
{
	new_request(job);
	return send_request(job, UPLOAD_STATUS, "GET", mem_strdup(job->location), err);
}

static int send_bytes(struct upload_job *job, struct error **err)
{
	if (job->monolithic || job->blob->size <= SINGLE_PUT_MAX || job->sent == job->blob->size)
		return send_put(job, err);
	return send_patch(job, err);
}

/* ---- Answers: what each step leads to. JOB_IS_DONE ends the job. ---- */

#define JOB_IS_DONE 1

static int take_location(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	const char *text = http_answer_header(answer, "Location");
	char *url = NULL;

	if (!text)
		return error_set(err, EPROTO, "%s: HTTP %d without a Location", job->call.request.method,
				 answer->status);
	int rc = upload_location(session_origin(job->upload->session), answer->url, text, &url, err);
	if (rc < 0)
		return rc;
	free(job->location);
	job->location = url;
	return 0;
}

/* Bytes that the registry has, from "Range: 0-N"; `missing` when there is no such header. */
static uint64_t answered_range(const struct http_answer *answer, uint64_t missing)
{
	const char *text = http_answer_header(answer, "Range");
	uint64_t first = 0;
	uint64_t last = 0;

	if (!text || http_range_parse(text, &first, &last) < 0 || first != 0)
		return missing;
	return last + 1;
}

/* A 200 without the right length is not believed: there are fronts that say 200 to everything. */
static bool blob_is_there(const struct upload_job *job, const struct http_answer *answer)
{
	uint64_t size = 0;

	return answer->status == 200 && http_answer_size(answer, &size) && size == job->blob->size;
}

/* Counts a repetition; a negative errno when there have been enough. */
static int spend_attempt(struct upload_job *job, int rc, const struct http_answer *answer, struct error **err)
{
	int64_t wait = http_transport_retry_wait(job->upload->client->transport, job->attempts + 1, answer);

	if (wait < 0)
		return rc < 0 ? rc : http_answer_error(job->call.request.method, answer, err);
	job->attempts++;
	job->delay_ms = wait;
	char text[DIGEST_TEXT_SIZE];
	cleanup_free char *why = rc < 0 ? mem_strdup(error_message(*err)) : mem_printf("HTTP %d", answer->status);
	error_clear(err);
	client_tell(job->upload->client, "Blob %s: %s, going on in %.1f s", digest_format(&job->blob->digest, text),
		    why, (double)wait / 1000);
	return 0;
}

/* The step failed. When that may pass: what does the registry have? */
static int recover(struct upload_job *job, int rc, const struct http_answer *answer, struct error **err)
{
	bool session_is_lost = rc == 0 && answer->status == 404; /* BLOB_UPLOAD_UNKNOWN */
	bool range_is_wrong = rc == 0 && answer->status == 416;
	bool may_pass = rc < 0 ? http_transport_is_temporary(rc) : http_status_is_temporary(answer->status);

	if (!may_pass && !session_is_lost && !range_is_wrong)
		return rc < 0 ? rc : http_answer_error(job->call.request.method, answer, err);
	job->was_refused = rc == 0;
	int spent = spend_attempt(job, rc, answer, err);
	if (spent < 0)
		return spent;
	return session_is_lost ? send_head(job, UPLOAD_CHECK, err) : send_status(job, err);
}

static int after_head(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	char text[DIGEST_TEXT_SIZE];

	if (blob_is_there(job, answer)) {
		client_tell(job->upload->client, "Copying blob %s skipped: already exists",
			    digest_format(&job->blob->digest, text));
		return JOB_IS_DONE;
	}
	/* Any other answer (404, 403, 405, also 401) is no reason not to try; if the POST is refused too, its answer
	 * has the registry's words, which that to a HEAD cannot have. */
	cleanup_free char *size = format_size(job->blob->size);
	client_tell(job->upload->client, "Copying blob %s (%s)", digest_format(&job->blob->digest, text), size);
	return send_post(job, err);
}

static int after_post(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	if (answer->status == 201)
		return JOB_IS_DONE;
	if (answer->status != 202)
		return session_refused(job->upload->session, "POST", answer, err);
	int rc = take_location(job, answer, err);
	return rc < 0 ? rc : send_bytes(job, err);
}

/* A registry that drops bytes must not get the PUT: it might answer 201 all the same (ECR). */
static int after_patch(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	uint64_t size = job->blob->size;
	uint64_t kept = answered_range(answer, size);

	if (!http_answer_is_success(answer))
		return recover(job, 0, answer, err);
	int rc = take_location(job, answer, err);
	if (rc < 0)
		return rc;
	if (kept == size) {
		job->sent = size;
		job->attempts = 0;
		return send_put(job, err);
	}
	log_debug("the registry kept %llu of %llu bytes, sending all in one request", (unsigned long long)kept,
		  (unsigned long long)size);
	if (job->monolithic)
		return error_set(err, EREMOTEIO, "the registry keeps %llu of %llu bytes", (unsigned long long)kept,
				 (unsigned long long)size);
	job->monolithic = true;
	return send_post(job, err);
}

static int after_put(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	if (http_answer_is_success(answer))
		return JOB_IS_DONE;
	return recover(job, 0, answer, err);
}

static int after_status(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	if (!http_answer_is_success(answer))
		return send_head(job, UPLOAD_CHECK, err);
	uint64_t kept = answered_range(answer, 0);
	/* "0-0" is written for no byte as well as for one. After a refusal it is none, and the session is still good;
	 * after a cut nothing is lost by starting anew. */
	if (kept <= 1)
		kept = 0;
	if (kept > job->blob->size || (kept == 0 && !job->was_refused))
		return send_post(job, err);
	if (http_answer_header(answer, "Location")) {
		int rc = take_location(job, answer, err);
		if (rc < 0)
			return rc;
	}
	job->sent = kept;
	return send_bytes(job, err);
}

static int after_check(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	return blob_is_there(job, answer) ? JOB_IS_DONE : send_post(job, err);
}

static int after_step(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	switch (job->step) {
	case UPLOAD_HEAD:
		return after_head(job, answer, err);
	case UPLOAD_POST:
		return after_post(job, answer, err);
	case UPLOAD_PATCH:
		return after_patch(job, answer, err);
	case UPLOAD_PUT:
		return after_put(job, answer, err);
	case UPLOAD_STATUS:
		return after_status(job, answer, err);
	case UPLOAD_CHECK:
		return after_check(job, answer, err);
	}
	return error_set(err, EINVAL, "upload in no step");
}

/* ---- The batch ---- */

static void start_jobs(struct upload *upload);

static void fail(struct upload_job *job, int rc, struct error **err)
{
	struct upload *upload = job->upload;
	char text[DIGEST_TEXT_SIZE];

	if (upload->rc < 0)
		return;
	error_prefix(err, "blob %s", digest_format(&job->blob->digest, text));
	upload->rc = rc;
	upload->error = take_ptr(err);
}

static void on_answer(void *context, int rc, struct http_answer *answer, struct error **err)
{
	struct upload_job *job = context;
	struct upload *upload = job->upload;

	if (rc == 0)
		rc = after_step(job, answer, err);
	else if (job->step == UPLOAD_PATCH || job->step == UPLOAD_PUT)
		rc = recover(job, rc, NULL, err);
	if (rc == 0)
		return; /* the next step is under way */
	job_end(job);
	upload->running--;
	if (rc < 0) {
		fail(job, rc, err);
		http_transport_cancel(upload->client->transport);
		return;
	}
	start_jobs(upload);
}

static int start_job(struct upload_job *job, struct error **err)
{
	uint64_t size = 0;

	job->fd = blob_open(job->upload->store, &job->blob->digest, &size, err);
	if (job->fd < 0)
		return job->fd;
	if (size != job->blob->size)
		return error_set(err, EBADMSG, "%llu bytes in the store, %llu in the manifest",
				 (unsigned long long)size, (unsigned long long)job->blob->size);
	return send_head(job, UPLOAD_HEAD, err);
}

static void start_jobs(struct upload *upload)
{
	struct error *error = NULL;

	while (upload->rc == 0 && upload->next < upload->count && upload->running < upload->client->parallel) {
		struct upload_job *job = &upload->jobs[upload->next++];
		int rc = start_job(job, &error);
		if (rc < 0) {
			fail(job, rc, &error);
			break;
		}
		upload->running++;
	}
	error_free(error);
}

static bool is_repeated(const struct descriptor *const *blobs, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (digest_equal(&blobs[i]->digest, &blobs[at]->digest))
			return true;
	return false;
}

static void add_job(struct upload *upload, const struct descriptor *blob)
{
	struct upload_job *job = &upload->jobs[upload->count++];

	*job = (struct upload_job){.upload = upload, .blob = blob, .fd = -1};
	job->call = (struct session_call){.session = upload->session, .done = on_answer, .context = job};
	http_request_init(&job->call.request, NULL, NULL, ANSWER_MAX);
}

int upload_blobs(struct registry_client *client, struct session *session, const struct descriptor *const *blobs,
		 size_t count, struct store *store, struct error **err)
{
	cleanup(upload_done) struct upload upload = {.client = client, .session = session, .store = store};
	int rc = session_ready(session, err);

	if (rc < 0)
		return rc;
	upload.jobs = mem_alloc(count * sizeof(*upload.jobs));
	for (size_t i = 0; i < count; i++)
		if (!is_repeated(blobs, i))
			add_job(&upload, blobs[i]);
	start_jobs(&upload);
	rc = http_transport_run(client->transport, err);
	if (rc == 0 && upload.rc < 0) {
		rc = upload.rc;
		if (err)
			*err = take_ptr(&upload.error);
	}
	http_transport_cancel(client->transport);
	return rc;
}
