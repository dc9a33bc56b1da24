/*
 * Runs one step: makes its first process, writes its id maps, and stays beside it until everything that it started has
 * ended and what it was given to stand on is removed. In: a struct run_spec. Out: a status.
 *
 * The way of a step: prepare what can be prepared without it; fork it into its namespaces (child.c goes on there);
 * write maps, say go; watch; wait; clean up. All that is removed afterwards is held by descriptor from before the first
 * instruction of the step.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "run/cgroup.h"
#include "run/channel.h"
#include "run/child_internal.h"
#include "run/disk.h"
#include "run/emulation.h"
#include "run/fallback.h"
#include "run/idmap_internal.h"
#include "run/init_image.h"
#include "run/ladder.h"
#include "run/network.h"
#include "run/ociruntime.h"
#include "run/orphans.h"
#include "run/relay.h"
#include "run/sources.h"
#include "run/supervisor.h"
#include "run/translate.h"
#include "run/tty.h"
#include "run/userns.h"

#define SIGNAL_BASE 128
#define STATUS_NOT_FOUND 127
#define STATUS_NOT_EXECUTABLE 126

struct step {
	const struct run_spec *spec;
	struct child_plan plan;
	struct idmap map;
	pid_t pid;
	int init;
	int pidfd;
	int channel;	   /* our end; -1 when the other has closed */
	int child_channel; /* the step's end, ours only until the fork */
	int signals;	   /* signalfd; -1 when signals are not ours */
	sigset_t mask;	   /* as it was before */
	struct stubs stubs;
	struct sources sources;
	struct tty tty;
	struct relay relay;
	struct network network;
	struct cgroup cgroup;
	struct disk disk;
	struct buf supervisor;		 /* the filter of the supervisor; empty: there is none */
	struct emulation *emulation;	 /* what answers; NULL: nothing is to be answered */
	struct credentials *identity;	 /* whom the command is to believe to be */
	struct translation *translation; /* the root without namespaces; NULL: there are namespaces */
	char *runtime;			 /* path of the OCI runtime; NULL: none */
	int bundle;			 /* its directory; -1 */
	int command_code; /* why the command could not be executed, as far as the root tells, should the runtime fail */
	bool expects_orphans;
	bool wants_no_pid; /* the child says that a fresh /proc is refused */
	bool is_set_up;
	int exec_code; /* why the command could not be executed; 0: it could, or it did not come to that */
	int failure;   /* code of set-up; its text is in the caller's error */
	char *killed_for;
};

/* ---- Before ---- */

static int check_spec(const struct run_spec *spec, struct error **err)
{
	const struct run_root *root = &spec->root;

	if (!spec->argv || spec->argv->count == 0)
		return error_set(err, EINVAL, "no command to run");
	if (root->mounted < 0 && root->upper < 0 && root->lower_count == 0)
		return error_set(err, EINVAL, "the step has no root");
	return 0;
}

static bool has_many_ids(const struct idmap *map)
{
	return map->kind != IDMAP_SINGLE;
}

static int check_rung(const struct step *step, struct error **err)
{
	bool own_pid = step->plan.namespaces & CHILD_OWN_PID || step->spec->share & RUN_SHARE_PID;
	enum rung rung = step->spec->translated	    ? RUNG_4
			 : has_many_ids(&step->map) ? (own_pid ? RUNG_1 : RUNG_1P)
						    : (own_pid ? RUNG_2 : RUNG_2P);

	if (step->spec->min_rung == RUNG_NONE || (int)rung <= step->spec->min_rung)
		return 0;
	return error_set(err, ENOTSUP,
			 "this machine isolates at level %s, --min-isolation asks for %s (see cooper info)",
			 rung_name(rung), rung_name((enum rung)step->spec->min_rung));
}

static unsigned choose_namespaces(const struct run_spec *spec, bool with_pid)
{
	unsigned namespaces = 0;

	if (spec->translated)
		return 0;
	if (with_pid && !(spec->share & RUN_SHARE_PID))
		namespaces |= CHILD_OWN_PID;
	if (spec->network != RUN_NETWORK_HOST)
		namespaces |= CHILD_OWN_NET;
	/* An OCI runtime makes these. */
	if (!spec->runtime && !(spec->share & RUN_SHARE_IPC))
		namespaces |= CHILD_OWN_IPC;
	if (!spec->runtime && !(spec->share & RUN_SHARE_UTS))
		namespaces |= CHILD_OWN_UTS;
	if (!(spec->share & RUN_SHARE_CGROUP))
		namespaces |= spec->cgroup.is_set ? CHILD_LATE_CGROUP : CHILD_OWN_CGROUP;
	return namespaces;
}

