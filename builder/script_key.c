/*
 * The key of a command in a container: the command, what it can see of its surroundings, and the contents of what is
 * mounted. Limits, the isolation and the runtime decide whether and how fast it ends, not what comes out; proxies,
 * secrets and what a cache mount holds are nobody's business.
 */
#include "builder/script_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rootpath.h"
#include "builder/acquire.h"
#include "builder/build_selection.h"
#include "builder/step_internal.h"
#include "run/spec.h"

#define SETTINGS_MAX ((size_t)1 << 20)

struct run_key {
	struct workshop *w;
	const struct container *c;
	const char *contextdir;
	struct build_key *key;
};

/* ---- settings -------------------------------------------------------------------------------------------------------
 */

/* Those that stand in the key by themselves, or not at all. */
static void drop_others(struct settings *s)
{
	char **texts[] = {&s->isolation,   &s->user,	     &s->workingdir, &s->runtime,    &s->cgroupns,
			  &s->memory,	   &s->memory_swap,  &s->cpu_period, &s->cpu_quota,  &s->cpu_shares,
			  &s->cpuset_cpus, &s->cpuset_mems,  &s->pids_limit, &s->disk_limit, &s->http_proxy,
			  &s->no_pivot,	   &s->cgroup_parent};
	struct strlist *lists[] = {&s->env, &s->mounts, &s->volumes, &s->runtime_flags};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		mem_replace(texts[i], NULL);
	for (size_t i = 0; i < ARRAY_COUNT(lists); i++)
		strlist_clear(lists[i]);
}

static void add_settings(struct run_key *k, const struct settings *settings)
{
	cleanup(settings_done) struct settings seen = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(SETTINGS_MAX);

	settings_copy(&seen, settings);
	drop_others(&seen);
	cleanup_json json_t *json = settings_to_json(&seen);
	json_format(json, &text);
	build_key_text(k->key, "options", buf_str(&text));
}

static void add_process(struct run_key *k, const struct step_options *options, const struct settings *s,
			const struct containers_conf *conf)
{
	const struct image_config *config = &k->c->config;
	cleanup(strlist_done) struct strlist env = {0};
	const char *cwd = s->workingdir && *s->workingdir ? s->workingdir : config->working_dir;

	step_env_of_image(conf, config, &env);
	step_env_of_settings(s, &env);
	strlist_sort(&env);
	build_key_list(k->key, "command", options->argv);
	build_key_env(k->key, "env", &env);
	build_key_text(k->key, "user", s->user && *s->user ? s->user : config->user);
	build_key_text(k->key, "working directory", cwd);
	build_key_text(k->key, "host name", config->hostname);
	add_settings(k, s);
}

/* ---- mounts ---------------------------------------------------------------------------------------------------------
 */

/* All of a directory, or one file of it. */
static int add_tree(struct run_key *k, int root, const char *path, bool keep_owner, struct error **err)
{
	cleanup(strlist_done) struct strlist sources = {0};
	cleanup(build_memo_close) struct build_memo *memo =
		keep_owner ? NULL : build_memo_open(workshop_store(k->w), root);
	const struct build_selection selection = {
		.root = root, .sources = &sources, .keep_owner = keep_owner, .memo = memo};

	strlist_append(&sources, path);
	return build_selection_add(&selection, k->key, err);
}

static int add_host_source(struct run_key *k, const char *source, struct error **err)
{
	const char *directory = source[0] == '/' || !k->contextdir ? NULL : k->contextdir;
	struct stat st;

	if (directory) {
		cleanup_close int root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return root < 0 ? error_set_errno(err, "--contextdir %s", directory)
				: add_tree(k, root, source, /* keep_owner */ false, err);
	}
	/* The user's own path: links lead where they lead. */
	cleanup_free char *path = realpath(source, NULL);
	if (!path || stat(path, &st) < 0)
		return error_set_errno(err, "'%s'", source);
	char *slash = strrchr(path, '/');
	bool is_dir = S_ISDIR(st.st_mode);
	cleanup_free char *leaf = mem_strdup(is_dir ? "/" : slash + 1);
	if (!is_dir)
		slash[slash == path] = '\0';
	cleanup_close int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? error_set_errno(err, "'%s'", path) : add_tree(k, root, leaf, /* keep_owner */ false, err);
}

