/*
 * cooper logout: forgets credentials.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "registry/auth.h"

struct logout_options {
	bool all;
	const char *authfile;
};

#define LOGOUT(member) offsetof(struct logout_options, member)
static const struct option_spec rows[] = {
	{"all", 'a', OPTION_FLAG, LOGOUT(all), NULL, "all registries"},
	{"authfile", 0, OPTION_TEXT, LOGOUT(authfile), "FILE", "credentials are in this file"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct logout_options *options = values;
	if (options->all == (args->count > 0))
		return error_set(err, EINVAL, "name one registry, or give --all");
	cleanup_error struct error *failure = NULL;
	cleanup_free char *registry = options->all ? NULL : credentials_key(args->items[0]);
	/* As it is typed first: the files may have a URL as a key (Docker's own for docker.io). */
	int rc = credentials_erase(options->authfile, options->all ? NULL : args->items[0], &failure);
	if (rc == -ENOENT && registry && strcmp(registry, args->items[0]) != 0) {
		error_clear(&failure);
		rc = credentials_erase(options->authfile, registry, &failure);
	}
	if (rc == -ENOENT && !options->all)
		return error_set(err, ENOENT, "not logged into %s", registry);
	if (rc < 0)
		return error_set(err, -rc, "%s", error_message(failure));
	if (options->all)
		printf("Removed login credentials for all registries\n");
	else
		printf("Removed login credentials for %s\n", registry);
	return 0;
}

const struct command command_logout = {
	.name = "logout",
	.arguments = "[OPTIONS] REGISTRY|--all",
	.summary = "forget the credentials for a registry",
	.max_args = 1,
	.options = {{&group, 0}},
	.options_size = sizeof(struct logout_options),
	.run = run,
};
