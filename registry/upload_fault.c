/*
 * An upload after a failure: whether it goes on, from where, and in which manner from now on.
 */
#include "registry/upload_internal.h"

#include <errno.h>

#include "base/log.h"
#include "registry/client_internal.h"

int upload_spend_attempt(struct upload_job *job, int rc, const struct http_answer *answer, struct error **err)
{
	int64_t wait = http_transport_retry_wait(job->upload->client->transport, job->attempts + 1, answer);

	if (wait < 0) {
		rc = rc < 0 ? rc : http_answer_error(job->call.request.method, answer, err);
		return http_transport_explain(job->upload->client->transport, rc, err);
	}
	job->attempts++;
	job->delay_ms = wait;
	char text[DIGEST_TEXT_SIZE];
	cleanup_free char *why =
		rc < 0 ? mem_strdup(err ? error_message(*err) : "") : mem_printf("HTTP %d", answer->status);
	error_clear(err);
	client_tell(job->upload->client, "Blob %s: %s, going on in %.1f s", digest_format(upload_job_name(job), text),
		    why, (double)wait / 1000);
	return 0;
}

/* 413: a proxy lets no body of this size through. It says nothing about which it would; the narrowest let 1 MiB pass.
 */
static int make_smaller(struct upload_job *job, const struct http_answer *answer, struct error **err)
{
	struct upload_habits *habits = session_upload_habits(job->upload->session);
	uint64_t size = job->in_request > 4 * UPLOAD_CHUNK_CAREFUL ? UPLOAD_CHUNK_CAREFUL : job->in_request / 4;

	size = size < UPLOAD_CHUNK_SMALLEST ? UPLOAD_CHUNK_SMALLEST : size;
	if (job->in_request <= UPLOAD_CHUNK_SMALLEST || job->in_request <= job->chunk_min || habits->loses_chunks)
		return http_answer_error(job->call.request.method, answer, err);
	log_debug("HTTP 413 for %llu bytes, sending %llu at once", (unsigned long long)job->in_request,
		  (unsigned long long)size);
	habits->body_max = size;
	job->monolithic = false;
	return upload_send_bytes(job, err);
}

/* The registry has counted or hashed other bytes than those that were sent. */
static bool found_other_bytes(const struct http_answer *answer)
{
	return answer->status == 400 &&
	       (http_answer_has_code(answer, "DIGEST_INVALID") || http_answer_has_code(answer, "SIZE_INVALID") ||
		http_answer_has_code(answer, "BLOB_UPLOAD_INVALID"));
}

/* Not every registry, and not every proxy in front of one, takes a body whose length is not told. */
static bool dislikes_stream(const struct upload_job *job, const struct http_answer *answer)
{
	int status = answer->status;

	return job->call.request.body.growing && !job->call.request.body.sized &&
	       (status == 411 || status == 413 || status == 400 || status == 405 || status == 415 || status == 501);
}

/* Nor one that is a part of the blob. Who says so is asked with all of it in one: some keep only the first part (and
 * then find other bytes than were sent), forget the session after it, or take no part above a size of their own. */
static bool dislikes_chunks(struct upload_job *job, const struct http_answer *answer)
{
	const struct upload_habits *habits = session_upload_habits(job->upload->session);
	int status = answer->status;

	if (!upload_was_chunk(job) || habits->loses_chunks || habits->body_max > 0)
		return false;
	if (status == 404)
		return job->sent > 0 && !habits->keeps_chunks;
	if (status == 416 && !job->range_refused) {
		job->range_refused = true; /* where does it stand? */
		return false;
	}
	return status == 400 || status == 405 || status == 411 || status == 415 || status == 416 || status == 501;
}

int upload_send_in_one(struct upload_job *job, struct error **err)
{
	session_upload_habits(job->upload->session)->loses_chunks = true;
	job->monolithic = true;
	return upload_send_post(job, err);
}

void upload_be_careful(struct upload_job *job)
{
	uint64_t size = job->in_request / 4;

	job->chunk = size < UPLOAD_CHUNK_SMALLEST ? UPLOAD_CHUNK_SMALLEST : size;
}

int upload_start_anew(struct upload_job *job, struct error **err)
{
	if (job->in_request > UPLOAD_CHUNK_SMALLEST)
		upload_be_careful(job);
	return upload_send_post(job, err);
}

int upload_look_or_start_anew(struct upload_job *job, struct error **err)
{
	return upload_job_is_whole(job) ? upload_send_head(job, UPLOAD_CHECK, err) : upload_start_anew(job, err);
}

int upload_recover(struct upload_job *job, int rc, const struct http_answer *answer, struct error **err)
{
	bool session_is_lost = rc == 0 && answer->status == 404; /* BLOB_UPLOAD_UNKNOWN */
	bool range_is_wrong = rc == 0 && answer->status == 416;
	bool may_pass = rc < 0 ? http_transport_is_temporary(rc)
			       : http_status_is_temporary(answer->status) || http_answer_is_success(answer);

	if (rc == 0 && dislikes_stream(job, answer)) {
		log_debug("HTTP %d for a body without a length, sending it when it is whole", answer->status);
		session_upload_habits(job->upload->session)->refuses_streams = true;
		job->was_refused = true;
		return upload_wait_for(job, UINT64_MAX, upload_send_status, err);
	}
	if (rc == 0 && answer->status == 413)
		return make_smaller(job, answer, err);
	if (rc == 0 && dislikes_chunks(job, answer)) {
		log_debug("HTTP %d for a part of the blob, sending all in one request", answer->status);
		return upload_send_in_one(job, err);
	}
	if (rc == 0 && found_other_bytes(answer) && !job->restarted) {
		job->restarted = true;
		/* Perhaps it was their order. */
		job->monolithic = session_upload_habits(job->upload->session)->body_max == 0;
		return upload_send_post(job, err);
	}
	if (!may_pass && !session_is_lost && !range_is_wrong)
		return rc < 0 ? rc : session_refused(job->upload->session, job->call.request.method, answer, err);
	job->was_refused = rc == 0;
	int spent = upload_spend_attempt(job, rc, answer, err);
	if (spent < 0)
		return spent;
	return session_is_lost ? upload_look_or_start_anew(job, err) : upload_send_status(job, err);
}
