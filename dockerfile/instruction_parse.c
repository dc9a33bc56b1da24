/*
 * Statements to instructions, one function for each shape. Messages follow BuildKit's instructions/parse.go, because
 * people look them up.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "dockerfile/character_internal.h"
#include "dockerfile/lines_internal.h"
#include "dockerfile/statement_internal.h"

#define NANOSECONDS_PER_MILLISECOND 1000000

struct parse {
	const struct statement *statement;
	const struct heredocs *heredocs; /* NULL: none */
	char escape;
	char **culprit;
};

static void blame(const struct parse *parse, const char *word)
{
	mem_replace(parse->culprit, word);
}

static int takes_flags(const struct parse *parse, const struct flag_spec *specs, size_t count, struct error **err)
{
	return flags_check(&parse->statement->flags, specs, count, parse->culprit, err);
}

static int takes_no_flags(const struct parse *parse, struct error **err)
{
	return takes_flags(parse, NULL, 0, err);
}

/* Of what the build itself has to give to a program or look for. */
static int takes_no_nul(const struct parse *parse, struct error **err)
{
	if (!parse->statement->is_json || !parse->statement->has_nul)
		return 0;
	return error_set(err, EINVAL, "a string of the JSON array holds \\u0000, which no file name or argument can");
}

static const char *flag_text(const struct parse *parse, const char *name)
{
	return flags_text(&parse->statement->flags, name);
}

/* ---- FROM ---- */

static bool is_stage_name(const char *name)
{
	if (name[0] < 'a' || name[0] > 'z')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(name);
}

static int parse_from(const struct parse *parse, struct instruction_from *from, struct error **err)
{
	static const struct flag_spec flags[] = {{"platform", FLAG_TYPE_TEXT}};
	cleanup(strlist_done) struct strlist words = {0};

	split_blanks(&words, parse->statement->rest);
	bool is_named = words.count == 3 && strcasecmp(words.items[1], "as") == 0;
	if (!is_named && words.count != 1)
		return error_set(err, EINVAL, "FROM requires either one or three arguments");
	if (is_named) {
		from->name = lower_ascii(words.items[2], strlen(words.items[2]));
		from->written_name = mem_strdup(words.items[2]);
		from->as_keyword = mem_strdup(words.items[1]);
		if (!is_stage_name(from->name)) {
			blame(parse, words.items[2]);
			return error_set(err, EINVAL,
					 "invalid name for build stage: '%s', name can't start with a number or "
					 "contain symbols",
					 words.items[2]);
		}
	}
	int rc = takes_flags(parse, flags, ARRAY_COUNT(flags), err);
	if (rc < 0)
		return rc;
	from->image = mem_strdup(words.items[0]);
	from->platform = mem_strdup(flag_text(parse, "platform"));
	return 0;
}

/* ---- RUN, CMD, ENTRYPOINT, SHELL ---- */

static void read_command(const struct statement *statement, struct instruction_command *command)
{
	command->is_exec = statement->is_json;
	if (statement->is_json)
		strlist_append_all(&command->words, &statement->words);
	else if (*statement->rest)
		strlist_append(&command->words, statement->rest);
}

/* The shell reads its here-documents itself: they go behind the line, as they were. */
static char *with_bodies(const char *line, const struct heredocs *heredocs)
{
	cleanup(buf_done) struct buf text = BUF_INIT(3 * DOCKERFILE_INSTRUCTION_MAX);

	buf_append_str(&text, line);
	for (size_t i = 0; i < heredocs->count; i++)
		buf_printf(&text, "\n%s%s", heredocs->items[i].content, heredocs->items[i].name);
	return buf_take(&text);
}

static void read_script(const struct parse *parse, struct instruction_run *run)
{
	cleanup(heredoc_done) struct heredoc only = {0};
	const struct heredoc *first = &parse->heredocs->items[0];
	char *script = NULL;

	if (heredoc_parse(parse->statement->rest, &only)) {
		script = heredoc_body(first);
		run->script = text_has_prefix(first->content, "#!") ? RUN_SCRIPT_FILE : RUN_SHELL_SCRIPT;
		run->script_name = mem_strdup(first->name);
	} else {
		script = with_bodies(parse->statement->rest, parse->heredocs);
	}
	strlist_clear(&run->command.words);
	strlist_take(&run->command.words, script);
}

