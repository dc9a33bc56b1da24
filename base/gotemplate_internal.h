/*
 * A template as a tree: what gotemplate_parse.c makes of the text and gotemplate_eval.c runs. Everything below a
 * template belongs to it. Places are byte offsets into the text, for errors.
 */
#ifndef COOPER_BASE_GOTEMPLATE_INTERNAL_H
#define COOPER_BASE_GOTEMPLATE_INTERNAL_H

#include "base/json.h"

#define GOTEMPLATE_DEPTH_MAX 64 /* of blocks in blocks, and of parentheses */

struct gotemplate_pipe;

enum gotemplate_operand_kind {
	OPERAND_DOT,	  /* . or .A.B: `fields` of the current value */
	OPERAND_VARIABLE, /* $, $x or $x.A: `name` without the '$' */
	OPERAND_LITERAL,  /* a string, number, character, true, false or nil */
	OPERAND_FUNCTION, /* `name` */
	OPERAND_PIPE	  /* (…) or (…).A */
};

struct gotemplate_operand {
	enum gotemplate_operand_kind kind;
	size_t at;
	char *name;
	json_t *literal;
	struct gotemplate_pipe *pipe;
	struct strlist fields;
};

/* One stage of a pipe: a function with its arguments, or one operand alone. */
struct gotemplate_command {
	struct gotemplate_operand *operands; /* at least one */
	size_t count;
};

/* {{$k, $v := command | command}} */
struct gotemplate_pipe {
	size_t at;
	struct strlist variables;	     /* that it sets, without the '$' */
	bool is_assignment;		     /* '=', not ':=' */
	struct gotemplate_command *commands; /* at least one */
	size_t count;
};

enum gotemplate_node_kind { NODE_TEXT, NODE_PIPE, NODE_IF, NODE_WITH, NODE_RANGE, NODE_BREAK, NODE_CONTINUE };

struct gotemplate_node;
struct gotemplate_nodes {
	struct gotemplate_node *items;
	size_t count;
};

struct gotemplate_node {
	enum gotemplate_node_kind kind;
	size_t at;
	char *text;			/* of NODE_TEXT */
	struct gotemplate_pipe *pipe;	/* of all but NODE_TEXT, NODE_BREAK and NODE_CONTINUE */
	struct gotemplate_nodes body;	/* of NODE_IF, NODE_WITH and NODE_RANGE */
	struct gotemplate_nodes others; /* what is behind their {{else}}; for {{else if}} one NODE_IF */
};

struct gotemplate {
	const char *text; /* borrowed */
	struct gotemplate_nodes nodes;
};

/* -EINVAL with "template: line:column: …". */
int gotemplate_parse(const char *text, struct gotemplate **tree, struct error **err);
void gotemplate_free(struct gotemplate *tree);
CLEANUP_FOR(struct gotemplate, gotemplate_free)

/* Sets "template: line:column: …", -EINVAL. */
int gotemplate_error(const char *text, size_t at, struct error **err, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Does a quoted string, a character or a number start here? */
bool gotemplate_is_literal(const char *text);
/* Its value, with *at moved behind it; or NULL, with *at where it is wrong and *problem saying why. */
MUST_CHECK json_t *gotemplate_read_literal(const char **at, const char **problem);

/* Is there a function of this name? */
bool gotemplate_has_function(const char *name);

/* What a call works on. */
struct gotemplate_call {
	const char *name;
	json_t *const *args; /* borrowed */
	size_t count;
	const json_t *root, *json; /* of gotemplate_run_struct(), or NULL */
};
/* -EINVAL when a function is not made for so many arguments. */
int gotemplate_check_count(const char *name, size_t count, struct error **problem);
/* Calls one; `problem` says why it cannot be done (-EINVAL), without a place. The result is a new reference. and, or
 * are not here: they do not evaluate all their arguments. */
int gotemplate_call(const struct gotemplate_call *call, json_t **result, struct error **problem);

/* The keys of a map, in the order that Go prints and ranges over them. */
void gotemplate_sorted_keys(const json_t *object, struct strlist *keys);

/* Values as Go's fmt package writes them. */
bool gotemplate_is_true(const json_t *value);
/* JSON does not tell Go's structs, where an unknown field is a mistake, from its maps, where it has no value. The
 * fields of a struct have names with capitals, and there is at least one. */
bool gotemplate_is_struct(const json_t *object);
const char *gotemplate_type_name(const json_t *value); /* "string", "int", "map", …, for errors */
/* %v; at the top of an action null is "<no value>", in a container and in print it is "<nil>". */
void gotemplate_append_value(const json_t *value, struct buf *into);
void gotemplate_append_printf(const char *format, json_t *const *args, size_t count, struct buf *into);

#endif
