/* Databases of package managers, as they are and as somebody might have made them. */
#include "builder/attest_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void dpkg_lists_what_is_installed(void **state)
{
	cleanup(sbom_packages_done) struct sbom_packages packages = {0};

	sbom_parse_dpkg("Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2~3\n"
			"Description: x\n Package: inside\n\n"
			"Package: removed\nStatus: deinstall ok config-files\nVersion: 1\n\n"
			"Package: half\nStatus: install ok half-installed\nVersion: 1\n\n"
			"Package: last\nStatus: install ok installed\nVersion: 2",
			&packages);
	assert_int_equal(packages.count, 2);
	assert_string_equal(packages.items[0].kind, "deb");
	assert_string_equal(packages.items[0].name, "a");
	assert_string_equal(packages.items[0].version, "1:2~3");
	assert_string_equal(packages.items[0].architecture, "amd64");
	assert_string_equal(packages.items[1].name, "last");
	assert_string_equal(packages.items[1].architecture, "");
}

static void a_distroless_file_without_a_status_is_installed(void **state)
{
	cleanup(sbom_packages_done) struct sbom_packages packages = {0};

	sbom_parse_dpkg("Package: base-files\nVersion: 12.4\nArchitecture: amd64\n", &packages);
	assert_int_equal(packages.count, 1);
}

static void apk_lists_name_version_and_architecture(void **state)
{
	cleanup(sbom_packages_done) struct sbom_packages packages = {0};

	sbom_parse_apk("C:Q1=\nP:musl\nV:1.2-r0\nA:x86_64\nT:the musl\nF:lib\nR:ld\n\nP:nothing\n\nP:b\nV:1\n",
		       &packages);
	assert_int_equal(packages.count, 2);
	assert_string_equal(packages.items[0].kind, "apk");
	assert_string_equal(packages.items[0].name, "musl");
	assert_string_equal(packages.items[0].version, "1.2-r0");
	assert_string_equal(packages.items[1].name, "b");
}

static void what_a_terminal_would_obey_is_taken_out(void **state)
{
	cleanup(sbom_packages_done) struct sbom_packages packages = {0};

	sbom_parse_apk("P:a\x1b[2Jb\tc\nV:1\r\n\n\n\n", &packages);
	assert_int_equal(packages.count, 1);
	assert_string_equal(packages.items[0].name, "a?[2Jb c");
	assert_string_equal(packages.items[0].version, "1?");
}

static void nothing_gives_nothing(void **state)
{
	static const char *const texts[] = {"", "\n\n\n", "Package:", "Package:\nVersion", "P:\n", ":"};
	cleanup(sbom_packages_done) struct sbom_packages packages = {0};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		sbom_parse_dpkg(texts[i], &packages);
		sbom_parse_apk(texts[i], &packages);
	}
	assert_int_equal(packages.count, 0);
}

static void os_release_is_read_with_and_without_quotes(void **state)
{
	static const char text[] = "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID='12'\nEMPTY=\nONE=\"\n";
	static const char *const values[][2] = {{"ID", "debian"}, {"VERSION_ID", "12"}, {"NAME", "Debian GNU/Linux"},
						{"EMPTY", ""},	  {"MISSING", ""},	{"ONE", "\""}};

	for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
		cleanup_free char *value = sbom_os_field(text, values[i][0]);
		assert_string_equal(value, values[i][1]);
	}
}

static void says_that_it_has_not_listed_all(void **state)
{
	cleanup(sbom_packages_done) struct sbom_packages packages = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);

	for (int i = 0; i < 20000; i++)
		buf_printf(&text, "P:p%d\nV:1\n\n", i);
	sbom_parse_apk(buf_str(&text), &packages);
	assert_int_equal(packages.count, 20000);
	assert_false(packages.are_too_many);
	sbom_parse_apk("P:x\nV:1\n", &packages);
	assert_int_equal(packages.count, 20000);
	assert_true(packages.are_too_many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dpkg_lists_what_is_installed),
		cmocka_unit_test(a_distroless_file_without_a_status_is_installed),
		cmocka_unit_test(apk_lists_name_version_and_architecture),
		cmocka_unit_test(what_a_terminal_would_obey_is_taken_out),
		cmocka_unit_test(nothing_gives_nothing),
		cmocka_unit_test(os_release_is_read_with_and_without_quotes),
		cmocka_unit_test(says_that_it_has_not_listed_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
