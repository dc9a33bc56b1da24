/*
 * What COPY --from and --mount from= make of the stages as a whole, those included that no target needs: BuildKit looks
 * at all of them before it builds anything.
 */
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "dockerfile/dockerfile.h"
#include "dockerfile/statement_internal.h"

enum visit_state { VISIT_NOT_YET, VISIT_ON_PATH, VISIT_DONE };

struct cycle_search {
	const struct dockerfile *file;
	enum visit_state *states; /* of each stage */
	struct source_range *place;
	struct error **err;
};

/* The stage that a reference means, wherever it stands; NULL for an image, and for what only a build can expand. */
static int find_source(const struct dockerfile *file, const char *reference, enum stage_reference how,
		       const struct stage **source, struct error **err)
{
	int64_t index = 0;

	*source = NULL;
	if (strchr(reference, '$'))
		return 0;
	if (how == STAGE_BY_NAME || !read_integer(reference, INT64_MIN, INT64_MAX, &index)) {
		*source = dockerfile_stage(file, reference, SIZE_MAX);
		return 0;
	}
	if (index < 0 || (uint64_t)index >= file->stage_count)
		return error_set(err, EINVAL, "invalid stage index %s", reference);
	*source = &file->stages[index];
	return 0;
}

static int visit(struct cycle_search *search, const struct stage *stage);

static int follow(struct cycle_search *search, const struct stage *user, const struct instruction *instruction,
		  const char *reference, enum stage_reference how)
{
	const struct stage *source = NULL;
	int rc = find_source(search->file, reference, how, &source, search->err);

	if (rc == 0 && source && search->states[source->index] == VISIT_ON_PATH)
		rc = error_set(search->err, EINVAL, "circular dependency detected on stage: %s", reference);
	if (rc < 0) {
		*search->place = instruction->range;
		return rc;
	}
	return source ? visit(search, source) : 0;
}

static int follow_instruction(struct cycle_search *search, const struct stage *stage,
			      const struct instruction *instruction)
{
	int rc = 0;

	if (instruction->kind == INSTRUCTION_COPY && instruction->copy.from)
		return follow(search, stage, instruction, instruction->copy.from, STAGE_BY_NAME_OR_NUMBER);
	if (instruction->kind != INSTRUCTION_RUN)
		return 0;
	for (size_t i = 0; rc == 0 && i < instruction->run.mount_texts.count; i++) {
		cleanup_free char *from = file_mount_from(instruction->run.mount_texts.items[i]);
		if (from)
			rc = follow(search, stage, instruction, from, STAGE_BY_NAME);
	}
	return rc;
}

/* FROM does not count: it leads to what stands above. Depth is bounded by the number of stages. */
static int visit(struct cycle_search *search, const struct stage *stage)
{
	int rc = 0;

	if (search->states[stage->index] != VISIT_NOT_YET)
		return 0;
	search->states[stage->index] = VISIT_ON_PATH;
	for (size_t i = 0; rc == 0 && i < stage->count; i++)
		rc = follow_instruction(search, stage, stage->instructions[i]);
	search->states[stage->index] = VISIT_DONE;
	return rc;
}

int dockerfile_check_sources(const struct dockerfile *file, struct source_range *place, struct error **err)
{
	cleanup_free enum visit_state *states = mem_alloc(file->stage_count * sizeof(*states));
	struct cycle_search search = {.file = file, .states = states, .place = place, .err = err};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < file->stage_count; i++)
		rc = visit(&search, &file->stages[i]);
	return rc;
}
