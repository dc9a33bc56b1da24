/* The checks, each with a file that has it and one that has not, and what `# check=` makes of them. */
#include "dockerfile/lint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

struct example {
	const char *text;
	const char *findings; /* "Rule:line Rule:line" */
};

/* Everything that is found, as "Rule:line" words. */
static char *lint(const char *text, const struct lint_options *options)
{
	cleanup(dockerfile_free) struct dockerfile *file = NULL;
	cleanup(findings_done) struct findings findings = {0};
	cleanup(buf_done) struct buf all = BUF_INIT(10000);
	cleanup_error struct error *err = NULL;

	if (dockerfile_parse(text, strlen(text), "Dockerfile", &file, &err) < 0)
		fail_msg("%s", error_message(err));
	lint_run(file, options, &findings, NULL);
	for (size_t i = 0; i < findings.count; i++) {
		assert_non_null(lint_rule_find(findings.items[i].rule));
		buf_printf(&all, "%s%s:%u", i ? " " : "", findings.items[i].rule, findings.items[i].range.first_line);
	}
	return buf_take(&all);
}

static void check(const struct example *examples, size_t count, const struct lint_options *options)
{
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *found = lint(examples[i].text, options);
		if (strcmp(found, examples[i].findings) != 0)
			fail_msg("%s\ngave: %s\nnot:  %s", examples[i].text, found, examples[i].findings);
	}
}

static void finds_what_docker_finds(void **state)
{
	static const struct example examples[] = {
		{"FROM scratch\nCOPY a /b\n", ""},
		{"FROM scratch AS Base\n", "StageNameCasing:1"},
		{"FROM scratch as base\n", "FromAsCasing:1"},
		{"from scratch AS base\n", "FromAsCasing:1"},
		{"from scratch as base\n", ""},
		{"FROM scratch\nRUN a \\\n\n b\n", "NoEmptyContinuation:4"},
		{"FROM scratch\nrun a\nRUN b\n", "ConsistentInstructionCasing:2"},
		{"from scratch\nrun a\nRUN b\n", "ConsistentInstructionCasing:3"},
		{"FROM scratch\nRun a\n", "ConsistentInstructionCasing:2"},
		{"FROM scratch AS a\nFROM scratch AS a\n", "DuplicateStageName:2"},
		{"FROM x AS context\nFROM x AS scratch\n", "ReservedStageName:1 ReservedStageName:2"},
		{"FROM scratch\nCMD a\nENTRYPOINT b\n", "JSONArgsRecommended:2 JSONArgsRecommended:3"},
		{"FROM scratch\nSHELL [\"a\"]\nCMD a\n", ""},
		{"FROM scratch AS b\nSHELL [\"a\"]\nFROM b\nCMD a\n", ""},
		{"FROM scratch\nCMD [\"a\"]\n", ""},
		{"FROM scratch\nCMD\n", "JSONArgsRecommended:2"},
		{"FROM Other\n", "InvalidDefaultArgInFrom:1"},
		{"FROM --platform=amd64 a AS linux_one\n", ""},
		{"FROM --platform=armhf a AS for_arm\n", ""},
		{"FROM --platform=windows a AS linux_one\n", "FromPlatformFlagConstDisallowed:1"},
		{"FROM scratch\nEXPOSE :80 ::81\n", ""},
		{"FROM scratch\nMAINTAINER me\n", "MaintainerDeprecated:2"},
		{"FROM $nope\n", "InvalidDefaultArgInFrom:1 UndefinedArgInFrom:1"},
		{"ARG yes=a\nFROM $yes\n", ""},
		{"FROM --platform=$BUILDPLATFORM a\n", ""},
		{"FROM scratch\nWORKDIR a\n", "WorkdirRelativePath:2"},
		{"FROM scratch\nWORKDIR a\nWORKDIR b\n", "WorkdirRelativePath:2"},
		{"FROM scratch\nWORKDIR /a\nWORKDIR b\n", ""},
		{"FROM scratch AS a\nWORKDIR /a\nFROM a\nWORKDIR b\n", ""},
		{"FROM scratch\nCOPY $foo /b\n", "UndefinedVar:2"},
		{"FROM scratch\nARG foo\nCOPY $foo /b\n", ""},
		{"FROM scratch\nENV foo=x\nCOPY $foo $PATH\n", ""},
		{"FROM scratch\nCOPY ${foo:-x} /b\n", ""},
		{"FROM unknown\nCOPY $foo /b\n", ""},
		{"FROM scratch\nENV a=$a b=$c\n", "UndefinedVar:2 UndefinedVar:2"},
		{"FROM scratch\nRUN echo $foo\n", ""},
		{"FROM scratch\nCMD [\"a\"]\nCMD [\"b\"]\n", "MultipleInstructionsDisallowed:2"},
		{"FROM scratch AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]\n", ""},
		{"FROM scratch\nHEALTHCHECK NONE\nHEALTHCHECK NONE\n", "MultipleInstructionsDisallowed:2"},
		{"FROM scratch\nENV a b\nLABEL a b\n", "LegacyKeyValueFormat:2 LegacyKeyValueFormat:3"},
		{"FROM --platform=$TARGETPLATFORM a\n", "RedundantTargetPlatform:1"},
		{"FROM --platform=linux/amd64 a\n", "FromPlatformFlagConstDisallowed:1"},
		{"FROM --platform=linux/amd64 a AS build_amd64\n", ""},
		{"FROM --platform=linux/x86_64 a AS build_amd64\n", ""},
		{"FROM --platform=linux/arm/v7 a AS v7\n", "FromPlatformFlagConstDisallowed:1"},
		{"FROM --platform=$BUILDPLATFORM a\n", ""},
		{"FROM scratch\nARG GITHUB_TOKEN\nENV password=x\n", "SecretsUsedInArgOrEnv:2 SecretsUsedInArgOrEnv:3"},
		{"FROM scratch\nENV PUBLIC_KEY=x MONKEY=y TOKENS=z KEY_FILE=a\n", ""},
		{"ARG v\nFROM a:$v\n", "InvalidDefaultArgInFrom:2"},
		{"ARG v\nFROM a:${v:-1}\n", ""},
		{"ARG v\nFROM $v\n", "InvalidDefaultArgInFrom:2"},
		{"ARG r=h.io:5000/x\nFROM ${r}/Y\n", "InvalidDefaultArgInFrom:2"},
		{"ARG r=h.io:5000/x\nFROM ${r}/y:1\n", ""},
		{"FROM scratch\nEXPOSE 80/TCP\n", "ExposeProtoCasing:2"},
		{"FROM scratch\nEXPOSE 127.0.0.1:80:80 8080:80\n", "ExposeInvalidFormat:2 ExposeInvalidFormat:2"},
	};
	const struct lint_options options = {0};

	check(examples, ARRAY_COUNT(examples), &options);
}

