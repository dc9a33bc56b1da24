/* Here-documents: BuildKit's parser_heredoc_test.go and what the instructions make of them. */
#include "dockerfile/heredoc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "dockerfile/dockerfile.h"

static struct dockerfile *parsed(const char *lines)
{
	cleanup_free char *text = mem_printf("FROM x\n%s", lines);
	struct dockerfile *file = NULL;
	cleanup_error struct error *err = NULL;

	if (dockerfile_parse(text, strlen(text), "Dockerfile", &file, &err) < 0)
		fail_msg("%s\n%s", lines, error_message(err));
	return file;
}

static void recognises_words(void **state)
{
	static const struct {
		const char *word;
		const char *name; /* NULL: none */
		bool expand;
		bool strip;
		unsigned fd;
	} examples[] = {
		{"<<EOF", "EOF", true, false, 0},
		{"<<'EOF'", "EOF", false, false, 0},
		{"<<\"EOF\"", "EOF", false, false, 0},
		{"<<-EOF", "EOF", true, true, 0},
		{"<<-'EOF'", "EOF", false, true, 0},
		{"<<EO\"F\"", "EOF", false, false, 0},
		{"<< EOF", "EOF", true, false, 0},
		{"<<- EOF", "EOF", true, true, 0},
		{"<< -EOF", "-EOF", true, false, 0},
		{"4<<EOF", "EOF", true, false, 4},
		{"<<eo\\'f", "eo'f", true, false, 0},
		{"<<'e'o\\'f", "eo'f", false, false, 0},
		{"<<'one two'", "one two", false, false, 0},
		{"<<$EOF", "$EOF", true, false, 0},
		{"<<file.txt", "file.txt", true, false, 0},
		{"", NULL},
		{"EOF", NULL},
		{"<<", NULL},
		{"<<-", NULL},
		{"<EOF", NULL},
		{"<<<EOF", NULL},
		{"<<EOF sh", NULL},
		{"<<'EOF", NULL},
		{"a<<EOF", NULL},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(heredoc_done) struct heredoc heredoc = {0};
		int rc = heredoc_parse(examples[i].word, &heredoc);
		if (rc != (examples[i].name != NULL))
			fail_msg("'%s' gave %d", examples[i].word, rc);
		if (!rc)
			continue;
		assert_string_equal(heredoc.name, examples[i].name);
		assert_int_equal(heredoc.expand, examples[i].expand);
		assert_int_equal(heredoc.strip_tabs, examples[i].strip);
		assert_int_equal(heredoc.fd, examples[i].fd);
	}
}

static void finds_them_in_a_line(void **state)
{
	static const struct {
		const char *line;
		const char *names;
	} examples[] = {
		{"RUN <<EOF", "EOF"},	       {"RUN <<EOF <<EOF2", "EOF,EOF2"},
		{"RUN <<  EOF  > foo", "EOF"}, {"RUN cat <<EOF >/x && cat <<-'B' | sh", "EOF,B"},
		{"RUN '<<EOF'", ""},	       {"RUN \"<<EOF\"", ""},
		{"RUN cat <<<EOF", ""},	       {"RUN echo $((1<<2))", ""},
		{"RUN \\<<EOF", ""},	       {"RUN echo ${x^^} <<EOF", ""}, /* a shell's, and so none is looked for */
		{"RUN echo \"open <<EOF", ""},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(heredocs_done) struct heredocs found = {0};
		cleanup(strlist_done) struct strlist names = {0};
		assert_int_equal(heredocs_find(examples[i].line, &found, NULL), 0);
		for (size_t j = 0; j < found.count; j++)
			strlist_append(&names, found.items[j].name);
		cleanup_free char *joined = strlist_join(&names, ",");
		if (strcmp(joined, examples[i].names) != 0)
			fail_msg("'%s' has '%s'", examples[i].line, joined);
	}
}

