/*
 * What a step tries against the one who builds it, and what it may do itself. Run as root of a step:
 *
 *	attacks BUILDER-PID SECRET-FILE STREAM-SOCKET DATAGRAM-SOCKET ABSTRACT-NAME MEMORY SEMAPHORES MESSAGES
 *
 * or, where a step shares the machine's numbers of processes and no more,  attacks --number PID.
 *
 * The files, sockets and System V objects (by number) are the host's. Every line of output that begins with BREACH is
 * an attack that has succeeded, with WRONG something that should have worked; the status is the number of both.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LOADER_DESCRIPTOR 1000
#define ROUNDS 2000

static int failures;

static void must_fail(const char *what, long result)
{
	if (result < 0)
		return;
	printf("BREACH %s: %ld\n", what, result);
	failures++;
}

static void must(const char *what, int holds)
{
	if (holds)
		return;
	printf("WRONG %s: %s\n", what, strerror(errno));
	failures++;
}

/* ---- The builder's process ---- */

/* The kernel asks for the same user, no more. */
static void attack_number(int pid)
{
	struct rlimit none = {0, 0};
	struct sched_param plain = {0};
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	must_fail("its limits", prlimit(pid, RLIMIT_NOFILE, &none, NULL));
	must_fail("its processors", sched_setaffinity(pid, sizeof(one), &one));
	must_fail("its scheduler", sched_setscheduler(pid, SCHED_IDLE, &plain));
	must_fail("its priority", setpriority(PRIO_PROCESS, (id_t)pid, 19));
	must_fail("everybody's priority", setpriority(PRIO_USER, 0, 19));
	must_fail("its turn at the disk", syscall(SYS_ioprio_set, 1, pid, 3 << 13));
	must_fail("everybody's turn", syscall(SYS_ioprio_set, 3, 0, 3 << 13));
}

static void attack_process(int pid)
{
	static const char *const files[] = {"mem", "environ", "maps", "cmdline", "fd",	 "root",
					    "cwd", "exe",     "task", "status",	 "auxv", ""};
	char path[64];
	char memory[8];
	struct stat st;
	struct iovec here = {memory, sizeof(memory)}, there = {(void *)0x400000, sizeof(memory)};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		must_fail(path, open(path, O_RDONLY));
		must_fail(path, lstat(path, &st));
		must_fail(path, chdir(path));
	}
	snprintf(path, sizeof(path), "/proc/self/../%d/environ", pid);
	must_fail(path, open(path, O_RDONLY));
	int proc = open("/proc", O_RDONLY | O_DIRECTORY);
	snprintf(path, sizeof(path), "%d/environ", pid);
	must_fail("open from /proc", openat(proc, path, O_RDONLY));
	must_fail("kill", kill(pid, SIGTERM));
	must_fail("tgkill", syscall(SYS_tgkill, pid, pid, SIGKILL));
	int handle = (int)syscall(SYS_pidfd_open, pid, 0);
	must_fail("pidfd_send_signal", syscall(SYS_pidfd_send_signal, handle, SIGKILL, NULL, 0));
	must_fail("pidfd_getfd", syscall(SYS_pidfd_getfd, handle, 0, 0));
	must_fail("ptrace", ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	must_fail("seize", ptrace(PTRACE_SEIZE, pid, NULL, NULL));
	attack_number(pid);
	must_fail("process_vm_readv", process_vm_readv(pid, &here, 1, &there, 1, 0));
}

