/* Containers on disk: names, ids, state. No user namespace is needed for any of it. */
#include "builder/container.h"

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

#include "base/error.h"
#include "base/tree.h"
#include "builder/container_name.h"
#include "tests/unit/base/failing_readdir.h"

struct place {
	char path[32];
	struct workshop *w;
};

static int set_up(void **state)
{
	static struct place place;

	memcpy(place.path, "/tmp/containerXXXXXX", sizeof("/tmp/containerXXXXXX"));
	if (!mkdtemp(place.path))
		return -1;
	struct workshop_options options = {
		.store = {.root = place.path, .runroot = place.path}, .now = 1000, .source_date_epoch = -1};
	*state = &place;
	return workshop_open(&options, &place.w, NULL);
}

static int tear_down(void **state)
{
	struct place *place = *state;

	workshop_close(place->w);
	return tree_remove(AT_FDCWD, place->path, NULL);
}

static int make(struct workshop *w, const char *name, struct container *c, struct error **err)
{
	struct container_options options = {.name = name};

	return container_create(w, /* image */ NULL, &options, c, err);
}

static void names_containers_as_buildah_does(void **state)
{
	static const struct {
		const char *text, *name;
	} examples[] = {
		{NULL, "working-container"},
		{"", "working-container"},
		{"alpine", "alpine-working-container"},
		{"docker.io/library/debian:12", "debian-working-container"},
		{"localhost:5000/a/b/app@sha256:0123456789012345678901234567890123456789012345678901234567890123",
		 "app-working-container"},
		{"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		 "0123456789ab-working-container"},
		{"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "0123456789ab-working-container"},
	};

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		cleanup_free char *name = container_default_name(examples[i].text);
		assert_string_equal(name, examples[i].name);
	}
}

static void numbers_names_that_are_taken(void **state)
{
	struct place *place = *state;
	cleanup(container_done) struct container a = {0}, b = {0}, c = {0};

	assert_int_equal(make(place->w, NULL, &a, NULL), 0);
	assert_int_equal(make(place->w, NULL, &b, NULL), 0);
	assert_string_equal(a.name, "working-container");
	assert_string_equal(b.name, "working-container-1");
	assert_int_equal(make(place->w, "working-container-2", &c, NULL), 0);
	cleanup(container_done) struct container d = {0};
	assert_int_equal(make(place->w, NULL, &d, NULL), 0);
	assert_string_equal(d.name, "working-container-3");
}

static void refuses_a_name_that_is_taken_and_tells_by_whom(void **state)
{
	struct place *place = *state;
	cleanup(container_done) struct container a = {0}, b = {0};
	cleanup_error struct error *error = NULL;

	assert_int_equal(make(place->w, "my", &a, NULL), 0);
	assert_int_equal(make(place->w, "my", &b, &error), -EEXIST);
	assert_non_null(strstr(error_message(error), "the container name \"my\" is already in use by"));
	assert_non_null(strstr(error_message(error), a.id));
}

static void finds_by_name_id_and_prefix(void **state)
{
	struct place *place = *state;
	cleanup(container_done) struct container a = {0};
	char prefix[13];

	assert_int_equal(make(place->w, "odd name %", &a, NULL), 0);
	memcpy(prefix, a.id, 12);
	prefix[12] = '\0';
	const char *const texts[] = {"odd name %", a.id, prefix};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cleanup(container_done) struct container found = {0};
		assert_int_equal(container_find(place->w, texts[i], &found, NULL), 0);
		assert_string_equal(found.id, a.id);
		assert_string_equal(found.name, "odd name %");
	}
	struct container none;
	assert_int_equal(container_find(place->w, "nosuch", &none, NULL), -ENOENT);
	assert_int_equal(container_find(place->w, "../../etc", &none, NULL), -ENOENT);
	assert_int_equal(container_find(place->w, "", &none, NULL), -EINVAL);
}

static void keeps_everything_over_a_save(void **state)
{
	struct place *place = *state;
	cleanup(container_done) struct container a = {0}, found = {0};

	assert_int_equal(make(place->w, "kept", &a, NULL), 0);
	mem_replace(&a.created_by, "me");
	strlist_append(&a.config.env, "A=b c");
	strlist_append(&a.annotations, "k=v");
	mem_replace(&a.settings.network, "none");
	a.pending = mem_alloc(sizeof(*a.pending));
	a.pending_count = 1;
	a.pending[0] = (struct history){.created_by = mem_strdup("RUN x"), .empty_layer = true};
	assert_int_equal(container_save(place->w, &a, NULL), 0);
	assert_int_equal(container_find(place->w, "kept", &found, NULL), 0);
	assert_string_equal(found.created_by, "me");
	assert_string_equal(found.config.env.items[0], "A=b c");
	assert_string_equal(found.annotations.items[0], "k=v");
	assert_string_equal(found.settings.network, "none");
	assert_int_equal(found.pending_count, 1);
	assert_string_equal(found.pending[0].created_by, "RUN x");
	assert_true(found.pending[0].empty_layer);
	assert_int_equal(found.created, 1000);
}

