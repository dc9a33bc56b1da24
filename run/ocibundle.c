/*
 * The last part of a step's set-up when an OCI runtime is to run it: in the namespaces that we have made, a bundle. In:
 * the child with its root in place. Out: a directory that has a config.json, the root, and everything that is bound
 * into it, under a path that the runtime can be told.
 *
 * The runtime mounts by paths of the bundle. What needs our look-up without races, or our rules for what may be seen,
 * is mounted in the bundle by us and only bound from there: volumes, /sys, the texts of /etc.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "run/channel.h"
#include "run/child_internal.h"
#include "run/mountfd.h"
#include "run/network.h"
#include "run/ociconfig.h"

#define CONFIG_SIZE_MAX ((size_t)8 << 20)
#define SHM_SIZE_DEFAULT ((uint64_t)64 << 20)
#define TTY_GROUP 5

struct bundle {
	struct child *child;
	const char *path;
	struct oci_mounts mounts;
};

/* ---- What the runtime itself stands on ---- */

/* Of our own pid namespace, or the runtime could not mount one for the step: the kernel wants to see a whole one first,
 * and the runtime to find itself in it. */
static int mount_own_proc(struct child *child, struct error **err)
{
	cleanup_close int place = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (place < 0)
		return error_set_errno(err, "open '/proc'");
	if (child->plan->namespaces & CHILD_OWN_PID) {
		cleanup_close int proc = mountfd_new("proc", NULL, 0, MOUNTFD_SAFE, err);
		int rc = proc < 0 ? proc : mountfd_attach(proc, place, err);
		child->proc_is_refused = rc == -EPERM;
		if (rc < 0)
			return error_prefix(err, "/proc");
	}
	child->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return child->proc < 0 ? error_set_errno(err, "open '/proc'") : 0;
}

/* crun and runc refuse to start where they find both versions of cgroups, as on Debian before 11. Where this cannot be
 * had they get what is there, and say themselves what they miss. */
static void mount_own_cgroup(void)
{
	cleanup_close int place = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int mount = place < 0 ? -1 : mountfd_new("cgroup2", NULL, 0, MOUNTFD_SAFE, NULL);

	if (mount >= 0)
		mountfd_attach(mount, place, NULL);
}

/* ---- What goes into the root ---- */

static struct oci_mount *add(struct bundle *bundle, const char *type, const char *source, const char *target,
			     const char *options)
{
	return oci_mounts_add(&bundle->mounts, type, source, target, options);
}

/* A thing of the bundle's own, as restricted as it is there: a runtime takes away what its list of options lacks (of
 * the top; what is mounted below it leaves alone). */
static int add_own(struct bundle *bundle, const char *name, const char *target, const char *options, struct error **err)
{
	static const struct {
		unsigned long flag;
		const char *option;
	} flags[] = {{ST_RDONLY, "ro"}, {ST_NOSUID, "nosuid"}, {ST_NODEV, "nodev"}, {ST_NOEXEC, "noexec"}};
	cleanup_free char *source = mem_printf("%s/%s", bundle->path, name);
	struct statvfs fs;

	if (statvfs(source, &fs) < 0)
		return error_set_errno(err, "look at '%s'", source);
	struct oci_mount *mount = add(bundle, "bind", source, target, options);
	for (size_t i = 0; i < ARRAY_COUNT(flags); i++)
		if (fs.f_flag & flags[i].flag)
			strlist_append(&mount->options, flags[i].option);
	return 0;
}

/* The place is made by us, who take it away again; a runtime would leave it in the layer. What lies below its own /dev,
 * /proc and /sys goes with them. */
static int make_place(struct bundle *bundle, const char *target, mode_t type, struct error **err)
{
	static const char *const own[] = {"/dev/", "/proc/", "/sys/"};

	for (size_t i = 0; i < ARRAY_COUNT(own); i++)
		if (text_has_prefix(target, own[i]))
			return 0;
	cleanup_close int place = mounts_place(bundle->child, target, type, err);
	return place < 0 ? place : 0;
}

