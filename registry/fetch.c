/*
 * A batch of downloads. Each blob is a job: pending, running, or done.
 *
 * Several processes: a job runs only under the blob's lock. Locks are tried, never waited for, while anything runs: a
 * blob that another process is fetching is left for later. Only when nothing of ours is under way (and so no lock is
 * held) do we wait for the other process, and then look whether the blob has come. So no two processes ever wait for
 * each other.
 */
#include "registry/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/parse.h"
#include "imagefmt/blob.h"
#include "registry/client_internal.h"

enum job_state { JOB_PENDING, JOB_RUNNING, JOB_DONE };

struct fetch;

struct fetch_job {
	struct fetch *fetch;
	const struct descriptor *blob;
	enum job_state state;
	int lock;
	struct blob_writer *writer;
	struct session_call call;
	char *etag;	   /* strong, of the bytes so far; NULL */
	bool refetched;	   /* a wrong digest gets one more chance */
	unsigned attempts; /* after bodies that were too short, since more came than ever before */
	uint64_t reached;
	int64_t told_ms;
};

struct fetch {
	struct registry_client *client;
	struct session *session;
	struct store *store;
	struct fetch_job *jobs;
	size_t count;
	size_t running;
	int rc; /* the first failure */
	struct error *error;
};

static void job_end(struct fetch_job *job)
{
	blob_writer_free(job->writer);
	job->writer = NULL;
	http_request_done(&job->call.request);
	fd_close(job->lock);
	job->lock = -1;
	free(take_ptr(&job->etag));
}

static void fetch_done(struct fetch *fetch)
{
	for (size_t i = 0; i < fetch->count; i++)
		job_end(&fetch->jobs[i]);
	free(fetch->jobs);
	error_free(fetch->error);
}
CLEANUP_FOR_VALUE(struct fetch, fetch_done)

/* ---- What comes in ---- */

/* Each attempt goes on where the one before ended. */
static int ask_for_rest(void *context, struct http_request *request, struct error **err)
{
	const struct fetch_job *job = context;
	uint64_t have = blob_writer_size(job->writer);
	cleanup_free char *range = have > 0 ? mem_printf("bytes=%llu-", (unsigned long long)have) : NULL;

	(void)err;
	http_request_set_header(request, "Range", range);
	http_request_set_header(request, "If-Range", have > 0 ? job->etag : NULL);
	return 0;
}

static void remember_etag(struct fetch_job *job, const struct http_answer *answer)
{
	const char *etag = http_answer_header(answer, "ETag");

	mem_replace(&job->etag, etag && *etag == '"' ? etag : NULL); /* a weak one ("W/") is none for ranges */
}

/* Does the body begin where we are? */
static int check_start(void *context, const struct http_answer *answer, struct error **err)
{
	struct fetch_job *job = context;
	uint64_t have = blob_writer_size(job->writer);
	const char *range = http_answer_header(answer, "Content-Range");
	uint64_t first = 0;
	uint64_t last = 0;

	remember_etag(job, answer);
	if (answer->status == 200)
		return have > 0 ? blob_writer_restart(job->writer, err) : 0;
	if (answer->status == 206 && range && http_range_parse(range, &first, &last) == 0 && first == have)
		return 0;
	int rc = blob_writer_restart(job->writer, err);
	return rc < 0 ? rc : error_set(err, EAGAIN, "HTTP %d with another range than asked for", answer->status);
}

static int take_data(void *context, const void *data, size_t size, struct error **err)
{
	struct fetch_job *job = context;

	job->call.renewed = false;
	int rc = blob_writer_write(job->writer, data, size, err);
	const struct registry_transfer transfer = {
		.digest = &job->blob->digest, .done = blob_writer_size(job->writer), .size = job->blob->size};
	if (rc == 0)
		client_tell_transfer(job->fetch->client, &transfer, &job->told_ms);
	return rc;
}

/* ---- A job's course ---- */

static void start_jobs(struct fetch *fetch);

