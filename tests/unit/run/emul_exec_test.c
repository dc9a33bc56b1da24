/* run/emul_exec.c */
#include "tests/unit/run/fake_caller.h"

#define HERE ((uint64_t)(uint32_t)AT_FDCWD)

static void make_program(struct fake *fake, const char *name, const char *text, mode_t mode, uint32_t uid)
{
	int fd = openat(fake->dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	fake_give(fake, name, uid, uid);
	assert_int_equal(fchmodat(fake->dir, name, mode, 0), 0);
}

static void a_set_user_id_program_makes_its_caller_the_owner(void **state)
{
	struct fake *fake = *state;

	make_program(fake, "su", "\177ELF", 04755, 33);
	fake_become(fake, 100, 200);
	const struct task *task = fake_task(fake);
	assert_continues(CALL(fake, emul_execve, fake_text(fake, "su"), 0, 0));
	assert_non_null(task->after_exec);
	assert_int_equal(task->after_exec->uid[ID_EFFECTIVE], 33);
	assert_int_equal(task->after_exec->uid[ID_REAL], 100);
	/* Until it is seen to run the file, nothing has changed. */
	assert_int_equal(task->credentials->uid[ID_EFFECTIVE], 100);
	assert_returns(CALL(fake, emul_geteuid, 0), 100);
	assert_null(fake_task(fake)->after_exec);
}

static void a_script_has_the_bits_of_its_interpreter(void **state)
{
	struct fake *fake = *state;

	make_program(fake, "su", "\177ELF", 04755, 33);
	make_program(fake, "script", "#!./su\n", 06755, 44);
	make_program(fake, "of-script", "#!script -x\n", 06755, 55);
	make_program(fake, "broken", "#!./none\n", 06755, 66);
	fake_become(fake, 100, 200);
	const struct task *task = fake_task(fake);
	assert_continues(CALL(fake, emul_execve, fake_text(fake, "script"), 0, 0));
	assert_int_equal(task->after_exec->uid[ID_EFFECTIVE], 33);
	assert_int_equal(task->after_exec->gid[ID_EFFECTIVE], 200);
	assert_continues(CALL(fake, emul_execveat, HERE, fake_text(fake, "of-script"), 0, 0, 0));
	assert_int_equal(task->after_exec->uid[ID_EFFECTIVE], 33);
	assert_continues(CALL(fake, emul_execve, fake_text(fake, "broken"), 0, 0));
	assert_null(task->after_exec);
}

static void a_program_without_bits_changes_nobody(void **state)
{
	struct fake *fake = *state;
	const struct task *task = fake_task(fake);

	make_program(fake, "plain", "\177ELF", 0755, 33);
	make_program(fake, "no-x", "\177ELF", 02745, 33);
	assert_continues(CALL(fake, emul_execve, fake_text(fake, "plain"), 0, 0));
	assert_null(task->after_exec);
	assert_continues(CALL(fake, emul_execve, fake_text(fake, "none"), 0, 0));
	fake_become(fake, 100, 200);
	assert_continues(CALL(fake, emul_execve, fake_text(fake, "plain"), 0, 0));
	assert_null(task->after_exec);
	/* Without the group's x the bit marks a lock (mandatory locking of old). */
	assert_continues(CALL(fake, emul_execve, fake_text(fake, "no-x"), 0, 0));
	assert_null(task->after_exec);
}

static void only_root_changes_its_root(void **state)
{
	struct fake *fake = *state;

	assert_false(fake->e->roots_differ);
	assert_continues(CALL(fake, emul_chroot, fake_text(fake, "dir")));
	assert_true(fake->e->roots_differ);
	fake->e->roots_differ = false;
	fake_become(fake, 100, 200);
	assert_returns(CALL(fake, emul_chroot, fake_text(fake, "dir")), -EPERM);
	assert_false(fake->e->roots_differ);
}

static void who_has_ended_is_met_anew(void **state)
{
	struct fake *fake = *state;

	fake_become(fake, 100, 200);
	assert_continues(CALL(fake, emul_exit_group, 0));
	/* The same number, and nobody has said who that is: the step's first. */
	assert_returns(CALL(fake, emul_getuid, 0), 0);
	fake_become(fake, 100, 200);
	assert_continues(CALL(fake, emul_exit, 0));
	assert_returns(CALL(fake, emul_getuid, 0), 0);
}

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void end_sleeper(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* It makes no call, and as long as somebody is not root all others have to be looked up. */
static void who_was_killed_is_forgotten_when_the_next_one_asks(void **state)
{
	struct fake *fake = *state;
	struct tasks *tasks = fake->e->tasks;
	pid_t first = start_sleeper(), second = start_sleeper();
	struct task *task = tasks_find(tasks, first);

	tasks_settle(tasks, task);
	assert_int_equal(credentials_setuid(&task->credentials, 100), 0);
	assert_int_equal(tasks_find(tasks, first)->credentials->uid[ID_REAL], 100);
	assert_int_equal(tasks_find(tasks, first)->credentials->uid[ID_REAL], 100);
	end_sleeper(first);
	assert_int_equal(tasks_find(tasks, second)->credentials->uid[ID_REAL], 0);
	assert_null(tasks_known(tasks, first));
	end_sleeper(second);
}

static pid_t start_family(pid_t *child)
{
	int pipe_fds[2];

	assert_int_equal(pipe(pipe_fds), 0);
	pid_t parent = fork();
	if (parent == 0) {
		pid_t started = start_sleeper();
		if (write(pipe_fds[1], &started, sizeof(started)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(read(pipe_fds[0], child, sizeof(*child)) == sizeof(*child));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return parent;
}

/* The number of a process was another's while all were alike, and its pidfd is still that one's. */
static void who_settles_is_the_creator_of_those_that_he_has_now(void **state)
{
	struct fake *fake = *state;
	struct tasks *tasks = fake->e->tasks;
	pid_t child, parent = start_family(&child), user = start_sleeper(), ended = start_sleeper();
	struct task *task = tasks_find(tasks, user);

	tasks_settle(tasks, task);
	assert_int_equal(credentials_setuid(&task->credentials, 100), 0);
	struct task *of_child = tasks_find(tasks, child);
	int pidfd = tasks_find(tasks, ended)->pidfd;
	bool has_pidfds = pidfd >= 0;
	if (has_pidfds)
		assert_true(dup3(pidfd, of_child->pidfd, O_CLOEXEC) >= 0);
	end_sleeper(ended);
	struct task *of_parent = tasks_find(tasks, parent);
	tasks_settle(tasks, of_parent);
	assert_int_equal(credentials_setuid(&of_parent->credentials, 33), 0);
	assert_int_equal(tasks_find(tasks, child)->credentials->uid[ID_REAL], 0);
	end_sleeper(user);
	kill(child, SIGKILL);
	end_sleeper(parent);
	if (!has_pidfds)
		skip();
}

/* A thread whose process' first one has ended, and that is killed while it executes. */
static void who_is_killed_while_he_executes_is_forgotten(void **state)
{
	struct fake *fake = *state;
	struct tasks *tasks = fake->e->tasks;
	pid_t process = start_sleeper(), thread = start_sleeper();
	struct task *task = tasks_find(tasks, thread);

	tasks_settle(tasks, task);
	assert_int_equal(credentials_setuid(&task->credentials, 100), 0);
	task->tgid = process;
	end_sleeper(thread);
	tasks_exec(tasks, task, NULL, 0, 0);
	assert_null(tasks_known(tasks, thread));
	end_sleeper(process);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(a_set_user_id_program_makes_its_caller_the_owner),
		FAKE_TEST(a_script_has_the_bits_of_its_interpreter),
		FAKE_TEST(a_program_without_bits_changes_nobody),
		FAKE_TEST(only_root_changes_its_root),
		FAKE_TEST(who_has_ended_is_met_anew),
		FAKE_TEST(who_was_killed_is_forgotten_when_the_next_one_asks),
		FAKE_TEST(who_settles_is_the_creator_of_those_that_he_has_now),
		FAKE_TEST(who_is_killed_while_he_executes_is_forgotten),
	};

	FAKE_MAIN(tests);
}
