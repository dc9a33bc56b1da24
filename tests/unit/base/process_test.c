#include "tests/unit/base/scratch.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/process.h"

/* Prints the numbers of all descriptors of the shell, without opening one for it. */
#define SHOW_FDS "for i in $(seq 0 40); do [ -e /proc/$$/fd/$i ] && set -- $* $i; done; echo $*"

/* exec(3) takes argv without const and does not touch it. */
#define SHELL(script) ((char *const[]){(char *)"sh", (char *)"-c", (char *)(script), NULL})

static struct process_result run_shell(const char *script, const char *input, struct buf *out, struct buf *errors)
{
	struct process_spec spec = {.program = "sh", .argv = SHELL(script)};
	struct process_result result;
	cleanup_error struct error *err = NULL;

	alarm(60);
	if (process_run(&spec, input, input ? strlen(input) : 0, out, errors, 0, &result, &err) < 0)
		fail_msg("%s", error_message(err));
	alarm(0);
	return result;
}

static void feeds_the_input_and_collects_both_outputs(void **state)
{
	cleanup(buf_done) struct buf out = BUF_INIT(100);
	cleanup(buf_done) struct buf errors = BUF_INIT(100);
	struct process_result result = run_shell("cat; echo bad >&2; exit 3", "text", &out, &errors);

	assert_int_equal(result.status, 3);
	assert_false(result.timed_out);
	assert_string_equal(buf_str(&out), "text");
	assert_string_equal(buf_str(&errors), "bad\n");
}

static void counts_a_signal_as_a_shell_does(void **state)
{
	assert_int_equal(run_shell("kill -9 $$", NULL, NULL, NULL).status, 137);
}

static void gives_a_child_dev_null_and_nothing_else(void **state)
{
	cleanup(buf_done) struct buf out = BUF_INIT(1000);
	/* Inherited without close-on-exec, as from a careless parent of ours. */
	int leaked = open("/etc/passwd", O_RDONLY);

	assert_true(leaked >= 0);
	run_shell("readlink /proc/self/fd/0 /proc/self/fd/2; " SHOW_FDS, NULL, &out, NULL);
	close(leaked);
	assert_string_equal(buf_str(&out), "/dev/null\n/dev/null\n0 1 2\n");
}

static void goes_on_when_the_output_passes_its_limit(void **state)
{
	cleanup(buf_done) struct buf out = BUF_INIT(10);
	struct process_result result = run_shell("head -c 300000 /dev/zero | tr '\\0' x", NULL, &out, NULL);

	assert_int_equal(result.status, 0);
	assert_true(out.overflow);
	assert_string_equal(buf_str(&out), "xxxxxxxxxx");
}

static void does_not_wait_for_who_is_left_behind_with_the_pipe(void **state)
{
	cleanup(buf_done) struct buf out = BUF_INIT(100);
	time_t start = time(NULL);

	run_shell("echo done; sleep 5 &", NULL, &out, NULL);
	assert_string_equal(buf_str(&out), "done\n");
	assert_true(time(NULL) - start < 4);
}

static void kills_what_takes_too_long_or_never_stops_writing(void **state)
{
	static const char *const scripts[] = {"exec sleep 60", "exec yes", "trap '' TERM; while :; do sleep 1; done"};

	for (size_t i = 0; i < ARRAY_COUNT(scripts); i++) {
		cleanup(buf_done) struct buf out = BUF_INIT(10);
		struct process_spec spec = {.program = "sh", .argv = SHELL(scripts[i])};
		struct process_result result;
		alarm(60);
		assert_int_equal(process_run(&spec, NULL, 0, &out, NULL, 100, &result, NULL), 0);
		alarm(0);
		assert_true(result.timed_out);
		assert_int_equal(result.status, 137);
	}
}

static void kills_what_the_child_started_as_well(void **state)
{
	cleanup(buf_done) struct buf out = BUF_INIT(100);
	struct process_spec spec = {.program = "sh", .argv = SHELL("sleep 60 & echo $!; wait")};
	struct process_result result;
	const struct timespec pause = {.tv_nsec = 10000000};

	alarm(60);
	/* On a busy machine the shell needs its time to say it. */
	for (int ms = 200; out.len == 0; ms *= 2) {
		assert_int_equal(process_run(&spec, NULL, 0, &out, NULL, ms, &result, NULL), 0);
		assert_true(result.timed_out);
	}
	cleanup_free char *stat = mem_printf("/proc/%.*s/stat", (int)out.len - 1, buf_str(&out));
	/* It is gone, or a zombie until whoever inherited it looks. */
	for (;;) {
		cleanup_free char *text = text_of(AT_FDCWD, stat);
		if (!text || strstr(text, ") Z "))
			break;
		nanosleep(&pause, NULL);
	}
	alarm(0);
}

