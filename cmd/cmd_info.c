/*
 * cooper info: the machine, the store, and which isolation this user gets here.
 */
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/gotemplate.h"
#include "base/json.h"
#include "base/owner.h"
#include "builder/container.h"
#include "cmd/command.h"
#include "cmd/inspection.h"
#include "imagefmt/images.h"
#include "imagefmt/platform.h"
#include "run/idmap.h"
#include "run/ladder.h"

struct info_options {
	const char *format;
	bool debug;
};

#define INFO(member) offsetof(struct info_options, member)
static const struct option_spec rows[] = {
	{"format", 0, OPTION_TEXT, INFO(format), "TEMPLATE", "json (default), or what a Go template makes of it"},
	{"debug", 'd', OPTION_FLAG, INFO(debug), NULL, "tell more about cooper itself"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static json_t *extents_value(const struct id_extents *extents)
{
	json_t *array = json_array();
	for (size_t i = 0; i < extents->count; i++) {
		json_t *extent = json_object();
		json_set_i64(extent, "container_id", extents->items[i].inside);
		json_set_i64(extent, "host_id", extents->items[i].outside);
		json_set_i64(extent, "size", extents->items[i].count);
		json_array_append_new(array, extent);
	}
	return array;
}

static json_t *probes_value(const struct ladder *ladder)
{
	json_t *array = json_array();
	for (size_t i = 0; i < ladder->probe_count; i++) {
		const struct ladder_probe *probe = &ladder->probes[i];
		json_t *value = json_object();
		json_set_string(value, "name", probe->name);
		json_set_string(value, "result", probe->code ? strerror(probe->code) : "ok");
		if (probe->code)
			json_set_string_opt(value, "means", probe->means);
		json_array_append_new(array, value);
	}
	return array;
}

/* What the machine gives; where somebody has chosen a root without namespaces, steps get that all the same. */
static int find_rung(struct workshop *workshop, const struct idmap *map, int containers, struct ladder *ladder,
		     struct error **err)
{
	cleanup(idmap_done) struct idmap machine = {0};

	int rc = ladder_find(map, containers, ladder, err);
	if (rc < 0 || !workshop_is_translated(workshop) || ladder->rung == RUNG_NONE || ladder->rung >= RUNG_3)
		return rc;
	ladder_done(ladder);
	*ladder = (struct ladder){0};
	rc = idmap_find(&machine, err);
	if (rc == 0)
		rc = ladder_find(&machine, containers, ladder, err);
	if (rc < 0)
		return rc;
	ladder->rung = owner_is_root() ? RUNG_3 : RUNG_4;
	mem_replace(&ladder->remedy, "unset COOPER_ISOLATION, which has chosen a root without namespaces");
	return 0;
}

static int add_isolation(struct command_context *context, json_t *root, struct error **err)
{
	cleanup(ladder_done) struct ladder ladder = {0};
	const struct idmap *map = NULL;
	int containers = store_folder(context->store, STORE_CONTAINERS, err);
	int rc = containers < 0 ? containers : workshop_idmap(context->workshop, &map, err);
	if (rc == 0)
		rc = find_rung(context->workshop, map, containers, &ladder, err);
	if (rc < 0)
		return rc;
	json_t *isolation = json_object();
	json_set_string(isolation, "rung", rung_name(ladder.rung));
	json_set_take(isolation, "probes", probes_value(&ladder));
	json_set_string_opt(isolation, "remedy", ladder.remedy);
	json_set_string_opt(isolation, "idmap_note", map->reason);
	json_set_take(root, "isolation", isolation);
	json_t *ids = json_object();
	json_set_take(ids, "uidmap", extents_value(&map->uids));
	json_set_take(ids, "gidmap", extents_value(&map->gids));
	json_set_take(root, "idMappings", ids);
	return 0;
}

/* The first line of a sysctl, or nothing where the kernel has no such switch. */
static void add_sysctl(json_t *object, const char *name, const char *path)
{
	cleanup(buf_done) struct buf text = BUF_INIT(256);
	if (fd_read_file(AT_FDCWD, path, &text, NULL) < 0)
		return;
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	json_set_string(object, name, buf_str(&text));
}

static json_t *host_value(void)
{
	struct utsname machine = {0};
	struct sysinfo memory = {0};
	cleanup(platform_done) struct platform platform = {0};
	uname(&machine);
	sysinfo(&memory);
	platform_host(&platform);
	json_t *host = json_object();
	json_set_string(host, "OCIRuntime", "cooper");
	json_set_bool(host, "rootless", geteuid() != 0 || env_plain("_COOPER_USERNS"));
	json_set_string(host, "arch", platform.architecture);
	json_set_string(host, "os", platform.os);
	json_set_string_opt(host, "variant", platform.variant);
	json_set_i64(host, "cpus", get_nprocs());
	json_set_string(host, "kernel", machine.release);
	json_set_string(host, "hostname", machine.nodename);
	json_set_i64(host, "MemTotal", (int64_t)memory.totalram * memory.mem_unit);
	json_set_i64(host, "MemFree", (int64_t)memory.freeram * memory.mem_unit);
	json_t *sysctl = json_object();
	add_sysctl(sysctl, "user.max_user_namespaces", "/proc/sys/user/max_user_namespaces");
	add_sysctl(sysctl, "kernel.unprivileged_userns_clone", "/proc/sys/kernel/unprivileged_userns_clone");
	add_sysctl(sysctl, "kernel.apparmor_restrict_unprivileged_userns",
		   "/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
	json_set_take(host, "sysctl", sysctl);
	if (access("/etc/apparmor.d/cooper", F_OK) == 0)
		json_set_string(host, "apparmorProfile", "/etc/apparmor.d/cooper");
	return host;
}

static int store_value(struct command_context *context, json_t **value, struct error **err)
{
	cleanup(container_list_done) struct container_list containers = {0};
	size_t images = 0;
	int rc = images_count(context->store, &images, err);
	if (rc == 0)
		rc = containers_list(context->workshop, &containers, err);
	if (rc < 0)
		return rc;
	json_t *store = json_object();
	json_t *image_store = json_object();
	json_t *container_store = json_object();
	json_set_string(store, "GraphDriverName", "overlay");
	json_set_string(store, "GraphRoot", store_root(context->store));
	json_set_string(store, "RunRoot", store_runroot(context->store));
	json_set_i64(image_store, "number", (int64_t)images);
	json_set_i64(container_store, "number", (int64_t)containers.count);
	json_set_take(store, "ImageStore", image_store);
	json_set_take(store, "ContainerStore", container_store);
	*value = store;
	return 0;
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct info_options *options = values;
	cleanup_json json_t *root = json_object();
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	json_t *store = NULL;
	json_set_take(root, "host", host_value());
	int rc = store_value(context, &store, err);
	if (rc < 0)
		return rc;
	json_set_take(root, "store", store);
	rc = add_isolation(context, root, err);
	if (rc < 0)
		return rc;
	if (options->debug) {
		json_t *debug = json_object();
		json_set_string(debug, "version", COOPER_VERSION);
		json_set_string(debug, "compiler", __VERSION__);
		json_set_take(root, "debug", debug);
	}
	if (inspect_wants_json(options->format)) {
		json_format_pretty(root, 4, &text);
		fputs(buf_str(&text), stdout);
		return 0;
	}
	rc = gotemplate_run(options->format, root, /* strict_fields */ false, &text, err);
	if (rc < 0)
		return error_prefix(err, "--format");
	printf("%s\n", buf_str(&text));
	return 0;
}

const struct command command_info = {
	.name = "info",
	.arguments = "[--format TEMPLATE]",
	.summary = "tell about this machine, the store, and the isolation that steps get here",
	.description =
		"The isolation is found by trying: 'rung' is how strong it is (1 is the strongest), 'probes' what was "
		"tried and what the kernel said, 'remedy' the one change that would raise the rung.",
	.examples = "  cooper info --format '{{.isolation.rung}}'",
	.needs = NEEDS_STORE,
	.options = {{&group, 0}},
	.options_size = sizeof(struct info_options),
	.run = run,
};
