/*
 * What the handlers of the root emulation (emulation.h) share: one file for each family of calls.
 *
 * A handler reads the call's arguments, asks emul_task() who calls, emul_open() what it means, and answers. What it
 * cannot resolve (a path through /proc's magic links, one that is not there) it leaves to the kernel, which fails as it
 * should or succeeds on something that has no record.
 */
#ifndef COOPER_RUN_EMUL_INTERNAL_H
#define COOPER_RUN_EMUL_INTERNAL_H

#include "run/emulation.h"
#include "run/tasks.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

/* A file that was seen to have no record (emul_records.c). */
struct plain_file {
	uint64_t ino; /* 0: none */
	uint32_t dev_major, dev_minor;
	int64_t ctime_s;
	uint32_t ctime_ns;
};
#define PLAIN_FILES 16384 /* a power of two */

struct emulation {
	struct emulation_options options;
	struct supervisor supervisor;
	struct tasks *tasks;	  /* NULL: ids are not emulated */
	pid_t first;		  /* process of the step */
	int root;		  /* of the step, O_PATH; -1: it is looked up for each call */
	uint64_t root_mount;	  /* its mount's id; 0: unknown */
	bool shares_pids;	  /* the step's numbers of processes are ours */
	bool is_told_of_all;	  /* `tasks` has every process of the step */
	int proc;		  /* our /proc, by descriptor */
	int own_root, own_cwd;	  /* ours; -1: the step's is not entered */
	bool is_inside;		  /* the step's root is our process's now (emul_inside.c) */
	bool stays_outside;	  /* to enter was refused */
	bool roots_differ;	  /* somebody has changed his root: it is looked up for each call */
	bool shows_others;	  /* our ids are not root's for the kernel: what is ours is shown as root's */
	dev_t proc_device;	  /* of /proc */
	struct owner_table kept;  /* records that end with the step: of what is mounted in its root */
	struct owner_table none;  /* for options.owners when the caller gives none */
	struct plain_file *plain; /* by inode number, PLAIN_FILES of them; NULL before the first */
};

/* For a struct that lies in another, zeroed (run/translate_internal.h); emulation_new() and _free() do the same. */
void emulation_init(struct emulation *emulation, const struct emulation_options *options);
void emulation_done(struct emulation *emulation);

/* ---- answers (emulation.c) ---- */
void emul_return(struct answer *answer, int64_t value);
/* The caller's record, with what it had to wait for; NULL when it is gone: the answer does not matter then. */
struct task *emul_task(struct emulation *e, const struct trap *trap);
int emul_read(struct emulation *e, const struct trap *trap, uint64_t address, void *data, size_t size);
int emul_write(struct emulation *e, const struct trap *trap, uint64_t address, const void *data, size_t size);
/* A path or a name; text[size]. */
ssize_t emul_read_text(struct emulation *e, const struct trap *trap, uint64_t address, char *text, size_t size);

/* Is it the number, as the step has it, of one of its own? (emul_others.c) */
bool emul_is_of_step(struct emulation *e, pid_t number);

/* ---- emul_path.c: what a call names ---- */
/* The step's first process is in its root now. */
void emul_find_root(struct emulation *e, pid_t pid);
enum emul_path_flags {
	EMUL_FOLLOW = 1, /* a symlink at the end */
	EMUL_EMPTY = 2,	 /* "" (or no address at all) is what dirfd holds: AT_EMPTY_PATH */
	/* Only to look: what turns out to be worth an answer is confirmed by supervisor_still_waits() then, and
	 * /dev/stdout and its like are left to the kernel. */
	EMUL_PEEK = 4,
};
/* A descriptor of the step's, opened again as O_PATH; AT_FDCWD is its working directory. */
MUST_CHECK int emul_open_fd(struct emulation *e, const struct trap *trap, int fd);
/* True when it is of the O_PATH kind: /proc shows it as neither readable nor writable. */
bool emul_fd_is_path(const struct trap *trap, int fd);
/* O_PATH, or a negative errno; on any of these the kernel is to go on. Never a FIFO's or a device's other end. */
MUST_CHECK int emul_open(struct emulation *e, const struct trap *trap, int dirfd, uint64_t path, unsigned flags);
/* Its text, path[PATH_MAX], as emul_open() takes it: "" for no address with EMUL_EMPTY. -EFAULT. */
int emul_read_path(struct emulation *e, const struct trap *trap, uint64_t address, unsigned flags, char *path);
/* The same of a path that the supervisor has already, from the caller's directory and root. */
MUST_CHECK int emul_open_text(struct emulation *e, const struct trap *trap, int dirfd, const char *path,
			      unsigned flags);
