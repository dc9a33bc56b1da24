/*
 * Secrets and agents for one step.
 */
#include "builder/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/owner.h"
#include "base/parse.h"
#include "builder/secret_place.h"
#include "builder/ssh_agent.h"

#define SECRET_MODE 0400
#define AGENT_MODE 0600
#define CONNECTIONS_MAX 64
#define RELAY_BLOCK ((size_t)16 << 10)

void secret_room_done(struct secret_room *room)
{
	for (size_t i = 0; i < room->relay_count; i++) {
		kill(room->relays[i], SIGKILL);
		waitpid(room->relays[i], NULL, 0);
	}
	free(room->relays);
	for (size_t i = 0; i < room->own_agent_count; i++)
		ssh_agent_stop(room->own_agents[i]);
	free(room->own_agents);
	secret_place_close(room->w, &room->fd, &room->path);
	strlist_done(&room->env);
	*room = SECRET_ROOM_INIT(room->w);
}

static int give(struct store *store, int dirfd, const char *name, const struct mount_setting *setting, mode_t mode,
		struct error **err)
{
	const struct owner_record owner = {.uid = setting->uid, .gid = setting->gid};
	cleanup_close int fd = store_has_single_id(store) && (owner.uid || owner.gid)
				       ? openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC)
				       : -1;

	/* With one id the step's root has it, and is told whose it is; of a socket that cannot be said. */
	int rc = fd >= 0 ? owner_set(fd, &owner, NULL) : 0;
	if (rc < 0 && rc != -EPERM && rc != -EOPNOTSUPP)
		return error_set(err, -rc, "give it to %u:%u", setting->uid, setting->gid);
	if (!store_has_single_id(store) && fchownat(dirfd, name, setting->uid, setting->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, "give it to %u:%u", setting->uid, setting->gid);
	if (fchmodat(dirfd, name, setting->has_mode ? setting->mode & 07777 : mode, 0) < 0)
		return error_set_errno(err, "set its mode");
	return 0;
}

/* ---- what is granted ------------------------------------------------------------------------------------------------
 */

static void secret_done(struct secret *secret)
{
	free(secret->id);
	free(secret->file);
	free(secret->variable);
	*secret = (struct secret){0};
}
CLEANUP_FOR_VALUE(struct secret, secret_done)

void secret_grants_done(struct secret_grants *grants)
{
	for (size_t i = 0; i < grants->secret_count; i++)
		secret_done(&grants->secrets[i]);
	free(grants->secrets);
	*grants = (struct secret_grants){0};
}

static int read_field(const char *field, struct secret *secret, bool *is_variable, struct error **err)
{
	size_t size = strcspn(field, "=");
	const char *value = field[size] ? field + size + 1 : "";
	cleanup_free char *key = mem_strndup(field, size);

	if (strcmp(key, "id") == 0)
		mem_replace(&secret->id, value);
	else if (strcmp(key, "src") == 0 || strcmp(key, "source") == 0)
		mem_replace(&secret->file, value);
	else if (strcmp(key, "env") == 0)
		mem_replace(&secret->variable, value);
	else if (strcmp(key, "type") != 0)
		return error_set(err, EINVAL, "unknown key '%s' (known: id, src, env, type)", key);
	else if (strcmp(value, "file") != 0 && strcmp(value, "env") != 0)
		return error_set(err, EINVAL, "type '%s': use file or env", value);
	else
		*is_variable = strcmp(value, "env") == 0;
	return 0;
}

/* Without a source it is the variable of that name, and where there is none the file (as buildx has it). With
 * type=env, src= names a variable. */
static int complete(struct secret *secret, bool is_variable, struct error **err)
{
	if (!secret->id || !*secret->id)
		return error_set(err, EINVAL, "id= is missing");
	if (secret->file && secret->variable)
		return error_set(err, EINVAL, "src= and env= cannot both be given");
	if (is_variable && secret->file)
		secret->variable = take_ptr(&secret->file);
	if (!secret->file && !secret->variable) {
		bool is_set = is_variable || getenv(secret->id);
		mem_replace(is_set ? &secret->variable : &secret->file, secret->id);
	}
	if (secret->variable && !getenv(secret->variable))
		return error_set(err, ENOENT, "there is no environment variable '%s'", secret->variable);
	if (secret->file && access(secret->file, R_OK) < 0)
		return error_set_errno(err, "'%s'", secret->file);
	return 0;
}

