/*
 * Text of a template to its tree. Outside "{{" and "}}" the text stands for itself; inside, one function for each rule
 * of Go's text/template reads straight from the text (the language has no need of a token list: a space is all that
 * separates operands, and it matters).
 */
#include "base/gotemplate_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPACE " \t\r\n"

struct parser {
	const char *text;
	const char *at;
	size_t depth; /* of blocks and parentheses around here */
	size_t loops; /* of {{range}} around here */
	struct error **err;
};

/* What ended a list of nodes. */
enum list_end { END_OF_TEXT, END_KEYWORD, END_ELSE };

int gotemplate_error(const char *text, size_t at, struct error **err, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	cleanup_free char *message = mem_vprintf(fmt, args);
	va_end(args);
	size_t line = 1;
	size_t line_start = 0;
	for (size_t i = 0; i < at; i++) {
		if (text[i] == '\n') {
			line++;
			line_start = i + 1;
		}
	}
	return error_set(err, EINVAL, "template: %zu:%zu: %s", line, at - line_start + 1, message);
}

static size_t here(const struct parser *p)
{
	return (size_t)(p->at - p->text);
}

static int fail(const struct parser *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int fail(const struct parser *p, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	cleanup_free char *text = mem_vprintf(fmt, args);
	va_end(args);
	return gotemplate_error(p->text, here(p), p->err, "%s", text);
}

static bool is_space(char c)
{
	return c != '\0' && strchr(SPACE, c);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Letters of other scripts are taken as they come: every byte of theirs is 0x80 or more. */
static bool is_name_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || is_digit(c) || c == '_' || (unsigned char)c >= 0x80;
}

static void skip_space(struct parser *p)
{
	p->at += strspn(p->at, SPACE);
}

static bool starts_with(const struct parser *p, const char *text)
{
	return strncmp(p->at, text, strlen(text)) == 0;
}

/* "}}" or " -}}". */
static bool is_action_end(const struct parser *p)
{
	return starts_with(p, "}}") || (starts_with(p, "-}}") && p->at > p->text && is_space(p->at[-1]));
}

/* ---- Ownership of the tree ---- */

static void pipe_free(struct gotemplate_pipe *pipe);

static void operand_done(struct gotemplate_operand *operand)
{
	free(operand->name);
	json_decref(operand->literal);
	pipe_free(operand->pipe);
	strlist_done(&operand->fields);
}

static void command_done(struct gotemplate_command *command)
{
	for (size_t i = 0; i < command->count; i++)
		operand_done(&command->operands[i]);
	free(command->operands);
}

static void pipe_free(struct gotemplate_pipe *pipe)
{
	if (!pipe)
		return;
	for (size_t i = 0; i < pipe->count; i++)
		command_done(&pipe->commands[i]);
	free(pipe->commands);
	strlist_done(&pipe->variables);
	free(pipe);
}

static void nodes_done(struct gotemplate_nodes *nodes)
{
	for (size_t i = 0; i < nodes->count; i++) {
		struct gotemplate_node *node = &nodes->items[i];
		free(node->text);
		pipe_free(node->pipe);
		nodes_done(&node->body);
		nodes_done(&node->others);
	}
	free(nodes->items);
}

void gotemplate_free(struct gotemplate *tree)
{
	if (!tree)
		return;
	nodes_done(&tree->nodes);
	free(tree);
}

/* Adds a zeroed element to an array that grows by doubling; `count` is how many it has. */
#define APPEND(array, count)                                                                      \
	({                                                                                        \
		if (((count) & ((count)-1)) == 0)                                                 \
			(array) = mem_grow((array), (count) ? 2 * (count) : 1, sizeof(*(array))); \
		memset(&(array)[count], 0, sizeof(*(array)));                                     \
		&(array)[(count)++];                                                              \
	})

static struct gotemplate_node *add_node(struct gotemplate_nodes *nodes, enum gotemplate_node_kind kind, size_t at)
{
	struct gotemplate_node *node = APPEND(nodes->items, nodes->count);
	node->kind = kind;
	node->at = at;
	return node;
}

/* ---- Operands and pipes ---- */

static int read_pipe(struct parser *p, struct gotemplate_pipe **pipe);

static char *read_name(struct parser *p)
{
	const char *start = p->at;
	while (is_name_char(*p->at))
		p->at++;
	return mem_strndup(start, (size_t)(p->at - start));
}

/* ".A.B" behind an operand; nothing is fine. */
static int read_fields(struct parser *p, struct strlist *fields)
{
	while (*p->at == '.') {
		p->at++;
		if (!is_name_char(*p->at) || is_digit(*p->at))
			return fail(p, "no field name behind '.'");
		strlist_take(fields, read_name(p));
	}
	return 0;
}

static int read_parentheses(struct parser *p, struct gotemplate_operand *operand)
{
	if (++p->depth > GOTEMPLATE_DEPTH_MAX)
		return fail(p, "nested deeper than %d levels", GOTEMPLATE_DEPTH_MAX);
	p->at++;
	operand->kind = OPERAND_PIPE;
	int rc = read_pipe(p, &operand->pipe);
	if (rc < 0)
		return rc;
	if (*p->at != ')')
		return fail(p, "a '(' is not closed");
	p->at++;
	p->depth--;
	return read_fields(p, &operand->fields);
}

/* true, false, nil or the name of a function. */
static int read_word(struct parser *p, struct gotemplate_operand *operand)
{
	cleanup_free char *name = read_name(p);
	operand->kind = OPERAND_LITERAL;
	if (strcmp(name, "true") == 0 || strcmp(name, "false") == 0) {
		operand->literal = json_boolean(name[0] == 't');
		return 0;
	}
	if (strcmp(name, "nil") == 0) {
		operand->literal = json_null();
		return 0;
	}
	operand->kind = OPERAND_FUNCTION;
	operand->name = take_ptr(&name);
	if (!gotemplate_has_function(operand->name))
		return gotemplate_error(p->text, operand->at, p->err, "function \"%s\" not defined", operand->name);
	return 0;
}

static int read_literal(struct parser *p, struct gotemplate_operand *operand)
{
	const char *problem = NULL;
	operand->kind = OPERAND_LITERAL;
	operand->literal = gotemplate_read_literal(&p->at, &problem);
	return operand->literal ? 0 : fail(p, "%s", problem);
}

static int read_operand(struct parser *p, struct gotemplate_operand *operand)
{
	char c = *p->at;
	operand->at = here(p);
	if (c == '(')
		return read_parentheses(p, operand);
	if (c == '$') {
		p->at++;
		operand->kind = OPERAND_VARIABLE;
		operand->name = read_name(p);
		return read_fields(p, &operand->fields);
	}
	if (gotemplate_is_literal(p->at))
		return read_literal(p, operand);
	if (c == '.') {
		operand->kind = OPERAND_DOT;
		if (is_name_char(p->at[1]))
			return read_fields(p, &operand->fields);
		p->at++;
		return 0;
	}
	if (is_name_char(c))
		return read_word(p, operand);
	return c ? fail(p, "unexpected '%c'", (unsigned char)c < ' ' ? '?' : c) : fail(p, "an action is not closed");
}

static bool ends_command(const struct parser *p)
{
	return *p->at == '\0' || *p->at == '|' || *p->at == ')' || is_action_end(p);
}

static int read_command(struct parser *p, struct gotemplate_command *command)
{
	do {
		struct gotemplate_operand *operand = APPEND(command->operands, command->count);
		int rc = read_operand(p, operand);
		if (rc < 0)
			return rc;
		const char *behind = p->at;
		skip_space(p);
		if (p->at == behind && !ends_command(p))
			return fail(p, "a space is missing between two operands");
	} while (!ends_command(p));
	struct gotemplate_operand *first = &command->operands[0];
	if (command->count > 1 && first->kind != OPERAND_FUNCTION)
		return gotemplate_error(p->text, first->at, p->err, "can't give arguments to what is no function");
	return 0;
}

/* "$x :=", "$x =" or "$k, $v :=" in front of a pipe. Without one of them it is an ordinary operand, and nothing is
 * read. */
static void read_declaration(struct parser *p, struct gotemplate_pipe *pipe)
{
	const char *start = p->at;
	cleanup(strlist_done) struct strlist names = {0};
	while (*p->at == '$' && names.count < 2) {
		p->at++;
		strlist_take(&names, read_name(p));
		skip_space(p);
		if (*p->at != ',')
			break;
		p->at++;
		skip_space(p);
	}
	bool declares = starts_with(p, ":=");
	bool assigns = *p->at == '=';
	if (names.count == 0 || (!declares && !assigns)) {
		p->at = start;
		return;
	}
	p->at += declares ? 2 : 1;
	pipe->is_assignment = assigns;
	strlist_append_all(&pipe->variables, &names);
}

static int read_pipe(struct parser *p, struct gotemplate_pipe **pipe)
{
	struct gotemplate_pipe *made = mem_alloc(sizeof(*made));
	*pipe = made; /* from here on the tree owns it, whole or not */
	skip_space(p);
	made->at = here(p);
	read_declaration(p, made);
	for (;;) {
		skip_space(p);
		if (ends_command(p))
			return *p->at ? fail(p, "missing value for the command") : fail(p, "an action is not closed");
		struct gotemplate_command *command = APPEND(made->commands, made->count);
		int rc = read_command(p, command);
		if (rc < 0)
			return rc;
		if (made->count > 1 && command->operands[0].kind != OPERAND_FUNCTION)
			return gotemplate_error(p->text, command->operands[0].at, p->err,
						"non executable command in pipeline stage %zu", made->count);
		if (*p->at != '|')
			return 0;
		p->at++;
	}
}

/* ---- Actions ---- */

/* "}}" or "-}}"; the latter also takes the white space behind it. */
static int read_action_end(struct parser *p)
{
	skip_space(p);
	if (!is_action_end(p))
		return *p->at ? fail(p, "unexpected '%c' in an action", *p->at < ' ' ? '?' : *p->at)
			      : fail(p, "an action is not closed");
	bool trims = *p->at == '-';
	p->at += trims ? 3 : 2;
	if (trims)
		skip_space(p);
	return 0;
}

/* {{/ * … * /}}, alone in its action. */
static int skip_comment(struct parser *p)
{
	const char *end = strstr(p->at, "*/");
	if (!end)
		return fail(p, "a comment is not closed");
	p->at = end + 2;
	return read_action_end(p);
}

/* Copies text with \t and \n made a tab and a newline: shells pass them on as they are typed. */
static char *copy_text(const char *text, size_t length)
{
	char *copy = mem_strndup(text, length);
	char *end = copy;
	for (const char *c = copy; *c; c++) {
		bool is_escape = c[0] == '\\' && (c[1] == 't' || c[1] == 'n');
		*end++ = !is_escape ? *c : *++c == 't' ? '\t' : '\n';
	}
	*end = '\0';
	return copy;
}

/* Text up to the next action or the end; "{{- " takes the white space before it. */
static void read_text(struct parser *p, struct gotemplate_nodes *nodes)
{
	const char *end = strstr(p->at, "{{");
	size_t length = end ? (size_t)(end - p->at) : strlen(p->at);
	const char *start = p->at;
	p->at += length;
	if (end && end[2] == '-' && is_space(end[3]))
		while (length > 0 && is_space(start[length - 1]))
			length--;
	if (length > 0)
		add_node(nodes, NODE_TEXT, (size_t)(start - p->text))->text = copy_text(start, length);
}

/* Takes the keyword here and the space behind it. */
static bool take_keyword(struct parser *p, const char *keyword)
{
	size_t length = strlen(keyword);
	if (!starts_with(p, keyword) || is_name_char(p->at[length]))
		return false;
	p->at += length;
	skip_space(p);
	return true;
}

static int read_nodes(struct parser *p, struct gotemplate_nodes *nodes, enum list_end *ended_by);

/* Behind {{if pipe}}, {{with pipe}} or {{range pipe}}: the body, and what stands behind {{else}}. After {{else if}} the
 * rest is an {{if}} of its own that shares the {{end}}. */
static int read_block(struct parser *p, struct gotemplate_nodes *into, enum gotemplate_node_kind kind, size_t at)
{
	if (++p->depth > GOTEMPLATE_DEPTH_MAX)
		return fail(p, "nested deeper than %d levels", GOTEMPLATE_DEPTH_MAX);
	struct gotemplate_node *node = add_node(into, kind, at);
	int rc = read_pipe(p, &node->pipe);
	if (rc < 0)
		return rc;
	if (node->pipe->variables.count > (kind == NODE_RANGE ? 2 : 1))
		return fail(p, "too many variables");
	rc = read_action_end(p);
	if (rc < 0)
		return rc;
	enum list_end ended_by = END_OF_TEXT;
	p->loops += kind == NODE_RANGE;
	rc = read_nodes(p, &node->body, &ended_by);
	p->loops -= kind == NODE_RANGE;
	if (rc < 0)
		return rc;
	if (ended_by == END_ELSE) {
		size_t else_at = here(p);
		bool is_if = take_keyword(p, "if");
		if (is_if || take_keyword(p, "with")) {
			rc = read_block(p, &node->others, is_if ? NODE_IF : NODE_WITH, else_at);
			p->depth--;
			return rc;
		}
		rc = read_action_end(p);
		if (rc == 0)
			rc = read_nodes(p, &node->others, &ended_by);
		if (rc < 0)
			return rc;
		if (ended_by == END_ELSE)
			return fail(p, "a second {{else}}");
	}
	if (ended_by == END_OF_TEXT)
		return gotemplate_error(p->text, at, p->err, "no {{end}} for this");
	p->depth--;
	return read_action_end(p);
}

/* {{break}} or {{continue}}. */
static int read_jump(struct parser *p, struct gotemplate_nodes *nodes, enum gotemplate_node_kind kind, size_t at)
{
	if (p->loops == 0)
		return gotemplate_error(p->text, at, p->err, "{{%s}} outside {{range}}",
					kind == NODE_BREAK ? "break" : "continue");
	add_node(nodes, kind, at);
	return read_action_end(p);
}

static int read_action(struct parser *p, struct gotemplate_nodes *nodes)
{
	size_t at = here(p);
	if (take_keyword(p, "if"))
		return read_block(p, nodes, NODE_IF, at);
	if (take_keyword(p, "with"))
		return read_block(p, nodes, NODE_WITH, at);
	if (take_keyword(p, "range"))
		return read_block(p, nodes, NODE_RANGE, at);
	if (take_keyword(p, "break"))
		return read_jump(p, nodes, NODE_BREAK, at);
	if (take_keyword(p, "continue"))
		return read_jump(p, nodes, NODE_CONTINUE, at);
	struct gotemplate_node *node = add_node(nodes, NODE_PIPE, at);
	int rc = read_pipe(p, &node->pipe);
	if (rc < 0)
		return rc;
	if (node->pipe->variables.count > 1)
		return fail(p, "too many variables");
	return read_action_end(p);
}

/* Nodes up to {{else (which is taken), {{end (also taken, but not its "}}") or the end of the text. */
static int read_nodes(struct parser *p, struct gotemplate_nodes *nodes, enum list_end *ended_by)
{
	for (;;) {
		read_text(p, nodes);
		if (*p->at == '\0') {
			*ended_by = END_OF_TEXT;
			return 0;
		}
		p->at += 2;
		if (*p->at == '-' && is_space(p->at[1]))
			p->at++;
		skip_space(p);
		if (take_keyword(p, "end")) {
			*ended_by = END_KEYWORD;
			return 0;
		}
		if (take_keyword(p, "else")) {
			*ended_by = END_ELSE;
			return 0;
		}
		int rc = starts_with(p, "/*") ? skip_comment(p) : read_action(p, nodes);
		if (rc < 0)
			return rc;
	}
}

int gotemplate_parse(const char *text, struct gotemplate **tree, struct error **err)
{
	cleanup(gotemplate_free) struct gotemplate *made = mem_alloc(sizeof(*made));
	made->text = text;
	struct parser parser = {.text = text, .at = text, .err = err};
	enum list_end ended_by = END_OF_TEXT;
	int rc = read_nodes(&parser, &made->nodes, &ended_by);
	if (rc < 0)
		return rc;
	if (ended_by != END_OF_TEXT)
		return fail(&parser, "unexpected {{%s}}", ended_by == END_ELSE ? "else" : "end");
	*tree = take_ptr(&made);
	return 0;
}