static int check_word(const struct parse *parse, const char *flag, const char *const *words, size_t count,
		      struct error **err)
{
	const char *value = flag_text(parse, flag);

	if (!value)
		return 0;
	for (size_t i = 0; i < count; i++)
		if (strcmp(value, words[i]) == 0)
			return 0;
	blame(parse, value);
	error_set(err, EINVAL, "invalid %s mode '%s'", flag, value);
	return suggest_hint(err, value, words, count);
}

static int read_mounts(const struct parse *parse, struct instruction_run *run, struct error **err)
{
	int rc = 0;

	flags_list(&parse->statement->flags, "mount", &run->mount_texts);
	for (size_t i = 0; rc == 0 && i < run->mount_texts.count; i++) {
		rc = file_mount_check(run->mount_texts.items[i], err);
		if (rc < 0)
			blame(parse, run->mount_texts.items[i]);
	}
	return rc;
}

static int read_devices(const struct parse *parse, struct instruction_run *run, struct error **err)
{
	int rc = 0;

	flags_list(&parse->statement->flags, "device", &run->devices);
	for (size_t i = 0; rc == 0 && i < run->devices.count; i++) {
		cleanup(device_request_done) struct device_request device = {0};
		rc = device_request_parse(run->devices.items[i], &device, err);
		if (rc < 0)
			blame(parse, run->devices.items[i]);
	}
	return rc;
}

static int parse_run(const struct parse *parse, struct instruction_run *run, struct error **err)
{
	static const struct flag_spec flags[] = {{"mount", FLAG_TYPE_LIST},
						 {"network", FLAG_TYPE_TEXT},
						 {"security", FLAG_TYPE_TEXT},
						 {"device", FLAG_TYPE_LIST}};
	static const char *const networks[] = {"default", "none", "host"};
	static const char *const securities[] = {"sandbox", "insecure"};

	int rc = takes_flags(parse, flags, ARRAY_COUNT(flags), err);
	if (rc == 0)
		rc = check_word(parse, "network", networks, ARRAY_COUNT(networks), err);
	if (rc == 0)
		rc = check_word(parse, "security", securities, ARRAY_COUNT(securities), err);
	if (rc == 0)
		rc = read_mounts(parse, run, err);
	if (rc == 0)
		rc = read_devices(parse, run, err);
	if (rc == 0)
		rc = takes_no_nul(parse, err);
	if (rc < 0)
		return rc;
	run->network = mem_strdup(flag_text(parse, "network"));
	run->security = mem_strdup(flag_text(parse, "security"));
	read_command(parse->statement, &run->command);
	if (!run->command.is_exec && run->command.words.count == 0) /* the shell has nothing to do, and does it */
		strlist_append(&run->command.words, "");
	if (parse->heredocs && parse->heredocs->count > 0)
		read_script(parse, run);
	return 0;
}

static int parse_shell(const struct parse *parse, struct instruction_command *command, struct error **err)
{
	int rc = takes_no_flags(parse, err);
	if (rc < 0)
		return rc;
	if (!parse->statement->is_json && *parse->statement->rest)
		return error_set(err, EINVAL, "SHELL requires the arguments to be in JSON form");
	if (parse->statement->words.count == 0)
		return error_set(err, EINVAL, "SHELL requires at least one argument");
	read_command(parse->statement, command);
	return 0;
}

static int parse_command(const struct parse *parse, struct instruction_command *command, struct error **err)
{
	int rc = takes_no_flags(parse, err);
	if (rc == 0)
		read_command(parse->statement, command);
	return rc;
}

/* ---- COPY, ADD ---- */

