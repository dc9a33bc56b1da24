/*
 * A batch of uploads; what one of them goes through is upload_job.c.
 */
#include "registry/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "imagefmt/blob.h"
#include "registry/client_internal.h"
#include "registry/upload_internal.h"
#include "registry/url.h"

static void upload_done(struct upload *upload)
{
	for (size_t i = 0; i < upload->count; i++)
		upload_job_end(&upload->jobs[i]);
	free(upload->jobs);
	for (size_t i = 0; i < upload->source_count; i++) {
		free(upload->sources[i].path);
		session_free(upload->sources[i].session);
	}
	free(upload->sources);
	strlist_done(&upload->abandoned);
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
	bool corrected = here.https && !there.https;
	if (corrected) {
		if (strcmp(here.host, there.host) != 0)
			return error_set(err, EPERM, "the registry wants the upload sent over http, to '%s'",
					 there.host);
		free(resolved);
		resolved = mem_printf("%s%s", origin, there.rest);
	}
	*url = take_ptr(&resolved);
	return corrected ? LOCATION_CORRECTED : 0;
}

struct mount_source *upload_mount_source(struct upload *upload, const char *path)
{
	for (size_t i = 0; i < upload->source_count; i++)
		if (strcmp(upload->sources[i].path, path) == 0)
			return upload->sources[i].refused ? NULL : &upload->sources[i];
	upload->sources = mem_grow(upload->sources, upload->source_count + 1, sizeof(*upload->sources));
	struct mount_source *source = &upload->sources[upload->source_count++];
	*source = (struct mount_source){.path = mem_strdup(path), .session = session_like(upload->session)};
	session_add_source(source->session, path);
	return source;
}

void upload_find_sources(struct upload_job *job)
{
	struct upload *upload = job->upload;
	const struct session *session = upload->session;

	if (upload->only_look) /* which is told where */
		return;
	if (upload->store && !upload->searched) {
		size_t count = upload->count - upload->growing_count; /* the others are new */
		cleanup_free struct digest *wanted = mem_alloc((count + 1) * sizeof(*wanted));
		for (size_t i = 0; i < count; i++)
			wanted[i] = upload->jobs[i].blob->digest;
		known_blobs_from_store(upload->client, upload->store, session_domain(session), wanted, count);
	}
	upload->searched = true;
	known_blob_sources(upload->client, &job->blob->digest, session_domain(session), session_path(session),
			   &job->sources);
}

void upload_refuse_source(struct upload *upload, const char *path)
{
	for (size_t i = 0; i < upload->source_count; i++)
		if (strcmp(upload->sources[i].path, path) == 0)
			upload->sources[i].refused = true;
}

/* ---- The batch ---- */

static void start_jobs(struct upload *upload);

static void give_up(struct upload *upload, int rc, struct error **err)
{
	if (upload->rc < 0)
		return;
	upload->rc = rc;
	upload->error = take_ptr(err);
	upload->feed_watch.fd = -1; /* what is still being made is of no interest */
}

static void fail(struct upload_job *job, int rc, struct error **err)
{
	struct upload *upload = job->upload;
	char text[DIGEST_TEXT_SIZE];

	if (upload->rc < 0)
		return;
	error_prefix(err, "%s %s", job->growing ? "layer" : "blob", digest_format(upload_job_name(job), text));
	give_up(upload, rc, err);
}

/* What a step of a job has led to. */
static void after_step(struct upload_job *job, int rc, struct error **err)
{
	struct upload *upload = job->upload;

	if (rc == 0)
		return; /* the next step is under way */
	upload_job_end(job);
	upload->running--;
	if (rc < 0) {
		fail(job, rc, err);
		http_transport_cancel(upload->client->transport);
		return;
	}
	start_jobs(upload);
}

static void on_answer(void *context, int rc, struct http_answer *answer, struct error **err)
{
	struct upload_job *job = context;

	after_step(job, upload_job_go_on(job, rc, answer, err), err);
}

/* A blob that was whole before its turn came is one as any other. */
static int open_growing(struct upload_job *job, struct error **err)
{
	const struct growing_blob *growing = job->growing;

	if (growing->whole)
		job->growing = NULL;
	job->fd = fcntl(growing->fd, F_DUPFD_CLOEXEC, 0);
	return job->fd < 0 ? error_set_errno(err, "open what is being packed") : 0;
}

