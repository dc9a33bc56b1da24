/* Files of the caller's as a step meets them: pipes. */
#include "run/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static int memory_file(const char *text)
{
	int fd = memfd_create("relay-test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static bool is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static void copy_once(struct relay *relay)
{
	struct pollfd fds[RELAY_WAYS];
	size_t count = relay_poll(relay, fds);

	assert_true(poll(fds, count, 0) >= 0);
	relay_copy(relay, fds, count);
}

static void files_become_pipes_and_pipes_stay(void **state)
{
	struct relay relay = RELAY_INIT;
	cleanup_close int file = memory_file("");
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(relay_open(&relay, (int[]){ends[0], null, file}, NULL), 0);
	assert_int_equal(relay.given[0], -1);
	assert_int_equal(relay.given[1], -1);
	assert_true(is_pipe(relay.given[2]));
	relay_done(&relay);
	assert_int_equal(relay_open(&relay, (int[]){-1, -1, -1}, NULL), 0);
	assert_int_equal(relay_poll(&relay, NULL), 0);
	fd_close(ends[0]);
	fd_close(ends[1]);
}

static void what_is_not_read_stays_in_the_input(void **state)
{
	struct relay relay = RELAY_INIT;
	cleanup_close int file = memory_file("one two");
	char got[4] = "";

	assert_int_equal(relay_open(&relay, (int[]){file, -1, -1}, NULL), 0);
	relay_hand_over(&relay);
	for (int i = 0; i < 3; i++)
		copy_once(&relay);
	assert_int_equal(read(relay.given[0], got, 3), 3);
	assert_string_equal(got, "one");
	relay_done(&relay);
	assert_int_equal(lseek(file, 0, SEEK_CUR), 3);
}

static void both_outputs_into_one_file_are_one_pipe(void **state)
{
	struct relay relay = RELAY_INIT;
	cleanup_close int file = memory_file("");
	char got[8] = "";

	assert_int_equal(relay_open(&relay, (int[]){-1, file, file}, NULL), 0);
	assert_int_equal(write(relay.given[1], "a", 1), 1);
	assert_int_equal(write(relay.given[2], "b", 1), 1);
	assert_int_equal(write(relay.given[1], "c", 1), 1);
	relay_hand_over(&relay);
	relay_done(&relay);
	assert_int_equal(pread(file, got, sizeof(got), 0), 3);
	assert_string_equal(got, "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_become_pipes_and_pipes_stay),
		cmocka_unit_test(what_is_not_read_stays_in_the_input),
		cmocka_unit_test(both_outputs_into_one_file_are_one_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
