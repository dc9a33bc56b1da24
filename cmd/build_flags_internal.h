/*
 * The options of build by concept, a file each: build_<concept>_flags.c has their table and reads them.
 */
#ifndef COOPER_CMD_BUILD_FLAGS_INTERNAL_H
#define COOPER_CMD_BUILD_FLAGS_INTERNAL_H

#include "cmd/build_flags.h"

/* Checks the options of its concept and fills its part of the request. -EINVAL names the option at fault. */
typedef int build_flags_reader(const struct command_context *context, const struct build_flags *flags,
			       struct build_request *request, struct error **err);
build_flags_reader build_compat_flags_read, build_output_flags_read, build_image_flags_read, build_platform_flags_read,
	build_cache_flags_read, build_attest_flags_read;

/* Whether the image goes to a registry. Behind build_output_flags_read(). */
bool build_request_pushes(const struct build_request *request);

#endif
