/* Addresses of git repositories, as a Dockerfile's ADD or a command line has them. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "builder/git.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What git gets must be no option, and no protocol that was not asked for. */
static void check(const struct git_address *address)
{
	static const char *const protocols[] = {"https", "http", "ssh", "git", "file"};
	size_t known = 0;

	while (known < ARRAY_COUNT(protocols) && strcmp(protocols[known], address->protocol) != 0)
		known++;
	assert(known < ARRAY_COUNT(protocols));
	assert(address->url[0] != '-');
	/* Who we are there is not for lists of processes and a repository's configuration. */
	const char *host = strncmp(address->protocol, "http", 4) == 0 ? strstr(address->url, "://") + 3 : "";
	assert(!memchr(host, '@', strcspn(host, "/")));
	assert(!address->user || !strpbrk(address->user, "\r\n"));
	assert(!address->password || (address->user && !strpbrk(address->password, "\r\n")));
	assert(!address->ref || (address->ref[0] != '-' && !strpbrk(address->ref, ":*?[^~ \\")));
	assert(!address->subdir || (address->subdir[0] != '/' && strncmp(address->subdir, "../", 3) != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(git_address_done) struct git_address address = {0};
	cleanup_error struct error *err = NULL;
	cleanup_free char *text = mem_strndup((const char *)data, size);

	if (git_address_is(text) && git_address_parse(text, &address, &err) == 0) {
		check(&address);
		cleanup_free char *shown = git_address_format(&address);
		assert(*shown);
	}
	return 0;
}
