/*
 * /proc of a translated root: ours, of which the step sees its own processes and what is nobody's in particular.
 * Numbers of other processes are not there; links that lead to files of the host are answered as the step would see
 * them; texts that name such files are shown with the step's names. The supervisor opens nothing here that could be
 * about itself: every number is looked up in the table of what the step has started.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/tree.h"
#include "run/translate_internal.h"

#define TEXT_SIZE_MAX ((size_t)8 << 20)

/* As runtimes mask them (OCI runtime-spec, "Masked Paths"), and what is about the machine or written to. */
static const char *const hidden[] = {"asound",	    "acpi",	     "kcore",	   "keys",	  "key-users",
				     "kmsg",	    "latency_stats", "timer_list", "timer_stats", "sched_debug",
				     "scsi",	    "sysrq-trigger", "interrupts", "kpagecount",  "kpageflags",
				     "kpagecgroup", "vmallocinfo",   "slabinfo"};

/* Links of a process, and below its directory. */
static const char *const texts[] = {"maps", "smaps", "numa_maps", "mounts", "mountinfo", "mountstats", "status"};

/* "/proc/12/task/13/exe": the process, the thread, and what of it. */
struct proc_name {
	pid_t tid;	  /* 0: not of a process */
	const char *what; /* behind the number; "" for the directory itself */
};

static bool parse_number(const char **at, pid_t *number)
{
	char digits[16];
	size_t length = strspn(*at, "0123456789");
	uint64_t value;

	if (length == 0 || length >= sizeof(digits) || ((*at)[length] != '/' && (*at)[length] != '\0'))
		return false;
	memcpy(digits, *at, length);
	digits[length] = '\0';
	if (parse_u64(digits, INT32_MAX, "number", &value, NULL) < 0)
		return false;
	*number = (pid_t)value;
	*at += length;
	return true;
}

static struct proc_name parse_name(const char *path)
{
	struct proc_name name = {0};
	const char *at = path + strlen("/proc");

	at += *at == '/';
	name.what = at;
	if (!parse_number(&at, &name.tid))
		return name;
	name.what = at + (*at == '/');
	if (text_has_prefix(name.what, "task/")) {
		at = name.what + strlen("task/");
		if (parse_number(&at, &name.tid))
			name.what = at + (*at == '/');
	}
	return name;
}

static struct task *known_task(struct translation *t, pid_t tid)
{
	return tid == t->self ? NULL : tasks_known(t->emulation.tasks, tid);
}

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(text, list[i]) == 0)
			return true;
	return false;
}

/* ---- What a link leads to ---- */

static bool name_of_fs(struct translation *t, const struct task *task, bool is_root, struct buf *to)
{
	int fd = !task->fs ? -1 : is_root ? task->fs->root : task->fs->cwd;

	buf_clear(to);
	if (fd >= 0 && !view_name(t, fd, to))
		return false;
	if (to->len == 0)
		buf_append_str(to, "/");
	return true;
}

static int real_link(pid_t tid, const char *what, char real[PATH_MAX])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, what);
	ssize_t length = readlink(path, real, PATH_MAX - 1);
	if (length < 0)
		return -errno;
	real[length] = '\0';
	return 0;
}

/* A descriptor: a name of the step where it has one and still leads to the same, else the thing itself. */
static enum proc_verdict judge_descriptor(struct translation *t, const struct proc_name *name, struct buf *to, int *fd)
{
	char real[PATH_MAX];
	char path[64];
	struct stat there, named;

	if (real_link(name->tid, name->what, real) < 0)
		return PROC_HIDDEN;
	snprintf(path, sizeof(path), "/proc/%d/%s", name->tid, name->what);
	if (real[0] == '/' && view_name_of_real(t, real, to) && stat(path, &there) == 0 && stat(real, &named) == 0 &&
	    there.st_ino == named.st_ino && there.st_dev == named.st_dev) {
		if (to->len == 0)
			buf_append_str(to, "/");
		return PROC_JUMP;
	}
	*fd = open(path, O_PATH | O_CLOEXEC);
	return *fd < 0 ? PROC_HIDDEN : PROC_DESCRIPTOR;
}

