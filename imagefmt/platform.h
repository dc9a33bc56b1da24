/*
 * What an image runs on: os/architecture[/variant], in GOOS and GOARCH words, normalised (aarch64 -> arm64, x86_64 ->
 * amd64, armhf -> arm/v7, arm64/v8 -> arm64).
 */
#ifndef COOPER_IMAGEFMT_PLATFORM_H
#define COOPER_IMAGEFMT_PLATFORM_H

#include "base/error.h"
#include "base/strlist.h"

#include <stdbool.h>

struct platform {
	char *os;
	char *architecture;
	char *variant;	  /* NULL when there is none */
	char *os_version; /* NULL */
	struct strlist os_features;
};

void platform_done(struct platform *platform);
CLEANUP_FOR_VALUE(struct platform, platform_done)
void platform_copy(struct platform *to, const struct platform *from);
/* "linux/arm64/v8", "arm64" (os of this machine), "linux". -EINVAL. */
int platform_parse(const char *text, struct platform *platform, struct error **err);
/* Replaces empty parts by this machine's and normalises. */
void platform_complete(struct platform *platform);
void platform_host(struct platform *platform);
MUST_CHECK char *platform_format(const struct platform *platform);
/* How well an image for `have` serves who asks for `want`: 0 not at all, larger is better (exact variant first, then
 * the next lower ones of arm and amd64 downwards, then none). */
int platform_rank(const struct platform *want, const struct platform *have);

#endif
