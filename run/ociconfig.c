/*
 * One object of config.json after the other, in the order of the runtime-spec's config.md.
 */
#include "run/ociconfig.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "run/capability.h"
#include "run/limits.h"

#define OCI_VERSION "1.0.2" /* the oldest that has all that is said here: old runtimes refuse a newer one */

void oci_mounts_done(struct oci_mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++) {
		free(mounts->items[i].type);
		free(mounts->items[i].source);
		free(mounts->items[i].target);
		strlist_done(&mounts->items[i].options);
	}
	free(mounts->items);
	*mounts = (struct oci_mounts){0};
}

struct oci_mount *oci_mounts_add(struct oci_mounts *mounts, const char *type, const char *source, const char *target,
				 const char *options)
{
	mounts->items = mem_grow(mounts->items, mounts->count + 1, sizeof(*mounts->items));
	struct oci_mount *mount = &mounts->items[mounts->count++];
	*mount = (struct oci_mount){
		.type = mem_strdup(type), .source = mem_strdup(source), .target = mem_strdup(target)};
	strlist_split(&mount->options, options, ',');
	return mount;
}

static json_t *user_object(const struct run_spec *spec, const struct oci_facts *facts)
{
	json_t *user = json_object();
	json_t *groups = json_array();

	json_set_i64(user, "uid", facts->user->uid);
	json_set_i64(user, "gid", facts->user->gid);
	json_set_i64(user, "umask", spec->umask ? spec->umask : 022);
	for (size_t i = 0; i < facts->group_count; i++)
		json_array_append_new(groups, json_integer(facts->groups[i]));
	json_set_take(user, "additionalGids", groups);
	return user;
}

static json_t *capabilities_object(uint64_t set)
{
	static const char *const sets[] = {"bounding", "effective", "permitted"};
	cleanup(strlist_done) struct strlist names = {0};
	const struct strlist none = {0};
	json_t *object = json_object();

	capability_names(set, &names);
	for (size_t i = 0; i < ARRAY_COUNT(sets); i++)
		json_set_strlist(object, sets[i], &names);
	/* CVE-2022-24769 */
	json_set_strlist(object, "inheritable", &none);
	json_set_strlist(object, "ambient", &none);
	return object;
}

/* RLIM_INFINITY is 2^64-1, more than jansson's integers hold; half of it is as good as no limit. */
static int64_t limit_number(rlim_t limit)
{
	return limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
}

/* "nofile" to "RLIMIT_NOFILE" */
static json_t *limit_object(const struct run_limit *limit)
{
	json_t *object = json_object();
	cleanup_free char *type = mem_printf("RLIMIT_%s", limit_name(limit->resource));

	for (char *c = type; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	json_set_string(object, "type", type);
	json_set_i64(object, "soft", limit_number(limit->soft));
	json_set_i64(object, "hard", limit_number(limit->hard));
	return object;
}

static int limits_array(const struct run_spec *spec, json_t **array, struct error **err)
{
	cleanup_free struct run_limit *limits = NULL;
	size_t count = 0;
	int rc = limits_resolve(spec->limits, spec->limit_count, &limits, &count, err);

	if (rc < 0)
		return rc;
	*array = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(*array, limit_object(&limits[i]));
	return 0;
}

static int process_object(const struct run_spec *spec, const struct oci_facts *facts, json_t **object,
			  struct error **err)
{
	cleanup_json json_t *process = json_object();
	json_t *limits = NULL;
	int rc = limits_array(spec, &limits, err);

	if (rc < 0)
		return rc;
	json_set_take(process, "rlimits", limits);
	json_set_bool(process, "terminal", facts->has_terminal);
	json_set_take(process, "user", user_object(spec, facts));
	json_set_strlist(process, "args", spec->argv);
	json_set_strlist(process, "env", facts->env);
	json_set_string(process, "cwd", spec->cwd ? spec->cwd : "/");
	json_set_take(process, "capabilities", capabilities_object(spec->capabilities));
	json_set_bool(process, "noNewPrivileges", spec->no_new_privs);
	json_set_string_opt(process, "apparmorProfile", spec->apparmor_profile);
	json_set_string_opt(process, "selinuxLabel", spec->selinux_label);
	*object = take_ptr(&process);
	return 0;
}

static json_t *mounts_array(const struct oci_mounts *mounts)
{
	json_t *array = json_array();

	for (size_t i = 0; i < mounts->count; i++) {
		const struct oci_mount *mount = &mounts->items[i];
		json_t *object = json_object();
		json_set_string(object, "type", mount->type);
		json_set_string(object, "source", mount->source);
		json_set_string(object, "destination", mount->target);
		json_set_strlist(object, "options", &mount->options);
		json_array_append_new(array, object);
	}
	return array;
}

/* Those of user, network and cgroup are made already, and inherited. */
static json_t *namespaces_array(const struct run_spec *spec, bool own_pid)
{
	const struct {
		const char *type;
		bool own;
	} namespaces[] = {
		{"mount", true},
		{"pid", own_pid},
		{"ipc", !(spec->share & RUN_SHARE_IPC)},
		{"uts", !(spec->share & RUN_SHARE_UTS)},
	};
	json_t *array = json_array();

	for (size_t i = 0; i < ARRAY_COUNT(namespaces); i++) {
		if (!namespaces[i].own)
			continue;
		json_t *object = json_object();
		json_set_string(object, "type", namespaces[i].type);
		json_array_append_new(array, object);
	}
	return array;
}

static int linux_object(const struct run_spec *spec, const struct oci_facts *facts, json_t **object, struct error **err)
{
	cleanup_json json_t *linux_part = json_object();

	json_set_take(linux_part, "namespaces", namespaces_array(spec, facts->own_pid));
	json_set_strlist(linux_part, "maskedPaths", facts->masked);
	json_set_strlist(linux_part, "readonlyPaths", facts->read_only);
	if (spec->runtime_seccomp) {
		json_t *rules = NULL;
		int rc = json_parse(spec->runtime_seccomp, strlen(spec->runtime_seccomp), "seccomp rules", &rules, err);
		if (rc < 0)
			return rc;
		json_set_take(linux_part, "seccomp", rules);
	}
	*object = take_ptr(&linux_part);
	return 0;
}

int oci_config_write(const struct run_spec *spec, const struct oci_facts *facts, struct buf *text, struct error **err)
{
	cleanup_json json_t *config = json_object();
	json_t *root = json_object();
	json_t *part = NULL;

	json_set_string(root, "path", facts->root);
	json_set_bool(root, "readonly", spec->root.read_only || (spec->root.mounted < 0 && spec->root.upper < 0));
	json_set_take(config, "root", root);
	json_set_string(config, "ociVersion", OCI_VERSION);
	int rc = process_object(spec, facts, &part, err);
	if (rc < 0)
		return rc;
	json_set_take(config, "process", part);
	if (!(spec->share & RUN_SHARE_UTS))
		json_set_string(config, "hostname", spec->hostname ? spec->hostname : "cooper");
	json_set_take(config, "mounts", mounts_array(facts->mounts));
	rc = linux_object(spec, facts, &part, err);
	if (rc < 0)
		return rc;
	json_set_take(config, "linux", part);
	json_format(config, text);
	return 0;
}
