/*
 * The texts of settings, each turned into what a run_spec wants. Pure: nothing is opened or looked up here, so `from`
 * can check with the same functions what `run` will do much later.
 */
#ifndef COOPER_BUILDER_SETTINGS_PARSE_H
#define COOPER_BUILDER_SETTINGS_PARSE_H

#include "builder/settings.h"
#include "run/spec.h"

/* One --volume or --mount, before its source is opened. */
enum mount_kind { MOUNT_BIND, MOUNT_OVERLAY, MOUNT_TMPFS, MOUNT_CACHE, MOUNT_SECRET, MOUNT_SSH };
enum mount_sharing { SHARING_SHARED, SHARING_LOCKED, SHARING_PRIVATE };

struct mount_setting {
	enum mount_kind kind;
	char *source;	   /* bind and overlay: a path; cache: a path in `from`; NULL when none was given */
	char *target;	   /* NULL of secret and ssh: their usual place */
	char *from;	   /* container or image that the source is in; NULL = the host */
	const int *root;   /* or a directory that the caller holds open; NULL */
	unsigned flags;	   /* enum run_mount_flags */
	int propagation;   /* MS_…, 0 = private */
	uint64_t size;	   /* tmpfs, bytes */
	mode_t mode;	   /* tmpfs and cache; 0 = default. secret and ssh, with has_mode */
	bool has_mode;	   /* of secret and ssh */
	uint32_t uid, gid; /* cache, secret, ssh */
	char *id;	   /* cache; NULL = the target. secret and ssh */
	char *env;	   /* secret: the variable that gets it; NULL */
	bool required;	   /* secret and ssh */
	enum mount_sharing sharing;
	char *upper, *work; /* of an overlay that keeps its changes; NULL */
};
void mount_setting_done(struct mount_setting *mount);
CLEANUP_FOR_VALUE(struct mount_setting, mount_setting_done)
/* "SRC:DST[:opt,opt]". Options that are not known are -EINVAL. */
int volume_parse(const char *text, struct mount_setting *mount, struct error **err);
/* "type=bind,src=…,dst=…". Keys that are not known are -EINVAL. */
int mount_parse(const char *text, struct mount_setting *mount, struct error **err);

/* Texts of a run_device, owned. "SRC[:DST][:rwm]" */
int device_parse(const char *text, char **source, char **target, bool *read_only, struct error **err);

/* "host", "none", "private", or a helper's name (its options after ':' are refused). *helper is a constant or NULL. */
int network_parse(const char *text, enum run_network *network, const char **helper, struct error **err);
/* Whether the namespaces of --ipc, --pid, --uts and --cgroupns are shared with the host. */
int shares_parse(const struct settings *s, unsigned *share, struct error **err);
int cgroup_parse(const struct settings *s, struct run_cgroup *cgroup, struct error **err);
/* "true" or "false"; NULL is `otherwise`. */
int setting_is_on(const char *text, const char *what, bool otherwise, bool *on, struct error **err);

/* --security-opt. Texts are borrowed from the settings. */
struct security {
	const char *seccomp; /* file, "unconfined", or NULL = the default */
	const char *apparmor, *label;
	bool no_new_privs;
	struct strlist mask, unmask;
};
void security_done(struct security *security);
CLEANUP_FOR_VALUE(struct security, security_done)
int security_parse(const struct strlist *options, struct security *security, struct error **err);

/* "name:ip" or "name:host-gateway" to the parts of a line of /etc/hosts; both newly allocated. */
int add_host_parse(const char *text, char **name, char **address, struct error **err);

#endif