/* The instruction is named as it is written, and a suggestion has at most two letters changed. */
static void says_it_in_buildkits_words(void **state)
{
	static const struct example examples[] = {
		{"from scratch\ncmd a\n",
		 "JSON arguments recommended for cmd to prevent unintended behavior related to OS "
		 "signals"},
		{"from scratch\nentrypoint []\nentrypoint []\n", "Multiple entrypoint instructions should not be used "
								 "in the same stage because only the last one will be "
								 "used"},
		{"from scratch\nenv a b\n",
		 "\"env key=value\" should be used instead of legacy \"env key value\" format"},
		{"FROM scratch\nENV ab=1\nLABEL a=$a\n", "Usage of undefined variable '$a' (did you mean $ab?)"},
		{"FROM scratch\nENV abcdef=1\nLABEL a=$abcxyz\n", "Usage of undefined variable '$abcxyz'"},
		{"FROM scratch\nENV ABCDEF=1\nLABEL a=$abcdef\n", "Usage of undefined variable '$abcdef'"},
		{"FROM scratch\nARG unset\nLABEL a=$unser\n", "Usage of undefined variable '$unser'"},
		{"FROM --platform=linux/amd64 a\n",
		 "FROM --platform flag should not use constant value \"linux/amd64\""},
		{"FROM scratch\nWORKDIR a\n",
		 "Relative workdir \"a\" can have unexpected results if the base image changes"},
		{"ARG GOVERSION=1\nFROM a:${GOVERSIO:-1}${GOVERSIO}x\n",
		 "FROM argument 'GOVERSIO' is not declared (did you mean GOVERSION?)"},
	};
	const struct lint_options options = {0};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(dockerfile_free) struct dockerfile *file = NULL;
		cleanup(findings_done) struct findings findings = {0};
		const char *text = examples[i].text;
		assert_int_equal(dockerfile_parse(text, strlen(text), "D", &file, NULL), 0);
		lint_run(file, &options, &findings, NULL);
		assert_int_equal(findings.count, 1);
		assert_string_equal(findings.items[0].message, examples[i].findings);
	}
}

