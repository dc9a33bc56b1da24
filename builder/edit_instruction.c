/*
 * One Dockerfile instruction upon a configuration, for `commit --change`: read as a build reads it, and applied by the
 * same function.
 */
#include "builder/edit.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "builder/build_config.h"

/* "CMD=/bin/sh" is how podman's commit has it, too. */
static char *with_blank(const char *text)
{
	char *spaced = mem_strdup(text);
	size_t word = strcspn(spaced, " \t=");

	if (spaced[word] == '=')
		spaced[word] = ' ';
	return spaced;
}

static bool changes_configuration_only(enum instruction_kind kind)
{
	return kind != INSTRUCTION_ADD && kind != INSTRUCTION_ARG && kind != INSTRUCTION_COPY &&
	       kind != INSTRUCTION_FROM && kind != INSTRUCTION_RUN;
}

/* What stands behind the word, when the text begins with it; else NULL. */
static const char *behind(const char *text, const char *word)
{
	size_t length = strlen(word);

	if (strncasecmp(text, word, length) != 0 || !strchr(" \t", text[length]) || !text[length])
		return NULL;
	return text + length + strspn(text + length, " \t");
}

static int apply(struct image_config *config, const char *text, struct error **err)
{
	cleanup(instruction_free) struct instruction *written = NULL, *expanded = NULL;
	cleanup_free char *shown = NULL;
	const struct expand_scope scope = {.lists = {&config->env}, .count = 1};
	int rc = instruction_parse_trigger(text, '\\', &written, err);

	if (rc < 0)
		return rc;
	if (!changes_configuration_only(written->kind))
		return error_set(err, EINVAL, "not an instruction that changes only the configuration");
	rc = instruction_expand(written, &scope, /* unset */ NULL, &expanded, err);
	/* The image's CMD is somebody's decision, as one in the same file would be: ENTRYPOINT leaves it. */
	return rc < 0 ? rc : build_config_apply(config, expanded, /* cmd_is_set */ true, &shown, err);
}

int edit_instruction(struct image_config *config, const char *text, struct error **err)
{
	cleanup_free char *spaced = with_blank(text);
	cleanup(instruction_free) struct instruction *trigger = NULL;
	const char *author = behind(spaced, "MAINTAINER");
	const char *later = behind(spaced, "ONBUILD");
	int rc = 0;

	/* These two cannot be triggers, which is what a lone instruction is read as. */
	if (author)
		mem_replace(&config->author, author);
	else if (later)
		rc = instruction_parse_trigger(later, '\\', &trigger, err);
	else
		rc = apply(config, spaced, err);
	if (rc >= 0 && later)
		strlist_append(&config->onbuild, later);
	return rc < 0 ? error_prefix(err, "'%s'", text) : 0;
}
