/*
 * The table of libarchive's functions, and names: the plain form is missing where a name cannot be said in our locale.
 */
#include "builder/archive_library.h"

#include "base/mem.h"

int archive_library_load(struct archive_library *library, struct error **err)
{
	static const char *const symbols[] = {ARCHIVE_FUNCTIONS(LIBRARY_SYMBOL)};

	return library_load("libarchive.so.13", symbols, ARRAY_COUNT(symbols), library, err);
}

const char *archive_name(const struct archive_library *library, struct archive_entry *entry)
{
	const char *name = library->archive_entry_pathname(entry);

	return name ? name : library->archive_entry_pathname_utf8(entry);
}

const char *archive_hardlink(const struct archive_library *library, struct archive_entry *entry)
{
	const char *name = library->archive_entry_hardlink(entry);

	return name ? name : library->archive_entry_hardlink_utf8(entry);
}

const char *archive_symlink(const struct archive_library *library, struct archive_entry *entry)
{
	const char *name = library->archive_entry_symlink(entry);

	return name ? name : library->archive_entry_symlink_utf8(entry);
}

int64_t archive_mtime(const struct archive_library *library, struct archive_entry *entry)
{
	return library->archive_entry_mtime_is_set(entry) ? library->archive_entry_mtime(entry) : 0;
}