/* What would end the build, and only what stands before it. */
static void tells_what_would_end_the_build(void **state)
{
	static const struct {
		const char *text, *message; /* NULL: nothing */
		unsigned line;
		size_t findings;
	} examples[] = {
		{"FROM scratch\nMAINTAINER me\nNONE\nMAINTAINER you\n",
		 "dockerfile parse error on line 3: unknown instruction: NONE", 3, 1},
		{"FROM scratch\nCMD a\nRUN [1]\n", "arrays must be comprised of strings only", 3, 0},
		{"RUN a\n", "no build stage", 1, 0},
		{"# only a comment\n", "file with no instructions", 0, 0},
		{"ARG A=${B:?none}\nFROM scratch\n", "B: none", 1, 0},
		{"FROM $NONE\nFROM scratch\n", "base name ($NONE) should not be blank", 1, 2},
		{"FROM ${A\n", "syntax error", 1, 0},
		{"FROM --platform=$NONE scratch\n", "empty platform value from expression $NONE", 1, 1},
		{"ARG MY_ARCH=x\nFROM --platform=linux/$MYARCH scratch\n",
		 "failed to parse platform linux/$MYARCH (did you mean MY_ARCH?)", 2, 1},
		{"FROM --platform=a/b/c/d scratch\n", "failed to parse platform a/b/c/d", 1, 0},
		{"FROM scratch\nCOPY --from=7 a b\n", "invalid stage index 7", 2, 0},
		{"FROM scratch AS a\nCOPY --from=b a b\nFROM scratch AS b\nCOPY --from=a a b\n",
		 "circular dependency detected on stage: a", 4, 0},
		{"FROM scratch AS a\nCOPY --from=b a b\nFROM scratch AS b\nCMD x\n", "needs to be defined before", 2,
		 0},
		{"FROM scratch\nCMD x\nARG A=${B?}\nENTRYPOINT x\n", "B: is not allowed to be unset", 3, 1},
		{"FROM scratch\nRUN --mount=type=bnd a\n", "unsupported mount type 'bnd'", 2, 0},
		{"FROM scratch\nEXPOSE 80/x\n", "invalid proto: x", 2, 0},
		{"FROM scratch\nSTOPSIGNAL x\n", "invalid signal: x", 2, 0},
		{"FROM unknown\nEXPOSE $PORT\nUSER ${WHO:?}\n", NULL, 0, 0},
		{"FROM scratch\nRUN []\n", NULL, 0, 0},
	};
	const struct lint_options options = {0};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(dockerfile_free) struct dockerfile *file = NULL;
		cleanup(findings_done) struct findings findings = {0};
		cleanup(lint_failure_done) struct lint_failure failure = {0};
		const char *text = examples[i].text;
		assert_int_equal(dockerfile_parse_for_checks(text, strlen(text), "D", &file, NULL), 0);
		lint_run(file, &options, &findings, &failure);
		if (!examples[i].message != !failure.message ||
		    (failure.message && !strstr(failure.message, examples[i].message)))
			fail_msg("%s\ngave: %s", text, failure.message ? failure.message : "nothing");
		assert_int_equal(failure.range.first_line, examples[i].line);
		if (findings.count != examples[i].findings)
			fail_msg("%s\ngave %zu findings", text, findings.count);
	}
}

static void finds_files_that_are_left_out(void **state)
{
	static const struct example examples[] = {
		{"FROM scratch\nCOPY a /b\n", ""},
		{"FROM scratch\nCOPY ./secret/x /b\n", "CopyIgnoredFile:2"},
		{"FROM scratch\nADD secret/ https://h/secret /b\n", "CopyIgnoredFile:2"},
		{"FROM scratch\nCOPY /secret /b\n", ""}, /* BuildKit does not take the '/' away */
		{"FROM scratch AS a\nFROM scratch\nCOPY --from=a secret /b\n", ""},
	};
	cleanup(ignore_rules_done) struct ignore_rules rules = {0};
	const struct lint_options options = {.ignore = &rules};

	assert_int_equal(ignore_rules_add(&rules, "secret", NULL), 0);
	check(examples, ARRAY_COUNT(examples), &options);
}

