/*
 * RUN --mount, opened: in, the instruction's mounts and where they are from; out, settings of mounts for the step.
 */
#include "builder/build_exec_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/copy.h"

void build_mounts_done(struct run_job *job)
{
	for (size_t i = 0; i < job->mount_count; i++)
		mount_setting_done(&job->mounts[i]);
	free(job->mounts);
	for (size_t i = 0; job->roots && i < job->step->instruction->run.mount_count; i++) {
		if (!job->roots[i].rootfs)
			fd_close(job->fds[i]);
		build_root_done(&job->roots[i]);
		stage_run_clean_up(job->build, &job->asides[i]);
		stage_run_done(&job->asides[i]);
	}
	free(job->roots);
	free(job->fds);
	free(job->asides);
	int tmp = job->script ? store_tmp(workshop_store(job->build->w), NULL) : -1;
	if (tmp >= 0)
		tree_remove(tmp, job->script, NULL);
	free(job->script);
}

/* ---- mounts ---------------------------------------------------------------------------------------------------------
 */

/* Where a target lies, as an absolute path. */
static char *target_path(const struct plan_step *step, const char *target)
{
	const char *base = target[0] == '/' ? "" : step->cwd ? step->cwd : "/";
	cleanup_free char *whole = mem_printf("/%s/%s", base, target);

	return rootpath_clean(whole);
}

static struct mount_setting *add_mount(struct run_job *job, enum mount_kind kind, const char *target)
{
	struct mount_setting *setting = &job->mounts[job->mount_count++];

	*setting = (struct mount_setting){
		.kind = kind, .target = mem_strdup(target), .flags = RUN_MOUNT_NOSUID | RUN_MOUNT_NODEV};
	return setting;
}

/* Only a directory that was opened in this mount namespace can be mounted from (run/spec.h); a context was opened
 * before we came here. Its path is the user's or ours. */
static int open_again(int fd, struct error **err)
{
	char link[FD_PROC_PATH_SIZE];
	cleanup_free char *path = mem_alloc(PATH_MAX);
	struct stat before, after;
	ssize_t size = readlink(fd_proc_path(fd, link), path, PATH_MAX - 1);

	if (size < 0 || fstat(fd, &before) < 0)
		return error_set_errno(err, "the context's directory");
	path[size] = '\0';
	cleanup_close int again = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (again < 0 || fstat(again, &after) < 0)
		return error_set_errno(err, "%s", path);
	if (before.st_dev != after.st_dev || before.st_ino != after.st_ino)
		return error_set(err, ESTALE, "'%s' was moved while it was built from", path);
	return take_fd(&again);
}

/* What the ignore file leaves of the source, copied aside: there is no mount that hides single files. */
static int copy_aside(struct run_job *job, size_t index, const char *source, struct error **err)
{
	const struct build_root *root = &job->roots[index];
	const struct copy_root from = {.fd = root->fd, .ignore = root->ignore};
	const struct copy_options options = {.root = &from, .mtime = -1, .git_modes = job->build->options->git_modes};
	cleanup(strlist_done) struct strlist sources = {0};
	struct stage_run *aside = &job->asides[index];
	struct copy_result result;
	int rc = build_layer_begin(job->build, aside, err);

	if (rc < 0)
		return rc;
	cleanup_free char *whole = mem_printf("/%s", source ? source : "");
	cleanup_free char *path = rootpath_clean(whole);
	strlist_append(&sources, path);
	rc = copy_into_container(job->build->w, &aside->c, &sources, path, &options, &result, err);
	if (rc < 0)
		return rc;
	job->fds[index] = fd_open_dir(aside->dir, "upper", err);
	return job->fds[index] < 0 ? job->fds[index] : 0;
}

