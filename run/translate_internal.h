/*
 * What the handlers of the translated root (translate.h) share: one file for each family of calls.
 *
 * A handler reads the call's path, asks view_find() what it means in the step's root, does what was asked to what was
 * found, and answers. Unlike those of the emulation it never leaves a call with a path to the kernel.
 */
#ifndef COOPER_RUN_TRANSLATE_INTERNAL_H
#define COOPER_RUN_TRANSLATE_INTERNAL_H

#include "base/strlist.h"
#include "run/emul_internal.h"
#include "run/translate.h"

/* ---- The view: what the step has as its tree ---- */

enum view_kind {
	VIEW_TREE,
	VIEW_PROC, /* ours, by an allow-list (translate_proc.c) */
	VIEW_DEV,  /* names of a directory of ours stand for the host's devices */
};

struct view_mount {
	char *target; /* in the step, without the last '/': "" is the root */
	size_t target_length;
	int fd;	    /* O_PATH */
	char *real; /* its path for us, as the kernel names it */
	size_t real_length;
	enum view_kind kind;
	bool read_only;
	bool is_file;
};

/* What a path means. */
struct spot {
	int fd;	    /* the thing, O_PATH and itself not followed; -1: there is none (with VIEW_MISSING) */
	int parent; /* the directory that has, or would have, it; -1: it is a root, or not there by a name */
	char leaf[NAME_MAX + 1];
	const struct view_mount *mount;
	struct buf path;      /* in the step: "/a/b"; empty for what has no path there */
	bool wants_directory; /* it was written with a '/' at the end */
	bool is_magic;	      /* a descriptor of a process, not a name */
};
#define SPOT_INIT ((struct spot){.fd = -1, .parent = -1, .path = BUF_INIT((size_t)4 * PATH_MAX)})
void spot_done(struct spot *spot);
/* What it surely lies in; NULL: it has no path. */
static inline const struct view_mount *spot_mount(const struct spot *spot)
{
	return spot->path.len > 0 ? spot->mount : NULL;
}
CLEANUP_FOR_VALUE(struct spot, spot_done)

enum view_flags {
	VIEW_FOLLOW = 1,  /* a symlink at the end */
	VIEW_EMPTY = 2,	  /* "" is what dirfd holds */
	VIEW_MISSING = 4, /* the last component need not be there */
	/* The ways of openat2(2). */
	VIEW_BENEATH = 8,
	VIEW_IN_ROOT = 16,
	VIEW_NO_LINKS = 32,
	VIEW_NO_MAGIC = 64,
	VIEW_ONE_MOUNT = 128,
	VIEW_WAYS = VIEW_BENEATH | VIEW_IN_ROOT | VIEW_NO_LINKS | VIEW_NO_MAGIC | VIEW_ONE_MOUNT,
};

struct translation {
	struct emulation emulation; /* first: its handlers get a pointer to us */
	const struct run_spec *spec;
	struct view_mount *mounts; /* [0] is the root; then the longest first */
	size_t mount_count;
	int loader;
	int scratch; /* a directory of ours, for /dev and the like */
	char *scratch_name;
	char *scratch_path; /* from the root, as the kernel goes (translate_pass.c); NULL: not asked for yet */
	bool has_aliases;
	bool goes_by_path; /* the call at hand: the kernel walks a path of the step's own directories */
	int scratch_parent;
	struct buf cwd; /* of the first process */
	pid_t first;
	bool has_ended;
	int status;
	struct rusage usage;
	bool is_waiting;       /* its exec has stopped, and waits for translation_start() */
	bool is_armed;	       /* its init runs: what it executes now is the step's */
	struct traced *traced; /* translate_trace.c */
	pid_t self;
	bool has_signal_scope;
	char *proc_list; /* the real name of what stands for /proc where it is listed; NULL */
	int own_fds;	 /* /proc/self/fd: a step shorter than by its path */
	uid_t uid;	 /* ours */
	gid_t gid;
	struct plain *plain;   /* translate_plain.c */
	struct places *places; /* translate_places.c */
	dev_t root_device;
	struct replaced *replaced; /* translate_private.c: shared files that have a copy in their place */
	size_t replaced_count;
	struct socket_name *socket_names; /* translate_names.c */
	size_t socket_name_count;
	struct ipc_object *ipc; /* translate_ipc.c */
	size_t ipc_count;
	struct strlist queues;
	uint64_t execs, stops; /* for the trace */
};

