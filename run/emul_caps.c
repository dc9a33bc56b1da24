/*
 * Capabilities, and what keeps them when ids change. Programs that give up root look here whether they have succeeded.
 * The real ones stay: without them even a fake root could not write its own files of mode 0444.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>

#include "run/emul_internal.h"

struct cap_header {
	uint32_t version;
	int32_t pid;
};

struct cap_data {
	uint32_t effective, permitted, inheritable;
};

/* How many structs of data a version has; 0: unknown, which a program may ask for to learn the best. */
static size_t words_of(uint32_t version)
{
	switch (version) {
	case _LINUX_CAPABILITY_VERSION_1:
		return 1;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		return 2;
	default:
		return 0;
	}
}

/* Reads the header; *words is 0 when it was answered already, by the version to use. */
static int read_header(struct emulation *e, const struct trap *trap, struct cap_header *header, size_t *words)
{
	int rc = emul_read(e, trap, trap->args[0], header, sizeof(*header));

	if (rc < 0)
		return rc;
	*words = words_of(header->version);
	if (*words > 0)
		return 0;
	const uint32_t best = _LINUX_CAPABILITY_VERSION_3;
	rc = emul_write(e, trap, trap->args[0], &best, sizeof(best));
	if (rc < 0)
		return rc;
	return trap->args[1] ? -EINVAL : 0;
}

static int64_t get(struct emulation *e, const struct trap *trap, const struct credentials *c, size_t words)
{
	struct cap_data data[2];

	for (size_t i = 0; i < ARRAY_COUNT(data); i++)
		data[i] = (struct cap_data){
			.effective = (uint32_t)(c->effective >> 32 * i),
			.permitted = (uint32_t)(c->permitted >> 32 * i),
			.inheritable = (uint32_t)(c->inheritable >> 32 * i),
		};
	return trap->args[1] ? emul_write(e, trap, trap->args[1], data, words * sizeof(data[0])) : 0;
}

/* 0, or its own number, as it counts. */
static bool is_caller(const struct emulation *e, const struct trap *trap, int pid)
{
	struct emul_status status;

	if (pid == 0 || e->shares_pids)
		return pid == 0 || pid == trap->tid;
	return emul_read_status(trap, &status) == 0 && status.own_tid == pid;
}

void emul_capget(void *context, const struct trap *trap, struct answer *answer)
{
	const struct task *task = emul_task(context, trap);
	struct cap_header header;
	size_t words;
	int rc = task ? read_header(context, trap, &header, &words) : -ESRCH;

	/* Another process' are the kernel's to tell: its numbers are of a namespace that we are not in. */
	if (rc < 0)
		emul_return(answer, rc);
	else if (words == 0)
		emul_return(answer, 0);
	else if (is_caller(context, trap, header.pid))
		emul_return(answer, get(context, trap, task->credentials, words));
}

static uint64_t join(uint32_t low, uint32_t high, size_t words)
{
	return words > 1 ? low | (uint64_t)high << 32 : low;
}

static int set(struct emulation *e, const struct trap *trap, struct task *task, size_t words)
{
	struct cap_data data[2] = {0};
	int rc = emul_read(e, trap, trap->args[1], data, words * sizeof(data[0]));

	if (rc < 0)
		return rc;
	tasks_settle(e->tasks, task);
	return credentials_capset(&task->credentials, join(data[0].effective, data[1].effective, words),
				  join(data[0].permitted, data[1].permitted, words),
				  join(data[0].inheritable, data[1].inheritable, words));
}

void emul_capset(void *context, const struct trap *trap, struct answer *answer)
{
	struct task *task = emul_task(context, trap);
	struct cap_header header;
	size_t words;
	int rc = task ? read_header(context, trap, &header, &words) : -ESRCH;

	if (rc < 0 || words == 0) {
		emul_return(answer, rc < 0 ? rc : -EINVAL);
		return;
	}
	emul_return(answer, is_caller(context, trap, header.pid) ? set(context, trap, task, words) : -EPERM);
}

/* Most of them only ask. */
static bool changes(const struct trap *trap)
{
	switch ((int)trap->args[0]) {
	case PR_GET_KEEPCAPS:
	case PR_GET_SECUREBITS:
	case PR_CAPBSET_READ:
		return false;
	case PR_CAP_AMBIENT:
		return trap->args[1] != PR_CAP_AMBIENT_IS_SET;
	default:
		return true;
	}
}

void emul_prctl(void *context, const struct trap *trap, struct answer *answer)
{
	struct emulation *e = context;
	struct task *task = emul_task(e, trap);

	if (!task)
		return;
	if (changes(trap))
		tasks_settle(e->tasks, task);
	emul_return(answer, credentials_prctl(&task->credentials, (int)trap->args[0], trap->args + 1));
}
