/*
 * RUN in a stage's container: what it is told and may do, and what is said when it fails.
 */
#include "builder/build_exec_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "builder/cdi.h"
#include "builder/debug_shell.h"
#include "builder/step.h"

static void job_done(struct run_job *job)
{
	settings_done(&job->settings);
	build_mask_done(&job->mask);
	secret_room_done(&job->secrets);
	build_mounts_done(job);
}
CLEANUP_FOR_VALUE(struct run_job, job_done)

/* ---- what it may ---- */

static int add_devices(struct run_job *job, struct error **err)
{
	const struct strlist *devices = &job->step->instruction->run.devices;

	for (size_t i = 0; i < devices->count; i++) {
		cleanup(device_request_done) struct device_request device = {0};
		int rc = device_request_parse(devices->items[i], &device, err);
		if (rc < 0)
			return rc;
		const char *name = device.name;
		bool is_known = name[0] == '/';
		if (!is_known && cdi_is_name(name))
			rc = cdi_find(name, &is_known, err);
		if (rc < 0)
			return rc;
		if (is_known)
			strlist_append(&job->settings.devices, name);
		else if (device.required)
			return error_set(err, ENOENT, "--device %s: no such device is known on this machine", name);
		else
			log_warn("--device %s: no such device is known on this machine, going on without it", name);
	}
	return 0;
}

static bool is_allowed(const struct build *build, const char *what)
{
	return build->options->allow && strlist_contains(build->options->allow, what);
}

/* "default" is what the build was told. The host's is ours to give where it is that, or was allowed: who has said
 * --network=none means it, whatever the file says. */
static int set_network(struct run_job *job, const char *mode, struct error **err)
{
	const struct settings *given = job->build->options->settings;
	enum run_network network;
	const char *helper = NULL;

	if (!mode || strcmp(mode, "default") == 0)
		return 0;
	if (strcmp(mode, "host") == 0 && !is_allowed(job->build, "network.host")) {
		int rc = network_parse(given ? given->network : NULL, &network, &helper, err);
		if (rc < 0)
			return rc;
		if (network != RUN_NETWORK_HOST)
			return error_set(err, EPERM,
					 "network.host is not allowed (allow it with --allow network.host)");
	}
	mem_replace(&job->settings.network, mode);
	return 0;
}

static int add_rights(struct run_job *job, struct error **err)
{
	const struct instruction_run *run = &job->step->instruction->run;
	const char *hostname = strlist_env_get(&job->build->globals.given, "BUILDKIT_SANDBOX_HOSTNAME");

	if (hostname)
		mem_replace(&job->settings.hostname, hostname);
	int rc = set_network(job, run->network, err);
	if (rc < 0)
		return rc;
	if (run->security && strcmp(run->security, "insecure") == 0) {
		if (!is_allowed(job->build, "security.insecure"))
			return error_set(err, EPERM,
					 "security.insecure is not allowed (allow it with --allow security.insecure)");
		strlist_append(&job->settings.cap_add, "ALL");
		strlist_append(&job->settings.security_opt, "seccomp=unconfined");
		strlist_append(&job->settings.security_opt, "unmask=ALL");
	}
	return add_devices(job, err);
}

/* ---- its end ---- */

/* What `cooper containers` says of it. */
static void name_image(const struct build *build, struct stage_run *run)
{
	const struct build_image *below = build_image_below(build, &run->plan->base);
	const struct image_entry *entry = below ? &below->image.entry : NULL;

	if (!entry)
		return;
	mem_replace(&run->c.image_name, entry->names.count ? entry->names.items[0] : below->name);
	run->c.image_id = entry->id;
	run->c.image_digest = entry->manifest.digest;
}

/* Leaves the container to the user. */
static int keep_container(struct build *build, struct stage_run *run, struct error **err)
{
	name_image(build, run);
	int rc = container_save(build->w, &run->c, err);
	if (rc < 0)
		return rc;
	unlinkat(run->dir, CONTAINER_STAGE_MARK, 0);
	fd_close(take_fd(&run->lock));
	fd_close(take_fd(&run->dir));
	return 0;
}

