/*
 * The first process of a step while it is set up: what child.c, mounts.c and dev.c share.
 */
#ifndef COOPER_RUN_CHILD_INTERNAL_H
#define COOPER_RUN_CHILD_INTERNAL_H

#include "run/idmap.h"
#include "run/sources.h"
#include "run/spec.h"
#include "run/stubs.h"
#include "run/user.h"

#include <sys/stat.h>

struct translation;

enum child_namespaces {
	CHILD_OWN_PID = 1,
	CHILD_OWN_NET = 2,
	CHILD_OWN_IPC = 4,
	CHILD_OWN_UTS = 8,
	CHILD_OWN_CGROUP = 16,
	CHILD_LATE_CGROUP = 32, /* its cgroup namespace is made after the parent has moved it into its cgroup */
};

/* What the parent decides and the child is given by fork. */
struct child_plan {
	const struct run_spec *spec;
	unsigned namespaces; /* enum child_namespaces */
	const struct sources *sources;
	bool sealed; /* the parent is not dumpable: say READY first */
	bool has_terminal;
	int standard[3]; /* what becomes its descriptors 0 to 2; -1: /dev/null */
	int channel;
	int init;		    /* the memory file */
	const char *network_helper; /* for RUN_NETWORK_PRIVATE */
	const char *runtime;	    /* path of an OCI runtime that takes over (run/ociruntime.h); NULL: none */
	const struct idmap *map;    /* our ids, as numbers that exist here */
	/* The filter of the step's supervisor (run/emulation.h); NULL: there is none. With `emulates_ids` the step's
	 * user is one that it is only told to be: what is made for it belongs to the one id that there is. */
	const struct buf *supervisor;
	bool emulates_ids;
	/* The root that is translated (run/translate.h), with its supervisor's filter; NULL: there are namespaces. */
	const struct translation *translation;
};

struct translation;

struct child {
	const struct child_plan *plan;
	const struct run_spec *spec;
	int staging;	      /* a tmpfs that nobody sees: the place of the root, texts for /etc, an empty directory */
	int root;	      /* the root, mounted and attached, O_PATH */
	int record;	      /* where stubs show up: the upper directory, else the root's own */
	int empty;	      /* staging/empty */
	int null;	      /* the host's /dev/null, checked */
	int proc;	      /* the step's /proc, O_PATH */
	int listener;	      /* of its supervisor, for the parent; -1: sent already, or there is none */
	int terminal;	      /* the slave of its terminal, or -1 */
	bool proc_is_refused; /* why set-up failed: without a pid namespace of its own it may work */
	struct stubs stubs;
	struct user user;
};

/* Never returns: it becomes the step's init, or reports and exits. */
__attribute__((noreturn)) void child_main(const struct child_plan *plan);

/* mounts.c: the root alone; then all that is mounted in it. */
int mounts_make_root(struct child *child, struct error **err);
int mounts_fill_root(struct child *child, struct error **err);
/* Makes the working directory if it is missing. */
int mounts_make_cwd(struct child *child, struct error **err);
/* A place in the root to mount on, made when missing. The error names the place. */
MUST_CHECK int mounts_place(struct child *child, const char *path, mode_t type, struct error **err);
/* The host's device node as a detached mount, if it is the device it should be (0 = any device). */
MUST_CHECK int mounts_clone_device(const char *source, dev_t expected, bool read_only, struct error **err);

/* volumes.c: the mounts that the user asked for. */
int volumes_mount(struct child *child, struct error **err);
/* One that the parent has taken, made what it is to be (owner, flags); not attached. */
int volumes_furnish(struct child *child, const struct run_mount *mount, int tree, struct stat *st, struct error **err);
/* Its absolute path in the step, newly allocated. */
MUST_CHECK char *volumes_target(const struct child *child, const struct run_mount *mount);

/* dev.c: /dev and what is in it, with the step's terminal. */
int dev_mount(struct child *child, struct error **err);
int dev_mount_given(struct child *child, struct error **err);

/* proc.c: /proc, /sys, and what of them the step may not see or write. */
int proc_mount(struct child *child, struct error **err);
int sys_mount(struct child *child, struct error **err);
/* The same at `place`, which is "/sys" of the directory `base`. */
int sys_fill(struct child *child, int base, int place, struct error **err);
/* The paths that proc_mask() would mask and make read-only. */
void proc_hidden_paths(const struct run_spec *spec, struct strlist *masked, struct strlist *read_only);
int proc_mask(struct child *child, struct error **err);
/* Writes a file below the step's own /proc, which is checked to be one. */
int proc_write(const struct child *child, const char *path, const char *text, struct error **err);
/* spec->sysctls. Before proc_mask(), which makes them read-only for us, too. */
int proc_set_sysctls(const struct child *child, struct error **err);

/* confine.c: who the step is and what it may. In the order in which child.c calls them. */
int confine_limits(struct child *child, struct error **err);
int confine_files(struct child *child, struct error **err); /* the limit on descriptors */
int confine_keyring(struct child *child, struct error **err);
int confine_label(struct child *child, struct error **err);
int confine_identity(struct child *child, struct error **err);
int confine_landlock(struct child *child, struct error **err);
int confine_filter(struct child *child, struct error **err);
int confine_capabilities(struct child *child, struct error **err);
/* spec->seccomp alone. */
int confine_load_filter(const struct run_spec *spec, struct error **err);
/* The supplementary groups of the step's user, newly allocated; its ids and these are checked to be mapped here. */
int confine_find_ids(struct child *child, gid_t **groups, size_t *count, struct error **err);
/* -ENOTSUP for a label of a security module that this kernel lacks. */
int confine_check_labels(struct child *child, struct error **err);

/* What the parent is told of a user that is not mapped; the groups follow. */
struct identity_record {
	uint32_t uid, gid;
	uint32_t group_count;
	uint64_t capabilities;
};
#define IDENTITY_GROUPS_MAX 1024

/* translate_child.c: in place of namespaces and mounts, in this order. */
int translated_root(struct child *child, struct error **err);
int translated_places(struct child *child, struct error **err);
int translated_directory(struct child *child, struct error **err);
int translated_terminal(struct child *child, struct error **err);
int translated_confine(struct child *child, struct error **err);
int translated_finish(struct child *child, struct error **err);

/* ocibundle.c: in place of mounts_fill_root() and all that confines, when an OCI runtime takes over. */
int oci_make_bundle(struct child *child, struct error **err);

/* child.c: the environment of the command. */
void child_environment(const struct child *child, struct strlist *env);

#endif
