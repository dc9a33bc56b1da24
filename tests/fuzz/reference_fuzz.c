/* Any text as an image's name or place: no crash, and what is accepted comes back as the same text and value. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "imagefmt/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_reference(const char *text)
{
	cleanup(reference_done) struct reference ref = {0};
	cleanup(reference_done) struct reference again = {0};
	cleanup_error struct error *err = NULL;
	if (reference_parse(text, &ref, &err) < 0) {
		assert(err && !ref.path);
		return;
	}
	assert(!err && ref.path && !strstr(ref.path, "..") && ref.path[0] != '/');
	cleanup_free char *formatted = reference_format(&ref);
	assert(reference_parse(formatted, &again, NULL) == 0);
	cleanup_free char *twice = reference_format(&again);
	assert(strcmp(formatted, twice) == 0);
	cleanup_free char *local = NULL;
	if (reference_local_name(text, &local, NULL) == 0) /* not when "localhost/" makes it too long */
		assert(reference_parse(local, &again, NULL) == 0);
}

static void check_location(const char *text)
{
	cleanup(location_done) struct location location = {0};
	cleanup(location_done) struct location again = {0};
	if (location_parse(text, &location, NULL) < 0)
		return;
	assert(location_has_transport(text));
	cleanup_free char *formatted = location_format(&location);
	assert(location_parse(formatted, &again, NULL) == 0);
	assert(location.transport == again.transport);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = mem_strndup((const char *)data, size);
	check_reference(text);
	check_location(text);
	return 0;
}
