/* Addresses of git repositories, as values. */
#include "builder/git.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

static void tells_repositories_from_other_addresses(void **state)
{
	static const char *const repositories[] = {
		"https://host/team/app.git",
		"https://host/team/app.git#main:src",
		"https://host/app.git?ref=v1",
		"http://127.0.0.1:80/app.git",
		"ssh://git@host/app",
		"git://host/app",
		"file:///srv/app",
		"git@host:team/app",
		"github.com/team/app",
		"https://host/team/app.git/#x",
	};
	static const char *const others[] = {"https://host/app.tar.gz",
					     "https://host/app.git.tar",
					     "ext::sh -c id",
					     "./app.git",
					     "app",
					     "C:/app",
					     "a/b@c:d",
					     "https://host/x?y=z.git",
					     "@host:path",
					     "user@host"};

	for (size_t i = 0; i < ARRAY_COUNT(repositories); i++)
		if (!git_address_is(repositories[i]))
			fail_msg("%s is one", repositories[i]);
	for (size_t i = 0; i < ARRAY_COUNT(others); i++)
		if (git_address_is(others[i]))
			fail_msg("%s is none", others[i]);
}

static void assert_text(const char *have, const char *want)
{
	assert_string_equal(have ? have : "(null)", want ? want : "(null)");
}

static void takes_an_address_apart(void **state)
{
	static const struct {
		const char *text, *url, *protocol, *ref, *subdir;
	} examples[] = {
		{"https://host/app.git", "https://host/app.git", "https", NULL, NULL},
		{"https://host/app.git#v1", "https://host/app.git", "https", "v1", NULL},
		{"https://host/app.git#v1:src/a", "https://host/app.git", "https", "v1", "src/a"},
		{"https://host/app.git#:src", "https://host/app.git", "https", NULL, "src"},
		{"https://host/app.git#refs/pull/3/head", "https://host/app.git", "https", "refs/pull/3/head", NULL},
		{"git@host:team/app#dev", "git@host:team/app", "ssh", "dev", NULL},
		{"github.com/team/app", "https://github.com/team/app", "https", NULL, NULL},
		{"file:///srv/app?tag=v1&subdir=/a//b/", "file:///srv/app", "file", "refs/tags/v1", "a/b"},
		{"https://host/app.git?branch=a%2Fb", "https://host/app.git", "https", "refs/heads/a/b", NULL},
		{"https://host/app.git?ref=x&submodules=false&keep-git-dir=1", "https://host/app.git", "https", "x",
		 NULL},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(git_address_done) struct git_address address = {0};
		assert_int_equal(git_address_parse(examples[i].text, &address, NULL), 0);
		assert_text(address.url, examples[i].url);
		assert_text(address.protocol, examples[i].protocol);
		assert_text(address.ref, examples[i].ref);
		assert_text(address.subdir, examples[i].subdir);
	}
}

static void reads_the_switches_of_the_query(void **state)
{
	cleanup(git_address_done) struct git_address address = {0};

	assert_int_equal(git_address_parse("https://h/a.git?keep-git-dir=true&submodules=0&mtime=commit&"
					   "checksum=0123456789abcdef",
					   &address, NULL),
			 0);
	assert_true(address.keep_git_dir);
	assert_true(address.no_submodules);
	assert_int_equal(address.mtime, GIT_MTIME_COMMIT);
	assert_string_equal(address.checksum, "0123456789abcdef");
}

static void refuses_what_git_could_misread(void **state)
{
	static const char *const bad[] = {
		"ext::sh -c id",
		"ssh://-oProxyCommand=id/x",
		"ssh://git@-oProxyCommand=id/x",
		"git@-oProxyCommand=id:x",
		"https://h/a.git#--upload-pack=id",
		"https://h/a.git#+main",
		"https://h/a.git#main..dev",
		"https://h/a.git#ma in",
		"https://h/a.git#main~1",
		"https://h/a.git?ref=a:b",
		"https://h/a.git?ref=%2d%2dx",
		"https://h/a.git?ref=a%00b",
		"https://h/a.git?ref=a%0",
		"https://h/a.git#main:../x",
		"https://h/a.git#main:a/../../x",
		"https://h/a.git?ref=a&branch=b",
		"https://h/a.git?subdir=a#:b",
		"https://h/a.git?unknown=1",
		"https://h/a.git?checksum=xyz",
		"https://h/a.git?mtime=never",
	};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		cleanup(git_address_done) struct git_address address = {0};
		cleanup_error struct error *err = NULL;
		if (git_address_parse(bad[i], &address, &err) != -EINVAL)
			fail_msg("%s is taken", bad[i]);
		assert_non_null(err);
	}
}

static void keeps_passwords_out_of_errors(void **state)
{
	cleanup(git_address_done) struct git_address address = {0};
	cleanup_error struct error *err = NULL;

	assert_int_equal(git_address_parse("https://me:secret@h/a.git#main", &address, NULL), 0);
	cleanup_free char *shown = git_address_format(&address);
	assert_string_equal(shown, "https://me:***@h/a.git");
	git_address_done(&address);
	assert_int_equal(git_address_parse("https://me:secret@h/a.git#-x", &address, &err), -EINVAL);
	assert_null(strstr(error_message(err), "secret"));
}

static void takes_who_we_are_out_of_the_address(void **state)
{
	cleanup(git_address_done) struct git_address address = {0};
	cleanup_error struct error *err = NULL;

	assert_int_equal(git_address_parse("https://m%65:a%40b:c@h/a.git", &address, NULL), 0);
	assert_string_equal(address.url, "https://h/a.git");
	assert_string_equal(address.user, "me");
	assert_string_equal(address.password, "a@b:c");
	git_address_done(&address);
	/* The name alone may be a token. */
	assert_int_equal(git_address_parse("https://token@h/a.git", &address, NULL), 0);
	cleanup_free char *shown = git_address_format(&address);
	assert_string_equal(shown, "https://***@h/a.git");
	git_address_done(&address);
	/* One that git would read as a further line. */
	assert_int_equal(git_address_parse("https://me:a%0ahost=evil@h/a.git", &address, &err), -EINVAL);
	assert_null(strstr(error_message(err), "evil"));
	/* ssh's is a name, and ssh's own to read. */
	assert_int_equal(git_address_parse("ssh://git@h/a.git", &address, NULL), 0);
	assert_string_equal(address.url, "ssh://git@h/a.git");
	assert_null(address.user);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_repositories_from_other_addresses),
		cmocka_unit_test(takes_an_address_apart),
		cmocka_unit_test(reads_the_switches_of_the_query),
		cmocka_unit_test(refuses_what_git_could_misread),
		cmocka_unit_test(keeps_passwords_out_of_errors),
		cmocka_unit_test(takes_who_we_are_out_of_the_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
