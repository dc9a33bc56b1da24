/*
 * Loading libraries on first use. The caller's table is the cache: once its first member is set, the rest is.
 */
#include "base/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

/* Which package to install, by the beginning of the library's name. */
static const struct {
	const char *soname;
	const char *package;
} packages[] = {
	{"libcurl", "libcurl4"},       {"libarchive", "libarchive13"}, {"libcrypto", "libssl3"},
	{"libssl", "libssl3"},	       {"libzstd", "libzstd1"},	       {"libisal", "libisal2"},
	{"libseccomp", "libseccomp2"}, {"libyaml", "libyaml-0-2"},     {"libz.", "zlib1g"},
	{"libmd.", "libmd0"},
};

static const char *package_of(const char *soname)
{
	for (size_t i = 0; i < ARRAY_COUNT(packages); i++) {
		if (strncmp(soname, packages[i].soname, strlen(packages[i].soname)) == 0)
			return packages[i].package;
	}
	return NULL;
}

static int fail(const char *soname, struct error **err)
{
	const char *why = dlerror();
	const char *package = package_of(soname);
	int rc = error_set(err, ENOENT, "load the library %s: %s", soname, why ? why : "unknown reason");

	return package ? error_hint(err, "on Debian: apt install %s", package) : rc;
}

int library_load(const char *soname, const char *const *symbols, size_t count, void *table, struct error **err)
{
	cleanup_free void **found = mem_alloc(count * sizeof(*found));
	void *first = NULL;

	if (count > 0)
		memcpy(&first, table, sizeof(first));
	if (first)
		return 0;
	/* Never closed: the functions stay in use until the end. */
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return fail(soname, err);
	for (size_t i = 0; i < count; i++) {
		found[i] = dlsym(library, symbols[i]);
		if (!found[i]) {
			int rc = fail(soname, err);
			dlclose(library);
			return rc;
		}
	}
	/* All or nothing, so that half a table is never taken for a loaded one. */
	memcpy(table, found, count * sizeof(*found));
	return 0;
}
