/*
 * exec: the thread has stopped before it. We find the program in the step's root, follow its "#!" lines and name its
 * interpreter; then let the kernel execute our loader instead, by changing registers and nothing in the caller's memory
 * (it may be its parent's: vfork(2)). The name that execveat(2) is given is the end of the caller's own, so empty. The
 * loader asks what it is to start, and gets the two files as descriptors, never as names.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "run/loader/protocol.h"
#include "run/shebang.h"
#include "run/translate_internal.h"

#define SEGMENTS_MAX 64

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#define OWN_MACHINE EM_NONE
#endif

struct exec_plan {
	int program, interpreter;
	char *exe;
	struct credentials *after;
	struct strlist prefix; /* arguments in place of argv[0], last first */
	struct loader_orders orders;
};

void exec_plan_free(struct exec_plan *plan)
{
	fd_close(plan->program);
	fd_close(plan->interpreter);
	free(plan->exe);
	credentials_free(plan->after);
	strlist_done(&plan->prefix);
	free(plan);
}

/* ---- Files ---- */

/* Opens what is to be executed: a regular file with an x for somebody. */
static int open_executable(struct translation *t, const struct spot *spot, struct stat *st)
{
	char proc[FD_PROC_PATH_SIZE];
	int rc = view_stat(t, spot_mount(spot), spot->fd, st);

	if (rc < 0)
		return rc;
	if (S_ISLNK(st->st_mode))
		return -ELOOP;
	if (!S_ISREG(st->st_mode) || !(st->st_mode & 0111) || spot->mount->kind != VIEW_TREE)
		return -EACCES;
	fd_proc_path(spot->fd, proc);
	int fd = open(proc, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && make_accessible(t, spot->fd) == 0)
		fd = open(proc, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int find_executable(struct translation *t, const struct trap *trap, int dirfd, const char *path, unsigned flags,
			   struct spot *spot, struct stat *st)
{
	int rc = view_find_text(t, trap, dirfd, path, flags, spot);

	if (rc == 0 && view_is_hosts(t, spot))
		rc = -EACCES;
	return rc < 0 ? rc : open_executable(t, spot, st);
}

/* ---- ELF ---- */

static int read_interpreter(struct translation *t, const struct trap *trap, int program, const Elf64_Phdr *segment,
			    int *interpreter)
{
	char path[PATH_MAX];
	struct stat st;
	cleanup(spot_done) struct spot spot = SPOT_INIT;

	if (segment->p_filesz < 2 || segment->p_filesz > sizeof(path))
		return -ENOEXEC;
	if (pread(program, path, segment->p_filesz, (off_t)segment->p_offset) != (ssize_t)segment->p_filesz)
		return -EIO;
	if (path[segment->p_filesz - 1] != '\0')
		return -ENOEXEC;
	int fd = find_executable(t, trap, AT_FDCWD, path, VIEW_FOLLOW, &spot, &st);
	if (fd < 0)
		return fd;
	*interpreter = fd;
	return 0;
}

static int read_elf(struct translation *t, const struct trap *trap, struct exec_plan *plan)
{
	Elf64_Ehdr header;
	Elf64_Phdr segments[SEGMENTS_MAX];

	if (pread(plan->program, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_machine != OWN_MACHINE || (header.e_type != ET_EXEC && header.e_type != ET_DYN) ||
	    header.e_phentsize != sizeof(segments[0]) || header.e_phnum == 0 || header.e_phnum > SEGMENTS_MAX)
		return -ENOEXEC;
	ssize_t size = (ssize_t)(header.e_phnum * sizeof(segments[0]));
	if (pread(plan->program, segments, (size_t)size, (off_t)header.e_phoff) != size)
		return -ENOEXEC;
	for (size_t i = 0; i < header.e_phnum; i++)
		if (segments[i].p_type == PT_INTERP)
			return read_interpreter(t, trap, plan->program, &segments[i], &plan->interpreter);
	return 0;
}

/* ---- The plan ---- */

static void plan_credentials(const struct task *task, const struct stat *st, struct exec_plan *plan)
{
	bool sets_group = st->st_mode & S_ISGID && st->st_mode & S_IXGRP;

	bool sets_user = st->st_mode & S_ISUID;

	plan->after = credentials_share(task->credentials);
	if (plan->after->no_new_privs)
		sets_user = sets_group = false;
	if (credentials_are_plain_root(task->credentials) && !sets_user && !sets_group)
		return;
	credentials_exec(&plan->after, sets_user ? &st->st_uid : NULL, sets_group ? &st->st_gid : NULL);
}

/* Through all "#!" lines to the program. `name` is how the caller calls the file. */
static int find_program(struct translation *t, const struct trap *trap, int dirfd, const char *path, unsigned flags,
			const char *name, struct exec_plan *plan, struct stat *st)
{
	cleanup_free char *current = mem_strdup(name);

	for (unsigned depth = 0;; depth++) {
		cleanup(spot_done) struct spot spot = SPOT_INIT;
		char head[SHEBANG_SIZE] = "";
		char *interpreter = NULL;
		char *argument = NULL;
		fd_close(plan->program);
		plan->program = depth == 0 ? find_executable(t, trap, dirfd, path, flags, &spot, st)
					   : find_executable(t, trap, AT_FDCWD, current, VIEW_FOLLOW, &spot, st);
		if (plan->program < 0)
			return plan->program;
		mem_replace(&plan->exe, buf_str(&spot.path));
		ssize_t got = pread(plan->program, head, sizeof(head) - 1, 0);
		if (got < 0)
			return -errno;
		head[got] = '\0';
		bool is_script = shebang_is_script(head);
		/* Collected from the script to the program, and told the other way round. */
		if (is_script || depth > 0)
			strlist_append(&plan->prefix, current);
		if (!is_script)
			return 0;
		if (depth >= SHEBANG_DEPTH)
			return -ELOOP;
		int rc = shebang_parse(head, &interpreter, &argument);
		if (rc < 0)
			return rc;
		if (argument)
			strlist_append(&plan->prefix, argument);
		mem_replace(&current, interpreter);
	}
}

static int put_text(struct loader_orders *orders, const char *text)
{
	size_t size = strlen(text) + 1;

	if (orders->text_size + size > sizeof(orders->text))
		return -E2BIG;
	memcpy(orders->text + orders->text_size, text, size);
	orders->text_size += (unsigned)size;
	return 0;
}

static int write_orders(struct exec_plan *plan, const char *name)
{
	struct loader_orders *orders = &plan->orders;
	const char *slash = strrchr(name, '/');
	int rc = put_text(orders, name);

	strncpy(orders->comm, slash ? slash + 1 : name, sizeof(orders->comm) - 1);
	orders->prefix_count = (unsigned)plan->prefix.count;
	for (size_t i = plan->prefix.count; rc == 0 && i-- > 0;)
		rc = put_text(orders, plan->prefix.items[i]);
	return rc;
}

/* What the caller named, as the kernel would call it (execveat(2), "AT_EXECFN"). */
static char *name_of(int dirfd, const char *path)
{
	if (dirfd == AT_FDCWD || path[0] == '/')
		return mem_strdup(path);
	return *path ? mem_printf("/dev/fd/%d/%s", dirfd, path) : mem_printf("/dev/fd/%d", dirfd);
}

struct exec_call {
	int dirfd;
	uint64_t path, argv, envp;
	int flags;
};

static struct exec_call read_call(const struct trace_regs *regs)
{
	if (regs->number == SYS_execve)
		return (struct exec_call){
			.dirfd = AT_FDCWD, .path = regs->args[0], .argv = regs->args[1], .envp = regs->args[2]};
	return (struct exec_call){
		.dirfd = (int)regs->args[0],
		.path = regs->args[1],
		.argv = regs->args[2],
		.envp = regs->args[3],
		.flags = (int)regs->args[4],
	};
}

static int make_plan(struct translation *t, const struct trap *trap, const struct exec_call *call, size_t *path_length,
		     struct exec_plan **made)
{
	cleanup(exec_plan_free) struct exec_plan *plan = mem_alloc(sizeof(*plan));
	struct task *task = view_task(t, trap);
	char path[PATH_MAX];
	struct stat st = {0};

	plan->program = plan->interpreter = -1;
	if (!task)
		return -ESRCH;
	ssize_t length = emul_read_text(&t->emulation, trap, call->path, path, sizeof(path));
	if (length < 0)
		return (int)length;
	if (call->flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	cleanup_free char *name = name_of(call->dirfd, path);
	unsigned flags =
		(call->flags & AT_SYMLINK_NOFOLLOW ? 0 : VIEW_FOLLOW) | (call->flags & AT_EMPTY_PATH ? VIEW_EMPTY : 0);
	int rc = find_program(t, trap, call->dirfd, path, flags, name, plan, &st);
	if (rc == 0)
		rc = read_elf(t, trap, plan);
	if (rc == 0)
		rc = write_orders(plan, name);
	if (rc < 0)
		return rc;
	plan_credentials(task, &st, plan);
	*path_length = (size_t)length;
	*made = take_ptr(&plan);
	return 0;
}

void translate_exec(struct translation *t, pid_t tid, struct trace_regs *regs, bool *changed)
{
	struct trap trap = {.tid = tid, .number = (int)regs->number};
	const struct exec_call call = read_call(regs);
	struct exec_plan **place = trace_exec_plan(t, tid);
	size_t length = 0;

	if (*place)
		exec_plan_free(take_ptr(place));
	int rc = make_plan(t, &trap, &call, &length, place);
	*changed = true;
	if (rc < 0) {
		regs->number = -1;
		regs->result = rc;
		return;
	}
	const uint64_t args[TRAP_ARGS] = {LOADER_DESCRIPTOR, call.path + length, call.argv, call.envp, AT_EMPTY_PATH};
	memcpy(regs->args, args, sizeof(args));
	regs->number = SYS_execveat;
}

void translate_exec_done(struct translation *t, pid_t tid, const struct exec_plan *plan)
{
	struct task *task = tasks_known(t->emulation.tasks, tid);

	if (!task || !plan)
		return;
	taskmem_drop(&task->mem);
	if (task->fs)
		task_fs_own(task);
	task_set_image(task, plan->exe);
	credentials_free(task->credentials);
	task->credentials = credentials_share(plan->after);
}

/* ---- The loader asks ---- */

void translate_orders(struct translation *t, const struct trap *trap, struct answer *answer)
{
	struct exec_plan **place = trace_exec_plan(t, trap->tid);
	cleanup(exec_plan_free) struct exec_plan *plan = take_ptr(place);
	struct task *task = view_task(t, trap);
	struct supervisor *s = &t->emulation.supervisor;

	emul_return(answer, -EBADF);
	if (!plan || !task || trap->args[2] != sizeof(plan->orders))
		return;
	const int files[] = {plan->program, plan->interpreter};
	int numbers[ARRAY_COUNT(files)];
	supervisor_give_all(s, trap, files, numbers, ARRAY_COUNT(files));
	plan->orders.program = numbers[0];
	plan->orders.interpreter = plan->interpreter < 0 ? -1 : numbers[1];
	if (plan->orders.program < 0 || (plan->interpreter >= 0 && plan->orders.interpreter < 0)) {
		emul_return(answer, -EMFILE);
		return;
	}
	if (task->image)
		task->image->scratch = trap->args[3];
	/* What is behind the text is zeros there, and so is the page that is not written. */
	size_t size = offsetof(struct loader_orders, text) + plan->orders.text_size;
	emul_return(answer, emul_write(&t->emulation, trap, trap->args[1], &plan->orders, size));
}
