/*
 * Images coming in: names resolved, policy asked, manifests and blobs fetched by whatever transport, platform chosen,
 * layers unpacked and verified, the image named in the store. And images going out.
 */
#ifndef COOPER_BUILDER_ACQUIRE_H
#define COOPER_BUILDER_ACQUIRE_H

#include "builder/workshop.h"
#include "imagefmt/codec.h"
#include "imagefmt/images.h"
#include "registry/client.h"

enum pull_policy { PULL_MISSING, PULL_ALWAYS, PULL_NEVER, PULL_NEWER };
/* "", "true" and "always"; "missing", "ifmissing" and "notpresent"; "false" and "never"; "newer" and "ifnewer".
 * -EINVAL. */
int pull_policy_parse(const char *text, enum pull_policy *policy, struct error **err);

/* An image of a registry whose layers have not come. */
struct acquire_rest;
/* Whether something will stand on the layers: then they are unpacked while they come, and the image has no name before
 * they are known to be what its configuration says. */
enum fetch_layers { FETCH_LAYERS_PACKED, FETCH_LAYERS_UNPACKED };

struct acquire_options {
	enum pull_policy policy;
	const struct platform *platform; /* NULL = this machine's */
	struct registry_options registry;
	bool all_tags;
	bool keep_packed; /* do not unpack layers (pull of an image that is only pushed again) */
	/* NULL, or where the rest is left when the image would have to be fetched from a registry: then only its
	 * manifest and configuration have come, and no name leads to it. The caller holds the store meanwhile. */
	struct acquire_rest **rest;
};
/* `name` is anything that from and pull take: a name, an id, "transport:…". The image is in the store and unpacked
 * afterwards. Fails as images_find() does for PULL_NEVER; a refused registry keeps its words. */
int acquire_image(struct workshop *w, const char *name, const struct acquire_options *options, struct image *image,
		  struct error **err);

/* Brings the layers, and names the image. */
int acquire_finish(struct workshop *w, struct acquire_rest *rest, enum fetch_layers layers, struct image *image,
		   struct error **err);
void acquire_rest_free(struct acquire_rest *rest);
CLEANUP_FOR(struct acquire_rest, acquire_rest_free)

struct location;
struct signing;
struct export_options {
	enum image_format format; /* used when has_format */
	bool has_format;
	enum codec codec; /* used when has_codec; else the transport's default */
	bool has_codec;
	int level;		/* PACK_LEVEL_DEFAULT */
	bool force_compression; /* also recompress layers that have another codec */
	bool by_digest;		/* to a registry under its digest alone, whatever tag the name has */
	bool if_absent;		/* to a registry: a tag that is there already stays (-EEXIST where it differs) */
	bool check_push;	/* to a registry: asked first whether it would take the image */
	bool format_fallback;	/* a registry that does not take OCI's types gets Docker's */
	struct registry_options registry;
	/* NULL: each export has a client of its own. Else one for several, which remembers what is where: made by the
	 * first that needs it, the caller's to free. */
	struct registry_client **client;
	const struct signing *signing; /* of what is sent (registry/sign_image.h); NULL: not at all */
};
/* Sends an image of the store to "transport:…" (a plain name is docker://). *digest is that of the manifest as it was
 * sent. */
int export_image(struct workshop *w, const struct image *image, const char *destination,
		 const struct export_options *options, struct digest *digest, struct error **err);
/* Whether the registry would take an image there (registry_check_push()), before there is one. -EINVAL for a place that
 * is no registry's. */
int export_check_push(const char *destination, const struct export_options *options, struct error **err);
int export_check_push_to(const struct location *location, const struct export_options *options, struct error **err);
/* -EINVAL for --if-absent and --check-push where there is no registry, or no tag is written that could stay. */
int export_check_place(const struct export_options *options, bool is_registry, struct error **err);
/* How a layer that is made to be sent there should be packed at once. Not so (*at_once is false) for a registry, to
 * which it goes while it is packed. -EINVAL for what export_image() would refuse. */
int export_recipe(const char *destination, const struct export_options *options, struct codec_recipe *recipe,
		  bool *at_once, struct error **err);

#endif