/* By whatever else names a process, and by what could set one upon another. */
static void attack_otherwise(int pid)
{
	struct iovec here = {(void *)"evil", 4}, there = {(void *)0x400000, 4};
	siginfo_t info = {.si_signo = SIGCONT, .si_code = SI_QUEUE};
	struct sock_filter allow = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
	struct sock_fprog program = {1, &allow};
	unsigned long address = 0, length = 0, nodes = 1;
	void *page = &address;
	int place = 0, status = 0;

	must_fail("process_vm_writev", process_vm_writev(pid, &here, 1, &there, 1, 0));
	must_fail("a queued signal", syscall(SYS_rt_sigqueueinfo, pid, SIGCONT, &info));
	must_fail("one for a thread", syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGCONT, &info));
	must_fail("tkill", syscall(SYS_tkill, pid, SIGCONT));
	must_fail("its group", kill(-pid, SIGCONT));
	must_fail("its locks", syscall(SYS_get_robust_list, pid, &address, &length));
	must_fail("its pages", syscall(SYS_move_pages, pid, 1UL, &page, &place, &status, 0));
	must_fail("its memory's nodes", syscall(SYS_migrate_pages, pid, sizeof(nodes) * 8, &nodes, &nodes));
	must_fail("a comparison with it", syscall(SYS_kcmp, getpid(), pid, 0, 0, 0));
	must_fail("to be traced", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	must_fail("a listener of the step's own",
		  syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
	must_fail("another name for its program", prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, 0, 0, 0));
}

/* The newer calls about mounts, and what feeds a terminal. */
static void attack_mounts_and_terminals(void)
{
	char letter = 'x';
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	must_fail("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */));
	must_fail("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
	must_fail("fspick", syscall(SYS_fspick, AT_FDCWD, "/", 0));
	must_fail("move_mount", syscall(SYS_move_mount, AT_FDCWD, "/tmp", AT_FDCWD, "/etc", 0));
	must_fail("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, NULL, 0));
	must("a terminal", master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		int terminal = open(ptsname(master), O_RDWR);
		must("it is ours", terminal >= 0 && ioctl(terminal, TIOCSCTTY, 0) == 0);
		must_fail("to type into it", ioctl(terminal, TIOCSTI, &letter));
		must_fail("with more bits", syscall(SYS_ioctl, terminal, 0x100000000UL | TIOCSTI, &letter));
		must_fail("to paste", ioctl(terminal, TIOCLINUX, "\3"));
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	int status = -1;
	waitpid(pid, &status, 0);
	failures += status != 0;
}

/* ---- Files of the host ---- */

static long open_by_i386(const char *path)
{
	long result = -1;
#ifdef __x86_64__
	char *low =
		mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	strcpy(low, path);
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(5), "b"(low), "c"(0), "d"(0)
			 : "memory", "r8", "r9", "r10", "r11");
#endif
	return result;
}

static void attack_files(const char *secret)
{
	char path[4096];
	char *argv[] = {"x", NULL};
	struct stat st;

	must_fail("the file", open(secret, O_RDONLY));
	must_fail("O_PATH", open(secret, O_PATH));
	must_fail("above the root",
		  open((snprintf(path, sizeof(path), "/../../../../../../..%s", secret), path), O_RDONLY));
	must("symlink", symlink(secret, "/absolute") == 0 && symlink("../../../../../../../../..", "/relative") == 0);
	must_fail("a link to it", open("/absolute", O_RDONLY));
	must_fail("stat through a link", stat("/absolute", &st));
	must_fail("a link upwards", open((snprintf(path, sizeof(path), "/relative%s", secret), path), O_RDONLY));
	must_fail("the call's i386 form", open_by_i386(secret));
	must_fail("the call's x32 form", syscall(0x40000000 | 2, secret, O_RDONLY));
	must_fail("exec", syscall(SYS_execveat, LOADER_DESCRIPTOR, secret, argv, NULL, 0));
	must_fail("io_uring", syscall(SYS_io_uring_setup, 4, path));
	must_fail("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, path, O_RDONLY));
	must_fail("unshare", unshare(CLONE_NEWUSER));
	mkdir("/jail", 0755);
	if (chroot("/jail") == 0 && chdir("../../../../../../../..") == 0)
		must_fail("out of a chroot", open(secret + 1, O_RDONLY));
}

/* ---- What it is started with ---- */

static void attack_loader(void)
{
	char byte = 0;

	must_fail("close", close(LOADER_DESCRIPTOR));
	must_fail("dup2", dup2(0, LOADER_DESCRIPTOR));
	must_fail("close-on-exec", fcntl(LOADER_DESCRIPTOR, F_SETFD, FD_CLOEXEC));
	must_fail("write", write(LOADER_DESCRIPTOR, &byte, 1));
	must_fail("truncate", ftruncate(LOADER_DESCRIPTOR, 0));
	must_fail("ask", openat(-4242, &byte, 1));
	/* By another number, which a message gives it. */
	int pair[2], copy = -1;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *first = CMSG_FIRSTHDR(&message);
	*first = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
	*(int *)CMSG_DATA(first) = LOADER_DESCRIPTOR;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && sendmsg(pair[0], &message, 0) == 1 &&
	    recvmsg(pair[1], &message, 0) == 1 && CMSG_FIRSTHDR(&message))
		copy = *(int *)CMSG_DATA(CMSG_FIRSTHDR(&message));
	must_fail("write to a copy", write(copy, &byte, 1));
	must_fail("truncate a copy", ftruncate(copy, 0));
	must_fail("change a copy's mode", copy < 0 ? -1 : fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL));
	must_fail("map a copy", mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0) == MAP_FAILED ? -1 : 0);
	must("close_range", syscall(SYS_close_range, 3, ~0U, 0) == 0);
}

/* ---- What it is started by: the supervisor writes paths into a few pages of every process ---- */

/* They lie behind the loader's own. */
static int find_pages(unsigned long *start, unsigned long *end)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned long from, to, last = 0;

	*start = 0;
	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		if (strstr(line, "memfd:loader"))
			last = to;
		else if (last && from == last && to - from > 100000)
			*start = from, *end = to;
	}
	if (maps)
		fclose(maps);
	return *start != 0;
}

