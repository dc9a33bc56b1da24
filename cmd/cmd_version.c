/*
 * cooper version: who we are, in Buildah's form.
 */
#include "cmd/command.h"

#include <stdio.h>

#include "base/json.h"
#include "imagefmt/platform.h"

struct version_options {
	bool json;
};

static const struct option_spec rows[] = {
	{"json", 0, OPTION_FLAG, offsetof(struct version_options, json), NULL, "print JSON"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

void version_print_line(void)
{
	printf("cooper version " COOPER_VERSION " (image-spec 1.1.1, runtime-spec 1.2.1)\n");
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct version_options *options = values;
	cleanup(platform_done) struct platform host = {0};
	platform_host(&host);
	cleanup_free char *os_arch = mem_printf("%s/%s", host.os, host.architecture);
	if (!options->json) {
		printf("Version:         %s\nImage Spec:      1.1.1\nRuntime Spec:    1.2.1\n", COOPER_VERSION);
		printf("OS/Arch:         %s\nBuildPlatform:   %s\n", os_arch, os_arch);
		return 0;
	}
	cleanup_json json_t *root = json_object();
	json_set_string(root, "version", COOPER_VERSION);
	json_set_string(root, "imageSpec", "1.1.1");
	json_set_string(root, "runtimeSpec", "1.2.1");
	json_set_string(root, "osArch", os_arch);
	json_set_string(root, "buildPlatform", os_arch);
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	json_format_pretty(root, 4, &text);
	fputs(buf_str(&text), stdout);
	return 0;
}

const struct command command_version = {
	.name = "version",
	.arguments = "[--json]",
	.summary = "print the version",
	.options = {{&group, 0}},
	.options_size = sizeof(struct version_options),
	.run = run,
};
