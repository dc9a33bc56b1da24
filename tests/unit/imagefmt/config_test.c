#include "imagefmt/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define D "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ROOTFS "\"rootfs\":{\"diff_ids\":[\"" D "\"],\"type\":\"layers\"}"

static int parse(const char *text, struct image_config *config)
{
	cleanup_error struct error *err = NULL;
	int rc = image_config_parse(text, strlen(text), "test", config, &err);
	assert_int_equal(rc < 0, err != NULL);
	return rc;
}

static void assert_formatted(const struct image_config *config, enum image_format format, const char *expected)
{
	cleanup(buf_done) struct buf out = BUF_INIT(CONFIG_SIZE_MAX);
	image_config_format(config, format, &out);
	assert_string_equal(buf_str(&out), expected);
}

static void every_field_comes_back_as_it_was(void **state)
{
	const char *text =
		"{\"architecture\":\"arm\",\"author\":\"me\",\"comment\":\"c\",\"config\":{\"ArgsEscaped\":true,"
		"\"Cmd\":[\"a\",\"\"],"
		"\"Domainname\":\"dom\",\"Entrypoint\":[\"e\"],\"Env\":[\"A=b=c\",\"P\"],\"ExposedPorts\":{\"80/"
		"tcp\":{}},"
		"\"Healthcheck\":{\"Interval\":1,\"Retries\":2,\"StartInterval\":5,\"StartPeriod\":3,\"Test\":["
		"\"NONE\"],"
		"\"Timeout\":4},\"Hostname\":\"h\",\"Labels\":{\"a\":\"b=c\",\"e\":\"\"},\"OnBuild\":[\"RUN "
		"x\"],\"Shell\":[\"/s\"],"
		"\"StopSignal\":\"9\",\"User\":\"u:g\",\"Volumes\":{\"/v\":{}},\"WorkingDir\":\"/"
		"w\"},\"container_config\":{},"
		"\"created\":\"2015-10-31T22:22:56.015925234+01:00\",\"future\":[1],\"history\":[{\"author\":\"x\","
		"\"comment\":\"y\","
		"\"created\":\"z\",\"created_by\":\"sh\"},{\"created_by\":\"ENV\",\"empty_layer\":true}],\"os\":"
		"\"linux\","
		"\"os.features\":[\"f\"],\"os.version\":\"1\",\"parent\":\"" D "\"," ROOTFS ",\"variant\":\"v7\"}";
	cleanup(image_config_done) struct image_config config = {0};
	assert_int_equal(parse(text, &config), 0);
	assert_string_equal(strlist_env_get(&config.labels, "a"), "b=c");
	assert_formatted(&config, FORMAT_DOCKER, text);

	cleanup(image_config_done) struct image_config copy = {0};
	assert_int_equal(image_config_copy(&copy, &config, NULL), 0);
	assert_formatted(&copy, FORMAT_DOCKER, text);
}

static void an_oci_configuration_has_no_top_level_of_dockers(void **state)
{
	const char *text =
		"{\"architecture\":\"amd64\",\"comment\":\"c\",\"config\":{\"OnBuild\":[\"RUN "
		"x\"]},\"container\":\"1\","
		"\"container_config\":{},\"docker_version\":\"1\",\"keep\":1,\"os\":\"linux\",\"parent\":\"p\"," ROOTFS
		"}";
	cleanup(image_config_done) struct image_config config = {0};
	assert_int_equal(parse(text, &config), 0);
	assert_formatted(
		&config, FORMAT_OCI,
		"{\"architecture\":\"amd64\",\"config\":{\"OnBuild\":[\"RUN x\"]},\"keep\":1,\"os\":\"linux\"," ROOTFS
		"}");
}

static void empty_things_are_left_out(void **state)
{
	cleanup(image_config_done) struct image_config config = {0};
	const char *text =
		"{\"architecture\":\"\",\"config\":{\"Cmd\":null,\"Entrypoint\":[],\"Env\":null,\"ExposedPorts\":null,"
		"\"Healthcheck\":null,\"Labels\":null,\"OnBuild\":[],\"User\":\"\",\"Volumes\":{},\"WorkingDir\":\"\"},"
		"\"os\":\"\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":null},\"history\":null,\"created\":null}";
	assert_int_equal(parse(text, &config), 0);
	assert_formatted(
		&config, FORMAT_OCI,
		"{\"architecture\":\"\",\"config\":{},\"os\":\"\",\"rootfs\":{\"diff_ids\":[],\"type\":\"layers\"}}");
}

static void a_command_may_be_one_string_as_in_dockers_first_years(void **state)
{
	cleanup(image_config_done) struct image_config config = {0};
	assert_int_equal(parse("{\"config\":{\"Cmd\":\"/bin/sh\"}," ROOTFS "}", &config), 0);
	assert_int_equal(config.cmd.count, 1);
	assert_string_equal(config.cmd.items[0], "/bin/sh");
}

static void a_new_configuration_is_for_this_machine(void **state)
{
	cleanup(image_config_done) struct image_config config;
	image_config_init(&config, NULL);
	assert_string_equal(config.platform.os, "linux");
	assert_non_null(config.platform.architecture);
}

static void refuses_hostile_configurations(void **state)
{
	const char *texts[] = {
		"",
		"[]",
		"{}",
		"{" ROOTFS,
		"{\"rootfs\":{}}",
		"{\"rootfs\":{\"type\":\"layers\"}}",
		"{\"rootfs\":{\"diff_ids\":[]}}",
		"{\"rootfs\":{\"type\":\"tar\",\"diff_ids\":[]}}",
		"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":{}}}",
		"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"x\"]}}",
		"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[null]}}",
		"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:../..\"]}}",
		"{" ROOTFS "," ROOTFS "}",
		"{" ROOTFS ",\"os\":1}",
		"{" ROOTFS ",\"OS\":\"linux\"}",
		"{" ROOTFS ",\"config\":[]}",
		"{" ROOTFS ",\"config\":{\"Env\":\"A\",\"Env\":[]}}",
		"{" ROOTFS ",\"config\":{\"Env\":[1]}}",
		"{" ROOTFS ",\"config\":{\"env\":[]}}",
		"{" ROOTFS ",\"config\":{\"ExposedPorts\":[]}}",
		"{" ROOTFS ",\"config\":{\"Volumes\":{\"/\":1}}}",
		"{" ROOTFS ",\"config\":{\"Labels\":{\"a\":1}}}",
		"{" ROOTFS ",\"config\":{\"Healthcheck\":[]}}",
		"{" ROOTFS ",\"config\":{\"Healthcheck\":{\"Retries\":-1}}}",
		"{" ROOTFS ",\"config\":{\"Healthcheck\":{\"Interval\":1.5}}}",
		"{" ROOTFS ",\"config\":{\"User\":\"a\\u0000b\"}}",
		"{" ROOTFS ",\"history\":{}}",
		"{" ROOTFS ",\"history\":[1]}",
		"{" ROOTFS ",\"history\":[{\"empty_layer\":1}]}",
		"{" ROOTFS ",\"history\":[{},{}]}",
	};
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(image_config_done) struct image_config config = {0};
		if (parse(texts[i], &config) != -EINVAL)
			fail_msg("taken: %s", texts[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_comes_back_as_it_was),
		cmocka_unit_test(an_oci_configuration_has_no_top_level_of_dockers),
		cmocka_unit_test(empty_things_are_left_out),
		cmocka_unit_test(a_command_may_be_one_string_as_in_dockers_first_years),
		cmocka_unit_test(a_new_configuration_is_for_this_machine),
		cmocka_unit_test(refuses_hostile_configurations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
