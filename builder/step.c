/*
 * A run_spec, filled in: from the container's configuration, what `from` was told, what this run is told, and
 * containers.conf, the later over the earlier.
 */
#include "builder/step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/cdi.h"
#include "builder/places.h"
#include "builder/records.h"
#include "builder/step_internal.h"
#include "run/capability.h"
#include "run/limits.h"
#include "run/seccomp.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define DEFAULT_HOSTNAME "cooper"
#define PROFILE_SIZE_MAX ((size_t)4 << 20)

static void step_done(struct step *step)
{
	foreign_end(&step->foreign);
	settings_done(&step->settings);
	containers_conf_done(&step->conf);
	rootfs_layers_done(&step->layers);
	owner_table_done(&step->owners);
	strlist_done(&step->env);
	strlist_done(&step->sysctls);
	security_done(&step->security);
	buf_done(&step->seccomp);
	free(step->cwd);
	free(step->limits);
	free(step->hosts);
	free(step->resolv_conf);
	free(step->hostname_file);
	free(step->containerenv);
	free(step->devices);
	free(step->mounts);
	for (size_t i = 0; i < step->fd_count; i++)
		fd_close(step->fds[i]);
	free(step->fds);
	for (size_t i = 0; i < step->root_count; i++)
		rootfs_close(step->roots[i]);
	free(step->roots);
	secret_room_done(&step->secrets);
	int tmp = step->temporary.count ? store_tmp(workshop_store(step->w), NULL) : -1;
	for (size_t i = 0; tmp >= 0 && i < step->temporary.count; i++)
		tree_remove(tmp, step->temporary.items[i], NULL);
	strlist_done(&step->temporary);
	strlist_done(&step->owned);
}
CLEANUP_FOR_VALUE(struct step, step_done)

/* ---- environment ---- */

/* "K=V", or "K" alone: as it is in our environment, if it is there. */
static void set_env(struct strlist *env, const char *text)
{
	const char *equals = strchr(text, '=');
	cleanup_free char *key = mem_strndup(text, equals ? (size_t)(equals - text) : strlen(text));
	const char *value = equals ? equals + 1 : getenv(key);

	if (value)
		strlist_env_set(env, key, value);
}

static int add_proxies(struct step *step, struct error **err)
{
	static const char *const names[] = {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy",
					    "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"};
	bool on;
	int rc = setting_is_on(step->settings.http_proxy, "--http-proxy", step->conf.http_proxy, &on, err);

	for (size_t i = 0; rc >= 0 && on && i < ARRAY_COUNT(names); i++) {
		const char *value = env_plain(names[i]);
		if (value && !strlist_env_get(&step->env, names[i]))
			strlist_env_set(&step->env, names[i], value);
	}
	return rc;
}

void step_env_of_image(const struct containers_conf *conf, const struct image_config *config, struct strlist *env)
{
	strlist_append(env, "PATH=" DEFAULT_PATH);
	for (size_t i = 0; i < conf->env.count; i++)
		set_env(env, conf->env.items[i]);
	for (size_t i = 0; i < config->env.count; i++)
		set_env(env, config->env.items[i]);
}

void step_env_of_settings(const struct settings *settings, struct strlist *env)
{
	for (size_t i = 0; i < settings->env.count; i++)
		set_env(env, settings->env.items[i]);
}

static int make_env(struct step *step, struct error **err)
{
	step_env_of_image(&step->conf, &step->c->config, &step->env);
	int rc = add_proxies(step, err);
	if (rc >= 0)
		step_env_of_settings(&step->settings, &step->env);
	return rc;
}

/* ---- what a step may do ---- */

static int capabilities(const struct step *step, uint64_t *set, struct error **err)
{
	*set = 0;
	if (!step->conf.has_capabilities) {
		*set = capability_defaults();
	} else {
		int rc = capability_add(set, &step->conf.default_capabilities, err);
		if (rc < 0)
			return error_prefix(err, "containers.conf: default_capabilities");
	}
	/* "drop all, add one" means that one. */
	int rc = capability_drop(set, &step->settings.cap_drop, err);
	if (rc < 0)
		return error_prefix(err, "--cap-drop");
	rc = capability_add(set, &step->settings.cap_add, err);
	return rc < 0 ? error_prefix(err, "--cap-add") : 0;
}