/* A root to mount from; of a context without what its ignore file leaves out, and with the modes that the key has. */
static int open_mount_root(struct run_job *job, size_t index, const char *source, struct error **err)
{
	struct build_root *root = &job->roots[index];
	int rc = build_root_open(job->build, &job->step->mounts[index], root, err);

	if (rc < 0)
		return rc;
	if (root->rootfs) {
		job->fds[index] = root->fd;
		return 0;
	}
	if ((root->ignore && root->ignore->patterns.count) || job->build->options->git_modes)
		return copy_aside(job, index, source, err);
	job->fds[index] = open_again(root->fd, err);
	return job->fds[index] < 0 ? job->fds[index] : 0;
}

static int add_bind(struct run_job *job, size_t index, const struct file_mount *mount, const char *target,
		    struct error **err)
{
	int rc = open_mount_root(job, index, mount->source, err);

	if (rc < 0)
		return rc;
	struct mount_setting *setting = add_mount(job, MOUNT_BIND, target);
	setting->flags |= RUN_MOUNT_RECURSIVE | (mount->read_only ? RUN_MOUNT_READ_ONLY : 0);
	setting->root = &job->fds[index];
	setting->source = mem_printf("/%s", mount->source ? mount->source : "");
	return 0;
}

void build_mounts_describe_cache(const struct build *build, const struct plan_step *step, size_t index,
				 struct mount_setting *setting)
{
	static const int somewhere = -1;
	const struct file_mount *mount = &step->instruction->run.mounts[index];
	const char *space = strlist_env_get(&build->globals.given, "BUILDKIT_CACHE_MOUNT_NS");
	cleanup_free char *target = target_path(step, mount->target ? mount->target : "");

	*setting = (struct mount_setting){.kind = MOUNT_CACHE, .flags = RUN_MOUNT_NOSUID | RUN_MOUNT_NODEV};
	setting->flags |= mount->read_only ? RUN_MOUNT_READ_ONLY : 0;
	setting->id = mem_printf("%s%s%s", space ? space : "", space ? "/" : "", mount->id ? mount->id : target);
	setting->target = take_ptr(&target);
	setting->sharing = mount->sharing == CACHE_LOCKED    ? SHARING_LOCKED
			   : mount->sharing == CACHE_PRIVATE ? SHARING_PRIVATE
							     : SHARING_SHARED;
	setting->mode = mount->has_mode ? mount->mode & 07777 : 0;
	setting->uid = mount->has_uid ? (uint32_t)mount->uid : 0;
	setting->gid = mount->has_gid ? (uint32_t)mount->gid : 0;
	setting->source = mem_strdup(mount->source);
	setting->root = step->mounts[index].kind != INPUT_NONE ? &somewhere : NULL;
}

static int add_cache(struct run_job *job, size_t index, const struct file_mount *mount, struct error **err)
{
	bool is_seeded = job->step->mounts[index].kind != INPUT_NONE;
	int rc = is_seeded ? open_mount_root(job, index, mount->source, err) : 0;

	if (rc < 0)
		return rc;
	struct mount_setting *setting = &job->mounts[job->mount_count++];
	build_mounts_describe_cache(job->build, job->step, index, setting);
	setting->root = is_seeded ? &job->fds[index] : NULL;
	return 0;
}

void build_mounts_describe_shown(const struct run_job *job, const struct file_mount *mount,
				 struct mount_setting *setting)
{
	*setting = (struct mount_setting){
		.kind = mount->type == FILE_MOUNT_SSH ? MOUNT_SSH : MOUNT_SECRET,
		.id = file_mount_id(mount),
		.target = mount->target ? target_path(job->step, mount->target) : NULL,
		.env = mem_strdup(mount->env),
		.required = mount->required,
		.has_mode = mount->has_mode,
		.mode = mount->mode,
		.uid = mount->has_uid ? (uint32_t)mount->uid : 0,
		.gid = mount->has_gid ? (uint32_t)mount->gid : 0,
	};
}

