/*
 * The places where an image may be pulled from, and a question that is put to one after the other until it is answered.
 */
#ifndef COOPER_REGISTRY_MIRRORS_H
#define COOPER_REGISTRY_MIRRORS_H

#include "registry/session.h"

struct mirrors;

int mirrors_open(struct registry_client *client, const struct reference *ref, const char *actions,
		 struct mirrors **mirrors, struct error **err);
/* The registry alone: what is going to be changed is not looked up in a copy of it. */
int mirrors_open_own(struct registry_client *client, const struct reference *ref, const char *actions,
		     struct mirrors **mirrors, struct error **err);
void mirrors_close(struct mirrors *mirrors);
CLEANUP_FOR(struct mirrors, mirrors_close)

/* True for failures that say something about this machine (no space, too many files, ^C): another place does not help.
 */
bool mirrors_cannot_help(int rc);

/* Asks one place; a failure has its error set, or is -errno alone when err is NULL. */
typedef int mirrors_question(void *context, struct session *session, struct error **err);
/* The place that answered last is asked first. A failure that is the place's own (it does not have it, refuses us, is
 * not there, sends something wrong) leads on to the next; when all have failed, the error is that of the last, with the
 * reasons of the mirrors behind it. */
int mirrors_ask(struct mirrors *mirrors, mirrors_question *question, void *context, struct error **err);

#endif
