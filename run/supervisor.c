/*
 * The loop between the kernel's questions and the handlers' answers.
 */
#include "run/supervisor.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

/* Linux 6.6; newer than the headers of Debian 12. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* ---- In the child ---- */

int supervisor_install(const struct buf *program, struct error **err)
{
	struct sock_fprog filter = {
		.len = (unsigned short)(program->len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(void *)program->data,
	};
	unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);

	if (fd < 0 && errno == EINVAL) {
		flags &= ~(unsigned)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
	}
	if (fd < 0 && errno == EBUSY)
		return error_set(err, EBUSY,
				 "a system call filter around us has a listener already, and there can be one only");
	return fd < 0 ? error_set_errno(err, "load the supervisor's filter") : (int)fd;
}

/* ---- Which handler ---- */

#define NATIVE_CALLS 512

struct trap_index {
	uint32_t arch; /* of the first table: whose calls are found at once */
	const struct trap_entry *by_number[NATIVE_CALLS];
	size_t count;
	const struct trap_entry *entries[];
};

static int compare_entries(const void *a, const void *b)
{
	const struct trap_entry *x = *(const struct trap_entry *const *)a;
	const struct trap_entry *y = *(const struct trap_entry *const *)b;

	if (x->arch != y->arch)
		return x->arch < y->arch ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static struct trap_index *make_index(const struct trap_table *table)
{
	size_t count = 0;

	for (const struct trap_table *at = table; at; at = at->also)
		count += at->count;
	struct trap_index *index = mem_alloc(sizeof(*index) + count * sizeof(index->entries[0]));
	for (const struct trap_table *at = table; at; at = at->also)
		for (size_t i = 0; i < at->count; i++)
			index->entries[index->count++] = &at->entries[i];
	qsort(index->entries, index->count, sizeof(index->entries[0]), compare_entries);
	index->arch = table->entries[0].arch;
	for (size_t i = 0; i < index->count; i++) {
		const struct trap_entry *entry = index->entries[i];
		if (entry->arch == index->arch && (unsigned)entry->number < NATIVE_CALLS)
			index->by_number[entry->number] = entry;
	}
	return index;
}

static const struct trap_entry *find_entry(const struct supervisor *s, const struct trap *trap)
{
	if (trap->arch == s->index->arch && (unsigned)trap->number < NATIVE_CALLS)
		return s->index->by_number[trap->number];
	const struct trap_entry wanted = {.arch = trap->arch, .number = trap->number};
	const struct trap_entry *key = &wanted;
	const struct trap_entry *const *found =
		bsearch(&key, s->index->entries, s->index->count, sizeof(s->index->entries[0]), compare_entries);

	return found ? *found : NULL;
}

/* ---- Life ---- */

int supervisor_init(struct supervisor *s, const struct trap_table *table, void *context, struct error **err)
{
	struct seccomp_notif_sizes sizes;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return error_set_errno(err, "ask for the size of a system call's notification");
	*s = SUPERVISOR_INIT;
	s->table = *table;
	s->context = context;
	s->index = make_index(table);
	/* A newer kernel's are longer, an older one's shorter than what we were compiled for. */
	s->request_size =
		sizes.seccomp_notif > sizeof(struct seccomp_notif) ? sizes.seccomp_notif : sizeof(struct seccomp_notif);
	s->response_size = sizes.seccomp_notif_resp > sizeof(struct seccomp_notif_resp)
				   ? sizes.seccomp_notif_resp
				   : sizeof(struct seccomp_notif_resp);
	s->request = mem_alloc(s->request_size);
	s->response = mem_alloc(s->response_size);
	return 0;
}

static void end_stay(struct supervisor *s);

void supervisor_done(struct supervisor *s)
{
	end_stay(s);
	fd_close(s->listener);
	free(s->index);
	free(s->request);
	free(s->response);
	*s = SUPERVISOR_INIT;
}

void supervisor_take(struct supervisor *s, int listener)
{
	s->listener = listener;
	/* The caller runs as soon as it has its answer, on our CPU (Linux 6.6). Without it all is slower, nothing else.
	 */
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
}

void supervisor_arm(struct supervisor *s)
{
	s->is_armed = true;
}

bool supervisor_still_waits(const struct supervisor *s, const struct trap *trap)
{
	/* Without a call to answer it stands before its tracer, and cannot end. */
	return trap->id == 0 || ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &trap->id) == 0;
}

/* ---- One call ---- */