static int add_container_source(struct run_key *k, const struct container *found, const char *source,
				struct error **err)
{
	cleanup(container_done) struct container held = {0};
	cleanup(rootfs_close) struct rootfs *rootfs = NULL;
	cleanup_close int lock = container_borrow(k->w, found->id, &held, err);
	int rc = lock < 0 ? lock : rootfs_open(k->w, &held, &rootfs, err);

	return rc < 0 ? rc : add_tree(k, rootfs_fd(rootfs), source, /* keep_owner */ true, err);
}

/* A container stands in the key by its files, an image by its layers. */
static int add_from(struct run_key *k, const char *name, const char *source, struct error **err)
{
	cleanup(container_done) struct container c = {0};
	cleanup(image_done) struct image image = {0};
	const struct acquire_options options = {.policy = PULL_MISSING};

	if (container_find(k->w, name, &c, NULL) == 0)
		return add_container_source(k, &c, source, err);
	int rc = acquire_image(k->w, name, &options, &image, err);
	for (size_t i = 0; rc >= 0 && i < image.config.diff_id_count; i++)
		build_key_digest(k->key, "layer mounted from", &image.config.diff_ids[i]);
	build_key_text(k->key, "mount source", source);
	return rc;
}

static int add_mount(struct run_key *k, const struct mount_setting *mount, struct error **err)
{
	build_key_number(k->key, "mount", mount->kind);
	build_key_text(k->key, "mount target", mount->target);
	build_key_number(k->key, "mount flags", mount->flags);
	build_key_number(k->key, "mount size", mount->size);
	build_key_number(k->key, "mount mode", mount->mode);
	if (mount->kind == MOUNT_CACHE || mount->kind == MOUNT_SECRET || mount->kind == MOUNT_SSH) {
		build_key_text(k->key, "mount id", mount->id);
		build_key_text(k->key, "mount env", mount->env);
		build_key_number(k->key, "mount owner", mount->uid);
		build_key_number(k->key, "mount group", mount->gid);
	}
	if (mount->kind != MOUNT_BIND && mount->kind != MOUNT_OVERLAY)
		return 0;
	const char *source = mount->source ? mount->source : "/";
	int rc = mount->from ? add_from(k, mount->from, source, err) : add_host_source(k, source, err);
	return rc < 0 ? error_prefix(err, "the mount on '%s'", mount->target) : 0;
}

/* --volume writes through to the host, which a result from the cache would not. */
static int add_volumes(struct run_key *k, const struct strlist *volumes, struct error **err)
{
	for (size_t i = 0; i < volumes->count; i++) {
		cleanup(mount_setting_done) struct mount_setting mount = {0};
		int rc = volume_parse(volumes->items[i], &mount, err);
		bool writes = mount.upper || (mount.kind == MOUNT_BIND && !(mount.flags & RUN_MOUNT_READ_ONLY));
		if (rc >= 0 && writes)
			return error_set(
				err, EINVAL,
				"--cache: volume '%s' can be written to, and the cache would not do that again "
				"(add :ro, or use --mount type=bind, or type=cache)",
				volumes->items[i]);
		if (rc >= 0)
			rc = add_mount(k, &mount, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int add_mounts(struct run_key *k, const struct settings *s, const struct containers_conf *conf,
		      struct error **err)
{
	int rc = add_volumes(k, &conf->volumes, err);

	if (rc >= 0)
		rc = add_volumes(k, &s->volumes, err);
	for (size_t i = 0; rc >= 0 && i < s->mounts.count; i++) {
		cleanup(mount_setting_done) struct mount_setting mount = {0};
		rc = mount_parse(s->mounts.items[i], &mount, err);
		if (rc >= 0)
			rc = add_mount(k, &mount, err);
	}
	return rc;
}

/* ---- the flow -------------------------------------------------------------------------------------------------------
 */

int script_key_run(struct workshop *w, const struct container *c, const struct step_options *options,
		   struct build_key *key, struct error **err)
{
	cleanup(settings_done) struct settings settings = {0};
	cleanup(containers_conf_done) struct containers_conf conf = {0};
	struct run_key k = {.w = w, .c = c, .contextdir = options->contextdir, .key = key};

	settings_copy(&settings, &c->settings);
	if (options->settings)
		settings_merge(&settings, options->settings);
	int rc = settings_check(&settings, err);
	if (rc >= 0)
		rc = containers_conf_load(&conf, err);
	if (rc < 0)
		return rc;
	add_process(&k, options, &settings, &conf);
	return add_mounts(&k, &settings, &conf, err);
}