static void obeys_what_the_caller_knows(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file = NULL;
	cleanup(strlist_done) struct strlist env = {0};
	cleanup(findings_done) struct findings findings = {0};
	static const char text[] = "FROM golang\nCOPY $GOPATH $GOPTH\nFROM scratch AS b\nWORKDIR x\n";

	strlist_append(&env, "GOPATH=/go");
	assert_int_equal(dockerfile_parse(text, strlen(text), "D", &file, NULL), 0);
	const struct lint_base bases[] = {{.env = &env}, {0}};
	const struct lint_options options = {.bases = bases, .target = &file->stages[0]};
	lint_run(file, &options, &findings, NULL);
	assert_int_equal(findings.count, 1);
	assert_string_equal(findings.items[0].message, "Usage of undefined variable '$GOPTH' (did you mean $GOPATH?)");
}

static void the_context_is_left_out_when_every_name_is(void **state)
{
	static const char text[] = "FROM scratch\nCOPY . /b\nADD dir/../other/ /b\n";
	static const struct {
		const char *pattern;
		const char *findings;
	} examples[] = {
		{".*", ""},
		{"*", "CopyIgnoredFile:2 CopyIgnoredFile:3"},
		{"**", "CopyIgnoredFile:2 CopyIgnoredFile:3"},
		{"other", "CopyIgnoredFile:3"},
		{"dir", ""},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(ignore_rules_done) struct ignore_rules rules = {0};
		const struct lint_options options = {.ignore = &rules};
		assert_int_equal(ignore_rules_add(&rules, examples[i].pattern, NULL), 0);
		cleanup_free char *found = lint(text, &options);
		assert_string_equal(found, examples[i].findings);
		assert_int_equal(ignore_rules_add(&rules, "!back", NULL), 0);
		cleanup_free char *with_exception = lint(text, &options);
		assert_string_equal(with_exception, "");
	}
}

static void a_platform_that_is_the_target_is_redundant_however_it_is_written(void **state)
{
	static const struct example examples[] = {
		{"FROM --platform=${TARGETPLATFORM} a\n", "RedundantTargetPlatform:1"},
		{"FROM --platform=${TARGETPLATFORM:-linux/s390x} a\n", "RedundantTargetPlatform:1"},
		{"FROM --platform=$TARGETPLATFORM/v8 a\n", ""},
		{"FROM --platform=$TARGETOS/$TARGETARCH a\n", ""},
	};
	cleanup(strlist_done) struct strlist args = {0};
	const struct lint_options options = {.build_args = &args};

	strlist_append(&args, "TARGETPLATFORM=linux/arm64");
	strlist_append(&args, "TARGETOS=linux");
	strlist_append(&args, "TARGETARCH=arm64");
	check(examples, ARRAY_COUNT(examples), &options);
}

static void a_comment_leaves_rules_out_for_what_is_below_it(void **state)
{
	static const struct example examples[] = {
		{"FROM x\n# check=skip=JSONArgsRecommended\nCMD a\nENTRYPOINT a\n", "JSONArgsRecommended:4"},
		{"FROM x\n# check=skip=MaintainerDeprecated // why\nMAINTAINER me\n", ""},
		{"FROM x\n# check=skip=UndefinedVar,WorkdirRelativePath\n# and more\nWORKDIR a\n", ""},
		{"FROM x\n# check=skip=all // here\nENV password=x\nARG token\n", "SecretsUsedInArgOrEnv:4"},
		{"FROM x\n# check=skip=FromAsCasing\nCMD a\n", "JSONArgsRecommended:3"},
		{"FROM x\n# check=skip=JSONArgsRecommended\n\nCMD a\n", "JSONArgsRecommended:4"},
		{"FROM x\n# check=error=true\nCMD a\n", "JSONArgsRecommended:3"},
		{"\n# check=skip=StageNameCasing\nFROM x AS A\nFROM x AS B\n", "StageNameCasing:4"},
		{"FROM x\n# check=skip=NoEmptyContinuation\nRUN a \\\n\n b\n", ""},
	};
	const struct lint_options options = {0};

	check(examples, ARRAY_COUNT(examples), &options);
}

static void comments_describe_an_argument_of_the_line(void **state)
{
	static const struct example examples[] = {
		{"# a is it\nARG a=1\n# base is it\nFROM x AS base\n# c is it\nARG b c=2\n#\nARG d\n", ""},
		{"# b is it\nARG a=1\n# BASE is it\nFROM x AS base\n# what\nARG b c=2\n",
		 "InvalidDefinitionDescription:2 InvalidDefinitionDescription:4 InvalidDefinitionDescription:6"},
		{"FROM x\n# check=skip=all\nARG a\n# for COPY\nCOPY a b\n", ""},
	};
	cleanup(lint_config_done) struct lint_config config = {0};
	const struct lint_options options = {.config = &config};

	assert_int_equal(lint_config_parse("experimental=InvalidDefinitionDescription", &config, NULL), 0);
	check(examples, ARRAY_COUNT(examples), &options);
}

