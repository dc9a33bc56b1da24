/* Any text as an address and as a Location: no crash, and what is accepted names one host, the same after a round. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "registry/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = mem_strndup((const char *)data, size);
	cleanup(url_done) struct url url = {0};
	cleanup(url_done) struct url again = {0};
	cleanup_free char *resolved = NULL;
	cleanup_free char *shown = url_redact(text);

	if (url_resolve("https://h:5000/v2/a?b", text, &resolved, NULL) == 0)
		assert(url_parse(resolved, &again, NULL) == 0);
	url_done(&again);
	if (url_parse(text, &url, NULL) < 0)
		return 0;
	cleanup_free char *origin = url_origin(&url);
	assert(*url.host && !strpbrk(url.host, "@/\\ "));
	const char *authority = strstr(shown, "://") + 3;
	assert(authority[strcspn(authority, "@/?#")] != '@');
	assert(url_parse(origin, &again, NULL) == 0);
	assert(strcmp(url.host, again.host) == 0 && url.port == again.port && url.https == again.https);
	assert(url_same_origin(text, origin));
	return 0;
}
