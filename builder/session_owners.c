/*
 * From a path to the container that it lies in, and that container's table.
 */
#include "builder/session_owners.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/container.h"
#include "builder/records.h"
#include "builder/rootcopy.h"

struct session_tree {
	char *id;
	struct container c;
	struct owner_table owners;
	int upper;
};

struct session_owners {
	struct workshop *w;
	struct session_tree **trees; /* by pointer: what is lent must not move */
	size_t count;
};

struct session_owners *session_owners_new(struct workshop *w)
{
	struct session_owners *owners = mem_alloc(sizeof(*owners));

	owners->w = w;
	return owners;
}

static void tree_free(struct session_tree *tree)
{
	if (!tree)
		return;
	free(tree->id);
	container_done(&tree->c);
	owner_table_done(&tree->owners);
	fd_close(tree->upper);
	free(tree);
}
CLEANUP_FOR(struct session_tree, tree_free)

static void forget_all(struct session_owners *owners)
{
	for (size_t i = 0; i < owners->count; i++)
		tree_free(owners->trees[i]);
	owners->count = 0;
}

void session_owners_free(struct session_owners *owners)
{
	if (!owners)
		return;
	forget_all(owners);
	free(owners->trees);
	free(owners);
}

/* ---- which container ---- */

/* "<containers>/<id>/<root>/<path>": the id, newly allocated, and the path; NULL for anything else. */
static char *split(struct session_owners *owners, const char *path, const char **rest)
{
	/* Where a container's root is seen: an overlay, its only layer, a copy of its layers. */
	static const char *const roots[] = {"merged", "upper", ROOTCOPY};
	char proc[FD_PROC_PATH_SIZE];
	char folder[PATH_MAX];
	int containers = store_folder(workshop_store(owners->w), STORE_CONTAINERS, NULL);
	/* The kernel's name for it: the one that we were given may lead through links. */
	ssize_t size = containers < 0 ? -1 : readlink(fd_proc_path(containers, proc), folder, sizeof(folder));

	if (size <= 0 || strncmp(path, folder, (size_t)size) != 0 || path[size] != '/')
		return NULL;
	const char *id = path + size + 1;
	const char *slash = strchr(id, '/');
	for (size_t i = 0; slash && i < ARRAY_COUNT(roots); i++) {
		size_t length = strlen(roots[i]);
		const char *end = slash + 1 + length;
		if (strncmp(slash + 1, roots[i], length) != 0 || (*end != '/' && *end != '\0'))
			continue;
		*rest = *end ? end : "/";
		return mem_strndup(id, (size_t)(slash - id));
	}
	return NULL;
}

static struct session_tree *load(struct session_owners *owners, const char *id)
{
	cleanup(tree_free) struct session_tree *tree = mem_alloc(sizeof(*tree));
	cleanup_error struct error *error = NULL;

	tree->upper = -1;
	tree->id = mem_strdup(id);
	int rc = container_find(owners->w, id, &tree->c, &error);
	cleanup_close int dir = rc < 0 ? rc : container_open_dir(owners->w, &tree->c, &error);
	if (dir >= 0)
		rc = records_load_owners(owners->w, &tree->c, &tree->owners, &error);
	if (dir < 0 || rc < 0) {
		log_debug("owners in container %s: %s", id, error_message(error));
		return NULL;
	}
	/* Where the root is a copy, its own entries are what counts. */
	tree->upper = fd_open_dir(dir, rootcopy_exists(dir) ? ROOTCOPY : "upper", NULL);
	return take_ptr(&tree);
}

bool session_owners_find(void *context, const char *path, struct emulation_place *place)
{
	struct session_owners *owners = context;
	const char *rest = NULL;
	cleanup_free char *id = split(owners, path, &rest);
	struct session_tree *tree = NULL;

	for (size_t i = 0; id && !tree && i < owners->count; i++)
		if (strcmp(owners->trees[i]->id, id) == 0)
			tree = owners->trees[i];
	if (id && !tree) {
		tree = load(owners, id);
		if (!tree)
			return false;
		owners->trees = mem_grow(owners->trees, owners->count + 1, sizeof(struct session_tree *));
		owners->trees[owners->count++] = tree;
	}
	if (tree)
		*place = (struct emulation_place){.owners = &tree->owners, .upper = tree->upper, .path = rest};
	return tree != NULL;
}

/* ---- with the disk ---- */

bool session_owners_have_changed(const struct session_owners *owners)
{
	for (size_t i = 0; i < owners->count; i++)
		if (owners->trees[i]->owners.has_changed)
			return true;
	return false;
}

static void save(struct session_owners *owners, struct session_tree *tree)
{
	cleanup_error struct error *error = NULL;

	if (records_save_owners(owners->w, &tree->c, &tree->owners, &error) < 0)
		log_warn("%s; the owners of links and FIFOs in container '%s' are not kept", error_message(error),
			 tree->c.name);
	/* Once is enough to be told. */
	tree->owners.has_changed = false;
}

void session_owners_save(struct session_owners *owners)
{
	for (size_t i = 0; i < owners->count; i++)
		if (owners->trees[i]->owners.has_changed)
			save(owners, owners->trees[i]);
}

void session_owners_release(struct session_owners *owners)
{
	session_owners_save(owners);
	forget_all(owners);
}

void session_owners_merge(struct session_owners *owners)
{
	for (size_t i = 0; i < owners->count; i++) {
		struct session_tree *tree = owners->trees[i];
		cleanup(tree_free) struct session_tree *fresh =
			tree->owners.has_changed ? load(owners, tree->id) : NULL;
		if (!fresh)
			continue;
		owner_table_add_all(&fresh->owners, &tree->owners);
		save(owners, fresh);
	}
	forget_all(owners);
}