static void run_gives_the_shell_what_it_must_read(void **state)
{
	static const struct {
		const char *line;
		enum run_script script;
		const char *text;
	} examples[] = {
		{"RUN <<EOF\necho a\n# b\nEOF\n", RUN_SHELL_SCRIPT, "echo a\n# b\n"},
		{"RUN <<-EOF\n\techo a\n\t\tb\n\tEOF\n", RUN_SHELL_SCRIPT, "echo a\nb\n"},
		{"RUN <<EOF\n\techo a \\\n b\nEOF\n", RUN_SHELL_SCRIPT, "\techo a \\\n b\n"},
		{"RUN <<'EOF'\n#!/bin/awk -f\n$x\nEOF\n", RUN_SCRIPT_FILE, "#!/bin/awk -f\n$x\n"},
		{"RUN <<EOF python3\nprint()\nEOF\n", RUN_COMMAND, "<<EOF python3\nprint()\nEOF"},
		{"RUN cat <<A - <<B\n1\nA\n2\nB\n", RUN_COMMAND, "cat <<A - <<B\n1\nA\n2\nB"},
		{"RUN --network=none <<EOF\na\nEOF\n", RUN_SHELL_SCRIPT, "a\n"},
		{"RUN <<EOF\nEOF\n", RUN_SHELL_SCRIPT, ""},
		{"RUN <<EOF\na\r\nEOF\r\n", RUN_SHELL_SCRIPT, "a\r\n"},
		{"RUN 3<<EOF\na\nEOF\n", RUN_SHELL_SCRIPT, "a\n"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(dockerfile_free) struct dockerfile *file = parsed(examples[i].line);
		const struct instruction_run *run = &file->stages[0].instructions[0]->run;
		assert_int_equal(run->script, examples[i].script);
		assert_string_equal(run->command.words.items[0], examples[i].text);
		assert_true((run->script_name != NULL) == (run->script != RUN_COMMAND));
	}
}

static void copy_makes_files_of_them(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file =
		parsed("COPY --chmod=644 <<X a <<-'Y' /dest\nY $v\nX\n\tX\nY\nADD <<Z /z\nZ\nCOPY [\"<<N\", \"/n\"]\n");
	struct instruction **all = file->stages[0].instructions;
	const struct instruction_copy *copy = &all[0]->copy;

	assert_int_equal(copy->sources.count, 1);
	assert_string_equal(copy->sources.items[0], "a");
	assert_int_equal(copy->files.count, 2);
	assert_string_equal(copy->files.items[0].name, "X");
	assert_string_equal(copy->files.items[0].content, "Y $v\n");
	assert_true(copy->files.items[0].expand);
	assert_string_equal(copy->files.items[1].content, "X\n");
	assert_false(copy->files.items[1].expand);
	assert_string_equal(copy->destination, "/dest");
	assert_string_equal(all[1]->copy.files.items[0].content, "");
	/* Nothing is read for the JSON form, and yet it is one. */
	assert_int_equal(all[2]->copy.files.count, 1);
	assert_string_equal(all[2]->copy.files.items[0].content, "");
}

static void others_have_none(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file =
		parsed("USER <<INVALID\nRUN [\"<<EOF\"]\nENV a=<<B\nCMD cat <<C\nUSER x\n");

	assert_int_equal(file->stages[0].count, 5);
}

static void onbuild_keeps_them_in_its_text(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file =
		parsed("ONBUILD RUN <<EOF\necho\nEOF\nONBUILD COPY <<A /b\nx\nA\n");
	struct instruction **all = file->stages[0].instructions;
	cleanup(instruction_free) struct instruction *run = NULL;
	cleanup(instruction_free) struct instruction *copy = NULL;

	assert_string_equal(all[0]->argument, "RUN <<EOF\necho\nEOF");
	assert_int_equal(instruction_parse_trigger(all[0]->argument, '\\', &run, NULL), 0);
	assert_int_equal(run->kind, INSTRUCTION_RUN);
	assert_string_equal(run->run.command.words.items[0], "echo\n");
	assert_int_equal(instruction_parse_trigger(all[1]->argument, '\\', &copy, NULL), 0);
	assert_string_equal(copy->copy.files.items[0].content, "x\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recognises_words),
		cmocka_unit_test(finds_them_in_a_line),
		cmocka_unit_test(run_gives_the_shell_what_it_must_read),
		cmocka_unit_test(copy_makes_files_of_them),
		cmocka_unit_test(others_have_none),
		cmocka_unit_test(onbuild_keeps_them_in_its_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
