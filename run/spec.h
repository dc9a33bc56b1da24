/*
 * One process in a container, as plain data: what builder/ fills in and run_step() carries out. Everything is borrowed
 * for the length of the call. Zeroed fields mean "none" or the default said here.
 */
#ifndef COOPER_RUN_SPEC_H
#define COOPER_RUN_SPEC_H

#include "base/error.h"
#include "base/ownertable.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>

/* Where the root comes from. The descriptors are to be opened after userns_enter(): the kernel mounts only what was
 * opened in the mount namespace that the caller stands in. That goes for source_fd of mounts, too. */
struct run_root {
	/* Either layers under an upper directory, mounted as overlay in the step's own mount namespace … */
	const int *lowers; /* trees, topmost first; may be none: then `upper` itself is the root */
	size_t lower_count;
	int upper;   /* -1: read-only root of lowers alone */
	int scratch; /* a directory on upper's file system in which a work directory can be made */
	/* … or, when `mounted` >= 0, a directory that is mounted here already. */
	int mounted;
	bool read_only; /* the step cannot write it */
	/* `mounted` is a plain tree that shares files with others: these inodes of its file system, sorted, as far as
	 * they have more than one name, are to be replaced and never changed. Only for a translated root. */
	const uint64_t *shared;
	size_t shared_count;
};

enum run_mount_type { RUN_MOUNT_BIND, RUN_MOUNT_TMPFS, RUN_MOUNT_OVERLAY };

enum run_mount_flags {
	RUN_MOUNT_READ_ONLY = 1,
	RUN_MOUNT_NOSUID = 2,
	RUN_MOUNT_NODEV = 4,
	RUN_MOUNT_NOEXEC = 8,
	RUN_MOUNT_RECURSIVE = 16,
	RUN_MOUNT_COPY_UP = 32,	  /* tmpfs: starts with what the image has there */
	RUN_MOUNT_CHOWN = 64,	  /* bind: the source's tree is given to the step's user first (:U) */
	RUN_MOUNT_OPTIONAL = 128, /* a missing source is skipped */
};

struct run_mount {
	enum run_mount_type type;
	unsigned flags;
	const char *source; /* path on the host, or NULL when source_fd is used */
	int source_fd;	    /* O_PATH descriptor, or -1 */
	const char *target; /* in the container; relative to the working directory */
	int propagation;    /* MS_PRIVATE (default for 0), MS_SLAVE, MS_SHARED */
	uint64_t size;	    /* tmpfs: bytes, 0 = the kernel's default */
	mode_t mode;	    /* tmpfs: 0 = 1777 */
	int upper, work;    /* overlay: -1 = thrown away after the step */
};

enum run_network { RUN_NETWORK_HOST, RUN_NETWORK_NONE, RUN_NETWORK_PRIVATE };
/* Namespaces that a user may ask to share with the host. */
enum run_share { RUN_SHARE_PID = 1, RUN_SHARE_IPC = 2, RUN_SHARE_UTS = 4, RUN_SHARE_CGROUP = 8 };

struct run_limit {
	int resource; /* RLIMIT_… */
	rlim_t soft, hard;
};

struct run_cgroup {
	bool is_set;
	uint64_t memory, memory_swap;		    /* bytes, 0 = no limit asked for */
	uint64_t cpu_quota, cpu_period, cpu_shares; /* microseconds, microseconds, 2..262144 */
	const char *cpuset_cpus, *cpuset_mems;
	uint64_t pids;
};

struct run_device {
	const char *source, *target; /* host node, path in the container */
	bool read_only;
};

enum run_terminal { RUN_TERMINAL_AUTO, RUN_TERMINAL_YES, RUN_TERMINAL_NO };

struct idmap;

struct run_spec {
	const struct idmap *map; /* the ids of the namespace that we stand in; NULL: as /proc says */
	struct run_root root;
	const struct strlist *argv; /* exec'd as given, argv[0] searched in the step's PATH */
	const struct strlist *env;  /* exact; HOME is added from the user's entry when missing */
	const char *cwd;	    /* made when missing; NULL = "/" */
	const char
		*user; /* "name|uid[:group|gid]", looked up in the root's own /etc/passwd and /etc/group; NULL = root */
	const struct strlist *extra_groups; /* names or numbers */
	const char *hostname;		    /* NULL = "cooper" */