static int open_blob(struct upload_job *job, struct error **err)
{
	struct upload *upload = job->upload;
	uint64_t size = job->blob->size;

	if (upload->only_look)
		return 0;
	if (job->arriving)
		return upload_open_arriving(job, err);
	if (job->growing && job->growing->fd >= 0)
		return open_growing(job, err);
	job->growing = NULL; /* it lay in the store already */
	job->fd = upload->store ? blob_open(upload->store, &job->blob->digest, &size, err)
				: fd_from_memory("blob", upload->data, size, err);
	if (job->fd < 0)
		return job->fd;
	if (size != job->blob->size)
		return error_set(err, EBADMSG, "%llu bytes in the store, %llu in the manifest",
				 (unsigned long long)size, (unsigned long long)job->blob->size);
	return 0;
}

/* Of what is made meanwhile, or arrives: a session that waits for its first byte only gets old. */
static bool has_enough(const struct upload_job *job)
{
	if (job->arriving)
		return job->arriving->fd >= 0;
	return job->growing->whole || job->made.size >= UPLOAD_GROWING_MIN;
}

/* The next job that can begin. Those at the end wait until there is something of their blob. */
static struct upload_job *next_job(struct upload *upload)
{
	while (upload->next < upload->count - upload->growing_count) {
		struct upload_job *job = &upload->jobs[upload->next++];
		if (!job->is_there)
			return job;
	}
	for (size_t i = upload->next; i < upload->count; i++)
		if (!upload->jobs[i].begun && has_enough(&upload->jobs[i]))
			return &upload->jobs[i];
	return NULL;
}

static void start_jobs(struct upload *upload)
{
	struct error *error = NULL;

	while (upload->rc == 0 && upload->running < upload->client->parallel) {
		struct upload_job *job = next_job(upload);
		if (!job)
			break;
		int rc = open_blob(job, &error);
		if (rc == 0)
			rc = upload_job_start(job, &error);
		if (rc < 0) {
			fail(job, rc, &error);
			break;
		}
		upload->running++;
	}
	error_free(error);
}

/* ---- What is made meanwhile ---- */

static void add_growing(struct upload *upload, const struct growing_blob *growing)
{
	struct upload_job *job = &upload->jobs[upload->count++];

	upload->growing_count++;
	*job = (struct upload_job){.upload = upload, .growing = growing, .fd = -1};
	if (growing->is_known) {
		job->made = (struct descriptor){.digest = growing->digest, .size = growing->expected};
		job->arriving = growing;
		job->growing = NULL;
	}
	job->blob = &job->made;
	job->call = (struct session_call){.session = upload->session, .done = on_answer, .context = job};
	http_request_init(&job->call.request, NULL, NULL, 0);
}

static int on_news(void *context, struct error **err)
{
	struct upload *upload = context;
	int rc = upload->feed->take(upload->feed, err);

	upload->feed_watch.fd = upload->feed->fd;
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < upload->count && upload->rc == 0; i++) {
		struct error *error = NULL;
		struct upload_job *job = &upload->jobs[i];
		if ((job->growing || job->arriving) && !job->is_there)
			after_step(job, upload_job_fed(job, &error), &error);
		error_free(error);
	}
	start_jobs(upload);
	return 0;
}

/* ^C: what is under way is dropped, and the registry is told. */
static int on_interrupt(void *context, struct error **err)
{
	struct upload *upload = context;

	(void)err;
	if (interrupt_take(&upload->interrupt)) {
		struct error *error = NULL;
		give_up(upload, error_set(&error, EINTR, "interrupted"), &error);
		http_transport_cancel(upload->client->transport);
		upload->interrupt_watch.fd = -1;
		error_free(error);
	}
	return 0;
}

/* ---- Together ---- */

static struct upload_job *find_job(const struct upload *upload, const struct digest *digest)
{
	for (size_t i = 0; i < upload->count; i++)
		if (digest_equal(&upload->jobs[i].blob->digest, digest))
			return &upload->jobs[i];
	return NULL;
}

static void add_job(struct upload *upload, const struct descriptor *blob)
{
	const struct session *session = upload->session;
	struct upload_job *job = &upload->jobs[upload->count];

	if (find_job(upload, &blob->digest))
		return;
	upload->count++;
	*job = (struct upload_job){.upload = upload, .blob = blob, .fd = -1};
	job->call = (struct session_call){.session = upload->session, .done = on_answer, .context = job};
	http_request_init(&job->call.request, NULL, NULL, 0);
	job->was_there = job->is_there =
		known_blob_is_seen(upload->client, &blob->digest, session_domain(session), session_path(session));
}

static void ignore_answer(void *context, int rc, struct http_answer *answer, struct error **err)
{
	struct session_call *call = context;

	(void)rc, (void)answer, (void)err;
	http_request_done(&call->request);
}

