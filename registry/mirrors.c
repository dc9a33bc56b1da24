/*
 * Mirrors and then the registry itself.
 */
#include "registry/mirrors.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "registry/client_internal.h"

struct mirrors {
	struct session **sessions;
	size_t count;
	size_t current; /* that answered last */
};

int mirrors_open(struct registry_client *client, const struct reference *ref, const char *actions,
		 struct mirrors **mirrors, struct error **err)
{
	const struct registries *registries = NULL;
	cleanup(registry_places_done) struct registry_places found = {0};
	int rc = client_registries(client, &registries, err);

	if (rc == 0)
		rc = registries_pull_places(registries, ref, &found, err);
	if (rc < 0)
		return rc;
	struct mirrors *made = mem_alloc(sizeof(*made));
	made->sessions = mem_alloc(found.count * sizeof(struct session *));
	made->count = found.count;
	for (size_t i = 0; i < found.count; i++)
		made->sessions[i] = session_new(client, &found.items[i], actions);
	*mirrors = made;
	return 0;
}

int mirrors_open_own(struct registry_client *client, const struct reference *ref, const char *actions,
		     struct mirrors **mirrors, struct error **err)
{
	cleanup(session_free) struct session *session = NULL;
	int rc = session_open(client, ref, actions, &session, err);

	if (rc < 0)
		return rc;
	struct mirrors *made = mem_alloc(sizeof(*made));
	made->sessions = mem_alloc(sizeof(struct session *));
	made->sessions[0] = take_ptr(&session);
	made->count = 1;
	*mirrors = made;
	return 0;
}

void mirrors_close(struct mirrors *mirrors)
{
	if (!mirrors)
		return;
	for (size_t i = 0; i < mirrors->count; i++)
		session_free(mirrors->sessions[i]);
	free(mirrors->sessions);
	free(mirrors);
}

bool mirrors_cannot_help(int rc)
{
	return rc == -ENOSPC || rc == -EDQUOT || rc == -EROFS || rc == -ENOMEM || rc == -EINTR || rc == -EMFILE;
}

int mirrors_ask(struct mirrors *mirrors, mirrors_question *question, void *context, struct error **err)
{
	cleanup(strlist_done) struct strlist reasons = {0};

	for (size_t i = mirrors->current; i < mirrors->count; i++) {
		struct session *session = mirrors->sessions[i];
		cleanup_error struct error *error = NULL;
		int rc = question(context, session, &error);
		if (rc == 0) {
			mirrors->current = i;
			return 0;
		}
		if (i + 1 < mirrors->count && !mirrors_cannot_help(rc)) {
			log_debug("mirror %s/%s: %s", session_domain(session), session_path(session),
				  error_message(error));
			strlist_printf(&reasons, "%s/%s: %s", session_domain(session), session_path(session),
				       error_message(error));
			continue;
		}
		cleanup_free char *others = strlist_join(&reasons, "; ");
		if (reasons.count > 0)
			return error_set(err, -rc, "%s (mirrors also failed: %s)", error_message(error), others);
		if (err)
			*err = take_ptr(&error);
		return rc;
	}
	return error_set(err, ENOENT, "no place to ask"); /* there is always one */
}
