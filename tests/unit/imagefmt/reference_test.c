#include "imagefmt/reference.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void assert_parts(const char *text, const char *domain, const char *path, const char *tag, bool has_digest)
{
	cleanup(reference_done) struct reference ref = {0};
	assert_int_equal(reference_parse(text, &ref, NULL), 0);
	if (domain)
		assert_string_equal(ref.domain, domain);
	else
		assert_null(ref.domain);
	assert_string_equal(ref.path, path);
	if (tag)
		assert_string_equal(ref.tag, tag);
	else
		assert_null(ref.tag);
	assert_int_equal(digest_is_null(&ref.digest), !has_digest);
}

static void names_come_apart_as_the_grammar_says(void **state)
{
	assert_parts("debian", NULL, "debian", NULL, false);
	assert_parts("debian:12", NULL, "debian", "12", false);
	assert_parts("foo/bar:12", NULL, "foo/bar", "12", false);
	assert_parts("localhost/x", "localhost", "x", NULL, false);
	assert_parts("localhost:5000/x:y", "localhost:5000", "x", "y", false);
	assert_parts("localhost:5000", NULL, "localhost", "5000", false);
	assert_parts("quay.io/a/b/c__d--e.f_g:V1.2-x", "quay.io", "a/b/c__d--e.f_g", "V1.2-x", false);
	assert_parts("quay.io/a:t@" DIGEST, "quay.io", "a", "t", true);
	assert_parts("a@" DIGEST, NULL, "a", NULL, true);
	assert_parts("[::1]:5000/x", "[::1]:5000", "x", NULL, false);
	assert_parts("[::1]/x", "[::1]", "x", NULL, false);
	assert_parts("Registry/x", "Registry", "x", NULL, false);
	assert_parts("xn--7o8h.com/myimage:x", "xn--7o8h.com", "myimage", "x", false);
}

static void dockers_registry_has_many_names(void **state)
{
	assert_parts("docker.io/debian", "docker.io", "library/debian", NULL, false);
	assert_parts("docker.io/a/b", "docker.io", "a/b", NULL, false);
	assert_parts("index.docker.io/debian", "docker.io", "library/debian", NULL, false);
	assert_parts("registry.hub.docker.com/a/b:1", "docker.io", "a/b", "1", false);
}

static void refuses_what_is_no_name(void **state)
{
	const char *texts[] = {
		"",
		":",
		"@",
		":tag",
		"@" DIGEST,
		"a:",
		"a@",
		"a@sha256:12",
		"A",
		"a/B",
		"a//b",
		"/a",
		"a/",
		"-a",
		"a-",
		"a..b",
		"a___b",
		"a._b",
		"a b",
		"a/../b",
		"../a",
		"quay.io/",
		"quay.io//a",
		"-x.io/a",
		"x-.io/a",
		"a.io:/b",
		"a.io:x/b",
		"a.io:123456/b",
		"[::1/x",
		"[]/x",
		"[zz]:1/x",
		"a:-t",
		"a:.t",
		"a:t/x:y:z",
		"a@" DIGEST "@" DIGEST,
		"a:b:c",
		"a\nb",
		"a%2fb",
		HEX,
		"sch\xc3\xb6n",
		"http://a.io/b",
		"a.io/b?x",
		"a.io/b#c",
	};
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(reference_done) struct reference ref = {0};
		cleanup_error struct error *err = NULL;
		if (reference_parse(texts[i], &ref, &err) != -EINVAL)
			fail_msg("'%s' was taken", texts[i]);
		assert_non_null(err);
	}
}

static void names_and_tags_have_a_greatest_length(void **state)
{
	char text[600];
	cleanup(reference_done) struct reference ref = {0};
	memset(text, 'a', sizeof(text));
	text[255] = '\0';
	assert_int_equal(reference_parse(text, &ref, NULL), 0);
	text[255] = 'a';
	text[256] = '\0';
	assert_int_equal(reference_parse(text, &ref, NULL), -EINVAL);
	memset(text, 'a', sizeof(text));
	text[1] = ':';
	text[2 + 128] = '\0';
	assert_int_equal(reference_parse(text, &ref, NULL), 0);
	text[2 + 128] = 'a';
	text[2 + 129] = '\0';
	assert_int_equal(reference_parse(text, &ref, NULL), -EINVAL);
}

static void what_is_put_before_a_name_counts_for_its_length(void **state)
{
	char path[256];
	cleanup_free char *name = NULL;
	cleanup(location_done) struct location location = {0};
	cleanup(reference_done) struct reference ref = {0};
	memset(path, 'a', sizeof(path));
	path[250] = '\0';
	cleanup_free char *place = mem_printf("docker://%s", path);
	cleanup_free char *full = mem_printf("docker.io/%.240s", path);
	assert_int_equal(reference_parse(path, &ref, NULL), 0);
	assert_int_equal(reference_parse(full, &ref, NULL), -EINVAL); /* library/ */
	assert_int_equal(reference_local_name(path, &name, NULL), -EINVAL);
	assert_int_equal(location_parse(place, &location, NULL), -EINVAL);
}

