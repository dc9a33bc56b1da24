/*
 * What the texts of `from` and `run` mean. Every option of an option is enumerated: a word that is not known is an
 * error and never handed on to mount(2) or to anybody else (CVE-2024-9407).
 */
#include "builder/settings_parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "builder/cdi.h"
#include "run/capability.h"
#include "run/limits.h"
#include "run/ociruntime.h"

int setting_is_on(const char *text, const char *what, bool otherwise, bool *on, struct error **err)
{
	if (!text || !*text) {
		*on = otherwise;
		return 0;
	}
	return parse_bool(text, what, on, err);
}

int device_parse(const char *text, char **source, char **target, bool *read_only, struct error **err)
{
	cleanup(strlist_done) struct strlist parts = {0};

	strlist_split(&parts, text, ':');
	if (parts.count < 1 || parts.count > 3 || parts.items[0][0] != '/' ||
	    (parts.count == 3 && parts.items[1][0] != '/'))
		return error_set(err, EINVAL, "--device '%s': not SOURCE[:TARGET][:rwm]", text);
	const char *last = parts.items[parts.count - 1];
	const char *permissions = "rwm";
	if (parts.count > 1 && last[0] != '/') {
		if (!*last || strspn(last, "rwm") != strlen(last))
			return error_set(err, EINVAL, "--device '%s': permissions are made of r, w and m", text);
		permissions = last;
	} else if (parts.count == 3) {
		return error_set(err, EINVAL, "--device '%s': permissions are made of r, w and m", text);
	}
	bool has_target = parts.count > 1 && parts.items[1][0] == '/';
	*source = mem_strdup(parts.items[0]);
	*target = mem_strdup(parts.items[has_target ? 1 : 0]);
	*read_only = !strchr(permissions, 'w');
	return 0;
}

int network_parse(const char *text, enum run_network *network, const char **helper, struct error **err)
{
	static const struct {
		const char *name;
		enum run_network network;
		const char *helper;
	} names[] = {
		{"host", RUN_NETWORK_HOST, NULL},	 {"default", RUN_NETWORK_HOST, NULL},
		{"none", RUN_NETWORK_NONE, NULL},	 {"private", RUN_NETWORK_PRIVATE, NULL},
		{"bridge", RUN_NETWORK_PRIVATE, NULL},	 {"container", RUN_NETWORK_PRIVATE, NULL}, /* the old name */
		{"pasta", RUN_NETWORK_PRIVATE, "pasta"}, {"slirp4netns", RUN_NETWORK_PRIVATE, "slirp4netns"},
	};

	*network = RUN_NETWORK_HOST;
	*helper = NULL;
	if (!text || !*text)
		return 0;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		if (strcmp(text, names[i].name) != 0)
			continue;
		*network = names[i].network;
		*helper = names[i].helper;
		return 0;
	}
	return error_set(err, EINVAL, "--network '%s': not one of host, none, private, pasta, slirp4netns", text);
}

static int share_parse(const char *text, const char *what, unsigned bit, unsigned *share, struct error **err)
{
	if (!text || !*text || strcmp(text, "private") == 0 || strcmp(text, "container") == 0)
		return 0;
	if (strcmp(text, "host") == 0) {
		*share |= bit;
		return 0;
	}
	return error_set(err, EINVAL, "%s '%s': not one of host, private, container", what, text);
}

int shares_parse(const struct settings *s, unsigned *share, struct error **err)
{
	unsigned found = 0;
	int rc = share_parse(s->ipc, "--ipc", RUN_SHARE_IPC, &found, err);

	if (rc >= 0)
		rc = share_parse(s->pid, "--pid", RUN_SHARE_PID, &found, err);
	if (rc >= 0)
		rc = share_parse(s->uts, "--uts", RUN_SHARE_UTS, &found, err);
	if (rc >= 0)
		rc = share_parse(s->cgroupns, "--cgroupns", RUN_SHARE_CGROUP, &found, err);
	if (rc >= 0)
		*share = found;
	return rc;
}

/* A size where "-1" and "0" mean no limit. */
static int limit_size(const char *text, const char *what, uint64_t *bytes, bool *is_set, struct error **err)
{
	if (!text || !*text || strcmp(text, "-1") == 0 || strcmp(text, "0") == 0)
		return 0;
	*is_set = true;
	return parse_size(text, what, bytes, err);
}

static int limit_number(const char *text, const char *what, uint64_t *value, bool *is_set, struct error **err)
{
	if (!text || !*text || strcmp(text, "-1") == 0 || strcmp(text, "0") == 0)
		return 0;
	*is_set = true;
	return parse_u64(text, INT64_MAX, what, value, err);
}

static int cpuset_parse(const char *text, const char *what, const char **value, bool *is_set, struct error **err)
{
	if (!text || !*text)
		return 0;
	if (strspn(text, "0123456789,-") != strlen(text))
		return error_set(err, EINVAL, "%s '%s': not a list like 0-2,4", what, text);
	*value = text;
	*is_set = true;
	return 0;
}

