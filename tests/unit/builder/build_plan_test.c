/* From a Dockerfile to what has to be done. */
#include "builder/build_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

/* One planned file. */
struct planned {
	struct dockerfile *file;
	struct build_globals globals;
	struct platform platform;
	struct plan *plan;
	struct image_config base; /* of every image */
	struct strlist images;	  /* names that were asked for */
	struct error *error;
};

static void planned_done(struct planned *p)
{
	plan_free(p->plan);
	build_globals_done(&p->globals);
	dockerfile_free(p->file);
	platform_done(&p->platform);
	image_config_done(&p->base);
	strlist_done(&p->images);
	error_free(p->error);
}
CLEANUP_FOR_VALUE(struct planned, planned_done)

static int resolve(void *context, const char *name, const struct platform *platform, size_t *index,
		   const struct image_config **config, struct error **err)
{
	struct planned *p = context;

	if (strcmp(name, "missing") == 0)
		return error_set(err, ENOENT, "%s: image not known", name);
	*index = p->images.count;
	strlist_append(&p->images, name);
	*config = &p->base;
	return 0;
}

static int plan_text(struct planned *p, const char *text, const char *target, const struct strlist *args,
		     const struct strlist *named)
{
	const struct stage *stage = NULL;

	platform_host(&p->platform);
	int rc = dockerfile_parse(text, strlen(text), "Dockerfile", &p->file, &p->error);
	if (rc >= 0)
		rc = dockerfile_target(p->file, target, &stage, &p->error);
	if (rc < 0)
		return rc;
	const struct build_globals_options globals = {
		.build_args = args, .target_platform = &p->platform, .build_platform = &p->platform, .target = stage};
	rc = build_globals_make(p->file, &globals, &p->globals, &p->error);
	const struct plan_options options = {.file = p->file,
					     .globals = &p->globals,
					     .target = stage,
					     .platform = &p->platform,
					     .named_contexts = named,
					     .resolve = resolve,
					     .resolve_context = p};
	return rc < 0 ? rc : plan_make(&options, &p->plan, &p->error);
}

static const struct plan_stage *target_of(const struct planned *p)
{
	return p->plan->stages[p->plan->target];
}

static const char *last_history(const struct planned *p)
{
	const struct image_config *config = &target_of(p)->config;

	return config->history[config->history_count - 1].created_by;
}

static void plans_only_what_the_target_needs(void **state)
{
	cleanup(planned_done) struct planned p = {0};

	assert_int_equal(plan_text(&p,
				   "FROM missing AS unneeded\nFROM busybox AS a\nFROM scratch AS b\n"
				   "FROM a AS c\nCOPY --from=b /x /\n",
				   NULL, NULL, NULL),
			 0);
	assert_int_equal(p.plan->stage_count, 3);
	assert_string_equal(p.plan->stages[0]->name, "a");
	assert_string_equal(p.plan->stages[1]->name, "b");
	assert_string_equal(target_of(&p)->name, "c");
	assert_int_equal(target_of(&p)->base.kind, INPUT_STAGE);
	assert_int_equal(target_of(&p)->base.index, 0);
	assert_int_equal(target_of(&p)->steps[0].input.kind, INPUT_STAGE);
	assert_int_equal(target_of(&p)->steps[0].input.index, 1);
	assert_int_equal(p.images.count, 1);
}

static void finds_copies_by_number_name_context_and_image(void **state)
{
	cleanup(planned_done) struct planned p = {0};
	cleanup(strlist_done) struct strlist named = {0};

	strlist_append(&named, "dir=/somewhere");
	strlist_append(&named, "img=docker-image://quay.io/x");
	assert_int_equal(plan_text(&p,
				   "FROM scratch AS One\nFROM scratch\nARG N=one\nCOPY --from=0 / /\n"
				   "COPY --from=ONE / /\nCOPY --from=dir / /\nCOPY --from=img / /\n"
				   "COPY --from=alpine / /\nCOPY --from=$N / /\nCOPY a /\n"
				   "RUN --mount=from=one,target=/x --mount=type=tmpfs,target=/t true\n",
				   NULL, NULL, &named),
			 0);
	const struct plan_step *steps = target_of(&p)->steps;
	const enum plan_input_kind want[] = {INPUT_STAGE, INPUT_STAGE, INPUT_NAMED,  INPUT_IMAGE,
					     INPUT_IMAGE, INPUT_STAGE, INPUT_CONTEXT};
	for (size_t i = 0; i < ARRAY_COUNT(want); i++)
		assert_int_equal(steps[1 + i].input.kind, want[i]);
	assert_int_equal(steps[8].mounts[0].kind, INPUT_STAGE);
	assert_int_equal(steps[8].mounts[1].kind, INPUT_NONE);
	assert_string_equal(p.images.items[0], "quay.io/x");
	assert_string_equal(p.images.items[1], "alpine");
}

