/*
 * The part of Go's text/template that scripts use with inspect, images and containers: {{.A.B}}, {{index .Map "key"}},
 * {{json .X}}, {{printf "%q" .X}}, {{println .X}}, {{len .X}}, {{range .X}}…{{else}}…{{end}} (also `$k, $v :=`),
 * {{if}}/{{else if}}/{{else}}/{{end}}, {{with}}, {{- trim -}}, comments, and/or/not/eq/ne, join, upper, lower, split,
 * pipes, $ for the root, and variables. A slice prints as [a b], a map as map[k:v], null as <no value>.
 */
#ifndef COOPER_BASE_GOTEMPLATE_H
#define COOPER_BASE_GOTEMPLATE_H

#include "base/json.h"

/* Appends what `text` makes of `value`. Bad syntax, an unknown function, or a field of something that has no fields is
 * -EINVAL with the place in the template. A missing key of an object is an error when `strict_fields`, which is what
 * users of typed Go structs see ("can't evaluate field X"), else "<no value>". \t and \n in the text are taken as
 * such, as Buildah does for --format. */
int gotemplate_run(const char *text, const json_t *value, bool strict_fields, struct buf *into, struct error **err);

#endif
