/*
 * The store, the id map and the way into the user namespace. What makes it long is the worker of workshop_call(): its
 * verdict, its error and its result have to come back through a pipe, and all workers of one command have to stand in
 * one namespace, so that newuidmap is paid for once.
 */
#include "builder/workshop.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "builder/refused.h"
#include "run/translate.h"
#include "run/userns.h"

#define RESULT_MAX ((size_t)16 << 20)
#define MESSAGE_MAX ((size_t)64 << 10)
#define USERNS_VARIABLE "_COOPER_USERNS" /* run/userns.h sets it in the first worker */

struct workshop {
	struct workshop_options options;
	char *root, *runroot, *isolation; /* what options points at */
	struct store *store;
	struct idmap map;
	bool has_map;
	bool inside;
	bool translated;
	/* Of the first worker, for those that follow; -1 before. */
	int user_namespace, mount_namespace;
	char *userns_value;
	struct refused refused;
};

int workshop_open(const struct workshop_options *options, struct workshop **workshop, struct error **err)
{
	cleanup(workshop_close) struct workshop *w = mem_alloc(sizeof(*w));

	w->user_namespace = w->mount_namespace = -1;
	w->options = *options;
	w->options.store.root = w->root = mem_strdup(options->store.root);
	w->options.store.runroot = w->runroot = mem_strdup(options->store.runroot);
	w->options.isolation = w->isolation = mem_strdup(options->isolation);
	w->inside = userns_is_inside();
	if (options->isolation && strcmp(options->isolation, "translated") == 0) {
		if (w->inside)
			return error_set(err, ENOTSUP,
					 "--isolation translated is not for 'cooper unshare': there is a user "
					 "namespace already");
		w->translated = w->inside = true;
	}
	int rc = store_open(&w->options.store, &w->store, err);
	if (rc < 0)
		return rc;
	*workshop = take_ptr(&w);
	return 0;
}

void workshop_close(struct workshop *w)
{
	if (!w)
		return;
	store_close(w->store);
	refused_done(&w->refused);
	if (w->has_map)
		idmap_done(&w->map);
	fd_close(w->user_namespace);
	fd_close(w->mount_namespace);
	free(w->userns_value);
	free(w->root);
	free(w->runroot);
	free(w->isolation);
	free(w);
}

struct refused *workshop_refused(struct workshop *w)
{
	return &w->refused;
}

struct store *workshop_store(struct workshop *w)
{
	return w->store;
}

const struct workshop_options *workshop_options(const struct workshop *w)
{
	return &w->options;
}

bool workshop_is_inside(const struct workshop *w)
{
	return w->inside;
}

bool workshop_is_translated(const struct workshop *w)
{
	return w->translated;
}

/* In the new namespace: may our own id be one in it? Not root's own without CAP_SETFCAP (user_namespaces(7)). */
static int try_map(const struct workshop *w)
{
	if (w->map.kind != IDMAP_SINGLE)
		return 0;
	cleanup_free char *line = mem_printf("0 %u 1\n", w->map.uids.items[0].outside);
	cleanup_close int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, line, strlen(line)) < 0 ? errno : 0;
}

/* Will the kernel give a user namespace with one of mounts? Asked in a child, and only where a refusal is likely: with
 * ids to map and without no_new_privs nearly every machine does, and says why when it does not. */
static int try_namespaces(const struct workshop *w)
{
	if (w->map.kind != IDMAP_SINGLE && geteuid() != 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 0;
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ? errno : try_map(w));
	return pid < 0 || process_wait(pid, &status, NULL) < 0 ? 0 : status;
}

/* Where nobody has said how, and there are no namespaces, there is still the root that needs none. */
static void fall_to_translation(struct workshop *w)
{
	const char *isolation = w->isolation;
	bool may_choose = !isolation || !*isolation || strcmp(isolation, "auto") == 0 ||
			  strcmp(isolation, "oci") == 0 || strcmp(isolation, "rootless") == 0 ||
			  strcmp(isolation, "chroot") == 0;
	int code = w->inside || w->translated || !may_choose ? 0 : try_namespaces(w);

	if (code == 0 || translation_check(/* err */ NULL) < 0)
		return;
	log_warn("the kernel gives no user namespace here (%s); steps run in a root without namespaces instead, "
		 "the weakest isolation ('cooper info' says which rung, and what would raise it)",
		 strerror(code));
	idmap_done(&w->map);
	idmap_own(&w->map);
	w->translated = w->inside = true;
}

static void tell_store(struct workshop *w)
{
	cleanup_free char *plain = idmap_format(&w->map);
	/* Modes are kept in another way than where root may override them (base/owner.h). */
	cleanup_free char *text = mem_printf("%s%s", plain, w->translated ? ";translated" : "");

	store_set_id_map(w->store, text, w->map.kind == IDMAP_SINGLE);
}