static int add_shown(struct run_job *job, const struct file_mount *mount, struct error **err)
{
	cleanup(buf_done) struct buf value = BUF_SECRET(SECRET_SIZE_MAX);
	cleanup(mount_setting_done) struct mount_setting setting = {0};
	enum secret_outcome outcome;

	build_mounts_describe_shown(job, mount, &setting);
	int rc = secret_room_show(&job->secrets, job->build->options->grants, &setting, &value, &outcome, err);

	if (rc < 0)
		return rc;
	if (value.len)
		build_mask_add(&job->mask, &value);
	if (outcome == SECRET_MOUNTED) {
		job->mounts[job->mount_count++] = setting;
		setting = (struct mount_setting){0};
	}
	return 0;
}

static int add_file_mount(struct run_job *job, size_t index, struct error **err)
{
	const struct file_mount *mount = &job->step->instruction->run.mounts[index];
	struct mount_setting *setting;

	if (mount->type == FILE_MOUNT_SECRET || mount->type == FILE_MOUNT_SSH)
		return add_shown(job, mount, err);
	if (!mount->target || !*mount->target)
		return error_set(err, EINVAL, "a mount needs a target");
	cleanup_free char *target = target_path(job->step, mount->target);
	if (strcmp(target, "/") == 0)
		return error_set(err, EINVAL, "invalid mount target \"%s\"", mount->target);
	if (mount->type == FILE_MOUNT_BIND)
		return add_bind(job, index, mount, target, err);
	if (mount->type == FILE_MOUNT_CACHE)
		return add_cache(job, index, mount, err);
	setting = add_mount(job, MOUNT_TMPFS, target);
	setting->size = mount->size;
	return 0;
}

/* A here-document that begins with "#!": a file in /dev/pipes. */
static int add_script(struct run_job *job, struct error **err)
{
	const struct instruction_run *run = &job->step->instruction->run;
	struct store *store = workshop_store(job->build->w);
	const char *text = run->command.words.items[0];
	int tmp = store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	job->script = store_tmp_name(store, "script");
	if (mkdirat(tmp, job->script, 0755) < 0 || fchmodat(tmp, job->script, 0755, 0) < 0)
		return error_set_errno(err, "make a directory for the script");
	cleanup_close int dir = fd_open_dir(tmp, job->script, err);
	if (dir < 0)
		return dir;
	cleanup_close int fd =
		strchr(run->script_name, '/')
			? -1
			: openat(dir, run->script_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0755);
	if (fd < 0)
		return error_set_errno(err, "make the script '%s'", run->script_name);
	int rc = fd_write_all(fd, text, strlen(text), err);
	if (rc >= 0 && fchmod(fd, 0755) < 0)
		rc = error_set_errno(err, "make the script '%s'", run->script_name);
	if (rc < 0)
		return rc;
	struct mount_setting *setting = add_mount(job, MOUNT_BIND, "/dev/pipes");
	setting->flags |= RUN_MOUNT_READ_ONLY;
	setting->source = store_tmp_path(store, job->script);
	return 0;
}

int build_mounts_add(struct run_job *job, struct error **err)
{
	const struct instruction_run *run = &job->step->instruction->run;
	int rc = 0;

	job->mounts = mem_alloc((run->mount_count + 1) * sizeof(*job->mounts));
	job->roots = mem_grow(NULL, run->mount_count + 1, sizeof(*job->roots));
	job->fds = mem_grow(NULL, run->mount_count + 1, sizeof(*job->fds));
	job->asides = mem_alloc((run->mount_count + 1) * sizeof(*job->asides));
	for (size_t i = 0; i < run->mount_count; i++) {
		job->roots[i] = BUILD_ROOT_INIT;
		job->fds[i] = -1;
		job->asides[i] = (struct stage_run){.lock = -1, .dir = -1};
	}
	for (size_t i = 0; rc >= 0 && i < run->mount_count; i++) {
		rc = add_file_mount(job, i, err);
		if (rc < 0)
			return error_prefix(err, "--mount=%s", run->mount_texts.items[i]);
	}
	strlist_append_all(&job->settings.env, &job->secrets.env);
	return run->script == RUN_SCRIPT_FILE ? add_script(job, err) : rc;
}
