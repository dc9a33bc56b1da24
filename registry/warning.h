/*
 * What a registry wants its users to know: `Warning: 299 - "text"` (distribution-spec "Warnings").
 */
#ifndef COOPER_REGISTRY_WARNING_H
#define COOPER_REGISTRY_WARNING_H

#include "registry/http.h"

/* Logs the warnings of the answer that are not among `told` yet, and adds them there. */
void warnings_tell(const struct http_answer *answer, struct strlist *told);

#endif
