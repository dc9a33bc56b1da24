/*
 * What a step needs before its first process is there: what of root it is to be shown, who answers its calls, its
 * sources, its descriptors, its init. In: a struct run_spec. Out: the plan of the child.
 */
#include "run/step_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/owner.h"
#include "run/channel.h"
#include "run/init_image.h"
#include "run/ociruntime.h"
#include "run/orphans.h"
#include "run/supervisor.h"

enum rung step_rung(const struct step *step)
{
	bool own_pid = step->plan.namespaces & CHILD_OWN_PID || step->spec->share & RUN_SHARE_PID;

	if (step->spec->translated)
		return owner_is_root() ? RUNG_3 : RUNG_4;
	return step_has_many_ids(step) ? (own_pid ? RUNG_1 : RUNG_1P) : (own_pid ? RUNG_2 : RUNG_2P);
}

static int check_rung(const struct step *step, struct error **err)
{
	enum rung rung = step_rung(step);

	if (step->spec->min_rung == RUNG_NONE || (int)rung <= step->spec->min_rung)
		return 0;
	return error_set(err, ENOTSUP,
			 "this machine isolates at rung %s, --min-isolation asks for %s (see cooper info)",
			 rung_name(rung), rung_name((enum rung)step->spec->min_rung));
}

unsigned step_namespaces(const struct run_spec *spec, bool with_pid)
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
	bool all = !step_has_many_ids(step);

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

int step_prepare(struct step *step, struct error **err)
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
	/* Where there is no upper directory to look at, the whole root is. */
	if (rc == 0 && spec->disk_limit)
		rc = disk_init(&step->disk, spec->root.mounted >= 0 ? spec->root.mounted : spec->root.upper,
			       spec->disk_limit, err);
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