/* ---- translate_mounts.c ---- */
int view_open(struct translation *t, struct error **err);
void view_close(struct translation *t);
/* "/a/b" is in "/a", and everything in "". */
bool view_is_in(const char *path, const char *above, size_t length);
/* The mount that a path of the step is in, or at. */
const struct view_mount *view_mount_of(const struct translation *t, const char *path);
bool view_is_mount_point(const struct translation *t, const char *path);
/* Is something mounted below this directory, or at it? */
bool view_has_mounts(const struct translation *t, const char *path);
/* The step's name of what this descriptor of ours holds; false: it is nothing of the step's tree. */
bool view_name(const struct translation *t, int fd, struct buf *path);
char *view_real_name(const struct translation *t, int fd);
bool view_name_of_real(const struct translation *t, const char *real, struct buf *path);
/* O_PATH, with `flags` besides, and RESOLVE_… of openat2(2). */
MUST_CHECK int view_open_in(int dirfd, const char *path, uint64_t flags, uint64_t resolve);
/* A path of the step without links, O_PATH: from the mount that it is in. */
MUST_CHECK int view_open_canonical(const struct translation *t, const char *path, uint64_t flags);

/* ---- translate_copy.c ---- */
/* Everything below `from`, in the empty directory `to`. */
int copy_for_writing(int from, int to, struct error **err);

/* ---- translate_places.c ---- */
/* A directory of the step's root, and of nothing that is mounted there. Valid until the next of these calls. */
struct place {
	char *text; /* its path from the root, as a call had it; NULL: none */
	size_t length;
	int fd;		 /* O_PATH */
	char *name;	 /* the path without links; "" is the root */
	bool has_links;	 /* the text leads to it by some */
	bool has_mounts; /* below it, or in it */
	uint64_t serial; /* of what was noted; the next in its slot has another */
};
/* To be called when a directory or a link has got another name, or none; its path, without links on the way, was
 * `name`. NULL: any of them. */
void places_forget(struct translation *t, const char *name);
/* To be called when a directory or a link has been made: what was not there may be. */
void places_made(struct translation *t);
void places_free(struct translation *t);
/* Is this such a thing? -1 is none. */
bool places_are_changed_by(int thing);

/* A path's directory and last component, where the root's own directory has it by a plain absolute path. 1: *place is
 * the directory, *leaf is in `path`. 0: another way is to be gone (view_find_text()). -ENOENT and -ENOTDIR: there is no
 * such directory. */
int view_find_place(struct translation *t, const struct trap *trap, const char *path, const struct place **place,
		    const char **leaf);
/* What such a path leads to, looked at, links to names of the same directory followed with VIEW_FOLLOW. 1: found, and
 * it stays what it is until we change its name. */
struct leaf {
	const struct place *place;
	char name[NAME_MAX + 1];
	struct stat st; /* as the kernel has it */
};
int view_look_in_place(struct translation *t, const struct trap *trap, const char *path, unsigned flags,
		       struct leaf *leaf);

/* ---- translate_text.c ---- */
/* O_PATH where no link is on the way: then the text is the name. -ENOENT and -ENOTDIR are true; with another error
 * another way is to be gone. */
MUST_CHECK int text_open(int base, const char *rest, uint64_t flags);
bool text_is_missing(int rc);
void text_name(const char *base_name, const char *rest, struct buf *path);
/* The directory that `above` leads to from `base`, also by links, and its name. */
MUST_CHECK int text_open_above(struct translation *t, int base, const char *base_name, const char *above,
			       struct buf *path);
/* Is it in the root, and in no other mount, by its text? */
bool text_is_in_root(const struct translation *t, const char *path);

/* ---- translate_walk.c ---- */
/* Where a path starts, without links, and what `..` does not leave: the first `floor` bytes of it. */
struct view_start {
	const char *path;
	size_t floor;
};
/* The long way of view_find(). `spot->wants_directory` is set. */
int view_walk(struct translation *t, const struct trap *trap, const struct view_start *start, const char *path,
	      unsigned flags, struct spot *spot);

/* ---- translate_view.c ---- */
/* -ENOENT, -ENOTDIR, -ELOOP, -EACCES, … as the kernel would say. */
int view_find(struct translation *t, const struct trap *trap, int dirfd, uint64_t address, unsigned flags,
	      struct spot *spot);
