/*
 * Makes and opens the lowest layer of a step, one for each choice of files to mount on.
 */
#include "builder/places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/tree.h"

/* A parent stands before what is in it. */
static const char *const directories[] = {"proc", "sys", "dev", "etc", "run"};

struct place {
	const char *path;
	const char *text; /* what will be mounted on it; NULL: nothing, so the place must not be there */
};
#define PLACE_COUNT 4

static void list_places(const struct run_spec *spec, struct place places[PLACE_COUNT])
{
	const struct place list[PLACE_COUNT] = {{"etc/hosts", spec->etc_hosts},
						{"etc/resolv.conf", spec->etc_resolv_conf},
						{"etc/hostname", spec->etc_hostname},
						{"run/.containerenv", spec->containerenv}};

	for (size_t i = 0; i < PLACE_COUNT; i++)
		places[i] = list[i];
}

static char *name_of(const struct place places[PLACE_COUNT])
{
	unsigned present = 0;

	for (size_t i = 0; i < PLACE_COUNT; i++)
		present |= places[i].text ? 1U << i : 0;
	return mem_printf("places-%x", present);
}

static int fill(int dir, const struct place places[PLACE_COUNT])
{
	for (size_t i = 0; i < ARRAY_COUNT(directories); i++)
		if (mkdirat(dir, directories[i], 0755) < 0)
			return -errno;
	for (size_t i = 0; i < PLACE_COUNT; i++)
		if (places[i].text && mknodat(dir, places[i].path, S_IFREG | 0644, 0) < 0)
			return -errno;
	return 0;
}

static int make(struct workshop *w, int cache, const char *name, const struct place places[PLACE_COUNT])
{
	struct store *store = workshop_store(w);
	int tmp = store_tmp(store, NULL);
	cleanup_free char *made = tmp < 0 ? NULL : store_tmp_name(store, "places");

	if (tmp < 0)
		return tmp;
	if (mkdirat(tmp, made, 0755) < 0)
		return -errno;
	cleanup_close int dir = fd_open_dir(tmp, made, NULL);
	int rc = dir < 0 ? dir : fill(dir, places);
	/* Whoever was faster has made the same. */
	if (rc == 0 && renameat2(tmp, made, cache, name, RENAME_NOREPLACE) < 0)
		rc = -errno;
	if (rc < 0)
		tree_remove(tmp, made, NULL);
	return rc == -EEXIST ? 0 : rc;
}

int places_open(struct workshop *w, const struct run_spec *spec)
{
	struct place places[PLACE_COUNT];
	struct stat st;

	list_places(spec, places);
	cleanup_free char *name = name_of(places);
	int cache = store_folder(workshop_store(w), STORE_CACHE, NULL);
	cleanup_close int dir = cache < 0 ? cache : fd_open_dir(cache, name, NULL);
	if (dir == -ENOENT) {
		int rc = make(w, cache, name, places);
		dir = rc < 0 ? rc : fd_open_dir(cache, name, NULL);
	}
	if (dir < 0)
		return log_debug("no common places to mount on (%d): each step makes its own", -dir), dir;
	/* Another id map's root has made it: its owner would show up in images without an /etc. */
	if (fstat(dir, &st) < 0 || st.st_uid != 0 || st.st_gid != 0)
		return -EPERM;
	return take_fd(&dir);
}
