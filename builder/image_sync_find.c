/*
 * The images of a repository, and those in a tree of directories.
 */
#include "builder/image_sync_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/tree.h"
#include "builder/image_tags.h"

void sync_plan_done(struct sync_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		free(plan->items[i].place);
		free(plan->items[i].suffix);
	}
	for (size_t i = 0; i < plan->access_count; i++) {
		mem_free_secret(&plan->accesses[i].credentials);
		free(plan->accesses[i].cert_dir);
	}
	free(plan->items);
	free(plan->accesses);
	*plan = (struct sync_plan){0};
}

void sync_plan_add(struct sync_plan *plan, const char *place, const char *suffix, size_t access)
{
	plan->items = mem_grow(plan->items, plan->count + 1, sizeof(*plan->items));
	plan->items[plan->count++] =
		(struct sync_item){.place = mem_strdup(place), .suffix = mem_strdup(suffix), .access = access};
}

struct sync_access *sync_plan_access(struct sync_plan *plan, size_t *number)
{
	plan->accesses = mem_grow(plan->accesses, plan->access_count + 1, sizeof(*plan->accesses));
	*number = plan->access_count++;
	plan->accesses[*number] = (struct sync_access){0};
	return &plan->accesses[*number];
}

struct registry_options sync_registry(const struct sync_plan *plan, size_t access,
				      const struct registry_options *for_all)
{
	const struct sync_access *own = &plan->accesses[access];
	struct registry_options options = *for_all;

	if (own->credentials) {
		options.credentials = own->credentials;
		options.username = options.registry_token = NULL;
		options.anonymous = false;
	}
	if (own->cert_dir)
		options.cert_dir = own->cert_dir;
	if (own->has_tls_verify)
		options.tls_verify = own->tls_verify ? TLS_VERIFY_YES : TLS_VERIFY_NO;
	return options;
}

/* ---- Repositories ---- */

int sync_find_tags(struct workshop *w, const char *repository, const struct registry_options *registry,
		   struct strlist *tags, struct error **err)
{
	cleanup_free char *place = mem_printf("docker://%s", repository);
	cleanup_free char *whole = NULL;
	int rc = image_tags(w, place, registry, &whole, tags, err);

	if (rc == 0 && tags->count == 0)
		return error_set(err, ENOENT, "%s has no tags", repository);
	return rc;
}

static void add_image(struct sync_plan *plan, const char *name)
{
	cleanup_free char *place = mem_printf("docker://%s", name);

	sync_plan_add(plan, place, name, 0);
}

int sync_find_docker(struct workshop *w, const char *source, const struct image_sync_options *options,
		     struct sync_plan *plan, struct error **err)
{
	cleanup(reference_done) struct reference ref = {0};
	cleanup(strlist_done) struct strlist tags = {0};
	int rc = reference_parse(source, &ref, err);

	if (rc < 0)
		return rc;
	reference_set_docker_domain(&ref);
	if (ref.tag || !digest_is_null(&ref.digest)) {
		cleanup_free char *name = reference_format(&ref);
		add_image(plan, name);
		return 0;
	}
	cleanup_free char *repository = reference_repository(&ref);
	rc = sync_find_tags(w, repository, &options->copy.source_registry, &tags, err);
	for (size_t i = 0; rc == 0 && i < tags.count; i++) {
		cleanup_free char *name = mem_printf("%s:%s", repository, tags.items[i]);
		add_image(plan, name);
	}
	return rc;
}

/* ---- Directories ---- */

struct search {
	const char *source;
	struct sync_plan *plan;
};

static int visit(const struct tree_entry *entry, void *context, struct error **err)
{
	struct search *search = context;

	if (!S_ISDIR(entry->st->st_mode))
		return TREE_GO_ON;
	cleanup_close int dir =
		openat(entry->dirfd, *entry->path ? entry->name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || faccessat(dir, "manifest.json", R_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return TREE_GO_ON;
	cleanup_free char *place = mem_printf("dir:%s/%s", search->source, entry->path);
	sync_plan_add(search->plan, place, entry->path, 0);
	return TREE_SKIP_CHILDREN;
}

int sync_find_directories(const char *source, struct sync_plan *plan, struct error **err)
{
	struct search search = {.source = source, .plan = plan};
	/* The user's own path: links in it are meant. */
	cleanup_close int fd = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, "open '%s'", source);
	int rc = tree_walk(fd, visit, /* after */ NULL, &search, err);
	if (rc == 0 && plan->count == 0)
		return error_set(err, ENOENT, "there are no images below '%s'", source);
	return rc;
}