static int add_proc(struct bundle *bundle, struct error **err)
{
	if (bundle->child->plan->namespaces & CHILD_OWN_PID)
		add(bundle, "proc", "proc", "/proc", "nosuid,noexec,nodev");
	else
		add(bundle, "bind", "/proc", "/proc", "rbind");
	return make_place(bundle, "/proc", S_IFDIR, err);
}

static int add_sys(struct bundle *bundle, struct error **err)
{
	struct child *child = bundle->child;

	if (mkdirat(child->staging, "sys", 0755) < 0)
		return error_set_errno(err, "make the bundle's /sys");
	cleanup_close int place = openat(child->staging, "sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place < 0)
		return error_set_errno(err, "open the bundle's /sys");
	int rc = sys_fill(child, child->staging, place, err);
	if (rc < 0)
		return rc;
	rc = add_own(bundle, "sys", "/sys", "rbind", err);
	return rc < 0 ? rc : make_place(bundle, "/sys", S_IFDIR, err);
}

static int add_dev(struct bundle *bundle, struct error **err)
{
	const struct child *child = bundle->child;
	const struct run_spec *spec = child->spec;
	bool has_group = idmap_has(&child->plan->map->gids, TTY_GROUP);

	add(bundle, "tmpfs", "tmpfs", "/dev", "nosuid,strictatime,mode=755,size=65536k");
	add(bundle, "devpts", "devpts", "/dev/pts",
	    has_group ? "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"
		      : "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620");
	if (spec->share & RUN_SHARE_IPC) {
		add(bundle, "bind", "/dev/shm", "/dev/shm", "bind,nosuid,noexec,nodev");
	} else {
		struct oci_mount *shm = add(bundle, "tmpfs", "shm", "/dev/shm", "nosuid,noexec,nodev,mode=1777");
		strlist_printf(&shm->options, "size=%llu",
			       (unsigned long long)(spec->shm_size ? spec->shm_size : SHM_SIZE_DEFAULT));
		add(bundle, "mqueue", "mqueue", "/dev/mqueue", "nosuid,noexec,nodev");
	}
	return make_place(bundle, "/dev", S_IFDIR, err);
}

static int add_text(struct bundle *bundle, const char *name, const char *target, const char *text, struct error **err)
{
	if (!text)
		return 0;
	cleanup_close int file = openat(bundle->child->staging, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (file < 0)
		return error_set_errno(err, "make the text of '%s'", target);
	int rc = fd_write_all(file, text, strlen(text), err);
	if (rc == 0)
		rc = add_own(bundle, name, target, "bind", err);
	if (rc == 0)
		rc = make_place(bundle, target, S_IFREG, err);
	return rc < 0 ? error_prefix(err, "'%s'", target) : 0;
}

static int add_texts(struct bundle *bundle, struct error **err)
{
	const struct child *child = bundle->child;
	const struct run_spec *spec = child->spec;
	cleanup_free char *resolv =
		network_resolv_conf(spec->network, child->plan->network_helper, spec->etc_resolv_conf);
	int rc = add_text(bundle, "hosts", "/etc/hosts", spec->etc_hosts, err);

	if (rc == 0)
		rc = add_text(bundle, "resolv.conf", "/etc/resolv.conf", resolv, err);
	if (rc == 0)
		rc = add_text(bundle, "hostname", "/etc/hostname", spec->etc_hostname, err);
	if (rc == 0)
		rc = add_text(bundle, "containerenv", "/run/.containerenv", spec->containerenv, err);
	return rc;
}

/* ---- What the user asked for ---- */

static const char *propagation_of(const struct run_mount *mount)
{
	switch (mount->propagation & (MS_SHARED | MS_SLAVE)) {
	case MS_SHARED:
		return "rbind,rshared";
	case MS_SLAVE:
		return "rbind,rslave";
	default:
		return "rbind,rprivate";
	}
}

static int attach_volume(struct bundle *bundle, const struct run_mount *mount, int tree, const char *name, mode_t *type,
			 struct error **err)
{
	struct child *child = bundle->child;
	struct stat st;
	int rc = volumes_furnish(child, mount, tree, &st, err);

	if (rc < 0)
		return rc;
	*type = S_ISDIR(st.st_mode) ? S_IFDIR : S_IFREG;
	if (*type == S_IFDIR ? mkdirat(child->staging, name, 0755) : mknodat(child->staging, name, S_IFREG | 0600, 0))
		return error_set_errno(err, "make a place in the bundle");
	cleanup_close int place = openat(child->staging, name, O_PATH | O_CLOEXEC);
	return place < 0 ? error_set_errno(err, "open a place in the bundle") : mountfd_attach(tree, place, err);
}

static void add_memory(struct bundle *bundle, const struct run_mount *mount, const char *target)
{
	static const struct {
		unsigned flag;
		const char *option;
	} options[] = {{RUN_MOUNT_READ_ONLY, "ro"},
		       {RUN_MOUNT_NOSUID, "nosuid"},
		       {RUN_MOUNT_NODEV, "nodev"},
		       {RUN_MOUNT_NOEXEC, "noexec"},
		       {RUN_MOUNT_COPY_UP, "tmpcopyup"}};
	struct oci_mount *made = add(bundle, "tmpfs", "tmpfs", target, "");

	for (size_t i = 0; i < ARRAY_COUNT(options); i++)
		if (mount->flags & options[i].flag)
			strlist_append(&made->options, options[i].option);
	strlist_printf(&made->options, "mode=%o", mount->mode ? mount->mode : 01777);
	if (mount->size)
		strlist_printf(&made->options, "size=%llu", (unsigned long long)mount->size);
}

static int add_volume(struct bundle *bundle, size_t i, struct error **err)
{
	const struct run_mount *mount = &bundle->child->spec->mounts[i];
	int tree = bundle->child->plan->sources->volumes[i];
	cleanup_free char *target = volumes_target(bundle->child, mount);
	cleanup_free char *name = mem_printf("volume-%zu", i);
	mode_t type = S_IFDIR;

	if (mount->type == RUN_MOUNT_TMPFS) {
		add_memory(bundle, mount, target);
		return make_place(bundle, target, S_IFDIR, err);
	}
	if (tree < 0)
		return 0; /* optional, and not there */
	int rc = attach_volume(bundle, mount, tree, name, &type, err);
	if (rc == 0)
		rc = add_own(bundle, name, target, propagation_of(mount), err);
	return rc < 0 ? rc : make_place(bundle, target, type, err);
}

static int add_given(struct bundle *bundle, struct error **err)
{
	const struct run_spec *spec = bundle->child->spec;

	for (size_t i = 0; i < spec->mount_count; i++) {
		int rc = add_volume(bundle, i, err);
		if (rc < 0)
			return error_prefix(err, "mount on '%s'", spec->mounts[i].target);
	}
	for (size_t i = 0; i < spec->device_count; i++) {
		const struct run_device *device = &spec->devices[i];
		struct stat st;
		if (stat(device->source, &st) < 0)
			return error_set_errno(err, "device '%s'", device->source);
		if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
			return error_set(err, ENODEV, "device '%s': '%s' is not a device", device->source,
					 device->source);
		add(bundle, "bind", device->source, device->target,
		    device->read_only ? "bind,nosuid,noexec,ro" : "bind,nosuid,noexec");
		int rc = make_place(bundle, device->target, S_IFREG, err);
		if (rc < 0)
			return error_prefix(err, "device '%s'", device->source);
	}
	return 0;
}

/* ---- The terminal ---- */

/* Of the host's devpts, between us and the runtime, which makes the step's own in the step's /dev and copies. So its
 * size and ^C come to the runtime as they would from the user's terminal. */
static int open_terminal(struct child *child, struct error **err)
{
	int unlock = 0;

	if (!child->plan->has_terminal)
		return 0;
	cleanup_close int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return error_set_errno(err, "open a terminal");
	child->terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (child->terminal < 0)
		return error_set_errno(err, "open a terminal");
	int rc = channel_send(child->plan->channel, CHANNEL_TERMINAL, 0, NULL, 0, master);
	return rc < 0 ? error_set(err, -rc, "hand over the terminal") : 0;
}

/* ---- The bundle ---- */

/* What execve(2) would say, as far as the root alone tells: a runtime that fails only says so in words. 0: it is there.
 */
static int look_for(int root, const char *path)
{
	cleanup_close int file = rootpath_open(root, path, O_PATH, 0, NULL);
	struct stat st;

	if (file < 0)
		return -file;
	if (fstat(file, &st) < 0)
		return errno;
	return S_ISREG(st.st_mode) && st.st_mode & 0111 ? 0 : EACCES;
}

static int look_for_command(const struct child *child, const struct strlist *env)
{
	const char *name = child->spec->argv->items[0];
	const char *path = strlist_env_get(env, "PATH");
	cleanup(strlist_done) struct strlist places = {0};
	int code = ENOENT;

	if (name[0] == '/')
		return look_for(child->root, name);
	strlist_split(&places,
		      strchr(name, '/') ? child->spec->cwd
		      : path		? path
					: INIT_PATH_DEFAULT,
		      strchr(name, '/') ? '\0' : ':');
	for (size_t i = 0; i < places.count; i++) {
		cleanup_free char *candidate = mem_printf("%s/%s", places.items[i], name);
		int found = look_for(child->root, candidate);
		if (found == 0)
			return 0;
		if (found == EACCES)
			code = EACCES;
	}
	return code;
}

static int write_config(struct bundle *bundle, const struct strlist *env, struct error **err)
{
	struct child *child = bundle->child;
	cleanup(strlist_done) struct strlist masked = {0};
	cleanup(strlist_done) struct strlist read_only = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	cleanup_free gid_t *groups = NULL;
	struct oci_facts facts = {
		.root = "root",
		.user = &child->user,
		.env = env,
		.mounts = &bundle->mounts,
		.masked = &masked,
		.read_only = &read_only,
		.own_pid = child->plan->namespaces & CHILD_OWN_PID,
		.has_terminal = child->plan->has_terminal,
	};
	int rc = confine_find_ids(child, &groups, &facts.group_count, err);

	if (rc < 0)
		return rc;
	facts.groups = groups;
	proc_hidden_paths(child->spec, &masked, &read_only);
	rc = oci_config_write(child->spec, &facts, &text, err);
	if (rc < 0)
		return rc;
	cleanup_close int file = openat(child->staging, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0)
		return error_set_errno(err, "make the runtime's config.json");
	return fd_write_all(file, text.data, text.len, err);
}

static int fill(struct bundle *bundle, struct error **err)
{
	struct child *child = bundle->child;
	cleanup(strlist_done) struct strlist env = {0};
	int rc = add_proc(bundle, err);

	if (rc == 0)
		rc = add_sys(bundle, err);
	if (rc == 0)
		rc = add_dev(bundle, err);
	if (rc == 0)
		rc = add_texts(bundle, err);
	if (rc == 0)
		rc = add_given(bundle, err);
	if (rc == 0)
		rc = mounts_make_cwd(child, err);
	if (rc == 0)
		rc = open_terminal(child, err);
	child_environment(child, &env);
	if (rc == 0)
		rc = write_config(bundle, &env, err);
	if (rc < 0)
		return rc;
	rc = channel_send(child->plan->channel, CHANNEL_BUNDLE, look_for_command(child, &env), NULL, 0, child->staging);
	return rc < 0 ? error_set(err, -rc, "show the bundle") : 0;
}

int oci_make_bundle(struct child *child, struct error **err)
{
	struct bundle bundle = {.child = child, .path = child->spec->runtime_dir};
	int rc = mount_own_proc(child, err);

	if (rc < 0)
		return rc;
	mount_own_cgroup();
	if (!child->spec->allow_nested_userns)
		/* As for a step of our own (CVE-2022-0185); the runtime makes none. */
		rc = proc_write(child, "sys/user/max_user_namespaces", "0", err);
	if (rc == 0)
		rc = proc_set_sysctls(child, err);
	if (rc == 0)
		rc = fill(&bundle, err);
	oci_mounts_done(&bundle.mounts);
	return rc < 0 ? error_prefix(err, "bundle for '%s'", child->spec->runtime) : 0;
}
