/*
 * The platforms that build is for. Several make several images, and a list of them.
 */
#include "cmd/build_flags_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "builder/build_platforms.h"
#include "imagefmt/reference.h"

#define BUILD(member) offsetof(struct build_flags, member)
static const struct option_spec platform_rows[] = {
	{"platform", 0, OPTION_LIST, BUILD(platforms), "OS/ARCH[/VARIANT],…",
	 "build for these; of several comes one image each and a list of them"},
	{"all-platforms", 0, OPTION_FLAG, BUILD(all_platforms), NULL,
	 "build for all platforms that there are all base images for"},
	{"arch", 0, OPTION_TEXT, BUILD(platform.arch), "ARCH", "build for this architecture"},
	{"os", 0, OPTION_TEXT, BUILD(platform.os), "OS", "build for this operating system"},
	{"variant", 0, OPTION_TEXT, BUILD(platform.variant), "VARIANT", "build for this variant of the architecture"},
	{"manifest", 0, OPTION_TEXT, BUILD(manifest), "LIST",
	 "put what is built into this list of images, which is made when there is none"},
};
const struct option_group build_platform_group = {"Platform options", platform_rows, ARRAY_COUNT(platform_rows)};

/* What every list of images must be able to take. */
static int check_several(const struct build_request *request, const struct build_flags *flags, struct error **err)
{
	if (request->platform_count < 2)
		return 0;
	if (flags->debug)
		return error_set(err, EINVAL, "--debug goes with one platform");
	for (size_t i = 0; i < request->output_count; i++) {
		int rc = output_check_list(&request->outputs[i], err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < request->places.count; i++)
		if (text_has_prefix(request->places.items[i], "docker-archive:"))
			return error_set(err, EINVAL,
					 "--tag %s: an archive of Docker's holds one image, not a list of them",
					 request->places.items[i]);
	return 0;
}

static void add_platform(struct build_request *request, struct platform *platform)
{
	cleanup_free char *text = platform_format(platform);

	for (size_t i = 0; i < request->platform_count; i++) {
		cleanup_free char *have = platform_format(&request->platforms[i]);
		if (strcmp(have, text) == 0)
			return;
	}
	request->platforms = mem_grow(request->platforms, request->platform_count + 1, sizeof(*request->platforms));
	request->platforms[request->platform_count] = (struct platform){0};
	platform_copy(&request->platforms[request->platform_count++], platform);
}

int build_platform_flags_read(const struct command_context *context, const struct build_flags *flags,
			      struct build_request *request, struct error **err)
{
	cleanup(strlist_done) struct strlist texts = {0};
	int rc = 0;

	for (size_t i = 0; i < flags->platforms.count; i++)
		strlist_split(&texts, flags->platforms.items[i], ',');
	if (texts.count > 1 && (flags->platform.arch || flags->platform.os || flags->platform.variant))
		return error_set(err, EINVAL, "--arch, --os and --variant go with one --platform");
	/* Without any, --arch and its like may still say something. */
	for (size_t i = 0; rc == 0 && i < (texts.count ? texts.count : 1); i++) {
		cleanup(platform_done) struct platform platform = {0};
		struct platform_flags one = flags->platform;
		bool asked = false;
		one.platform = texts.count ? texts.items[i] : NULL;
		rc = platform_flags_read(&one, &platform, &asked, err);
		if (rc == 0 && asked)
			add_platform(request, &platform);
	}
	if (rc == 0 && flags->all_platforms && request->platform_count)
		return error_set(err, EINVAL, "--all-platforms and --platform cannot both be given");
	if (rc == 0 && flags->manifest)
		rc = reference_local_name(flags->manifest, &request->manifest, err);
	request->options.platform = request->platform_count ? &request->platforms[0] : NULL;
	return rc < 0 ? rc : check_several(request, flags, err);
}

int build_request_take_platforms(struct build_request *request, const struct build_flags *flags, struct workshop *w,
				 struct error **err)
{
	struct platform *platforms = NULL;
	size_t count = 0;

	if (!flags->all_platforms)
		return 0;
	int rc = build_platforms_find(w, &request->options, &platforms, &count, err);
	if (rc < 0)
		return error_prefix(err, "--all-platforms");
	for (size_t i = 0; i < count; i++) {
		add_platform(request, &platforms[i]);
		platform_done(&platforms[i]);
	}
	free(platforms);
	request->options.platform = &request->platforms[0];
	return check_several(request, flags, err);
}