/* What `path` leads to, under rules of openat2(2)'s if there are any in `resolve`. */
MUST_CHECK int emul_open_directory(struct emulation *e, const struct trap *trap, int dirfd, const char *path,
				   uint64_t resolve);
/* The directory in which the call would make its last component, and that component's name in leaf[NAME_MAX + 1].
 * -EINVAL for names that end in "/", "." or "..". */
MUST_CHECK int emul_open_parent(struct emulation *e, const struct trap *trap, int dirfd, uint64_t path, char *leaf);
/* The same of a path that the supervisor has already; its last component is cut off. */
MUST_CHECK int emul_open_parent_text(struct emulation *e, const struct trap *trap, int dirfd, char *path,
				     uint64_t resolve, char *leaf);
/* path[PATH_MAX], the directory's that `parent` holds, becomes that of where the link `leaf` in it leads to. -ENOENT, and
 * -EINVAL for what is no link. */
int emul_follow_leaf(int parent, const char *leaf, char *path);

/* ---- emul_inside.c: the step's paths, seen from inside its root ---- */
void emul_come_back(void *context);
/* True when what an absolute path names surely has no record, or is not there: then it is the kernel's to answer. */
bool emul_path_is_plain(struct emulation *e, const char *path, unsigned flags);

/* What /proc/TID/status says of the caller. */
struct emul_status {
	mode_t umask;
	uint32_t fs_uid; /* the real one, as our namespace counts */
	pid_t own_tid;	 /* what it calls itself */
	bool no_new_privs;
};
int emul_read_status(const struct trap *trap, struct emul_status *status);

/* ---- emul_records.c: what is known of a file beside what the kernel says ---- */
/* True when there is a record. */
bool emul_record_find(struct emulation *e, int fd, struct owner_record *record);
/* True when what the caller has open surely has no record: then it is the kernel's to answer. */
bool emul_fd_is_plain(struct emulation *e, const struct trap *trap, int fd);
/* The same of what a path of ours leads to. It is not there: -errno. */
int emul_path_lacks_record(struct emulation *e, const char *path, bool follow);
/* Writes it down where it can be kept; one that says root's and nothing else is none. -errno. */
int emul_record_set(struct emulation *e, int fd, const struct owner_record *record);
/* The same in the table, whatever the file is: devices where ids are mapped. */
int emul_record_set_aside(struct emulation *e, int fd, const struct owner_record *record);
/* Owner, type and mode as the step is to see them. */
int emul_stat(struct emulation *e, int fd, struct stat *st, bool *is_recorded);
/* Who a new file in this directory belongs to. */
int emul_new_owner(struct emulation *e, const struct credentials *credentials, int parent, struct owner_record *owner);
/* The set-group-id bit of a program is not for who is not of its group. */
mode_t emul_new_mode(const struct credentials *credentials, const struct owner_record *owner, mode_t mode);
/* What fd holds was made in `parent` with the access bits of `mode`, and gets the mode that the kernel would have given
 * it: without those of the umask, or what a default ACL of the directory's has left. What is to be written down of the
 * mode is added to *record. */
int emul_dress(struct emulation *e, int fd, int parent, mode_t mode, mode_t umask, struct owner_record *record);
/* What an overlay has below is copied up, all else of it stays. */
int emul_copy_up(int fd);

/* ---- emul_unmapped.c: where no user namespace has made us root; elsewhere none of these does anything ---- */
/* What is ours is root's, and all else nobody's. Before owner_apply(). */
void emul_see(const struct emulation *e, struct stat *st);
/* True in a tree whose modes are written down where they would shut us out. */
bool emul_keeps_modes(struct emulation *e, int fd);
/* True when a file of this type and mode shuts us out. */
bool emul_is_shut(mode_t mode);
/* The mode that a file of the type gets, and in *record what is to be written down of it. */
mode_t emul_split_mode(mode_t type, mode_t mode, struct owner_record *record);
int emul_set_mode(struct emulation *e, int fd, mode_t mode);
/* The file capabilities of a tree of the store, where the kernel keeps none of ours. */
void emul_drop_capability(struct emulation *e, int fd);

/* ---- emul_kept.c: attributes that are kept under other names, or that a record stands beside ---- */
enum emul_kept_call { KEPT_GET, KEPT_SET, KEPT_REMOVE };
/* False: it is kept under its own name, and the kernel's to answer. Arguments as of getxattr(2) and its kin. */
bool emul_answer_kept(struct emulation *e, const struct trap *trap, int fd, const char *name, enum emul_kept_call call,
		      struct answer *answer);
/* The caller's names of what listxattr(2) gives; our own are left out. */
void emul_translate_list(const char *list, size_t size, struct buf *names);
/* Linux' cap_convert_nscap(), of the value alone: 0 or -EINVAL. */
int emul_check_capability(const void *value, size_t size);
/* The owner's bits of an access list are the file's own, which may be more than `shown`, the mode that was meant. */
void emul_show_access_list(void *list, size_t size, mode_t shown);