/* Who shares them with another process could have him write another path there, before the kernel reads it. */
static void share_pages(const char *socket_name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	unsigned long start, end = 0;

	must("the pages are there", find_pages(&start, &end));
	void *at =
		mmap((void *)start, end - start, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	must("they are another's", at == (void *)start);
	must_fail("a path in shared memory", open("/etc/passwd", O_PATH));
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/socket-of-ours");
	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	must_fail("an address in shared memory", bind(server, (void *)&address, sizeof(address)));
	must_fail("to connect by shared memory", connect(server, (void *)&address, sizeof(address)));
	must_fail("a watch in shared memory", inotify_add_watch(inotify_init(), "/etc/passwd", IN_OPEN));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_name);
	must_fail("another socket", connect(server, (void *)&address, sizeof(address)));
	must("other paths are read elsewhere", open("/etc/passwd", O_RDONLY) >= 0);
}

static void attack_pages(const char *socket_name)
{
	unsigned long context = 0;
	int status = -1;

	must_fail("a descriptor of the own memory", open("/proc/self/mem", O_RDWR));
	must_fail("the same by its thread", open("/proc/thread-self/mem", O_WRONLY));
	int memory = open("/proc/self/mem", O_RDONLY);
	char again[64];
	snprintf(again, sizeof(again), "/proc/self/fd/%d", memory);
	must("to read it", memory >= 0);
	must_fail("the same anew", open(again, O_RDWR));
	must_fail("writes behind the call", syscall(SYS_io_setup, 1, &context));
	pid_t pid = fork();
	if (pid == 0) {
		failures = 0;
		share_pages(socket_name);
		fflush(stdout);
		_exit(failures);
	}
	waitpid(pid, &status, 0);
	must("a process without its pages goes on", WIFEXITED(status));
	failures += WEXITSTATUS(status);
}

/* ---- Objects of the machine's ---- */