static const struct heredoc *find_heredoc(const struct heredocs *heredocs, const char *name)
{
	for (size_t i = heredocs ? heredocs->count : 0; i-- > 0;)
		if (strcmp(heredocs->items[i].name, name) == 0)
			return &heredocs->items[i];
	return NULL;
}

/* A source that looks like a here-document becomes a file, also in the JSON form: then it has no body, and the file is
 * empty. Anything else is a path. */
static void read_source(const struct parse *parse, const char *word, struct instruction_copy *copy)
{
	cleanup(heredoc_done) struct heredoc mark = {0};

	if (!heredoc_parse(word, &mark)) {
		strlist_append(&copy->sources, word);
		return;
	}
	const struct heredoc *found = find_heredoc(parse->heredocs, mark.name);
	struct heredoc file = {.name = mem_strdup(mark.name),
			       .content = found ? heredoc_body(found) : mem_strdup(""),
			       .expand = mark.expand,
			       .fd = mark.fd};
	copy->files.items = mem_grow(copy->files.items, copy->files.count + 1, sizeof(file));
	copy->files.items[copy->files.count++] = file;
}

static int read_paths(const struct parse *parse, const char *name, struct instruction_copy *copy, struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	cleanup(heredoc_done) struct heredoc mark = {0};

	if (parse->statement->is_json)
		strlist_append_all(&words, &parse->statement->words);
	else
		split_blanks(&words, parse->statement->rest);
	if (words.count < 2)
		return error_set(err, EINVAL,
				 "%s requires at least two arguments, but only one was provided. Destination could "
				 "not be determined",
				 name);
	const char *destination = words.items[words.count - 1];
	if (heredoc_parse(destination, &mark)) {
		blame(parse, destination);
		return error_set(err, EINVAL, "%s cannot accept a heredoc as a destination", name);
	}
	for (size_t i = 0; i + 1 < words.count; i++)
		read_source(parse, words.items[i], copy);
	copy->destination = mem_strdup(destination);
	return 0;
}

static int parse_copy(const struct parse *parse, enum instruction_kind kind, struct instruction_copy *copy,
		      struct error **err)
{
	static const struct flag_spec copy_flags[] = {{"chown", FLAG_TYPE_TEXT}, {"chmod", FLAG_TYPE_TEXT},
						      {"link", FLAG_TYPE_BOOL},	 {"exclude", FLAG_TYPE_LIST},
						      {"from", FLAG_TYPE_TEXT},	 {"parents", FLAG_TYPE_BOOL}};
	static const struct flag_spec add_flags[] = {{"chown", FLAG_TYPE_TEXT},	   {"chmod", FLAG_TYPE_TEXT},
						     {"link", FLAG_TYPE_BOOL},	   {"exclude", FLAG_TYPE_LIST},
						     {"checksum", FLAG_TYPE_TEXT}, {"keep-git-dir", FLAG_TYPE_BOOL},
						     {"unpack", FLAG_TYPE_BOOL}};
	const struct strlist *flags = &parse->statement->flags;

	int rc = kind == INSTRUCTION_COPY ? takes_flags(parse, copy_flags, ARRAY_COUNT(copy_flags), err)
					  : takes_flags(parse, add_flags, ARRAY_COUNT(add_flags), err);
	if (rc == 0)
		rc = takes_no_nul(parse, err);
	if (rc == 0)
		rc = read_paths(parse, instruction_name(kind), copy, err);
	if (rc < 0)
		return rc;
	copy->chown = mem_strdup(flag_text(parse, "chown"));
	copy->chmod = mem_strdup(flag_text(parse, "chmod"));
	copy->from = mem_strdup(flag_text(parse, "from"));
	copy->checksum = mem_strdup(flag_text(parse, "checksum"));
	copy->link = flags_state(flags, "link") == FLAG_TRUE;
	copy->parents = flags_state(flags, "parents") == FLAG_TRUE;
	copy->keep_git_dir = flags_state(flags, "keep-git-dir");
	copy->unpack = flags_state(flags, "unpack");
	flags_list(flags, "exclude", &copy->excludes);
	return 0;
}

