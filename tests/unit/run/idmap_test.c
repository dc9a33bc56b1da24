/* Id maps from subuid files of every kind, and what is said when there is no range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/idmap_internal.h"

static void parses_to(const char *text, const char *name, uid_t id, const char *expected)
{
	struct idmap map = {0};

	idmap_parse_subids(text, name, id, &map.uids);
	cleanup_free char *got = idmap_format(&map);
	cleanup_free char *want = mem_printf("u%s;g", expected);
	assert_string_equal(got, want);
	idmap_done(&map);
}

static void takes_the_ranges_of_an_account_by_name_or_number(void **state)
{
	parses_to("alice:100000:65536\nbob:165536:65536\n", "bob", 1001, "0:165536:65536");
	parses_to("alice:100000:65536\n1001:165536:10\n", "bob", 1001, "0:165536:10");
	parses_to("bob:1000:10\nbob:2000:20\n", "bob", 1001, "0:1000:10,10:2000:20");
	parses_to("alice:100000:65536\n", "bob", 1001, "");
	parses_to("", "bob", 1001, "");
	parses_to("1001:5:5", NULL, 1001, "0:5:5");
}

static void passes_over_lines_that_make_no_sense(void **state)
{
	parses_to("# comment\n\nbob\nbob:1\nbob:x:5\nbob:5:0\nbob:-1:5\nbob:5:5:5\nbob:7:7\n", "bob", 1, "0:7:7");
	parses_to("bob:4294967290:100\nbob:1:1\n", "bob", 1, "0:1:1");
	parses_to("bobby:1:1\nbo:1:1\n", "bob", 1, "");
}

static void reads_the_lines_of_proc(void **state)
{
	struct idmap map = {0};

	assert_int_equal(idmap_parse_proc("         0       1001          1\n         1     100000      65536\n",
					  &map.uids, NULL),
			 0);
	cleanup_free char *identity = idmap_identity_lines(&map.uids);
	cleanup_free char *lines = idmap_lines(&map.uids);
	assert_string_equal(lines, "0 1001 1\n1 100000 65536\n");
	assert_string_equal(identity, "0 0 1\n1 1 65536\n");
	assert_true(idmap_has(&map.uids, 65536));
	assert_false(idmap_has(&map.uids, 65537));
	assert_int_equal(idmap_parse_proc("1 2\n", &map.uids, NULL), -EINVAL);
	assert_int_equal(idmap_parse_proc("1 2 x\n", &map.uids, NULL), -EINVAL);
	idmap_done(&map);
}

static char *write_temporary(const char *text)
{
	char *path = mem_strdup("/tmp/cooper-idmap-XXXXXX");
	cleanup_close int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
	return path;
}

static void choose(const char *subuid, const char *subgid, const char *trouble, bool direct, struct idmap *map)
{
	cleanup_free char *uids = write_temporary(subuid);
	cleanup_free char *gids = write_temporary(subgid);
	cleanup_free char *proc = write_temporary("0 1000 1\n1 100000 65536\n");
	const struct idmap_sources sources = {
		.subuid = uids,
		.subgid = gids,
		.uid_map = proc,
		.gid_map = proc,
		.name = "bob",
		.uid = 1001,
		.gid = 1002,
		.can_map_directly = direct,
		.helper_trouble = trouble,
	};

	assert_int_equal(idmap_choose(&sources, map, NULL), 0);
	unlink(uids);
	unlink(gids);
	unlink(proc);
}

static void maps_our_id_to_root_and_the_ranges_behind_it(void **state)
{
	struct idmap map = {0};

	choose("bob:100000:65536\n", "bob:200000:65536\n", NULL, false, &map);
	cleanup_free char *text = idmap_format(&map);
	assert_int_equal(map.kind, IDMAP_SUBIDS);
	assert_null(map.reason);
	assert_string_equal(text, "u0:1001:1,1:100000:65536;g0:1002:1,1:200000:65536");
	idmap_done(&map);
}

static void falls_to_a_single_id_and_says_which_line_is_missing(void **state)
{
	struct idmap map = {0};

	choose("alice:100000:65536\n", "bob:200000:65536\n", NULL, false, &map);
	cleanup_free char *text = idmap_format(&map);
	assert_int_equal(map.kind, IDMAP_SINGLE);
	assert_string_equal(text, "u0:1001:1;g0:1002:1");
	assert_non_null(strstr(map.reason, "bob:100000:65536"));
	idmap_done(&map);
}

static void falls_to_a_single_id_when_the_helpers_cannot_work(void **state)
{
	struct idmap map = {0};

	choose("bob:100000:65536\n", "bob:200000:65536\n", "newuidmap is not installed", false, &map);
	assert_int_equal(map.kind, IDMAP_SINGLE);
	assert_string_equal(map.reason, "newuidmap is not installed");
	idmap_done(&map);
}

static void mirrors_its_own_map_when_it_may_write_maps(void **state)
{
	struct idmap map = {0};

	choose("", "", NULL, true, &map);
	cleanup_free char *text = idmap_format(&map);
	assert_int_equal(map.kind, IDMAP_DIRECT);
	assert_string_equal(text, "u0:0:1,1:1:65536;g0:0:1,1:1:65536");
	idmap_done(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_ranges_of_an_account_by_name_or_number),
		cmocka_unit_test(passes_over_lines_that_make_no_sense),
		cmocka_unit_test(reads_the_lines_of_proc),
		cmocka_unit_test(maps_our_id_to_root_and_the_ranges_behind_it),
		cmocka_unit_test(falls_to_a_single_id_and_says_which_line_is_missing),
		cmocka_unit_test(falls_to_a_single_id_when_the_helpers_cannot_work),
		cmocka_unit_test(mirrors_its_own_map_when_it_may_write_maps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