/* What of root the step has not, and is shown: all of it with one id; devices where the caller keeps the records. */
static int prepare_emulation(struct step *step, struct error **err)
{
	const struct run_spec *spec = step->spec;
	bool all = !has_many_ids(&step->map);

	if (spec->runtime || (!all && !spec->owners))
		return 0;
	const struct emulation_options options = {
		.scope = !all					   ? EMULATE_NODES
			 : spec->owners && spec->owners->count > 0 ? EMULATE_IDS_AND_MOVES
								   : EMULATE_IDS,
		.owners = spec->owners,
		.upper = spec->root.upper,
		.may_change_root = spec->allow_nested_userns,
	};
	int rc = supervisor_program(emulation_table(options.scope), &step->supervisor, err);
	if (rc < 0)
		return rc;
	step->emulation = emulation_new(&options);
	step->plan.supervisor = &step->supervisor;
	step->plan.emulates_ids = all;
	return 0;
}

/* In place of namespaces, an overlay and mounts. */
static int prepare_translation(struct step *step, struct error **err)
{
	const struct run_spec *spec = step->spec;
	int rc = translation_new(spec, &step->translation, err);

	if (rc == 0)
		rc = translation_set_directory(step->translation, spec->cwd, err);
	if (rc == 0)
		rc = translation_program(spec, &step->supervisor, err);
	step->plan.supervisor = &step->supervisor;
	step->plan.emulates_ids = true;
	step->plan.translation = step->translation;
	return rc;
}

static bool wants_terminal(const struct run_spec *spec)
{
	switch (spec->terminal) {
	case RUN_TERMINAL_YES:
		return true;
	case RUN_TERMINAL_NO:
		return false;
	case RUN_TERMINAL_AUTO:
		break;
	}
	return spec->stdin_fd >= 0 && isatty(spec->stdin_fd);
}

/* The signals that would end us go to the step; we end when it does. Blocked, they wait in the descriptor. */
static int take_signals(struct step *step, struct error **err)
{
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGHUP);
	sigaddset(&ours, SIGQUIT);
	sigaddset(&ours, SIGWINCH);
	if (step->translation)
		sigaddset(&ours, SIGCHLD); /* how the kernel calls a tracer */
	step->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	if (step->signals < 0 || sigprocmask(SIG_BLOCK, &ours, &step->mask) < 0)
		return error_set_errno(err, "take signals");
	return 0;
}

/* With a terminal of its own the step meets none of the caller's descriptors. */
static int set_standard_fds(struct step *step, struct error **err)
{
	const struct run_spec *spec = step->spec;
	const int files[RELAY_WAYS] = {spec->stdin_fd, spec->stdout_fd < 0 ? STDOUT_FILENO : spec->stdout_fd,
				       spec->stderr_fd < 0 ? STDERR_FILENO : spec->stderr_fd};
	int rc = step->plan.has_terminal ? 0 : relay_open(&step->relay, files, err);

	for (int i = 0; i < RELAY_WAYS; i++)
		step->plan.standard[i] = step->relay.given[i] >= 0 ? step->relay.given[i] : files[i];
	return rc;
}

/* A map of all ids is how runtimes tell that they are in no user namespace, and may do what is refused in one. Without
 * the last id, which nobody has, they see theirs. */
static void show_namespace(struct id_extents *extents)
{
	for (size_t i = 0; i < extents->count; i++)
		if (extents->items[i].count == UINT32_MAX)
			extents->items[i].count--;
}

