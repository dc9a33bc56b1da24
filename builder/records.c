/* Opens what vouches for records, and takes notes. */
#include "builder/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rootpath.h"
#include "imagefmt/layer.h"

#define NOTES "records"

void records_done(struct records *records)
{
	for (size_t i = 0; i < records->lower_count; i++)
		fd_close(records->lowers[i]);
	free(records->lowers);
	fd_close(records->notes);
	*records = (struct records)RECORDS_INIT;
}

int records_open(struct workshop *w, const struct container *c, struct records *records, struct error **err)
{
	const struct image_config *config = &c->config;
	cleanup(records_done) struct records opened = RECORDS_INIT;

	opened.trusted = store_has_single_id(workshop_store(w));
	opened.lowers = mem_grow(NULL, config->diff_id_count + 1, sizeof(*opened.lowers));
	for (size_t i = config->diff_id_count; i-- > 0;) {
		int fd = layer_open(workshop_store(w), &config->diff_ids[i], err);
		if (fd < 0)
			return fd;
		opened.lowers[opened.lower_count++] = fd;
	}
	cleanup_close int dir = container_open_dir(w, c, err);
	if (dir < 0)
		return dir;
	opened.notes = fd_open_dir(dir, NOTES, NULL); /* most containers have none */
	opened.vouchers = (struct vouchers){
		.lowers = opened.lowers,
		.lower_count = opened.lower_count,
		.notes = opened.notes,
	};
	*records = opened;
	opened = (struct records)RECORDS_INIT;
	return 0;
}

const struct vouchers *records_vouchers(const struct records *records)
{
	return records->trusted ? NULL : &records->vouchers;
}

int records_note(struct workshop *w, const struct container *c, int root, const char *path,
		 const struct owner_record *record, struct error **err)
{
	cleanup_free char *resolved = NULL;

	if (store_has_single_id(workshop_store(w)))
		return 0;
	int rc = rootpath_resolve(root, path, &resolved, err);
	cleanup_close int dir = rc < 0 ? rc : container_open_dir(w, c, err);
	if (dir < 0)
		return dir;
	if (mkdirat(dir, NOTES, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, "make a directory for notes");
	cleanup_close int notes = fd_open_dir(dir, NOTES, err);
	return notes < 0 ? notes : vouch_note(notes, resolved + 1, record, err);
}