/* `key` is the host's, and a number that the queue's name ends with; the step's own are the next ones. */
static void attack_objects(int memory, int semaphores, int messages, int key)
{
	struct msqid_ds state;
	char text[64], name[64];

	must_fail("a memory by its number", shmat(memory, NULL, 0) == (void *)-1 ? -1 : 0);
	must_fail("a memory by its key", shmget(key, 1, 0));
	must_fail("to remove it", shmctl(memory, IPC_RMID, NULL));
	must_fail("to list them", shmctl(0, SHM_STAT, (void *)text) < 0 ? -1 : 0);
	must_fail("semaphores", semctl(semaphores, 0, GETVAL));
	must_fail("to remove them", semctl(semaphores, 0, IPC_RMID));
	must_fail("messages", msgctl(messages, IPC_STAT, &state));
	must_fail("to take one", msgrcv(messages, text, 8, 0, IPC_NOWAIT));
	snprintf(name, sizeof(name), "/cooper-host-%d", key);
	must_fail("a queue", mq_open(name, O_RDWR));
	must_fail("to remove it", mq_unlink(name));
	must("to leave one behind", shmget(key + 1, 4096, IPC_CREAT | 0600) >= 0);
	snprintf(name, sizeof(name), "/cooper-step-%d", key);
	must("a queue as well", mq_open(name, O_RDWR | O_CREAT, 0600, NULL) >= 0);
}

/* ---- Sockets of the host ---- */

static void attack_sockets(char **names)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct iovec byte = {"x", 1};
	struct msghdr message = {
		.msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = &byte, .msg_iovlen = 1};
	int stream = socket(AF_UNIX, SOCK_STREAM, 0), datagram = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", names[0]);
	must_fail("connect", connect(stream, (void *)&address, sizeof(address)));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", names[1]);
	must_fail("sendto", sendto(datagram, "x", 1, 0, (void *)&address, sizeof(address)));
	must_fail("sendmsg", sendmsg(datagram, &message, 0));
	memset(address.sun_path, 0, sizeof(address.sun_path));
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", names[2]);
	socklen_t length = (socklen_t)(sizeof(sa_family_t) + 1 + strlen(names[2]));
	must_fail("abstract", connect(stream, (void *)&address, length));
	must_fail("abstract, by a message", sendto(datagram, "x", 1, 0, (void *)&address, length));
}

/* ---- A path that changes while it is used ---- */

static volatile int is_over;
static char shared[4096];

static void *change_path(void *secret)
{
	while (!is_over) {
		strcpy(shared, "/etc/passwd");
		strcpy(shared, secret);
	}
	return NULL;
}

static void race(char *secret, const char *socket_name)
{
	struct sockaddr_un *address = (void *)(shared + 2048);
	pthread_t thread;

	pthread_create(&thread, NULL, change_path, secret);
	for (int i = 0; i < ROUNDS; i++) {
		char text[64] = "";
		int fd = open(shared, O_RDONLY);
		if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strstr(text, "SECRET"))
			must_fail("race of open", fd);
		if (fd >= 0)
			close(fd);
	}
	for (int i = 0; i < ROUNDS / 20; i++) {
		int stream = socket(AF_UNIX, SOCK_STREAM, 0);
		address->sun_family = AF_UNIX;
		strcpy(address->sun_path, i % 2 ? socket_name : "/tmp/none");
		must_fail("race of connect", connect(stream, (void *)address, sizeof(*address)));
		close(stream);
	}
	is_over = 1;
	pthread_join(thread, NULL);
}

/* The same by another process, which no stop of threads holds still: what looks like no path is one when the kernel
 * reads it. */
static void change_address(struct sockaddr_un *address, struct msghdr *message)
{
	volatile struct msghdr *changing = message;
	volatile char *first = address->sun_path;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		*first = '\0';
		changing->msg_name = NULL;
		for (volatile int i = 0; i < 1000; i++)
			;
		*first = '/';
		changing->msg_name = address;
		for (volatile int i = 0; i < 1000; i++)
			;
	}
}

