/*
 * The requests of an upload: what goes into the next one, and, of a blob that grows, when it can go.
 */
#include "registry/upload_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "registry/client_internal.h"
#include "registry/url.h"

#define ANSWER_MAX ((size_t)64 << 10)
#define SINGLE_PUT_MAX ((uint64_t)4 << 20) /* blobs up to this size save a PATCH */
/* A front may read a whole body before it says 503, or be cut off with it, and none of it is kept. So where a registry
 * keeps pieces (not all do, see upload_habits), no body is more than this part of all that is to be sent. */
#define PARTS_AT_LEAST 4
#define CHUNK_MAX ((uint64_t)64 << 20)
/* The first two pieces to a registry that has not been seen to keep them. */
#define CHUNK_TRIAL ((uint64_t)512 << 10)
/* Layers that may become larger, or more than this part of all, do not go in one body without a length. */
#define STREAM_MAX ((uint64_t)64 << 20)
#define STREAM_PARTS_AT_LEAST 3

/* ---- Blobs that grow ---- */

bool upload_job_is_whole(const struct upload_job *job)
{
	return !job->growing || job->growing->whole;
}

bool upload_job_is_there(const struct upload_job *job)
{
	return upload_job_is_whole(job) && (!job->arriving || job->arriving->whole);
}

static uint64_t bytes_there(const struct upload_job *job)
{
	return job->arriving ? job->arriving->size : job->blob->size;
}

/* Does `then` when there are `size` bytes, or all. */
int upload_wait_for(struct upload_job *job, uint64_t size, int (*then)(struct upload_job *job, struct error **err),
		    struct error **err)
{
	if (upload_job_is_there(job) || bytes_there(job) >= size)
		return then(job, err);
	job->resume = then;
	job->wants = size;
	return 0;
}

int upload_open_arriving(struct upload_job *job, struct error **err)
{
	const struct growing_blob *arriving = job->arriving;

	if (arriving->fd < 0 || job->files == arriving->files)
		return 0;
	/* A request may be reading from the descriptor: it becomes the other file in place. */
	int fd = job->fd < 0 ? fcntl(arriving->fd, F_DUPFD_CLOEXEC, 0) : dup3(arriving->fd, job->fd, O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "open what is arriving");
	job->fd = fd;
	job->files = arriving->files;
	return 0;
}

int upload_job_fed(struct upload_job *job, struct error **err)
{
	int rc = job->arriving && job->begun ? upload_open_arriving(job, err) : 0;

	if (rc < 0)
		return rc;
	if (job->growing)
		job->made.size = job->growing->size;
	if (job->growing && job->growing->whole)
		job->made.digest = job->growing->digest;
	if (!job->resume || (!upload_job_is_there(job) && bytes_there(job) < job->wants))
		return 0;
	int (*then)(struct upload_job *, struct error **) = job->resume;
	job->resume = NULL;
	return then(job, err);
}

/* ---- How much at once ---- */

/* What all blobs come to that are not there already, as far as it is known. */
static uint64_t bytes_of_all(const struct upload *upload)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < upload->count; i++) {
		const struct upload_job *job = &upload->jobs[i];
		if (!job->was_there)
			sum += job->growing && job->growing->expected > job->blob->size ? job->growing->expected
											: job->blob->size;
	}
	return sum;
}

/* Whether all of it may go in one request without a length. What may become large goes in pieces, as other large blobs
 * do: a cut of the only request could cost everything. */
static bool may_stream(const struct upload_job *job)
{
	const struct upload_habits *habits = session_upload_habits(job->upload->session);
	uint64_t expected = job->growing ? job->growing->expected : 0;

	if (!job->growing || job->sent > 0 || habits->refuses_streams)
		return false;
	if (upload_job_is_whole(job) && job->in_request > 0) /* what is sent again has a length by now */
		return false;
	if (job->monolithic || habits->loses_chunks)
		return true;
	return expected <= STREAM_MAX && expected <= bytes_of_all(job->upload) / STREAM_PARTS_AT_LEAST &&
	       job->chunk == 0 && habits->body_max == 0;
}