/* ---- ENV, LABEL, ARG ---- */

static void append_pair(struct instruction_pairs *pairs, char *key, char *value)
{
	pairs->items = mem_grow(pairs->items, pairs->count + 1, sizeof(*pairs->items));
	pairs->items[pairs->count++] = (struct key_value){.key = key, .value = value};
}

/* "key rest of the line": one variable. */
static int read_legacy_pair(const struct parse *parse, const char *name, struct instruction_pairs *pairs,
			    struct error **err)
{
	const char *rest = parse->statement->rest;
	size_t size = strcspn(rest, BLANKS);
	const char *value = rest + size + strspn(rest + size, BLANKS);

	if (!rest[size])
		return error_set(err, EINVAL, "%s must have two arguments", name);
	append_pair(pairs, mem_strndup(rest, size), mem_strdup(value));
	pairs->is_legacy = true;
	return 0;
}

static int parse_pairs(const struct parse *parse, enum instruction_kind kind, struct instruction_pairs *pairs,
		       struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	const char *name = instruction_name(kind);

	/* ARG does not look at flags, in BuildKit either. */
	int rc = kind == INSTRUCTION_ARG ? 0 : takes_no_flags(parse, err);
	if (rc < 0)
		return rc;
	quoted_words(parse->statement->rest, parse->escape, &words);
	if (words.count == 0)
		return error_set(err, EINVAL, "%s requires at least one argument", name);
	if (kind != INSTRUCTION_ARG && !strchr(words.items[0], '='))
		return read_legacy_pair(parse, name, pairs, err);
	for (size_t i = 0; i < words.count; i++) {
		const char *word = words.items[i];
		const char *equals = strchr(word, '=');
		if (!equals && kind != INSTRUCTION_ARG) {
			blame(parse, word);
			return error_set(err, EINVAL,
					 "syntax error: can't find = in '%s', must be of the form: name=value", word);
		}
		if (equals == word) {
			blame(parse, word);
			return error_set(err, EINVAL, "%s names can not be blank", name);
		}
		append_pair(pairs, mem_strndup(word, equals ? (size_t)(equals - word) : strlen(word)),
			    equals ? mem_strdup(equals + 1) : NULL);
	}
	return 0;
}

/* ---- HEALTHCHECK ---- */

static int read_interval(const struct parse *parse, const char *flag, int64_t *nanoseconds, struct error **err)
{
	const char *text = flag_text(parse, flag);

	if (!text || !*text)
		return 0;
	int rc = parse_duration(text, flag, nanoseconds, err);
	if (rc == 0 && *nanoseconds != 0 && *nanoseconds < NANOSECONDS_PER_MILLISECOND)
		rc = error_set(err, EINVAL, "interval '%s' cannot be less than 1ms", flag);
	if (rc < 0)
		blame(parse, text);
	return rc;
}

static int read_intervals(const struct parse *parse, struct instruction_healthcheck *check, struct error **err)
{
	const char *retries = flag_text(parse, "retries");

	int rc = read_interval(parse, "interval", &check->interval_ns, err);
	if (rc == 0)
		rc = read_interval(parse, "timeout", &check->timeout_ns, err);
	if (rc == 0)
		rc = read_interval(parse, "start-period", &check->start_period_ns, err);
	if (rc == 0)
		rc = read_interval(parse, "start-interval", &check->start_interval_ns, err);
	if (rc < 0 || !retries || !*retries)
		return rc;
	if (!read_integer(retries, INT32_MIN, INT32_MAX, &check->retries))
		return error_set(err, EINVAL, "--retries '%s': not a number", retries);
	return check->retries < 0 ? error_set(err, EINVAL, "--retries cannot be negative (%s)", retries) : 0;
}

