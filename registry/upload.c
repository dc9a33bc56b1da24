/*
 * A batch of uploads; what one of them goes through is upload_job.c.
 */
#include "registry/upload.h"

#include <errno.h>
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
		cleanup_free struct digest *wanted = mem_alloc(upload->count * sizeof(*wanted));
		for (size_t i = 0; i < upload->count; i++)
			wanted[i] = upload->jobs[i].blob->digest;
		known_blobs_from_store(upload->client, upload->store, session_domain(session), wanted, upload->count);
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

	rc = upload_job_go_on(job, rc, answer, err);
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

static int open_blob(struct upload_job *job, struct error **err)
{
	struct upload *upload = job->upload;
	uint64_t size = job->blob->size;

	if (upload->only_look)
		return 0;
	job->fd = upload->store ? blob_open(upload->store, &job->blob->digest, &size, err)
				: fd_from_memory("blob", upload->data, size, err);
	if (job->fd < 0)
		return job->fd;
	if (size != job->blob->size)
		return error_set(err, EBADMSG, "%llu bytes in the store, %llu in the manifest",
				 (unsigned long long)size, (unsigned long long)job->blob->size);
	return 0;
}

static void start_jobs(struct upload *upload)
{
	struct error *error = NULL;

	while (upload->rc == 0 && upload->next < upload->count && upload->running < upload->client->parallel) {
		struct upload_job *job = &upload->jobs[upload->next++];
		if (job->is_there)
			continue;
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
	job->is_there =
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
	return rc == 0 || rc == -EACCES || rc == -EREMOTEIO || rc == -ENOENT;
}

static int run(struct upload *upload, struct error **err)
{
	int rc = session_ready(upload->session, err);

	if (rc < 0)
		return rc;
	start_jobs(upload);
	rc = http_transport_run(upload->client->transport, err);
	http_transport_cancel(upload->client->transport);
	if (rc == 0 && upload->rc < 0) {
		rc = upload->rc;
		if (err)
			*err = take_ptr(&upload->error);
	}
	for (size_t i = 0; i < upload->count; i++)
		upload_job_end(&upload->jobs[i]);
	if (is_answered(rc))
		cancel_sessions(upload);
	return rc;
}

int upload_blobs(struct registry_client *client, struct session *session, const struct descriptor *const *blobs,
		 size_t count, struct store *store, struct error **err)
{
	cleanup(upload_done) struct upload upload = {.client = client, .session = session, .store = store};

	upload.jobs = mem_alloc(count * sizeof(*upload.jobs));
	for (size_t i = 0; i < count; i++)
		add_job(&upload, blobs[i]);
	return run(&upload, err);
}

int upload_look(struct registry_client *client, struct session *session, const struct descriptor *const *blobs,
		size_t count, const char *from, bool *has, struct error **err)
{
	cleanup(upload_done) struct upload upload = {.client = client, .session = session, .only_look = true};

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
	cleanup(upload_done) struct upload upload = {.client = client, .session = session, .data = data};
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