static void the_directive_chooses_rules(void **state)
{
	static const struct {
		const char *check;
		const char *findings;
		bool error;
	} examples[] = {
		{NULL, "StageNameCasing:2", false},
		{"skip=StageNameCasing", "", false},
		{"skip=stagenamecasing", "StageNameCasing:2", false},
		{" skip = FromAsCasing , StageNameCasing ; error = true ", "", true},
		{"error=true", "StageNameCasing:2", true},
		{"skip=all;experimental=InvalidDefinitionDescription", "InvalidDefinitionDescription:2", false},
		{"experimental=all", "InvalidDefinitionDescription:2 StageNameCasing:2", false},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(lint_config_done) struct lint_config config = {0};
		const struct lint_options options = {.config = &config};
		assert_int_equal(lint_config_parse(examples[i].check, &config, NULL), 0);
		assert_int_equal(config.error, examples[i].error);
		cleanup_free char *found = lint("# something else\nFROM scratch AS A\n", &options);
		assert_string_equal(found, examples[i].findings);
	}
	cleanup(lint_config_done) struct lint_config config = {0};
	assert_int_equal(lint_config_parse("skipp=a", &config, NULL), -22);
	assert_int_equal(lint_config_parse("skip", &config, NULL), -22);
	assert_int_equal(lint_config_parse("error=maybe", &config, NULL), -22);
}

static void the_22_rules_are_known_by_their_names(void **state)
{
	static const char *const names[] = {"StageNameCasing",
					    "FromAsCasing",
					    "NoEmptyContinuation",
					    "ConsistentInstructionCasing",
					    "DuplicateStageName",
					    "ReservedStageName",
					    "JSONArgsRecommended",
					    "MaintainerDeprecated",
					    "UndefinedArgInFrom",
					    "WorkdirRelativePath",
					    "UndefinedVar",
					    "MultipleInstructionsDisallowed",
					    "LegacyKeyValueFormat",
					    "InvalidBaseImagePlatform",
					    "RedundantTargetPlatform",
					    "SecretsUsedInArgOrEnv",
					    "InvalidDefaultArgInFrom",
					    "FromPlatformFlagConstDisallowed",
					    "CopyIgnoredFile",
					    "ExposeProtoCasing",
					    "ExposeInvalidFormat",
					    "InvalidDefinitionDescription"};

	assert_int_equal(ARRAY_COUNT(names), 22);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		assert_string_equal(lint_rule_find(names[i])->name, names[i]);
	assert_null(lint_rule_find("stagenamecasing"));
}

static void prints_findings_with_the_line(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file = NULL;
	cleanup(findings_done) struct findings findings = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(10000);
	static const char source[] = "FROM scratch AS A\nCOPY a b\n";

	assert_int_equal(dockerfile_parse(source, strlen(source), "Dockerfile", &file, NULL), 0);
	lint_run(file, &(struct lint_options){0}, &findings, NULL);
	lint_format(file, &findings, &text);
	assert_string_equal(buf_str(&text),
			    "WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/\n"
			    "Stage name 'A' should be lowercase\n"
			    "Dockerfile:1\n"
			    "--------------------\n"
			    "   1 | >>> FROM scratch AS A\n"
			    "   2 |     COPY a b\n"
			    "--------------------\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_docker_finds),
		cmocka_unit_test(says_it_in_buildkits_words),
		cmocka_unit_test(tells_what_would_end_the_build),
		cmocka_unit_test(finds_files_that_are_left_out),
		cmocka_unit_test(obeys_what_the_caller_knows),
		cmocka_unit_test(the_directive_chooses_rules),
		cmocka_unit_test(the_context_is_left_out_when_every_name_is),
		cmocka_unit_test(a_platform_that_is_the_target_is_redundant_however_it_is_written),
		cmocka_unit_test(a_comment_leaves_rules_out_for_what_is_below_it),
		cmocka_unit_test(comments_describe_an_argument_of_the_line),
		cmocka_unit_test(the_22_rules_are_known_by_their_names),
		cmocka_unit_test(prints_findings_with_the_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
