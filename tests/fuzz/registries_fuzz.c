/* Any bytes as a registries.conf: no crash, and what is accepted says for every name where it is, or that it is
 * blocked. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/toml.h"
#include "registry/registries_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(const struct registries *registries, const char *name)
{
	cleanup(reference_done) struct reference ref = {0};
	cleanup(registry_places_done) struct registry_places places = {0};
	cleanup(registry_place_done) struct registry_place own = {0};

	if (reference_parse(name, &ref, NULL) < 0)
		abort();
	int rc = registries_pull_places(registries, &ref, &places, NULL);
	assert(rc < 0 || places.count > 0);
	for (size_t i = 0; rc == 0 && i < places.count; i++) {
		/* A mirror or location becomes part of an address. */
		assert(places.items[i].domain && *places.items[i].domain);
		assert(!strchr(places.items[i].domain, '/') && !strstr(places.items[i].domain, "://"));
	}
	assert((registries_own_place(registries, &ref, &own, NULL) == -EPERM) == (rc == -EPERM));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registries *registries = mem_alloc(sizeof(*registries));
	cleanup_json json_t *root = NULL;
	cleanup_error struct error *err = NULL;
	int rc = toml_parse((const char *)data, size, "registries.conf", &root, &err);

	if (rc == 0) {
		struct json_place top = json_root("registries.conf", root);
		rc = registries_take_file(&top, registries, &err);
	}
	assert((rc < 0) == (err != NULL));
	if (rc == 0) {
		look_up(registries, "q.io/a/b:1");
		look_up(registries,
			"sub.q.io:5000/a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	}
	registries_free(registries);
	return 0;
}
