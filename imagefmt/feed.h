/*
 * Blobs that somebody else makes while they are being sent: files that grow, and news of them over a descriptor. Who
 * sends one may read again what is there as often as he likes; only how much it will be, and its digest, is not known
 * before the end. Of blobs that are on their way from elsewhere both are known from the start.
 *
 *	while (feed->fd >= 0)			// or: whenever feed->fd is readable
 *		rc = feed->take(feed, err);
 */
#ifndef COOPER_IMAGEFMT_FEED_H
#define COOPER_IMAGEFMT_FEED_H

#include "base/error.h"
#include "imagefmt/digest.h"

#include <stdbool.h>
#include <stdint.h>

struct growing_blob {
	struct digest diff_id; /* what it is called before it has a digest */
	uint64_t expected;     /* of its plain bytes: it will hardly become more than so much */
	bool is_known;	       /* it arrives: `digest` and `expected` are the blob's before a byte is there */
	int fd;		       /* the bytes, from the start of the file; -1: not begun, or (when whole) in the store */
	unsigned files;	       /* how often `fd` has become another: what arrives may begin anew */
	uint64_t size;	       /* bytes that can be read; becomes less only of what begins anew */
	bool whole;	       /* no more will come: size and digest are the blob's */
	struct digest digest;
};

struct blob_feed {
	struct growing_blob *blobs; /* change in take() only */
	size_t count;
	int fd; /* readable when there is news; -1 when all are whole and no more will come */
	/* Takes one piece of news, waiting for it. -EPIPE: the maker has ended before all was made. */
	int (*take)(struct blob_feed *feed, struct error **err);
	/* NULL, or: blob `index` has arrived where it is sent to, and is of no more use. */
	void (*sent)(struct blob_feed *feed, size_t index);
};

#endif