static int parse_healthcheck(const struct parse *parse, struct instruction_healthcheck *check, struct error **err)
{
	static const struct flag_spec flags[] = {{"interval", FLAG_TYPE_TEXT},
						 {"timeout", FLAG_TYPE_TEXT},
						 {"start-period", FLAG_TYPE_TEXT},
						 {"start-interval", FLAG_TYPE_TEXT},
						 {"retries", FLAG_TYPE_TEXT}};
	const char *rest = parse->statement->rest;
	size_t size = strcspn(rest, "\n" BLANKS);
	cleanup_free char *type = mem_strndup(rest, size);
	const char *command = skip_space(rest + size);

	if (!*type)
		return error_set(err, EINVAL, "HEALTHCHECK requires at least one argument");
	if (strcasecmp(type, "NONE") == 0) { /* whatever its flags are */
		check->kind = HEALTHCHECK_NONE;
		return *command ? error_set(err, EINVAL, "HEALTHCHECK NONE takes no arguments") : 0;
	}
	int rc = takes_flags(parse, flags, ARRAY_COUNT(flags), err);
	if (rc < 0)
		return rc;
	if (strcasecmp(type, "CMD") != 0) {
		blame(parse, type);
		return error_set(err, EINVAL, "unknown type '%s' in HEALTHCHECK (try CMD)", type);
	}
	check->kind = HEALTHCHECK_CMD;
	bool has_nul = false; /* kept as it can be: the image's user may never run it */
	rc = json_words(command, &check->command.words, &has_nul, err);
	if (rc < 0)
		return rc;
	check->command.is_exec = rc > 0;
	if (rc == 0 && *command)
		strlist_append(&check->command.words, command);
	if (check->command.words.count == 0)
		return error_set(err, EINVAL, "missing command after HEALTHCHECK CMD");
	return read_intervals(parse, check, err);
}

/* ---- EXPOSE, VOLUME, and those of one argument ---- */

static int parse_words(const struct parse *parse, enum instruction_kind kind, struct strlist *words, struct error **err)
{
	int rc = takes_no_flags(parse, err);
	if (rc < 0)
		return rc;
	if (parse->statement->is_json)
		strlist_append_all(words, &parse->statement->words);
	else
		split_blanks(words, parse->statement->rest);
	if (words->count == 0)
		return error_set(err, EINVAL, "%s requires at least one argument", instruction_name(kind));
	if (kind == INSTRUCTION_EXPOSE) {
		strlist_sort(words);
		return 0;
	}
	for (size_t i = 0; i < words->count; i++) {
		char *volume = trim_space(words->items[i]);
		mem_free_cleanup(&words->items[i]);
		words->items[i] = volume;
		if (!*volume)
			return error_set(err, EINVAL, "VOLUME specified can not be an empty string");
	}
	return 0;
}

static int parse_argument(const struct parse *parse, enum instruction_kind kind, char **argument, struct error **err)
{
	if (!*parse->statement->rest)
		return error_set(err, EINVAL, "%s requires exactly one argument", instruction_name(kind));
	*argument = mem_strdup(parse->statement->rest);
	return kind == INSTRUCTION_STOPSIGNAL ? 0 : takes_no_flags(parse, err); /* as BuildKit, which looks at none */
}

/* ---- ONBUILD ---- */

/* Only what the line itself makes impossible is refused; an instruction that nobody knows fails where it is triggered,
 * as in Docker: the image may be for a newer builder. */