static int prepare(struct step *step, struct error **err)
{
	const struct run_spec *spec = step->spec;
	int rc = 0;

	if (spec->map)
		idmap_copy(&step->map, spec->map);
	else
		rc = idmap_current(&step->map, err);
	if (rc == 0 && spec->runtime) {
		show_namespace(&step->map.uids);
		show_namespace(&step->map.gids);
		rc = ociruntime_find(spec->runtime, &step->runtime, err);
	}
	if (rc == 0)
		rc = check_rung(step, err);
	if (rc == 0)
		rc = spec->translated ? prepare_translation(step, err) : prepare_emulation(step, err);
	if (rc == 0 && spec->network == RUN_NETWORK_PRIVATE)
		rc = network_choose(spec->network_helper, &step->plan.network_helper, err);
	if (rc == 0 && spec->cgroup.is_set)
		rc = cgroup_open(&spec->cgroup, &step->cgroup, err);
	if (rc == 0 && spec->disk_limit && spec->root.upper >= 0)
		rc = disk_init(&step->disk, spec->root.upper, spec->disk_limit, err);
	if (rc == 0 && !spec->translated)
		rc = sources_open(spec, &step->sources, err);
	if (rc == 0)
		rc = step->init = init_image_open(err);
	if (rc >= 0)
		rc = channel_open(&step->channel, &step->child_channel, err);
	if (rc == 0)
		rc = take_signals(step, err);
	if (rc < 0)
		return rc;
	if (!(step->plan.namespaces & CHILD_OWN_PID)) {
		orphans_expect();
		step->expects_orphans = true;
	}
	step->plan.sealed = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 1;
	step->plan.has_terminal = wants_terminal(spec);
	rc = set_standard_fds(step, err);
	if (rc < 0)
		return rc;
	step->plan.channel = step->child_channel;
	step->plan.init = step->init;
	step->plan.map = &step->map;
	step->plan.runtime = step->runtime;
	step->plan.sources = &step->sources;
	return 0;
}

/* ---- The fork ---- */

static unsigned long clone_flags(unsigned namespaces)
{
	unsigned long flags = CLONE_NEWUSER | CLONE_NEWNS;

	flags |= namespaces & CHILD_OWN_PID ? CLONE_NEWPID : 0;
	flags |= namespaces & CHILD_OWN_NET ? CLONE_NEWNET : 0;
	flags |= namespaces & CHILD_OWN_IPC ? CLONE_NEWIPC : 0;
	flags |= namespaces & CHILD_OWN_UTS ? CLONE_NEWUTS : 0;
	flags |= namespaces & CHILD_OWN_CGROUP ? CLONE_NEWCGROUP : 0;
	return flags;
}

/* clone(2) and not clone3(2): it has every flag that is needed here, and container runtimes answer clone3 with ENOSYS
 * because their filters cannot see its arguments. */
static int fork_child(struct step *step, struct error **err)
{
	unsigned long namespaces = step->translation ? 0 : clone_flags(step->plan.namespaces);
	unsigned long flags = namespaces | CLONE_PIDFD | SIGCHLD;
	long pid = syscall(SYS_clone, flags, /* stack: copied */ NULL, &step->pidfd, NULL, NULL);

	if (pid == 0) {
		close(step->channel); /* or we would not see the parent's end close */
		child_main(&step->plan);
	}
	if (pid < 0)
		return error_set_errno(err, "make the step's namespaces");
	step->pid = (pid_t)pid;
	fd_close(take_fd(&step->child_channel));
	relay_hand_over(&step->relay);
	/* The mounts are the child's now, and end with its namespace. */
	sources_close(&step->sources);
	return 0;
}

static int write_map(const struct step *step, const char *name, const struct id_extents *extents, struct error **err)
{
	cleanup_free char *path = mem_printf("/proc/%d/%s", step->pid, name);
	cleanup_free char *lines = idmap_identity_lines(extents);
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, lines, strlen(lines)) < 0)
		return error_set_errno(err, "write the step's %s", name);
	return 0;
}

/* The child has its namespaces; give it what only we can, and let it go on. */
static int release_child(struct step *step, struct error **err)
{
	int rc = step->plan.sealed ? channel_expect(step->channel, CHANNEL_READY, err) : 0;

	if (rc == 0 && step->translation)
		rc = translation_seize(step->translation, step->pid, err);
	if (rc == 0 && !step->translation)
		rc = write_map(step, "uid_map", &step->map.uids, err);
	if (rc == 0 && !step->translation)
		rc = write_map(step, "gid_map", &step->map.gids, err);
	/* Not earlier: the child of a process that is not dumpable has to be asked before its maps can be written. */
	if (rc == 0 && step->spec->seal)
		userns_seal();
	if (rc == 0 && step->cgroup.dir >= 0)
		rc = cgroup_add(&step->cgroup, step->pid, err);
	if (rc < 0)
		return rc;
	rc = channel_send(step->channel, CHANNEL_GO, 0, NULL, 0, -1);
	if (rc < 0)
		return error_set(err, -rc, "start the step's set-up: %s", strerror(-rc));
	if (step->spec->network != RUN_NETWORK_PRIVATE)
		return 0;
	/* While the child mounts, the helper starts. */
	rc = network_start(step->plan.network_helper, step->pid, &step->network, err);
	if (rc == 0)
		channel_send(step->channel, CHANNEL_NETWORK_UP, 0, NULL, 0, -1);
	return rc;
}

