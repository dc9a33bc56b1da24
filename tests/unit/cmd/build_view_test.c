/* What a terminal is shown of a build. */
#include "cmd/build_view.h"

#include "base/fd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* What was written since the last time. */
static char *shown(int fd)
{
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);

	lseek(fd, 0, SEEK_SET);
	assert_int_equal(fd_read_all(fd, &text, NULL), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	lseek(fd, 0, SEEK_SET);
	return buf_take(&text);
}

static int memory(void)
{
	int fd = memfd_create("view", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void tell(struct build_view *view, enum build_event_kind kind, size_t step, size_t steps, const char *text)
{
	const struct build_event event = {
		.kind = kind, .stage = 1, .stages = 1, .step = step, .steps = steps, .text = text};

	build_view_begin(view);
	build_view_event(view, &event);
	build_view_end(view, /* partial */ "");
}

static void a_blob_on_its_way_is_a_bar_until_all_of_it_is_there(void **state)
{
	cleanup_close int fd = memory();
	cleanup(build_view_free) struct build_view *view = build_view_new(BUILD_VIEW_TERMINAL, fd);
	static const char blob[] = "pull sha256:3f2a9c1e0b44aaaa";

	tell(view, BUILD_STEP_STARTED, 1, 2, "FROM base");
	tell(view, BUILD_TRANSFER, 500000, 1000000, blob);
	cleanup_free char *half = shown(fd);
	assert_non_null(strstr(half, "pull 3f2a9c1e0b44 [============            ] 500 KB / 1 MB"));
	assert_non_null(strstr(half, "/s"));
	tell(view, BUILD_TRANSFER, 1000000, 1000000, blob);
	cleanup_free char *all = shown(fd);
	/* Two lines are taken away and one is drawn again. */
	assert_non_null(strstr(all, "\033[2A\033[J"));
	assert_null(strstr(all, "pull 3f2a9c1e0b44"));
	assert_non_null(strstr(all, "FROM base"));
}

static void more_than_was_said_is_no_longer_bar(void **state)
{
	cleanup_close int fd = memory();
	cleanup(build_view_free) struct build_view *view = build_view_new(BUILD_VIEW_TERMINAL, fd);

	tell(view, BUILD_TRANSFER, 30, 10, "push sha256:aa");
	cleanup_free char *text = shown(fd);
	assert_null(strstr(text, "push"));
	tell(view, BUILD_TRANSFER, 0, 10, "push sha256:aa");
	cleanup_free char *empty = shown(fd);
	assert_non_null(strstr(empty, "push aa [                        ] 0 B / 10 B"));
}

/* Two steps of the same number are told apart by their platform, on the terminal and in JSON. */
static void steps_of_several_platforms_are_each_ones_own(void **state)
{
	cleanup_close int fd = memory();
	cleanup(build_view_free) struct build_view *view = build_view_new(BUILD_VIEW_TERMINAL, fd);
	struct build_event event = {
		.kind = BUILD_STEP_STARTED, .stage = 1, .stages = 1, .step = 2, .steps = 2, .text = "RUN make"};
	static const char *const platforms[] = {"linux/amd64", "linux/arm64"};

	build_view_begin(view);
	for (size_t i = 0; i < ARRAY_COUNT(platforms); i++) {
		event.platform = platforms[i];
		build_view_event(view, &event);
	}
	build_view_end(view, /* partial */ "");
	cleanup_free char *both = shown(fd);
	assert_non_null(strstr(both, "[linux/amd64] STEP 2/2: RUN make"));
	assert_non_null(strstr(both, "[linux/arm64] STEP 2/2: RUN make"));
	event.kind = BUILD_STEP_DONE;
	build_view_begin(view);
	build_view_event(view, &event);
	build_view_end(view, /* partial */ "");
	cleanup_free char *one = shown(fd);
	const char *drawn_again = strstr(one, "[linux/amd64]");
	assert_non_null(drawn_again);
	assert_true(strstr(one, "[linux/arm64]") < drawn_again);
	assert_null(strstr(drawn_again, "[linux/arm64]"));
}

static void json_names_the_platform_where_there_are_several(void **state)
{
	cleanup_close int fd = memory();
	cleanup(build_view_free) struct build_view *view = build_view_new(BUILD_VIEW_JSON, fd);
	const struct build_event event = {.kind = BUILD_STEP_CACHED,
					  .stage = 1,
					  .stages = 1,
					  .step = 2,
					  .steps = 2,
					  .platform = "linux/arm64",
					  .text = "RUN make"};

	build_view_event(view, &event);
	build_view_end(view, /* partial */ "");
	cleanup_free char *with = shown(fd);
	assert_non_null(strstr(with, "\"platform\":\"linux/arm64\""));
	tell(view, BUILD_STEP_CACHED, 2, 2, "RUN make");
	cleanup_free char *without = shown(fd);
	assert_null(strstr(without, "platform"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blob_on_its_way_is_a_bar_until_all_of_it_is_there),
		cmocka_unit_test(more_than_was_said_is_no_longer_bar),
		cmocka_unit_test(steps_of_several_platforms_are_each_ones_own),
		cmocka_unit_test(json_names_the_platform_where_there_are_several),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