/* A registry keeps sessions that nobody finishes for days. It need not let us remove them. */
static void cancel_sessions(struct upload *upload)
{
	const struct strlist *list = &upload->abandoned;
	cleanup_free struct session_call *calls = mem_alloc((list->count + 1) * sizeof(*calls));

	for (size_t i = 0; i < list->count; i++) {
		calls[i] =
			(struct session_call){.session = upload->session, .done = ignore_answer, .context = &calls[i]};
		http_request_init(&calls[i].request, "DELETE", mem_strdup(list->items[i]), HTTP_ERROR_BODY_MAX);
		calls[i].request.flags = HTTP_ONCE;
		if (session_start(&calls[i], NULL) < 0)
			http_request_done(&calls[i].request);
	}
	if (list->count > 0 && http_transport_run(upload->client->transport, NULL) < 0)
		log_debug("uploads that were given up could not be cancelled");
}

/* True when the other side is still there to be told that we give up. */
static bool is_answered(int rc)
{
	return rc == 0 || rc == -EACCES || rc == -EREMOTEIO || rc == -ENOENT || rc == -EPIPE; /* the feed's end */
}

static int run(struct upload *upload, struct error **err)
{
	struct http_watch *const watches[] = {&upload->interrupt_watch, &upload->feed_watch};
	int rc = session_ready(upload->session, err);

	if (rc < 0)
		return rc;
	interrupt_hold(&upload->interrupt);
	upload->interrupt_watch =
		(struct http_watch){.fd = upload->interrupt.fd, .ready = on_interrupt, .context = upload};
	upload->feed_watch = (struct http_watch){
		.fd = upload->feed ? upload->feed->fd : -1, .keeps_loop = true, .ready = on_news, .context = upload};
	start_jobs(upload);
	rc = http_transport_run_with(upload->client->transport, watches, ARRAY_COUNT(watches), err);
	http_transport_cancel(upload->client->transport);
	if (rc == 0 && upload->rc < 0) {
		rc = upload->rc;
		if (err)
			*err = take_ptr(&upload->error);
	}
	for (size_t i = 0; i < upload->count; i++)
		upload_job_end(&upload->jobs[i]);
	/* ^C at a terminal is for the worker as well, whose end may have been noticed first. */
	bool interrupted = interrupt_take(&upload->interrupt);
	interrupt_release(&upload->interrupt);
	if (is_answered(rc) || interrupted)
		cancel_sessions(upload);
	interrupt_pass_on(&upload->interrupt);
	return rc;
}

int upload_blobs(struct registry_client *client, struct session *session, const struct descriptor *const *blobs,
		 size_t count, struct blob_feed *feed, struct store *store, struct error **err)
{
	cleanup(upload_done) struct upload upload = {
		.client = client, .session = session, .feed = feed, .store = store, .interrupt = INTERRUPT_INIT};
	size_t growing = feed ? feed->count : 0;

	upload.jobs = mem_alloc((count + growing) * sizeof(*upload.jobs));
	for (size_t i = 0; i < count; i++)
		add_job(&upload, blobs[i]);
	for (size_t i = 0; i < growing; i++)
		add_growing(&upload, &feed->blobs[i]);
	return run(&upload, err);
}

int upload_look(struct registry_client *client, struct session *session, const struct descriptor *const *blobs,
		size_t count, const char *from, bool *has, struct error **err)
{
	cleanup(upload_done) struct upload upload = {
		.client = client, .session = session, .only_look = true, .interrupt = INTERRUPT_INIT};

	upload.jobs = mem_alloc(count * sizeof(*upload.jobs));
	for (size_t i = 0; i < count; i++)
		add_job(&upload, blobs[i]);
	for (size_t i = 0; from && i < upload.count; i++)
		strlist_append(&upload.jobs[i].sources, from);
	int rc = run(&upload, err);
	if (rc < 0 && is_answered(rc)) { /* a refusal to tell is a no */
		error_clear(err);
		rc = 0;
	}
	for (size_t i = 0; rc == 0 && i < count; i++)
		has[i] = find_job(&upload, &blobs[i]->digest)->is_there;
	return rc;
}

int upload_bytes(struct registry_client *client, struct session *session, const void *data, size_t size,
		 struct digest *digest, struct error **err)
{
	cleanup(upload_done) struct upload upload = {
		.client = client, .session = session, .data = data, .interrupt = INTERRUPT_INIT};
	struct descriptor blob = {.size = size};
	int rc = digest_of(data, size, &blob.digest, err);

	if (rc < 0)
		return rc;
	upload.jobs = mem_alloc(sizeof(*upload.jobs));
	add_job(&upload, &blob);
	rc = run(&upload, err);
	if (rc == 0)
		*digest = blob.digest;
	return rc;
}