int workshop_idmap(struct workshop *w, const struct idmap **map, struct error **err)
{
	if (!w->has_map) {
		int rc = w->translated ? idmap_own(&w->map)
			 : w->inside   ? idmap_current(&w->map, err)
				       : idmap_find(&w->map, err);
		if (rc < 0)
			return rc;
		w->has_map = true;
		fall_to_translation(w);
		tell_store(w);
	}
	if (map)
		*map = &w->map;
	return 0;
}

int workshop_enter(struct workshop *w, struct error **err)
{
	const struct idmap *map = NULL;
	int rc = workshop_idmap(w, &map, err);

	if (rc < 0 || w->inside)
		return rc;
	rc = userns_enter(map, err);
	if (rc < 0)
		return rc;
	w->inside = true;
	return store_reopen(w->store, err);
}

/* ---- the worker ---- */

/* What a worker says first; the error's message and the result follow. */
struct answer {
	int code;	/* what the task returned */
	int error_code; /* positive, 0 when no error was set */
	uint32_t message_size, result_size, userns_size;
	bool has_namespaces; /* this message carries two descriptors */
};

static int send_answer(int to, const struct answer *answer, const int *fds)
{
	struct iovec data = {.iov_base = (void *)answer, .iov_len = sizeof(*answer)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

	if (answer->has_namespaces) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), fds, 2 * sizeof(int));
	}
	return sendmsg(to, &message, MSG_NOSIGNAL) == sizeof(*answer) ? 0 : -EIO;
}

static int receive_answer(int from, struct answer *answer, int fds[2])
{
	struct iovec data = {.iov_base = answer, .iov_len = sizeof(*answer)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got;

	do {
		got = recvmsg(from, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	} while (got < 0 && errno == EINTR);
	if (got != sizeof(*answer))
		return -EIO;
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(2 * sizeof(int)))
		memcpy(fds, CMSG_DATA(header), 2 * sizeof(int));
	return 0;
}

/* Into the namespace of an earlier worker of ours. */
static int join(struct workshop *w, struct error **err)
{
	/* setns(2): the user namespace first, it gives the right to join the other. */
	if (setns(w->user_namespace, CLONE_NEWUSER) < 0)
		return error_set_errno(err, "join the user namespace");
	if (setns(w->mount_namespace, CLONE_NEWNS) < 0)
		return error_set_errno(err, "join the mount namespace");
	/* The supplementary groups stay, as in the first worker (run/userns.c): what the user may read by a group is to
	 * be found by each of them. */
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_set_errno(err, "become root in the user namespace");
	setenv(USERNS_VARIABLE, w->userns_value ? w->userns_value : "1", /* overwrite */ 1);
	w->inside = true;
	return 0;
}

static int worker_enter(struct workshop *w, struct error **err)
{
	int rc = 0;

	if (!w->inside)
		rc = w->user_namespace >= 0 ? join(w, err) : userns_enter(&w->map, err);
	if (rc < 0)
		return rc;
	w->inside = true;
	/* After the change of identity, which clears it (prctl(2)). */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return store_reopen(w->store, err);
}

enum worker_place { WORKER_INSIDE, WORKER_OUTSIDE };

static void worker(struct workshop *w, enum worker_place place, workshop_task *task, void *context, int to)
{
	bool first = place == WORKER_INSIDE && w->user_namespace < 0 && !w->inside;
	cleanup(buf_done) struct buf result = BUF_INIT(RESULT_MAX);
	cleanup_error struct error *error = NULL;
	int fds[2] = {-1, -1};

	int code = place == WORKER_INSIDE ? worker_enter(w, &error) : prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (code >= 0) {
		code = task(w, context, &result, &error);
		store_close(w->store);
		if (first) {
			fds[0] = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
			fds[1] = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
		}
	}
	if (code >= 0 && result.overflow)
		code = error_set(&error, EFBIG, "the worker's result is too large");
	const char *message = error ? error_message(error) : "";
	const char *userns = getenv(USERNS_VARIABLE);
	struct answer answer = {
		.code = code,
		.error_code = error_code(error),
		.message_size = (uint32_t)strnlen(message, MESSAGE_MAX),
		.result_size = (uint32_t)result.len,
		.userns_size = userns ? (uint32_t)strnlen(userns, MESSAGE_MAX) : 0,
		.has_namespaces = fds[0] >= 0 && fds[1] >= 0,
	};
	/* When the parent is gone nobody wants to know. */
	if (send_answer(to, &answer, fds) == 0 && fd_write_all(to, message, answer.message_size, NULL) == 0 &&
	    fd_write_all(to, buf_str(&result), answer.result_size, NULL) == 0 && userns)
		(void)fd_write_all(to, userns, answer.userns_size, NULL);
	_exit(0);
}

static int read_text(int from, uint32_t size, size_t max, struct buf *text)
{
	if (size > max)
		return -EIO;
	if (size == 0)
		return 0;
	cleanup_free char *bytes = mem_alloc(size);
	if (fd_read_full(from, bytes, size, NULL) != (ssize_t)size)
		return -EIO;
	buf_append(text, bytes, size);
	return 0;
}

/* What the worker said, or -EIO when it died before it had said all. */
static int read_worker(struct workshop *w, int from, struct answer *answer, struct buf *message, struct buf *result)
{
	cleanup(buf_done) struct buf userns = BUF_INIT(MESSAGE_MAX);
	int fds[2] = {-1, -1};

	if (receive_answer(from, answer, fds) < 0 || read_text(from, answer->message_size, MESSAGE_MAX, message) < 0 ||
	    read_text(from, answer->result_size, RESULT_MAX, result) < 0 ||
	    read_text(from, answer->userns_size, MESSAGE_MAX, &userns) < 0) {
		fd_close(fds[0]);
		fd_close(fds[1]);
		return -EIO;
	}
	if (answer->has_namespaces && w->user_namespace >= 0) { /* of one that was started with the first */
		fd_close(fds[0]);
		fd_close(fds[1]);
	} else if (answer->has_namespaces) {
		w->user_namespace = fds[0];
		w->mount_namespace = fds[1];
		w->userns_value = userns.len ? buf_take(&userns) : NULL;
	}
	return 0;
}

struct workshop_job {
	struct workshop *workshop;
	pid_t pid;
	int from;
};

static int start_worker(struct workshop *w, enum worker_place place, workshop_task *task, void *context,
			struct workshop_job **job, struct error **err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, "make a pair of sockets");
	cleanup_close int ours = pair[0];
	cleanup_close int theirs = pair[1];

	fflush(NULL); /* what is buffered must not be written by both */
	pid_t pid = fork();
	if (pid < 0)
		return error_set_errno(err, "start a worker");
	if (pid == 0) {
		fd_close(ours);
		worker(w, place, task, context, theirs);
	}
	struct workshop_job *made = mem_alloc(sizeof(*made));
	*made = (struct workshop_job){.workshop = w, .pid = pid, .from = take_fd(&ours)};
	*job = made;
	return 0;
}

