/* Any text as an ignore file, its last line as a path: no crash; a walk that asks ignore_rules_may_return() before it
 * leaves a directory out misses nothing. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "dockerfile/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_down(const struct ignore_rules *rules, char *path)
{
	bool skipped = false;

	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		skipped |= ignore_rules_match(rules, path) && !ignore_rules_may_return(rules, path);
		*slash = '/';
	}
	if (skipped)
		assert(ignore_rules_match(rules, path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = mem_strndup((const char *)data, size);
	cleanup(ignore_rules_done) struct ignore_rules rules = {0};
	char *path = strrchr(text, '\n');

	if (!path)
		return 0;
	*path++ = '\0';
	if (ignore_rules_add_text(&rules, text, NULL) < 0)
		return 0;
	if (*path && *path != '/' && !strstr(path, "//"))
		walk_down(&rules, path);
	return 0;
}