/* The same with a path that was read. */
int view_find_path(struct translation *t, const struct trap *trap, int dirfd, const char *path, unsigned flags,
		   struct spot *spot);
/* The same for a thread that has stopped before its tracer. */
int view_find_at(struct translation *t, const struct trap *trap, int dirfd, uint64_t address, unsigned flags,
		 struct spot *spot);
int view_find_text(struct translation *t, const struct trap *trap, int dirfd, const char *path, unsigned flags,
		   struct spot *spot);
/* True when something is mounted at this name. */
bool view_is_mount(const struct translation *t, const struct spot *spot);
/* A descriptor of the caller's, O_PATH, if it is nothing of the host's file system. */
MUST_CHECK int view_open_fd(struct translation *t, const struct trap *trap, int fd);
/* What the caller has open as `fd`, as the kernel has it, without opening it. -errno as above; -ESRCH: it is gone. */
int view_look_at_fd(struct translation *t, const struct trap *trap, int fd, struct stat *st);
/* A descriptor of the step's that holds a file of the host's, which none should: nothing is opened, changed, linked or
 * executed by it. */
bool view_is_hosts(const struct translation *t, const struct spot *spot);
/* -EROFS for what is not to be changed. */
int view_check_writable(const struct spot *spot);
struct task *view_task(struct translation *t, const struct trap *trap);

/* ---- translate_proc.c ---- */
/* Where a walk that has come to a name of /proc goes on. */
enum proc_verdict { PROC_PLAIN, PROC_HIDDEN, PROC_JUMP, PROC_DESCRIPTOR };
/* `path` is the name's in the step ("/proc/12/exe"). With PROC_JUMP: `to` is a path of the step; with PROC_DESCRIPTOR
 * *fd is what the link leads to. `is_last`: it is not followed, only looked at. */
enum proc_verdict proc_judge(struct translation *t, const struct trap *trap, const char *path, bool follow,
			     struct buf *to, int *fd);
/* What readlink(2) says of it; false: as the kernel says. */
bool proc_read_link(struct translation *t, const struct trap *trap, const struct spot *spot, struct buf *text);
/* A file whose text names the host's paths: a memory file with the step's; -ENODATA: it is as it is. */
MUST_CHECK int proc_open_text(struct translation *t, const struct spot *spot);
/* A directory with what the step may see of /proc. */
MUST_CHECK int proc_open_list(struct translation *t);

/* ---- translate_make.c: owner and mode of what is made ---- */
/* A thing as the kernel has it, as the step sees it, and what is written down of it. */
struct sight {
	struct stat real, shown;
	bool has_record;
	struct owner_record record; /* zeros: none */
};
/* `mount` is what it lies in; NULL: that is not known. */
int view_look(struct translation *t, const struct view_mount *mount, int fd, struct sight *seen);
bool records_are_same(const struct owner_record *a, const struct owner_record *b);
/* The kernel's bits so that we can still read and write it, the others written down. */
int make_mode(struct translation *t, int fd, struct sight *seen, mode_t mode);
/* What chown(2) and writing leave of set-id bits. */
mode_t mode_without_set_ids(mode_t mode);
/* We have changed a regular file's contents for the step: it runs with nobody else's rights any more. */
int make_written(struct translation *t, int fd);
int make_dressed(struct translation *t, int fd, mode_t mode, const struct owner_record *owner);
/* The same of a regular file that was made just now, and is open. */
int make_dressed_file(struct translation *t, int fd, mode_t mode, const struct owner_record *owner);
/* What a new thing gets. */
struct birth {
	struct owner_record owner;
	mode_t umask;	     /* the caller's, or what a default access list leaves out */
	bool hands_group_on; /* the directory: it has the set-group-id bit */
	bool is_of_others;   /* of a group that the caller is not in, and may not act for */
};
mode_t birth_mode(const struct birth *birth, mode_t mode);
/* What the kernel is asked to make it with: where that is all, nothing is changed behind it, which inotify(7) would
 * tell. Not the bits that give rights: first its owner is written down. */
mode_t birth_bits(mode_t type, mode_t mode);
int make_birth(struct translation *t, const struct trap *trap, const struct view_mount *mount, int directory,
	       struct birth *birth);
