/* Kernel: Documentation/admin-guide/cgroup-v2.rst (cpu.max), Documentation/scheduler/sched-bwc.rst (cpu.cfs_*_us). */
#include "base/processors.h"

#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/strlist.h"

#define CGROUP_LIST_MAX ((size_t)64 << 10)
#define NUMBER_MAX 64

/* The words of a file of a group; an empty list when it has none. */
static void read_words(const char *group, const char *file, struct strlist *words)
{
	cleanup(buf_done) struct buf text = BUF_INIT(NUMBER_MAX);
	cleanup_free char *path = mem_printf("%s/%s", group, file);

	if (fd_read_file(AT_FDCWD, path, &text, NULL) < 0)
		return;
	cleanup_free char *line = mem_strndup(buf_str(&text), strcspn(buf_str(&text), "\n"));
	strlist_split(words, line, ' ');
}

/* What one group grants: quota and period in microseconds, a quota that is no number ("max", -1) is none. */
static size_t granted_by(const char *group)
{
	cleanup(strlist_done) struct strlist words = {0};
	uint64_t quota, period;

	read_words(group, "cpu.max", &words);
	if (words.count == 0) {
		read_words(group, "cpu.cfs_quota_us", &words);
		read_words(group, "cpu.cfs_period_us", &words);
	}
	if (words.count != 2 || parse_u64(words.items[0], INT64_MAX, "quota", &quota, NULL) < 0 ||
	    parse_u64(words.items[1], INT64_MAX, "period", &period, NULL) < 0 || period == 0)
		return SIZE_MAX;
	uint64_t processors = quota / period + (quota % period != 0);
	return processors > 0 ? processors : 1;
}

/* The least of a group and all above it in a hierarchy. */
static size_t granted_on_the_way_up(const char *hierarchy, const char *group)
{
	cleanup_free char *path = mem_printf("%s%s", hierarchy, strcmp(group, "/") == 0 ? "" : group);
	size_t above = strlen(hierarchy), least = SIZE_MAX;

	for (;;) {
		size_t granted = granted_by(path);
		if (granted < least)
			least = granted;
		if (strlen(path) <= above)
			return least;
		*strrchr(path, '/') = '\0';
	}
}

/* A line of /proc/self/cgroup is "ID:CONTROLLERS:/GROUP"; of version 2 it has no controllers. */
static size_t granted_by_line(char *line, const char *mounted)
{
	char *controllers = strchr(line, ':');
	char *group = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!group || group[1] != '/')
		return SIZE_MAX;
	*group++ = '\0';
	controllers++;
	cleanup(strlist_done) struct strlist names = {0};
	strlist_split(&names, controllers, ',');
	if (*controllers != '\0' && !strlist_contains(&names, "cpu"))
		return SIZE_MAX;
	cleanup_free char *hierarchy = *controllers ? mem_printf("%s/cpu", mounted) : mem_strdup(mounted);
	return granted_on_the_way_up(hierarchy, group);
}

size_t processors_granted(const char *groups, const char *mounted)
{
	cleanup(strlist_done) struct strlist lines = {0};
	size_t least = SIZE_MAX;

	strlist_split(&lines, groups, '\n');
	for (size_t i = 0; i < lines.count; i++) {
		size_t granted = granted_by_line(lines.items[i], mounted);
		if (granted < least)
			least = granted;
	}
	return least;
}

static size_t processors_of_affinity(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return (size_t)CPU_COUNT(&set);
	/* EINVAL: this kernel can have more than the 1024 of a cpu_set_t; then those that are there. */
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 0 ? (size_t)online : 1;
}

size_t process_processors(void)
{
	static _Atomic size_t known; /* 0: not looked up; threads that look at once find the same */
	size_t processors = known;

	if (processors == 0) {
		cleanup(buf_done) struct buf groups = BUF_INIT(CGROUP_LIST_MAX);
		processors = processors_of_affinity();
		if (processors > 1 && fd_read_file(AT_FDCWD, "/proc/self/cgroup", &groups, NULL) >= 0) {
			size_t granted = processors_granted(buf_str(&groups), "/sys/fs/cgroup");
			processors = granted < processors ? granted : processors;
		}
		known = processors;
	}
	return processors;
}
