/* Text to tree: lines, directives, flags, instructions, stages. */
#include "dockerfile/dockerfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static struct dockerfile *parsed(const char *text)
{
	struct dockerfile *file = NULL;
	cleanup_error struct error *err = NULL;

	if (dockerfile_parse(text, strlen(text), "Dockerfile", &file, &err) < 0)
		fail_msg("%s\n%s", text, error_message(err));
	return file;
}

/* The message of what must fail. */
static char *refused(const char *text)
{
	cleanup(dockerfile_free) struct dockerfile *file = NULL;
	cleanup_error struct error *err = NULL;

	if (dockerfile_parse(text, strlen(text), "Dockerfile", &file, &err) == 0)
		fail_msg("accepted: %s", text);
	return mem_strdup(error_message(err));
}

/* The first instruction behind "FROM x". */
static const struct instruction *only(const struct dockerfile *file)
{
	assert_int_equal(file->stage_count, 1);
	assert_true(file->stages[0].count >= 1);
	return file->stages[0].instructions[0];
}

static struct dockerfile *parsed_one(const char *line)
{
	cleanup_free char *text = mem_printf("FROM x\n%s\n", line);

	return parsed(text);
}

struct line_example {
	const char *line;
	const char *expected;
};

/* ---- Lines ---- */

static void joins_continued_lines(void **state)
{
	static const struct line_example examples[] = {
		{"RUN a \\\n  b", "a   b"},
		{"RUN a\\\nb", "ab"},
		{"RUN a \\  \t\n b", "a  b"},
		{"RUN a \\\n# comment\n  b", "a   b"},
		{"RUN a \\\n  # comment \\\n b", "a  b"},
		{"RUN a \\\n\n\n b", "a  b"},
		{"RUN a # b", "a # b"},
		{"RUN a \\\\\nRUN b", "a \\\\"},
		{"RUN a \\", "a"},
		{"RUN \\\n a", "a"},
		{"\\\nRUN a", "a"},
		{"   RUN a", "a"},
		{"\tRUN a  ", "a"},
		{"run a", "a"},
		{"RuN\ta", "a"},
		{"RUN a\r\nRUN b", "a"},
		{"RUN a \\\r\n b", "a  b"},
		{"RUN \xea\xb0\x80 \\\n b", "\xea\xb0\x80  b"},
		{"RUN a \\\n\\\n b", "a  b"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(dockerfile_free) struct dockerfile *file = parsed_one(examples[i].line);
		const struct instruction *run = only(file);
		assert_int_equal(run->kind, INSTRUCTION_RUN);
		if (strcmp(run->run.command.words.items[0], examples[i].expected) != 0)
			fail_msg("'%s' gave '%s'", examples[i].line, run->run.command.words.items[0]);
	}
}

static void drops_a_byte_order_mark(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file = parsed("\xef\xbb\xbf"
								  "# escape=`\nFROM x\n");

	assert_int_equal(file->directives.escape, '`');
	assert_string_equal(file->stages[0].from->from.image, "x");
}

static void knows_the_lines_of_an_instruction(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file = parsed("FROM x\n\n# c\nRUN a \\\n b\nRUN <<E\n1\nE\nUSER u");
	const struct stage *stage = &file->stages[0];

	assert_int_equal(stage->from->range.first_line, 1);
	assert_int_equal(stage->instructions[0]->range.first_line, 4);
	assert_int_equal(stage->instructions[0]->range.last_line, 5);
	assert_int_equal(stage->instructions[1]->range.first_line, 6);
	assert_int_equal(stage->instructions[1]->range.last_line, 8);
	assert_int_equal(stage->instructions[2]->range.first_line, 9);
	assert_string_equal(stage->instructions[0]->text, "RUN a  b");
	assert_string_equal(stage->instructions[0]->doc, "c");
}

static void keeps_a_comment_only_right_above(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file =
		parsed("# syntax=x\n# a first\n# second\nARG a\n# lost\n\nARG b\n# lost\n#\n# kept\nFROM x\n");

	assert_string_equal(file->args[0]->doc, "a first\nsecond");
	assert_null(file->args[1]->doc);
	assert_string_equal(file->stages[0].from->doc, "kept");
}

static void refuses_files_that_build_nothing(void **state)
{
	static const struct line_example examples[] = {
		{"", "cannot be empty"},
		{"# only\n", "file with no instructions"},
		{"\n\n", "file with no instructions"},
		{"ARG a\n", "no build stage"},
		{"RUN a\n", "no build stage in current context"},
		{"FORM x\n", "unknown instruction: FORM (did you mean FROM?)"},
		{"FROM x\nRUNN a\n", "unknown instruction: RUNN (did you mean RUN?)"},
		{"FROM x\n\\", "unknown instruction"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup_free char *message = refused(examples[i].line);
		if (!strstr(message, examples[i].expected))
			fail_msg("'%s': %s", examples[i].line, message);
	}
}

static void limits_the_length_of_a_line(void **state)
{
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);
	cleanup(dockerfile_free) struct dockerfile *file = NULL;

	buf_append_str(&text, "FROM x\nRUN ");
	while (text.len < 7 + DOCKERFILE_LINE_MAX)
		buf_append_char(&text, 'a');
	assert_int_equal(dockerfile_parse(text.data, text.len, "D", &file, NULL), 0);
	dockerfile_free(take_ptr(&file));
	buf_append_char(&text, 'a');
	assert_int_equal(dockerfile_parse(text.data, text.len, "D", &file, NULL), -27);
}

static void limits_what_a_hostile_file_can_ask_for(void **state)
{
	static const struct {
		const char *line;
		size_t most;
	} examples[] = {{"FROM x\n", DOCKERFILE_STAGES_MAX},
			{"ARG a\n", DOCKERFILE_PAIRS_MAX},
			{"RUN a\n", DOCKERFILE_INSTRUCTIONS_MAX - 1}};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);
		cleanup(dockerfile_free) struct dockerfile *file = NULL;
		if (i > 0)
			buf_append_str(&text, "FROM x\n");
		for (size_t j = 0; j <= examples[i].most; j++)
			buf_append_str(&text, examples[i].line);
		assert_int_equal(dockerfile_parse(text.data, text.len, "D", &file, NULL), -27);
	}
}

