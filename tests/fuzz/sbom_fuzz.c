/* Any bytes as the database of a package manager: no crash, and names that fit into a line of the answer. */
#include <assert.h>
#include <string.h>

#include "builder/attest_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct sbom_packages *packages)
{
	for (size_t i = 0; i < packages->count; i++) {
		const struct sbom_package *package = &packages->items[i];
		assert(*package->name && *package->version && package->architecture);
		assert(!strpbrk(package->name, "\t\n") && !strpbrk(package->version, "\t\n") &&
		       !strpbrk(package->architecture, "\t\n"));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(sbom_packages_done) struct sbom_packages deb = {0}, apk = {0};
	cleanup_free char *text = mem_strndup((const char *)data, size);

	sbom_parse_dpkg(text, &deb);
	check(&deb);
	sbom_parse_apk(text, &apk);
	check(&apk);
	cleanup_free char *id = sbom_os_field(text, "ID");
	assert(id && !strchr(id, '\n'));
	return 0;
}
