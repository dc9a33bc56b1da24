/*
 * What of a step's settings cannot be had where there are no namespaces: said before anything is built with them.
 */
#include <string.h>

#include "base/env.h"
#include "builder/step_internal.h"
#include "builder/workshop.h"
#include "run/translate.h"

/* Most settings ask for nothing that could be missing; for those nobody looks what the machine has. */
static bool asks_for_little(const struct run_spec *spec)
{
	return !spec->runtime && spec->network != RUN_NETWORK_PRIVATE && !spec->device_count && !spec->cgroup.is_set &&
	       !(spec->share & RUN_SHARE_PID) && spec->mask->count == 0 && spec->unmask->count == 0 &&
	       !spec->apparmor_profile && !spec->selinux_label && !spec->mount_count;
}

/* An overlay among the volumes whose changes are kept, as step_mounts() will make one. */
static int find_overlay(const struct strlist *volumes, struct run_mount *overlay, struct mount_setting *mount,
			struct error **err)
{
	for (size_t i = 0; i < volumes->count; i++) {
		mount_setting_done(mount);
		*mount = (struct mount_setting){0};
		int rc = volume_parse(volumes->items[i], mount, err);
		if (rc < 0)
			return rc;
		if (mount->kind == MOUNT_OVERLAY && mount->upper) {
			*overlay = (struct run_mount){.type = RUN_MOUNT_OVERLAY, .target = mount->target, .upper = 0};
			return 1;
		}
	}
	return 0;
}

int step_network(const struct settings *s, struct run_spec *spec, struct error **err)
{
	/* It has the host's, whatever the default is elsewhere. */
	bool is_chroot = s->isolation && strcmp(s->isolation, "chroot") == 0;
	const char *default_network = s->network ? NULL : is_chroot ? "host" : env_get("NETWORK");
	int rc = network_parse(s->network ? s->network : default_network, &spec->network, &spec->network_helper, err);

	return rc < 0 && default_network ? error_prefix(err, "COOPER_NETWORK") : rc;
}

int step_check(struct workshop *w, const struct settings *s, struct error **err)
{
	cleanup(security_done) struct security security = {0};
	cleanup(mount_setting_done) struct mount_setting mount = {0};
	struct run_mount overlay = {0};
	struct run_spec spec = {.runtime = s->runtime ? s->runtime : env_get("RUNTIME"),
				.device_count = s->devices.count,
				.mounts = &overlay,
				.mask = &security.mask,
				.unmask = &security.unmask};
	const struct idmap *map = NULL;
	int rc = step_network(s, &spec, err);

	if (rc >= 0)
		rc = shares_parse(s, &spec.share, err);
	if (rc >= 0)
		rc = cgroup_parse(s, &spec.cgroup, err);
	if (rc >= 0)
		rc = security_parse(&s->security_opt, &security, err);
	if (rc >= 0)
		rc = find_overlay(&s->volumes, &overlay, &mount, err);
	if (rc < 0)
		return rc;
	spec.mount_count = (size_t)rc;
	spec.apparmor_profile = security.apparmor;
	spec.selinux_label = security.label && strcmp(security.label, "disable") != 0 ? security.label : NULL;
	if (spec.runtime && !*spec.runtime)
		spec.runtime = NULL;
	if (asks_for_little(&spec))
		return 0;
	rc = workshop_idmap(w, &map, err);
	return rc < 0 || !workshop_is_translated(w) ? rc : translation_check_wishes(&spec, err);
}
