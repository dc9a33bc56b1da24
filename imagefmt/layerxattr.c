/* The rules of layerxattr.h. */
#include "imagefmt/layerxattr.h"

#include <endian.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/ovlmark.h"
#include "base/owner.h"
#include "base/parse.h"
#include "imagefmt/accesslists.h"

#define CAPABILITY "security.capability"

char *layer_xattr_to_tar(const char *name)
{
	if (strcmp(name, CAPABILITY) == 0 || strcmp(name, "security.ima") == 0)
		return mem_strdup(name);
	if (strcmp(name, OVLMARK_CAPABILITY) == 0)
		return mem_strdup(CAPABILITY);
	if (!text_has_prefix(name, "user.") || ovlmark_classify(name) == OVLMARK_KERNEL)
		return NULL;
	return ovlmark_unescape(name);
}

char *layer_xattr_to_tree(const char *name)
{
	if (strcmp(name, "security.selinux") == 0 || text_has_prefix(name, "trusted.overlay.") ||
	    access_lists_is_name(name))
		return NULL;
	if (strcmp(name, CAPABILITY) == 0)
		return mem_strdup(owner_capability_xattr());
	return ovlmark_escape(name);
}

void layer_xattr_normalise(const char *name, void *value, size_t *size)
{
	uint32_t magic;

	if (strcmp(name, CAPABILITY) != 0 || *size != XATTR_CAPS_SZ_3)
		return;
	memcpy(&magic, value, sizeof(magic));
	magic = le32toh(magic);
	if ((magic & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3)
		return;
	magic = htole32((magic & ~(uint32_t)VFS_CAP_REVISION_MASK) | VFS_CAP_REVISION_2);
	memcpy(value, &magic, sizeof(magic));
	*size = XATTR_CAPS_SZ_2;
}
