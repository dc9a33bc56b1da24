/*
 * Which stage a name or a number means.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "dockerfile/dockerfile.h"
#include "dockerfile/statement_internal.h"

const struct stage *dockerfile_stage(const struct dockerfile *file, const char *name, size_t before)
{
	size_t i = before < file->stage_count ? before : file->stage_count;

	/* Of two with one name the later wins. */
	while (i-- > 0)
		if (file->stages[i].name && strcasecmp(file->stages[i].name, name) == 0)
			return &file->stages[i];
	return NULL;
}

/* Digits alone: what --target counts stages by. */
static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static int unknown_stage(const struct dockerfile *file, const char *name, struct error **err)
{
	cleanup_free const char **names = mem_alloc(file->stage_count * sizeof(*names));
	size_t count = 0;

	for (size_t i = 0; i < file->stage_count; i++)
		if (file->stages[i].name)
			names[count++] = file->stages[i].name;
	error_set(err, ENOENT, "target stage '%s' could not be found", name);
	return suggest_hint(err, name, names, count);
}

int dockerfile_target(const struct dockerfile *file, const char *target, const struct stage **stage, struct error **err)
{
	uint64_t index = 0;

	if (!target || !*target) {
		*stage = &file->stages[file->stage_count - 1];
		return 0;
	}
	const struct stage *found = dockerfile_stage(file, target, SIZE_MAX);
	if (!found && is_number(target) && parse_u64(target, file->stage_count - 1, "--target", &index, NULL) == 0)
		found = &file->stages[index];
	if (!found)
		return unknown_stage(file, target, err);
	*stage = found;
	return 0;
}

/* COPY --from=1, in whatever way Go writes a number. */
static int stage_at(const struct dockerfile *file, int64_t index, const struct stage **stage, struct error **err)
{
	if (index < 0 || (uint64_t)index >= file->stage_count)
		return error_set(err, EINVAL, "invalid stage index %" PRId64, index);
	*stage = &file->stages[index];
	return 0;
}

int dockerfile_from(const struct dockerfile *file, const struct stage *user, const char *reference,
		    enum stage_reference how, const struct stage **stage, struct error **err)
{
	const struct stage *found = NULL;
	int64_t index = 0;

	if (how == STAGE_BY_NAME_OR_NUMBER && read_integer(reference, INT64_MIN, INT64_MAX, &index)) {
		int rc = stage_at(file, index, &found, err);
		if (rc < 0)
			return rc;
	} else {
		/* Of two with one name the later counts, even when it is further down. */
		found = dockerfile_stage(file, reference, SIZE_MAX);
	}
	if (found == user)
		return error_set(err, EINVAL, "circular dependency detected on stage: %s", reference);
	if (found && found->index > user->index)
		return error_set(err, EINVAL, "stage '%s' needs to be defined before current stage '%s'", reference,
				 user->name ? user->name : user->from->from.image);
	*stage = found;
	return 0;
}
