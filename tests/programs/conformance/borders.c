/*
 * What depends on who calls, in calls that only the supervisor of a translated root sees all of. With one id and
 * namespaces the kernel decides them, for which a user of the step is its root (docs/rootless.md).
 */
#include "conformance.h"

#include <sys/socket.h>
#include <sys/un.h>

static void access_as_user(void)
{
	be_user(100, 200);
	ask_access();
}

/* access(2) asks for the real user, and AT_EACCESS for the effective one. */
static void access_as_both(void)
{
	SHOW(setresuid(100, 0, 0));
	SHOW(access("closed", R_OK));
	SHOW(syscall(SYS_faccessat2, AT_FDCWD, "closed", R_OK, AT_EACCESS));
}

/* A write takes the set-id bits away, of who has not the right to set them. */
static void change_modes(void)
{
	be_user(100, 200);
	SHOW(chmod("mine", 02755));
	look_briefly("mine");
	SHOW(chmod("other-group", 02755));
	look_briefly("other-group");
	SHOW(chmod("theirs", 0755));
	make("mine", "written");
	look_briefly("mine");
}

static void make_socket(void)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "open/mine"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	be_user(100, 200);
	SHOW(bind(fd, (const struct sockaddr *)&address, sizeof(address)));
	look_briefly("open/mine");
}

static void identity(void)
{
	be_user(100, 200);
	print_field("/proc/self/status", "Uid:");
	print_field("/proc/self/status", "Gid:");
	print_field("/proc/self/status", "Groups:");
	print_field("/proc/self/status", "CapEff:");
	print_field("/proc/self/status", "CapAmb:");
	print_field("/proc/self/status", "TracerPid:");
	print_field("/proc/self/status", "Umask:");
	print_field("/proc/self/status", "Threads:");
}

/* A handler without SA_RESTART: the kernel would not interrupt these calls. */
static void not_restarted(void)
{
	exactly_once(0);
}

void test_borders(void)
{
	prepare_access();
	apart(access_as_user);
	apart(access_as_both);
	make("mine", "x");
	make("other-group", "x");
	make("theirs", "x");
	SHOW(chown("mine", 100, 200));
	SHOW(chown("other-group", 100, 77));
	apart(change_modes);
	SHOW(mkdir("open", 0777));
	SHOW(chmod("open", 0777));
	apart(make_socket);
	apart(identity);
	apart(not_restarted);
}
