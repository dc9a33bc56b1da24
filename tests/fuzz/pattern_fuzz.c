/* "pattern\npath": no crash, bounded time, and the few laws that hold for every pattern. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *pattern = mem_strndup((const char *)data, size);
	char *path = strchr(pattern, '\n');
	if (!path)
		return 0;
	*path++ = '\0';
	bool matches = pattern_match(pattern, path);
	assert(!matches || pattern_is_valid(pattern));
	if (!pattern_is_glob(pattern))
		assert(matches == (strcmp(pattern, path) == 0));
	if (pattern_is_valid(pattern)) {
		cleanup_free char *anywhere = mem_printf("**/%s", pattern);
		assert(!matches || *pattern == '\0' || pattern_match(anywhere, path));
	}
	return 0;
}
