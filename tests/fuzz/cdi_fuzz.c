/* Any bytes as the description of a device: no crash, and a name is replaced by settings or stays with an error. */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "builder/cdi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A directory with the file in both languages; it is left behind in /tmp. */
static const char *directory(void)
{
	static char name[] = "/tmp/cooper-fuzz-cdi.XXXXXX";
	static int made;

	if (!made++) {
		if (!mkdtemp(name))
			abort();
		setenv("COOPER_CDI_SPEC_DIRS", name, /* overwrite */ 1);
		log_set_level(LOG_ERROR);
	}
	return name;
}

static void expand(const char *file, const uint8_t *data, size_t size)
{
	cleanup_free char *path = mem_printf("%s/%s", directory(), file);
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cleanup(settings_done) struct settings settings = {0};
	cleanup_error struct error *err = NULL;

	if (fd < 0 || fd_write_all(fd, data, size, NULL) < 0)
		abort();
	strlist_append(&settings.devices, "v.com/c=one");
	int rc = cdi_expand(&settings, &err);
	assert((rc < 0) == (err != NULL));
	for (size_t i = 0; rc == 0 && i < settings.devices.count; i++)
		assert(settings.devices.items[i][0] != '\0');
	unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	expand("x.json", data, size);
	expand("x.yaml", data, size);
	return 0;
}
