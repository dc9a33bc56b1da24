/* What `from` and `run` can be told, and that a container can be asked again later. */
#include "builder/settings_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

/* Settings own their texts; those of the tests are only read. */
#define TEXT(literal) ((char *)(literal))

static void check(const struct settings *s, int want)
{
	if (settings_check(s, NULL) != want)
		fail_msg("settings_check() should give %d", want);
}

static void keeps_settings_through_json(void **state)
{
	cleanup(settings_done) struct settings s = {0}, back = {0};

	s.memory = mem_strdup("1g");
	s.no_hosts = mem_strdup("true");
	strlist_append(&s.env, "A=b");
	strlist_append(&s.volumes, "/a:/b");
	cleanup_json json_t *json = settings_to_json(&s);
	struct json_place at = json_root("settings", json);
	assert_int_equal(settings_from_json(&at, &back, NULL), 0);
	assert_string_equal(back.memory, "1g");
	assert_string_equal(back.no_hosts, "true");
	assert_null(back.network);
	assert_int_equal(back.env.count, 1);
	assert_string_equal(back.volumes.items[0], "/a:/b");
}

static void merges_texts_over_and_lists_behind(void **state)
{
	cleanup(settings_done) struct settings s = {0}, over = {0};

	s.network = mem_strdup("host");
	s.user = mem_strdup("a");
	strlist_append(&s.cap_add, "CHOWN");
	over.network = mem_strdup("none");
	strlist_append(&over.cap_add, "KILL");
	settings_merge(&s, &over);
	assert_string_equal(s.network, "none");
	assert_string_equal(s.user, "a");
	assert_int_equal(s.cap_add.count, 2);
	assert_string_equal(s.cap_add.items[1], "KILL");
}

static void refuses_a_network_that_chroot_cannot_have(void **state)
{
	struct settings s = {.isolation = TEXT("chroot"), .network = TEXT("none")};

	check(&s, -EINVAL);
	s.network = TEXT("host");
	check(&s, 0);
	s.isolation = TEXT("rootless");
	s.network = TEXT("none");
	check(&s, 0);
	s.network = TEXT("container:x");
	check(&s, -EINVAL);
}

static void refuses_what_it_cannot_do_instead_of_ignoring_it(void **state)
{
	struct settings runtime = {.runtime = TEXT("kata-runtime")};
	struct settings parent = {.cgroup_parent = TEXT("/x")};
	struct settings userns = {.userns = TEXT("ns:/proc/1/ns/user")};
	struct settings pid = {.pid = TEXT("ns:/x")};

	check(&runtime, -EINVAL);
	check(&parent, -ENOTSUP);
	check(&userns, -EINVAL);
	check(&pid, -EINVAL);
}

static void checks_limits(void **state)
{
	struct run_cgroup cgroup = {0};
	struct settings s = {.memory = TEXT("64m"),
			     .memory_swap = TEXT("128m"),
			     .cpu_quota = TEXT("50000"),
			     .cpuset_cpus = TEXT("0-1,3")};

	assert_int_equal(cgroup_parse(&s, &cgroup, NULL), 0);
	assert_true(cgroup.is_set);
	assert_int_equal(cgroup.memory, 64 << 20);
	assert_int_equal(cgroup.memory_swap, 128 << 20);
	s.memory_swap = TEXT("32m");
	assert_int_equal(cgroup_parse(&s, &cgroup, NULL), -EINVAL);
	s.memory_swap = TEXT("-1");
	assert_int_equal(cgroup_parse(&s, &cgroup, NULL), 0);
	s.cpuset_cpus = TEXT("0;1");
	assert_int_equal(cgroup_parse(&s, &cgroup, NULL), -EINVAL);
	struct settings none = {.memory = TEXT("0"), .pids_limit = TEXT("-1")};
	assert_int_equal(cgroup_parse(&none, &cgroup, NULL), 0);
	assert_false(cgroup.is_set);
}

static void reads_devices(void **state)
{
	char *source = NULL, *target = NULL;
	bool read_only = false;

	assert_int_equal(device_parse("/dev/fuse:/dev/f:r", &source, &target, &read_only, NULL), 0);
	cleanup_free char *owned = source, *owned_too = target;
	assert_string_equal(source, "/dev/fuse");
	assert_string_equal(target, "/dev/f");
	assert_true(read_only);
	assert_int_equal(device_parse("fuse", &source, &target, &read_only, NULL), -EINVAL);
	assert_int_equal(device_parse("/dev/a:/dev/b:x", &source, &target, &read_only, NULL), -EINVAL);
	assert_int_equal(device_parse("/a:r:w", &source, &target, &read_only, NULL), -EINVAL);
}

static void reads_security_options(void **state)
{
	cleanup(security_done) struct security security = {0};
	cleanup(strlist_done) struct strlist options = {0};

	strlist_append(&options, "seccomp=unconfined");
	strlist_append(&options, "no-new-privileges");
	strlist_append(&options, "label:disable");
	strlist_append(&options, "unmask=/proc/acpi:/proc/keys");
	assert_int_equal(security_parse(&options, &security, NULL), 0);
	assert_string_equal(security.seccomp, "unconfined");
	assert_true(security.no_new_privs);
	assert_string_equal(security.label, "disable");
	assert_int_equal(security.unmask.count, 2);
	strlist_append(&options, "bogus=1");
	struct security other;
	assert_int_equal(security_parse(&options, &other, NULL), -EINVAL);
}

static void reads_hosts(void **state)
{
	char *name = NULL, *address = NULL;

	assert_int_equal(add_host_parse("db:::1", &name, &address, NULL), 0);
	cleanup_free char *owned = name, *owned_too = address;
	assert_string_equal(name, "db");
	assert_string_equal(address, "::1");
	assert_int_equal(add_host_parse("db", &name, &address, NULL), -EINVAL);
	assert_int_equal(add_host_parse("db:", &name, &address, NULL), -EINVAL);
	assert_int_equal(add_host_parse("db:1.2.3.4 evil", &name, &address, NULL), -EINVAL);
	assert_int_equal(add_host_parse("a\nb:1.2.3.4", &name, &address, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_settings_through_json),
		cmocka_unit_test(merges_texts_over_and_lists_behind),
		cmocka_unit_test(refuses_a_network_that_chroot_cannot_have),
		cmocka_unit_test(refuses_what_it_cannot_do_instead_of_ignoring_it),
		cmocka_unit_test(checks_limits),
		cmocka_unit_test(reads_devices),
		cmocka_unit_test(reads_security_options),
		cmocka_unit_test(reads_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
