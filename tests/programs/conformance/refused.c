/* What a step is refused at every rung, and how programs are told so. */
#include "conformance.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/syscall.h>

void test_refused(void)
{
	SHOW(mkdir("d", 0755));
	SHOW(mount("none", "d", "tmpfs", 0, NULL));
	SHOW(umount2("d", 0));
	SHOW(unshare(CLONE_NEWUSER));
	SHOW(unshare(CLONE_NEWNS));
	SHOW(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
	SHOW(syscall(SYS_clone3, NULL, 0));
	SHOW(syscall(SYS_pivot_root, ".", "."));
	SHOW(syscall(SYS_bpf, 0, NULL, 0));
	SHOW(syscall(SYS_userfaultfd, 0));
	SHOW(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
	SHOW(syscall(SYS_keyctl, 0, 0, 0, 0));
	SHOW(syscall(SYS_add_key, NULL, NULL, NULL, 0, 0));
	SHOW(fanotify_init(0, O_RDONLY));
	SHOW(syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0));
	SHOW(syscall(SYS_reboot, 0, 0, 0, NULL));
	SHOW(syscall(SYS_init_module, NULL, 0, NULL));
	SHOW(syscall(SYS_setns, 0, 0));
	SHOW(syscall(SYS_kexec_load, 0, 0, NULL, 0));
	SHOW(syscall(SYS_swapon, "d", 0));
	SHOW(syscall(SYS_settimeofday, NULL, NULL));
	SHOW(sethostname("x", 1));
}
