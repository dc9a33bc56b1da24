/* --filter of du and prune. */
#include "builder/cache_filter.h"
#include "base/strlist.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW 100000

static char layer_id[] = "3f2a", layer_text[] = "RUN make", mount_id[] = "77aa", mount_text[] = "packages";
static const struct cache_item layer = {
	.type = CACHE_TYPE_REGULAR, .id = layer_id, .description = layer_text, .used_s = NOW - 3600, .is_shared = true};
static const struct cache_item mount = {
	.type = CACHE_TYPE_MOUNT, .id = mount_id, .description = mount_text, .used_s = NOW - 60, .is_busy = true};

static bool matches(const char *text, const struct cache_item *item)
{
	cleanup(strlist_done) struct strlist texts = {0};
	cleanup(cache_filter_free) struct cache_filter *filter = NULL;

	strlist_split(&texts, text, ' ');
	assert_int_equal(cache_filter_new(&texts, NOW, &filter, NULL), 0);
	return cache_filter_matches(filter, item);
}

static void no_condition_matches_everything(void **state)
{
	assert_true(matches("", &layer));
	assert_true(matches("", &mount));
}

static void each_field_tells_one_thing_from_another(void **state)
{
	static const char *const of_layer[] = {
		"type=regular", "id=3f",       "id==3f2a",	    "unused-for=30m",	    "until=1h",
		"shared",	"inuse=false", "description~=^RUN", "type!=exec.cachemount"};
	static const char *const of_mount[] = {
		"type=exec.cachemount", "id=packages", "inuse",	      "private",
		"shared=false",		"id~=^7+a",    "until!=1m1s", "description=packages"};

	for (size_t i = 0; i < ARRAY_COUNT(of_layer); i++) {
		assert_true(matches(of_layer[i], &layer));
		assert_false(matches(of_layer[i], &mount));
	}
	for (size_t i = 0; i < ARRAY_COUNT(of_mount); i++)
		assert_true(matches(of_mount[i], &mount));
	for (size_t i = 0; i < 6; i++)
		assert_false(matches(of_mount[i], &layer));
}

static void all_conditions_must_hold(void **state)
{
	assert_true(matches("type=regular shared", &layer));
	assert_false(matches("type=regular inuse", &layer));
}

static void types_that_only_buildkit_has_match_nothing(void **state)
{
	assert_false(matches("type=source.local", &layer));
	assert_false(matches("type=frontend", &mount));
}

static void what_is_not_understood_is_refused(void **state)
{
	static const char *const texts[] = {"",		 "colour=red",	 "type=large",	   "id~=[",	  "until=soon",
					    "until=-1h", "type>regular", "shared=perhaps", "type~regular"};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(strlist_done) struct strlist list = {0};
		struct cache_filter *filter = NULL;
		strlist_append(&list, texts[i]);
		assert_int_equal(cache_filter_new(&list, NOW, &filter, NULL), -EINVAL);
		assert_null(filter);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_condition_matches_everything),
		cmocka_unit_test(each_field_tells_one_thing_from_another),
		cmocka_unit_test(all_conditions_must_hold),
		cmocka_unit_test(types_that_only_buildkit_has_match_nothing),
		cmocka_unit_test(what_is_not_understood_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