static int read_profile(const char *file, struct buf *text, struct error **err)
{
	/* The user's own file, named by the user. */
	cleanup_close int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, "seccomp profile '%s'", file);
	int rc = fd_read_all(fd, text, err);
	return rc < 0 ? error_prefix(err, "seccomp profile '%s'", file) : 0;
}

static int load_seccomp(struct step *step, struct run_spec *spec, struct error **err)
{
	const char *profile = step->security.seccomp ? step->security.seccomp : step->conf.seccomp_profile;
	cleanup(buf_done) struct buf text = BUF_INIT(PROFILE_SIZE_MAX);
	struct seccomp_options options = {
		.capabilities = spec->capabilities,
		.allow_nested_userns = spec->allow_nested_userns,
		.cache = store_folder(workshop_store(step->w), STORE_CACHE, NULL),
	};

	if (profile && strcmp(profile, "unconfined") == 0)
		return 0;
	if (profile) {
		int rc = read_profile(profile, &text, err);
		if (rc < 0)
			return rc;
		options.profile = buf_str(&text);
		options.profile_size = text.len;
		options.profile_name = profile;
	}
	if (spec->runtime) {
		int rc = seccomp_describe(&options, &step->seccomp, err);
		spec->runtime_seccomp = buf_str(&step->seccomp);
		return rc;
	}
	int rc = seccomp_load(&options, &step->seccomp, err);
	if (rc < 0)
		return rc;
	spec->seccomp = step->seccomp.data;
	spec->seccomp_size = step->seccomp.len;
	return 0;
}

static int set_security(struct step *step, struct run_spec *spec, struct error **err)
{
	int rc = capabilities(step, &spec->capabilities, err);

	if (rc >= 0)
		rc = security_parse(&step->settings.security_opt, &step->security, err);
	if (rc < 0)
		return rc;
	const struct security *security = &step->security;
	spec->no_new_privs = security->no_new_privs;
	spec->apparmor_profile = security->apparmor;
	/* "disable" asks for nothing where no label would be set. */
	spec->selinux_label = security->label && strcmp(security->label, "disable") != 0 ? security->label : NULL;
	spec->mask = &security->mask;
	spec->unmask = &security->unmask;
	return load_seccomp(step, spec, err);
}

/* ---- who runs it ---- */

/* What was said for this run or container, then the environment, then what somebody has written into containers.conf.
 * --isolation chroot means "without a runtime" where no runtime was named beside it. */
static const char *choose_runtime(const struct step *step)
{
	const struct settings *s = &step->settings;
	const char *environment = env_get("RUNTIME");

	if (s->runtime)
		return *s->runtime ? s->runtime : NULL;
	if (s->isolation && strcmp(s->isolation, "chroot") == 0)
		return NULL;
	return environment ? environment : step->conf.runtime;
}

static int set_runtime(struct step *step, struct run_spec *spec, struct error **err)
{
	struct store *store = workshop_store(step->w);

	spec->runtime = choose_runtime(step);
	if (!spec->runtime)
		return step->settings.runtime_flags.count
			       ? error_set(err, EINVAL,
					   "--runtime-flag '%s': there is no runtime to take it; add --runtime",
					   step->settings.runtime_flags.items[0])
			       : 0;
	int tmp = store_tmp(store, err);
	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "bundle");
	if (mkdirat(tmp, name, 0700) < 0)
		return error_set_errno(err, "make a directory for the runtime's bundle");
	strlist_append(&step->temporary, name);
	strlist_take(&step->owned, store_tmp_path(store, name));
	spec->runtime_dir = step->owned.items[step->owned.count - 1];
	spec->runtime_flags = &step->settings.runtime_flags;
	return 0;
}

/* ---- limits and devices ---- */

