/*
 * docker:// as a source and as a sink of images (OCI distribution-spec, "Pull" and "Push"), and the few
 * questions one asks a registry besides.
 */
#ifndef COOPER_REGISTRY_DOCKER_H
#define COOPER_REGISTRY_DOCKER_H

#include "imagefmt/reference.h"
#include "imagefmt/transport.h"
#include "registry/client.h"

/* The client is borrowed and outlives what is opened here. -ENOENT when the manifest does not exist, -EACCES when the
 * registry refuses us; errors carry the registry's own words. Nothing is asked before the first use. */
int registry_source_open(struct registry_client *client, const struct reference *ref, struct image_source **source,
			 struct error **err);
/* What a tag that is there already is to a sink. One that stays is looked up first of all: where it is there, nothing
 * is sent, and the commit succeeds if it stands for what would have been, else it fails with -EEXIST. Where it is not,
 * it is set only if it still is not; whether that is one step or two is up to the registry (If-None-Match). */
enum tag_rule { TAG_MOVES, TAG_STAYS };
/* -EINVAL for TAG_STAYS where a digest is all that `ref` has. */
int registry_sink_open(struct registry_client *client, const struct reference *ref, enum tag_rule rule,
		       struct image_sink **sink, struct error **err);
/* The digest that a tag stands for now (HEAD, or GET where HEAD does not tell). */
int registry_resolve(struct registry_client *client, const struct reference *ref, struct digest *digest,
		     struct error **err);
/* Appends the tags of a repository (tag and digest of `ref` do not matter), in the registry's order. */
int registry_tags(struct registry_client *client, const struct reference *ref, struct strlist *tags,
		  struct error **err);
/* Checks credentials against a registry (its ping and token service). -EACCES when they are refused. */
int registry_check_login(struct registry_client *client, const char *registry, const char *username,
			 const char *password, struct error **err);

#endif
