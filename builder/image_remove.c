/*
 * Removal, by transport.
 */
#include "builder/image_remove.h"

#include <errno.h>

#include "builder/container.h"
#include "builder/image_copy.h"
#include "builder/sweep.h"
#include "imagefmt/layout_remove.h"
#include "registry/manage.h"

static int remove_from_registry(const struct location *location, const struct image_remove_options *options,
				struct error **err)
{
	cleanup(registry_client_free) struct registry_client *client = NULL;
	int rc = registry_client_new(&options->registry, &client, err);

	if (rc < 0)
		return rc;
	return options->tag_only ? registry_delete_tag(client, &location->ref, err)
				 : registry_delete_manifest(client, &location->ref, /* removed */ NULL, err);
}

/* Containers stand on images, not on names. */
static int check_unused(struct workshop *w, const struct digest *id, struct error **err)
{
	cleanup(container_list_done) struct container_list list = {0};
	int rc = containers_list(w, &list, err);

	for (size_t i = 0; rc == 0 && i < list.count; i++)
		if (digest_equal(&list.items[i].image_id, id))
			return error_set(err, EBUSY, "image is in use by container %s", list.items[i].name);
	return rc;
}

static int remove_from_store(struct workshop *w, const struct location *location, struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	struct store *store = workshop_store(w);
	struct swept swept;
	int rc = images_find(store, location->name, &entry, err);

	if (rc < 0)
		return rc;
	const char *name = images_name_meant(&entry, location->name);
	if (name && entry.names.count > 1)
		return images_untag(store, name, err);
	rc = check_unused(w, &entry.id, err);
	if (rc == 0)
		rc = images_remove(store, &entry.id, err);
	/* Space is given back now when nobody else is adding to the store, else by the next rmi or prune. */
	if (rc == 0)
		(void)sweep_removed(w, &swept, NULL);
	return rc;
}

int image_remove(struct workshop *w, const char *place, const struct image_remove_options *options, struct error **err)
{
	cleanup(location_done) struct location location = {0};
	int rc = image_place_parse(place, &location, err);

	if (rc < 0)
		return rc;
	location.blob_folder = mem_strdup(options->blob_folder);
	switch (location.transport) {
	case TRANSPORT_DOCKER:
		rc = remove_from_registry(&location, options, err);
		break;
	case TRANSPORT_STORE:
		rc = remove_from_store(w, &location, err);
		break;
	case TRANSPORT_OCI:
		rc = layout_remove_image(&location, err);
		break;
	default:
		rc = error_set(err, EOPNOTSUPP,
			       "nothing can be removed from this kind of place: it is one file or "
			       "directory, which rm removes");
	}
	return rc < 0 ? location_explain(place, error_prefix(err, "delete %s", place), err) : 0;
}