static enum proc_verdict judge_of_task(struct translation *t, const struct trap *trap, const struct proc_name *name,
				       bool follow, struct buf *to, int *fd)
{
	const struct task *task = known_task(t, name->tid);

	if (!task)
		return PROC_HIDDEN;
	if (text_has_prefix(name->what, "map_files") || text_has_prefix(name->what, "stack"))
		return PROC_HIDDEN;
	/* Of its own memory a process may do what it likes. */
	if (strcmp(name->what, "mem") == 0) {
		const struct task *caller = view_task(t, trap);
		return caller && caller->tgid == task->tgid ? PROC_PLAIN : PROC_HIDDEN;
	}
	if (!follow)
		return PROC_PLAIN;
	if (strcmp(name->what, "exe") == 0) {
		const char *exe = task->image ? task->image->exe : NULL;
		if (!exe)
			return PROC_HIDDEN;
		buf_append_str(to, exe);
		return PROC_JUMP;
	}
	if (strcmp(name->what, "cwd") == 0 || strcmp(name->what, "root") == 0)
		return name_of_fs(t, task, name->what[0] == 'r', to) ? PROC_JUMP : PROC_HIDDEN;
	if (text_has_prefix(name->what, "fd/"))
		return judge_descriptor(t, name, to, fd);
	/* Namespaces: there is nothing to be done with them. */
	return text_has_prefix(name->what, "ns/") ? PROC_HIDDEN : PROC_PLAIN;
}

enum proc_verdict proc_judge(struct translation *t, const struct trap *trap, const char *path, bool follow,
			     struct buf *to, int *fd)
{
	const struct task *task = view_task(t, trap);
	struct proc_name name = parse_name(path);

	if (!task)
		return PROC_HIDDEN;
	if (name.tid)
		return judge_of_task(t, trap, &name, follow, to, fd);
	if (strcmp(name.what, "self") == 0 && follow) {
		buf_printf(to, "/proc/%d", task->tgid);
		return PROC_JUMP;
	}
	if (strcmp(name.what, "thread-self") == 0 && follow) {
		buf_printf(to, "/proc/%d/task/%d", task->tgid, task->tid);
		return PROC_JUMP;
	}
	return is_one_of(name.what, hidden, ARRAY_COUNT(hidden)) ? PROC_HIDDEN : PROC_PLAIN;
}

bool proc_read_link(struct translation *t, const struct trap *trap, const struct spot *spot, struct buf *text)
{
	struct proc_name name = parse_name(buf_str(&spot->path));
	const struct task *caller = view_task(t, trap);
	char real[PATH_MAX];

	if (!caller)
		return false;
	if (name.tid == 0) {
		if (strcmp(name.what, "self") == 0)
			buf_printf(text, "%d", caller->tgid);
		else if (strcmp(name.what, "thread-self") == 0)
			buf_printf(text, "%d/task/%d", caller->tgid, caller->tid);
		return text->len > 0;
	}
	const struct task *task = known_task(t, name.tid);
	if (!task)
		return false;
	if (strcmp(name.what, "exe") == 0 && task->image && task->image->exe)
		buf_append_str(text, task->image->exe);
	else if (strcmp(name.what, "cwd") == 0 || strcmp(name.what, "root") == 0)
		name_of_fs(t, task, name.what[0] == 'r', text);
	else if (text_has_prefix(name.what, "fd/") && real_link(name.tid, name.what, real) == 0)
		if (real[0] == '/' && view_name_of_real(t, real, text) && text->len == 0)
			buf_append_str(text, "/");
	return text->len > 0;
}

/* ---- Texts ---- */

/* The mounts of the step, as far as programs ask: whether something is a mount point, and what "/" is. */
static void write_mounts(const struct translation *t, bool is_info, struct buf *text)
{
	for (size_t i = 0; i < t->mount_count; i++) {
		const struct view_mount *mount = &t->mounts[i];
		const char *target = mount->target_length ? mount->target : "/";
		const char *flags = mount->read_only ? "ro" : "rw";
		const char *type = mount->kind == VIEW_PROC ? "proc" : strcmp(target, "/sys") == 0 ? "sysfs" : "cooper";
		if (is_info)
			buf_printf(text, "%zu %d 0:%zu / %s %s,relatime - %s %s %s\n", 20 + i, i ? 20 : 1, 20 + i,
				   target, flags, type, type, flags);
		else
			buf_printf(text, "%s %s %s %s,relatime 0 0\n", type, target, type, flags);
	}
}

/* Replaces the real paths at the end of a line of maps(5). */
static void write_maps(const struct translation *t, const struct task *task, char *from, struct buf *text)
{
	cleanup(buf_done) struct buf shown = BUF_INIT((size_t)2 * PATH_MAX);

	for (char *line = from, *next; *line; line = next) {
		next = strchrnul(line, '\n');
		size_t length = (size_t)(next - line);
		next += *next == '\n';
		cleanup_free char *copy = mem_strndup(line, length);
		char *path = strchr(copy, '/');
		if (path && view_name_of_real(t, path, &shown)) {
			*path = '\0';
			buf_printf(text, "%s%s\n", copy, buf_str(&shown));
		} else {
			buf_printf(text, "%s\n", copy);
		}
	}
}

static void write_ids(const char *name, const uint32_t ids[ID_SLOTS], struct buf *text)
{
	buf_printf(text, "%s\t%u\t%u\t%u\t%u\n", name, ids[ID_REAL], ids[ID_EFFECTIVE], ids[ID_SAVED], ids[ID_FS]);
}

