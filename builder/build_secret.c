/*
 * Secrets and agents for one RUN.
 */
#include "builder/build_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define SECRET_SIZE_MAX ((size_t)500 << 10) /* BuildKit's */
#define SECRET_MODE 0400
#define AGENT_MODE 0600
#define CONNECTIONS_MAX 64
#define RELAY_BLOCK ((size_t)16 << 10)

void build_secrets_done(struct build_secrets *secrets)
{
	for (size_t i = 0; i < secrets->relay_count; i++) {
		kill(secrets->relays[i], SIGKILL);
		waitpid(secrets->relays[i], NULL, 0);
	}
	free(secrets->relays);
	fd_close(secrets->fd);
	if (secrets->path) {
		umount2(secrets->path, MNT_DETACH | UMOUNT_NOFOLLOW);
		rmdir(secrets->path);
	}
	free(secrets->path);
	*secrets = BUILD_SECRETS_INIT(secrets->w);
}

static int make_place(struct build_secrets *secrets, struct error **err)
{
	struct store *store = workshop_store(secrets->w);

	if (secrets->fd >= 0)
		return 0;
	int tmp = store_tmp(store, err);
	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "secrets");
	cleanup_free char *path = store_tmp_path(store, name);
	if (mkdirat(tmp, name, 0700) < 0)
		return error_set_errno(err, "make a place for secrets");
	if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0) {
		int rc = error_set_errno(err, "mount a file system in memory for secrets");
		unlinkat(tmp, name, AT_REMOVEDIR);
		return rc;
	}
	secrets->path = take_ptr(&path);
	secrets->fd = fd_open_dir(AT_FDCWD, secrets->path, err);
	return secrets->fd < 0 ? secrets->fd : 0;
}

static int give(int dirfd, const char *name, const struct file_mount *mount, mode_t mode, struct error **err)
{
	uid_t uid = mount->has_uid ? (uid_t)mount->uid : 0;
	gid_t gid = mount->has_gid ? (gid_t)mount->gid : 0;

	if (fchownat(dirfd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, "give it to %u:%u", uid, gid);
	if (fchmodat(dirfd, name, mount->has_mode ? mount->mode & 07777 : mode, 0) < 0)
		return error_set_errno(err, "set its mode");
	return 0;
}

/* ---- secrets --------------------------------------------------------------------------------------------------------
 */

int build_secret_read(const struct build_options *options, const char *id, struct buf *value, struct error **err)
{
	for (size_t i = 0; i < options->secret_count; i++) {
		const struct build_secret *secret = &options->secrets[i];
		if (strcmp(secret->id, id) != 0)
			continue;
		if (secret->variable) {
			const char *text = getenv(secret->variable);
			if (!text)
				return error_set(err, ENOENT, "secret %s: the environment has no %s", id,
						 secret->variable);
			buf_append_str(value, text);
			return 0;
		}
		int rc = fd_read_user_file(secret->file, value, err);
		return rc < 0 ? error_prefix(err, "secret %s", id) : 0;
	}
	return error_set(err, ENOENT, "secret %s: not found (give it with --secret id=%s,src=FILE)", id, id);
}

int build_secret_file(struct build_secrets *secrets, const struct file_mount *mount, const struct buf *value,
		      char **path, struct error **err)
{
	int rc = make_place(secrets, err);

	if (rc < 0)
		return rc;
	cleanup_free char *name = mem_printf("%zu", secrets->made++);
	cleanup_close int fd = openat(secrets->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set_errno(err, "make a file for a secret");
	rc = fd_write_all(fd, buf_str(value), value->len, err);
	if (rc >= 0)
		rc = give(secrets->fd, name, mount, SECRET_MODE, err);
	if (rc < 0)
		return error_prefix(err, "a secret's file");
	*path = mem_printf("%s/%s", secrets->path, name);
	return 0;
}

/* ---- agents ---------------------------------------------------------------------------------------------------------
 */

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);

	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		fd_close(fd);
		return -errno;
	}
	return fd < 0 ? -errno : fd;
}

/* One connection: both ends, -1 when it is free. */
struct relay {
	int ends[2];
};

static void drop(struct relay *relay)
{
	fd_close(relay->ends[0]);
	fd_close(relay->ends[1]);
	relay->ends[0] = relay->ends[1] = -1;
}

/* What is there to read at one end goes to the other. False at the end of it. */
static bool pass(int from, int to)
{
	char block[RELAY_BLOCK];
	ssize_t size = read(from, block, sizeof(block));

	return size > 0 && fd_write_all(to, block, (size_t)size, NULL) == 0;
}