/* ---- Requests ---- */

static void new_request(struct upload_job *job)
{
	http_request_done(&job->call.request);
	http_request_init(&job->call.request, NULL, NULL, ANSWER_MAX);
}

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

int upload_send_head(struct upload_job *job, enum upload_step step, struct error **err)
{
	char text[DIGEST_TEXT_SIZE];

	new_request(job);
	job->call.session = job->upload->session;
	return send_request(job, step, "HEAD",
			    session_url(job->upload->session, "blobs/%s", digest_format(&job->blob->digest, text)),
			    err);
}

static void add_empty_body(struct upload_job *job)
{
	job->call.request.body = (struct http_body){.data = "", .fd = -1, .present = true};
}

int upload_send_post(struct upload_job *job, struct error **err)
{
	new_request(job);
	if (job->location) /* what it has is lost, or not believed */
		strlist_take(&job->upload->abandoned, take_ptr(&job->location));
	job->sent = 0;
	job->call.session = job->upload->session;
	add_empty_body(job);
	return send_request(job, UPLOAD_POST, "POST", session_url(job->upload->session, "blobs/uploads/"), err);
}

/* The next repository to mount from; when there is none (left), a session for sending. */
int upload_send_mount(struct upload_job *job, struct error **err)
{
	while (job->sources.count > 0) {
		struct mount_source *source = upload_mount_source(job->upload, job->sources.items[0]);
		cleanup(buf_done) struct buf query = BUF_INIT(URL_SIZE_MAX);
		char text[DIGEST_TEXT_SIZE];
		if (!source) {
			strlist_remove(&job->sources, 0);
			continue;
		}
		new_request(job);
		add_empty_body(job);
		job->call.session = source->session;
		buf_append_str(&query, "mount=");
		url_escape(&query, digest_format(&job->blob->digest, text));
		buf_append_str(&query, "&from=");
		url_escape(&query, source->path);
		int rc = send_request(job, UPLOAD_MOUNT, "POST",
				      session_url(job->upload->session, "blobs/uploads/?%s", buf_str(&query)), err);
		if (rc != -EACCES)
			return rc;
		/* No token with that scope: a mount saves time, and is worth no failure. */
		log_debug("mount from %s: %s", source->path, err ? error_message(*err) : "refused");
		error_clear(err);
		source->refused = true;
	}
	return job->upload->only_look ? JOB_IS_DONE : upload_send_post(job, err);
}

/* `sent` of the request's bytes have gone out. */
static void tell_sent(uint64_t sent, void *context)
{
	struct upload_job *job = context;
	uint64_t done = job->call.request.body.offset + sent;
	uint64_t size = job->blob->size;

	/* What is still being made becomes hardly more than its plain bytes. */
	if (job->growing && !upload_job_is_whole(job))
		size = job->growing->expected > done ? job->growing->expected : done + 1;
	const struct registry_transfer transfer = {
		.is_upload = true, .digest = upload_job_name(job), .done = done, .size = size};

	if (job->call.request.body.growing && !job->call.request.body.sized)
		job->in_request = sent;
	client_tell_transfer(job->upload->client, &transfer, &job->told_ms);
}

bool upload_was_chunk(const struct upload_job *job)
{
	return job->step == UPLOAD_PATCH && job->call.request.body.sized &&
	       (job->sent > 0 || job->in_request < job->blob->size || !upload_job_is_whole(job));
}