static int respond(struct supervisor *s, const struct trap *trap, const struct answer *answer)
{
	struct seccomp_notif_resp *response = s->response;

	memset(response, 0, s->response_size);
	response->id = trap->id;
	if (answer->kind == ANSWER_CONTINUE)
		response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (answer->value < 0)
		response->error = (int)answer->value;
	else
		response->val = answer->value;
	return ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, response) < 0 ? -errno : 0;
}

/* The descriptor and the answer in one, or, before Linux 5.14, in two calls. */
static int hand_over(struct supervisor *s, const struct trap *trap, const struct answer *answer)
{
	struct seccomp_notif_addfd given = {
		.id = trap->id,
		.flags = SECCOMP_ADDFD_FLAG_SEND,
		.srcfd = (uint32_t)answer->fd,
		.newfd_flags = answer->cloexec ? O_CLOEXEC : 0,
	};
	int fd = ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &given);

	if (fd >= 0)
		return 0;
	int code = errno;
	if (code == EINVAL) {
		given.flags = 0;
		fd = ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &given);
		code = errno;
	}
	/* EMFILE is the step's: its table is full. */
	const struct answer told = {.kind = ANSWER_RETURN, .value = fd < 0 ? -code : fd};
	return respond(s, trap, &told);
}

/* First the descriptor, then ours is closed, then the number is the answer. */
static void hand_over_alone(const struct supervisor *s, const struct trap *trap, struct answer *answer)
{
	int number = supervisor_give(s, trap, answer->fd, answer->cloexec);

	fd_close(take_fd(&answer->fd));
	answer->kind = ANSWER_RETURN;
	answer->value = number;
}

/* ---- On one processor ---- */

/* A descriptor is taken by the caller itself: it is woken for that, and wakes us when it has it. For both the kernel
 * looks for an idle processor (SYNC_WAKE_UP is for answers alone), and to wake one costs more than all else that an
 * open does, above all in a virtual machine. So we and the caller are kept where we are until it has taken it. It waits
 * for its answer meanwhile, and has its processors back before that comes: nothing of the step ever runs with fewer.
 *
 * The round more that this costs is lost where no processor is idle, which is looked up now and then. */
#define LOOK_EVERY 64 /* descriptors */

/* proc_loadavg(5): the fourth field is "runnable/all", we among them. Unknown: as if there were none. */
static bool has_idle_processor(void)
{
	char text[128];
	unsigned runnable;
	cleanup_close int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1, NULL);

	text[got > 0 ? got : 0] = '\0';
	return sscanf(text, "%*s %*s %*s %u/", &runnable) == 1 && runnable < (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
}

/* Who asks for one descriptor asks for more, on the processor that we have answered on: there we stay meanwhile, until
 * somebody else asks, or for so many calls. */
#define STAY_CALLS 64

struct stay {
	cpu_set_t before; /* our processors */
	pid_t caller;
	unsigned calls;
};

static void end_stay(struct supervisor *s)
{
	if (s->stay)
		sched_setaffinity(0, sizeof(s->stay->before), &s->stay->before);
	free(take_ptr(&s->stay));
}

/* To be called at each call. */
static void think_of_stay(struct supervisor *s, pid_t caller)
{
	if (s->stay && (s->stay->caller != caller || ++s->stay->calls > STAY_CALLS))
		end_stay(s);
}

/* `callers` is what the caller's processors were. */
static bool keep_here(struct supervisor *s, pid_t caller, cpu_set_t *callers)
{
	cpu_set_t here;
	cpu_set_t ours;
	int cpu = sched_getcpu();

	if (cpu < 0 || cpu >= CPU_SETSIZE || (!s->stay && sched_getaffinity(0, sizeof(ours), &ours) < 0) ||
	    sched_getaffinity(caller, sizeof(*callers), callers) < 0 || !CPU_ISSET((unsigned)cpu, callers))
		return false;
	CPU_ZERO(&here);
	CPU_SET((unsigned)cpu, &here);
	if (sched_setaffinity(caller, sizeof(here), &here) < 0)
		return false;
	if (s->stay || sched_setaffinity(0, sizeof(here), &here) < 0)
		return true;
	s->stay = mem_alloc(sizeof(*s->stay));
	*s->stay = (struct stay){.before = ours, .caller = caller};
	return true;
}

static void let_go(struct supervisor *s, pid_t caller, const cpu_set_t *callers)
{
	sched_setaffinity(caller, sizeof(*callers), callers);
	if (!s->stays)
		end_stay(s);
}