static void refuses_what_is_no_text(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file = NULL;

	assert_int_equal(dockerfile_parse("FROM x\0y", 8, "D", &file, NULL), -22);
}

/* ---- Directives ---- */

static void reads_directives_at_the_top_only(void **state)
{
	static const struct {
		const char *text;
		const char *syntax;
		const char *check;
		char escape;
	} examples[] = {
		{"# syntax=docker/dockerfile:1\n# escape=`\n# check=skip=all;error=true\nFROM x", "docker/dockerfile:1",
		 "skip=all;error=true", '`'},
		{"#escape=`\nFROM x", NULL, NULL, '`'},
		{"  #  EsCaPe  =  `  \nFROM x", NULL, NULL, '`'},
		{"# comment\n# escape=`\nFROM x", NULL, NULL, '\\'},
		{"\n# escape=`\nFROM x", NULL, NULL, '\\'},
		{"# other=1\n# escape=`\nFROM x", NULL, NULL, '\\'},
		{"# syntax=a b\n# comment\n# check=x\nFROM x", "a", NULL, '\\'},
		{"#!/usr/bin/docker\n# syntax=s\n# escape=`\nFROM x", "s", NULL, '\\'},
		{"# syntax=\n# escape=`\nFROM x", NULL, NULL, '\\'},
		{"# check=skip=all // old file\nFROM x", NULL, "skip=all", '\\'},
		{"FROM x\n# escape=`\n", NULL, NULL, '\\'},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(dockerfile_free) struct dockerfile *file = parsed(examples[i].text);
		if (file->directives.escape != examples[i].escape)
			fail_msg("escape of: %s", examples[i].text);
		assert_true((file->directives.syntax != NULL) == (examples[i].syntax != NULL));
		if (examples[i].syntax)
			assert_string_equal(file->directives.syntax, examples[i].syntax);
		assert_true((file->directives.check != NULL) == (examples[i].check != NULL));
		if (examples[i].check)
			assert_string_equal(file->directives.check, examples[i].check);
	}
	cleanup_free char *twice = refused("# escape=`\n# escape=`\nFROM x");
	assert_non_null(strstr(twice, "Dockerfile:2: only one escape parser directive can be used"));
	cleanup_free char *json = refused("{\"syntax\": \"other/language:1\", \"x\": [1]}");
	assert_non_null(strstr(json, "JSON for the front-end 'other/language:1'"));
	assert_non_null(strstr(json, "Dockerfile:1"));
	cleanup_free char *no_json = refused("{\"syntax\": \"x\"\n");
	assert_non_null(strstr(no_json, "unknown instruction"));
	cleanup_free char *wrong = refused("# escape=x\nFROM x");
	assert_non_null(strstr(wrong, "invalid escape token 'x'"));
}

