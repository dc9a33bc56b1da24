/*
 * WWW-Authenticate as RFC 9110 section 11.6.1 writes it: one or several challenges, each a scheme with parameters, with
 * commas both between challenges and between parameters.
 *
 *	Bearer realm="https://auth.example/token",service="registry, main", Basic realm="x"
 */
#ifndef COOPER_REGISTRY_CHALLENGE_H
#define COOPER_REGISTRY_CHALLENGE_H

#include "base/error.h"
#include "base/strlist.h"

#define CHALLENGE_SIZE_MAX ((size_t)16 << 10) /* longest header that is read */

struct challenge {
	char *scheme;		   /* lower case */
	struct strlist parameters; /* "name=value", names in lower case, values without their quotes */
};

struct challenge_list {
	struct challenge *items;
	size_t count;
};

void challenge_list_done(struct challenge_list *list);
CLEANUP_FOR_VALUE(struct challenge_list, challenge_list_done)
/* Adds what one header field's value holds. -EINVAL when it is malformed; challenges before the fault are kept, since a
 * server that spoils its second one still means the first. */
int challenge_parse(const char *value, struct challenge_list *list, struct error **err);
/* The first challenge of a scheme (lower case), NULL when there is none. */
const struct challenge *challenge_find(const struct challenge_list *list, const char *scheme);
/* A parameter's value, borrowed, or NULL. */
const char *challenge_get(const struct challenge *challenge, const char *name);

#endif