	uint64_t capabilities; /* bits 1 << CAP_…: bounding, permitted and effective set; inheritable and ambient are
				  empty */
	bool no_new_privs;
	const void *seccomp;	      /* struct sock_filter[] from seccomp_load(); NULL = unconfined */
	size_t seccomp_size;	      /* bytes */
	const char *apparmor_profile; /* NULL = unchanged */
	const char *selinux_label;    /* NULL = unchanged */
	bool allow_nested_userns;

	enum run_network network;
	const char *network_helper; /* "pasta" or "slirp4netns"; NULL = the first that is installed */
	unsigned share;		    /* enum run_share */

	const struct run_mount *mounts; /* in this order, after the standard ones */
	size_t mount_count;
	const struct run_device *devices;
	size_t device_count;
	/* Files of the step's own, shown during the run and not left in the image; NULL = leave what the image has. */
	const char *etc_hosts, *etc_resolv_conf, *etc_hostname, *containerenv; /* texts */
	const struct strlist *unmask;					       /* paths not to mask, "ALL" for none */
	const struct strlist *mask;					       /* further paths to mask */

	const struct strlist *sysctls; /* "net.ipv4.x=1", of namespaces that the step has for itself; NULL = none */

	const struct run_limit *limits; /* over the defaults of limits.h */
	size_t limit_count;
	mode_t umask;	   /* 0 = 0022 */
	uint64_t shm_size; /* bytes, 0 = 64 MiB */
	struct run_cgroup cgroup;
	uint64_t disk_limit; /* bytes that the step may add to upper; 0 = no limit */

	bool seal; /* from the step's first instruction on we are not dumpable, and stay so (userns.h) */

	enum run_terminal terminal;
	int stdin_fd, stdout_fd, stderr_fd; /* -1 = /dev/null for stdin, ours for the others */
	bool no_pivot;			    /* MS_MOVE and chroot instead of pivot_root */
	int min_rung;			    /* 0 = any; the step is refused below it (run/ladder.h) */
	/* No namespaces: the root is translated (run/translate.h). `root` is then one plain tree, `root.scratch` a
	 * directory for what is made for the step alone. */
	bool translated;

	/* Records of what the root's upper directory and layers hold and cannot carry (base/ownertable.h); what the
	 * step makes is added. NULL: devices are not recorded where ids are mapped, and where they are not, owners of
	 * links and FIFOs end with the step. */
	struct owner_table *owners;

	/* An OCI runtime that is given the step as a bundle (run/ociruntime.h); NULL = we run it ourselves. */
	const char *runtime;
	const struct strlist *runtime_flags; /* as they stand on its command line, before "run"; NULL = none */
	const char *runtime_dir;	     /* an empty directory to show the bundle on, in a namespace of its own */
	const char *runtime_seccomp;	     /* in place of `seccomp`: text of seccomp_describe(); NULL = unconfined */
};

struct run_result {
	int status;    /* as a shell counts: 0..255, 126 not executable, 127 not found, 128 + N killed by signal N */
	bool started;  /* false: the command itself could not be executed; *message says why */
	char *message; /* "exec 'nosuch': executable file not found in $PATH", or why it was killed (disk limit); NULL.
			  Owned by the caller */
	struct rusage usage;
	int rung; /* enum rung (ladder.h): what it was isolated by */
};

/* Runs one step to its end and everything that it started. The caller is in the user namespace (run/userns.h), has one
 * thread, and holds the container. Signals that would end us (INT, TERM, HUP, QUIT) are passed to the step. Errors are
 * those of setting up; they name the mount, path, limit or user at fault. What was made in upper as a place to mount
 * on is removed again. */
int run_step(const struct run_spec *spec, struct run_result *result, struct error **err);

#endif
