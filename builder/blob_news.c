/*
 * Messages of a fixed form over SOCK_SEQPACKET; files go along as SCM_RIGHTS (unix(7)).
 */
#include "builder/blob_news.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

int blob_news_open(struct blob_feed *feed, int *to, struct error **err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, "make a pair of sockets");
	feed->fd = pair[0];
	feed->take = blob_news_take;
	*to = pair[1];
	return 0;
}

int blob_news_send(int to, const struct blob_news *news, int fd, struct error **err)
{
	struct iovec data = {.iov_base = (void *)news, .iov_len = sizeof(*news)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
	ssize_t sent;

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	}
	do {
		sent = sendmsg(to, &message, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? error_set_errno(err, "tell how far a blob has got") : 0;
}

/* The news and the file that came with it (-1: none); 0 at the end. */
static ssize_t receive_news(int from, struct blob_news *news, int *fd)
{
	struct iovec data = {.iov_base = news, .iov_len = sizeof(*news)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got;

	*fd = -1;
	do {
		got = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	const struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(header), sizeof(int));
	return got;
}

static int end_of_news(struct blob_feed *feed, struct error **err)
{
	fd_close(take_fd(&feed->fd));
	for (size_t i = 0; i < feed->count; i++)
		if (!feed->blobs[i].whole)
			return error_set(err, EPIPE, "the process that brings layers has ended early");
	return 0;
}

int blob_news_take(struct blob_feed *feed, struct error **err)
{
	struct blob_news news = {0};
	int file = -1;
	ssize_t got = receive_news(feed->fd, &news, &file);
	cleanup_close int fd = file;

	if (got < 0)
		return error_set_errno(err, "hear how far a blob has got");
	if (got == 0)
		return end_of_news(feed, err);
	if (got != sizeof(news) || news.index >= feed->count)
		return error_set(err, EIO, "the news of blobs cannot be read");
	if (news.failed)
		return error_set(err, EPIPE, "a layer cannot be had");
	struct growing_blob *blob = &feed->blobs[news.index];
	if (fd >= 0) {
		fd_close(blob->fd);
		blob->fd = take_fd(&fd);
		blob->files++;
	}
	blob->size = news.size;
	blob->whole = news.whole;
	if (news.whole && !blob->is_known)
		blob->digest = news.digest;
	return 0;
}

void blob_news_close(struct blob_feed *feed)
{
	fd_close(take_fd(&feed->fd));
	for (size_t i = 0; i < feed->count; i++)
		fd_close(take_fd(&feed->blobs[i].fd));
}
