/* "pattern\npath": no crash, bounded time, and the few laws that hold for every pattern. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/pattern.h"
#include "base/utf8.h"

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
	/* Of bytes that are no UTF-8 the second law does not hold: half a character matches what begins with it. */
	bool is_text = utf8_is_valid(pattern, strlen(pattern)) && utf8_is_valid(path, strlen(path));
	if (is_text && pattern_is_valid(pattern)) {
		cleanup_free char *anywhere = mem_printf("**/%s", pattern);
		assert(!matches || *pattern == '\0' || pattern_match(anywhere, path));
	}
	return 0;
}