int cgroup_parse(const struct settings *s, struct run_cgroup *cgroup, struct error **err)
{
	struct run_cgroup c = {0};
	int rc = limit_size(s->memory, "--memory", &c.memory, &c.is_set, err);

	if (rc >= 0)
		rc = limit_size(s->memory_swap, "--memory-swap", &c.memory_swap, &c.is_set, err);
	if (rc >= 0 && c.memory_swap && !c.memory)
		rc = error_set(err, EINVAL, "--memory-swap needs --memory");
	if (rc >= 0 && c.memory_swap && c.memory_swap < c.memory)
		rc = error_set(err, EINVAL, "--memory-swap '%s' is less than --memory '%s' (it is the sum of both)",
			       s->memory_swap, s->memory);
	if (rc >= 0)
		rc = limit_number(s->cpu_quota, "--cpu-quota", &c.cpu_quota, &c.is_set, err);
	if (rc >= 0)
		rc = limit_number(s->cpu_period, "--cpu-period", &c.cpu_period, &c.is_set, err);
	if (rc >= 0)
		rc = limit_number(s->cpu_shares, "--cpu-shares", &c.cpu_shares, &c.is_set, err);
	if (rc >= 0)
		rc = limit_number(s->pids_limit, "--pids-limit", &c.pids, &c.is_set, err);
	if (rc >= 0)
		rc = cpuset_parse(s->cpuset_cpus, "--cpuset-cpus", &c.cpuset_cpus, &c.is_set, err);
	if (rc >= 0)
		rc = cpuset_parse(s->cpuset_mems, "--cpuset-mems", &c.cpuset_mems, &c.is_set, err);
	if (rc >= 0)
		*cgroup = c;
	return rc;
}

void security_done(struct security *security)
{
	strlist_done(&security->mask);
	strlist_done(&security->unmask);
}

static int security_option(const char *option, struct security *security, struct error **err)
{
	/* Docker's old form has a colon. */
	size_t size = strcspn(option, "=:");
	const char *value = option[size] ? option + size + 1 : NULL;

	if (size == strlen("no-new-privileges") && text_has_prefix(option, "no-new-privileges")) {
		security->no_new_privs = true;
		return value ? parse_bool(value, "--security-opt no-new-privileges", &security->no_new_privs, err) : 0;
	}
	if (!value || !*value)
		return error_set(err, EINVAL, "--security-opt '%s': not NAME=VALUE", option);
	if (size == strlen("seccomp") && text_has_prefix(option, "seccomp"))
		security->seccomp = value;
	else if (size == strlen("apparmor") && text_has_prefix(option, "apparmor"))
		security->apparmor = value;
	else if (size == strlen("label") && text_has_prefix(option, "label"))
		security->label = value;
	else if (size == strlen("mask") && text_has_prefix(option, "mask"))
		strlist_split(&security->mask, value, ':');
	else if (size == strlen("unmask") && text_has_prefix(option, "unmask"))
		strlist_split(&security->unmask, value, ':');
	else
		return error_set(
			err, EINVAL,
			"--security-opt '%s': not one of seccomp, apparmor, label, no-new-privileges, mask, unmask",
			option);
	return 0;
}

int security_parse(const struct strlist *options, struct security *security, struct error **err)
{
	cleanup(security_done) struct security read = {0};

	for (size_t i = 0; i < options->count; i++) {
		int rc = security_option(options->items[i], &read, err);
		if (rc < 0)
			return rc;
	}
	*security = read;
	read = (struct security){0};
	return 0;
}

int add_host_parse(const char *text, char **name, char **address, struct error **err)
{
	const char *colon = strchr(text, ':');

	if (!colon || colon == text || !colon[1])
		return error_set(err, EINVAL, "--add-host '%s': not NAME:ADDRESS", text);
	const char *host = colon + 1;
	cleanup_free char *plain = mem_strdup(host);
	size_t size = strlen(plain);
	if (plain[0] == '[' && plain[size - 1] == ']') { /* as in a URL */
		plain[size - 1] = '\0';
		memmove(plain, plain + 1, size - 1);
	}
	uint8_t binary[sizeof(struct in6_addr)];
	if (strcmp(plain, "host-gateway") != 0 && inet_pton(AF_INET, plain, binary) != 1 &&
	    inet_pton(AF_INET6, plain, binary) != 1)
		return error_set(err, EINVAL, "--add-host '%s': '%s' is not an address", text, host);
	if (memchr(text, '\n', (size_t)(colon - text)))
		return error_set(err, EINVAL, "--add-host: a name cannot hold a line break");
	*name = mem_strndup(text, (size_t)(colon - text));
	*address = take_ptr(&plain);
	return 0;
}

/* ---- all of them, before a container is made with them ---- */