/* A size in bytes; 0 when nothing is said. */
static int size_setting(const char *text, const char *what, uint64_t *bytes, struct error **err)
{
	return text && *text ? parse_size(text, what, bytes, err) : 0;
}

static int add_limits(struct step *step, const struct strlist *texts, struct run_spec *spec, struct error **err)
{
	for (size_t i = 0; i < texts->count; i++) {
		struct run_limit limit = {0};
		bool keep_host = false;
		int rc = limit_parse(texts->items[i], &limit, &keep_host, err);
		if (rc < 0)
			return rc;
		/* "host": the limits that we have ourselves, all of them. */
		for (int resource = 0; keep_host && resource < RLIM_NLIMITS; resource++) {
			struct rlimit ours;
			if (getrlimit((__rlimit_resource_t)resource, &ours) < 0)
				continue;
			step->limits = mem_grow(step->limits, spec->limit_count + 1, sizeof(*step->limits));
			step->limits[spec->limit_count++] = (struct run_limit){resource, ours.rlim_cur, ours.rlim_max};
		}
		if (keep_host)
			continue;
		step->limits = mem_grow(step->limits, spec->limit_count + 1, sizeof(*step->limits));
		step->limits[spec->limit_count++] = limit;
	}
	return 0;
}

static int set_limits(struct step *step, struct run_spec *spec, struct error **err)
{
	const struct settings *s = &step->settings;
	int rc = add_limits(step, &step->conf.default_ulimits, spec, err);

	if (rc < 0)
		return error_prefix(err, "containers.conf: default_ulimits");
	rc = add_limits(step, &s->ulimit, spec, err);
	if (rc >= 0)
		rc = cgroup_parse(s, &spec->cgroup, err);
	if (rc >= 0)
		rc = size_setting(s->shm_size ? s->shm_size : step->conf.shm_size, "--shm-size", &spec->shm_size, err);
	if (rc >= 0)
		rc = size_setting(s->disk_limit, "--disk-limit", &spec->disk_limit, err);
	spec->limits = step->limits;
	return rc;
}

static int add_devices(struct step *step, const struct strlist *texts, struct error **err)
{
	for (size_t i = 0; i < texts->count; i++) {
		char *source = NULL, *target = NULL;
		bool read_only;
		int rc = device_parse(texts->items[i], &source, &target, &read_only, err);
		if (rc < 0)
			return rc;
		strlist_take(&step->owned, source);
		strlist_take(&step->owned, target);
		step->devices = mem_grow(step->devices, step->device_count + 1, sizeof(*step->devices));
		step->devices[step->device_count++] =
			(struct run_device){.source = source, .target = target, .read_only = read_only};
	}
	return 0;
}

/* ---- network and the files of /etc ---- */

static int set_network(struct step *step, struct run_spec *spec, struct error **err)
{
	int rc = step_network(&step->settings, spec, err);

	return rc < 0 ? rc : shares_parse(&step->settings, &spec->share, err);
}

/* Which namespace a sysctl belongs to. False: to the whole machine. */
static bool sysctl_is_ours(const char *text, const struct run_spec *spec, bool *ours)
{
	static const char *const ipc[] = {"kernel.shm", "kernel.msg", "kernel.sem=", "fs.mqueue."};
	static const char *const uts[] = {"kernel.hostname=", "kernel.domainname="};

	if (text_has_prefix(text, "net.") || text_has_prefix(text, "net/")) {
		*ours = spec->network != RUN_NETWORK_HOST && !spec->translated;
		return true;
	}
	for (size_t i = 0; i < ARRAY_COUNT(ipc); i++)
		if (text_has_prefix(text, ipc[i])) {
			*ours = !(spec->share & RUN_SHARE_IPC) && !spec->translated;
			return true;
		}
	for (size_t i = 0; i < ARRAY_COUNT(uts); i++)
		if (text_has_prefix(text, uts[i])) {
			*ours = !(spec->share & RUN_SHARE_UTS) && !spec->translated;
			return true;
		}
	return false;
}