static void a_name_comes_back_whole(void **state)
{
	const char *texts[] = {"debian", "debian:12", "quay.io/a/b:t@" DIGEST, "localhost:5000/x@" DIGEST};
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(reference_done) struct reference ref = {0};
		assert_int_equal(reference_parse(texts[i], &ref, NULL), 0);
		cleanup_free char *text = reference_format(&ref);
		assert_string_equal(text, texts[i]);
	}
}

static void the_store_keeps_full_names(void **state)
{
	const char *pairs[][2] = {
		{"app", "localhost/app:latest"},
		{"my/app:1", "localhost/my/app:1"},
		{"localhost/app", "localhost/app:latest"},
		{"docker.io/debian", "docker.io/library/debian:latest"},
		{"quay.io/a@" DIGEST, "quay.io/a@" DIGEST},
	};
	for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
		cleanup_free char *name = NULL;
		assert_int_equal(reference_local_name(pairs[i][0], &name, NULL), 0);
		assert_string_equal(name, pairs[i][1]);
	}
}

static void assert_location(const char *text, enum transport transport, const char *path, const char *name)
{
	cleanup(location_done) struct location location = {0};
	assert_true(location_has_transport(text));
	assert_int_equal(location_parse(text, &location, NULL), 0);
	assert_int_equal(location.transport, transport);
	if (path)
		assert_string_equal(location.path, path);
	else
		assert_null(location.path);
	if (name)
		assert_string_equal(location.name, name);
	else
		assert_null(location.name);
	cleanup_free char *formatted = location_format(&location);
	assert_string_equal(formatted, text);
}

static void places_come_apart_at_their_first_colon(void **state)
{
	assert_location("oci:/tmp/x", TRANSPORT_OCI, "/tmp/x", NULL);
	assert_location("oci:/tmp/x:localhost/app:1", TRANSPORT_OCI, "/tmp/x", "localhost/app:1");
	assert_location("oci-archive:x.tar:v1", TRANSPORT_OCI_ARCHIVE, "x.tar", "v1");
	assert_location("docker-archive:x.tar:debian:12", TRANSPORT_DOCKER_ARCHIVE, "x.tar", "debian:12");
	assert_location("docker-archive:x.tar:@2", TRANSPORT_DOCKER_ARCHIVE, "x.tar", "@2");
	assert_location("dir:/a:b", TRANSPORT_DIR, "/a:b", NULL);
	assert_location("containers-storage:localhost/x", TRANSPORT_STORE, NULL, "localhost/x");
	assert_location("docker://quay.io/a:1", TRANSPORT_DOCKER, NULL, NULL);
}

static void a_registry_without_a_domain_is_dockers(void **state)
{
	cleanup(location_done) struct location location = {0};
	assert_int_equal(location_parse("docker://debian", &location, NULL), 0);
	cleanup_free char *text = location_format(&location);
	assert_string_equal(text, "docker://docker.io/library/debian:latest");
}

static void refuses_places_that_are_none(void **state)
{
	const char *texts[] = {"",
			       "debian",
			       "oci:",
			       "oci::x",
			       "oci:a:",
			       "oci:a:b c",
			       "docker://",
			       "docker://A B",
			       "docker-archive:",
			       "docker-archive:x:",
			       "dir:",
			       "containers-storage:",
			       "docker-daemon:x",
			       "docker-archive:x:@",
			       "docker-archive:x:@-1",
			       "docker-archive:x:A",
			       "docker-archive:x:a@" DIGEST,
			       "containers-storage:[x]y"};
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(location_done) struct location location = {0};
		cleanup_error struct error *err = NULL;
		if (location_parse(texts[i], &location, &err) != -EINVAL)
			fail_msg("'%s' was taken", texts[i]);
	}
}

static void names_that_look_like_transports_are_names(void **state)
{
	const char *texts[] = {"localhost:5000/x", "docker:24", "oci", "directory:1", "quay.io/oci:1", "ocix:1"};
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		assert_false(location_has_transport(texts[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_come_apart_as_the_grammar_says),
		cmocka_unit_test(dockers_registry_has_many_names),
		cmocka_unit_test(refuses_what_is_no_name),
		cmocka_unit_test(names_and_tags_have_a_greatest_length),
		cmocka_unit_test(what_is_put_before_a_name_counts_for_its_length),
		cmocka_unit_test(a_name_comes_back_whole),
		cmocka_unit_test(the_store_keeps_full_names),
		cmocka_unit_test(places_come_apart_at_their_first_colon),
		cmocka_unit_test(a_registry_without_a_domain_is_dockers),
		cmocka_unit_test(refuses_places_that_are_none),
		cmocka_unit_test(names_that_look_like_transports_are_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
