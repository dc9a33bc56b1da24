/* Any bytes as a file of credentials, in both forms: no crash, and no secret that the error would show. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "registry/auth_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(const char *text, size_t size, const char *file, const char *repository)
{
	cleanup(auth_lookup_done) struct auth_lookup lookup = {0};
	cleanup_error struct error *err = NULL;

	if (auth_file_lookup(text, size, file, repository, &lookup, &err) < 0) {
		assert(err && !credentials_are_set(&lookup.credentials) && !lookup.helper);
		return;
	}
	assert(!err);
	assert(!lookup.helper || *lookup.helper);
	if (credentials_are_set(&lookup.credentials))
		assert(strcmp(lookup.credentials.source, file) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = mem_strndup((const char *)data, size);

	look_up(text, size, "auth.json", "h:5000/ns/img");
	look_up(text, size, "auth.json", "docker.io/library/debian");
	look_up(text, size, ".dockercfg", "h");
	return 0;
}
