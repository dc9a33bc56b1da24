/*
 * conformance DIRECTORY [FAMILY...]   as root, in an empty directory; conformance --list   names the families.
 */
#include "conformance.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* ---- What the families share ---- */

long show(const char *what, long result)
{
	int code = errno;

	printf("%s = %ld%s%s\n", what, result < 0 ? -1 : result, result < 0 ? " " : "",
	       result < 0 ? strerrorname_np(code) : "");
	return result;
}

static void print_mode(const char *how, const char *path, int rc, unsigned mode, unsigned uid, unsigned gid,
		       unsigned nlink)
{
	if (rc < 0)
		printf("%s %s: %s\n", how, path, strerrorname_np(errno));
	else
		printf("%s %s: %o %u:%u %u\n", how, path, mode, uid, gid, S_ISDIR(mode) ? 0 : nlink);
}

void look_briefly(const char *path)
{
	struct stat st = {0};
	int rc = lstat(path, &st);

	print_mode("lstat", path, rc, st.st_mode, st.st_uid, st.st_gid, (unsigned)st.st_nlink);
}

void look(const char *path)
{
	struct stat st = {0};
	struct statx stx = {0};

	int rc = stat(path, &st);
	print_mode("stat", path, rc, st.st_mode, st.st_uid, st.st_gid, (unsigned)st.st_nlink);
	look_briefly(path);
	rc = statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx);
	print_mode("statx", path, rc, stx.stx_mode, stx.stx_uid, stx.stx_gid, stx.stx_nlink);
	int fd = open(path, O_PATH | O_NOFOLLOW);
	rc = fd < 0 ? -1 : fstat(fd, &st);
	print_mode("fstat", path, rc, st.st_mode, st.st_uid, st.st_gid, (unsigned)st.st_nlink);
	rc = fd < 0 ? -1 : statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx);
	print_mode("statx by fd", path, rc, stx.stx_mode, stx.stx_uid, stx.stx_gid, stx.stx_nlink);
	if (fd >= 0)
		close(fd);
}

void make(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("make %s: %s\n", path, strerrorname_np(errno));
	close(fd);
}

void print_file(const char *path)
{
	char text[256] = "";
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	printf("%s: %s\n", path, got < 0 ? strerrorname_np(errno) : text);
	if (fd >= 0)
		close(fd);
}

void print_numbers(void)
{
	uid_t r, e, s;
	gid_t groups[64];

	getresuid(&r, &e, &s);
	printf("uids %u %u %u fs %d; ", r, e, s, setfsuid((uid_t)-1));
	getresgid(&r, &e, &s);
	printf("gids %u %u %u fs %d; %u %u %u %u;", r, e, s, setfsgid((gid_t)-1), getuid(), geteuid(), getgid(),
	       getegid());
	int count = getgroups(64, groups);
	for (int i = 0; i < count; i++)
		printf(" %u", groups[i]);
}

void print_ids(void)
{
	print_numbers();
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	syscall(SYS_capget, &header, data);
	printf("; caps %x %x %x keep %d secure %d\n", data[0].effective, data[0].permitted, data[0].inheritable,
	       prctl(PR_GET_KEEPCAPS), prctl(PR_GET_SECUREBITS));
}

void apart(void (*part)(void))
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		part();
		fflush(stdout);
		_exit(0);
	}
	int status = -1;
	waitpid(pid, &status, 0);
	printf("status %x\n", status);
}

void be_user(uint32_t uid, uint32_t gid)
{
	SHOW(setgroups(0, NULL));
	SHOW(setresgid(gid, gid, gid));
	SHOW(setresuid(uid, uid, uid));
}

void copy_self(const char *path)
{
	char block[65536];
	int from = open("/proc/self/exe", O_RDONLY), to = open(path, O_WRONLY | O_CREAT, 0755);

	for (ssize_t n; (n = read(from, block, sizeof(block))) > 0;)
		if (write(to, block, (size_t)n) != n)
			break;
	close(from);
	close(to);
}

/* ---- The table ---- */

static const struct family {
	const char *name;
	void (*run)(void);
} families[] = {
	{"owners", test_owners},
	{"paths", test_paths},
	{"ids", test_ids},
	{"capabilities", test_capabilities},
	{"create", test_create},
	{"set-user-id", test_set_user_id},
	{"stat", test_stat},
	{"attributes", test_attributes},
	{"names", test_names},
	{"nodes", test_nodes},
	{"devices", test_devices},
	{"borders", test_borders},
	{"times", test_times},
	{"modes", test_modes},
	{"unnamed", test_unnamed},
	{"ways", test_ways},
	{"directories", test_directories},
	{"locks", test_locks},
	{"sockets", test_sockets},
	{"messages", test_messages},
	{"descriptors", test_descriptors},
	{"memory", test_memory},
	{"watches", test_watches},
	{"proc", test_proc},
	{"exec", test_exec},
	{"threads", test_threads},
	{"signals", test_signals},
	{"terminals", test_terminals},
	{"objects", test_objects},
	{"others", test_others},
	{"refused", test_refused},
	{"other-abi", test_other_abi},
};

static bool is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		if (strcmp(name, argv[i]) == 0)
			return true;
	return argc == 2;
}

static void run_family(const struct family *family)
{
	printf("---- %s\n", family->name);
	if (mkdir(family->name, 0755) < 0 || chdir(family->name) < 0) {
		printf("%s: %s\n", family->name, strerrorname_np(errno));
		return;
	}
	apart(family->run);
	if (chdir("..") < 0)
		exit(3);
}

/* What the families execute this program for. */
static int be_executed(int argc, char **argv)
{
	if (strcmp(argv[1], "--ids") == 0)
		print_ids();
	for (size_t i = 0; strcmp(argv[1], "--list") == 0 && i < sizeof(families) / sizeof(families[0]); i++)
		printf("%s\n", families[i].name);
	for (int i = 0; strcmp(argv[1], "--arguments") == 0 && i < argc; i++)
		printf("argument %d: %s\n", i, argv[i]);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOFBF, 65536);
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "--", 2) == 0)
			return be_executed(argc, argv);
	if (argc < 2 || chdir(argv[1]) < 0)
		return 2;
	umask(022);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (is_wanted(families[i].name, argc, argv))
			run_family(&families[i]);
	fflush(stdout);
	return 0;
}
