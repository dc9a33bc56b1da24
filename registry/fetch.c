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
#include "registry/elsewhere.h"
#include "registry/mirrors.h"

#define RANGE_OVERLAP ((uint64_t)4 << 10)
#define RANGE_SIZE_LEAST ((uint64_t)512 << 10)
#define RANGES_AT_LEAST 16
#define DOUBTS_MAX 2

enum job_state { JOB_PENDING, JOB_RUNNING, JOB_DONE };

struct fetch;

struct fetch_job {
	struct fetch *fetch;
	const struct descriptor *blob;
	enum job_state state;
	int lock;
	struct blob_writer *writer;
	struct session_call call;
	char *etag;		/* strong, of the bytes so far; NULL */
	const char *address;	/* of the blob's own that it comes from; NULL: the registry */
	size_t passed;		/* of its addresses */
	struct strlist reasons; /* why it did not come from the places before */
	bool refetched;		/* a wrong digest gets one more chance */
	uint64_t at;		/* where in the blob the next byte belongs */
	uint64_t until;		/* the end of the part that was asked for */
	unsigned doubts;	/* about answers that could not be right */
	bool got_all;		/* where only the rest was asked for */
	unsigned attempts;	/* after bodies that were too short, since more came than ever before */
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
	strlist_done(&job->reasons);
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

/* The rest is asked for in parts: whether an answer is one to this question shows in it, and a wrong one is not long.
 */
static uint64_t range_size(const struct fetch_job *job)
{
	uint64_t part = job->blob->size / RANGES_AT_LEAST;

	return part < RANGE_SIZE_LEAST ? RANGE_SIZE_LEAST : part;
}

/* Each attempt goes on where the one before ended, or rather a little before: an answer to another range than was
 * asked for, which does not say so, is then seen at once, and not when the digest of all is wrong. */
static int ask_for_rest(void *context, struct http_request *request, struct error **err)
{
	struct fetch_job *job = context;
	uint64_t have = blob_writer_size(job->writer);

	(void)err;
	job->at = have > RANGE_OVERLAP ? have - RANGE_OVERLAP : 0;
	job->until = job->at + range_size(job) < job->blob->size ? job->at + range_size(job) : job->blob->size;
	cleanup_free char *range = job->at > 0 ? mem_printf("bytes=%llu-%llu", (unsigned long long)job->at,
							    (unsigned long long)job->until - 1)
					       : NULL;
	http_request_set_header(request, "Range", range);
	http_request_set_header(request, "If-Range", job->at > 0 ? job->etag : NULL);
	return 0;
}

static void remember_etag(struct fetch_job *job, const struct http_answer *answer)
{
	const char *etag = http_answer_header(answer, "ETag");

	mem_replace(&job->etag, etag && *etag == '"' ? etag : NULL); /* a weak one ("W/") is none for ranges */
}

/* An answer that cannot be right. A few times the same is asked again; then for all, from the first byte. */
static int doubt(struct fetch_job *job)
{
	int rc = ++job->doubts > DOUBTS_MAX ? blob_writer_restart(job->writer, NULL) : 0;

	return rc < 0 ? rc : -EAGAIN;
}

/* A page instead of the blob, as of a front that wants one to log in. */
static bool is_something_else(const struct fetch_job *job, const struct http_answer *answer)
{
	const char *type = http_answer_header(answer, "Content-Type");
	uint64_t size = 0;

	return (http_answer_size(answer, &size) && size != job->blob->size) ||
	       (type && strncasecmp(type, "text/html", strlen("text/html")) == 0);
}

static bool is_rest(const struct fetch_job *job, const struct http_answer *answer)
{
	const char *range = http_answer_header(answer, "Content-Range");
	uint64_t first = 0;
	uint64_t last = 0;
	uint64_t size = 0;

	return answer->status == 206 && range && http_range_parse(range, &first, &last) == 0 && first == job->at &&
	       last >= first && last < job->blob->size &&
	       (!http_answer_size(answer, &size) || size == last - first + 1);
}

/* Does the body begin where we are? */
static int check_start(void *context, const struct http_answer *answer, struct error **err)
{
	struct fetch_job *job = context;
	uint64_t size = 0;

	remember_etag(job, answer);
	if (answer->status == 200) {
		/* One that stays the same is taken for what it is: then size and digest have the last word. */
		if (job->doubts < DOUBTS_MAX && is_something_else(job, answer)) {
			http_answer_size(answer, &size);
			error_set(err, EAGAIN, "what came is not the blob (%llu bytes instead of %llu)",
				  (unsigned long long)size, (unsigned long long)job->blob->size);
			return doubt(job);
		}
		/* A slip, or that is how it is there. What is here already is worth one more question. */
		if (job->at >= RANGE_SIZE_LEAST && !job->got_all) {
			job->got_all = true;
			return error_set(err, EAGAIN, "HTTP 200 with all of it instead of the rest");
		}
		job->at = 0;
		return blob_writer_size(job->writer) > 0 ? blob_writer_restart(job->writer, err) : 0;
	}
	if (is_rest(job, answer))
		return 0;
	error_set(err, EAGAIN, "HTTP %d with another range than asked for", answer->status);
	return doubt(job);
}

/* Leaves out what is there already; *size may become 0. */
static int skip_known(struct fetch_job *job, const char **data, size_t *size, struct error **err)
{
	uint64_t have = blob_writer_size(job->writer);
	size_t known = have - job->at < *size ? (size_t)(have - job->at) : *size;

	if (!blob_writer_has(job->writer, job->at, *data, known)) {
		error_set(err, EAGAIN, "the bytes are not those that came before");
		return doubt(job);
	}
	job->at += known;
	*data += known;
	*size -= known;
	return 0;
}

static int take_data(void *context, const void *data, size_t size, struct error **err)
{
	struct fetch_job *job = context;
	const char *rest = data;
	int rc = 0;

	job->call.renewals = 0;
	if (job->at < blob_writer_size(job->writer))
		rc = skip_known(job, &rest, &size, err);
	if (rc < 0 || size == 0)
		return rc;
	rc = blob_writer_write(job->writer, rest, size, err);
	job->at = blob_writer_size(job->writer);
	const struct registry_transfer transfer = {
		.digest = &job->blob->digest, .done = job->at, .size = job->blob->size};
	if (rc == 0)
		client_tell_transfer(job->fetch->client, &transfer, &job->told_ms);
	return rc;
}

/* ---- A job's course ---- */

static void start_jobs(struct fetch *fetch);
static void on_answer(void *context, int rc, struct http_answer *answer, struct error **err);

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
	char *url = job->address ? mem_strdup(job->address)
				 : session_url(fetch->session, "blobs/%s", digest_format(&job->blob->digest, text));

