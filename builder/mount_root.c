/* Texts of roots, made and opened. */
#include "builder/mount_root.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"

#define LAYERS "layers://"
#define DIRECTORY "root://"

char *mount_root_of_layers(const struct digest *diff_ids, size_t count)
{
	cleanup(strlist_done) struct strlist digests = {0};
	char text[DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < count; i++)
		strlist_append(&digests, digest_format(&diff_ids[i], text));
	cleanup_free char *joined = strlist_join(&digests, "+");
	return mem_printf(LAYERS "%s", joined);
}

char *mount_root_of_directory(const char *path)
{
	return mem_printf(DIRECTORY "%s", path);
}

bool mount_root_is(const char *from)
{
	return text_has_prefix(from, LAYERS) || text_has_prefix(from, DIRECTORY);
}

static int open_layers(struct workshop *w, const char *text, struct rootfs **rootfs, struct error **err)
{
	cleanup(strlist_done) struct strlist digests = {0};
	cleanup(image_done) struct image image = {0};

	strlist_split(&digests, text, '+');
	for (size_t i = 0; i < digests.count; i++) {
		struct digest diff_id;
		int rc = digest_parse(digests.items[i], &diff_id, err);
		if (rc < 0)
			return rc;
		image_config_add_diff_id(&image.config, &diff_id);
	}
	int rc = rootfs_open_image(w, &image, rootfs, err);
	if (rc < 0)
		return rc;
	int fd = fcntl(rootfs_fd(*rootfs), F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? error_set_errno(err, "open the root of a stage") : fd;
}

int mount_root_open(struct workshop *w, const char *from, struct rootfs **rootfs, struct error **err)
{
	*rootfs = NULL;
	if (text_has_prefix(from, LAYERS))
		return open_layers(w, from + sizeof(LAYERS) - 1, rootfs, err);
	const char *path = from + sizeof(DIRECTORY) - 1;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_set_errno(err, "'%s'", path) : fd;
}
