/*
 * Names of images in registries, [domain/]path[:tag][@digest], by the grammar of the distribution project
 * (reference/regexp.go) and of docker.io's short forms; and places of images, "transport:where".
 */
#ifndef COOPER_IMAGEFMT_REFERENCE_H
#define COOPER_IMAGEFMT_REFERENCE_H

#include "base/strlist.h"
#include "imagefmt/digest.h"

struct reference {
	char *domain;	      /* "docker.io", "localhost:5000"; NULL while the name is short */
	char *path;	      /* "library/debian" */
	char *tag;	      /* NULL when there is none */
	struct digest digest; /* null when there is none */
};

void reference_done(struct reference *ref);
CLEANUP_FOR_VALUE(struct reference, reference_done)
void reference_copy(struct reference *to, const struct reference *from);
/* -EINVAL says which part is wrong. The domain stays NULL unless the first component has '.' or ':' or an upper-case
 * letter or is "localhost". index.docker.io and registry.hub.docker.com become docker.io, "docker.io/x" becomes
 * library/x. */
int reference_parse(const char *text, struct reference *ref, struct error **err);
/* Adds ":latest" where there is neither tag nor digest. */
void reference_add_default_tag(struct reference *ref);
/* -EINVAL when domain and path together are too long: to be asked again by whoever lengthened a parsed name. */
int reference_check_length(const struct reference *ref, struct error **err);
/* Makes a short name one of docker.io: "debian" becomes docker.io/library/debian. Others stay as they are. */
void reference_set_docker_domain(struct reference *ref);
/* The whole name; with `digest` as well if there is one. */
MUST_CHECK char *reference_format(const struct reference *ref);
/* domain/path only. */
MUST_CHECK char *reference_repository(const struct reference *ref);

/* The full name under which the store keeps what the user called `text`: a name without a registry gets "localhost/",
 * one without tag or digest ":latest". */
int reference_local_name(const char *text, char **name, struct error **err);

enum transport {
	TRANSPORT_STORE,
	TRANSPORT_DOCKER,
	TRANSPORT_OCI,
	TRANSPORT_OCI_ARCHIVE,
	TRANSPORT_DOCKER_ARCHIVE,
	TRANSPORT_DIR
};

/* "docker://REF", "oci:DIR[:NAME]", "oci-archive:FILE[:NAME]", "docker-archive:FILE[:REF|:@INDEX]", "dir:DIR",
 * "containers-storage:NAME" (the store). */
struct location {
	enum transport transport;
	char *path; /* file or directory of the last four */
	char *name; /* what follows it: an OCI ref name, a docker reference, "@2"; or the store's name. May be NULL */
	struct reference ref; /* of docker:// */
	/* Said beside the place, not in its text: */
	char *blob_folder; /* of oci:, where blobs of several layouts lie, as <algorithm>/<hex>; NULL: its own */
	struct strlist more_names; /* of docker-archive:, further names for the image that is written */
};

void location_done(struct location *location);
CLEANUP_FOR_VALUE(struct location, location_done)
/* True when text starts with a transport's name. */
bool location_has_transport(const char *text);
/* -EINVAL for an unknown transport or a malformed rest. Text without a transport is an error here. */
int location_parse(const char *text, struct location *location, struct error **err);
MUST_CHECK char *location_format(const struct location *location);
/* Of a text that has led to the failure rc: adds which transports there are when it is nearly the name of one and a ':'
 * ("docker-archiv:x.tar"), which may be an image's name and tag all the same. Returns rc. */
int location_explain(const char *text, int rc, struct error **err);
/* -EINVAL for such a text where an image would be written: `instead` is what makes it a name beyond doubt. */
int location_refuse_mistyped(const char *text, const char *instead, struct error **err);
#define LOCATION_TRANSPORTS "docker://, oci:, oci-archive:, docker-archive:, dir:, containers-storage:"
/* The number in the name "@2" of an image without a name; -EINVAL for another name. */
int location_parse_index(const char *name, uint64_t *index);

#endif