static void race_by_process(char **names)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sockaddr_un *address = (void *)page;
	struct msghdr *message = (void *)(page + 4096);
	struct iovec byte = {"x", 1};
	int datagram = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	address->sun_family = AF_UNIX;
	*message = (struct msghdr){.msg_namelen = sizeof(*address), .msg_iov = &byte, .msg_iovlen = 1};
	strcpy(address->sun_path, names[0]);
	pid_t pid = fork();
	if (pid == 0)
		change_address(address, message);
	for (int i = 0; i < ROUNDS / 2; i++) {
		int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		must_fail("race of connect by a process", connect(stream, (void *)address, sizeof(*address)));
		close(stream);
	}
	strcpy(address->sun_path + 1, names[1] + 1);
	for (int i = 0; i < ROUNDS / 2; i++) {
		struct mmsghdr several[1] = {{.msg_hdr = *message}};
		must_fail("race of sendto by a process",
			  sendto(datagram, "x", 1, 0, (void *)address, sizeof(*address)));
		must_fail("race of sendmsg by a process", sendmsg(datagram, message, 0));
		must_fail("race of sendmmsg by a process", sendmmsg(datagram, several, 1, 0));
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The inode that a watch is on (proc(5), /proc/pid/fdinfo). */
static unsigned long inode_watched(int watches)
{
	char path[64], text[4096];
	unsigned long inode = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", watches);
	int fd = open(path, O_RDONLY);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	const char *at = strstr(text, "inotify wd:");
	at = at ? strstr(at, " ino:") : NULL;
	return at && sscanf(at, " ino:%lx", &inode) == 1 ? inode : 0;
}

/* "secret" in the way is ours; behind the other it is the host's. */
static void take_the_way(ino_t own)
{
	struct stat found;
	int watches = inotify_init();

	for (int i = 0; i < ROUNDS; i++) {
		int fd = open("/way/secret", O_PATH);
		if (fd >= 0 && fstat(fd, &found) == 0 && found.st_ino != own)
			must_fail("race of O_PATH", fd);
		if (fd >= 0)
			close(fd);
		int watch = inotify_add_watch(watches, "/way/secret", IN_OPEN);
		if (watch >= 0 && inode_watched(watches) != own)
			must_fail("race of a watch", watch);
		inotify_rm_watch(watches, watch);
	}
}

/* A directory on the way to a socket of our own that becomes a link to the host's. */
static void race_by_directory(const char *socket_name)
{
	char room[64];
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/way/stream"};
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int reached = 0, elsewhere = 0;

	snprintf(room, sizeof(room), "%.*s", (int)(strrchr(socket_name, '/') - socket_name), socket_name);
	must("two ways", mkdir("/way", 0755) == 0 && symlink(room, "/other-way") == 0);
	struct stat own;
	int file = open("/way/secret", O_CREAT | O_RDWR, 0600);
	must("our own file", file >= 0 && fstat(file, &own) == 0);
	pid_t walker = fork();
	if (walker == 0) {
		failures = 0;
		take_the_way(own.st_ino);
		fflush(stdout);
		_exit(failures > 100 ? 100 : failures);
	}
	int status = -1;
	must("our own socket", bind(server, (void *)&address, sizeof(address)) == 0 && listen(server, 100) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			renameat2(AT_FDCWD, "/way", AT_FDCWD, "/other-way", RENAME_EXCHANGE);
	}
	for (int i = 0; i < ROUNDS; i++) {
		int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(stream, (void *)&address, sizeof(address)) == 0) {
			int peer = accept4(server, NULL, NULL, SOCK_NONBLOCK);
			reached++;
			elsewhere += peer < 0;
			close(peer);
		}
		close(stream);
	}
	must("the walker comes home", waitpid(walker, &status, 0) == walker && status == 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	must("our own is reached", reached > 0);
	must_fail("race of directories", elsewhere > 0 ? elsewhere : -1);
}

/* A filter sees an argument's low half: an address that has none. */
static void hide_address(const char *socket_name)
{
	struct sockaddr_un *address = mmap((void *)0x100000000, 4096, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	int datagram = socket(AF_UNIX, SOCK_DGRAM, 0);

	must("a place for it", address == (void *)0x100000000);
	address->sun_family = AF_UNIX;
	strcpy(address->sun_path, socket_name);
	must_fail("sendto without a low half", sendto(datagram, "x", 1, 0, (void *)address, sizeof(*address)));
	must_fail("connect without a low half", connect(datagram, (void *)address, sizeof(*address)));
	munmap(address, 4096);
}

/* ---- What must work ---- */

static void count(int number)
{
}

/* Every call exactly once, however often a signal comes. */
static void be_interrupted(void)
{
	const struct sigaction action = {.sa_handler = count};
	struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		must("mkdir", mkdir("/tmp/once", 0755) == 0);
		must("rmdir", rmdir("/tmp/once") == 0);
		int fd = open("/tmp/file", O_CREAT | O_EXCL | O_RDWR, 0600);
		must("open", fd >= 0 && close(fd) == 0);
		must("unlink", unlink("/tmp/file") == 0);
	}
	setitimer(ITIMER_REAL, &never, NULL);
}

static void use_sockets(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/socket"};
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat st;

	must("bind", bind(server, (void *)&address, sizeof(address)) == 0 && listen(server, 1) == 0);
	must("a socket", stat("/tmp/socket", &st) == 0 && S_ISSOCK(st.st_mode));
	must("connect", connect(client, (void *)&address, sizeof(address)) == 0);
	unlink("/tmp/socket");
}

static void use_files(void)
{
	char path[64], events[512], value[8];
	struct stat st;

	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0640);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must("O_TMPFILE", fd >= 0 && linkat(AT_FDCWD, path, AT_FDCWD, "/tmp/one", AT_SYMLINK_FOLLOW) == 0);
	close(open("/tmp/two", O_CREAT | O_WRONLY, 0600));
	must("exchange", renameat2(AT_FDCWD, "/tmp/one", AT_FDCWD, "/tmp/two", RENAME_EXCHANGE) == 0);
	int watch = inotify_init();
	must("inotify", inotify_add_watch(watch, "/tmp", IN_CREATE) >= 0);
	close(open("/tmp/three", O_CREAT | O_WRONLY, 0600));
	must("an event", read(watch, events, sizeof(events)) > 0);
	must("an attribute", setxattr("/tmp/one", "user.overlay.opaque", "y", 1, 0) == 0 &&
				     getxattr("/tmp/one", "user.overlay.opaque", value, sizeof(value)) == 1);
	must_fail("an attribute of the builder's", setxattr("/tmp/one", "user.cooper.o", "y", 1, 0));
	must("symlink", symlink("one", "/tmp/link") == 0);
	int link = open("/tmp/link", O_PATH | O_NOFOLLOW);
	must("O_PATH", fstat(link, &st) == 0 && S_ISLNK(st.st_mode));
	int lock = open("/tmp/one", O_RDWR);
	struct flock whole = {.l_type = F_WRLCK};
	must("a lock", fcntl(lock, F_SETLK, &whole) == 0);
	must("size", ftruncate(lock, 4096) == 0);
	char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, lock, 0);
	memory[0] = 'm';
	must("a mapping", pread(lock, value, 1, 0) == 1 && value[0] == 'm');
}

static void use_programs(void)
{
	char *argv[] = {"true", NULL};
	int status = -1;
	pid_t pid;

	must("posix_spawn", posix_spawnp(&pid, "true", NULL, NULL, argv, environ) == 0);
	must("its status", waitpid(pid, &status, 0) == pid && status == 0);
	must_fail("a program that is not there", posix_spawnp(&pid, "nosuch", NULL, NULL, argv, environ) ? -1 : 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--number") == 0) {
		attack_number(atoi(argv[2]));
		return failures;
	}
	if (argc != 10)
		return 125;
	use_sockets();
	use_files();
	use_programs();
	be_interrupted();
	attack_process(atoi(argv[1]));
	attack_otherwise(atoi(argv[1]));
	attack_mounts_and_terminals();
	attack_sockets(argv + 3);
	race(argv[2], argv[3]);
	race_by_process(argv + 3);
	race_by_directory(argv[3]);
	hide_address(argv[4]);
	attack_pages(argv[3]);
	attack_objects(atoi(argv[6]), atoi(argv[7]), atoi(argv[8]), atoi(argv[9]));
	attack_loader();
	attack_files(argv[2]);
	return failures > 100 ? 100 : failures;
}