/* Writes it down, where records are (emul_record_set()). */
int make_record(struct translation *t, int fd, const struct owner_record *record);
/* From what fstat(2) says to what the step sees, if there is no record (translate_plain.c). */
void view_show(const struct translation *t, struct stat *st);
/* Owner, type and mode as the step sees them; `mount` as in view_look(). */
int view_stat(struct translation *t, const struct view_mount *mount, int fd, struct stat *st);
/* Where the real bits keep us out of what the step's root may do: opens it up, and writes down what it was. */
int make_accessible(struct translation *t, int fd);

/* ---- translate_plain.c: what has no record ---- */
/* Is it known to have none? `st` is what fstat(2) says, `mount` what it lies in; NULL: that is not known. */
bool plain_has(struct translation *t, const struct view_mount *mount, const struct stat *st);
void plain_note(struct translation *t, const struct stat *st);
void plain_note_fd(struct translation *t, int fd);
/* To be called before one is written, and for every file that comes into the root with one. */
void plain_forget(struct translation *t, int fd);
/* Looks, where that needs no descriptor: true when it has none. */
bool plain_learn(struct translation *t, const struct leaf *leaf);
/* The same of a file of the root's that is open for reading, for who asks next. */
void plain_learn_open(struct translation *t, int fd, const struct stat *st);
bool plain_find_record(struct translation *t, int fd, const struct stat *st, struct owner_record *record);

/* ---- translate_private.c: files that are shared with layers ---- */
bool view_is_shared(const struct translation *t, const struct stat *st);
/* The file is about to be changed, or made changeable: if it is shared, the spot is that of its own copy afterwards. To
 * be called before anything of it is changed, with whatever spot. */
int make_private(struct translation *t, struct spot *spot);
/* The same where the contents do not matter (O_TRUNC). */
int make_private_empty(struct translation *t, struct spot *spot);
/* The same for what the caller has open as descriptor `number`, which then is that of the copy, too. */
int make_private_by_fd(struct translation *t, const struct trap *trap, int number, struct spot *spot);
void private_free(struct translation *t);

/* ---- translate_trace.c, translate_threads.c, translate_regs.c ---- */
struct trace_regs {
	int64_t number; /* of the call that is under way; -1: none */
	int64_t result;
	uint64_t args[TRAP_ARGS];
	uint64_t note;	     /* what translate_call() wants to be told in translate_call_done() */
	uint64_t native[32]; /* the architecture's own */
};
/* A thread stands before a call that the filter has stopped. */
void translate_exec(struct translation *t, pid_t tid, struct trace_regs *regs, bool *changed);
MUST_CHECK int trace_read_regs(pid_t tid, struct trace_regs *regs);
int trace_write_regs(pid_t tid, const struct trace_regs *regs);
/* Carries the call out with these registers, and puts `original` arguments back behind it. */
void trace_restore_after(struct translation *t, pid_t tid, const struct trace_regs *original);

struct exec_plan; /* what the loader of a thread that executes will be told */
/* The thread's place for it. */
struct exec_plan **trace_exec_plan(struct translation *t, pid_t tid);
void translate_exec_done(struct translation *t, pid_t tid, const struct exec_plan *plan);
/* Other calls that stop: bind, connect, … With regs->number -1 the call is left out and regs->result is what it gives.
 * True when others are kept still until it is done. */
bool translate_call(struct translation *t, pid_t tid, struct trace_regs *regs, bool *changed);
/* Behind it, with the arguments that the step gave: the call was `asked`, and regs->number was carried out. */
void translate_call_done(struct translation *t, pid_t tid, struct trace_regs *regs, int asked);
/* Is it a call that waits for an answer of ours? */
bool translation_answers(int number);
/* Whoever shares the caller's memory stands still while the kernel reads what we have written there. 1 when there is
 * somebody, 0; -EAGAIN when one is in a call that may write there and that nothing interrupts. */
MUST_CHECK int trace_hold_others(struct translation *t, pid_t tid);
void trace_let_others_go(struct translation *t, pid_t tid);
/* Until the call that the thread has been let into is done, or sleeps: what it was to read has been read, and where it
 * was to go it has been. */
void trace_wait_through(pid_t tid);
/* The same, and when it sleeps the others go on. */
void trace_let_others_go_when_asleep(struct translation *t, pid_t tid);
/* Is it so for one of the step's threads? */
typedef bool trace_question(pid_t tid, const void *what);
bool trace_any(const struct translation *t, trace_question *ask, const void *what);
/* A process of ours that is not the step's. */
void trace_add_helper(struct translation *t, pid_t pid);
void trace_new(struct translation *t);
void trace_release(struct translation *t);
void trace_free(struct translation *t);
void exec_plan_free(struct exec_plan *plan);
CLEANUP_FOR(struct exec_plan, exec_plan_free)