static void renames_and_gives_the_old_name_back(void **state)
{
	struct place *place = *state;
	cleanup(container_done) struct container a = {0}, b = {0}, found = {0};

	assert_int_equal(make(place->w, "old", &a, NULL), 0);
	assert_int_equal(container_rename(place->w, &a, "new", NULL), 0);
	assert_int_equal(container_find(place->w, "new", &found, NULL), 0);
	assert_string_equal(found.name, "new");
	assert_int_equal(make(place->w, "old", &b, NULL), 0);
	assert_int_equal(container_rename(place->w, &b, "new", NULL), -EEXIST);
	assert_string_equal(b.name, "old");
}

/* What a process leaves that was killed between naming a container and making it. */
static void takes_a_name_that_leads_nowhere_as_free(void **state)
{
	struct place *place = *state;
	cleanup(container_done) struct container a = {0}, b = {0};

	assert_int_equal(make(place->w, "first", &a, NULL), 0);
	cleanup_free char *link = mem_printf("%s/containers/by-name/crashed", place->path);
	assert_int_equal(symlink("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", link), 0);
	struct container none;
	assert_int_equal(container_find(place->w, "crashed", &none, NULL), -ENOENT);
	assert_int_equal(make(place->w, "crashed", &b, NULL), 0);
}

static void lists_in_the_order_of_creation(void **state)
{
	struct place *place = *state;
	cleanup(container_list_done) struct container_list list = {0};
	cleanup(container_done) struct container a = {0}, b = {0}, c = {0};

	assert_int_equal(make(place->w, "z", &a, NULL), 0);
	assert_int_equal(make(place->w, "y", &b, NULL), 0);
	assert_int_equal(make(place->w, "x", &c, NULL), 0);
	assert_int_equal(containers_list(place->w, &list, NULL), 0);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.items[0].name, "z");
	assert_string_equal(list.items[2].name, "x");
}

static void set_time(struct place *place, struct container *c, int64_t created, int64_t created_ns)
{
	c->created = created;
	c->created_ns = created_ns;
	assert_int_equal(container_save(place->w, c, NULL), 0);
}

/* The second is that in which the command began; a container may be made in the next one. */
static void the_order_of_creation_does_not_end_with_the_second(void **state)
{
	struct place *place = *state;
	cleanup(container_list_done) struct container_list list = {0};
	cleanup(container_done) struct container a = {0}, b = {0}, c = {0};

	assert_int_equal(make(place->w, "b", &b, NULL), 0);
	assert_int_equal(make(place->w, "c", &c, NULL), 0);
	assert_int_equal(make(place->w, "a", &a, NULL), 0);
	/* The commands of these tests have begun in 1970. */
	assert_true(b.created_ns > 1000000000 && c.created_ns >= b.created_ns && a.created_ns >= c.created_ns);
	set_time(place, &a, 10, 999999999);
	set_time(place, &b, 10, 1000000001);
	set_time(place, &c, 11, 0);
	assert_int_equal(containers_list(place->w, &list, NULL), 0);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.items[0].name, "a");
	assert_string_equal(list.items[1].name, "c");
	assert_string_equal(list.items[2].name, "b");
}

/* prune keeps what the containers are made of: one that it does not hear of would lose it. */
static void a_list_that_cannot_be_read_to_its_end_is_no_list(void **state)
{
	struct place *place = *state;
	cleanup(container_list_done) struct container_list list = {0};
	cleanup(container_done) struct container a = {0}, b = {0}, found = {0};
	cleanup_free char *prefix = NULL;

	assert_int_equal(make(place->w, "a", &a, NULL), 0);
	assert_int_equal(make(place->w, "b", &b, NULL), 0);
	prefix = mem_strndup(a.id, 12);
	for (int left = 0; left < 5; left++) { /* ".", "..", the names, two containers */
		cleanup_error struct error *err = NULL;
		entries_left = left;
		assert_int_equal(containers_list(place->w, &list, &err), -EIO);
		assert_non_null(strstr(error_message(err), "read the containers"));
		assert_int_equal(list.count, 0);
		entries_left = left;
		assert_int_equal(container_find(place->w, prefix, &found, NULL), -EIO);
		entries_left = left;
		assert_int_equal(containers_forget(place->w, NULL), -EIO);
	}
	entries_left = -1;
	assert_int_equal(containers_list(place->w, &list, NULL), 0);
	assert_int_equal(list.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_containers_as_buildah_does),
		cmocka_unit_test_setup_teardown(numbers_names_that_are_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_a_name_that_is_taken_and_tells_by_whom, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_by_name_id_and_prefix, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keeps_everything_over_a_save, set_up, tear_down),
		cmocka_unit_test_setup_teardown(renames_and_gives_the_old_name_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(takes_a_name_that_leads_nowhere_as_free, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lists_in_the_order_of_creation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_order_of_creation_does_not_end_with_the_second, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_list_that_cannot_be_read_to_its_end_is_no_list, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
