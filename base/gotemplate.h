/*
 * The part of Go's text/template that scripts use with inspect, images and containers: {{.A.B}}, {{index .Map "key"}},
 * {{json .X}}, {{printf "%q" .X}}, {{println .X}}, {{len .X}}, {{slice .X 0 12}}, {{range .X}}…{{else}}…{{end}} (also
 * `$k, $v :=`, and break and continue), {{if}}/{{else if}}/{{else}}/{{end}}, {{with}}, {{- trim -}}, comments,
 * and/or/not, eq/ne/lt/le/gt/ge, print, join, split, upper, lower, title (of ASCII letters), pipes, $ for the root, and
 * variables. A slice prints as [a b], a map as map[k:v], a
 * struct as {a b}, null as <no value>.
 *
 * JSON does not tell a Go map from a struct, nor what a map holds. So `index` of a missing key gives "" in a map of
 * nothing but strings (as map[string]string does), else <no value>; and null counts as an empty list or map.
 */
#ifndef COOPER_BASE_GOTEMPLATE_H
#define COOPER_BASE_GOTEMPLATE_H

#include "base/json.h"

/* Appends what `text` makes of `value`. Bad syntax, an unknown function, or a field of something that has no fields is
 * -EINVAL with the place in the template. A missing key of an object is an error when `strict_fields`, which is what
 * users of typed Go structs see ("can't evaluate field X"), else "<no value>". \t and \n in the text are taken as
 * such, as Buildah does for --format. What loops without end, or makes more than `into` may hold (-EFBIG), is stopped.
 * On failure `into` holds what was made up to there. */
int gotemplate_run(const char *text, const json_t *value, bool strict_fields, struct buf *into, struct error **err);

/* The same, strictly, for structs whose fields have other names in JSON: `json` is the value again, field by field in
 * the same order, with those names. Fields are looked up in `value`; the function `json` prints what stands in their
 * place in `json`, which may be NULL where the text has no such function. */
int gotemplate_run_struct(const char *text, const json_t *value, const json_t *json, struct buf *into,
			  struct error **err);

#endif