/* Those of containers.conf whose namespace the step has for itself: the host's are not touched, as podman has it. */
static int set_sysctls(struct step *step, struct run_spec *spec, struct error **err)
{
	const struct strlist *texts = &step->conf.default_sysctls;

	for (size_t i = 0; i < texts->count; i++) {
		bool ours = false;
		if (!strchr(texts->items[i], '='))
			return error_set(err, EINVAL, "containers.conf: default_sysctls: '%s' is not name=value",
					 texts->items[i]);
		if (!sysctl_is_ours(texts->items[i], spec, &ours))
			return error_set(err, EINVAL,
					 "containers.conf: default_sysctls: '%s' is not of a namespace that a step has "
					 "for itself, but of the whole machine",
					 texts->items[i]);
		if (ours)
			strlist_append(&step->sysctls, texts->items[i]);
		else
			log_debug("the sysctl '%s' is left alone: the step shares that namespace with the host",
				  texts->items[i]);
	}
	spec->sysctls = &step->sysctls;
	return 0;
}

static int set_files(struct step *step, struct run_spec *spec, struct error **err)
{
	const struct settings *s = &step->settings;
	bool no_hostname;
	const char *hostname = s->hostname && *s->hostname			       ? s->hostname
			       : step->c->config.hostname && *step->c->config.hostname ? step->c->config.hostname
										       : DEFAULT_HOSTNAME;

	if (strpbrk(hostname, " \t\n/"))
		return error_set(err, EINVAL, "--hostname '%s': not a host's name", hostname);
	int rc = setting_is_on(s->no_hostname, "--no-hostname", false, &no_hostname, err);
	if (rc >= 0)
		rc = step_resolv_conf(step, spec->network, &step->resolv_conf, err);
	if (rc >= 0)
		rc = step_hosts(step, spec->network, hostname, &step->hosts, err);
	if (rc < 0)
		return rc;
	step->hostname_file = no_hostname ? NULL : mem_printf("%s\n", hostname);
	step->containerenv = step_containerenv(step);
	spec->hostname = hostname;
	spec->etc_hosts = step->hosts;
	spec->etc_resolv_conf = step->resolv_conf;
	spec->etc_hostname = step->hostname_file;
	spec->containerenv = step->containerenv;
	return 0;
}

/* ---- the flow ---- */

static int set_process(struct step *step, struct run_spec *spec, struct error **err)
{
	const struct settings *s = &step->settings;
	const struct image_config *config = &step->c->config;
	int rc = make_env(step, err);

	if (rc >= 0)
		rc = setting_is_on(s->no_pivot, "--no-pivot", env_get("NOPIVOT") != NULL, &spec->no_pivot, err);
	if (rc >= 0)
		rc = setting_is_on(s->read_only, "--read-only", false, &spec->root.read_only, err);
	if (rc < 0)
		return rc;
	spec->argv = step->options->argv;
	spec->env = &step->env;
	const char *cwd = s->workingdir && *s->workingdir ? s->workingdir : config->working_dir;
	/* As text, like Docker: "/a/../b" is /b whether or not there is an /a. */
	step->cwd = cwd ? rootpath_clean(cwd) : NULL;
	spec->cwd = step->cwd;
	spec->user = s->user && *s->user ? s->user : config->user;
	spec->extra_groups = &s->group_add;
	spec->terminal = step->options->terminal;
	spec->stdin_fd = step->options->stdin_fd;
	spec->stdout_fd = step->options->stdout_fd;
	spec->stderr_fd = step->options->stderr_fd;
	spec->min_rung = (int)workshop_options(step->w)->min_rung;
	return workshop_idmap(step->w, &spec->map, err);
}

