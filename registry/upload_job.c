/*
 * One blob on its way into a registry: what to ask next, and what an answer leads to.
 */
#include "registry/upload_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "imagefmt/blob.h"
#include "registry/client_internal.h"
#include "registry/upload.h"
#include "registry/url.h"

void upload_job_end(struct upload_job *job)
{
	if (job->location && !job->is_there)
		strlist_append(&job->upload->abandoned, job->location);
	http_request_done(&job->call.request);
	fd_close(job->fd);
	job->fd = -1;
	free(take_ptr(&job->location));
	strlist_done(&job->sources);
	error_clear(&job->doubt);
}

const struct digest *upload_job_name(const struct upload_job *job)
{
	return job->growing ? &job->growing->diff_id : &job->blob->digest;
}

/* ---- What answers say ---- */

static int take_location(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	const char *text = http_answer_header(answer, "Location");
	struct upload_habits *habits = session_upload_habits(job->upload->session);
	char *url = NULL;

	if (!text && job->location)
		return 0; /* where it was */
	if (!text)
		return error_set(err, EPROTO, "%s: HTTP %d without a Location", job->call.request.method,
				 answer->status);
	int rc = upload_location(session_origin(job->upload->session), answer->url, text, &url, err);
	if (rc < 0)
		return rc;
	if (rc == LOCATION_CORRECTED && !habits->tells_http) {
		log_warn("'%s' gives http as the place of uploads, its https address is used instead (is "
			 "X-Forwarded-Proto lost in front of it?)",
			 session_domain(job->upload->session));
		habits->tells_http = true;
	}
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

/* Whether it speaks of the blob, where it says of what. */
static bool is_of_blob(const struct upload_job *job, const struct http_answer *answer)
{
	const char *text = http_answer_header(answer, "Docker-Content-Digest");
	struct digest digest = {0};

	return !text || digest_parse(text, &digest, NULL) < 0 || digest.algorithm != job->blob->digest.algorithm ||
	       digest_equal(&digest, &job->blob->digest);
}

/* A front that says 200 to everything, or shows a page to log in, is none that has taken anything: such an answer may
 * pass as a 503 does. */
static bool is_no_answer(const struct http_answer *answer, bool expected)
{
	return http_answer_is_success(answer) && !expected;
}

static int finish(struct upload_job *job)
{
	const struct session *session = job->upload->session;

	job->is_there = true;
	if (job->growing) {
		char name[DIGEST_TEXT_SIZE];
		char layer[DIGEST_TEXT_SIZE];
		cleanup_free char *size = format_size(job->blob->size);
		const struct registry_transfer transfer = {.is_upload = true,
							   .digest = upload_job_name(job),
							   .done = job->blob->size,
							   .size = job->blob->size};
		client_tell_transfer(job->upload->client, &transfer, &job->told_ms);
		client_tell(job->upload->client, "Copied blob %s (%s) of layer %s",
			    digest_format(&job->blob->digest, name), size, digest_format(upload_job_name(job), layer));
	}
	known_blob_seen(job->upload->client, &job->blob->digest, session_domain(session), session_path(session));
	if (job->arriving && job->upload->feed->sent)
		job->upload->feed->sent(job->upload->feed, (size_t)(job->arriving - job->upload->feed->blobs));
	return JOB_IS_DONE;
}

static void note_progress(struct upload_job *job)
{
	if (job->sent > job->reached) {
		job->reached = job->sent;
		job->attempts = 0;
		job->range_refused = false;
	}
}

/* ---- After each step ---- */

static int after_head(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	struct upload *upload = job->upload;
	char text[DIGEST_TEXT_SIZE];

	if (blob_is_there(job, answer)) {
		client_tell(upload->client, "Copying blob %s skipped: already exists",
			    digest_format(&job->blob->digest, text));
		job->was_there = true;
		return finish(job);
	}
	/* Any other answer (404, 403, 405, also 401) is no reason not to try; if the POST is refused too, its answer
	 * has the registry's words, which that to a HEAD cannot have. */
	upload_find_sources(job);
	return upload_send_mount(job, err);
}

static void tell_begun(struct upload_job *job)
{
	char text[DIGEST_TEXT_SIZE];
	cleanup_free char *size = format_size(job->blob->size);

	if (!job->told && job->growing)
		client_tell(job->upload->client, "Copying layer %s while it is packed",
			    digest_format(upload_job_name(job), text));
	else if (!job->told)
		client_tell(job->upload->client, "Copying blob %s (%s)", digest_format(&job->blob->digest, text), size);
	job->told = true;
}

static int open_session(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	const char *least = http_answer_header(answer, "OCI-Chunk-Min-Length");
	int rc = take_location(job, answer, err);

	if (rc < 0)
		return rc;
	if (job->upload->only_look)
		return JOB_IS_DONE; /* the session is abandoned */
	if (!least || parse_u64(least, INT64_MAX, "OCI-Chunk-Min-Length", &job->chunk_min, NULL) < 0)
		job->chunk_min = 0;
	tell_begun(job);
	return upload_send_bytes(job, err);
}

static int is_mounted(struct upload_job *job)
{
	char text[DIGEST_TEXT_SIZE];

	client_tell(job->upload->client, "Copying blob %s skipped: mounted from %s",
		    digest_format(&job->blob->digest, text), job->sources.items[0]);
	job->was_there = true;
	return finish(job);
}

/* Of a blob that nobody here has seen the manifest may say any size: one that the registry contradicts is to be fetched
 * after all, which shows who is right. */
static int after_mount_check(struct upload_job *job, const struct http_answer *answer)
{
	uint64_t size = 0;
	bool differs = answer->status == 200 && http_answer_size(answer, &size) && size != job->blob->size;

	return differs ? JOB_IS_DONE : is_mounted(job);
}

static int after_mount(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	if (answer->status == 201 && is_of_blob(job, answer))
		return job->upload->only_look ? upload_send_head(job, UPLOAD_CHECK, err) : is_mounted(job);
	job->call.session = job->upload->session;
	/* A session for sending it, which is as good as another one. */
	if (answer->status == 202 && http_answer_header(answer, "Location"))
		return open_session(job, answer, err);
	log_debug("mount from %s: HTTP %d", job->sources.items[0], answer->status);
	if (answer->status == 401 || answer->status == 403)
		upload_refuse_source(job->upload, job->sources.items[0]);
	strlist_remove(&job->sources, 0);
	return upload_send_mount(job, err);
}

static int after_post(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	bool opened = answer->status == 202 && http_answer_header(answer, "Location");

	if (is_no_answer(answer, opened)) {
		int rc = upload_spend_attempt(job, 0, answer, err);
		return rc < 0 ? rc : upload_send_post(job, err);
	}
	return opened ? open_session(job, answer, err) : session_refused(job->upload->session, "POST", answer, err);
}

/* A registry that drops bytes must not get the PUT: it might answer 201 all the same (ECR). */
static int after_patch(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	struct upload_habits *habits = session_upload_habits(job->upload->session);
	uint64_t expected = job->sent + job->in_request;
	bool in_one = job->in_request == job->blob->size;

	bool taken =
		answer->status == 202 || http_answer_header(answer, "Range") || http_answer_header(answer, "Location");
	if (!http_answer_is_success(answer) || !taken)
		return upload_recover(job, 0, answer, err);
	uint64_t kept = answered_range(answer, in_one ? expected : 0);
	int rc = take_location(job, answer, err);
	if (rc < 0)
		return rc;
	if (kept == expected) {
		habits->keeps_chunks |= job->sent > 0;
		job->sent = expected;
		job->chunk *= 2; /* it was made small by a fault */
		note_progress(job);
		return upload_send_bytes(job, err);
	}
	if (job->monolithic || habits->body_max > 0)
		return error_set(err, EREMOTEIO, "the registry keeps %llu of %llu bytes", (unsigned long long)kept,
				 (unsigned long long)expected);
	log_debug("the registry kept %llu of %llu bytes, sending all in one request", (unsigned long long)kept,
		  (unsigned long long)expected);
	return upload_send_in_one(job, err);
}

static int after_put(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	if (!http_answer_is_success(answer))
		return upload_recover(job, 0, answer, err);
	if (answer->status == 201 && is_of_blob(job, answer))
		return finish(job);
	error_clear(&job->doubt);
	http_answer_error("PUT", answer, &job->doubt);
	return upload_send_head(job, UPLOAD_CHECK, err);
}

static int after_status(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	bool told = answer->status == 204 || http_answer_header(answer, "Range");

	if (is_no_answer(answer, told)) {
		int rc = upload_spend_attempt(job, 0, answer, err);
		return rc < 0 ? rc : upload_send_status(job, err);
	}
	if (!http_answer_is_success(answer))
		return upload_look_or_start_anew(job, err);
	uint64_t kept = answered_range(answer, 0);
	/* "0-0" is written for no byte as well as for one. After a refusal it is none, and the session is still good;
	 * after a cut nothing is lost by starting anew. */
	if (kept <= 1)
		kept = 0;
	if (kept > job->blob->size || (kept == 0 && !job->was_refused))
		return upload_start_anew(job, err);
	if (http_answer_header(answer, "Location")) {
		int rc = take_location(job, answer, err);
		if (rc < 0)
			return rc;
	}
	/* What is kept of a cut body is a chunk; who loses those gets all of it again. */
	if (kept > 0 && kept < job->blob->size && session_upload_habits(job->upload->session)->loses_chunks)
		return upload_send_post(job, err);
	if (kept == job->sent && job->in_request > UPLOAD_CHUNK_SMALLEST)
		upload_be_careful(job);
	job->sent = kept;
	note_progress(job);
	return upload_send_bytes(job, err);
}

static int after_check(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	if (job->upload->only_look)
		return after_mount_check(job, answer);
	if (blob_is_there(job, answer))
		return finish(job);
	if (!job->doubt)
		return upload_start_anew(job, err);
	cleanup_error struct error *doubt = take_ptr(&job->doubt);
	int rc = upload_spend_attempt(job, 0, answer, err);
	if (rc == 0)
		return upload_send_status(job, err);
	error_clear(err);
	if (err)
		*err = take_ptr(&doubt);
	return rc;
}

static int after_step(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	switch (job->step) {
	case UPLOAD_HEAD:
		return after_head(job, answer, err);
	case UPLOAD_MOUNT:
		return after_mount(job, answer, err);
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

int upload_job_go_on(struct upload_job *job, int rc, const struct http_answer *answer, struct error **err)
{
	if (rc == 0)
		return after_step(job, answer, err);
	if (job->step == UPLOAD_PATCH || job->step == UPLOAD_PUT)
		return upload_recover(job, rc, NULL, err);
	if (job->step == UPLOAD_MOUNT) { /* it saves time, and is worth no failure */
		log_debug("mount from %s: %s", job->sources.items[0], err ? error_message(*err) : "failed");
		error_clear(err);
		upload_refuse_source(job->upload, job->sources.items[0]);
		return upload_send_mount(job, err);
	}
	return rc;
}

int upload_job_start(struct upload_job *job, struct error **err)
{
	job->begun = true;
	/* That what arrives is missing here has just been found. */
	bool ask = upload_job_is_whole(job) && !job->arriving;
	return ask ? upload_send_head(job, UPLOAD_HEAD, err) : upload_send_post(job, err);
}
