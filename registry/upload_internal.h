/*
 * A batch of uploads (upload.c), and one of them on its way through the steps of the protocol (upload_job.c judges the
 * answers, upload_fault.c what goes wrong, upload_send.c makes the requests):
 *
 *	HEAD     is it there?                          -> done
 *	MOUNT    POST ?mount=&from=, another repository -> done, or a Location as from POST
 *	POST     open a session                        -> a Location
 *	PATCH    all bytes, or a piece of them         -> a new Location     (small blobs go with the PUT)
 *	PUT      ?digest=                              -> done
 *
 * A blob that is much of what is to be sent goes in pieces, of which the first are small: a registry that loses or
 * refuses them is found out early, and gets all in one PUT.
 *
 * Any failure of PATCH or PUT that may pass leads to
 *
 *	STATUS   GET the Location: where does it stand?   -> PATCH the rest, or PUT when all is there
 *	CHECK    HEAD the blob: the answer that was lost may have been "created"   -> done
 *
 * and from there, when neither helps, to a new POST. A blob that is still being made begins with POST, for HEAD needs
 * its digest; it goes in one PATCH without a length, or, where it may become large and after a fault, in pieces of what
 * is there, and waits where there is nothing left to send. A blob that arrives from elsewhere meanwhile is known to be
 * missing here: it too begins with POST, then goes as any other, only that the bodies of PATCH wait for their bytes,
 * and PUT, which makes the blob visible, for all of it to have been checked.
 *
 * Every repetition counts against the retries of the client, until there are more bytes on the other side than there
 * ever were.
 */
#ifndef COOPER_REGISTRY_UPLOAD_INTERNAL_H
#define COOPER_REGISTRY_UPLOAD_INTERNAL_H

#include "imagefmt/feed.h"
#include "imagefmt/manifest.h"
#include "imagefmt/store.h"
#include "registry/interrupt.h"
#include "registry/session.h"

enum upload_step { UPLOAD_HEAD, UPLOAD_MOUNT, UPLOAD_POST, UPLOAD_PATCH, UPLOAD_PUT, UPLOAD_STATUS, UPLOAD_CHECK };

struct upload;

struct upload_job {
	struct upload *upload;
	const struct descriptor *blob;	     /* of one that grows: &made */
	const struct growing_blob *growing;  /* NULL: the blob is whole, or was when it began */
	const struct growing_blob *arriving; /* of one that is known, while its bytes come; NULL */
	unsigned files;			     /* of it: which of them `fd` is */
	struct descriptor made;		     /* what is there of it; its digest once it is whole */
	bool begun;
	int (*resume)(struct upload_job *job, struct error **err); /* what it waits to do; NULL: it does not wait */
	uint64_t wants;						   /* until there are so many bytes, or all */
	enum upload_step step;
	int fd;
	char *location;		/* where the session goes on */
	uint64_t sent;		/* what the registry says it has */
	uint64_t reached;	/* the most that it ever had */
	uint64_t in_request;	/* bytes of the last PATCH or PUT */
	uint64_t chunk;		/* largest body after a session was lost; 0: no limit */
	uint64_t chunk_min;	/* what the registry wants at least, but for the last */
	bool monolithic;	/* all bytes in the PUT: chunks are lost there */
	bool restarted;		/* the registry found other bytes than were sent: one more chance */
	bool was_refused;	/* the last bytes were answered with a no, and not cut off */
	bool range_refused;	/* with 416, and asked where it stands it said what we had said */
	struct error *doubt;	/* PUT was answered with this, neither "created" nor a no; NULL */
	bool was_there;		/* nothing of it has to be sent */
	bool is_there;		/* the blob is in the repository now */
	bool told;		/* that it is being sent */
	unsigned attempts;	/* repetitions so far, since there was progress */
	int64_t delay_ms;	/* before the next request */
	struct strlist sources; /* repositories to mount from that have not been asked yet */
	struct session_call call;
	int64_t told_ms;
};

/* A repository to mount from has a token of its own, with both scopes: where the other scope is refused with the whole
 * token (GitLab), what is sent does not suffer. */
struct mount_source {
	char *path;
	struct session *session;
	bool refused;
};

