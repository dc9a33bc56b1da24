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

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(a_set_user_id_program_makes_its_caller_the_owner),
		FAKE_TEST(a_script_has_the_bits_of_its_interpreter),
		FAKE_TEST(a_program_without_bits_changes_nobody),
		FAKE_TEST(only_root_changes_its_root),
		FAKE_TEST(who_has_ended_is_met_anew),
	};

	FAKE_MAIN(tests);
}