static void fail(struct fetch *fetch, int rc, struct error **err)
{
	if (fetch->rc < 0)
		return;
	fetch->rc = rc;
	fetch->error = take_ptr(err);
}

static int start_transfer(struct fetch_job *job, int64_t delay_ms, struct error **err)
{
	static const struct http_receiver receiver = {.begin = ask_for_rest, .head = check_start, .data = take_data};
	struct fetch *fetch = job->fetch;
	char text[DIGEST_TEXT_SIZE];
	char *url = session_url(fetch->session, "blobs/%s", digest_format(&job->blob->digest, text));

	http_request_done(&job->call.request);
	http_request_init(&job->call.request, "GET", url, 0);
	job->call.request.receiver = &receiver;
	job->call.request.receiver_context = job;
	job->call.request.delay_ms = delay_ms;
	return session_start(&job->call, err);
}

/* A body without a length that ends too early looks like a whole one: a proxy has lost its other side. True when the
 * rest is to be asked for. */
static bool is_cut(struct fetch_job *job, const struct http_answer *answer, int64_t *wait_ms)
{
	uint64_t have = blob_writer_size(job->writer);

	if (!http_answer_is_success(answer) || have >= job->blob->size)
		return false;
	if (have > job->reached) {
		job->reached = have;
		job->attempts = 0;
	}
	*wait_ms = http_transport_retry_wait(job->fetch->client->transport, ++job->attempts, NULL);
	return *wait_ms >= 0;
}

/* From the first byte on. */
static int fetch_again(struct fetch_job *job, struct error **err)
{
	log_debug("%s, fetching it again", err && *err ? error_message(*err) : "not the blob");
	error_clear(err);
	job->refetched = true;
	blob_writer_free(take_ptr(&job->writer));
	int rc = blob_writer_new(job->fetch->store, &job->blob->digest, job->blob->size, &job->writer, err);
	return rc < 0 ? rc : start_transfer(job, /* delay_ms */ 0, err);
}

/* Is what came what was asked for? */
static int check_blob(struct fetch_job *job, const struct http_answer *answer, struct error **err)
{
	if (answer->status == 416) /* the other side has a shorter or changed idea of the blob */
		return http_answer_error("GET", answer, err), -EBADMSG;
	if (!http_answer_is_success(answer))
		return session_refused(job->fetch->session, "GET", answer, err);
	return blob_writer_commit(job->writer, NULL, NULL, err);
}

/* The transfer is over. True when it was started once more. */
static bool conclude(struct fetch_job *job, int rc, const struct http_answer *answer, struct error **err)
{
	int64_t wait_ms = 0;

	if (rc == 0 && is_cut(job, answer, &wait_ms)) {
		rc = start_transfer(job, wait_ms, err);
		if (rc == 0)
			return true;
	} else if (rc == 0) {
		rc = check_blob(job, answer, err);
	}
	if ((rc == -EBADMSG || rc == -EFBIG) && !job->refetched) {
		rc = fetch_again(job, err);
		if (rc == 0)
			return true;
	}
	if (rc < 0) {
		char text[DIGEST_TEXT_SIZE];
		error_prefix(err, "blob %s", digest_format(&job->blob->digest, text));
		fail(job->fetch, rc, err);
	}
	return false;
}

static void on_answer(void *context, int rc, struct http_answer *answer, struct error **err)
{
	struct fetch_job *job = context;
	struct fetch *fetch = job->fetch;

	if (conclude(job, rc, answer, err))
		return;
	job_end(job);
	job->state = JOB_DONE;
	fetch->running--;
	if (fetch->rc < 0) {
		/* The others are given up; fetch_done() frees what they hold. */
		http_transport_cancel(fetch->client->transport);
		return;
	}
	start_jobs(fetch);
}

static bool is_here(struct fetch_job *job)
{
	uint64_t size = 0;

	return blob_exists(job->fetch->store, &job->blob->digest, &size) && size == job->blob->size;
}

