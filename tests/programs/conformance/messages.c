/* sendmsg(2): names, descriptors and credentials in messages. */
#include "conformance.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(2 * sizeof(int))];
};

static ssize_t send_with(int socket, int type, const void *data, size_t size, const char *name)
{
	union control control = {0};
	struct iovec text = {"m", 1};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};

	if (size) {
		message.msg_control = control.space;
		message.msg_controllen = CMSG_SPACE(size);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		*header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = type, .cmsg_len = CMSG_LEN(size)};
		memcpy(CMSG_DATA(header), data, size);
	}
	if (name) {
		snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
		message.msg_name = &address;
		message.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL);
}

/* What came with it; a descriptor in *fd. */
static void receive(int socket, int *fd)
{
	union control control;
	char text[8] = "";
	struct iovec room = {text, sizeof(text)};
	struct sockaddr_un from = {0};
	struct msghdr message = {.msg_iov = &room,
				 .msg_iovlen = 1,
				 .msg_control = control.space,
				 .msg_controllen = sizeof(control),
				 .msg_name = &from,
				 .msg_namelen = sizeof(from)};

	SHOW(recvmsg(socket, &message, MSG_CMSG_CLOEXEC));
	printf("from '%s' flags %x\n", message.msg_namelen ? from.sun_path : "", message.msg_flags & MSG_CTRUNC);
	for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at; at = CMSG_NXTHDR(&message, at)) {
		if (at->cmsg_type == SCM_RIGHTS && fd) {
			memcpy(fd, CMSG_DATA(at), sizeof(*fd));
			printf("descriptor, cloexec %d\n", fcntl(*fd, F_GETFD));
		} else if (at->cmsg_type == SCM_CREDENTIALS) {
			struct ucred who;
			memcpy(&who, CMSG_DATA(at), sizeof(who));
			printf("credentials %u:%u own %d\n", who.uid, who.gid, who.pid == getpid());
		}
	}
}

static void descriptors(void)
{
	int pair[2], got = -1;
	char text[8] = "";

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	make("passed", "inside");
	int fd = open("passed", O_RDONLY);
	SHOW(send_with(pair[0], SCM_RIGHTS, &fd, sizeof(fd), NULL));
	receive(pair[1], &got);
	SHOW(read(got, text, 6));
	printf("%s\n", text);
	int dir = open(".", O_RDONLY | O_DIRECTORY);
	SHOW(send_with(pair[0], SCM_RIGHTS, &dir, sizeof(dir), NULL));
	receive(pair[1], &got);
	CHECK(openat(got, "passed", O_RDONLY));
	SHOW(fchdir(got));
	fd = 99;
	SHOW(send_with(pair[0], SCM_RIGHTS, &fd, sizeof(fd), NULL));
}

static void names(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "server"};
	int server = socket(AF_UNIX, SOCK_DGRAM, 0), client = socket(AF_UNIX, SOCK_DGRAM, 0), got = -1;

	SHOW(bind(server, (struct sockaddr *)&address, sizeof(address)));
	SHOW(send_with(client, 0, NULL, 0, "server"));
	receive(server, NULL);
	SHOW(send_with(client, 0, NULL, 0, "none"));
	make("f", "x");
	int fd = open("f", O_RDONLY);
	SHOW(send_with(client, SCM_RIGHTS, &fd, sizeof(fd), "server"));
	receive(server, &got);
	snprintf(address.sun_path, sizeof(address.sun_path), "client");
	SHOW(bind(client, (struct sockaddr *)&address, sizeof(address)));
	SHOW(send_with(client, 0, NULL, 0, "server"));
	receive(server, NULL);
}

static void several(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "many"};
	int server = socket(AF_UNIX, SOCK_DGRAM, 0), client = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct iovec text = {"m", 1};
	struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &text, .msg_iovlen = 1}},
				      {.msg_hdr = {.msg_iov = &text, .msg_iovlen = 1}}};

	SHOW(bind(server, (struct sockaddr *)&address, sizeof(address)));
	SHOW(connect(client, (struct sockaddr *)&address, sizeof(address)));
	SHOW(sendmmsg(client, messages, 2, 0));
	printf("lengths %u %u\n", messages[0].msg_len, messages[1].msg_len);
	for (int i = 0; i < 2; i++) {
		messages[i].msg_hdr.msg_name = &address;
		messages[i].msg_hdr.msg_namelen = sizeof(address);
	}
	int other = socket(AF_UNIX, SOCK_DGRAM, 0);
	/* Fewer than all may be sent at once. */
	int sent = 0;
	for (int got; sent < 2 && (got = sendmmsg(other, messages + sent, (unsigned)(2 - sent), 0)) > 0;)
		sent += got;
	printf("sent %d\n", sent);
	printf("lengths %u %u\n", messages[0].msg_len, messages[1].msg_len);
}

static void credentials(void)
{
	int pair[2], one = 1;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
		return;
	SHOW(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)));
	SHOW(send_with(pair[0], 0, NULL, 0, NULL));
	receive(pair[1], NULL);
	struct ucred own = {.pid = getpid(), .uid = getuid(), .gid = getgid()};
	SHOW(send_with(pair[0], SCM_CREDENTIALS, &own, sizeof(own), NULL));
	receive(pair[1], NULL);
}

#define MUCH ((size_t)4 << 20)

static void *read_all(void *socket)
{
	static char block[65536];
	size_t got = 0;

	for (ssize_t n; got < MUCH && (n = read(*(int *)socket, block, sizeof(block))) > 0;)
		got += (size_t)n;
	return (void *)got;
}

/* Who sends waits for a thread of its own process, which must not be kept from reading meanwhile. */
static void between_threads(void)
{
	int pair[2];
	pthread_t thread;
	void *got;
	struct iovec text = {calloc(1, MUCH), MUCH};
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};
	struct mmsghdr several = {.msg_hdr = message};

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return;
	pthread_create(&thread, NULL, read_all, &pair[1]);
	SHOW(sendmsg(pair[0], &message, 0));
	pthread_join(thread, &got);
	printf("read %zu\n", (size_t)got);
	pthread_create(&thread, NULL, read_all, &pair[1]);
	SHOW(sendmmsg(pair[0], &several, 1, 0));
	pthread_join(thread, &got);
	printf("read %zu, sent %u\n", (size_t)got, several.msg_len);
}

void test_messages(void)
{
	apart(descriptors);
	apart(names);
	apart(several);
	apart(credentials);
	apart(between_threads);
}
