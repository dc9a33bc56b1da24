/*
 * Steps for real: a root made of a static busybox, run by an unprivileged user in its own user namespace. As root the
 * test becomes the user of $SUDO_UID, or `tester`, first; without such a user, or a static busybox, it is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/tree.h"
#include "run/capability.h"
#include "run/overlay.h"
#include "run/spec.h"
#include "run/userns.h"

static const char *const applets[] = {"sh",   "ls",   "cat",	  "id",	   "mount",   "sleep", "hostname",
				      "true", "grep", "touch",	  "mkdir", "unshare", "ln",    "kill",
				      "stat", "wc",   "readlink", "env",   "dd",      "rm"};

/* One root, thrown away after each test. */
struct place {
	char path[40];
	int dir, lower, upper, scratch;
	struct strlist argv, env;
	struct run_spec spec;
	struct buf output;
	struct run_result result;
	char *error;
};

static int open_dir(const struct place *place, const char *name)
{
	mkdirat(place->dir, name, 0755);
	return openat(place->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void copy_busybox(const struct place *place)
{
	cleanup_close int from = open("/bin/busybox", O_RDONLY | O_CLOEXEC);
	cleanup_close int to = openat(place->lower, "bin/busybox", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	assert_int_equal(fd_copy(from, to, NULL, NULL), 0);
	for (size_t i = 0; i < ARRAY_COUNT(applets); i++) {
		cleanup_free char *path = mem_printf("bin/%s", applets[i]);
		assert_int_equal(symlinkat("busybox", place->lower, path), 0);
	}
}

static void put(const struct place *place, const char *path, const char *text)
{
	cleanup_close int fd = openat(place->lower, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
}

static int make_place(void **state)
{
	struct place *place = mem_alloc(sizeof(*place));

	memcpy(place->path, "/tmp/cooper-step-XXXXXX", sizeof("/tmp/cooper-step-XXXXXX"));
	if (!mkdtemp(place->path) || chmod(place->path, 0755) < 0)
		return -1;
	place->dir = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place->lower = open_dir(place, "lower");
	place->upper = open_dir(place, "upper");
	place->scratch = open_dir(place, "scratch");
	mkdirat(place->lower, "bin", 0755);
	mkdirat(place->lower, "etc", 0755);
	copy_busybox(place);
	put(place, "etc/passwd", "root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n");
	put(place, "etc/group", "root:x:0:\nbob:x:1000:\nstaff:x:50:bob\n");
	strlist_append(&place->env, "PATH=/bin");
	place->output = BUF_INIT(1 << 20);
	place->spec = (struct run_spec){
		.root = {.lowers = &place->lower,
			 .lower_count = 1,
			 .upper = place->upper,
			 .scratch = place->scratch,
			 .mounted = -1},
		.argv = &place->argv,
		.env = &place->env,
		.capabilities = capability_defaults(),
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.etc_hosts = "127.0.0.1 localhost\n",
		.etc_resolv_conf = "nameserver 192.0.2.1\n",
	};
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;

	strlist_done(&place->argv);
	strlist_done(&place->env);
	buf_done(&place->output);
	free(place->result.message);
	free(place->error);
	close(place->lower);
	close(place->upper);
	close(place->scratch);
	close(place->dir);
	tree_remove(AT_FDCWD, place->path, NULL);
	free(place);
	return 0;
}

/* Runs the words; what they print is in place->output (less than a pipe holds). The code of run_step(). */
static int run(struct place *place, const char *const *words)
{
	int output[2];
	struct error *err = NULL;

	strlist_clear(&place->argv);
	for (; *words; words++)
		strlist_append(&place->argv, *words);
	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	place->spec.stdout_fd = place->spec.stderr_fd = output[1];
	mem_replace(&place->result.message, NULL);
	int rc = run_step(&place->spec, &place->result, &err);
	close(output[1]);
	buf_clear(&place->output);
	assert_int_equal(fd_read_all(output[0], &place->output, NULL), 0);
	close(output[0]);
	mem_replace(&place->error, rc < 0 ? error_message(err) : NULL);
	error_free(err);
	return rc;
}

#define RUN(place, ...) run(place, (const char *const[]){__VA_ARGS__, NULL})
#define SHELL(place, script) RUN(place, "sh", "-c", script)

static void expect(struct place *place, const char *script, int status, const char *output)
{
	int rc = SHELL(place, script);

	if (rc < 0)
		fail_msg("%s", place->error);
	assert_string_equal(buf_str(&place->output), output);
	assert_int_equal(place->result.status, status);
}

static bool is_empty(int dir)
{
	struct tree_usage usage = {0};

	assert_int_equal(tree_usage(dir, &usage, NULL), 0);
	return usage.entries <= 1; /* whether or not the root itself is counted */
}

static void passes_the_status_on(void **state)
{
	struct place *place = *state;

	expect(place, "exit 0", 0, "");
	expect(place, "exit 7", 7, "");
	expect(place, "kill -9 $$", 137, "");
	expect(place, "kill -15 $$", 143, "");
	assert_true(place->result.started);
}

static void says_what_could_not_be_executed(void **state)
{
	struct place *place = *state;

	assert_int_equal(RUN(place, "nosuch"), 0);
	assert_int_equal(place->result.status, 127);
	assert_false(place->result.started);
	assert_string_equal(place->result.message, "exec 'nosuch': executable file not found in $PATH");
	assert_int_equal(RUN(place, "/bin/nosuch"), 0);
	assert_int_equal(place->result.status, 127);
	put(place, "etc/text", "no program");
	assert_int_equal(RUN(place, "/etc/text"), 0);
	assert_int_equal(place->result.status, 126);
	assert_int_equal(RUN(place, "/etc"), 0);
	assert_int_equal(place->result.status, 126);
}

static void leaves_no_trace_of_its_mounts(void **state)
{
	struct place *place = *state;
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct stat st;

	assert_int_equal(futimens(place->upper, times), 0);
	expect(place, "cat /etc/hosts; test -d /proc/1 && test -d /sys/kernel && test -c /dev/null && echo all", 0,
	       "127.0.0.1 localhost\nall\n");
	assert_true(is_empty(place->upper));
	assert_true(is_empty(place->scratch));
	assert_int_equal(fstat(place->upper, &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
}

static void leaks_no_descriptor_and_no_variable(void **state)
{
	struct place *place = *state;
	cleanup_close int extra = open("/", O_RDONLY); /* without O_CLOEXEC, as a careless library would */

	assert_true(extra >= 0);
	setenv("COOPER_SECRET", "leak", 1);
	/* 3 is the directory that ls itself has open. */
	expect(place, "ls /proc/self/fd", 0, "0\n1\n2\n3\n");
	expect(place, "ls /proc/1/fd", 0, "0\n1\n2\n");
	expect(place, "readlink /proc/self/fd/0", 0, "/dev/null\n");
	assert_int_equal(RUN(place, "env"), 0);
	assert_string_equal(buf_str(&place->output), "PATH=/bin\nHOME=/root\n");
}

static void has_the_capabilities_asked_for_and_no_others(void **state)
{
	struct place *place = *state;
	const char *script = "grep -h Cap /proc/self/status";

	expect(place, script, 0,
	       "CapInh:\t0000000000000000\nCapPrm:\t00000000800405fb\nCapEff:\t00000000800405fb\n"
	       "CapBnd:\t00000000800405fb\nCapAmb:\t0000000000000000\n");
	place->spec.user = "bob";
	expect(place, script, 0,
	       "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
	       "CapBnd:\t00000000800405fb\nCapAmb:\t0000000000000000\n");
}

static void becomes_the_images_user(void **state)
{
	struct place *place = *state;

	expect(place, "id -u; id -g; id -G; echo $HOME", 0, "0\n0\n0\n/root\n");
	place->spec.user = "bob";
	expect(place, "id -u; id -g; id -G; echo $HOME", 0, "1000\n1000\n1000 50\n/home/bob\n");
	place->spec.user = "12:34";
	expect(place, "id -u; id -g; id -G", 0, "12\n34\n34\n");
	place->spec.user = "nobody";
	assert_int_equal(RUN(place, "true"), -ENOENT);
	place->spec.user = "4000000000";
	assert_int_equal(RUN(place, "true"), -EINVAL);
}

static void has_its_own_host_name(void **state)
{
	struct place *place = *state;

	expect(place, "hostname", 0, "cooper\n");
	place->spec.hostname = "other";
	expect(place, "hostname", 0, "other\n");
}

static void cannot_write_a_read_only_root(void **state)
{
	struct place *place = *state;

	place->spec.root.read_only = true;
	expect(place, "touch /x 2>/dev/null && echo written; touch /dev/shm/x && echo memory", 0, "memory\n");
	assert_true(is_empty(place->upper));
	place->spec.root.upper = -1;
	place->spec.root.scratch = -1;
	expect(place, "touch /x 2>/dev/null && echo written; echo end", 0, "end\n");
}

static void mounts_what_it_is_told_to(void **state)
{
	struct place *place = *state;
	cleanup_free char *source = mem_printf("%s/source", place->path);
	const struct run_mount mounts[] = {
		{.type = RUN_MOUNT_BIND, .source = source, .source_fd = -1, .target = "/data"},
		{.type = RUN_MOUNT_BIND,
		 .source = source,
		 .source_fd = -1,
		 .target = "/ro",
		 .flags = RUN_MOUNT_READ_ONLY},
		{.type = RUN_MOUNT_TMPFS, .source_fd = -1, .target = "/memory", .size = 1 << 20},
		{.type = RUN_MOUNT_OVERLAY,
		 .source = source,
		 .source_fd = -1,
		 .target = "/over",
		 .upper = -1,
		 .work = -1},
		{.type = RUN_MOUNT_BIND,
		 .source = "/nosuch",
		 .source_fd = -1,
		 .target = "/no",
		 .flags = RUN_MOUNT_OPTIONAL},
	};

	cleanup_close int dir = open_dir(place, "source");
	place->spec.mounts = mounts;
	place->spec.mount_count = ARRAY_COUNT(mounts);
	expect(place,
	       "touch /data/a /over/b; touch /ro/c 2>/dev/null || echo refused; ls /over /ro /data; test -e /no || "
	       "echo none;"
	       "dd if=/dev/zero of=/memory/big bs=1M count=3 2>/dev/null || echo full",
	       0, "refused\n/data:\na\n\n/over:\na\nb\n\n/ro:\na\nnone\nfull\n");
	assert_int_equal(faccessat(dir, "a", F_OK, 0), 0);
	assert_int_equal(faccessat(dir, "b", F_OK, 0), -1);
	assert_true(is_empty(place->upper));
	assert_true(is_empty(place->scratch));
}

static void names_the_mount_whose_source_is_missing(void **state)
{
	struct place *place = *state;
	const struct run_mount mount = {
		.type = RUN_MOUNT_BIND, .source = "/nosuch", .source_fd = -1, .target = "/data"};

	place->spec.mounts = &mount;
	place->spec.mount_count = 1;
	assert_int_equal(RUN(place, "true"), -ENOENT);
	assert_non_null(strstr(place->error, "/nosuch"));
	assert_non_null(strstr(place->error, "/data"));
	assert_true(is_empty(place->upper));
	assert_true(is_empty(place->scratch));
}

/* CVE-2021-30465 and its family: the image's own links decide nothing outside of it. */
static void mounts_inside_when_the_image_has_links_for_its_places(void **state)
{
	struct place *place = *state;
	cleanup_free char *outside = mem_printf("%s/outside", place->path);
	cleanup_close int dir = open_dir(place, "outside");

	symlinkat(outside, place->lower, "dev");
	symlinkat("../../../../../../../nowhere/proc", place->lower, "proc");
	symlinkat("/somewhere/sys", place->lower, "sys");
	mkdirat(place->lower, "somewhere", 0755);
	expect(place, "test -c /dev/null && test -d /proc/1 && test -d /sys/kernel && echo inside", 0, "inside\n");
	assert_true(is_empty(dir));
	assert_true(is_empty(place->upper));
}

static void refuses_a_working_directory_outside(void **state)
{
	struct place *place = *state;
	static const char *const bad[] = {"/proc/self/fd/3", "/proc/self/fd/4", "/proc/1/root", "/proc/self/cwd"};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		place->spec.cwd = bad[i];
		assert_true(RUN(place, "true") < 0);
	}
	symlinkat("/proc/self/fd/5/../../..", place->lower, "escape");
	place->spec.cwd = "/escape";
	assert_true(RUN(place, "true") < 0);
}

static void makes_a_working_directory(void **state)
{
	struct place *place = *state;

	place->spec.cwd = "/work/in/here";
	expect(place, "pwd; stat -c %u:%a .", 0, "/work/in/here\n0:755\n");
	assert_int_equal(faccessat(place->upper, "work/in/here", F_OK, 0), 0);
}

static void refuses_nested_namespaces_unless_allowed(void **state)
{
	struct place *place = *state;

	expect(place, "unshare -U true 2>/dev/null || echo refused", 0, "refused\n");
	place->spec.allow_nested_userns = true;
	expect(place, "unshare -U true && echo allowed", 0, "allowed\n");
}

/* CVE-2019-5736 */
static void cannot_write_the_program_it_was_started_from(void **state)
{
	struct place *place = *state;

	expect(place,
	       "for f in /proc/1/exe /proc/self/exe; do (echo x > $f) 2>/dev/null && echo written; done; "
	       "readlink /proc/1/exe",
	       0, "/memfd:init (deleted)\n");
}

static void sees_no_process_but_its_own(void **state)
{
	struct place *place = *state;

	expect(place, "echo $$; echo /proc/[0-9]*", 0, "2\n/proc/1 /proc/2\n");
}

static void cannot_see_or_write_what_is_masked(void **state)
{
	struct place *place = *state;
	static const char *const all[] = {"ALL"};
	const struct strlist unmask = {.items = (char **)(void *)all, .count = 1};

	expect(place,
	       "wc -c < /proc/timer_list; ls /sys/firmware; (echo 1 > /proc/sys/vm/swappiness) 2>/dev/null || echo ro",
	       0, "0\nro\n");
	place->spec.unmask = &unmask;
	expect(place, "ls /sys/firmware | wc -l | grep -v '^0$' >/dev/null; grep -c ' /proc/sys ' /proc/mounts", 1,
	       "0\n");
}

static void nothing_outlives_the_command(void **state)
{
	struct place *place = *state;

	/* Had the background process lived, the pipe would stay open and reading it would hang. */
	alarm(60);
	expect(place, "sleep 1000 & (sleep 1000 &) ; exit 3", 3, "");
	alarm(0);
}

static void reaps_what_is_orphaned(void **state)
{
	struct place *place = *state;

	/* They take their time to end. */
	expect(place,
	       "(true &) ; (true &) ; sleep 0.3; for i in $(seq 200); do"
	       " n=$(grep -l 'State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l); [ $n = 0 ] && break; sleep 0.1; "
	       "done; echo $n",
	       0, "0\n");
}

static void passes_signals_to_the_command(void **state)
{
	struct place *place = *state;
	pid_t us = getpid();
	pid_t killer = fork();

	if (killer == 0) {
		/* Until the step has said that it listens. */
		for (int i = 0; i < 3000 && faccessat(place->upper, "ready", F_OK, 0) < 0; i++)
			poll(NULL, 0, 20);
		kill(us, SIGTERM);
		_exit(0);
	}
	expect(place, "trap 'echo told; exit 9' TERM; touch /ready; while :; do sleep 0.1; done", 9, "told\n");
	waitpid(killer, NULL, 0);
}

static void has_only_a_loopback_without_a_network(void **state)
{
	struct place *place = *state;

	place->spec.network = RUN_NETWORK_NONE;
	expect(place, "ls /sys/class/net; cat /sys/class/net/lo/carrier", 0, "lo\n1\n");
}

static void stops_a_step_that_fills_the_disk(void **state)
{
	struct place *place = *state;

	place->spec.disk_limit = 4 << 20;
	assert_int_equal(SHELL(place, "dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null; sleep 30"), 0);
	assert_int_equal(place->result.status, 137);
	assert_non_null(strstr(place->result.message, "disk limit"));
}

static void fails_a_step_that_was_faster_than_the_disk_watch(void **state)
{
	struct place *place = *state;

	place->spec.disk_limit = 1 << 20;
	assert_int_equal(SHELL(place, "dd if=/dev/zero of=/big bs=1M count=4 2>/dev/null"), 0);
	assert_int_equal(place->result.status, 137);
	assert_non_null(strstr(place->result.message, "disk limit"));
}

static void needs_no_descriptors_itself(void **state)
{
	struct place *place = *state;
	const struct run_limit limit = {.resource = RLIMIT_NOFILE, .soft = 3, .hard = 3};

	place->spec.limits = &limit;
	place->spec.limit_count = 1;
	expect(place, "ulimit -Hn", 0, "3\n");
}

static void applies_limits(void **state)
{
	struct place *place = *state;
	const struct run_limit limit = {.resource = RLIMIT_NOFILE, .soft = 64, .hard = 128};

	expect(place, "ulimit -Sn; ulimit -c; umask", 0, "1024\n0\n0022\n");
	place->spec.limits = &limit;
	place->spec.limit_count = 1;
	place->spec.umask = 077;
	expect(place, "ulimit -Sn; ulimit -Hn; umask", 0, "64\n128\n0077\n");
}

static void runs_from_a_plain_directory(void **state)
{
	struct place *place = *state;
	int lower = place->lower;

	place->spec.root = (struct run_root){.upper = lower, .scratch = -1, .mounted = -1};
	expect(place, "echo hello; touch /made; test -d /proc/1 && echo proc", 0, "hello\nproc\n");
	assert_int_equal(faccessat(lower, "made", F_OK, 0), 0);
	assert_int_equal(faccessat(lower, "proc", F_OK, 0), -1);
	assert_int_equal(faccessat(lower, "etc/hosts", F_OK, 0), -1);
}

static void runs_in_a_container_that_is_mounted(void **state)
{
	struct place *place = *state;
	const struct overlay_spec overlay = {
		.lowers = &place->lower, .lower_count = 1, .upper = place->upper, .scratch = place->scratch};
	cleanup_free char *work = NULL;
	cleanup_free char *path = mem_printf("%s/mounted", place->path);
	cleanup_close int target = open_dir(place, "mounted");

	assert_int_equal(overlay_mount(&overlay, target, &work, NULL), 0);
	cleanup_close int mounted = openat(place->dir, "mounted", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place->spec.root = (struct run_root){.mounted = mounted, .upper = -1, .scratch = -1};
	expect(place, "touch /made; test -f /etc/hosts && test -d /proc/1 && echo all", 0, "all\n");
	assert_int_equal(faccessat(mounted, "made", F_OK, 0), 0);
	assert_int_equal(faccessat(mounted, "proc", F_OK, 0), -1);
	assert_int_equal(faccessat(mounted, "etc/hosts", F_OK, 0), -1);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
}

static void sees_all_of_many_layers(void **state)
{
	enum { LAYERS = 520 }; /* more than one overlay takes */
	struct place *place = *state;
	int layers[LAYERS];

	for (int i = 0; i < LAYERS; i++) {
		cleanup_free char *name = mem_printf("layer%d", i);
		cleanup_free char *file = mem_printf("layer%d/file%d", i, i);
		layers[i] = open_dir(place, name);
		assert_true(layers[i] >= 0);
		assert_int_equal(mknodat(place->dir, file, S_IFREG | 0644, 0), 0);
	}
	int last = layers[LAYERS - 1];
	layers[LAYERS - 1] = place->lower;
	place->spec.root.lowers = layers;
	place->spec.root.lower_count = LAYERS;
	expect(place, "ls / | grep -c file; ls /file0 /file518", 0, "519\n/file0\n/file518\n");
	layers[LAYERS - 1] = last;
	for (int i = 0; i < LAYERS; i++)
		close(layers[i]);
}

static void gives_a_volume_to_its_user(void **state)
{
	struct place *place = *state;
	cleanup_free char *source = mem_printf("%s/source", place->path);
	cleanup_close int dir = open_dir(place, "source");
	const struct run_mount mount = {
		.type = RUN_MOUNT_BIND, .source = source, .source_fd = -1, .target = "data", .flags = RUN_MOUNT_CHOWN};

	assert_int_equal(mknodat(dir, "file", S_IFREG | 0600, 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", dir, "link"), 0);
	place->spec.mounts = &mount;
	place->spec.mount_count = 1;
	place->spec.user = "bob";
	place->spec.cwd = "/etc";
	expect(place, "stat -c %u:%g /etc/data /etc/data/file /etc/data/link /etc/passwd; pwd", 0,
	       "1000:1000\n1000:1000\n1000:1000\n0:0\n/etc\n");
}

static void binds_devices_and_nothing_else_as_devices(void **state)
{
	struct place *place = *state;
	struct run_device device = {.source = "/dev/zero", .target = "/dev/mine"};

	place->spec.devices = &device;
	place->spec.device_count = 1;
	expect(place, "dd if=/dev/mine bs=4 count=1 2>/dev/null | wc -c", 0, "4\n");
	device.source = "/etc/passwd";
	assert_int_equal(RUN(place, "true"), -ENODEV);
}

static void has_a_terminal_of_its_own_when_asked(void **state)
{
	struct place *place = *state;

	place->spec.terminal = RUN_TERMINAL_YES;
	expect(place, "test -t 0 && test -t 2 && test -c /dev/console && readlink /proc/self/fd/0", 0,
	       "/dev/pts/0\r\n");
}

static void moves_the_root_where_it_may_not_pivot(void **state)
{
	struct place *place = *state;

	place->spec.no_pivot = true;
	expect(place, "cd /..; ls; cd ../..; pwd", 0, "bin\ndev\netc\nproc\nsys\n/\n");
}

static void refuses_a_label_of_a_kernel_without_it(void **state)
{
	struct place *place = *state;

	if (access("/sys/kernel/security/apparmor", F_OK) == 0 || access("/sys/module/apparmor", F_OK) == 0)
		skip();
	place->spec.apparmor_profile = "cooper-test";
	assert_int_equal(RUN(place, "true"), -ENOTSUP);
	assert_non_null(strstr(place->error, "AppArmor"));
}

static void runs_when_it_is_sealed(void **state)
{
	struct place *place = *state;

	userns_seal();
	expect(place, "echo sealed", 0, "sealed\n");
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* False with the reason on stderr when there is nobody to be. */
static bool become_ordinary(void)
{
	const char *sudo = getenv("SUDO_UID");
	uint64_t uid = 0;
	struct passwd *account;

	if (geteuid() != 0)
		return true;
	if (sudo && parse_u64(sudo, UINT32_MAX - 1, "SUDO_UID", &uid, NULL) == 0 && uid != 0)
		account = getpwuid((uid_t)uid);
	else
		account = getpwnam("tester");
	if (!account) {
		fprintf(stderr, "skipped: root, and no user 'tester' to become\n");
		return false;
	}
	if (initgroups(account->pw_name, account->pw_gid) < 0 || setgid(account->pw_gid) < 0 ||
	    setuid(account->pw_uid) < 0) {
		fprintf(stderr, "skipped: cannot become '%s'\n", account->pw_name);
		return false;
	}
	setenv("USER", account->pw_name, 1);
	/* Lost with the change of ids; newuidmap looks at it. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return true;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(passes_the_status_on),
		TEST(says_what_could_not_be_executed),
		TEST(leaves_no_trace_of_its_mounts),
		TEST(leaks_no_descriptor_and_no_variable),
		TEST(has_the_capabilities_asked_for_and_no_others),
		TEST(becomes_the_images_user),
		TEST(has_its_own_host_name),
		TEST(cannot_write_a_read_only_root),
		TEST(mounts_what_it_is_told_to),
		TEST(names_the_mount_whose_source_is_missing),
		TEST(mounts_inside_when_the_image_has_links_for_its_places),
		TEST(refuses_a_working_directory_outside),
		TEST(makes_a_working_directory),
		TEST(refuses_nested_namespaces_unless_allowed),
		TEST(cannot_write_the_program_it_was_started_from),
		TEST(sees_no_process_but_its_own),
		TEST(cannot_see_or_write_what_is_masked),
		TEST(nothing_outlives_the_command),
		TEST(reaps_what_is_orphaned),
		TEST(passes_signals_to_the_command),
		TEST(has_only_a_loopback_without_a_network),
		TEST(stops_a_step_that_fills_the_disk),
		TEST(fails_a_step_that_was_faster_than_the_disk_watch),
		TEST(applies_limits),
		TEST(needs_no_descriptors_itself),
		TEST(runs_from_a_plain_directory),
		TEST(runs_in_a_container_that_is_mounted),
		TEST(sees_all_of_many_layers),
		TEST(gives_a_volume_to_its_user),
		TEST(binds_devices_and_nothing_else_as_devices),
		TEST(has_a_terminal_of_its_own_when_asked),
		TEST(moves_the_root_where_it_may_not_pivot),
		TEST(refuses_a_label_of_a_kernel_without_it),
		TEST(runs_when_it_is_sealed),
	};
	cleanup(idmap_done) struct idmap map = {0};
	struct error *err = NULL;

	if (!become_ordinary())
		return 0;
	if (access("/bin/busybox", X_OK) < 0) {
		fprintf(stderr, "skipped: no /bin/busybox (package busybox-static)\n");
		return 0;
	}
	if (idmap_find(&map, &err) < 0 || map.kind == IDMAP_SINGLE || userns_enter(&map, &err) < 0) {
		fprintf(stderr, "skipped: %s\n", err ? error_message(err) : map.reason);
		error_free(err);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
