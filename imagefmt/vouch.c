/* Records of ownership, compared with what is known of them from before the steps. */
#include "imagefmt/vouch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/ovlmark.h"
#include "imagefmt/digest.h"

enum lower_verdict lower_find(int lower, const char *path, int *fd)
{
	cleanup_close int dir = -1;
	bool is_opaque = false;

	for (const char *at = path;;) {
		size_t length = strcspn(at, "/");
		bool is_last = at[length] == '\0';
		cleanup_free char *name = mem_strndup(at, length);
		int next = openat(dir >= 0 ? dir : lower, name,
				  O_PATH | O_NOFOLLOW | O_CLOEXEC | (is_last ? 0 : O_DIRECTORY));
		if (next < 0)
			return errno == ENOENT && !is_opaque ? LOWER_SAYS_NOTHING : LOWER_HIDES_IT;
		fd_close(dir);
		dir = next;
		if (is_last)
			break;
		is_opaque |= ovlmark_is_opaque(dir);
		at += length + 1;
	}
	*fd = take_fd(&dir);
	return LOWER_HAS_IT;
}

static bool is_same_record(int fd, const struct owner_record *record)
{
	struct owner_record other;

	return owner_get(fd, &other, NULL) == 0 && other.uid == record->uid && other.gid == record->gid &&
	       other.mode == record->mode && other.major == record->major && other.minor == record->minor;
}

/* A note is an empty file with the record, named by the path's digest: no path of an image becomes one of ours. */
static int note_name(const char *path, char name[DIGEST_HEX_SIZE], struct error **err)
{
	struct digest digest;
	int rc = digest_of(path, strlen(path), &digest, err);

	if (rc == 0)
		digest_hex(&digest, name);
	return rc;
}

static bool is_noted(int notes, const char *path, const struct owner_record *record)
{
	char name[DIGEST_HEX_SIZE];

	if (notes < 0 || note_name(path, name, NULL) < 0)
		return false;
	cleanup_close int fd = openat(notes, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && is_same_record(fd, record);
}

bool vouch_check(const struct vouchers *vouchers, const char *path, const struct owner_record *record)
{
	if (is_noted(vouchers->notes, path, record))
		return true;
	for (size_t i = 0; i < vouchers->lower_count; i++) {
		cleanup_close int fd = -1;
		enum lower_verdict verdict = lower_find(vouchers->lowers[i], path, &fd);
		if (verdict != LOWER_SAYS_NOTHING)
			return verdict == LOWER_HAS_IT && is_same_record(fd, record);
	}
	return false;
}

int vouch_note(int notes, const char *path, const struct owner_record *record, struct error **err)
{
	char name[DIGEST_HEX_SIZE];
	int rc = note_name(path, name, err);

	if (rc < 0)
		return rc;
	cleanup_close int fd = openat(notes, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set_errno(err, "make a note of '%s'", path);
	return owner_set(fd, record, err);
}
