/*
 * The local transports, each in its own file, as transport.c opens them.
 */
#ifndef COOPER_IMAGEFMT_TRANSPORT_INTERNAL_H
#define COOPER_IMAGEFMT_TRANSPORT_INTERNAL_H

#include "imagefmt/transport.h"

/* layout.c: oci: and oci-archive:. */
int layout_source_open(const struct location *location, struct store *store, struct image_source **source,
		       struct error **err);
int layout_names(const struct location *location, struct store *store, struct strlist *names, struct error **err);
int layout_sink_open(const struct location *location, struct store *store, struct image_sink **sink,
		     struct error **err);
/* archive.c: docker-archive:. */
int archive_source_open(const struct location *location, struct store *store, struct image_source **source,
			struct error **err);
int archive_names(const struct location *location, struct store *store, struct strlist *names, struct error **err);
int archive_sink_open(const struct location *location, struct store *store, struct image_sink **sink,
		      struct error **err);
/* dirlayout.c: dir:. */
int dirlayout_source_open(const struct location *location, struct image_source **source, struct error **err);
int dirlayout_sink_open(const struct location *location, struct image_sink **sink, struct error **err);

#endif