static bool keep_where_it_pays(struct supervisor *s, pid_t caller, cpu_set_t *callers)
{
	if (s->handed_over++ % LOOK_EVERY == 0)
		s->keeps_callers = has_idle_processor();
	return s->keeps_callers && keep_here(s, caller, callers);
}

/* The descriptor of an answer that has one, where more than that is to be done. */
static void hand_over_here(struct supervisor *s, const struct trap *trap, struct answer *answer)
{
	cpu_set_t callers;
	bool is_kept = keep_where_it_pays(s, trap->tid, &callers);

	if (is_kept || answer->alone)
		hand_over_alone(s, trap, answer);
	if (is_kept)
		let_go(s, trap->tid, &callers);
}

static int answer_one(struct supervisor *s, const struct trap *trap)
{
	struct answer answer = {.kind = ANSWER_CONTINUE, .fd = -1};
	const struct trap_entry *entry = s->is_armed ? find_entry(s, trap) : NULL;

	if (entry && s->come_back && !entry->is_anywhere)
		s->come_back(s->context);
	if (entry && entry->handle)
		entry->handle(s->context, trap, &answer);
	s->answered++;
	if (answer.kind == ANSWER_LATER)
		return 0;
	if (answer.kind == ANSWER_FD)
		hand_over_here(s, trap, &answer);
	int rc = answer.kind == ANSWER_FD ? hand_over(s, trap, &answer) : respond(s, trap, &answer);
	fd_close(answer.fd);
	/* Killed meanwhile: nobody waits for it any more. */
	return rc == -ENOENT ? 0 : rc;
}

void supervisor_answer(struct supervisor *s, const struct trap *trap, const struct answer *answer)
{
	if (answer->kind == ANSWER_FD)
		hand_over(s, trap, answer);
	else
		respond(s, trap, answer);
}

int supervisor_give(const struct supervisor *s, const struct trap *trap, int fd, bool cloexec)
{
	struct seccomp_notif_addfd given = {
		.id = trap->id, .srcfd = (uint32_t)fd, .newfd_flags = cloexec ? O_CLOEXEC : 0};
	int number = ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &given);

	return number < 0 ? -errno : number;
}

void supervisor_give_all(struct supervisor *s, const struct trap *trap, const int *fds, int *numbers, size_t count)
{
	cpu_set_t callers;
	bool is_kept = keep_where_it_pays(s, trap->tid, &callers);

	for (size_t i = 0; i < count; i++)
		numbers[i] = fds[i] < 0 ? -EBADF : supervisor_give(s, trap, fds[i], /* cloexec */ true);
	if (is_kept)
		let_go(s, trap->tid, &callers);
}

int supervisor_replace(const struct supervisor *s, const struct trap *trap, int fd, int number, bool cloexec)
{
	struct seccomp_notif_addfd given = {
		.id = trap->id,
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (uint32_t)fd,
		.newfd = (uint32_t)number,
		.newfd_flags = cloexec ? O_CLOEXEC : 0,
	};

	return ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &given) < 0 ? -errno : 0;
}

static void read_request(const struct supervisor *s, struct trap *trap)
{
	const struct seccomp_notif *request = s->request;

	*trap = (struct trap){
		.id = request->id,
		.tid = (pid_t)request->pid,
		.arch = request->data.arch,
		.number = request->data.nr,
	};
	for (size_t i = 0; i < TRAP_ARGS; i++)
		trap->args[i] = request->data.args[i];
}

/* What the next one asks; -ENOENT when it was killed before it could be read. */
static int receive(struct supervisor *s, struct trap *trap)
{
	memset(s->request, 0, s->request_size); /* the kernel insists */
	if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, s->request) < 0)
		return -errno;
	read_request(s, trap);
	return 0;
}

static int answer_next(struct supervisor *s, const struct trap *trap)
{
	think_of_stay(s, trap->tid);
	return answer_one(s, trap);
}

/* Who is gone meanwhile, or was interrupted, wants no answer. */
static int judge(int rc, struct error **err)
{
	return rc < 0 && rc != -ENOENT && rc != -EINTR
		       ? error_set(err, -rc, "answer a system call of the step: %s", strerror(-rc))
		       : 0;
}

int supervisor_serve(struct supervisor *s, short events, struct error **err)
{
	struct trap trap;

	/* Never RECV on suspicion: with nobody there it waits for ever. */
	if (!(events & POLLIN)) {
		if (events)
			fd_close(take_fd(&s->listener));
		return 0;
	}
	int rc = receive(s, &trap);
	return rc < 0 ? judge(rc, err) : judge(answer_next(s, &trap), err);
}
