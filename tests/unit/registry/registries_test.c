/* registry/registries.h: which places a name stands for. */
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

#include "base/buf.h"
#include "base/fd.h"
#include "registry/registries.h"

static char file[] = "/tmp/registries-XXXXXX";

static int set_up(void **state)
{
	int fd = mkstemp(file);

	assert_true(fd >= 0);
	fd_close(fd);
	setenv("CONTAINERS_REGISTRIES_CONF", file, 1);
	return 0;
}

static int tear_down(void **state)
{
	return unlink(file);
}

static void write_conf(const char *text)
{
	cleanup_close int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
}

/* "place place …", a '!' before one that is insecure, '~' before a mirror; or the error in brackets. */
static const char *places_of(const char *name)
{
	static char text[1024];
	cleanup(buf_done) struct buf out = BUF_INIT(sizeof(text) - 1);
	cleanup(registries_free) struct registries *registries = NULL;
	cleanup(registry_places_done) struct registry_places places = {0};
	cleanup(reference_done) struct reference ref = {0};
	cleanup_error struct error *error = NULL;
	int rc = registries_load(&registries, &error);

	assert_int_equal(reference_parse(name, &ref, NULL), 0);
	if (rc == 0)
		rc = registries_pull_places(registries, &ref, &places, &error);
	for (size_t i = 0; i < places.count; i++)
		buf_printf(&out, "%s%s%s%s/%s", i > 0 ? " " : "", places.items[i].is_mirror ? "~" : "",
			   places.items[i].insecure ? "!" : "", places.items[i].domain, places.items[i].path);
	if (rc < 0)
		buf_printf(&out, "[%d]", rc);
	memcpy(text, buf_str(&out), out.len + 1);
	return text;
}

static void without_a_word_a_name_is_its_own_place(void **state)
{
	write_conf("");
	assert_string_equal(places_of("quay.io/a/b:1"), "quay.io/a/b");
	assert_string_equal(places_of("docker.io/debian"), "docker.io/library/debian");
}

static void the_longest_prefix_decides_by_whole_components(void **state)
{
	write_conf("[[registry]]\nprefix='h.test'\nlocation='all.test'\n"
		   "[[registry]]\nprefix='h.test/a'\nlocation='a.test/x'\n"
		   "[[registry]]\nprefix='h.test/a/b'\nlocation='b.test'\n");
	assert_string_equal(places_of("h.test/a"), "a.test/x");
	assert_string_equal(places_of("h.test/a/c:2"), "a.test/x/c");
	assert_string_equal(places_of("h.test/a/b/c"), "b.test/c");
	assert_string_equal(places_of("h.test/ab/c"), "all.test/ab/c");
	assert_string_equal(places_of("hh.test/a"), "hh.test/a");
}

static void a_star_stands_for_hosts_below(void **state)
{
	write_conf("[[registry]]\nprefix='*.test'\nlocation='mirror.example/all'\n"
		   "[[registry]]\nprefix='*.eu.test'\ninsecure=true\n");
	assert_string_equal(places_of("a.test/x"), "mirror.example/all/x");
	assert_string_equal(places_of("a.b.test/x"), "mirror.example/all/x");
	assert_string_equal(places_of("a.eu.test/x"), "!a.eu.test/x");
	assert_string_equal(places_of("atest.example/x"), "atest.example/x");
}

static void mirrors_come_first_when_they_may_serve_the_name(void **state)
{
	static const char digest[] = "@sha256:0123456789012345678901234567890123456789012345678901234567890123";
	cleanup_free char *pinned = mem_printf("h.test/x%s", digest);

	write_conf("[[registry]]\nlocation='h.test'\n"
		   "[[registry.mirror]]\nlocation='m1.test'\ninsecure=true\n"
		   "[[registry.mirror]]\nlocation='m2.test/p/'\npull-from-mirror='digest-only'\n"
		   "[[registry.mirror]]\nlocation='m3.test'\npull-from-mirror='tag-only'\n");
	assert_string_equal(places_of("h.test/x:1"), "~!m1.test/x ~m3.test/x h.test/x");
	assert_string_equal(places_of(pinned), "~!m1.test/x ~m2.test/p/x h.test/x");
}

