/*
 * Manifests and indexes of both families (OCI image-spec manifest.md, image-index.md; Docker image manifest v2 schema 2
 * and list), parsed strictly at the door: size limit, duplicate keys, digest grammar, `layers` or `config` beside
 * `manifests` (CVE-2021-41190), mediaType against the transport's Content-Type. Fields that are not known here are kept
 * and come out again when the document is rewritten.
 */
#ifndef COOPER_IMAGEFMT_MANIFEST_H
#define COOPER_IMAGEFMT_MANIFEST_H

#include "base/buf.h"
#include "base/strlist.h"
#include "imagefmt/digest.h"
#include "imagefmt/platform.h"

#define MANIFEST_SIZE_MAX ((size_t)4 << 20)
#define MANIFEST_LAYERS_MAX 1000
#define INDEX_MANIFESTS_MAX 20000 /* the store's own index has one entry for each name */
#define INDEX_NESTING_MAX 3	  /* of indexes in an index */
/* Of all that an index leads to. Four small indexes that name each other a thousand times lead to 10^12 images. */
#define INDEX_TREE_MAX 20000

#define MEDIA_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define MEDIA_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_LAYER "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_OCI_LAYER_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define MEDIA_OCI_LAYER_ZSTD "application/vnd.oci.image.layer.v1.tar+zstd"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define MEDIA_DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar"
#define MEDIA_DOCKER_LAYER_GZIP "application/vnd.docker.image.rootfs.diff.tar.gzip"

enum image_format { FORMAT_OCI, FORMAT_DOCKER };
/* How a layer's tar is packed in its blob. */
enum codec { CODEC_NONE, CODEC_GZIP, CODEC_ZSTD };

struct descriptor {
	char *media_type;
	struct digest digest;
	uint64_t size;
	struct strlist annotations; /* "key=value", sorted */
	struct strlist urls;
	struct platform *platform; /* NULL when there is none; of index entries */
	char *artifact_type;	   /* NULL */
	char *unknown;		   /* further fields as a JSON object, or NULL */
};

void descriptor_done(struct descriptor *d);
CLEANUP_FOR_VALUE(struct descriptor, descriptor_done)
void descriptor_copy(struct descriptor *to, const struct descriptor *from);

struct manifest {
	enum image_format format;
	struct descriptor config;
	struct descriptor *layers;
	size_t layer_count;
	struct strlist annotations;
	char *artifact_type;	    /* NULL */
	struct descriptor *subject; /* NULL */
	char *unknown;
};

struct image_index {
	enum image_format format;
	struct descriptor *manifests;
	size_t manifest_count;
	struct strlist annotations;
	char *artifact_type;
	struct descriptor *subject;
	char *unknown;
};

void manifest_done(struct manifest *m);
CLEANUP_FOR_VALUE(struct manifest, manifest_done)
void image_index_done(struct image_index *index);
CLEANUP_FOR_VALUE(struct image_index, image_index_done)

enum manifest_kind { MANIFEST_IMAGE, MANIFEST_INDEX };
/* Which of the two `text` is. `media_type` is what the transport said, without parameters, or NULL; it must agree with
 * the document's own mediaType, and one of the two must be a type known here. Schema 1 is -EINVAL with a clear text. */
int manifest_kind(const void *text, size_t size, const char *media_type, enum manifest_kind *kind, struct error **err);
/* Holds a document to the entry of the index that led to it: -EINVAL when it has another size or another type. Its
 * digest is the transport's to check. `media_type` as for manifest_kind(). */
int manifest_check_entry(const struct descriptor *entry, const void *text, size_t size, const char *media_type,
			 struct error **err);
/* The media type of a document that came without one and may not have one of its own (OCI allows that), judged by its
 * fields; NULL when it is nothing we know. Static text. */
const char *manifest_guess_media_type(const void *text, size_t size);

/* `what` names the document in errors ("manifest of quay.io/x:1"). */
int manifest_parse(const void *text, size_t size, const char *what, struct manifest *m, struct error **err);
int image_index_parse(const void *text, size_t size, const char *what, struct image_index *index, struct error **err);
/* Canonical text; mediaType always written, layer and config types by m->format and each layer's codec. */
void manifest_format(const struct manifest *m, struct buf *into);
void image_index_format(const struct image_index *index, struct buf *into);
const char *manifest_media_type(const struct manifest *m);
/* False for an artifact, whose configuration and layers are nothing that is unpacked and run, and for an image whose
 * layers are encrypted. */
bool manifest_is_image(const struct manifest *m);
const char *image_index_media_type(const struct image_index *index);

/* Media types of layers and back. layer_codec(): -EINVAL for a type that is no layer (encrypted and unknown ones are
 * named). Docker knows no zstd: layer_media_type() then gives the OCI type, and the caller refuses. */
int layer_codec(const char *media_type, enum codec *codec, struct error **err);
const char *layer_media_type(enum image_format format, enum codec codec);
/* True for layers that must not be distributed ("foreign", "nondistributable"): they come from where they lie. */
bool layer_is_foreign(const char *media_type);
const char *config_media_type(enum image_format format);
int codec_parse(const char *name, enum codec *codec,
		struct error **err); /* "gzip" "zstd" "none" ("zstd:chunked" is zstd) */
const char *codec_name(enum codec codec);

#endif
