/* registry/tls.h: which directory says what about which host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/tree.h"
#include "registry/tls.h"

/* A configuration directory of the test's own, with containers/certs.d in it. */
struct place {
	char *path;
	int dirfd; /* of certs.d */
};

static int make_place(void **state)
{
	struct place *place = mem_alloc(sizeof(*place));
	char template[] = "/tmp/cooper-tls-XXXXXX";

	if (!mkdtemp(template))
		return -1;
	place->path = mem_strdup(template);
	cleanup_free char *containers = mem_printf("%s/containers", template);
	cleanup_free char *certs = mem_printf("%s/containers/certs.d", template);
	mkdir(containers, 0700);
	mkdir(certs, 0700);
	place->dirfd = open(certs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	setenv("XDG_CONFIG_HOME", template, 1);
	unsetenv("SSL_CERT_FILE");
	unsetenv("SSL_CERT_DIR");
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;

	tree_remove(AT_FDCWD, place->path, NULL);
	fd_close(place->dirfd);
	free(place->path);
	free(place);
	return 0;
}

static void put(const struct place *place, const char *directory, const char *name, const char *text)
{
	mkdirat(place->dirfd, directory, 0700);
	cleanup_close int dirfd = openat(place->dirfd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(atomic_file_write(dirfd, name, 0600, text, strlen(text), 0, NULL), 0);
}

/* Whether the authorities for a host hold this text. */
static bool trusts(const char *host, const char *text)
{
	cleanup(tls_settings_done) struct tls_settings settings = {0};

	assert_int_equal(tls_settings_load(NULL, host, &settings, NULL), 0);
	return strstr(buf_str(&settings.authorities), text) != NULL;
}

static void a_directory_is_for_its_host_and_port(void **state)
{
	put(*state, "h.test:5000", "a.crt", "AUTHORITY A");
	put(*state, "h.test:5000", "notes.txt", "NOT THIS");
	assert_true(trusts("h.test:5000", "AUTHORITY A"));
	assert_false(trusts("h.test:5000", "NOT THIS"));
	assert_false(trusts("h.test", "AUTHORITY A"));
	assert_false(trusts("h.test:5001", "AUTHORITY A"));
}

static void the_port_of_https_may_be_written(void **state)
{
	put(*state, "one.test:443", "a.crt", "AUTHORITY ONE");
	put(*state, "two.test", "a.crt", "AUTHORITY TWO");
	put(*state, "[::1]:443", "a.crt", "AUTHORITY SIX");
	assert_true(trusts("one.test", "AUTHORITY ONE"));
	assert_true(trusts("two.test", "AUTHORITY TWO"));
	assert_true(trusts("[::1]", "AUTHORITY SIX"));
}

static void dockers_registry_is_called_as_users_call_it(void **state)
{
	put(*state, "docker.io", "a.crt", "AUTHORITY HUB");
	assert_true(trusts("registry-1.docker.io", "AUTHORITY HUB"));
}

static void own_authorities_stand_beside_the_systems(void **state)
{
	struct place *place = *state;
	cleanup_free char *file = mem_printf("%s/containers/certs.d/all.pem", place->path);

	put(place, ".", "all.pem", "AUTHORITY ALL");
	put(place, "h.test", "a.crt", "AUTHORITY A");
	put(place, "h.test", "b.crt", "AUTHORITY B");
	setenv("SSL_CERT_FILE", file, 1);
	assert_true(trusts("h.test", "AUTHORITY A"));
	assert_true(trusts("h.test", "AUTHORITY B"));
	assert_true(trusts("h.test", "AUTHORITY ALL"));
	assert_true(trusts("other.test", "AUTHORITY ALL"));
	unsetenv("SSL_CERT_FILE");
}

static void every_file_of_ssl_cert_dir_counts(void **state)
{
	struct place *place = *state;
	cleanup_free char *dirs = mem_printf("/no/such:%s/containers/certs.d/all", place->path);

	put(place, "all", "some.pem", "-----BEGIN CERTIFICATE-----\nSOME\n");
	put(place, "all", "README", "no certificate");
	setenv("SSL_CERT_DIR", dirs, 1);
	assert_true(trusts("h.test", "SOME"));
	assert_false(trusts("h.test", "no certificate"));
	unsetenv("SSL_CERT_DIR");
}

static void we_are_a_certificate_and_its_key(void **state)
{
	struct place *place = *state;
	cleanup(tls_settings_done) struct tls_settings settings = {0};
	cleanup_free char *key = mem_printf("%s/containers/certs.d/h.test/me.key", place->path);

	put(place, "h.test", "me.cert", "CERTIFICATE");
	assert_int_equal(tls_settings_load(NULL, "h.test", &settings, NULL), -EINVAL);
	put(place, "h.test", "me.key", "KEY");
	assert_int_equal(tls_settings_load(NULL, "h.test", &settings, NULL), 0);
	assert_string_equal(settings.key, key);
	assert_int_equal(unlinkat(place->dirfd, "h.test/me.cert", 0), 0);
	assert_int_equal(tls_settings_load(NULL, "h.test", &settings, NULL), -EINVAL);
}

static void a_directory_that_was_named_replaces_all_others(void **state)
{
	struct place *place = *state;
	cleanup(tls_settings_done) struct tls_settings settings = {0};
	cleanup_free char *named = mem_printf("%s/containers/certs.d/named", place->path);
	cleanup_free char *missing = mem_printf("%s/missing", place->path);

	put(place, "named", "n.crt", "AUTHORITY NAMED");
	put(place, "h.test", "a.crt", "AUTHORITY A");
	assert_int_equal(tls_settings_load(named, "h.test", &settings, NULL), 0);
	assert_non_null(strstr(buf_str(&settings.authorities), "AUTHORITY NAMED"));
	assert_null(strstr(buf_str(&settings.authorities), "AUTHORITY A\n"));
	assert_int_equal(tls_settings_load(missing, "h.test", &settings, NULL), -ENOENT);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_PLACE(a_directory_is_for_its_host_and_port),
		IN_PLACE(the_port_of_https_may_be_written),
		IN_PLACE(dockers_registry_is_called_as_users_call_it),
		IN_PLACE(own_authorities_stand_beside_the_systems),
		IN_PLACE(every_file_of_ssl_cert_dir_counts),
		IN_PLACE(we_are_a_certificate_and_its_key),
		IN_PLACE(a_directory_that_was_named_replaces_all_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