static int failed(struct run_job *job, struct stage_run *run, const struct run_result *result, struct error **err)
{
	struct build *build = job->build;
	const struct plan_step *step = job->step;
	cleanup_free char *words = strlist_join(&step->argv, " ");
	cleanup_free char *name = mem_strdup(run->c.name);
	cleanup_error struct error *error = NULL;

	build->status = result->status ? result->status : 1;
	if (build->options->debug)
		debug_shell_open(job, run);
	bool is_less = debug_shell_keep(job, run);
	bool kept = keep_container(build, run, &error) >= 0;
	if (!kept)
		log_warn("%s; the failed step cannot be looked at", error_message(error));
	error_set(err, ECANCELED, "process \"%s\" did not complete successfully: exit code: %d%s%s", words,
		  result->status, result->message ? ": " : "", result->message ? result->message : "");
	if (kept)
		error_hint(err, "look at it with `cooper run -t %s -- /bin/sh`%s, then `cooper rm %s`", name,
			   is_less ? " (with its --secret and --ssh before the name)" : "", name);
	return -ECANCELED;
}

/* --quiet: what a step prints is kept aside, and shown when it fails. */
static int open_log(const struct build *build, struct error **err)
{
	int tmp = store_tmp(workshop_store(build->w), err);

	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(workshop_store(build->w), "log");
	int fd = openat(tmp, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set_errno(err, "make a file for what the step prints");
	unlinkat(tmp, name, 0);
	return fd;
}

static void show_log(int log, int output)
{
	if (log >= 0 && lseek(log, 0, SEEK_SET) == 0)
		(void)fd_copy(log, output, /* copied */ NULL, NULL);
}

int build_exec_run(struct build *build, struct stage_run *run, const struct plan_step *step, struct error **err)
{
	cleanup(job_done) struct run_job job = {
		.build = build, .step = step, .secrets = SECRET_ROOM_INIT(build->w), .mask = BUILD_MASK_INIT};
	struct run_result result = {0};

	/* The container is what the step sees, so that it can be looked at when the step fails. */
	platform_copy(&run->c.config.platform, &run->plan->config.platform);
	mem_replace(&run->c.config.working_dir, step->cwd);
	mem_replace(&run->c.config.user, step->user);
	strlist_copy(&run->c.config.env, &step->env);
	for (size_t i = 0; i < build->globals.proxies.count; i++)
		strlist_append(&job.settings.env, build->globals.proxies.items[i]);
	int rc = add_rights(&job, err);
	if (rc >= 0)
		rc = build_mounts_add(&job, err);
	cleanup_close int log = rc >= 0 && build->options->quiet ? open_log(build, err) : -1;
	if (rc >= 0 && build->options->quiet && log < 0)
		rc = log;
	if (rc >= 0)
		rc = build_mask_start(&job.mask, log >= 0 ? log : build->output, err);
	if (rc < 0)
		return rc;
	/* stdout is the build's result. */
	int output = job.mask.to >= 0 ? job.mask.to : log >= 0 ? log : build->output;
	const struct step_options options = {
		.settings = &job.settings,
		.argv = &step->argv,
		.terminal = RUN_TERMINAL_NO,
		.stdin_fd = build->options->pass_stdin ? STDIN_FILENO : -1,
		.stdout_fd = output,
		.stderr_fd = output,
		.mounts = job.mounts,
		.mount_count = job.mount_count,
	};
	rc = step_run(build->w, &run->c, &options, &result, err);
	/* What it has said comes before what is said of it. */
	build_mask_done(&job.mask);
	if (rc < 0 || !result.started || result.status != 0)
		show_log(log, build->output);
	if (rc >= 0 && result.rung > run->rung)
		run->rung = result.rung;
	if (rc >= 0 && (!result.started || result.status != 0))
		rc = failed(&job, run, &result, err);
	free(result.message);
	return rc;
}