static void docker_hub_is_found_by_its_full_names(void **state)
{
	write_conf("[[registry]]\nprefix='docker.io/library'\nlocation='hub.test/lib'\n");
	assert_string_equal(places_of("docker.io/debian"), "hub.test/lib/debian");
	assert_string_equal(places_of("docker.io/me/debian"), "docker.io/me/debian");
}

static void what_is_blocked_has_no_place(void **state)
{
	write_conf("[[registry]]\nprefix='h.test/bad'\nblocked=true\n");
	assert_string_equal(places_of("h.test/bad/x"), "[-1]");
	assert_string_equal(places_of("h.test/good"), "h.test/good");
}

static void a_prefix_may_name_one_image(void **state)
{
	static const char digest[] = "@sha256:0123456789012345678901234567890123456789012345678901234567890123";
	cleanup_free char *pinned = mem_printf("h.test/x%s", digest);
	cleanup_free char *conf = mem_printf("[[registry]]\nprefix='%s'\nblocked=true\n", pinned);

	write_conf("[[registry]]\nprefix='h.test/x:bad'\nblocked=true\n"
		   "[[registry]]\nprefix='h.test/x:moved'\nlocation='m.test/y'\n"
		   "[[registry]]\nprefix='h.test/l:latest'\nblocked=true\n");
	assert_string_equal(places_of("h.test/x:bad"), "[-1]");
	assert_string_equal(places_of("h.test/x:badly"), "h.test/x");
	assert_string_equal(places_of("h.test/x/y"), "h.test/x/y");
	assert_string_equal(places_of("h.test/x:moved"), "m.test/y");
	assert_string_equal(places_of("h.test/l"), "[-1]");
	assert_string_equal(places_of("h.test/l:1"), "h.test/l");
	write_conf(conf);
	assert_string_equal(places_of(pinned), "[-1]");
	assert_string_equal(places_of("h.test/x:1"), "h.test/x");
}

static void the_old_form_still_counts(void **state)
{
	write_conf("[registries.insecure]\nregistries=['i.test']\n[registries.block]\nregistries=['b.test']\n");
	assert_string_equal(places_of("i.test/x"), "!i.test/x");
	assert_string_equal(places_of("b.test/x"), "[-1]");
	write_conf("[registries.insecure]\nregistries=['i.test']\n[[registry]]\nlocation='x.test'\n");
	assert_string_equal(places_of("i.test/x"), "[-22]");
}

static void mistakes_are_refused(void **state)
{
	static const char *const wrong[] = {
		"[[registry]]\ninsecure=true\n",
		"[[registry]]\nlocation='http://x.test'\n",
		"[[registry]]\nlocation='*.test'\n",
		"[[registry]]\nprefix='a*.test'\nlocation='x.test'\n",
		"[[registry]]\nprefix='*.test/a'\nlocation='x.test'\n",
		"[[registry]]\nlocation='x.test'\ninsecure='yes'\n",
		"[[registry]]\nlocation='x.test'\n[[registry.mirror]]\ninsecure=true\n",
		"[[registry]]\nprefix='x.test'\nlocation='not a place'\n",
		"registry='x'\n",
	};

	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		write_conf(wrong[i]);
		assert_string_equal(places_of("x.test/a"), "[-22]");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_word_a_name_is_its_own_place),
		cmocka_unit_test(the_longest_prefix_decides_by_whole_components),
		cmocka_unit_test(a_star_stands_for_hosts_below),
		cmocka_unit_test(mirrors_come_first_when_they_may_serve_the_name),
		cmocka_unit_test(docker_hub_is_found_by_its_full_names),
		cmocka_unit_test(what_is_blocked_has_no_place),
		cmocka_unit_test(a_prefix_may_name_one_image),
		cmocka_unit_test(the_old_form_still_counts),
		cmocka_unit_test(mistakes_are_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
