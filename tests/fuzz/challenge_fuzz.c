/* Any text as WWW-Authenticate: no crash; every challenge has a scheme in lower case, every parameter a name. */
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "registry/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_challenge(const struct challenge *challenge)
{
	assert(*challenge->scheme);
	for (const char *c = challenge->scheme; *c; c++)
		assert(!isupper((unsigned char)*c));
	for (size_t i = 0; i < challenge->parameters.count; i++) {
		const char *text = challenge->parameters.items[i];
		const char *equals = strchr(text, '=');
		assert(equals && equals > text);
		cleanup_free char *name = mem_strndup(text, (size_t)(equals - text));
		assert(strcmp(challenge_get(challenge, name), equals + 1) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = mem_strndup((const char *)data, size);
	cleanup(challenge_list_done) struct challenge_list list = {0};
	cleanup_error struct error *err = NULL;

	int rc = challenge_parse(text, &list, &err);
	assert((rc < 0) == (err != NULL));
	for (size_t i = 0; i < list.count; i++)
		check_challenge(&list.items[i]);
	return 0;
}
