/*
 * Artifacts: manifests of OCI 1.1 whose layers are files as they are (OCI image-spec manifest.md, "Guidelines for
 * Artifact Usage"). They are made in the store, as entries of lists.
 */
#ifndef COOPER_BUILDER_ARTIFACT_H
#define COOPER_BUILDER_ARTIFACT_H

#include "builder/workshop.h"
#include "imagefmt/manifest.h"

/* The configuration of an artifact that has none ("Guidance for an Empty Descriptor"). */
#define ARTIFACT_EMPTY_TYPE "application/vnd.oci.empty.v1+json"
#define ARTIFACT_EMPTY_TEXT "{}"
/* What an artifact is whose type nobody has told, as Buildah calls it. */
#define ARTIFACT_UNKNOWN_TYPE "application/vnd.unknown.artifact.v1"

/* NULL or empty: the default, or none. */
struct artifact_spec {
	const struct strlist *files;	   /* the user's, in their order; at least one */
	const char *type;		   /* ARTIFACT_UNKNOWN_TYPE where also the configuration tells no type */
	const char *layer_type;		   /* of all files; else what their names and bytes say */
	const char *config_file;	   /* else empty */
	const char *config_type;	   /* of a file MEDIA_OCI_CONFIG, else ARTIFACT_EMPTY_TYPE */
	const struct strlist *annotations; /* of the manifest, "K=V" */
	const struct descriptor *subject;
	bool exclude_titles; /* the files' names are not written down */
};

/* Files, configuration and manifest come into the store; *entry is what stands for the artifact in an index. -EINVAL
 * for a type that is none and for a file that is not a regular one. The caller holds the store. */
int artifact_make(struct workshop *w, const struct artifact_spec *spec, struct descriptor *entry, struct error **err);

#endif
