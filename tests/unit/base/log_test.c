#include "tests/unit/base/scratch.h"

#include <errno.h>

#include "base/log.h"

/* What `say` writes to stderr, owned. */
static char *stderr_of(void (*say)(void))
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup_close int file = openat(dir.fd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cleanup_close int before = dup(STDERR_FILENO);

	dup2(file, STDERR_FILENO);
	say();
	dup2(before, STDERR_FILENO);
	return text_of(dir.fd, "f");
}

static void say_all(void)
{
	log_warn("no %s, copying instead", "reflink");
	log_info("pulled");
	log_debug("detail");
	trace(HTTP, "GET %s", "/v2/");
	trace(RUN, "mount");
}

static void prints_by_level_and_topic(void **state)
{
	assert_int_equal(trace_parse("http", NULL), 0);
	log_set_level(LOG_DEBUG);
	cleanup_free char *all = stderr_of(say_all);
	assert_string_equal(all,
			    "cooper: warning: no reflink, copying instead\npulled\ndebug: detail\nhttp: GET /v2/\n");
	assert_int_equal(trace_parse(NULL, NULL), 0);
	log_set_level(LOG_ERROR);
	cleanup_free char *quiet = stderr_of(say_all);
	assert_string_equal(quiet, "");
	log_set_level(LOG_INFO);
}

static void say_much(void)
{
	cleanup_free char *text = mem_alloc(200001);

	memset(text, 'x', 200000);
	errno = EDOM;
	log_warn("%s", text);
	assert_int_equal(errno, EDOM);
}

static void ends_an_endless_line_and_keeps_errno(void **state)
{
	cleanup_free char *text = stderr_of(say_much);

	assert_int_equal(strlen(text), 64 << 10);
	assert_int_equal(text[(64 << 10) - 1], '\n');
}

static void say_hostile(void)
{
	log_info("title \033]0;x\007 \xc2\x9b"
		 "2J\ttab\nline \xc3\xa4");
}

static void lets_no_escape_sequence_reach_the_terminal(void **state)
{
	cleanup_free char *text = stderr_of(say_hostile);

	assert_string_equal(text, "title ?]0;x? ??2J\ttab\nline \xc3\xa4\n");
}

static void reads_levels_by_buildahs_names(void **state)
{
	enum log_level level = LOG_INFO;

	assert_int_equal(log_level_parse("warning", &level, NULL), 0);
	assert_int_equal(level, LOG_WARN);
	assert_int_equal(log_level_parse("TRACE", &level, NULL), 0);
	assert_int_equal(level, LOG_DEBUG);
	assert_int_equal(log_level_parse("loud", &level, NULL), -EINVAL);
	assert_int_equal(level, LOG_DEBUG);
}

static void reads_topics_with_exceptions(void **state)
{
	cleanup_error struct error *err = NULL;

	assert_int_equal(trace_parse("all,-http,", NULL), 0);
	assert_false(trace_is_on(TRACE_HTTP));
	assert_true(trace_is_on(TRACE_RUN) && trace_is_on(TRACE_AUTH));
	assert_int_equal(trace_parse("run,htpp", &err), -EINVAL);
	assert_non_null(strstr(error_message(err), "'htpp'"));
	assert_true(trace_is_on(TRACE_AUTH));
	assert_int_equal(trace_parse(NULL, NULL), 0);
	assert_false(trace_is_on(TRACE_RUN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_by_level_and_topic),
		cmocka_unit_test(ends_an_endless_line_and_keeps_errno),
		cmocka_unit_test(lets_no_escape_sequence_reach_the_terminal),
		cmocka_unit_test(reads_levels_by_buildahs_names),
		cmocka_unit_test(reads_topics_with_exceptions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
