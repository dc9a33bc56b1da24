/*
 * libarchive, as `add` and contexts that are archives use it, and what both ask of an entry.
 */
#ifndef COOPER_BUILDER_ARCHIVE_LIBRARY_H
#define COOPER_BUILDER_ARCHIVE_LIBRARY_H

#include "base/library.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdint.h>

#define ARCHIVE_FUNCTIONS(X)                 \
	X(archive_read_new)                  \
	X(archive_read_free)                 \
	X(archive_read_support_filter_all)   \
	X(archive_read_support_filter_gzip)  \
	X(archive_read_support_filter_bzip2) \
	X(archive_read_support_filter_xz)    \
	X(archive_read_support_filter_zstd)  \
	X(archive_read_support_format_tar)   \
	X(archive_read_support_format_all)   \
	X(archive_read_set_options)          \
	X(archive_read_open)                 \
	X(archive_read_open_fd)              \
	X(archive_read_next_header)          \
	X(archive_read_data_block)           \
	X(archive_error_string)              \
	X(archive_errno)                     \
	X(archive_entry_pathname)            \
	X(archive_entry_pathname_utf8)       \
	X(archive_entry_hardlink)            \
	X(archive_entry_hardlink_utf8)       \
	X(archive_entry_symlink)             \
	X(archive_entry_symlink_utf8)        \
	X(archive_entry_filetype)            \
	X(archive_entry_mode)                \
	X(archive_entry_uid)                 \
	X(archive_entry_gid)                 \
	X(archive_entry_mtime)               \
	X(archive_entry_mtime_is_set)        \
	X(archive_entry_size)                \
	X(archive_entry_rdev)                \
	X(archive_entry_xattr_reset)         \
	X(archive_entry_xattr_next)

struct archive_library {
	ARCHIVE_FUNCTIONS(LIBRARY_MEMBER)
};

int archive_library_load(struct archive_library *library, struct error **err);

/* Names of an entry, borrowed from it; NULL where it has none. */
const char *archive_name(const struct archive_library *library, struct archive_entry *entry);
const char *archive_hardlink(const struct archive_library *library, struct archive_entry *entry);
const char *archive_symlink(const struct archive_library *library, struct archive_entry *entry);
/* In seconds; 0 when it is not said. */
int64_t archive_mtime(const struct archive_library *library, struct archive_entry *entry);

#endif