/* ---- Of the tables ---- */
/* The options of prctl(2) that are about who the caller is. */
#define EMUL_PRCTL_OPTIONS                                                                                       \
	PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, PR_GET_SECUREBITS, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAPBSET_READ, \
		PR_CAPBSET_DROP
#define EMUL_PRCTL_OPTION_COUNT 7
/* Flags of open(2) that make something, or make it empty; O_TMPFILE has O_DIRECTORY in it, which alone makes nothing. */
#define EMUL_MAKING_FLAGS (O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))
/* Calls that have one name and one meaning in every ABI; the table says what TRAP() makes of them. */
#define EMUL_CALLS_OF_EVERY_ABI                                                                                        \
	TRAP(fchownat, emul_fchownat), TRAP(capget, emul_capget), TRAP(capset, emul_capset),                           \
		TRAP(mknodat, emul_mknodat), TRAP(openat2, emul_openat2), TRAP(mkdirat, emul_mkdirat),                 \
		TRAP(symlinkat, emul_symlinkat), TRAP(getxattr, emul_getxattr), TRAP(lgetxattr, emul_lgetxattr),       \
		TRAP(fgetxattr, emul_fgetxattr), TRAP(setxattr, emul_setxattr), TRAP(lsetxattr, emul_lsetxattr),       \
		TRAP(fsetxattr, emul_fsetxattr), TRAP(removexattr, emul_removexattr),                                  \
		TRAP(lremovexattr, emul_lremovexattr), TRAP(fremovexattr, emul_fremovexattr),                          \
		TRAP(listxattr, emul_listxattr), TRAP(llistxattr, emul_llistxattr), TRAP(flistxattr, emul_flistxattr), \
		TRAP(execve, emul_execve), TRAP(execveat, emul_execveat), TRAP(exit, emul_exit),                       \
		TRAP(exit_group, emul_exit_group), TRAP(chroot, emul_chroot)

/* Calls about other processes; TRAP_OTHER() is asked only where the first argument is not 0. */
#define EMUL_CALLS_ABOUT_OTHERS                                                                                       \
	TRAP_OTHER(prlimit64, emul_change_process), TRAP_OTHER(sched_setaffinity, emul_change_process),               \
		TRAP_OTHER(sched_setscheduler, emul_change_process), TRAP_OTHER(sched_setparam, emul_change_process), \
		TRAP_OTHER(sched_setattr, emul_change_process), TRAP(setpriority, emul_setpriority),                  \
		TRAP(ioprio_set, emul_ioprio_set)

/* ---- The handlers, by file ---- */
/* emul_owner.c */
trap_handler emul_chown, emul_lchown, emul_fchown, emul_fchownat;
/* emul_stat.c */
trap_handler emul_stat_call, emul_lstat, emul_fstat, emul_fstatat, emul_statx;
/* emul_ids.c */
trap_handler emul_getuid, emul_geteuid, emul_getgid, emul_getegid, emul_getresuid, emul_getresgid, emul_getgroups;
trap_handler emul_setuid, emul_setgid, emul_setreuid, emul_setregid, emul_setresuid, emul_setresgid, emul_setfsuid,
	emul_setfsgid, emul_setgroups;
/* emul_caps.c */
trap_handler emul_capget, emul_capset, emul_prctl;
/* emul_node.c */
trap_handler emul_mknod, emul_mknodat, emul_record_mknod, emul_record_mknodat;
/* emul_create.c */
trap_handler emul_open_call, emul_openat, emul_openat2, emul_creat, emul_mkdir, emul_mkdirat, emul_symlink,
	emul_symlinkat;
/* emul_move.c */
trap_handler emul_move, emul_link, emul_moveat, emul_linkat, emul_utimensat, emul_change, emul_changeat;
/* What is about to be copied up by an overlay takes its record along. `changed` is closed; negative: nothing. */
void emul_keep_record(struct emulation *e, int changed);
/* emul_mode.c */
trap_handler emul_chmod, emul_fchmod, emul_fchmodat, emul_fchmodat2;
/* emul_xattr.c */
trap_handler emul_getxattr, emul_lgetxattr, emul_fgetxattr, emul_setxattr, emul_lsetxattr, emul_fsetxattr,
	emul_removexattr, emul_lremovexattr, emul_fremovexattr, emul_listxattr, emul_llistxattr, emul_flistxattr;
/* emul_others.c */
trap_handler emul_change_process, emul_setpriority, emul_ioprio_set;
/* emul_exec.c */
trap_handler emul_execve, emul_execveat, emul_exit, emul_exit_group, emul_chroot;

#endif
