/*
 * The OCI runtimes that we know, and how they are called.
 */
#include "run/ociruntime.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"

struct known {
	const char *name;
	const char *flag; /* NULL: none */
};

/* Limits are ours: the runtime is in the step's cgroup already (run/cgroup.h), and must not look for one of its own
 * where there is none to be had. runc finds that out by itself. */
static const struct known known[] = {
	{"crun", "--cgroup-manager=disabled"},
	{"runc", NULL},
};

static const struct known *find_known(const char *name)
{
	const char *slash = strrchr(name, '/');

	for (size_t i = 0; i < ARRAY_COUNT(known); i++)
		if (strcmp(slash ? slash + 1 : name, known[i].name) == 0)
			return &known[i];
	return NULL;
}

int ociruntime_check(const char *name, struct error **err)
{
	if (!find_known(name))
		return error_set(err, EINVAL,
				 "runtime '%s': only crun and runc are known here; leave the option away, "
				 "and cooper runs the step itself",
				 name);
	return 0;
}

int ociruntime_find(const char *name, char **program, struct error **err)
{
	int rc = ociruntime_check(name, err);

	if (rc < 0)
		return rc;
	if (strchr(name, '/')) {
		if (access(name, X_OK) < 0)
			return error_set_errno(err, "runtime '%s'", name);
		*program = mem_strdup(name);
		return 0;
	}
	char *found = process_find(name);
	if (!found)
		return error_set(err, ENOENT, "runtime '%s' is not installed", name);
	*program = found;
	return 0;
}

void ociruntime_arguments(const char *program, const struct strlist *flags, const char *bundle, bool no_pivot,
			  struct strlist *argv)
{
	const struct known *runtime = find_known(program);

	strlist_append(argv, program);
	if (runtime && runtime->flag)
		strlist_append(argv, runtime->flag);
	/* As Buildah takes them: "debug" is "--debug". */
	for (size_t i = 0; flags && i < flags->count; i++)
		strlist_printf(argv, "%s%s", flags->items[i][0] == '-' ? "" : "--", flags->items[i]);
	strlist_append(argv, "--root");
	strlist_printf(argv, "%s/state", bundle);
	strlist_append(argv, "run");
	strlist_append(argv, "--bundle");
	strlist_append(argv, bundle);
	strlist_append(argv, "--pid-file");
	strlist_printf(argv, "%s/" OCIRUNTIME_PID_FILE, bundle);
	if (no_pivot)
		strlist_append(argv, "--no-pivot");
	strlist_append(argv, "step");
}