static int check_trigger(const struct parse *parse, const struct statement *trigger, struct error **err)
{
	cleanup(instruction_free) struct instruction *unused = NULL;
	cleanup_free char *culprit = NULL;
	enum instruction_kind kind = INSTRUCTION_KINDS;

	if (strcasecmp(trigger->keyword, "ONBUILD") == 0)
		return error_set(err, EINVAL, "chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
	if (strcasecmp(trigger->keyword, "FROM") == 0 || strcasecmp(trigger->keyword, "MAINTAINER") == 0)
		return error_set(err, EINVAL, "%s isn't allowed as an ONBUILD trigger", trigger->keyword);
	if (!instruction_kind_find(trigger->keyword, &kind))
		return 0;
	/* ENV and LABEL are taken apart by BuildKit's line parser, which sees triggers too. */
	if (kind != INSTRUCTION_ENV && kind != INSTRUCTION_LABEL)
		return 0;
	if (!*trigger->rest)
		return 0;
	return instruction_from_statement(trigger, /* heredocs */ NULL, parse->escape, &unused, &culprit, err);
}

static int parse_onbuild(const struct parse *parse, char **argument, struct error **err)
{
	cleanup(statement_done) struct statement trigger = {0};

	if (!*parse->statement->rest)
		return error_set(err, EINVAL, "ONBUILD requires at least one argument");
	int rc = takes_no_flags(parse, err);
	if (rc == 0)
		rc = statement_parse(parse->statement->rest, &trigger, err);
	if (rc == 0)
		rc = check_trigger(parse, &trigger, err);
	if (rc < 0)
		return rc;
	/* All that is behind the word, also a "--". */
	const char *line_text = parse->statement->text + strlen(parse->statement->keyword);
	line_text += strspn(line_text, "\t\n\f\r ");
	cleanup_free char *line = mem_printf("%s%s", line_text, parse->statement->tail);
	*argument = parse->heredocs ? with_bodies(line, parse->heredocs) : mem_strdup(line);
	return 0;
}

/* ---- All ---- */

static int parse_fields(const struct parse *parse, struct instruction *instruction, struct error **err)
{
	enum instruction_kind kind = instruction->kind;

	switch (kind) {
	case INSTRUCTION_ADD:
	case INSTRUCTION_COPY:
		return parse_copy(parse, kind, &instruction->copy, err);
	case INSTRUCTION_ARG:
	case INSTRUCTION_ENV:
	case INSTRUCTION_LABEL:
		return parse_pairs(parse, kind, &instruction->pairs, err);
	case INSTRUCTION_CMD:
	case INSTRUCTION_ENTRYPOINT:
		return parse_command(parse, &instruction->command, err);
	case INSTRUCTION_EXPOSE:
	case INSTRUCTION_VOLUME:
		return parse_words(parse, kind, &instruction->words, err);
	case INSTRUCTION_FROM:
		return parse_from(parse, &instruction->from, err);
	case INSTRUCTION_HEALTHCHECK:
		return parse_healthcheck(parse, &instruction->healthcheck, err);
	case INSTRUCTION_ONBUILD:
		return parse_onbuild(parse, &instruction->argument, err);
	case INSTRUCTION_RUN:
		return parse_run(parse, &instruction->run, err);
	case INSTRUCTION_SHELL:
		return parse_shell(parse, &instruction->command, err);
	default:
		return parse_argument(parse, kind, &instruction->argument, err);
	}
}

static int unknown_instruction(const struct parse *parse, struct error **err)
{
	const char *known[INSTRUCTION_KINDS];

	for (int i = 0; i < INSTRUCTION_KINDS; i++)
		known[i] = instruction_name((enum instruction_kind)i);
	blame(parse, parse->statement->keyword);
	error_set(err, EINVAL, "unknown instruction: %s", parse->statement->keyword);
	return suggest_hint(err, parse->statement->keyword, known, ARRAY_COUNT(known));
}

int instruction_from_statement(const struct statement *statement, const struct heredocs *heredocs, char escape,
			       struct instruction **instruction, char **culprit, struct error **err)
{
	const struct parse parse = {.statement = statement, .heredocs = heredocs, .escape = escape, .culprit = culprit};
	cleanup(instruction_free) struct instruction *made = mem_alloc(sizeof(*made));

	made->kind = INSTRUCTION_KINDS;
	if (!instruction_kind_find(statement->keyword, &made->kind))
		return unknown_instruction(&parse, err);
	made->text = mem_strdup(statement->text);
	made->keyword = mem_strdup(statement->keyword);
	strlist_append_all(&made->flags, &statement->flags);
	int rc = parse_fields(&parse, made, err);
	if (rc < 0)
		return rc;
	*instruction = take_ptr(&made);
	return 0;
}