/* One line of status, if it is about who the process is: as it believes (libcap-ng reads its capabilities here). */
static bool write_identity(const struct task *task, const char *line, struct buf *text)
{
	const struct credentials *c = task->credentials;
	const struct {
		const char *name;
		uint64_t set;
	} sets[] = {{"CapInh:", c->inheritable},
		    {"CapPrm:", c->permitted},
		    {"CapEff:", c->effective},
		    {"CapBnd:", c->bounding},
		    {"CapAmb:", c->ambient}};

	for (size_t i = 0; i < ARRAY_COUNT(sets); i++) {
		if (!text_has_prefix(line, sets[i].name))
			continue;
		buf_printf(text, "%s\t%016llx\n", sets[i].name, (unsigned long long)sets[i].set);
		return true;
	}
	if (text_has_prefix(line, "Uid:")) {
		write_ids("Uid:", c->uid, text);
	} else if (text_has_prefix(line, "Gid:")) {
		write_ids("Gid:", c->gid, text);
	} else if (text_has_prefix(line, "Groups:")) {
		buf_append_str(text, "Groups:\t");
		for (size_t i = 0; i < c->group_count; i++)
			buf_printf(text, "%s%u", i ? " " : "", c->groups[i]);
		buf_append_str(text, " \n");
	} else if (text_has_prefix(line, "NoNewPrivs:")) {
		buf_printf(text, "NoNewPrivs:\t%d\n", c->no_new_privs);
	} else if (text_has_prefix(line, "Umask:") && task->fs) {
		buf_printf(text, "Umask:\t%04o\n", task->fs->umask);
	} else if (text_has_prefix(line, "TracerPid:")) {
		buf_append_str(text, "TracerPid:\t0\n");
	} else {
		return false;
	}
	return true;
}

static void write_status(const struct task *task, char *from, struct buf *text)
{
	for (char *line = from, *next; *line; line = next) {
		next = strchrnul(line, '\n');
		next += *next == '\n';
		if (!write_identity(task, line, text))
			buf_append(text, line, (size_t)(next - line));
	}
}

int proc_open_text(struct translation *t, const struct spot *spot)
{
	struct proc_name name = parse_name(buf_str(&spot->path));
	cleanup(buf_done) struct buf text = BUF_INIT(TEXT_SIZE_MAX);
	cleanup(buf_done) struct buf from = BUF_INIT(TEXT_SIZE_MAX);
	const struct task *task = name.tid ? known_task(t, name.tid) : NULL;
	char path[64];

	if (!task || !is_one_of(name.what, texts, ARRAY_COUNT(texts)))
		return -ENODATA;
	if (name.what[0] == 'm' && name.what[1] == 'o') {
		write_mounts(t, strcmp(name.what, "mountinfo") == 0, &text);
	} else {
		snprintf(path, sizeof(path), "/proc/%d/%s", name.tid, name.what);
		cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fd_read_all(fd, &from, NULL) < 0)
			return -EACCES;
		buf_append_char(&from, '\0');
		if (strcmp(name.what, "status") == 0)
			write_status(task, from.data, &text);
		else
			write_maps(t, task, from.data, &text);
	}
	return fd_from_memory("text", buf_str(&text), text.len, NULL);
}

/* ---- The list ---- */

static void list_name(struct translation *t, int list, const char *name, unsigned char type)
{
	const char *at = name;
	pid_t number;

	if (isdigit((unsigned char)name[0])) {
		if (parse_number(&at, &number) && known_task(t, number))
			mkdirat(list, name, 0555);
	} else if (is_one_of(name, hidden, ARRAY_COUNT(hidden))) {
		return;
	} else if (type == DT_DIR) {
		mkdirat(list, name, 0555);
	} else if (type == DT_LNK) {
		(void)!symlinkat("self", list, name);
	} else if (type == DT_REG) {
		mknodat(list, name, S_IFREG | 0444, 0);
	}
}

/* A directory of ours with the names, made anew for each who opens /proc to read it. */
int proc_open_list(struct translation *t)
{
	cleanup_close int real = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = real < 0 ? NULL : fdopendir(real);

	if (!dir)
		return -EACCES;
	real = -1;
	tree_remove(t->scratch, "proc", NULL);
	if (mkdirat(t->scratch, "proc", 0755) < 0) {
		closedir(dir);
		return -EACCES;
	}
	int list = openat(t->scratch, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (const struct dirent *entry; list >= 0 && (entry = readdir(dir)) != NULL;)
		if (entry->d_name[0] != '.')
			list_name(t, list, entry->d_name, entry->d_type);
	closedir(dir);
	if (list >= 0 && !t->proc_list)
		t->proc_list = view_real_name(t, list);
	return list < 0 ? -EACCES : list;
}