static void a_backtick_continues_lines_and_protects_in_words(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file =
		parsed("# escape=`\nFROM x\nRUN dir c:\\ `\n x\nENV a=b`  c=d");
	const struct stage *stage = &file->stages[0];

	assert_string_equal(stage->instructions[0]->run.command.words.items[0], "dir c:\\  x");
	assert_int_equal(stage->instructions[1]->pairs.count, 2);
	assert_string_equal(stage->instructions[1]->pairs.items[0].value, "b` ");
}

/* ---- Flags ---- */

static void reads_flags_before_the_arguments(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file =
		parsed("FROM --platform=linux/arm64 x\n"
		       "COPY --from=a --chown=1:2 --chmod=0755 --link --parents=false --exclude=*.o --exclude=b c d\n"
		       "ADD --checksum=sha256:00 --keep-git-dir=TRUE --unpack=false u v\n"
		       "RUN --mount=type=cache,target=/x --mount='type=tmpfs,target=/a b' --network=none "
		       "--security=insecure --device=v/c=x -- --not-a-flag");
	const struct stage *stage = &file->stages[0];
	const struct instruction_copy *copy = &stage->instructions[0]->copy;
	const struct instruction_copy *add = &stage->instructions[1]->copy;
	const struct instruction_run *run = &stage->instructions[2]->run;

	assert_string_equal(stage->from->from.platform, "linux/arm64");
	assert_string_equal(copy->from, "a");
	assert_string_equal(copy->chown, "1:2");
	assert_string_equal(copy->chmod, "0755");
	assert_true(copy->link && !copy->parents);
	assert_int_equal(copy->excludes.count, 2);
	assert_string_equal(copy->sources.items[0], "c");
	assert_string_equal(copy->destination, "d");
	assert_string_equal(add->checksum, "sha256:00");
	assert_int_equal(add->keep_git_dir, FLAG_TRUE);
	assert_int_equal(add->unpack, FLAG_FALSE);
	assert_int_equal(run->mount_texts.count, 2);
	assert_string_equal(run->mount_texts.items[1], "type=tmpfs,target=/a b");
	assert_string_equal(run->network, "none");
	assert_string_equal(run->security, "insecure");
	assert_int_equal(run->devices.count, 1);
	assert_string_equal(run->command.words.items[0], "--not-a-flag");
}

