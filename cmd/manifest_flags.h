/*
 * What the commands of the group "manifest" have in common: what is said of an image in a list, and how the result is
 * printed.
 */
#ifndef COOPER_CMD_MANIFEST_FLAGS_H
#define COOPER_CMD_MANIFEST_FLAGS_H

#include "builder/manifest_list.h"
#include "cmd/flags.h"

/* Of the group, each in the file that its name says. */
extern const struct command command_manifest_create;
extern const struct command command_manifest_add;
extern const struct command command_manifest_annotate;
extern const struct command command_manifest_inspect;
extern const struct command command_manifest_push;
extern const struct command command_manifest_remove;
extern const struct command command_manifest_rm;
extern const struct command command_manifest_exists;

struct entry_flags {
	const char *arch, *os, *variant, *os_version;
	struct strlist os_features, features, annotations;
};
extern const struct option_group entry_group;
/* "K=V" each, or -EINVAL. */
int annotation_flags_check(const char *option, const struct strlist *annotations, struct error **err);

/* "LISTID: sha256:…", as scripts expect it. */
void list_change_print(const struct image_entry *list, const struct digest *instance);

#endif