int secret_grants_add(struct secret_grants *grants, const char *text, struct error **err)
{
	cleanup(strlist_done) struct strlist fields = {0};
	cleanup(secret_done) struct secret secret = {0};
	bool is_variable = false;
	int rc = parse_csv(text, "--secret", &fields, err);

	for (size_t i = 0; rc == 0 && i < fields.count; i++)
		rc = read_field(fields.items[i], &secret, &is_variable, err);
	if (rc == 0)
		rc = complete(&secret, is_variable, err);
	if (rc < 0)
		return error_prefix(err, "--secret '%s'", text);
	grants->secrets = mem_grow(grants->secrets, grants->secret_count + 1, sizeof(*grants->secrets));
	grants->secrets[grants->secret_count++] = secret;
	secret = (struct secret){0};
	return 0;
}

/* ---- secrets --------------------------------------------------------------------------------------------------------
 */

static int read_secret(const struct secret_grants *grants, const char *id, struct buf *value, struct error **err)
{
	for (size_t i = 0; grants && i < grants->secret_count; i++) {
		const struct secret *secret = &grants->secrets[i];
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

/* The setting becomes a bind mount of the room's file or socket. */
static void mount_made(const struct secret_room *room, const char *name, const char *target,
		       struct mount_setting *setting)
{
	cleanup_free char *path = mem_printf("%s/%s", room->path, name);

	mem_replace(&setting->source, path);
	mem_replace(&setting->target, target);
	setting->kind = MOUNT_BIND;
	setting->mode = 0;
	setting->flags |= RUN_MOUNT_NOSUID | RUN_MOUNT_NODEV | RUN_MOUNT_READ_ONLY | RUN_MOUNT_NOEXEC;
}

static int make_file(struct secret_room *room, struct mount_setting *setting, const char *text, size_t size,
		     struct error **err)
{
	int rc = secret_place_open(room->w, &room->fd, &room->path, err);

	if (rc < 0)
		return rc;
	cleanup_free char *name = mem_printf("%zu", room->made++);
	cleanup_close int fd = openat(room->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set_errno(err, "make a file for a secret");
	rc = fd_write_all(fd, text, size, err);
	if (rc >= 0)
		rc = give(workshop_store(room->w), room->fd, name, setting, SECRET_MODE, err);
	if (rc < 0)
		return error_prefix(err, "a secret's file");
	const char *slash = strrchr(setting->id, '/');
	cleanup_free char *place = setting->target ? mem_strdup(setting->target)
						   : mem_printf("/run/secrets/%s", slash ? slash + 1 : setting->id);
	mount_made(room, name, place, setting);
	return 0;
}

static int show_secret(struct secret_room *room, const struct secret_grants *grants, struct mount_setting *setting,
		       struct buf *value, enum secret_outcome *outcome, struct error **err)
{
	if (!setting->id || !*setting->id)
		return error_set(err, EINVAL, "one of source, target required");
	size_t before = value->len;
	int rc = read_secret(grants, setting->id, value, err);
	if (rc < 0)
		return rc;
	if (setting->env)
		strlist_env_set(&room->env, setting->env, buf_str(value) + before);
	*outcome = setting->env && !setting->target ? SECRET_IN_ENV : SECRET_MOUNTED;
	return *outcome == SECRET_MOUNTED ? make_file(room, setting, buf_str(value) + before, value->len - before, err)
					  : 0;
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

/* Files with keys: an agent of our own has them. */
static int start_agent(struct secret_room *room, const char *paths, char **agent, struct error **err)
{
	cleanup(strlist_done) struct strlist keys = {0};
	struct ssh_agent *own = NULL;

	strlist_split(&keys, paths, ',');
	int rc = ssh_agent_start(&keys, &own, err);
	if (rc < 0)
		return rc;
	room->own_agents = mem_grow(room->own_agents, room->own_agent_count + 1, sizeof(*room->own_agents));
	room->own_agents[room->own_agent_count++] = own;
	*agent = mem_strdup(ssh_agent_socket(own));
	return 0;
}

/* "default" is $SSH_AUTH_SOCK; "id=path" names a socket, or files with keys. */
static int find_agent(struct secret_room *room, const struct secret_grants *grants, const char *id, char **agent,
		      struct error **err)
{
	for (size_t i = 0; grants && grants->ssh && i < grants->ssh->count; i++) {
		const char *text = grants->ssh->items[i];
		size_t length = strcspn(text, "=");
		if (strlen(id) != length || strncmp(text, id, length) != 0)
			continue;
		const char *path = text[length] ? text + length + 1 : getenv("SSH_AUTH_SOCK");
		struct stat st;
		if (!path || !*path)
			return error_set(err, ENOENT, "ssh %s: no agent is running (SSH_AUTH_SOCK is not set)", id);
		cleanup_free char *first = mem_strndup(path, strcspn(path, ","));
		/* Not -ENOENT: it was given, and is not there. */
		if (stat(first, &st) < 0)
			return error_set(err, EINVAL, "ssh %s: '%s': %s", id, first, strerror(errno));
		if (!S_ISSOCK(st.st_mode)) {
			int rc = start_agent(room, path, agent, err);
			return rc < 0 ? error_prefix(err, "ssh %s", id) : 0;
		}
		*agent = mem_strdup(path);
		return 0;
	}
	return error_set(err, ENOENT, "ssh %s: not forwarded (give it with --ssh %s)", id, id);
}

static int show_agent(struct secret_room *room, const struct secret_grants *grants, struct mount_setting *setting,
		      struct error **err)
{
	cleanup_free char *agent = NULL;
	int rc = find_agent(room, grants, setting->id, &agent, err);

	if (rc >= 0)
		rc = secret_place_open(room->w, &room->fd, &room->path, err);
	if (rc < 0)
		return rc;
	cleanup_free char *name = mem_printf("%zu", room->made++);
	/* By way of the descriptor: a socket's name may have 107 bytes only. */
	cleanup_free char *near = mem_printf("/proc/self/fd/%d/%s", room->fd, name);
	cleanup_close int listener = listen_at(near, err);
	rc = listener < 0 ? listener : give(workshop_store(room->w), room->fd, name, setting, AGENT_MODE, err);
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
	room->relays = mem_grow(room->relays, room->relay_count + 1, sizeof(*room->relays));
	room->relays[room->relay_count++] = pid;
	cleanup_free char *place =
		setting->target ? mem_strdup(setting->target) : mem_printf("/run/buildkit/ssh_agent.%zu", room->agents);
	room->agents++;
	/* The first is the one that ssh(1) uses. */
	if (!strlist_env_get(&room->env, "SSH_AUTH_SOCK"))
		strlist_env_set(&room->env, "SSH_AUTH_SOCK", place);
	mount_made(room, name, place, setting);
	return 0;
}

/* ---- both -----------------------------------------------------------------------------------------------------------
 */

int secret_room_show(struct secret_room *room, const struct secret_grants *grants, struct mount_setting *setting,
		     struct buf *value, enum secret_outcome *outcome, struct error **err)
{
	cleanup_error struct error *error = NULL;
	enum secret_outcome shown = SECRET_MOUNTED;
	int rc = setting->kind == MOUNT_SSH ? show_agent(room, grants, setting, &error)
					    : show_secret(room, grants, setting, value, &shown, &error);

	if (rc == -ENOENT && !setting->required) {
		*outcome = SECRET_MISSING;
		return 0;
	}
	if (rc < 0) {
		if (err)
			*err = take_ptr(&error);
		return rc;
	}
	*outcome = shown;
	return 0;
}