int workshop_start(struct workshop *w, workshop_task *task, void *context, struct workshop_job **job,
		   struct error **err)
{
	int rc = workshop_idmap(w, /* map */ NULL, err);

	return rc < 0 ? rc : start_worker(w, WORKER_INSIDE, task, context, job, err);
}

int workshop_start_outside(struct workshop *w, workshop_task *task, void *context, struct workshop_job **job,
			   struct error **err)
{
	return start_worker(w, WORKER_OUTSIDE, task, context, job, err);
}

void workshop_kill(struct workshop_job *job)
{
	int status = 0;

	kill(job->pid, SIGKILL);
	process_wait(job->pid, &status, NULL);
	fd_close(job->from);
	free(job);
}

int workshop_finish(struct workshop_job *job, struct buf *result, struct error **err)
{
	cleanup_free struct workshop_job *owned = job;
	cleanup_close int ours = take_fd(&job->from);
	struct answer answer = {0};
	cleanup(buf_done) struct buf message = BUF_INIT(MESSAGE_MAX + 1);
	cleanup(buf_done) struct buf bytes = BUF_INIT(RESULT_MAX);
	int said = read_worker(owned->workshop, ours, &answer, &message, &bytes);
	int status = 0;
	int rc = process_wait(owned->pid, &status, err);
	if (rc < 0)
		return rc;
	if (said < 0)
		return error_set(err, EIO, "the worker in the user namespace died (%s %d)",
				 status > 128 ? "signal" : "exit status", status > 128 ? status - 128 : status);
	if (answer.code < 0) {
		error_set(err, answer.error_code ? answer.error_code : -answer.code, "%s", buf_str(&message));
		return answer.code;
	}
	if (result)
		buf_append(result, bytes.data, bytes.len);
	return answer.code;
}

static int call_outside(struct workshop *w, workshop_task *task, void *context, struct buf *result, struct error **err)
{
	struct workshop_job *job = NULL;
	int rc = workshop_start(w, task, context, &job, err);

	return rc < 0 ? rc : workshop_finish(job, result, err);
}

int workshop_call(struct workshop *w, workshop_task *task, void *context, struct buf *result, struct error **err)
{
	int rc = workshop_idmap(w, /* map */ NULL, err);

	if (rc < 0)
		return rc;
	if (!w->inside)
		return call_outside(w, task, context, result, err);
	cleanup(buf_done) struct buf unwanted = BUF_INIT(RESULT_MAX);
	return task(w, context, result ? result : &unwanted, err);
}