/* What stands behind a blank that is not of ASCII is a word, whatever it looks like. */
static void takes_flags_behind_plain_blanks_only(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file =
		parsed("FROM x\nCOPY \t --link a b\nCOPY \u00a0--link a b\nONBUILD RUN a \t\nONBUILD RUN b \\\n");
	struct instruction **list = file->stages[0].instructions;

	assert_true(list[0]->copy.link);
	assert_false(list[1]->copy.link);
	assert_string_equal(list[1]->copy.sources.items[0], "--link");
	assert_string_equal(list[2]->argument, "RUN a \t");
	assert_string_equal(list[3]->argument, "RUN b ");
}

static void refuses_wrong_instructions(void **state)
{
	static const struct line_example examples[] = {
		{"COPY --form=a b c", "unknown flag: --form (did you mean from?)"},
		{"COPY --from=a --from=b c d", "duplicate flag specified: from"},
		{"COPY --link=x a b", "expecting boolean value for flag link, not: x"},
		{"COPY --link= a b", "missing a value on flag: link"},
		{"COPY --from a b", "missing a value on flag: from"},
		{"COPY --checksum=x a b", "unknown flag: --checksum"},
		{"ADD --from=x a b", "unknown flag: --from"},
		{"ADD --parents a b", "unknown flag: --parents"},
		{"COPY a", "requires at least two arguments"},
		{"COPY", "requires at least two arguments"},
		{"ADD [\"a\"]", "requires at least two arguments"},
		{"COPY <<a <<b\na\nb", "cannot accept a heredoc as a destination"},
		{"RUN --mont=type=bind a", "unknown flag: --mont (did you mean mount?)"},
		{"RUN --network=hots a", "invalid network mode 'hots' (did you mean host?)"},
		{"RUN --security=x a", "invalid security mode 'x'"},
		{"RUN --mount= type=bind,target=/x a", "--mount says nothing"},
		{"RUN --device= a", "--device says nothing"},
		{"RUN --device=required a", "--device has no name"},
		{"RUN --device=v.com/c=d,requierd a",
		 "invalid field 'requierd' must be a key=value pair (did you mean"},
		{"RUN --device=v.com/c=d,nmae=e a", "unexpected key 'nmae' in 'nmae=e' (did you mean name?)"},
		{"RUN --device=v.com/c=d,name=e a", "device name already set to v.com/c=d"},
		{"RUN --device=v.com/c=d,required=maybe a", "invalid value for required: maybe"},
		{"RUN [\"a\", 1]", "arrays must be comprised of strings only"},
		{"CMD [[\"a\"]]", "arrays must be comprised of strings only"},
		{"CMD [null]", "arrays must be comprised of strings only"},
		{"CMD [{\"a\": 1, \"a\": [true, false, -1.5e+3]}]", "arrays must be comprised of strings only"},
		{"RUN [\"a\\u0000\"]", "holds \\u0000"},
		{"COPY [\"a\\u0000\", \"b\"]", "holds \\u0000"},
		{"SHELL sh -c", "JSON form"},
		{"SHELL []", "requires at least one argument"},
		{"SHELL", "requires at least one argument"},
		{"ENV a", "ENV must have two arguments"},
		{"ENV", "requires at least one argument"},
		{"ENV a=b c", "can't find = in 'c'"},
		{"ENV =b", "names can not be blank"},
		{"LABEL a", "LABEL must have two arguments"},
		{"ARG", "requires at least one argument"},
		{"ARG =x", "names can not be blank"},
		{"ENV --x a=b", "unknown flag: --x"},
		{"EXPOSE", "requires at least one argument"},
		{"VOLUME", "requires at least one argument"},
		{"VOLUME [\"\"]", "can not be an empty string"},
		{"USER", "requires exactly one argument"},
		{"WORKDIR", "requires exactly one argument"},
		{"STOPSIGNAL", "requires exactly one argument"},
		{"MAINTAINER", "requires exactly one argument"},
		{"ONBUILD", "requires at least one argument"},
		{"ONBUILD ONBUILD RUN a", "chaining ONBUILD"},
		{"ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"},
		{"ONBUILD maintainer x", "isn't allowed as an ONBUILD trigger"},
		{"ONBUILD RUN [1]", "arrays must be comprised of strings only"},
		{"ONBUILD ENV a", "ENV must have two arguments"},
		{"HEALTHCHECK", "requires at least one argument"},
		{"HEALTHCHECK NONE x", "takes no arguments"},
		{"HEALTHCHECK FOO x", "unknown type 'FOO'"},
		{"HEALTHCHECK CMD", "missing command"},
		{"HEALTHCHECK CMD []", "missing command"},
		{"HEALTHCHECK --interval=1us CMD x", "cannot be less than 1ms"},
		{"HEALTHCHECK --interval=x CMD x", "x"},
		{"HEALTHCHECK --retries=-1 CMD x", "cannot be negative"},
		{"HEALTHCHECK --retry=1 CMD x", "did you mean retries?"},
		{"FROM", "either one or three arguments"},
		{"FROM a b", "either one or three arguments"},
		{"FROM a b c", "either one or three arguments"},
		{"FROM a AS 1b", "invalid name for build stage: '1b'"},
		{"FROM a AS b/c", "invalid name for build stage"},
		{"FROM a AS", "either one or three arguments"},
		{"RUN <<EOF\na\n", "unterminated heredoc 'EOF'"},
		{"RUN <<'EOF\nEOF\n", "unknown instruction: EOF"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup_free char *text = mem_printf("FROM x\n%s\n", examples[i].line);
		cleanup_free char *message = refused(text);
		if (!strstr(message, examples[i].expected) || strncmp(message, "Dockerfile:", 11) != 0)
			fail_msg("'%s': %s", examples[i].line, message);
	}
}

/* BuildKit does not look at the flags of these, nor at those before NONE. */
static void takes_any_flags_where_nobody_looks(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file =
		parsed("FROM x\nARG --x=1 A=b\nSTOPSIGNAL --y 9\nHEALTHCHECK --z NONE\nONBUILD -- RUN a\nRUN []\n"
		       "RUN --mount=type=nonsense,z,from=a a\nHEALTHCHECK --retries=+3 CMD x\n");
	struct instruction **list = file->stages[0].instructions;

	assert_int_equal(list[0]->pairs.count, 1);
	assert_string_equal(list[0]->pairs.items[0].key, "A");
	assert_string_equal(list[1]->argument, "9");
	assert_int_equal(list[2]->healthcheck.kind, HEALTHCHECK_NONE);
	assert_string_equal(list[3]->argument, "-- RUN a");
	assert_true(list[4]->run.command.is_exec);
	assert_int_equal(list[4]->run.command.words.count, 0);
	assert_int_equal(list[5]->run.mount_texts.count, 1);
	assert_int_equal(list[6]->healthcheck.retries, 3);
}

/* ---- JSON and words ---- */

static void json_is_a_list_and_the_rest_is_for_the_shell(void **state)
{
	static const struct {
		const char *line;
		bool is_exec;
		size_t count;
		const char *first;
	} examples[] = {
		{"RUN [\"a\", \"b c\"]", true, 2, "a"},
		{"RUN   [ \"a\" ]  ", true, 1, "a"},
		{"RUN [\"\\u00e4\\n\"]", true, 1, "\xc3\xa4\n"},
		{"RUN ['a', 'b']", false, 1, "['a', 'b']"},
		{"RUN [\"a\",]", false, 1, "[\"a\",]"},
		{"RUN [ -f x ] && y", false, 1, "[ -f x ] && y"},
		{"RUN [\"a\"] b", false, 1, "[\"a\"] b"},
		{"RUN {\"a\": 1}", false, 1, "{\"a\": 1}"},
		{"RUN [", false, 1, "["},
		{"RUN", false, 1, ""},
		{"RUN [\"\\ud800\"]", true, 1, "\xef\xbf\xbd"},
		{"RUN [\"\\udc00\\ud83d!\"]", true, 1, "\xef\xbf\xbd\xef\xbf\xbd!"},
		{"RUN [\"\\uD83D\\ude00\"]", true, 1, "\xf0\x9f\x98\x80"},
		{"RUN [\"\xff\"]", true, 1, "\xef\xbf\xbd"},
		{"RUN [\"a\tb\"]", false, 1, "[\"a\tb\"]"},
		{"RUN [\"\\x\"]", false, 1, "[\"\\x\"]"},
		{"RUN [\"a\", 01]", false, 1, "[\"a\", 01]"},
		{"RUN [\"a\", 1e999]", false, 1, "[\"a\", 1e999]"},
		{"RUN [\"a\", {\"b\"}]", false, 1, "[\"a\", {\"b\"}]"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(dockerfile_free) struct dockerfile *file = parsed_one(examples[i].line);
		const struct instruction_command *command = &only(file)->run.command;
		assert_int_equal(command->is_exec, examples[i].is_exec);
		assert_int_equal(command->words.count, examples[i].count);
		assert_string_equal(command->words.items[0], examples[i].first);
	}
	cleanup(dockerfile_free) struct dockerfile *nul = parsed_one("CMD [\"a\\u0000b\"]");
	assert_string_equal(only(nul)->command.words.items[0], "a\xef\xbf\xbd"
							       "b");
	cleanup(dockerfile_free) struct dockerfile *empty = parsed_one("CMD []");
	assert_true(only(empty)->command.is_exec);
	assert_int_equal(only(empty)->command.words.count, 0);
}

static void check_pairs(const char *line, const char *expected)
{
	cleanup(dockerfile_free) struct dockerfile *file = parsed_one(line);
	cleanup(buf_done) struct buf text = BUF_INIT(1000);
	const struct instruction_pairs *pairs = &only(file)->pairs;

	for (size_t i = 0; i < pairs->count; i++)
		buf_printf(&text, "%s[%s]=[%s]", i ? " " : "", pairs->items[i].key,
			   pairs->items[i].value ? pairs->items[i].value : "unset");
	if (strcmp(buf_str(&text), expected) != 0)
		fail_msg("'%s' gave %s", line, buf_str(&text));
}

static void env_has_two_forms(void **state)
{
	static const struct line_example examples[] = {
		{"ENV a=b", "[a]=[b]"},
		{"ENV a=b c=d", "[a]=[b] [c]=[d]"},
		{"ENV a= b=", "[a]=[] [b]=[]"},
		{"ENV a=\"x y\" b='z \"'", "[a]=[\"x y\"] [b]=['z \"']"},
		{"ENV a=x\\ y", "[a]=[x\\ y]"},
		{"ENV a=b=c", "[a]=[b=c]"},
		{"ENV a b c=d", "[a]=[b c=d]"},
		{"ENV a  b", "[a]=[b]"},
		{"ENV a \"b c\"", "[a]=[\"b c\"]"},
		{"ENV \"a b\"=c", "[\"a b\"]=[c]"},
		{"ENV a=\"b\\\"c\" d=e", "[a]=[\"b\\\"c\"] [d]=[e]"},
		{"ENV a='b\\' c=d", "[a]=['b\\'] [c]=[d]"},
		{"ENV a=b\\", "[a]=[b]"},
		{"ENV a=b \\\n  c=d", "[a]=[b] [c]=[d]"},
		{"LABEL a.b=c", "[a.b]=[c]"},
		{"LABEL a b", "[a]=[b]"},
		{"ARG a", "[a]=[unset]"},
		{"ARG a=", "[a]=[]"},
		{"ARG a=1 b c=\"x y\"", "[a]=[1] [b]=[unset] [c]=[\"x y\"]"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++)
		check_pairs(examples[i].line, examples[i].expected);
}

static void words_of_copy_do_not_know_quotes(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file =
		parsed("FROM x\nCOPY \"a b\" c\nCOPY [\"a b\", \"c\"]\nVOLUME /a  /b\nVOLUME [\"/a b\"]\nEXPOSE 2 1");
	struct instruction **all = file->stages[0].instructions;

	assert_int_equal(all[0]->copy.sources.count, 2);
	assert_string_equal(all[0]->copy.sources.items[0], "\"a");
	assert_string_equal(all[1]->copy.sources.items[0], "a b");
	assert_int_equal(all[2]->words.count, 2);
	assert_string_equal(all[3]->words.items[0], "/a b");
	assert_string_equal(all[4]->words.items[0], "1");
}

static void one_argument_is_the_rest_of_the_line(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file =
		parsed("FROM x\nWORKDIR /a b\nUSER u:g\nSTOPSIGNAL SIGINT\nMAINTAINER A B <c@d>\nONBUILD  run  a\n");
	struct instruction **all = file->stages[0].instructions;

	assert_string_equal(all[0]->argument, "/a b");
	assert_string_equal(all[1]->argument, "u:g");
	assert_string_equal(all[2]->argument, "SIGINT");
	assert_string_equal(all[3]->argument, "A B <c@d>");
	assert_string_equal(all[4]->argument, "run  a");
}

static void healthchecks_have_times(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file =
		parsed("FROM x\nHEALTHCHECK --interval=1m30s --timeout=3s --start-period=0 --start-interval=5ms "
		       "--retries=4 CMD [\"a\", \"b\"]\nHEALTHCHECK cmd a b\nHEALTHCHECK none");
	struct instruction **all = file->stages[0].instructions;

	assert_int_equal(all[0]->healthcheck.interval_ns, 90000000000);
	assert_int_equal(all[0]->healthcheck.timeout_ns, 3000000000);
	assert_int_equal(all[0]->healthcheck.start_interval_ns, 5000000);
	assert_int_equal(all[0]->healthcheck.retries, 4);
	assert_true(all[0]->healthcheck.command.is_exec);
	assert_int_equal(all[0]->healthcheck.command.words.count, 2);
	assert_false(all[1]->healthcheck.command.is_exec);
	assert_string_equal(all[1]->healthcheck.command.words.items[0], "a b");
	assert_int_equal(all[2]->healthcheck.kind, HEALTHCHECK_NONE);
}

/* ---- Stages ---- */

static void finds_stages_by_name_and_number(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file =
		parsed("ARG v\nFROM a AS One\nRUN x\nFROM b as two\nFROM one\nFROM c AS one\n");
	const struct stage *stage = NULL;

	assert_int_equal(file->arg_count, 1);
	assert_int_equal(file->stage_count, 4);
	assert_string_equal(file->stages[0].name, "one");
	assert_string_equal(file->stages[0].from->from.written_name, "One");
	assert_ptr_equal(dockerfile_stage(file, "ONE", 2), &file->stages[0]);
	assert_ptr_equal(dockerfile_stage(file, "one", SIZE_MAX), &file->stages[3]);
	assert_null(dockerfile_stage(file, "none", SIZE_MAX));
	assert_int_equal(dockerfile_target(file, NULL, &stage, NULL), 0);
	assert_ptr_equal(stage, &file->stages[3]);
	assert_int_equal(dockerfile_target(file, "TWO", &stage, NULL), 0);
	assert_ptr_equal(stage, &file->stages[1]);
	assert_int_equal(dockerfile_target(file, "2", &stage, NULL), 0);
	assert_ptr_equal(stage, &file->stages[2]);
	cleanup_error struct error *err = NULL;
	assert_int_equal(dockerfile_target(file, "twoo", &stage, &err), -2);
	assert_non_null(strstr(error_message(err), "did you mean two?"));
}

static void sources_of_copies_come_from_above(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file = parsed("FROM a AS one\nFROM b AS two\nFROM c AS three\n");
	const struct stage *two = &file->stages[1];
	const struct stage *stage = NULL;
	cleanup_error struct error *err = NULL;

	assert_int_equal(dockerfile_from(file, two, "One", STAGE_BY_NAME, &stage, NULL), 0);
	assert_ptr_equal(stage, &file->stages[0]);
	assert_int_equal(dockerfile_from(file, two, "0", STAGE_BY_NAME_OR_NUMBER, &stage, NULL), 0);
	assert_ptr_equal(stage, &file->stages[0]);
	assert_int_equal(dockerfile_from(file, two, "0", STAGE_BY_NAME, &stage, NULL), 0);
	assert_null(stage);
	assert_int_equal(dockerfile_from(file, two, "alpine", STAGE_BY_NAME_OR_NUMBER, &stage, NULL), 0);
	assert_null(stage);
	assert_int_equal(dockerfile_from(file, two, "7", STAGE_BY_NAME_OR_NUMBER, &stage, NULL), -22);
	assert_int_equal(dockerfile_from(file, two, "two", STAGE_BY_NAME, &stage, NULL), -22);
	assert_int_equal(dockerfile_from(file, two, "1", STAGE_BY_NAME_OR_NUMBER, &stage, NULL), -22);
	assert_int_equal(dockerfile_from(file, two, "three", STAGE_BY_NAME, &stage, &err), -22);
	assert_non_null(strstr(error_message(err), "needs to be defined before"));
}

static void notes_blank_lines_in_continuations(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file = parsed("FROM x\nRUN a \\\n\n b\n");

	assert_int_equal(file->findings.count, 1);
	assert_string_equal(file->findings.items[0].rule, "NoEmptyContinuation");
}

/* ---- Errors ---- */

static void an_error_shows_the_lines_and_the_word(void **state)
{
	cleanup_free char *message =
		refused("FROM x\nWORKDIR /src\nRUN --mout=type=cache make\nUSER app\nCMD x\nCMD y\n");

	assert_string_equal(
		message, "Dockerfile:3: dockerfile parse error on line 3: unknown flag: --mout (did you mean mount?)\n"
			 "--------------------\n"
			 "   1 |     FROM x\n"
			 "   2 |     WORKDIR /src\n"
			 "   3 | >>> RUN --mout=type=cache make\n"
			 "     |         ^^^^^^\n"
			 "   4 |     USER app\n"
			 "   5 |     CMD x\n"
			 "--------------------");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joins_continued_lines),
		cmocka_unit_test(drops_a_byte_order_mark),
		cmocka_unit_test(knows_the_lines_of_an_instruction),
		cmocka_unit_test(keeps_a_comment_only_right_above),
		cmocka_unit_test(refuses_files_that_build_nothing),
		cmocka_unit_test(limits_the_length_of_a_line),
		cmocka_unit_test(limits_what_a_hostile_file_can_ask_for),
		cmocka_unit_test(refuses_what_is_no_text),
		cmocka_unit_test(reads_directives_at_the_top_only),
		cmocka_unit_test(a_backtick_continues_lines_and_protects_in_words),
		cmocka_unit_test(reads_flags_before_the_arguments),
		cmocka_unit_test(takes_flags_behind_plain_blanks_only),
		cmocka_unit_test(refuses_wrong_instructions),
		cmocka_unit_test(takes_any_flags_where_nobody_looks),
		cmocka_unit_test(json_is_a_list_and_the_rest_is_for_the_shell),
		cmocka_unit_test(env_has_two_forms),
		cmocka_unit_test(words_of_copy_do_not_know_quotes),
		cmocka_unit_test(one_argument_is_the_rest_of_the_line),
		cmocka_unit_test(healthchecks_have_times),
		cmocka_unit_test(finds_stages_by_name_and_number),
		cmocka_unit_test(sources_of_copies_come_from_above),
		cmocka_unit_test(notes_blank_lines_in_continuations),
		cmocka_unit_test(an_error_shows_the_lines_and_the_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