/* ---- Beside it ---- */

static void kill_step(struct step *step, const char *why)
{
	mem_replace(&step->killed_for, why);
	syscall(SYS_pidfd_send_signal, step->pidfd, SIGKILL, NULL, 0);
}

static void start_terminal(struct step *step, struct channel_message *message)
{
	const struct run_spec *spec = step->spec;

	tty_start(&step->tty, take_fd(&message->fd), spec->stdin_fd,
		  spec->stdout_fd < 0 ? STDOUT_FILENO : spec->stdout_fd);
}

static void warn_of(int which)
{
	if (which == FALLBACK_PIVOT)
		fallback_warn(FALLBACK_PIVOT, "pivot_root is refused here, moving the root over '/' instead");
	else if (which == FALLBACK_HOSTNAME)
		fallback_warn(FALLBACK_HOSTNAME, "sethostname is refused here, a step sees this machine's host name "
						 "instead of 'cooper'");
}

static void hear_identity(struct step *step, const struct channel_message *message)
{
	struct identity_record record;
	uint32_t groups[IDENTITY_GROUPS_MAX];

	if (message->size < sizeof(record))
		return;
	memcpy(&record, message->data, sizeof(record));
	if (record.group_count > IDENTITY_GROUPS_MAX ||
	    message->size != sizeof(record) + record.group_count * sizeof(groups[0]))
		return;
	memcpy(groups, message->data + sizeof(record), message->size - sizeof(record));
	credentials_free(step->identity);
	step->identity = credentials_new(record.uid, record.gid, groups, record.group_count, record.capabilities);
}

/* From here on the child waits for us at every call of the table. */
static int take_listener(struct step *step, struct channel_message *message, struct error **err)
{
	if ((!step->emulation && !step->translation) || message->fd < 0)
		return 0;
	if (!step->identity)
		step->identity = credentials_new(0, 0, NULL, 0, step->spec->capabilities);
	if (step->translation)
		return translation_start(step->translation, take_fd(&message->fd), take_ptr(&step->identity), err);
	return emulation_start(step->emulation, take_fd(&message->fd), step->pid, take_ptr(&step->identity), err);
}

/* The set-up is over: what comes now is the step's. The listener may come with it. */
static void start_step(struct step *step, struct channel_message *message, struct error **err)
{
	int rc = take_listener(step, message, err);

	if (rc < 0)
		step->failure = rc;
	step->is_set_up = true;
	if (step->emulation)
		emulation_arm(step->emulation);
}

static void hear(struct step *step, struct channel_message *message, struct error **err)
{
	switch (message->kind) {
	case CHANNEL_STUB:
		if (message->fd >= 0 && message->size == sizeof(struct stub_record))
			stubs_add(&step->stubs, (const struct stub_record *)(const void *)message->data,
				  take_fd(&message->fd));
		break;
	case CHANNEL_TERMINAL:
		if (message->fd >= 0)
			start_terminal(step, message);
		break;
	case CHANNEL_BUNDLE:
		step->bundle = take_fd(&message->fd);
		step->command_code = message->code;
		break;
	case CHANNEL_WARN:
		warn_of(message->code);
		break;
	case CHANNEL_FAIL:
		step->failure = error_set(err, message->code > 0 ? message->code : EIO, "%s", message->data);
		break;
	case CHANNEL_NO_PROC:
		step->wants_no_pid = true;
		break;
	case CHANNEL_START:
		start_step(step, message, err);
		break;
	case CHANNEL_IDENTITY:
		hear_identity(step, message);
		break;
	case CHANNEL_LISTENER:
		step->failure = take_listener(step, message, err);
		break;
	case CHANNEL_EXEC:
		step->exec_code = message->code;
		break;
	case CHANNEL_END:
		fd_close(take_fd(&step->channel));
		break;
	default:
		break;
	}
	fd_close(message->fd);
}

