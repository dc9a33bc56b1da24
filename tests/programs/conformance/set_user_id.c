/* Programs with set-user-id and set-group-id bits. */
#include "conformance.h"

#include <grp.h>
#include <sys/prctl.h>

static void ask_through(void)
{
	SHOW(setgroups(0, NULL));
	SHOW(setresgid(200, 200, 200));
	SHOW(setresuid(100, 100, 100));
	fflush(stdout);
	execl("./who", "who", "--ids", NULL);
	printf("exec: %s\n", strerrorname_np(errno));
}

/* A script's own bits count for nothing, those of its interpreter do. */
static void ask_through_script(void)
{
	be_user(100, 200);
	fflush(stdout);
	execl("./script", "script", NULL);
	printf("exec: %s\n", strerrorname_np(errno));
}

static void ask_without_privileges(void)
{
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	ask_through();
}

void test_set_user_id(void)
{
	copy_self("who");
	SHOW(chmod("who", 0755));
	apart(ask_through);
	SHOW(chown("who", 0, 42));
	SHOW(chmod("who", 04755));
	apart(ask_through);
	SHOW(chown("who", 33, 42));
	SHOW(chmod("who", 06755));
	apart(ask_through);
	apart(ask_without_privileges);
	make("script", "#!./who --ids\n");
	SHOW(chown("script", 77, 78));
	SHOW(chmod("script", 06755));
	apart(ask_through_script);
	SHOW(chown("who", 0, 0));
	SHOW(chmod("who", 02755));
	apart(ask_through);
	SHOW(chown("who", 0, 42));
	SHOW(chmod("who", 02745));
	apart(ask_through);
	SHOW(unlink("who"));
}
