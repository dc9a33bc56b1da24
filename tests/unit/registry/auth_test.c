/* registry/auth.h: credentials in all files that users keep them in, and helpers (a shell script stands for one). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tree.h"
#include "registry/auth.h"

/* A home of the test's own; every variable that names another place is unset. */
struct home {
	char *path;
	int dirfd;
	char *old_path;
};

static int make_home(void **state)
{
	struct home *home = mem_alloc(sizeof(*home));
	char template[] = "/tmp/cooper-auth-XXXXXX";

	if (!mkdtemp(template))
		return -1;
	home->path = mem_strdup(template);
	home->dirfd = open(home->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	home->old_path = mem_strdup(getenv("PATH"));
	cleanup_free char *run = mem_printf("%s/run", home->path);
	cleanup_free char *path = mem_printf("%s/bin:%s", home->path, home->old_path);
	setenv("HOME", home->path, 1);
	setenv("XDG_RUNTIME_DIR", run, 1);
	setenv("PATH", path, 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("DOCKER_CONFIG");
	unsetenv("REGISTRY_AUTH_FILE");
	static const char *const dirs[] = {"run", "run/containers", ".config", ".config/containers", ".docker", "bin"};
	for (size_t i = 0; i < ARRAY_COUNT(dirs); i++)
		mkdirat(home->dirfd, dirs[i], 0700);
	log_set_level(LOG_ERROR);
	*state = home;
	return 0;
}

static int remove_home(void **state)
{
	struct home *home = *state;

	setenv("PATH", home->old_path, 1);
	tree_remove(AT_FDCWD, home->path, NULL);
	fd_close(home->dirfd);
	free(home->old_path);
	free(home->path);
	free(home);
	return 0;
}

static void put(const struct home *home, const char *path, mode_t mode, const char *text)
{
	assert_int_equal(atomic_file_write(home->dirfd, path, mode, text, strlen(text), 0, NULL), 0);
}

static char *take(const struct home *home, const char *path)
{
	struct buf text = BUF_INIT(65536);

	assert_int_equal(fd_read_file(home->dirfd, path, &text, NULL), 0);
	return buf_take(&text);
}

/* "user:password", "token:…", "registry:…" or "none" for a repository, compared with what is expected. */
static void expect(const char *authfile, const char *repository, const char *want)
{
	cleanup(credentials_done) struct credentials found = {0};
	cleanup_error struct error *error = NULL;
	cleanup_free char *got = NULL;

	if (credentials_find(authfile, repository, &found, &error) < 0)
		fail_msg("%s: %s", repository, error_message(error));
	if (found.identity_token)
		got = mem_printf("token:%s", found.identity_token);
	else if (found.registry_token)
		got = mem_printf("registry:%s", found.registry_token);
	else if (found.username)
		got = mem_printf("%s:%s", found.username, found.password);
	else
		got = mem_strdup("none");
	assert_string_equal(got, want);
}

#define ALICE "{\"auth\":\"YWxpY2U6YTpiOmM=\"}" /* alice:a:b:c */
#define BOB "{\"auth\":\"Ym9iOnB3AAA=\"}"	/* bob:pw and two NULs */

static void the_longest_matching_path_wins(void **state)
{
	put(*state, "run/containers/auth.json", 0600,
	    "{\"auths\":{\"h:5000\":" BOB ",\"h:5000/ns\":" ALICE ",\"h:5000/ns/empty\":{}}}");
	expect(NULL, "h:5000/ns/img", "alice:a:b:c");
	expect(NULL, "h:5000/ns/empty", "alice:a:b:c");
	expect(NULL, "h:5000/nsx/img", "bob:pw");
	expect(NULL, "h:5000", "bob:pw");
	expect(NULL, "h", "none");
	expect(NULL, "h:5000.evil/ns", "none");
}

static void files_are_asked_in_order(void **state)
{
	put(*state, ".dockercfg", 0600, "{\"https://h/v1/\":" BOB "}");
	expect(NULL, "h/x", "bob:pw");
	put(*state, ".docker/config.json", 0600, "{\"auths\":{\"h\":{\"username\":\"carol\",\"password\":\"p\"}}}");
	expect(NULL, "h/x", "carol:p");
	put(*state, ".config/containers/auth.json", 0600, "{\"auths\":{\"h\":{\"identitytoken\":\"id\"}}}");
	expect(NULL, "h/x", "token:id");
	put(*state, "run/containers/auth.json", 0600, "{\"auths\":{\"h\":{\"registrytoken\":\"rt\"}}}");
	expect(NULL, "h/x", "registry:rt");
}

static void docker_hub_has_many_names(void **state)
{
	put(*state, ".docker/config.json", 0600, "{\"auths\":{\"https://index.docker.io/v1/\":" ALICE "}}");
	expect(NULL, "docker.io/library/debian", "alice:a:b:c");
	expect(NULL, "quay.io/x", "none");
	/* As `docker login` by browser leaves them; and an empty entry hides no full one. */
	put(*state, ".docker/config.json", 0600,
	    "{\"auths\":{\"https://index.docker.io/v1/access-token\":" BOB ",\"docker.io\":{},"
	    "\"https://index.docker.io/v1/\":" ALICE ",\"https://index.docker.io/v1/refresh-token\":" BOB "}}");
	expect(NULL, "docker.io/library/debian", "alice:a:b:c");
}

static void a_kubernetes_secret_works_as_it_is_mounted(void **state)
{
	struct home *home = *state;
	cleanup_free char *dir = mem_printf("%s/.docker", home->path);
	cleanup_free char *file = mem_printf("%s/.docker/.dockerconfigjson", home->path);

	put(home, ".docker/data", 0600, "{\"auths\":{\"h\":" ALICE "}}");
	assert_int_equal(symlinkat("data", home->dirfd, ".docker/.dockerconfigjson"), 0);
	setenv("DOCKER_CONFIG", dir, 1);
	expect(NULL, "h/x", "alice:a:b:c");
	unsetenv("DOCKER_CONFIG");
	expect(file, "h/x", "alice:a:b:c");
}

static void a_home_that_is_no_directory_holds_nothing(void **state)
{
	setenv("HOME", "/dev/null", 1);
	expect(NULL, "h/x", "none");
	put(*state, "run/containers/auth.json", 0600, "{\"auths\":{\"h\":" BOB "}}");
	expect(NULL, "h/x", "bob:pw");
}

static void an_explicit_file_must_exist(void **state)
{
	struct credentials found = {0};
	cleanup_error struct error *error = NULL;

	assert_int_equal(credentials_find("/no/such/file", "h", &found, &error), -ENOENT);
	assert_string_equal(error_message(error),
			    "credential file is not accessible: faccessat /no/such/file: no such file or directory");
	setenv("REGISTRY_AUTH_FILE", "/no/such/file", 1);
	assert_int_equal(credentials_find(NULL, "h", &found, NULL), -ENOENT);
	unsetenv("REGISTRY_AUTH_FILE");
}

static void a_spoiled_file_is_an_error_that_shows_no_secret(void **state)
{
	struct credentials found = {0};
	cleanup_error struct error *error = NULL;

	put(*state, "run/containers/auth.json", 0600, "{\"auths\":{\"h\":{\"auth\":\"!sekrit!\"}}}");
	assert_int_equal(credentials_find(NULL, "h", &found, &error), -EINVAL);
	assert_null(strstr(error_message(error), "sekrit"));
	put(*state, "run/containers/auth.json", 0600, "[]");
	assert_int_equal(credentials_find(NULL, "h", &found, NULL), -EINVAL);
}

static void an_empty_file_holds_nothing(void **state)
{
	put(*state, "run/containers/auth.json", 0600, "\n");
	expect(NULL, "h", "none");
}

/* ---- Helpers -------------------------------------------------------------------------------------------------------
 */

#define HELPER                                                                                  \
	"#!/bin/sh\n"                                                                           \
	"read key\n"                                                                            \
	"case \"$1 $key\" in\n"                                                                 \
	"'get h') echo '{\"ServerURL\":\"h\",\"Username\":\"helped\",\"Secret\":\"s\"}';;\n"    \
	"'get t') echo '{\"Username\":\"<token>\",\"Secret\":\"idt\"}';;\n"                     \
	"'get https://index.docker.io/v1/') echo '{\"Username\":\"hub\",\"Secret\":\"s\"}';;\n" \
	"'get broken') echo 'vault is sealed'; exit 1;;\n"                                      \
	"get*) echo 'credentials not found in native keychain'; exit 1;;\n"                     \
	"store*) printf '%s' \"$key\" > \"$HOME/stored\";;\n"                                   \
	"erase*) printf '%s' \"$key\" > \"$HOME/erased\";;\n"                                   \
	"esac\n"

static void a_helper_of_the_host_is_asked_first(void **state)
{
	put(*state, "bin/docker-credential-test", 0755, HELPER);
	put(*state, "run/containers/auth.json", 0600,
	    "{\"credHelpers\":{\"h\":\"test\",\"t\":\"test\",\"n\":\"test\"},\"auths\":{\"h\":" ALICE ",\"n\":" BOB
	    "}}");
	expect(NULL, "h/x", "helped:s");
	expect(NULL, "t/x", "token:idt");
	expect(NULL, "n/x", "bob:pw");
}

static void the_store_of_a_file_is_asked_last(void **state)
{
	put(*state, "bin/docker-credential-test", 0755, HELPER);
	put(*state, ".docker/config.json", 0600, "{\"credsStore\":\"test\",\"auths\":{\"h\":{},\"a\":" ALICE "}}");
	expect(NULL, "h/x", "helped:s");
	expect(NULL, "a/x", "alice:a:b:c");
	expect(NULL, "docker.io/library/x", "hub:s");
	expect(NULL, "elsewhere/x", "none");
}

static void a_helper_that_fails_is_an_error_only_where_it_was_meant(void **state)
{
	struct credentials found = {0};
	cleanup_error struct error *error = NULL;

	put(*state, "bin/docker-credential-test", 0755, HELPER);
	put(*state, ".docker/config.json", 0600, "{\"credsStore\":\"missing\"}");
	expect(NULL, "h/x", "none");
	put(*state, ".docker/config.json", 0600, "{\"credHelpers\":{\"broken\":\"test\"}}");
	assert_int_equal(credentials_find(NULL, "broken/x", &found, &error), -EIO);
	assert_non_null(strstr(error_message(error), "vault is sealed"));
	put(*state, ".docker/config.json", 0600, "{\"credHelpers\":{\"h\":\"../bin/sh\"}}");
	assert_int_equal(credentials_find(NULL, "h/x", &found, NULL), -EINVAL);
}

/* ---- login and logout ----------------------------------------------------------------------------------------------
 */

static void login_writes_a_private_file_and_keeps_the_rest(void **state)
{
	struct home *home = *state;
	cleanup_free char *written = NULL;
	struct stat st;

	put(home, "run/containers/auth.json", 0644, "{\"auths\":{\"o\":" BOB "},\"other\":[1]}");
	assert_int_equal(credentials_store(NULL, "h:5000", "alice", "a:b:c", &written, NULL), 0);
	assert_non_null(strstr(written, "run/containers/auth.json"));
	expect(NULL, "h:5000/x", "alice:a:b:c");
	expect(NULL, "o/x", "bob:pw");
	assert_int_equal(fstatat(home->dirfd, "run/containers/auth.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	cleanup_free char *text = take(home, "run/containers/auth.json");
	assert_non_null(strstr(text, "\"other\""));
}

static void login_makes_the_directory_of_a_named_file(void **state)
{
	struct home *home = *state;
	cleanup_free char *file = mem_printf("%s/new/dir/auth.json", home->path);

	assert_int_equal(credentials_store(file, "h/ns", "u", "p", NULL, NULL), 0);
	expect(file, "h/ns/img", "u:p");
	expect(file, "h/other", "none");
}

static void logout_removes_one_or_all(void **state)
{
	assert_int_equal(credentials_erase(NULL, "h", NULL), -ENOENT);
	assert_int_equal(credentials_store(NULL, "h", "u", "p", NULL, NULL), 0);
	assert_int_equal(credentials_store(NULL, "i", "u", "p", NULL, NULL), 0);
	assert_int_equal(credentials_erase(NULL, "x", NULL), -ENOENT);
	assert_int_equal(credentials_erase(NULL, "h", NULL), 0);
	expect(NULL, "h", "none");
	expect(NULL, "i", "u:p");
	assert_int_equal(credentials_erase(NULL, NULL, NULL), 0);
	expect(NULL, "i", "none");
}

static void login_leaves_the_password_to_the_helper_of_the_file(void **state)
{
	struct home *home = *state;

	put(home, "bin/docker-credential-test", 0755, HELPER);
	put(home, "run/containers/auth.json", 0600, "{\"credsStore\":\"test\"}");
	assert_int_equal(credentials_store(NULL, "h", "u", "sekrit", NULL, NULL), 0);
	cleanup_free char *stored = take(home, "stored");
	assert_string_equal(stored, "{\"Secret\":\"sekrit\",\"ServerURL\":\"h\",\"Username\":\"u\"}");
	cleanup_free char *text = take(home, "run/containers/auth.json");
	assert_null(strstr(text, "sekrit"));
	assert_int_equal(credentials_erase(NULL, "h", NULL), 0);
	cleanup_free char *erased = take(home, "erased");
	assert_string_equal(erased, "h");
}

#define AT_HOME(test) cmocka_unit_test_setup_teardown(test, make_home, remove_home)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_HOME(the_longest_matching_path_wins),
		AT_HOME(files_are_asked_in_order),
		AT_HOME(docker_hub_has_many_names),
		AT_HOME(a_kubernetes_secret_works_as_it_is_mounted),
		AT_HOME(a_home_that_is_no_directory_holds_nothing),
		AT_HOME(an_explicit_file_must_exist),
		AT_HOME(a_spoiled_file_is_an_error_that_shows_no_secret),
		AT_HOME(an_empty_file_holds_nothing),
		AT_HOME(a_helper_of_the_host_is_asked_first),
		AT_HOME(the_store_of_a_file_is_asked_last),
		AT_HOME(a_helper_that_fails_is_an_error_only_where_it_was_meant),
		AT_HOME(login_writes_a_private_file_and_keeps_the_rest),
		AT_HOME(login_makes_the_directory_of_a_named_file),
		AT_HOME(logout_removes_one_or_all),
		AT_HOME(login_leaves_the_password_to_the_helper_of_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
