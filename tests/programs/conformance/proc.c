/* What a process sees of itself in /proc. */
#include "conformance.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void print_link(const char *path)
{
	char text[4096] = "";
	ssize_t length = readlink(path, text, sizeof(text) - 1);
	const char *tail = strstr(text, "/proc/");

	printf("%s -> %s\n", path, length < 0 ? strerrorname_np(errno) : tail && tail != text ? tail : text);
}

void print_field(const char *path, const char *name)
{
	char line[512];
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0)
			printf("%s", line);
	if (file)
		fclose(file);
	else
		printf("%s: %s\n", path, strerrorname_np(errno));
}

static void own_names(void)
{
	char text[256] = "";

	print_link("/proc/self/cwd");
	print_link("/proc/self/root");
	print_link("/proc/self/exe");
	print_link("/proc/thread-self/exe");
	copy_self("program");
	SHOW(prctl(PR_SET_NAME, "a name that is too long", 0, 0, 0));
	SHOW(prctl(PR_GET_NAME, text, 0, 0, 0));
	printf("%s\n", text);
	print_file("/proc/self/comm");
	make("/proc/self/comm", "other");
	print_file("/proc/self/comm");
	print_field("/proc/self/status", "Name:");
}

static void umask_is_seen(void)
{
	SHOW(umask(0031));
	print_field("/proc/self/status", "Umask:");
}

static void descriptors(void)
{
	char path[64], text[64] = "";
	int count = 0;

	for (int i = 3; i < 200; i++)
		close(i);
	make("f", "x");
	int fd = open("f", O_RDONLY);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	print_link(path);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	print_field(path, "pos:");
	SHOW(unlink("f"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	print_link(path);
	CHECK(open(path, O_RDONLY));
	print_link("/proc/self/fd/99");
	CHECK(open("/proc/self/fd/99", O_RDONLY));
	int ends[2];
	if (pipe(ends) < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	int again = open(path, O_WRONLY);
	SHOW(write(again, "through", 7));
	SHOW(read(ends[0], text, 7));
	printf("%s\n", text);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
	CHECK(open(path, O_RDONLY | O_NONBLOCK));
	DIR *dir = opendir("/proc/self/fd");
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		count += entry->d_name[0] != '.' && atoi(entry->d_name) < 1000;
	printf("descriptors %d\n", count);
}

static bool has_line(const char *path, const char *part)
{
	char line[4096];
	bool found = false;
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file))
		found |= strstr(line, part) != NULL;
	if (file)
		fclose(file);
	return found;
}

static void files(void)
{
	printf("maps has the program %d, the stack %d\n", has_line("/proc/self/maps", "/conformance"),
	       has_line("/proc/self/maps", "[stack]"));
	printf("mounts has / %d, /proc %d\n", has_line("/proc/self/mounts", " / "),
	       has_line("/proc/mounts", " /proc "));
	printf("mountinfo has / %d\n", has_line("/proc/self/mountinfo", " / / "));
	const char *const names[] = {"/proc/self/stat",
				     "/proc/self/statm",
				     "/proc/self/limits",
				     "/proc/self/cgroup",
				     "/proc/self/environ",
				     "/proc/self/cmdline",
				     "/proc/self/oom_score_adj",
				     "/proc/self/task",
				     "/proc/self/smaps",
				     "/proc/meminfo",
				     "/proc/cpuinfo",
				     "/proc/uptime",
				     "/proc/loadavg",
				     "/proc/version",
				     "/proc/filesystems",
				     "/proc/sys/kernel/osrelease",
				     "/proc/sys/kernel/random/boot_id",
				     "/proc/sys/vm/overcommit_memory",
				     "/proc/self/auxv",
				     "/proc/self/mem",

				     "/proc/nothing",
				     "/proc/99999999"};
	char path[128], block[64];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int fd = open(names[i], O_RDONLY);
		ssize_t got = fd < 0 ? -1 : pread(fd, block, sizeof(block), 0);
		snprintf(path, sizeof(path), "%s", names[i]);
		printf("%s: %s\n", path,
		       fd < 0	  ? strerrorname_np(errno)
		       : got > 0  ? "text"
		       : got == 0 ? "empty"
				  : strerrorname_np(errno));
		close(fd);
	}
	CHECK(open("/proc/new", O_WRONLY | O_CREAT, 0600));
	SHOW(mkdir("/proc/new", 0700));
	CHECK(open("/proc/sys/kernel/hostname", O_WRONLY));
	CHECK(open("/proc/self/oom_score_adj", O_WRONLY));
}

static void *sleep_here(void *unused)
{
	pause();
	return NULL;
}

static int tasks_of(pid_t pid)
{
	char path[64];
	int count = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *dir = opendir(path);
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

static void others(void)
{
	char path[64];
	pthread_t thread;

	SHOW(pthread_create(&thread, NULL, sleep_here, NULL));
	printf("threads %d\n", tasks_of(getpid()));
	pid_t child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	printf("threads of the child %d\n", tasks_of(child));
	snprintf(path, sizeof(path), "/proc/%d/status", child);
	print_field(path, "State:	Z");
	printf("parent %d\n", getppid() > 0);
	snprintf(path, sizeof(path), "/proc/%d/cwd", child);
	char text[4096] = "";
	SHOW(readlink(path, text, sizeof(text) - 1) > 0 ? 0 : -1);
	printf("of the child %s\n", strrchr(text, '/'));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	SHOW(access(path, F_OK));
	/* All that is listed is there. */
	int listed = 0, missing = 0;
	DIR *dir = opendir("/proc");
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/stat", entry->d_name);
		listed++;
		missing += access(path, F_OK) < 0;
	}
	printf("listed %d missing %d\n", listed > 0, missing);
}

void test_proc(void)
{
	apart(own_names);
	apart(umask_is_seen);
	apart(descriptors);
	apart(files);
	apart(others);
}
