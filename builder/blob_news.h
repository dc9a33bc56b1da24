/*
 * News of blobs from a process that makes or fetches them to the one that sends them: the two ends of a blob_feed
 * (imagefmt/feed.h) that go through a socket which keeps messages apart. A message that has a file brings the file.
 */
#ifndef COOPER_BUILDER_BLOB_NEWS_H
#define COOPER_BUILDER_BLOB_NEWS_H

#include "imagefmt/feed.h"

struct blob_news {
	size_t index; /* in the feed */
	uint64_t size;
	bool whole;
	bool failed;	      /* nothing more will come of it, and of the others no good */
	struct digest digest; /* when whole */
};

/* The two ends; the feed's is feed->fd, and its take() becomes blob_news_take(). */
int blob_news_open(struct blob_feed *feed, int *to, struct error **err);
/* `fd` (-1: none) is the file that the blob is in from now on. A failure: nobody listens any more. */
int blob_news_send(int to, const struct blob_news *news, int fd, struct error **err);
/* The next message, into the feed. -EPIPE: a blob has failed, or the other side has ended before all were whole. */
int blob_news_take(struct blob_feed *feed, struct error **err);
/* Closes the feed and the files in it. */
void blob_news_close(struct blob_feed *feed);

#endif