static int check_isolation(const struct settings *s, struct error **err)
{
	static const char *const known[] = {"auto", "full", "translated", "oci", "rootless", "chroot"};
	const char *isolation = s->isolation;

	if (s->isolation && *s->isolation) {
		size_t i = 0;
		while (i < ARRAY_COUNT(known) && strcmp(isolation, known[i]) != 0)
			i++;
		if (i == ARRAY_COUNT(known))
			return error_set(err, EINVAL,
					 "--isolation '%s': not one of auto, full, translated, oci, rootless, chroot",
					 isolation);
	}
	enum run_network network;
	const char *helper;
	int rc = network_parse(s->network, &network, &helper, err);
	if (rc < 0)
		return rc;
	if (isolation && strcmp(isolation, "chroot") == 0 && network != RUN_NETWORK_HOST)
		return error_set(err, EINVAL, "cannot set --network other than host with --isolation chroot");
	return 0;
}

/* What nobody here could do. */
static int check_refused(const struct settings *s, struct error **err)
{
	/* Empty: cooper itself, whatever the environment and containers.conf say. */
	if (s->runtime && *s->runtime) {
		int rc = ociruntime_check(s->runtime, err);
		if (rc < 0)
			return error_prefix(err, "--runtime");
	}
	if (s->cgroup_parent && *s->cgroup_parent)
		return error_set(err, ENOTSUP,
				 "--cgroup-parent '%s': steps stand below cooper's own cgroup; start cooper in the one "
				 "you want (systemd-run --user --scope -p Delegate=yes --slice=…)",
				 s->cgroup_parent);
	/* The step's ids are the same with and without the namespace in between, so all of these mean one thing. */
	if (s->userns && *s->userns && strcmp(s->userns, "host") != 0 && strcmp(s->userns, "private") != 0 &&
	    strcmp(s->userns, "container") != 0 && strcmp(s->userns, "auto") != 0)
		return error_set(err, EINVAL, "--userns '%s': not one of host, private, container, auto", s->userns);
	return 0;
}

static int check_mounts(const struct settings *s, struct error **err)
{
	for (size_t i = 0; i < s->volumes.count; i++) {
		cleanup(mount_setting_done) struct mount_setting mount = {0};
		int rc = volume_parse(s->volumes.items[i], &mount, err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < s->mounts.count; i++) {
		cleanup(mount_setting_done) struct mount_setting mount = {0};
		int rc = mount_parse(s->mounts.items[i], &mount, err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < s->devices.count; i++) {
		cleanup_free char *source = NULL, *target = NULL;
		bool read_only;
		/* What a name stands for is known on the machine that runs it, when it does. */
		if (cdi_is_name(s->devices.items[i]))
			continue;
		int rc = device_parse(s->devices.items[i], &source, &target, &read_only, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int check_names(const struct settings *s, struct error **err)
{
	uint64_t set = 0;
	int rc = capability_add(&set, &s->cap_add, err);

	if (rc < 0)
		return error_prefix(err, "--cap-add");
	rc = capability_drop(&set, &s->cap_drop, err);
	if (rc < 0)
		return error_prefix(err, "--cap-drop");
	for (size_t i = 0; i < s->ulimit.count; i++) {
		struct run_limit limit;
		bool keep_host = false;
		rc = limit_parse(s->ulimit.items[i], &limit, &keep_host, err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < s->add_host.count; i++) {
		cleanup_free char *name = NULL, *address = NULL;
		rc = add_host_parse(s->add_host.items[i], &name, &address, err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < s->group_add.count; i++) {
		if (strcmp(s->group_add.items[i], "keep-groups") == 0)
			return error_set(err, ENOTSUP,
					 "--group-add keep-groups: groups of the host have no ids in the container");
	}
	return 0;
}

static int check_values(const struct settings *s, struct error **err)
{
	const struct {
		const char *text, *what;
	} switches[] = {
		{s->http_proxy, "--http-proxy"}, {s->no_hosts, "--no-hosts"},	{s->no_hostname, "--no-hostname"},
		{s->no_pivot, "--no-pivot"},	 {s->read_only, "--read-only"},
	};
	const struct {
		const char *text, *what;
	} sizes[] = {{s->shm_size, "--shm-size"}, {s->disk_limit, "--disk-limit"}};
	unsigned share;
	struct run_cgroup cgroup;
	cleanup(security_done) struct security security = {0};

	for (size_t i = 0; i < ARRAY_COUNT(switches); i++) {
		bool on;
		int rc = setting_is_on(switches[i].text, switches[i].what, false, &on, err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		uint64_t bytes;
		int rc = sizes[i].text && *sizes[i].text ? parse_size(sizes[i].text, sizes[i].what, &bytes, err) : 0;
		if (rc < 0)
			return rc;
	}
	int rc = shares_parse(s, &share, err);
	if (rc >= 0)
		rc = cgroup_parse(s, &cgroup, err);
	if (rc >= 0)
		rc = security_parse(&s->security_opt, &security, err);
	return rc;
}

int settings_check(const struct settings *s, struct error **err)
{
	int rc = check_isolation(s, err);

	if (rc >= 0)
		rc = check_refused(s, err);
	if (rc >= 0)
		rc = check_values(s, err);
	if (rc >= 0)
		rc = check_names(s, err);
	if (rc >= 0)
		rc = check_mounts(s, err);
	return rc;
}
