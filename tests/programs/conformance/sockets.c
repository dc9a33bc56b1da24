/* Sockets of the unix(7) kind: names in the file system, abstract ones, and what they are called. */
#include "conformance.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static socklen_t address_of(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
}

static int bind_to(int fd, const char *path)
{
	struct sockaddr_un address;
	socklen_t size = address_of(&address, path);

	return bind(fd, (struct sockaddr *)&address, size);
}

static int connect_to(int fd, const char *path)
{
	struct sockaddr_un address;
	socklen_t size = address_of(&address, path);

	return connect(fd, (struct sockaddr *)&address, size);
}

static void print_name(const char *what, int rc, const struct sockaddr_un *address, socklen_t size)
{
	printf("%s: %d family %d size %u '%.*s'\n", what, rc, address->sun_family, size,
	       size > sizeof(sa_family_t) ? (int)(size - sizeof(sa_family_t)) : 0,
	       address->sun_path[0] ? address->sun_path : "@");
}

static void print_names(int fd)
{
	struct sockaddr_un address = {0};
	socklen_t size = sizeof(address);
	int rc = getsockname(fd, (struct sockaddr *)&address, &size);

	print_name("own name", rc, &address, size);
	address = (struct sockaddr_un){0};
	size = sizeof(address);
	rc = getpeername(fd, (struct sockaddr *)&address, &size);
	print_name("peer's name", rc, &address, rc < 0 ? 0 : size);
}

static void streams(void)
{
	char text[16] = "";
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	SHOW(mkdir("run", 0755));
	SHOW(umask(027));
	SHOW(bind_to(server, "run/stream"));
	look_briefly("run/stream");
	SHOW(bind_to(server, "run/other"));
	SHOW(listen(server, 5));
	print_names(server);
	SHOW(connect_to(client, "run/none"));
	SHOW(connect_to(client, "run"));
	make("run/file", "x");
	SHOW(connect_to(client, "run/file"));
	SHOW(connect_to(client, "run/stream"));
	print_names(client);
	struct sockaddr_un address = {0};
	socklen_t size = sizeof(address);
	int peer = accept(server, (struct sockaddr *)&address, &size);
	CHECK(peer);
	print_names(peer);
	SHOW(write(client, "hello", 5));
	SHOW(read(peer, text, sizeof(text)));
	printf("%s\n", text);
	struct ucred who = {0};
	size = sizeof(who);
	SHOW(getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size));
	printf("peer %u:%u\n", who.uid, who.gid);
	close(client);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(bind_to(client, "run/client"));
	SHOW(connect_to(client, "run/stream"));
	address = (struct sockaddr_un){0};
	size = sizeof(address);
	peer = accept(server, (struct sockaddr *)&address, &size);
	print_name("accepted", peer < 0 ? -1 : 0, &address, size);
	close(client);
	close(server);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect_to(client, "run/stream"));
	SHOW(bind_to(client, "run/stream"));
	SHOW(unlink("run/stream"));
	SHOW(bind_to(client, "run/stream"));
	SHOW(chown("run/stream", 5, 6));
	SHOW(chmod("run/stream", 0777));
	look_briefly("run/stream");
	int third = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(bind_to(third, "no/where"));
	SHOW(bind_to(third, "run/"));
	SHOW(symlink("run", "link"));
	SHOW(bind_to(third, "link/through"));
	look_briefly("run/through");
	SHOW(listen(third, 1));
	int fourth = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(symlink("through", "run/to-through"));
	SHOW(connect_to(fourth, "link/to-through"));
	SHOW(bind(fourth, (struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX}, 1));
	SHOW(bind(fourth, (struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_INET}, 20));
	SHOW(connect(fourth, (struct sockaddr *)1L, 20));
}

static void datagrams(void)
{
	char text[16] = "";
	int server = socket(AF_UNIX, SOCK_DGRAM, 0), client = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un address, from = {0};
	socklen_t size = address_of(&address, "datagram");

	SHOW(bind_to(server, "datagram"));
	SHOW(bind_to(client, "sender"));
	SHOW(sendto(client, "one", 3, 0, (struct sockaddr *)&address, size));
	socklen_t got = sizeof(from);
	SHOW(recvfrom(server, text, sizeof(text), 0, (struct sockaddr *)&from, &got));
	print_name("from", 0, &from, got);
	SHOW(sendto(server, "two", 3, 0, (struct sockaddr *)&from, got));
	got = sizeof(from);
	SHOW(recvfrom(client, text, sizeof(text), 0, (struct sockaddr *)&from, &got));
	print_name("from", 0, &from, got);
	size = address_of(&address, "nobody");
	SHOW(sendto(client, "x", 1, 0, (struct sockaddr *)&address, size));
	SHOW(connect_to(client, "datagram"));
	SHOW(send(client, "three", 5, 0));
	SHOW(recv(server, text, sizeof(text), 0));
	print_names(client);
}

static void abstract_names(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t size;

	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "conformance-%d", getpid());
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1));
	SHOW(bind(server, (struct sockaddr *)&address, size));
	SHOW(bind(client, (struct sockaddr *)&address, size));
	SHOW(listen(server, 1));
	SHOW(connect(client, (struct sockaddr *)&address, size));
	struct sockaddr_un name = {0};
	socklen_t length = sizeof(name);
	SHOW(getpeername(client, (struct sockaddr *)&name, &length));
	printf("same %d\n", length == size && memcmp(&name, &address, size) == 0);
	/* No size: the kernel chooses a name. */
	int any = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(bind(any, (struct sockaddr *)&address, sizeof(sa_family_t)));
	length = sizeof(name);
	SHOW(getsockname(any, (struct sockaddr *)&name, &length));
	printf("size %u first %d\n", length, name.sun_path[0]);
}

static void loopback(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	char text[8] = "";
	int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);

	SHOW(bind(server, (struct sockaddr *)&address, size));
	SHOW(listen(server, 1));
	SHOW(getsockname(server, (struct sockaddr *)&address, &size));
	SHOW(connect(client, (struct sockaddr *)&address, size));
	int peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	CHECK(peer);
	SHOW(send(peer, "net", 3, MSG_NOSIGNAL));
	SHOW(recv(client, text, sizeof(text), 0));
	SHOW(shutdown(client, SHUT_WR));
	SHOW(recv(peer, text, sizeof(text), 0));
}

void test_sockets(void)
{
	apart(streams);
	apart(datagrams);
	apart(abstract_names);
	apart(loopback);
}