static int fill(struct step *step, struct run_spec *spec, struct error **err)
{
	int rc = set_process(step, spec, err);

	if (rc >= 0)
		rc = set_network(step, spec, err);
	if (rc >= 0)
		rc = set_sysctls(step, spec, err);
	if (rc >= 0)
		rc = set_files(step, spec, err);
	if (rc >= 0)
		rc = set_runtime(step, spec, err);
	if (rc >= 0)
		rc = set_security(step, spec, err);
	if (rc >= 0)
		rc = set_limits(step, spec, err);
	if (rc >= 0)
		rc = add_devices(step, &step->conf.devices, err);
	if (rc >= 0)
		rc = add_devices(step, &step->settings.devices, err);
	if (rc >= 0)
		rc = step_mounts(step, err);
	spec->devices = step->devices;
	spec->device_count = step->device_count;
	spec->mounts = step->mounts;
	spec->mount_count = step->mount_count;
	return rc;
}

/* The image may be for another machine than this one. That it cannot be run here is no failure yet: some images only
 * say so, and hold programs for this machine. */
static void begin_foreign(struct step *step, struct error **trouble)
{
	const char *architecture = step->c->config.platform.architecture;

	if (architecture && *architecture)
		(void)foreign_begin(architecture, &step->foreign, trouble);
}

/* The kernel says no more than "Exec format error". */
static void explain_foreign(const struct error *trouble, struct run_result *result)
{
	if (!trouble || result->started || !result->message)
		return;
	char *whole = mem_printf("%s: %s", result->message, error_message(trouble));
	free(result->message);
	result->message = whole;
}

/* The lowest layer of an overlay: see places.h. What is mounted already, or has no layers, has its own places. */
static void add_places(struct step *step, const struct run_spec *spec)
{
	struct rootfs_layers *layers = &step->layers;
	int places = layers->lower_count > 0 && layers->mounted < 0 ? places_open(step->w, spec) : -1;

	if (places < 0)
		return;
	layers->lowers = mem_grow(layers->lowers, layers->lower_count + 1, sizeof(*layers->lowers));
	layers->lowers[layers->lower_count++] = places;
	layers->root.lowers = layers->lowers;
	layers->root.lower_count = layers->lower_count;
}

int step_run(struct workshop *w, const struct container *c, const struct step_options *options,
	     struct run_result *result, struct error **err)
{
	cleanup(step_done) struct step step = {
		.w = w,
		.c = c,
		.options = options,
		.layers = ROOTFS_LAYERS_INIT,
		.foreign = FOREIGN_INIT,
		.seccomp = BUF_INIT(BUF_MAX_DEFAULT),
		.secrets = SECRET_ROOM_INIT(w),
	};
	struct run_spec spec = {.translated = workshop_is_translated(w)};
	cleanup_error struct error *trouble = NULL;

	if (!options->argv || options->argv->count == 0)
		return error_set(err, EINVAL, "command must be specified");
	settings_copy(&step.settings, &c->settings);
	if (options->settings)
		settings_merge(&step.settings, options->settings);
	if (!step.settings.isolation)
		step.settings.isolation = mem_strdup(workshop_options(w)->isolation);
	int rc = cdi_expand(&step.settings, err);
	if (rc >= 0)
		rc = settings_check(&step.settings, err);
	if (rc >= 0)
		rc = containers_conf_load(&step.conf, err);
	if (rc >= 0)
		rc = fill(&step, &spec, err);
	if (rc >= 0)
		rc = rootfs_layers_open(w, c, &step.layers, err);
	if (rc >= 0)
		rc = records_load_owners(w, c, &step.owners, err);
	if (rc < 0)
		return rc;
	begin_foreign(&step, &trouble);
	spec.owners = &step.owners;
	if (!spec.translated)
		add_places(&step, &spec);
	bool read_only = spec.root.read_only;
	spec.root = step.layers.root;
	spec.root.read_only = read_only;
	/* The step may share our user id, and on some machines our process table: it must not attach to us. */
	spec.seal = true;
	rc = run_step(&spec, result, err);
	if (rc >= 0)
		explain_foreign(trouble, result);
	/* Also of a step that failed: what it has made is there. */
	int saved = records_save_owners(w, c, &step.owners, rc < 0 ? NULL : err);
	return rc < 0 ? rc : saved;
}
