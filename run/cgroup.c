/*
 * Makes, fills and removes the control group of a step.
 */
#include "run/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/strlist.h"

#define LEAF "cooper-main"
#define FILE_SIZE_MAX ((size_t)1 << 20)
#define CPU_PERIOD_DEFAULT ((uint64_t)100000)
#define REMOVE_TRIES 100

char *cgroup_number(uint64_t value)
{
	return value == UINT64_MAX ? mem_strdup("max") : mem_printf("%llu", (unsigned long long)value);
}

uint64_t cgroup_weight(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

static int explain(struct error **err)
{
	return error_hint(err,
			  "limits need a cgroup v2 subtree of our own: start cooper with systemd-run --user --scope "
			  "-p Delegate=yes");
}

static int write_file(int dir, const char *name, const char *text, struct error **err)
{
	cleanup_close int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return error_set_errno(err, "write '%s' to %s of the cgroup", text, name);
	return 0;
}

static bool is_cgroup2(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* Our own group, or the one above when we have moved to the leaf before. */
static int open_own(struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
	cleanup(strlist_done) struct strlist lines = {0};
	const char *mount = is_cgroup2("/sys/fs/cgroup")	   ? "/sys/fs/cgroup"
			    : is_cgroup2("/sys/fs/cgroup/unified") ? "/sys/fs/cgroup/unified"
								   : NULL;
	int rc = fd_read_file(AT_FDCWD, "/proc/self/cgroup", &text, err);

	if (rc < 0)
		return rc;
	strlist_split(&lines, buf_str(&text), '\n');
	for (size_t i = 0; mount && i < lines.count; i++) {
		if (!text_has_prefix(lines.items[i], "0::/"))
			continue;
		const char *up = text_has_suffix(lines.items[i], "/" LEAF) ? "/.." : "";
		cleanup_free char *path = mem_printf("%s%s%s", mount, lines.items[i] + 3, up);
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? error_set_errno(err, "open our cgroup '%s'", path) : fd;
	}
	return error_set(err, ENOTSUP, "this machine has no cgroup v2");
}

/* "+memory +pids": what the limits need. */
static char *needed_controllers(const struct run_cgroup *limits, struct strlist *names)
{
	cleanup(strlist_done) struct strlist enabled = {0};

	if (limits->memory || limits->memory_swap)
		strlist_append(names, "memory");
	if (limits->cpu_quota || limits->cpu_period || limits->cpu_shares)
		strlist_append(names, "cpu");
	if (limits->cpuset_cpus || limits->cpuset_mems)
		strlist_append(names, "cpuset");
	if (limits->pids)
		strlist_append(names, "pids");
	for (size_t i = 0; i < names->count; i++)
		strlist_printf(&enabled, "+%s", names->items[i]);
	return strlist_join(&enabled, " ");
}

static int check_controllers(int own, const struct strlist *needed, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
	cleanup(strlist_done) struct strlist have = {0};
	int rc = fd_read_file(own, "cgroup.controllers", &text, err);

	if (rc == 0)
		rc = parse_shell_words(buf_str(&text), "cgroup.controllers", &have, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < needed->count; i++)
		if (!strlist_contains(&have, needed->items[i]))
			return error_set(err, ENOTSUP, "our cgroup has no controller '%s'", needed->items[i]);
	return 0;
}

/* Everything that stands in the group itself goes to a leaf beside the step's: a group with controllers for its
 * children may not hold processes ("No Internal Process Constraint"). */
static int move_to_leaf(int own, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
	cleanup(strlist_done) struct strlist pids = {0};

	if (mkdirat(own, LEAF, 0755) < 0 && errno != EEXIST)
		return error_set_errno(err, "make a leaf in our cgroup");
	cleanup_close int leaf = fd_open_dir(own, LEAF, err);
	int rc = leaf < 0 ? leaf : fd_read_file(own, "cgroup.procs", &text, err);
	if (rc < 0)
		return rc;
	strlist_split(&pids, buf_str(&text), '\n');
	for (size_t i = 0; i < pids.count; i++) {
		if (pids.items[i][0] == '\0')
			continue;
		rc = write_file(leaf, "cgroup.procs", pids.items[i], err);
		if (rc == -ESRCH) { /* it has ended meanwhile */
			error_clear(err);
			continue;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int write_number(int dir, const char *name, uint64_t value, struct error **err)
{
	cleanup_free char *text = cgroup_number(value);

	return value ? write_file(dir, name, text, err) : 0;
}

static int write_text(int dir, const char *name, const char *text, struct error **err)
{
	return text ? write_file(dir, name, text, err) : 0;
}

/* memory_swap is memory and swap together, as on Docker's command line; cgroup v2 wants swap alone. */
static int write_memory(int dir, const struct run_cgroup *limits, struct error **err)
{
	int rc = write_number(dir, "memory.max", limits->memory, err);

	if (rc < 0 || !limits->memory_swap)
		return rc;
	if (limits->memory_swap != UINT64_MAX && limits->memory_swap < limits->memory)
		return error_set(err, EINVAL, "the limit of memory and swap is below that of memory");
	uint64_t swap = limits->memory_swap == UINT64_MAX ? UINT64_MAX : limits->memory_swap - limits->memory;
	cleanup_free char *text = cgroup_number(swap);
	return write_file(dir, "memory.swap.max", text, err);
}

static int write_cpu(int dir, const struct run_cgroup *limits, struct error **err)
{
	cleanup_free char *quota = limits->cpu_quota ? cgroup_number(limits->cpu_quota) : mem_strdup("max");
	uint64_t period = limits->cpu_period ? limits->cpu_period : CPU_PERIOD_DEFAULT;
	cleanup_free char *max = mem_printf("%s %llu", quota, (unsigned long long)period);
	int rc = 0;

	if (limits->cpu_quota || limits->cpu_period)
		rc = write_file(dir, "cpu.max", max, err);
	if (rc == 0 && limits->cpu_shares)
		rc = write_number(dir, "cpu.weight", cgroup_weight(limits->cpu_shares), err);
	return rc;
}

static int write_limits(int dir, const struct run_cgroup *limits, struct error **err)
{
	int rc = write_memory(dir, limits, err);

	if (rc == 0)
		rc = write_cpu(dir, limits, err);
	if (rc == 0)
		rc = write_text(dir, "cpuset.cpus", limits->cpuset_cpus, err);
	if (rc == 0)
		rc = write_text(dir, "cpuset.mems", limits->cpuset_mems, err);
	if (rc == 0)
		rc = write_number(dir, "pids.max", limits->pids, err);
	return rc;
}

static int make_group(int own, const struct run_cgroup *limits, struct cgroup *group, struct error **err)
{
	cleanup(strlist_done) struct strlist controllers = {0};
	cleanup_free char *enable = needed_controllers(limits, &controllers);
	uint64_t number = 0;
	int rc = check_controllers(own, &controllers, err);

	if (rc == 0)
		rc = move_to_leaf(own, err);
	if (rc == 0 && controllers.count > 0)
		rc = write_file(own, "cgroup.subtree_control", enable, err);
	if (rc < 0)
		return rc;
	if (getrandom(&number, sizeof(number), 0) < 0)
		return error_set_errno(err, "get random bytes");
	group->name = mem_printf("cooper-step-%016llx", (unsigned long long)number);
	if (mkdirat(own, group->name, 0755) < 0)
		return error_set_errno(err, "make a cgroup");
	group->dir = fd_open_dir(own, group->name, err);
	return group->dir < 0 ? group->dir : 0;
}

int cgroup_open(const struct run_cgroup *limits, struct cgroup *group, struct error **err)
{
	struct cgroup made = CGROUP_INIT;
	int rc = made.parent = open_own(err);

	if (rc >= 0)
		rc = make_group(made.parent, limits, &made, err);
	if (rc < 0) {
		cgroup_close(&made);
		return err ? explain(err) : rc;
	}
	rc = write_limits(made.dir, limits, err);
	if (rc < 0) {
		cgroup_close(&made);
		return rc;
	}
	*group = made;
	return 0;
}

int cgroup_add(const struct cgroup *group, pid_t pid, struct error **err)
{
	cleanup_free char *text = mem_printf("%d", pid);

	return write_file(group->dir, "cgroup.procs", text, err);
}

bool cgroup_was_out_of_memory(const struct cgroup *group)
{
	cleanup(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);

	if (group->dir < 0 || fd_read_file(group->dir, "memory.events", &text, NULL) < 0)
		return false;
	const char *kills = strstr(buf_str(&text), "oom_kill ");
	return kills && kills[strlen("oom_kill ")] != '0';
}

void cgroup_close(struct cgroup *group)
{
	const struct timespec pause = {.tv_nsec = 2000000};

	if (group->dir >= 0)
		write_file(group->dir, "cgroup.kill", "1",
			   NULL); /* Linux 5.14; before, the pid namespace has done it */
	for (int i = 0; group->name && i < REMOVE_TRIES; i++) {
		if (unlinkat(group->parent, group->name, AT_REMOVEDIR) == 0 || errno != EBUSY)
			break;
		nanosleep(&pause, NULL); /* what was killed is still leaving */
	}
	fd_close(group->dir);
	fd_close(group->parent);
	free(group->name);
	*group = CGROUP_INIT;
}
