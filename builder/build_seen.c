/*
 * From the copy to the key of its step. What stands in it is build_selection.c's business.
 */
#include "builder/build_seen.h"

#include "builder/build_selection.h"

void build_seen_source(struct build_seen *seen, const char *name)
{
	build_selection_put_source(seen->key, /* is_dir */ name == NULL, name);
}

void build_seen_file(struct build_seen *seen, const char *path, const char *shown, const struct stat *st,
		     const char *link, const struct digest *content)
{
	struct build_key_file file = {
		.path = path,
		.shown = shown,
		.has_owner = seen->keep_owner,
		.uid = seen->keep_owner ? st->st_uid : 0,
		.gid = seen->keep_owner ? st->st_gid : 0,
		.link = link,
		.content = content,
	};

	build_selection_put_file(seen->key, st, &file);
}