/* The next `size` bytes of the file. */
static void add_bytes(struct upload_job *job, uint64_t size)
{
	struct http_request *request = &job->call.request;
	bool is_chunk = size > 0 && (job->sent > 0 || size < job->blob->size || !upload_job_is_whole(job));

	request->body = (struct http_body){.fd = job->fd,
					   .offset = job->sent,
					   .size = size,
					   .growing = upload_job_is_there(job) ? NULL : job->arriving,
					   .sized = true,
					   .present = true,
					   .moved = tell_sent,
					   .moved_context = job};
	http_request_set_header(request, "Content-Type", "application/octet-stream");
	if (is_chunk) {
		cleanup_free char *range = mem_printf("%llu-%llu", (unsigned long long)job->sent,
						      (unsigned long long)(job->sent + size - 1));
		http_request_set_header(request, "Content-Range", range);
	}
	/* After a cut the registry is asked first how much it has: not simply again. */
	request->flags = HTTP_ONCE;
	job->in_request = size;
}

/* All bytes, as they come. */
static int send_stream(struct upload_job *job, struct error **err)
{
	new_request(job);
	add_bytes(job, 0);
	job->call.request.body.growing = job->growing;
	job->call.request.body.sized = false;
	return send_request(job, UPLOAD_PATCH, "PATCH", mem_strdup(job->location), err);
}

static int send_put(struct upload_job *job, struct error **err)
{
	cleanup(buf_done) struct buf query = BUF_INIT(URL_SIZE_MAX);
	char text[DIGEST_TEXT_SIZE];

	new_request(job);
	if (job->sent < job->blob->size) {
		add_bytes(job, job->blob->size - job->sent);
	} else {
		add_empty_body(job);
		job->call.request.flags = HTTP_ONCE;
		job->in_request = 0;
	}
	buf_append_str(&query, "digest=");
	url_escape(&query, digest_format(&job->blob->digest, text));
	return send_request(job, UPLOAD_PUT, "PUT", url_add_query(job->location, buf_str(&query)), err);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A blob that is a small part of all is worth no more requests than it needs. */
static bool goes_in_pieces(const struct upload_job *job)
{
	uint64_t part = bytes_of_all(job->upload) / PARTS_AT_LEAST;

	return !upload_job_is_whole(job) || job->blob->size > larger(smaller(part, CHUNK_MAX), UPLOAD_CHUNK_SMALLEST);
}

/* How many bytes go into the next request; of a blob that grows perhaps more than are there yet. */
static uint64_t next_size(const struct upload_job *job)
{
	const struct upload_habits *habits = session_upload_habits(job->upload->session);
	uint64_t left = job->blob->size - job->sent;
	uint64_t size = upload_job_is_whole(job) ? left : UINT64_MAX;

	if (job->monolithic || habits->loses_chunks)
		return size;
	if (goes_in_pieces(job))
		size = smaller(size, smaller(job->blob->size / PARTS_AT_LEAST + 1, CHUNK_MAX));
	if (job->chunk > 0)
		size = smaller(size, job->chunk);
	if (habits->body_max > 0)
		size = smaller(size, habits->body_max);
	size = larger(size, UPLOAD_CHUNK_SMALLEST);
	if ((size < left || !upload_job_is_whole(job)) && !habits->keeps_chunks)
		size = smaller(size, CHUNK_TRIAL);
	size = larger(size, job->chunk_min);
	return upload_job_is_whole(job) ? smaller(size, left) : size;
}

int upload_send_bytes(struct upload_job *job, struct error **err)
{
	if (may_stream(job))
		return send_stream(job, err);
	uint64_t size = next_size(job);
	uint64_t left = job->blob->size - job->sent;
	bool is_last = size == left && upload_job_is_whole(job);

	if (size > left)
		return upload_wait_for(job, size == UINT64_MAX ? size : job->sent + size, upload_send_bytes, err);
	if (is_last && (job->monolithic || job->blob->size <= SINGLE_PUT_MAX || job->sent == job->blob->size))
		return upload_wait_for(job, UINT64_MAX, send_put, err);
	new_request(job);
	add_bytes(job, size);
	return send_request(job, UPLOAD_PATCH, "PATCH", mem_strdup(job->location), err);
}

int upload_send_status(struct upload_job *job, struct error **err)
{
	new_request(job);
	return send_request(job, UPLOAD_STATUS, "GET", mem_strdup(job->location), err);
}