static void take_connection(struct relay *relays, int listener, const char *agent)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < CONNECTIONS_MAX; i++) {
		if (relays[i].ends[0] >= 0)
			continue;
		relays[i].ends[1] = connect_to(agent);
		relays[i].ends[0] = fd;
		if (relays[i].ends[1] < 0)
			drop(&relays[i]);
		return;
	}
	fd_close(fd);
}

/* The process that stands between: it knows the agent's path, the step knows ours. Ends with its parent. */
__attribute__((noreturn)) static void relay_all(int listener, const char *agent)
{
	struct relay relays[CONNECTIONS_MAX];
	struct pollfd polled[1 + 2 * CONNECTIONS_MAX];

	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		relays[i].ends[0] = relays[i].ends[1] = -1;
	for (;;) {
		polled[0] = (struct pollfd){.fd = listener, .events = POLLIN};
		for (size_t i = 0; i < 2 * CONNECTIONS_MAX; i++)
			polled[1 + i] = (struct pollfd){.fd = relays[i / 2].ends[i % 2], .events = POLLIN};
		if (poll(polled, ARRAY_COUNT(polled), -1) < 0 && errno != EINTR)
			_exit(0);
		for (size_t i = 0; i < 2 * CONNECTIONS_MAX; i++) {
			struct relay *relay = &relays[i / 2];
			if (relay->ends[i % 2] < 0 || relay->ends[i % 2] != polled[1 + i].fd || !polled[1 + i].revents)
				continue;
			if (!pass(relay->ends[i % 2], relay->ends[1 - i % 2]))
				drop(relay);
		}
		if (polled[0].revents)
			take_connection(relays, listener, agent);
	}
}

static int listen_at(const char *path, struct error **err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);

	if (length >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "'%s': too long for a socket's name", path);
	memcpy(address.sun_path, path, length);
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0)
		return error_set_errno(err, "make a socket for the ssh agent");
	return take_fd(&fd);
}

/* "default" is $SSH_AUTH_SOCK; "id=path" names a socket. */
static int find_agent(const struct build_options *options, const char *id, char **agent, struct error **err)
{
	for (size_t i = 0; options->ssh && i < options->ssh->count; i++) {
		const char *text = options->ssh->items[i];
		size_t length = strcspn(text, "=");
		if (strlen(id) != length || strncmp(text, id, length) != 0)
			continue;
		const char *path = text[length] ? text + length + 1 : getenv("SSH_AUTH_SOCK");
		struct stat st;
		if (!path || !*path)
			return error_set(err, ENOENT, "ssh %s: no agent is running (SSH_AUTH_SOCK is not set)", id);
		if (stat(path, &st) < 0)
			return error_set_errno(err, "ssh %s: '%s'", id, path);
		if (!S_ISSOCK(st.st_mode))
			return error_set(
				err, EINVAL,
				"ssh %s: '%s' is not an agent's socket (start one with `eval $(ssh-agent)` and "
				"add the key with `ssh-add`)",
				id, path);
		*agent = mem_strdup(path);
		return 0;
	}
	return error_set(err, ENOENT, "ssh %s: not forwarded to this build (give it with --ssh %s)", id, id);
}

int build_secret_agent(struct build_secrets *secrets, const struct build_options *options,
		       const struct file_mount *mount, const char *id, char **path, struct error **err)
{
	cleanup_free char *agent = NULL;
	int rc = find_agent(options, id, &agent, err);

	if (rc >= 0)
		rc = make_place(secrets, err);
	if (rc < 0)
		return rc;
	cleanup_free char *name = mem_printf("%zu", secrets->made++);
	/* By way of the descriptor: a socket's name may have 107 bytes only. */
	cleanup_free char *near = mem_printf("/proc/self/fd/%d/%s", secrets->fd, name);
	cleanup_close int listener = listen_at(near, err);
	rc = listener < 0 ? listener : give(secrets->fd, name, mount, AGENT_MODE, err);
	if (rc < 0)
		return rc;
	pid_t pid = fork();
	if (pid < 0)
		return error_set_errno(err, "start a process for the ssh agent");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		relay_all(listener, agent);
	}
	secrets->relays = mem_grow(secrets->relays, secrets->relay_count + 1, sizeof(*secrets->relays));
	secrets->relays[secrets->relay_count++] = pid;
	*path = mem_printf("%s/%s", secrets->path, name);
	return 0;
}
