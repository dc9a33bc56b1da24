/*
 * Configuration files of the administrator and of the user: found by plain paths, which symlinks may lead on from.
 */
#include "base/conffile.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/toml.h"

#define FILE_SIZE_MAX ((size_t)4 << 20)

static int read_one(const char *file, bool required, conf_file_take *take, void *context, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
	cleanup_json json_t *root = NULL;
	cleanup_error struct error *error = NULL;
	int rc = fd_read_user_file(file, &text, &error);

	if (!required && (rc == -ENOENT || rc == -ENOTDIR))
		return 0;
	if (rc < 0)
		return error_set(err, -rc, "%s", error_message(error));
	rc = toml_parse(buf_str(&text), text.len, file, &root, err);
	if (rc < 0)
		return rc;
	struct json_place at = json_root(file, root);
	return take(&at, context, err);
}

static int is_conf(const struct dirent *entry)
{
	return text_has_suffix(entry->d_name, ".conf");
}

static int read_drop_ins(const char *file, conf_file_take *take, void *context, struct error **err)
{
	cleanup_free char *dir = mem_printf("%s.d", file);
	struct dirent **entries = NULL;
	int count = scandir(dir, &entries, is_conf, alphasort);
	int rc = 0;

	/* What cannot be looked at may forbid something (a blocked registry): it is not taken for nothing. */
	if (count < 0 && errno != ENOENT && errno != ENOTDIR)
		return error_set_errno(err, "read directory '%s'", dir);
	for (int i = 0; i < count; i++) {
		cleanup_free char *path = mem_printf("%s/%s", dir, entries[i]->d_name);
		if (rc >= 0)
			rc = read_one(path, /* required */ false, take, context, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

int conf_file_read(const char *file, unsigned flags, conf_file_take *take, void *context, struct error **err)
{
	int rc = read_one(file, flags & CONF_FILE_REQUIRED, take, context, err);

	if (rc >= 0 && flags & CONF_FILE_DROP_INS)
		rc = read_drop_ins(file, take, context, err);
	return rc;
}
