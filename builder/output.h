/*
 * Where the result of a build goes besides the store: `--output type=…,key=value`.
 *
 *	type=local,dest=DIR	the root file system as files of the caller's       (also: a path alone)
 *	type=tar,dest=FILE	the root file system as a tar archive, owners kept   (also: "-" alone)
 *	type=oci,dest=FILE	an OCI layout, as an archive or, with tar=false, as a directory
 *	type=docker,dest=FILE	what `docker load` reads; without dest the store
 *	type=image		the store; with push=true a registry as well
 *	type=registry		a registry
 */
#ifndef COOPER_BUILDER_OUTPUT_H
#define COOPER_BUILDER_OUTPUT_H

#include "builder/acquire.h"

enum output_type { OUTPUT_STORE, OUTPUT_LOCAL, OUTPUT_TAR, OUTPUT_OCI, OUTPUT_DOCKER, OUTPUT_REGISTRY };

struct output {
	enum output_type type;
	char *dest;		    /* of the first four; "-" is standard output; NULL for the others */
	struct strlist names;	    /* name=: for the store as well */
	struct strlist annotations; /* annotation.KEY=VALUE, as "KEY=VALUE", for the manifest */
	bool is_directory;	    /* tar=false */
	bool delete_others;	    /* mode=delete: what the result does not have is removed from dest */
	bool split;		    /* platform-split=true: dest/linux_amd64 */
	bool rewrite_timestamp;	    /* wish for the build */
	bool docker_media_types;    /* oci-mediatypes=false */
	bool by_digest;		    /* push-by-digest=true: no tag is set */
	bool insecure;		    /* registry.insecure=true */
	bool has_codec, force_compression;
	enum codec codec;
	int level;
};

void output_done(struct output *output);
CLEANUP_FOR_VALUE(struct output, output_done)
/* -EINVAL names the key or value at fault, also for what only BuildKit's daemon can do. */
int output_parse(const char *text, struct output *output, struct error **err);
bool output_is_stdout(const struct output *output);

/* What was built: one image, or several and the list of them. */
struct output_product {
	const struct image *const *images;
	size_t count;
	const struct image_entry *list; /* NULL: one image alone */
};

struct output_options {
	const struct strlist *names; /* the image's, used where the output has none; may be empty */
	const struct export_options *export;
};
/* -EINVAL for a type that has no place for a list. */
int output_check_list(const struct output *output, struct error **err);
/* *digest is that of the manifest or index as it was written, null where there is none (local, tar, store). What was
 * there before stays when an archive fails; a directory keeps what was written so far. Of a list type=local has a
 * directory for each platform. */
int output_write(struct workshop *w, const struct output *output, const struct output_product *product,
		 const struct output_options *options, struct digest *digest, struct error **err);
/* Of type=registry: whether it could be pushed to all its names (export_check_push()). */
int output_check_push(const struct output *output, const struct output_options *options, struct error **err);
/* To "transport:…": the image, or the list with its images. */
int output_send(struct workshop *w, const struct output_product *product, const char *place,
		const struct export_options *options, struct digest *digest, struct error **err);

#endif
