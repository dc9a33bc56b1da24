/*
 * The subreaper of a step (prctl(2), PR_SET_CHILD_SUBREAPER): whatever loses its parent becomes our child.
 */
#include "run/orphans.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/strlist.h"

#define CHILDREN_SIZE_MAX ((size_t)1 << 20)

void orphans_expect(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static bool is_in_other_namespace(const char *pid, ino_t ours)
{
	cleanup_free char *path = mem_printf("/proc/%s/ns/user", pid);
	struct stat st;

	return stat(path, &st) == 0 && st.st_ino != ours;
}

void orphans_list(struct strlist *pids)
{
	cleanup(buf_done) struct buf text = BUF_INIT(CHILDREN_SIZE_MAX);
	cleanup_free char *path = mem_printf("/proc/self/task/%ld/children", syscall(SYS_gettid));

	if (fd_read_file(AT_FDCWD, path, &text, NULL) == 0)
		strlist_split(pids, buf_str(&text), ' ');
}

/* They are our children that are not in our user namespace. Each round's dead hand us theirs, for the next. */
static void kill_all(void)
{
	struct stat st;

	if (stat("/proc/self/ns/user", &st) < 0)
		return;
	for (;;) {
		cleanup(strlist_done) struct strlist pids = {0};
		bool found = false;

		orphans_list(&pids);
		for (size_t i = 0; i < pids.count; i++) {
			uint64_t pid = 0;
			if (parse_u64(pids.items[i], INT32_MAX, "pid", &pid, NULL) < 0 ||
			    !is_in_other_namespace(pids.items[i], st.st_ino))
				continue;
			found = true;
			kill((pid_t)pid, SIGKILL);
			waitpid((pid_t)pid, NULL, 0);
		}
		if (!found)
			return;
	}
}

void orphans_kill(void)
{
	kill_all();
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

bool orphans_reap(pid_t pid)
{
	pid_t session = getsid(pid);

	return session >= 0 && session != getsid(0) && waitpid(pid, NULL, WNOHANG) == pid;
}