struct upload {
	struct registry_client *client;
	struct session *session;
	struct blob_feed *feed; /* or NULL; its blobs are the last jobs */
	struct http_watch feed_watch;
	struct interrupt interrupt;
	struct http_watch interrupt_watch;
	struct store *store; /* NULL: `data` is the only blob */
	const void *data;
	bool only_look; /* nothing is sent */
	bool searched;	/* the store, for repositories to mount from */
	struct upload_job *jobs;
	size_t count;
	size_t growing_count; /* of those: the feed's, at the end */
	size_t next;	      /* not started yet */
	size_t running;
	struct mount_source *sources;
	size_t source_count;
	struct strlist abandoned; /* Locations of sessions that nobody will finish */
	int rc;
	struct error *error;
};

/* ---- upload_job.c ---- */

#define JOB_IS_DONE 1

/* A blob that grows is sent before it is whole when it is at least so large: smaller ones gain nothing by it, and whose
 * digest is known need perhaps not be sent at all. */
#define UPLOAD_GROWING_MIN ((uint64_t)16 << 20)

/* The first request. */
int upload_job_start(struct upload_job *job, struct error **err);
/* What an answer, or its failure, leads to: 0 and the next request is under way; JOB_IS_DONE; a failure. */
int upload_job_go_on(struct upload_job *job, int rc, const struct http_answer *answer, struct error **err);
/* There is more of a blob that grows: goes on if that was waited for. */
int upload_job_fed(struct upload_job *job, struct error **err);
/* Makes job->fd the file that the arriving blob is in now, if it is in one. */
int upload_open_arriving(struct upload_job *job, struct error **err);
/* What to call the blob: its digest, or its layer's as long as it has none. */
const struct digest *upload_job_name(const struct upload_job *job);
void upload_job_end(struct upload_job *job);

/* ---- upload_fault.c: results as above, unless it says otherwise ---- */

/* Counts a repetition: 0, or a negative errno when there have been enough. */
int upload_spend_attempt(struct upload_job *job, int rc, const struct http_answer *answer, struct error **err);
/* PATCH or PUT failed (rc < 0, and `answer` is NULL) or was refused. When that may pass: what does the registry have?
 */
int upload_recover(struct upload_job *job, int rc, const struct http_answer *answer, struct error **err);
/* From now on all bytes in the PUT. */
int upload_send_in_one(struct upload_job *job, struct error **err);
int upload_start_anew(struct upload_job *job, struct error **err);
/* The session is gone; perhaps because it is done, when all has been sent. */
int upload_look_or_start_anew(struct upload_job *job, struct error **err);
/* What was sent last is lost. Next time less is at stake. */
void upload_be_careful(struct upload_job *job);

/* ---- upload_send.c: each starts one request, unless it says otherwise; results as above ---- */

#define UPLOAD_CHUNK_CAREFUL ((uint64_t)16 << 20) /* at most, after a 413 */
/* What the narrowest of proxies lets through. */
#define UPLOAD_CHUNK_SMALLEST ((uint64_t)1 << 20)
/* The last PATCH was not all of the blob. */
bool upload_was_chunk(const struct upload_job *job);

bool upload_job_is_whole(const struct upload_job *job);
/* All bytes are there, and what arrives has been checked. */
bool upload_job_is_there(const struct upload_job *job);
/* Calls `then` when there are `size` bytes of the blob, or all of it: perhaps at once. */
int upload_wait_for(struct upload_job *job, uint64_t size, int (*then)(struct upload_job *job, struct error **err),
		    struct error **err);
/* UPLOAD_HEAD or UPLOAD_CHECK. Only of a whole blob. */
int upload_send_head(struct upload_job *job, enum upload_step step, struct error **err);
int upload_send_post(struct upload_job *job, struct error **err);
/* From the next repository to mount from; when there is none (left), as upload_send_post(). */
int upload_send_mount(struct upload_job *job, struct error **err);
/* As many of the bytes that the registry lacks as shall go at once, by PATCH or PUT; waits when they are not there. */
int upload_send_bytes(struct upload_job *job, struct error **err);
int upload_send_status(struct upload_job *job, struct error **err);

/* ---- upload.c ---- */

/* Fills the job's list of repositories to mount from. The store is asked when the first blob is missing. */
void upload_find_sources(struct upload_job *job);

/* The session for mounts from `path`; NULL when the registry has refused it. */
struct mount_source *upload_mount_source(struct upload *upload, const char *path);
/* It has: nothing more is asked of `path`. */
void upload_refuse_source(struct upload *upload, const char *path);

#endif