/* Reads what is there to read. */
static int listen_once(struct step *step, struct error **err)
{
	struct channel_message message;
	int rc = channel_receive(step->channel, &message, err);

	if (rc == 0)
		hear(step, &message, err);
	return rc;
}

static void pass_signals(struct step *step)
{
	struct signalfd_siginfo info;

	while (read(step->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			translation_wait(step->translation);
		else if (info.ssi_signo == SIGWINCH)
			tty_resize(&step->tty);
		else
			syscall(SYS_pidfd_send_signal, step->pidfd, info.ssi_signo, NULL, 0);
	}
}

/* After its end nothing more comes: what has not been heard is there now. */
static int listen_to_the_end(struct step *step, struct error **err)
{
	int rc = 0;

	while (rc == 0 && step->channel >= 0) {
		struct pollfd channel = {.fd = step->channel, .events = POLLIN};
		if (poll(&channel, 1, 0) <= 0)
			break;
		rc = listen_once(step, err);
	}
	return rc;
}

/* What answers for us, or NULL. */
static struct supervisor *supervisor_of(const struct step *step)
{
	if (step->translation)
		return translation_supervisor(step->translation);
	return step->emulation ? emulation_supervisor(step->emulation) : NULL;
}

static int supervised_fd(const struct step *step)
{
	const struct supervisor *supervisor = supervisor_of(step);

	return supervisor ? supervisor->listener : -1;
}

enum { WATCH_END, WATCH_SIGNALS, WATCH_CHANNEL, WATCH_SUPERVISOR, WATCH_TTY, WATCH_COUNT = WATCH_TTY + 2 + RELAY_WAYS };

/* Until the first process has ended, which it does only when all others of its pid namespace have. */
static int watch(struct step *step, struct error **err)
{
	int timeout = step->disk.limit ? DISK_INTERVAL_MS : -1;

	for (;;) {
		/* Once it is set up, only that the command cannot be executed is left to hear. That has time until the
		 * end: being woken for the channel's closing would cost each step a switch of processes. */
		int channel = step->is_set_up ? -1 : step->channel;
		struct pollfd fds[WATCH_COUNT] = {
			[WATCH_END] = {.fd = step->pidfd, .events = POLLIN},
			[WATCH_SIGNALS] = {.fd = step->signals, .events = POLLIN},
			[WATCH_CHANNEL] = {.fd = channel, .events = POLLIN}, /* -1 is passed over */
			[WATCH_SUPERVISOR] = {.fd = supervised_fd(step), .events = POLLIN},
		};
		size_t ttys = tty_poll(&step->tty, fds + WATCH_TTY);
		size_t relays = relay_poll(&step->relay, fds + WATCH_TTY + ttys);
		int ready = poll(fds, WATCH_TTY + ttys + relays, timeout);

		if (ready < 0 && errno != EINTR)
			return error_set_errno(err, "wait for the step");
		if (fds[WATCH_CHANNEL].revents) {
			int rc = listen_once(step, err);
			if (rc < 0)
				return rc;
			continue; /* all it has to say, before its end is looked at */
		}
		if (fds[WATCH_SUPERVISOR].revents) {
			int rc = supervisor_serve(supervisor_of(step), fds[WATCH_SUPERVISOR].revents, err);
			if (rc < 0)
				return rc;
		}
		if (fds[WATCH_SIGNALS].revents)
			pass_signals(step);
		tty_copy(&step->tty, fds + WATCH_TTY, ttys);
		relay_copy(&step->relay, fds + WATCH_TTY + ttys, relays);
		if (fds[WATCH_END].revents)
			return listen_to_the_end(step, err);
		/* By the clock: a step that never stops talking is looked at as well. */
		if (!step->killed_for && disk_is_spent(&step->disk))
			kill_step(step, "it has written more than its disk limit allows");
	}
}

/* ---- Afterwards ---- */

/* It is waited for as all that is traced is, and may have been already. */
static int collect_traced(struct step *step, int *status, struct rusage *usage)
{
	while (!translation_has_ended(step->translation, status, usage)) {
		struct pollfd signals = {.fd = step->signals, .events = POLLIN};
		translation_wait(step->translation);
		if (translation_has_ended(step->translation, status, usage))
			break;
		if (poll(&signals, 1, -1) < 0 && errno != EINTR)
			return -errno;
		pass_signals(step);
	}
	step->pid = 0;
	return 0;
}

/* Takes the first process off the table. Its mounts are gone with it: the kernel unmounts when the last process of the
 * namespace ends, and this one ends last. */
static int collect(struct step *step, int *status, struct rusage *usage)
{
	*status = -1;
	if (step->pid <= 0)
		return 0;
	if (step->translation)
		return collect_traced(step, status, usage);
	while (wait4(step->pid, status, 0, usage) < 0)
		if (errno != EINTR)
			return -errno;
	step->pid = 0;
	return 0;
}

static void clean_up(struct step *step)
{
	if (step->pid > 0) {
		int status = 0;
		syscall(SYS_pidfd_send_signal, step->pidfd, SIGKILL, NULL, 0);
		collect(step, &status, NULL);
	}
	/* Nothing of the step lives on, before what it was given is taken away. */
	translation_free(take_ptr(&step->translation));
	network_stop(&step->network);
	if (step->expects_orphans)
		orphans_kill();
	tty_done(&step->tty);
	relay_done(&step->relay);
	cgroup_close(&step->cgroup);
	stubs_undo(&step->stubs);
	sources_remove(&step->sources);
	if (step->signals >= 0) {
		/* What came in after the end is for us again. */
		sigprocmask(SIG_SETMASK, &step->mask, NULL);
		close(step->signals);
	}
	fd_close(step->channel);
	fd_close(step->child_channel);
	fd_close(step->pidfd);
	fd_close(step->init);
	fd_close(step->bundle);
	free(step->runtime);
	idmap_done(&step->map);
	emulation_free(step->emulation);
	credentials_free(step->identity);
	buf_done(&step->supervisor);
	free(step->killed_for);
}
CLEANUP_FOR_VALUE(struct step, clean_up)

static char *exec_message(const char *command, int code)
{
	if (code == ENOENT && !strchr(command, '/'))
		return mem_printf("exec '%s': executable file not found in $PATH", command);
	return mem_printf("exec '%s': %s", command, strerror(code));
}

/* An OCI runtime that cannot start the command ends with a status and words of its own, as a command might. But then it
 * has not written the command's pid. */
static int ask_runtime(struct step *step, int status, struct error **err)
{
	bool failed = step->bundle >= 0 && status != 0 && WIFEXITED(status) && !step->killed_for;

	if (step->exec_code)
		return error_set(err, step->exec_code, "runtime '%s': %s", step->runtime, strerror(step->exec_code));
	if (!failed || WEXITSTATUS(status) > SIGNAL_BASE || faccessat(step->bundle, OCIRUNTIME_PID_FILE, F_OK, 0) == 0)
		return 0;
	step->exec_code = step->command_code;
	return step->exec_code ? 0
			       : error_set(err, EIO,
					   "the runtime '%s' has not started the step (its status is %d, its "
					   "words are above)",
					   step->runtime, WEXITSTATUS(status));
}

static int make_result(const struct step *step, int status, const struct rusage *usage, struct run_result *result,
		       struct error **err)
{
	struct run_result made = {.usage = *usage, .started = step->exec_code == 0};

	made.status = WIFSIGNALED(status) ? SIGNAL_BASE + WTERMSIG(status) : WEXITSTATUS(status);
	if (step->exec_code) {
		made.status = step->exec_code == ENOENT || step->exec_code == ENOTDIR ? STATUS_NOT_FOUND
										      : STATUS_NOT_EXECUTABLE;
		made.message = exec_message(step->spec->argv->items[0], step->exec_code);
	} else if (step->killed_for) {
		made.message = mem_printf("the step was killed: %s", step->killed_for);
	} else if (made.status == SIGNAL_BASE + SIGKILL && cgroup_was_out_of_memory(&step->cgroup)) {
		made.message = mem_strdup("the step was killed: it has used more than its memory limit allows");
	} else if (made.status == 0 && disk_was_spent(&step->disk)) {
		/* It was faster than our looks. */
		made.status = SIGNAL_BASE + SIGKILL;
		made.message = mem_strdup("the step has written more than its disk limit allows");
	}
	*result = made;
	return 0;
}

/* What is decided before the fork. */
static void trace_plan(const struct step *step)
{
	const struct run_spec *spec = step->spec;
	unsigned own = step->plan.namespaces;
	cleanup_free char *argv = strlist_join(spec->argv, " ");

	trace(RUN, "namespaces: user mnt%s%s%s%s%s; ids: %s", own & CHILD_OWN_PID ? " pid" : "",
	      own & CHILD_OWN_NET ? " net" : "", own & CHILD_OWN_IPC ? " ipc" : "", own & CHILD_OWN_UTS ? " uts" : "",
	      own & (CHILD_OWN_CGROUP | CHILD_LATE_CGROUP) ? " cgroup" : "", has_many_ids(&step->map) ? "many" : "one");
	trace(RUN, "root: %s, %zu layers", spec->root.mounted >= 0 ? "mounted already" : "overlay",
	      spec->root.lower_count);
	for (size_t i = 0; i < spec->mount_count; i++)
		trace(RUN, "mount: %s on %s", spec->mounts[i].source ? spec->mounts[i].source : "(of our own)",
		      spec->mounts[i].target);
	if (step->plan.network_helper)
		trace(RUN, "network: %s", step->plan.network_helper);
	trace(RUN, "exec as '%s' in '%s': %s", spec->user ? spec->user : "", spec->cwd ? spec->cwd : "/", argv);
}

/* One attempt. *proc_is_refused: it came to nothing for want of a fresh /proc, and may succeed without a pid namespace.
 */
static int attempt(const struct run_spec *spec, bool with_pid, bool *proc_is_refused, struct run_result *result,
		   struct error **err)
{
	cleanup(clean_up) struct step step = {
		.spec = spec,
		.plan = {.spec = spec, .namespaces = choose_namespaces(spec, with_pid)},
		.init = -1,
		.pidfd = -1,
		.channel = -1,
		.child_channel = -1,
		.signals = -1,
		.bundle = -1,
		.sources = SOURCES_INIT,
		.tty = TTY_INIT,
		.relay = RELAY_INIT,
		.network = NETWORK_INIT,
		.cgroup = CGROUP_INIT,
		.supervisor = BUF_INIT(BUF_MAX_DEFAULT),
	};
	struct error *trouble = NULL;
	struct rusage usage = {0};
	int status = 0;
	int rc = prepare(&step, err);

	if (rc == 0 && trace_is_on(TRACE_RUN))
		trace_plan(&step);
	if (rc == 0)
		rc = fork_child(&step, err);
	if (rc < 0)
		return rc;
	trace(RUN, "process %d", step.pid);
	rc = release_child(&step, &trouble);
	if (rc < 0)
		kill_step(&step, "its set-up failed");
	/* Also after a failure: the child may know better what has happened, and has made places to remove. */
	int watched = watch(&step, err);
	if (watched == 0)
		watched = collect(&step, &status, &usage);
	if (step.failure < 0 || step.wants_no_pid) {
		error_free(trouble);
		*proc_is_refused = step.wants_no_pid;
		return step.wants_no_pid ? -EPERM : step.failure;
	}
	if (rc < 0) {
		error_clear(err);
		rc = error_set(err, -rc, "%s", error_message(trouble));
		error_free(trouble);
		return rc;
	}
	if (watched < 0)
		return watched;
	if (!step.is_set_up)
		return error_set(err, EIO, "the step's set-up has ended with status %d", status);
	trace(RUN, "ended with wait status 0x%x", (unsigned)status);
	rc = step.runtime ? ask_runtime(&step, status, err) : 0;
	if (rc < 0)
		return rc;
	return make_result(&step, status, &usage, result, err);
}

int run_step(const struct run_spec *spec, struct run_result *result, struct error **err)
{
	bool with_pid = !fallback_is_known(FALLBACK_PROC);
	bool proc_is_refused = false;
	int rc = check_spec(spec, err);

	if (rc < 0)
		return rc;
	rc = attempt(spec, with_pid, &proc_is_refused, result, err);
	if (!proc_is_refused)
		return rc;
	fallback_warn(FALLBACK_PROC, "the kernel refuses a new /proc here (parts of ours are masked), the step shares "
				     "our processes instead of having its own");
	return attempt(spec, /* with_pid */ false, &proc_is_refused, result, err);
}
