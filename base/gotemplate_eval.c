/*
 * Runs a template's tree over a value. Every value on the way is a json_t; what is missing is null.
 */
#include "base/gotemplate.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/gotemplate_internal.h"

/* Loops in loops could run for years without writing a byte. */
#define STEPS_MAX 10000000

struct variable {
	const char *name; /* borrowed from the tree; "" is $ */
	json_t *value;
};

struct run {
	const struct gotemplate *tree;
	const json_t *root, *json; /* of gotemplate_run_struct(), or NULL */
	bool strict_fields;
	struct variable *variables; /* the innermost last */
	size_t variable_count;
	size_t steps;
	struct buf *into;
	struct error **err;
};

/* How a list of nodes ended; negative ints are failures. */
enum flow { FLOW_ON = 0, FLOW_BREAK, FLOW_CONTINUE };

static int fail(const struct run *r, size_t at, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int fail(const struct run *r, size_t at, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	cleanup_free char *text = mem_vprintf(fmt, args);
	va_end(args);
	return gotemplate_error(r->tree->text, at, r->err, "%s", text);
}

static int count_step(struct run *r, size_t at)
{
	if (++r->steps > STEPS_MAX)
		return fail(r, at, "the template runs too long");
	if (r->into->overflow)
		return error_set(r->err, EFBIG, "template: the result is larger than %zu bytes", r->into->max);
	return 0;
}

/* ---- Variables ---- */

/* Takes the value. */
static void push_variable(struct run *r, const char *name, json_t *value)
{
	r->variables = mem_grow(r->variables, r->variable_count + 1, sizeof(*r->variables));
	r->variables[r->variable_count++] = (struct variable){.name = name, .value = value};
}

/* Drops all but the first `count`: the end of a scope. */
static void pop_variables(struct run *r, size_t count)
{
	while (r->variable_count > count)
		json_decref(r->variables[--r->variable_count].value);
}

static struct variable *find_variable(struct run *r, const char *name)
{
	for (size_t i = r->variable_count; i > 0; i--)
		if (strcmp(r->variables[i - 1].name, name) == 0)
			return &r->variables[i - 1];
	return NULL;
}

/* $x := or = (a new reference is taken). */
static int set_variable(struct run *r, const struct gotemplate_pipe *pipe, size_t which, json_t *value)
{
	const char *name = pipe->variables.items[which];
	if (!pipe->is_assignment) {
		push_variable(r, name, json_incref(value));
		return 0;
	}
	struct variable *variable = find_variable(r, name);
	if (!variable)
		return fail(r, pipe->at, "undefined variable \"$%s\"", name);
	json_decref(variable->value);
	variable->value = json_incref(value);
	return 0;
}

/* ---- Operands ---- */

static int eval_pipe(struct run *r, const struct gotemplate_pipe *pipe, json_t *dot, json_t **value);

static int get_field(const struct run *r, size_t at, json_t *object, const char *name, json_t **value)
{
	if (json_is_null(object))
		return fail(r, at, "nil pointer evaluating field %s", name);
	if (!json_is_object(object))
		return fail(r, at, "can't evaluate field %s in type %s", name, gotemplate_type_name(object));
	json_t *found = json_object_get(object, name);
	if (!found && r->strict_fields && gotemplate_is_struct(object))
		return fail(r, at, "can't evaluate field %s", name);
	*value = found ? json_incref(found) : json_null();
	return 0;
}

/* Replaces *value, which is owned, by its field of a field …; on failure *value is still owned. */
static int follow_fields(const struct run *r, const struct gotemplate_operand *operand, json_t **value)
{
	for (size_t i = 0; i < operand->fields.count; i++) {
		json_t *next = NULL;
		int rc = get_field(r, operand->at, *value, operand->fields.items[i], &next);
		if (rc < 0)
			return rc;
		json_decref(*value);
		*value = next;
	}
	return 0;
}

static int call_function(const struct run *r, const struct gotemplate_operand *operand, json_t *const *args,
			 size_t count, json_t **value)
{
	struct gotemplate_call call = {
		.name = operand->name, .args = args, .count = count, .root = r->root, .json = r->json};
	cleanup_error struct error *problem = NULL;
	if (gotemplate_call(&call, value, &problem) < 0)
		return fail(r, operand->at, "error calling %s: %s", operand->name, error_message(problem));
	return 0;
}

/* The operand before its fields, as a new reference. */
static int eval_base(struct run *r, const struct gotemplate_operand *operand, json_t *dot, json_t **value)
{
	switch (operand->kind) {
	case OPERAND_DOT:
		*value = json_incref(dot);
		return 0;
	case OPERAND_LITERAL:
		*value = json_incref(operand->literal);
		return 0;
	case OPERAND_PIPE:
		return eval_pipe(r, operand->pipe, dot, value);
	case OPERAND_VARIABLE: {
		const struct variable *variable = find_variable(r, operand->name);
		if (!variable)
			return fail(r, operand->at, "undefined variable \"$%s\"", operand->name);
		*value = json_incref(variable->value);
		return 0;
	}
	case OPERAND_FUNCTION:
		return fail(r, operand->at, "function \"%s\" is called without parentheses", operand->name);
	}
	assert(false);
	return -EINVAL;
}

static int eval_operand(struct run *r, const struct gotemplate_operand *operand, json_t *dot, json_t **value)
{
	cleanup_json json_t *base = NULL;
	int rc = eval_base(r, operand, dot, &base);
	if (rc == 0)
		rc = follow_fields(r, operand, &base);
	if (rc < 0)
		return rc;
	*value = take_ptr(&base);
	return 0;
}

/* ---- Commands and pipes ---- */

/* Arguments on their way to a function. */
struct args {
	json_t **items;
	size_t count;
};

static void args_done(struct args *args)
{
	for (size_t i = 0; i < args->count; i++)
		json_decref(args->items[i]);
	free(args->items);
}
CLEANUP_FOR_VALUE(struct args, args_done)

/* and, or: the first argument that decides, else the last. `final` (or NULL) comes behind the others. */
static int eval_logic(struct run *r, const struct gotemplate_command *command, json_t *dot, json_t *final,
		      json_t **value)
{
	const struct gotemplate_operand *operands = command->operands;
	bool wanted = strcmp(operands[0].name, "or") == 0;
	cleanup_error struct error *problem = NULL;
	if (gotemplate_check_count(operands[0].name, command->count - 1 + (final ? 1 : 0), &problem) < 0)
		return fail(r, operands[0].at, "error calling %s: %s", operands[0].name, error_message(problem));
	cleanup_json json_t *last = NULL;
	for (size_t i = 1; i < command->count && (!last || gotemplate_is_true(last) != wanted); i++) {
		json_t *next = NULL;
		int rc = eval_operand(r, &operands[i], dot, &next);
		if (rc < 0)
			return rc;
		json_decref(last);
		last = next;
	}
	if (final && (!last || gotemplate_is_true(last) != wanted)) {
		json_decref(last);
		last = json_incref(final);
	}
	*value = take_ptr(&last);
	return 0;
}

static int eval_call(struct run *r, const struct gotemplate_command *command, json_t *dot, json_t *final,
		     json_t **value)
{
	const struct gotemplate_operand *operands = command->operands;
	if (strcmp(operands[0].name, "and") == 0 || strcmp(operands[0].name, "or") == 0)
		return eval_logic(r, command, dot, final, value);
	cleanup(args_done) struct args args = {0};
	args.items = mem_grow(NULL, command->count, sizeof(*args.items));
	for (size_t i = 1; i < command->count; i++) {
		int rc = eval_operand(r, &operands[i], dot, &args.items[args.count]);
		if (rc < 0)
			return rc;
		args.count++;
	}
	if (final)
		args.items[args.count++] = json_incref(final);
	return call_function(r, &operands[0], args.items, args.count, value);
}

/* The value of a pipe, without setting its variables. The result of each command is the last argument of the next. */
static int eval_commands(struct run *r, const struct gotemplate_pipe *pipe, json_t *dot, json_t **value)
{
	cleanup_json json_t *result = NULL;
	for (size_t i = 0; i < pipe->count; i++) {
		const struct gotemplate_command *command = &pipe->commands[i];
		json_t *next = NULL;
		int rc = count_step(r, pipe->at);
		if (rc == 0 && command->operands[0].kind == OPERAND_FUNCTION)
			rc = eval_call(r, command, dot, result, &next);
		else if (rc == 0)
			rc = eval_operand(r, &command->operands[0], dot, &next);
		if (rc < 0)
			return rc;
		json_decref(result);
		result = next;
	}
	*value = take_ptr(&result);
	return 0;
}

static int eval_pipe(struct run *r, const struct gotemplate_pipe *pipe, json_t *dot, json_t **value)
{
	cleanup_json json_t *result = NULL;
	int rc = eval_commands(r, pipe, dot, &result);
	for (size_t i = 0; rc == 0 && i < pipe->variables.count; i++)
		rc = set_variable(r, pipe, i, result);
	if (rc < 0)
		return rc;
	*value = take_ptr(&result);
	return 0;
}

/* ---- Nodes ---- */

static int run_nodes(struct run *r, const struct gotemplate_nodes *nodes, json_t *dot);

static int run_pipe(struct run *r, const struct gotemplate_node *node, json_t *dot)
{
	cleanup_json json_t *value = NULL;
	int rc = eval_pipe(r, node->pipe, dot, &value);
	if (rc < 0 || node->pipe->variables.count > 0)
		return rc;
	if (json_is_null(value))
		buf_append_str(r->into, "<no value>");
	else
		gotemplate_append_value(value, r->into);
	return FLOW_ON;
}

/* {{if}} and {{with}}; the variable of the pipe lives until {{end}}. */
static int run_condition(struct run *r, const struct gotemplate_node *node, json_t *dot)
{
	cleanup_json json_t *value = NULL;
	size_t scope = r->variable_count;
	int rc = eval_pipe(r, node->pipe, dot, &value);
	if (rc < 0)
		return rc;
	if (gotemplate_is_true(value))
		rc = run_nodes(r, &node->body, node->kind == NODE_WITH ? value : dot);
	else
		rc = run_nodes(r, &node->others, dot);
	pop_variables(r, scope);
	return rc;
}

/* One turn of a loop: with one variable it is the element, with two the first is the index or key. */
static int run_turn(struct run *r, const struct gotemplate_node *node, json_t *key, json_t *element)
{
	const struct gotemplate_pipe *pipe = node->pipe;
	size_t scope = r->variable_count;
	int rc = count_step(r, node->at);
	if (rc == 0 && pipe->variables.count == 2)
		rc = set_variable(r, pipe, 0, key);
	if (rc == 0 && pipe->variables.count > 0)
		rc = set_variable(r, pipe, pipe->variables.count - 1, element);
	if (rc == 0)
		rc = run_nodes(r, &node->body, element);
	pop_variables(r, scope);
	return rc;
}

static int run_map_turns(struct run *r, const struct gotemplate_node *node, const json_t *object)
{
	cleanup(strlist_done) struct strlist keys = {0};
	gotemplate_sorted_keys(object, &keys);
	int rc = FLOW_ON;
	for (size_t i = 0; i < keys.count && rc >= 0 && rc != FLOW_BREAK; i++) {
		cleanup_json json_t *key = json_from_bytes(keys.items[i]);
		rc = run_turn(r, node, key, json_object_get(object, keys.items[i]));
	}
	return rc;
}

/* Over a list, or the numbers below a number. */
static int run_counted_turns(struct run *r, const struct gotemplate_node *node, const json_t *over)
{
	json_int_t count = json_is_integer(over) ? json_integer_value(over) : (json_int_t)json_array_size(over);
	int rc = FLOW_ON;
	for (json_int_t i = 0; i < count && rc >= 0 && rc != FLOW_BREAK; i++) {
		cleanup_json json_t *key = json_integer(i);
		rc = run_turn(r, node, key, json_is_integer(over) ? key : json_array_get(over, (size_t)i));
	}
	return rc;
}

static int run_range(struct run *r, const struct gotemplate_node *node, json_t *dot)
{
	cleanup_json json_t *over = NULL;
	int rc = eval_commands(r, node->pipe, dot, &over);
	if (rc < 0)
		return rc;
	if (!json_is_array(over) && !json_is_object(over) && !json_is_integer(over) && !json_is_null(over))
		return fail(r, node->pipe->at, "range can't iterate over a %s", gotemplate_type_name(over));
	if (!gotemplate_is_true(over) || (json_is_integer(over) && json_integer_value(over) < 0))
		return run_nodes(r, &node->others, dot);
	rc = json_is_object(over) ? run_map_turns(r, node, over) : run_counted_turns(r, node, over);
	return rc < 0 ? rc : FLOW_ON;
}

static int run_node(struct run *r, const struct gotemplate_node *node, json_t *dot)
{
	int rc = count_step(r, node->at);
	if (rc < 0)
		return rc;
	switch (node->kind) {
	case NODE_TEXT:
		buf_append_str(r->into, node->text);
		return FLOW_ON;
	case NODE_PIPE:
		return run_pipe(r, node, dot);
	case NODE_IF:
	case NODE_WITH:
		return run_condition(r, node, dot);
	case NODE_RANGE:
		return run_range(r, node, dot);
	case NODE_BREAK:
		return FLOW_BREAK;
	case NODE_CONTINUE:
		return FLOW_CONTINUE;
	}
	assert(false);
	return -EINVAL;
}

/* A failure or the flow that ended the list early. */
static int run_nodes(struct run *r, const struct gotemplate_nodes *nodes, json_t *dot)
{
	size_t scope = r->variable_count;
	int rc = FLOW_ON;
	for (size_t i = 0; i < nodes->count && rc == FLOW_ON; i++)
		rc = run_node(r, &nodes->items[i], dot);
	pop_variables(r, scope);
	return rc;
}

static int run_tree(struct run *run, const json_t *value)
{
	/* Reference counts are not part of the value that is const. */
	json_t *root = (json_t *)value;
	push_variable(run, "", json_incref(root));
	int rc = run_nodes(run, &run->tree->nodes, root);
	if (rc == 0)
		rc = count_step(run, 0);
	pop_variables(run, 0);
	free(run->variables);
	return rc;
}

int gotemplate_run(const char *text, const json_t *value, bool strict_fields, struct buf *into, struct error **err)
{
	cleanup(gotemplate_free) struct gotemplate *tree = NULL;
	int rc = gotemplate_parse(text, &tree, err);
	struct run run = {.tree = tree, .strict_fields = strict_fields, .into = into, .err = err};
	return rc < 0 ? rc : run_tree(&run, value);
}

int gotemplate_run_struct(const char *text, const json_t *value, const json_t *json, struct buf *into,
			  struct error **err)
{
	cleanup(gotemplate_free) struct gotemplate *tree = NULL;
	int rc = gotemplate_parse(text, &tree, err);
	struct run run = {.tree = tree, .root = value, .json = json, .strict_fields = true, .into = into, .err = err};
	return rc < 0 ? rc : run_tree(&run, value);
}
