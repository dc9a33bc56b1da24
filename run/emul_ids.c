/*
 * Who am I, and be somebody else. Nothing here reaches the kernel: the process stays what it is, and is told otherwise.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>

#include "run/emul_internal.h"

/* ---- Questions ---- */

static void answer_id(struct emulation *e, const struct trap *trap, enum id_slot slot, bool is_group,
		      struct answer *answer)
{
	const struct task *task = emul_task(e, trap);

	if (task)
		emul_return(answer, is_group ? task->credentials->gid[slot] : task->credentials->uid[slot]);
}

void emul_getuid(void *context, const struct trap *trap, struct answer *answer)
{
	answer_id(context, trap, ID_REAL, /* is_group */ false, answer);
}

void emul_geteuid(void *context, const struct trap *trap, struct answer *answer)
{
	answer_id(context, trap, ID_EFFECTIVE, /* is_group */ false, answer);
}

void emul_getgid(void *context, const struct trap *trap, struct answer *answer)
{
	answer_id(context, trap, ID_REAL, /* is_group */ true, answer);
}

void emul_getegid(void *context, const struct trap *trap, struct answer *answer)
{
	answer_id(context, trap, ID_EFFECTIVE, /* is_group */ true, answer);
}

/* To three places. */
static int64_t write_three(struct emulation *e, const struct trap *trap, const uint32_t ids[ID_SLOTS])
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 3; i++)
		rc = emul_write(e, trap, trap->args[i], &ids[i], sizeof(ids[i]));
	return rc;
}

void emul_getresuid(void *context, const struct trap *trap, struct answer *answer)
{
	const struct task *task = emul_task(context, trap);

	if (task)
		emul_return(answer, write_three(context, trap, task->credentials->uid));
}

void emul_getresgid(void *context, const struct trap *trap, struct answer *answer)
{
	const struct task *task = emul_task(context, trap);

	if (task)
		emul_return(answer, write_three(context, trap, task->credentials->gid));
}

static int64_t get_groups(struct emulation *e, const struct trap *trap, const struct credentials *c)
{
	int room = (int)trap->args[0];

	if (room < 0)
		return -EINVAL;
	if (room == 0)
		return (int64_t)c->group_count;
	if ((size_t)room < c->group_count)
		return -EINVAL;
	int rc = emul_write(e, trap, trap->args[1], c->groups, c->group_count * sizeof(*c->groups));
	return rc < 0 ? rc : (int64_t)c->group_count;
}

void emul_getgroups(void *context, const struct trap *trap, struct answer *answer)
{
	const struct task *task = emul_task(context, trap);

	if (task)
		emul_return(answer, get_groups(context, trap, task->credentials));
}

/* ---- Changes ---- */

/* The caller, whose children have got what it has now; NULL when it is gone. */
static struct task *changing(struct emulation *e, const struct trap *trap)
{
	struct task *task = emul_task(e, trap);

	if (task)
		tasks_settle(e->tasks, task);
	return task;
}

void emul_setuid(void *context, const struct trap *trap, struct answer *answer)
{
	struct task *task = changing(context, trap);

	if (task)
		emul_return(answer, credentials_setuid(&task->credentials, (uint32_t)trap->args[0]));
}

void emul_setgid(void *context, const struct trap *trap, struct answer *answer)
{
	struct task *task = changing(context, trap);

	if (task)
		emul_return(answer, credentials_setgid(&task->credentials, (uint32_t)trap->args[0]));
}

void emul_setreuid(void *context, const struct trap *trap, struct answer *answer)
{
	struct task *task = changing(context, trap);

	if (task)
		emul_return(answer,
			    credentials_setreuid(&task->credentials, (uint32_t)trap->args[0], (uint32_t)trap->args[1]));
}

void emul_setregid(void *context, const struct trap *trap, struct answer *answer)
{
	struct task *task = changing(context, trap);

	if (task)
		emul_return(answer,
			    credentials_setregid(&task->credentials, (uint32_t)trap->args[0], (uint32_t)trap->args[1]));
}

void emul_setresuid(void *context, const struct trap *trap, struct answer *answer)
{
	const uint32_t ids[3] = {(uint32_t)trap->args[0], (uint32_t)trap->args[1], (uint32_t)trap->args[2]};
	struct task *task = changing(context, trap);

	if (task)
		emul_return(answer, credentials_setresuid(&task->credentials, ids));
}

void emul_setresgid(void *context, const struct trap *trap, struct answer *answer)
{
	const uint32_t ids[3] = {(uint32_t)trap->args[0], (uint32_t)trap->args[1], (uint32_t)trap->args[2]};
	struct task *task = changing(context, trap);

	if (task)
		emul_return(answer, credentials_setresgid(&task->credentials, ids));
}

void emul_setfsuid(void *context, const struct trap *trap, struct answer *answer)
{
	struct task *task = changing(context, trap);

	if (task)
		emul_return(answer, credentials_setfsuid(&task->credentials, (uint32_t)trap->args[0]));
}

void emul_setfsgid(void *context, const struct trap *trap, struct answer *answer)
{
	struct task *task = changing(context, trap);

	if (task)
		emul_return(answer, credentials_setfsgid(&task->credentials, (uint32_t)trap->args[0]));
}

static int set_groups(struct emulation *e, const struct trap *trap, struct task *task)
{
	uint64_t count = (uint32_t)trap->args[0];

	/* The right comes first, before a look at the list. */
	if (!credentials_can(task->credentials, CAP_SETGID))
		return -EPERM;
	if (count > CREDENTIALS_GROUPS_MAX)
		return -EINVAL;
	cleanup_free uint32_t *groups = mem_grow(NULL, count + 1, sizeof(*groups));
	int rc = emul_read(e, trap, trap->args[1], groups, count * sizeof(*groups));
	return rc < 0 ? rc : credentials_setgroups(&task->credentials, groups, count);
}

void emul_setgroups(void *context, const struct trap *trap, struct answer *answer)
{
	struct task *task = changing(context, trap);

	if (task)
		emul_return(answer, set_groups(context, trap, task));
}