static void a_named_context_takes_the_place_of_a_stage(void **state)
{
	cleanup(planned_done) struct planned p = {0};
	cleanup(strlist_done) struct strlist named = {0};

	strlist_append(&named, "base=docker-image://b");
	assert_int_equal(plan_text(&p, "FROM missing AS base\nFROM base\n", NULL, NULL, &named), 0);
	assert_int_equal(p.plan->stage_count, 1);
	assert_int_equal(target_of(&p)->base.kind, INPUT_IMAGE);
}

static void triggers_run_behind_from_and_are_gone(void **state)
{
	cleanup(planned_done) struct planned p = {0};

	strlist_append(&p.base.onbuild, "RUN echo $V");
	strlist_append(&p.base.onbuild, "COPY --from=other / /");
	assert_int_equal(plan_text(&p, "FROM scratch AS other\nFROM image\nENV V=1\n", NULL, NULL, NULL), 0);
	assert_int_equal(p.plan->stage_count, 2);
	assert_int_equal(target_of(&p)->step_count, 3);
	assert_true(target_of(&p)->steps[0].is_trigger);
	assert_int_equal(target_of(&p)->steps[0].range.first_line, 2);
	assert_int_equal(target_of(&p)->steps[1].input.kind, INPUT_STAGE);
	assert_int_equal(target_of(&p)->config.onbuild.count, 0);
}

static void triggers_of_a_stage_run_in_those_made_from_it_once(void **state)
{
	cleanup(planned_done) struct planned p = {0};

	assert_int_equal(plan_text(&p, "FROM scratch AS a\nONBUILD ENV X=1\nFROM a AS b\nFROM b\n", NULL, NULL, NULL),
			 0);
	assert_int_equal(p.plan->stages[1]->step_count, 1);
	assert_int_equal(target_of(&p)->step_count, 0);
}

static void errors_have_their_place(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"FROM scratch\nCOPY --from=5 / /\n", "Dockerfile:2:"},
		{"FROM scratch AS a\nCOPY --from=a / /\n", "Dockerfile:2:"},
		{"FROM missing\n", "Dockerfile:1: missing: image not known"},
		{"ARG X\nFROM $X\n", "Dockerfile:2: base name ($X) should not be blank"},
		{"FROM --platform=$NONE scratch\n", "Dockerfile:1: empty platform value from expression $NONE"},
		{"FROM scratch\nSTOPSIGNAL NONSENSE\n", "Dockerfile:2:"},
		{"FROM scratch\nENV A=${B?is needed}\n", "Dockerfile:2:"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		cleanup(planned_done) struct planned p = {0};
		assert_true(plan_text(&p, rows[i].text, NULL, NULL, NULL) < 0);
		assert_ptr_equal(strstr(error_message(p.error), rows[i].want), error_message(p.error));
	}
}

