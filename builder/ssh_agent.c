/*
 * ssh-agent as the parent of a shell that adds the keys and then waits for the end of its standard input: when our end
 * of that pipe closes, the shell ends, and the agent ends with it (ssh-agent(1), "command").
 */
#include "builder/ssh_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"

#define DIRECTORY "/tmp/cooper-ssh-XXXXXX" /* a socket's name may have 107 bytes only: not in the store */
#define ANSWER_MAX ((size_t)64 << 10)
#define READY "\nready\n"

struct ssh_agent {
	char *directory, *socket;
	pid_t pid;
	int input; /* of the shell: while it is open, it waits */
};

const char *ssh_agent_socket(const struct ssh_agent *agent)
{
	return agent->socket;
}

void ssh_agent_stop(struct ssh_agent *agent)
{
	int status;

	if (!agent)
		return;
	fd_close(agent->input);
	if (agent->pid > 0)
		process_wait(agent->pid, &status, NULL);
	if (agent->socket)
		unlink(agent->socket);
	if (agent->directory)
		rmdir(agent->directory);
	free(agent->socket);
	free(agent->directory);
	free(agent);
}

static int make_directory(struct ssh_agent *agent, struct error **err)
{
	cleanup_free char *path = mem_strdup(DIRECTORY);

	if (!mkdtemp(path))
		return error_set_errno(err, "make a directory for an ssh agent");
	agent->directory = take_ptr(&path);
	agent->socket = mem_printf("%s/agent", agent->directory);
	return 0;
}

static int start(struct ssh_agent *agent, const struct strlist *keys, int input, int output, struct error **err)
{
	/* The keys are arguments, never part of the script. */
	static const char script[] = "ssh-add -q -- \"$@\" 2>&1 </dev/null && printf '\\nready\\n' && cat >/dev/null\n"
				     "kill \"$SSH_AGENT_PID\"";
	cleanup(strlist_done) struct strlist argv = {0};
	const char *const words[] = {"ssh-agent", "-a", agent->socket, "sh", "-c", script, "sh"};
	const struct process_fd fds[] = {{input, STDIN_FILENO}, {output, STDOUT_FILENO}};

	for (size_t i = 0; i < ARRAY_COUNT(words); i++)
		strlist_append(&argv, words[i]);
	strlist_append_all(&argv, keys);
	const struct process_spec spec = {
		.program = words[0], .argv = strlist_argv(&argv), .fds = fds, .fd_count = ARRAY_COUNT(fds)};
	return process_start(&spec, &agent->pid, err);
}

/* Until the keys are in it, or the shell has ended and said why. */
static int wait_until_ready(int output, struct error **err)
{
	cleanup(buf_done) struct buf said = BUF_INIT(ANSWER_MAX);
	char block[1024];

	for (;;) {
		ssize_t size = read(output, block, sizeof(block));
		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0)
			break;
		buf_append(&said, block, (size_t)size);
		if (strstr(buf_str(&said), READY))
			return 0;
	}
	while (said.len && said.data[said.len - 1] == '\n')
		said.data[--said.len] = '\0';
	return error_set(err, EINVAL, "%s", said.len ? buf_str(&said) : "ssh-add did not take the key");
}

int ssh_agent_start(const struct strlist *keys, struct ssh_agent **agent, struct error **err)
{
	cleanup(ssh_agent_stop) struct ssh_agent *made = mem_alloc(sizeof(*made));
	int input[2], output[2];

	made->input = -1;
	int rc = make_directory(made, err);
	if (rc < 0)
		return rc;
	if (pipe2(input, O_CLOEXEC) < 0)
		return error_set_errno(err, "make a pipe");
	cleanup_close int theirs = input[0];
	made->input = input[1];
	if (pipe2(output, O_CLOEXEC) < 0)
		return error_set_errno(err, "make a pipe");
	cleanup_close int answer = output[0];
	cleanup_close int into = output[1];
	rc = start(made, keys, theirs, into, err);
	if (rc < 0)
		return rc;
	fd_close(take_fd(&into));
	fd_close(take_fd(&theirs));
	rc = wait_until_ready(answer, err);
	if (rc >= 0)
		*agent = take_ptr(&made);
	return rc;
}