	http_request_done(&job->call.request);
	http_request_init(&job->call.request, "GET", url, 0);
	job->call.request.receiver = &receiver;
	job->call.request.receiver_context = job;
	job->call.request.delay_ms = delay_ms;
	if (!job->address)
		return session_start(&job->call, err);
	job->call.request.flags = HTTP_STRANGER;
	http_transport_start(fetch->client->transport, &job->call.request, on_answer, job);
	return 0;
}

/* A part of the blob ends before all of it; and a body without a length that ends too early looks like a whole one: a
 * proxy has lost its other side. True when the rest is to be asked for. */
static bool is_cut(struct fetch_job *job, const struct http_answer *answer, int64_t *wait_ms)
{
	uint64_t have = blob_writer_size(job->writer);

	if (!http_answer_is_success(answer) || have >= job->blob->size)
		return false;
	if (answer->status == 206 && have == job->until) { /* so far, so good */
		*wait_ms = 0;
		job->reached = have;
		return true;
	}
	if (have > job->reached) {
		job->reached = have;
		job->attempts = 0;
	}
	*wait_ms = http_transport_retry_wait(job->fetch->client->transport, ++job->attempts, NULL);
	return *wait_ms >= 0;
}

/* HTTP 416: the other side has another idea of the blob, perhaps only now. */
static bool is_out_of_range(struct fetch_job *job, const struct http_answer *answer, int64_t *wait_ms)
{
	if (answer->status != 416 || blob_writer_size(job->writer) == 0 || ++job->doubts > DOUBTS_MAX)
		return false;
	*wait_ms = http_transport_retry_wait(job->fetch->client->transport, job->doubts, answer);
	return *wait_ms >= 0;
}

/* From the first byte on. */
static int begin_anew(struct fetch_job *job, struct error **err)
{
	free(take_ptr(&job->etag));
	blob_writer_free(take_ptr(&job->writer));
	int rc = blob_writer_new(job->fetch->store, &job->blob->digest, job->blob->size, &job->writer, err);
	return rc < 0 ? rc : start_transfer(job, /* delay_ms */ 0, err);
}

static int fetch_again(struct fetch_job *job, struct error **err)
{
	log_debug("%s, fetching it again", err && *err ? error_message(*err) : "not the blob");
	error_clear(err);
	job->refetched = true;
	return begin_anew(job, err);
}

/* From the next of the blob's own addresses, when it has any. False: it has not, and *rc and *err are why it did not
 * come from the last. */
static bool fetch_elsewhere(struct fetch_job *job, int *rc, struct error **err)
{
	while (!mirrors_cannot_help(*rc)) {
		const char *address = elsewhere_next_address(job->blob, &job->passed);
		if (!address)
			return false;
		strlist_append(&job->reasons, err ? error_message(*err) : "failed");
		error_clear(err);
		job->address = address;
		job->refetched = false;
		job->doubts = 0;
		job->attempts = 0;
		job->reached = 0;
		*rc = begin_anew(job, err);
		if (*rc == 0)
			return true;
	}
	return false;
}

static void conclude_failed(struct fetch_job *job, int rc, struct error **err)
{
	char text[DIGEST_TEXT_SIZE];
	cleanup_free char *reasons = strlist_join(&job->reasons, "; ");

	if (*reasons)
		error_hint(err, "and before: %s", reasons);
	error_prefix(err, "blob %s", digest_format(&job->blob->digest, text));
	fail(job->fetch, rc, err);
}

/* Is what came what was asked for? */
static int check_blob(struct fetch_job *job, const struct http_answer *answer, struct error **err)
{
	if (answer->status == 416) /* the other side has a shorter or changed idea of the blob */
		return http_answer_error("GET", answer, err), -EBADMSG;
	if (!http_answer_is_success(answer))
		return job->address ? http_answer_error("GET", answer, err)
				    : session_refused(job->fetch->session, "GET", answer, err);
	return blob_writer_commit(job->writer, NULL, NULL, err);
}

/* The transfer is over. True when it was started once more. */
static bool conclude(struct fetch_job *job, int rc, const struct http_answer *answer, struct error **err)
{
	int64_t wait_ms = 0;

	if (rc == 0 && (is_cut(job, answer, &wait_ms) || is_out_of_range(job, answer, &wait_ms))) {
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
	if (rc < 0 && fetch_elsewhere(job, &rc, err))
		return true;
	if (rc < 0)
		conclude_failed(job, rc, err);
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

	if (is_here(job) || elsewhere_take_data(fetch->store, job->blob)) {
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