static void history_is_as_buildkit_writes_it(void **state)
{
	static const struct {
		const char *instruction, *want;
	} rows[] = {
		{"ENV a=1 b=\"x y\"", "ENV a=1 b=x y"},
		{"LABEL a=1 \"b c\"=d", "LABEL a=1 b c=d"},
		{"CMD [\"a\", \"b\\tc\"]", "CMD [\"a\" \"b\\tc\"]"},
		{"CMD a \"b\"", "CMD [\"/bin/sh\" \"-c\" \"a \\\"b\\\"\"]"},
		{"ENTRYPOINT [\"é\"]", "ENTRYPOINT [\"é\"]"},
		{"EXPOSE 80 81/UDP", "EXPOSE [80/tcp 81/udp]"},
		{"VOLUME /a /b", "VOLUME [/a /b]"},
		{"USER a:b", "USER a:b"},
		{"WORKDIR a/../b", "WORKDIR /b"},
		{"STOPSIGNAL SIGTERM", "STOPSIGNAL SIGTERM"},
		{"MAINTAINER a b", "MAINTAINER a b"},
		{"SHELL [\"a\", \"b\"]", "SHELL [a b]"},
		{"ARG a=1 b", "ARG a=1 b"},
		{"HEALTHCHECK --interval=5s CMD exit 0",
		 "HEALTHCHECK {Test:[CMD-SHELL exit 0] Interval:5s Timeout:0s StartPeriod:0s StartInterval:0s "
		 "Retries:0}"},
		{"HEALTHCHECK NONE", "HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s "
				     "Retries:0}"},
		{"RUN a b", "RUN /bin/sh -c a b # buildkit"},
		{"RUN [\"a\", \"b\"]", "RUN a b # buildkit"},
		{"COPY --chown=1:2 --chmod=755 a b /c/", "COPY --chown=1:2 --chmod=755 a b /c/ # buildkit"},
		{"ADD a /c", "ADD a /c # buildkit"},
		{"COPY <<X <<Y /c/\nX\nY", "COPY <<X <<Y /c/ # buildkit"},
		{"RUN <<X\n#!/bin/awk\nX", "RUN /bin/sh -c /dev/pipes/X # buildkit"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		cleanup(planned_done) struct planned p = {0};
		cleanup_free char *text = mem_printf("FROM scratch\n%s\n", rows[i].instruction);
		assert_int_equal(plan_text(&p, text, NULL, NULL, NULL), 0);
		assert_string_equal(last_history(&p), rows[i].want);
	}
}

static void arguments_stand_before_a_run(void **state)
{
	cleanup(planned_done) struct planned p = {0};
	cleanup(strlist_done) struct strlist args = {0};

	strlist_append(&args, "B=given");
	strlist_append(&args, "HTTP_PROXY=http://p");
	assert_int_equal(plan_text(&p, "ARG B=global\nFROM scratch\nARG A=1\nARG B\nARG C\nENV C=env\nRUN x\n", NULL,
				   &args, NULL),
			 0);
	assert_string_equal(last_history(&p), "RUN |3 A=1 B=given C=env /bin/sh -c x # buildkit");
	const struct plan_step *run = &target_of(&p)->steps[4];
	assert_string_equal(strlist_env_get(&run->env, "B"), "given");
	assert_null(strlist_env_get(&run->env, "HTTP_PROXY"));
	assert_string_equal(strlist_env_get(&p.globals.proxies, "http_proxy"), "http://p");
	assert_null(strlist_env_get(&target_of(&p)->config.env, "A"));
}

static void an_image_without_a_path_gets_one(void **state)
{
	cleanup(planned_done) struct planned p = {0};

	strlist_append(&p.base.env, "A=1");
	assert_int_equal(plan_text(&p, "FROM image\n", NULL, NULL, NULL), 0);
	assert_int_equal(target_of(&p)->config.env.count, 2);
	assert_non_null(strlist_env_get(&target_of(&p)->config.env, "PATH"));
}

static void as_many_stages_as_there_may_be_stand_on_each_other(void **state)
{
	cleanup(planned_done) struct planned p = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);

	buf_append_str(&text, "FROM scratch AS s0\n");
	for (int i = 1; i < DOCKERFILE_STAGES_MAX; i++)
		buf_printf(&text, "FROM s%d AS s%d\n", i - 1, i);
	assert_int_equal(plan_text(&p, buf_str(&text), NULL, NULL, NULL), 0);
	assert_int_equal(p.plan->stage_count, DOCKERFILE_STAGES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_only_what_the_target_needs),
		cmocka_unit_test(finds_copies_by_number_name_context_and_image),
		cmocka_unit_test(a_named_context_takes_the_place_of_a_stage),
		cmocka_unit_test(triggers_run_behind_from_and_are_gone),
		cmocka_unit_test(triggers_of_a_stage_run_in_those_made_from_it_once),
		cmocka_unit_test(errors_have_their_place),
		cmocka_unit_test(history_is_as_buildkit_writes_it),
		cmocka_unit_test(arguments_stand_before_a_run),
		cmocka_unit_test(an_image_without_a_path_gets_one),
		cmocka_unit_test(as_many_stages_as_there_may_be_stand_on_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