static void stays_in_our_process_group_without_a_timeout(void **state)
{
	cleanup(buf_done) struct buf out = BUF_INIT(100);
	cleanup_free char *group = mem_printf("%d\n", (int)getpgrp());

	run_shell("cut -d ' ' -f 5 /proc/$$/stat", NULL, &out, NULL);
	assert_string_equal(buf_str(&out), group);
}

static void says_when_there_is_no_such_program(void **state)
{
	cleanup_error struct error *err = NULL;
	struct process_spec spec = {.program = "no-such-program", .argv = SHELL("")};
	pid_t pid = 7;

	assert_int_equal(process_start(&spec, &pid, &err), -ENOENT);
	assert_int_equal(pid, 7);
	assert_string_equal(error_message(err), "start 'no-such-program': no such program");
}

static void maps_descriptors_that_cross(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup_close int one = fd_from_memory("one", "one", 3, NULL);
	cleanup_close int two = fd_from_memory("two", "two", 3, NULL);
	cleanup_close int out = openat(dir.fd, "out", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	/* Each goes to the other's number; `out` keeps its own, and is stdout as well. */
	const struct process_fd fds[] = {{one, two}, {two, one}, {out, out}, {out, STDOUT_FILENO}};
	cleanup_free char *script = mem_printf("cat <&%d; cat <&%d; echo ! >&%d; " SHOW_FDS, one, two, out);
	cleanup_free char *expected = mem_printf("twoone!\n0 1 2 %d %d %d\n", one, two, out);
	struct process_spec spec = {.program = "sh", .argv = SHELL(script), .fds = fds, .fd_count = ARRAY_COUNT(fds)};
	pid_t pid;
	int status;

	assert_true(one <= 9 && two <= 9 && out <= 9);
	assert_int_equal(process_start(&spec, &pid, NULL), 0);
	assert_int_equal(process_wait(pid, &status, NULL), 0);
	assert_int_equal(status, 0);
	cleanup_free char *text = text_of(dir.fd, "out");
	assert_string_equal(text, expected);
}

static void starts_with_clean_signals_and_the_given_environment(void **state)
{
	cleanup(buf_done) struct buf out = BUF_INIT(4000);
	struct process_spec spec = {
		.program = "sh",
		/* glibc leaves its own two signals, 32 and 33, ignored in what posix_spawn starts. */
		.argv = SHELL("grep -E '^Sig(Blk|Ign)' /proc/self/status | sed s/180000000/000000000/; echo $A-$HOME"),
		.envp = (char *const[]){(char *)"A=1", (char *)"PATH=/usr/bin:/bin", NULL},
	};
	struct process_result result;
	sigset_t set;
	sigset_t before;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &before);
	signal(SIGPIPE, SIG_IGN);
	int rc = process_run(&spec, NULL, 0, &out, NULL, 0, &result, NULL);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(rc, 0);
	assert_string_equal(buf_str(&out), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n1-\n");
}

static void finds_programs_in_path_only(void **state)
{
	cleanup_free char *sh = process_find("sh");
	cleanup_free char *by_path = process_find("/bin/sh");

	assert_non_null(sh);
	assert_int_equal(*sh, '/');
	assert_string_equal(by_path, "/bin/sh");
	assert_null(process_find("no-such-program"));
	assert_null(process_find("/etc/passwd"));
	assert_null(process_find("/etc"));
}

static void passes_over_directories_of_path_that_depend_on_where_we_are(void **state)
{
	cleanup_free char *path = mem_strdup(getenv("PATH"));
	cleanup_free char *cwd = getcwd(NULL, 0);

	assert_int_equal(chdir("/bin"), 0);
	assert_int_equal(setenv("PATH", ".:../bin:", 1), 0);
	cleanup_free char *found = process_find("sh");
	assert_int_equal(path ? setenv("PATH", path, 1) : unsetenv("PATH"), 0);
	assert_int_equal(chdir(cwd), 0);
	assert_null(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(feeds_the_input_and_collects_both_outputs),
		cmocka_unit_test(counts_a_signal_as_a_shell_does),
		cmocka_unit_test(gives_a_child_dev_null_and_nothing_else),
		cmocka_unit_test(goes_on_when_the_output_passes_its_limit),
		cmocka_unit_test(does_not_wait_for_who_is_left_behind_with_the_pipe),
		cmocka_unit_test(kills_what_takes_too_long_or_never_stops_writing),
		cmocka_unit_test(kills_what_the_child_started_as_well),
		cmocka_unit_test(stays_in_our_process_group_without_a_timeout),
		cmocka_unit_test(says_when_there_is_no_such_program),
		cmocka_unit_test(maps_descriptors_that_cross),
		cmocka_unit_test(starts_with_clean_signals_and_the_given_environment),
		cmocka_unit_test(finds_programs_in_path_only),
		cmocka_unit_test(passes_over_directories_of_path_that_depend_on_where_we_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