/* ---- translate_dir.c ---- */
/* The place of a name that is to be made, changed or removed, and whether that may be. */
int view_find_name(struct translation *t, const struct trap *trap, int dirfd, uint64_t path, struct spot *spot);
/* Once more, when the directory's real bits were in our way. */
#define WITH_ACCESS(t, parent, call)                                                       \
	({                                                                                 \
		int result_ = (call);                                                      \
		if (result_ < 0 && errno == EACCES && make_accessible((t), (parent)) == 0) \
			result_ = (call);                                                  \
		result_ < 0 ? -errno : result_;                                            \
	})

/* ---- translate_xattr.c ---- */
/* What gives a program rights goes when the file gets another owner or other contents. */
void xattr_drop_capability(int fd);

/* ---- translate_terminal.c ---- */
/* The caller's controlling terminal; -ENXIO when it has none. */
MUST_CHECK int terminal_open_own(const struct trap *trap, int flags);
/* A name of /dev/pts, and a terminal that one of the step's processes has: no other of our user's. */
bool terminal_is_of_step(const struct translation *t, const struct spot *spot, const struct stat *st);

/* ---- translate_names.c: addresses and credentials that the kernel tells the step ---- */
/* A socket was bound: the kernel calls it `real`, the step `shown`. */
void names_note(struct translation *t, const char *real, const char *shown);
void names_free(struct translation *t);
/* Calls whose answer is one of these. Before: what has to be known behind it goes to regs->note. */
bool names_are_asked(struct translation *t, const struct trap *trap, struct trace_regs *regs);
/* Behind: what is there is shown as the step knows it. */
void names_show(struct translation *t, const struct trap *trap, const struct trace_regs *regs);
/* The credentials in a message that `task` is about to send: as the kernel will let us claim them. True when there are
 * some. */
bool names_claim(const struct task *task, char *control, size_t size);
/* What the kernel is to be told instead of the step's path: the length, or -ENAMETOOLONG, -ENOENT. */
int pass_kernel_name(struct translation *t, const struct spot *spot, char *text, size_t size);

/* ---- The handlers, by file ---- */
/* translate_open.c */
trap_handler tr_open, tr_openat, tr_openat2, tr_creat;
/* translate_stat.c */
trap_handler tr_stat, tr_lstat, tr_fstat, tr_fstatat, tr_statx, tr_access, tr_faccessat, tr_faccessat2, tr_readlink,
	tr_readlinkat, tr_statfs;
/* translate_fs.c */
trap_handler tr_chdir, tr_fchdir, tr_getcwd, tr_umask, tr_chroot, tr_uname;
/* translate_dir.c */
trap_handler tr_mkdir, tr_mkdirat, tr_link, tr_linkat, tr_symlink, tr_symlinkat, tr_mknod, tr_mknodat;
/* translate_move.c */
trap_handler tr_rmdir, tr_unlink, tr_unlinkat, tr_rename, tr_renameat, tr_renameat2;
/* translate_meta.c */
trap_handler tr_chmod, tr_fchmod, tr_fchmodat, tr_fchmodat2, tr_chown, tr_lchown, tr_fchown, tr_fchownat, tr_truncate,
	tr_utime, tr_utimes, tr_futimesat, tr_utimensat, tr_fsync;
/* translate_xattr.c */
trap_handler tr_getxattr, tr_lgetxattr, tr_fgetxattr, tr_setxattr, tr_lsetxattr, tr_fsetxattr, tr_listxattr,
	tr_llistxattr, tr_flistxattr, tr_removexattr, tr_lremovexattr, tr_fremovexattr;
/* translate_private.c */
trap_handler tr_flock, tr_ioctl;
/* translate_signal.c */
trap_handler tr_kill, tr_prctl, tr_pidfd_open, tr_fcntl;
/* translate_ipc.c */
trap_handler tr_shmget, tr_semget, tr_msgget, tr_shmctl, tr_semctl, tr_msgctl, tr_use_memory, tr_use_semaphores,
	tr_use_messages, tr_mq_open, tr_mq_unlink;
void ipc_free(struct translation *t);
/* translate_exec.c: what the loader asks */
void translate_orders(struct translation *t, const struct trap *trap, struct answer *answer);

#endif
