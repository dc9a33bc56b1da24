/*
 * A file from an HTTP(S) address, for ADD: through the same transport (proxies, TLS, retries, resume), without registry
 * credentials.
 */
#ifndef COOPER_REGISTRY_DOWNLOAD_H
#define COOPER_REGISTRY_DOWNLOAD_H

#include "imagefmt/digest.h"
#include "registry/client.h"

struct download {
	char *file_name;       /* from the address or Content-Disposition; never with a '/', may be NULL */
	int64_t last_modified; /* seconds, -1 when not told */
	uint64_t size;
	struct digest digest; /* sha256 */
};
void download_done(struct download *download);
CLEANUP_FOR_VALUE(struct download, download_done)
/* Writes the body to `fd` (a fresh file: it is truncated when a transfer starts anew). `want` (NULL: any) is checked:
 * -EBADMSG. */
int download_file(struct registry_client *client, const char *url, int fd, const struct digest *want,
		  struct download *download, struct error **err);

#endif