/* Takes the blob's lock, now or after waiting. 0: taken; -EWOULDBLOCK: another process has it. */
static int lock_job(struct fetch_job *job, enum lock_wait wait, struct error **err)
{
	int lock = blob_lock(job->fetch->store, &job->blob->digest, wait, err);

	if (lock < 0)
		return lock;
	job->lock = lock;
	return 0;
}

/* With the lock held: fetches the blob unless it has come meanwhile. */
static int start_job(struct fetch_job *job, struct error **err)
{
	struct fetch *fetch = job->fetch;
	char text[DIGEST_TEXT_SIZE];

	if (is_here(job)) {
		job_end(job);
		job->state = JOB_DONE;
		return 0;
	}
	cleanup_free char *size = format_size(job->blob->size);
	if (!fetch->client->is_forked)
		client_tell(fetch->client, "Copying blob %s (%s)", digest_format(&job->blob->digest, text), size);
	int rc = blob_writer_new(fetch->store, &job->blob->digest, job->blob->size, &job->writer, err);
	if (rc == 0)
		rc = start_transfer(job, /* delay_ms */ 0, err);
	if (rc < 0)
		return error_prefix(err, "blob %s", digest_format(&job->blob->digest, text));
	job->state = JOB_RUNNING;
	fetch->running++;
	return 0;
}

/* Starts jobs until as many run as may. */
static void start_jobs(struct fetch *fetch)
{
	struct error *error = NULL;

	for (size_t i = 0; fetch->rc == 0 && i < fetch->count && fetch->running < fetch->client->parallel; i++) {
		struct fetch_job *job = &fetch->jobs[i];
		if (job->state != JOB_PENDING)
			continue;
		int rc = lock_job(job, LOCK_TRY, &error);
		if (rc == -EWOULDBLOCK) {
			error_clear(&error);
			continue;
		}
		if (rc == 0)
			rc = start_job(job, &error);
		if (rc < 0)
			fail(fetch, rc, &error);
	}
	error_free(error);
}

/* The first job that waits for another process; NULL when all are done. */
static struct fetch_job *first_pending(struct fetch *fetch)
{
	for (size_t i = 0; i < fetch->count; i++)
		if (fetch->jobs[i].state == JOB_PENDING)
			return &fetch->jobs[i];
	return NULL;
}

static int run_jobs(struct fetch *fetch, struct error **err)
{
	struct fetch_job *job = NULL;
	int rc = session_ready(fetch->session, err);

	while (rc == 0) {
		start_jobs(fetch);
		rc = http_transport_run(fetch->client->transport, err);
		job = rc == 0 && fetch->rc == 0 ? first_pending(fetch) : NULL;
		if (!job)
			break;
		rc = lock_job(job, LOCK_WAIT, err);
		if (rc == 0)
			rc = start_job(job, err);
	}
	if (rc == 0 && fetch->rc < 0) {
		rc = fetch->rc;
		if (err)
			*err = take_ptr(&fetch->error);
	}
	http_transport_cancel(fetch->client->transport);
	return rc;
}

int fetch_blobs(struct registry_client *client, struct session *session, const struct descriptor *const *blobs,
		size_t count, struct store *store, struct error **err)
{
	cleanup(fetch_done) struct fetch fetch = {.client = client, .session = session, .store = store};
	bool missing = false;

	fetch.jobs = mem_alloc(count * sizeof(*fetch.jobs));
	fetch.count = count;
	for (size_t i = 0; i < count; i++) {
		struct fetch_job *job = &fetch.jobs[i];
		*job = (struct fetch_job){.fetch = &fetch, .blob = blobs[i], .lock = -1};
		job->call = (struct session_call){.session = session, .done = on_answer, .context = job};
		http_request_init(&job->call.request, "GET", NULL, 0);
		if (is_here(job))
			job->state = JOB_DONE;
		else
			missing = true;
	}
	return missing ? run_jobs(&fetch, err) : 0;
}
