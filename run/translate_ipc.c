/*
 * System V objects and message queues of a translated root. Their names are the machine's, and so they are kept apart
 * here: a step finds by key, by number and by name only what it has made itself, and all of it is gone when it ends.
 * The objects are the kernel's own; keys and names are ours to know.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/translate_internal.h"

enum ipc_kind { IPC_MEMORY, IPC_SEMAPHORES, IPC_MESSAGES };

struct ipc_object {
	enum ipc_kind kind;
	key_t key; /* IPC_PRIVATE: it has none, or none any more */
	int id;
};

/* So many that no program notices, and none fills the machine's tables by this. */
#define OBJECTS_MAX 4096

/* ---- What there is ---- */

static struct ipc_object *find_object(const struct translation *t, enum ipc_kind kind, int id)
{
	for (size_t i = 0; i < t->ipc_count; i++)
		if (t->ipc[i].kind == kind && t->ipc[i].id == id)
			return &t->ipc[i];
	return NULL;
}

static const struct ipc_object *find_key(const struct translation *t, enum ipc_kind kind, key_t key)
{
	for (size_t i = 0; key != IPC_PRIVATE && i < t->ipc_count; i++)
		if (t->ipc[i].kind == kind && t->ipc[i].key == key)
			return &t->ipc[i];
	return NULL;
}

static int remove_object(enum ipc_kind kind, int id)
{
	switch (kind) {
	case IPC_MEMORY:
		return shmctl(id, IPC_RMID, NULL);
	case IPC_SEMAPHORES:
		return semctl(id, 0, IPC_RMID);
	case IPC_MESSAGES:
		return msgctl(id, IPC_RMID, NULL);
	}
	return -1;
}

static int make_object(enum ipc_kind kind, uint64_t size, int flags)
{
	switch (kind) {
	case IPC_MEMORY:
		return shmget(IPC_PRIVATE, size, flags);
	case IPC_SEMAPHORES:
		return semget(IPC_PRIVATE, (int)size, flags);
	case IPC_MESSAGES:
		return msgget(IPC_PRIVATE, flags);
	}
	return -1;
}

/* --ipc host: it is as it was found. */
static bool is_shared_with_host(const struct translation *t)
{
	return t->spec->share & RUN_SHARE_IPC;
}

/* Is it as large as who asks for it needs it to be? */
static bool is_large_enough(const struct ipc_object *object, uint64_t size)
{
	struct shmid_ds memory;
	struct semid_ds semaphores;

	if (object->kind == IPC_MEMORY)
		return shmctl(object->id, IPC_STAT, &memory) < 0 || size <= memory.shm_segsz;
	if (object->kind == IPC_SEMAPHORES)
		return semctl(object->id, 0, IPC_STAT, &semaphores) < 0 || size <= semaphores.sem_nsems;
	return true;
}

/* Those that were removed, and let go by the last since. */
static void forget_memories(struct translation *t)
{
	struct shmid_ds memory;

	for (size_t i = t->ipc_count; i-- > 0;)
		if (t->ipc[i].kind == IPC_MEMORY && shmctl(t->ipc[i].id, IPC_STAT, &memory) < 0)
			t->ipc[i] = t->ipc[--t->ipc_count];
}

/* shmget(2), semget(2), msgget(2) */
static int64_t get_object(struct translation *t, enum ipc_kind kind, key_t key, uint64_t size, int flags)
{
	const struct ipc_object *known = find_key(t, kind, key);

	if (known && flags & IPC_CREAT && flags & IPC_EXCL)
		return -EEXIST;
	if (known)
		return is_large_enough(known, size) ? known->id : -EINVAL;
	if (key != IPC_PRIVATE && !(flags & IPC_CREAT))
		return -ENOENT;
	if (t->ipc_count >= OBJECTS_MAX)
		forget_memories(t);
	if (t->ipc_count >= OBJECTS_MAX)
		return -ENOSPC;
	int id = make_object(kind, size, flags);
	if (id < 0)
		return -errno;
	t->ipc = mem_grow(t->ipc, t->ipc_count + 1, sizeof(*t->ipc));
	t->ipc[t->ipc_count++] = (struct ipc_object){.kind = kind, .key = key, .id = id};
	return id;
}

static void answer_get(struct translation *t, const struct trap *trap, enum ipc_kind kind, uint64_t size,
		       uint64_t flags, struct answer *answer)
{
	if (!is_shared_with_host(t))
		emul_return(answer, get_object(t, kind, (key_t)trap->args[0], size, (int)flags));
}

void tr_shmget(void *context, const struct trap *trap, struct answer *answer)
{
	answer_get(context, trap, IPC_MEMORY, trap->args[1], trap->args[2], answer);
}

void tr_semget(void *context, const struct trap *trap, struct answer *answer)
{
	answer_get(context, trap, IPC_SEMAPHORES, trap->args[1], trap->args[2], answer);
}

void tr_msgget(void *context, const struct trap *trap, struct answer *answer)
{
	answer_get(context, trap, IPC_MESSAGES, 0, trap->args[1], answer);
}

/* ---- What is done to it: the kernel's, to what is the step's ---- */

static void use(struct translation *t, const struct trap *trap, enum ipc_kind kind, struct answer *answer)
{
	if (!is_shared_with_host(t) && !find_object(t, kind, (int)trap->args[0]))
		emul_return(answer, -EINVAL);
}

void tr_use_memory(void *context, const struct trap *trap, struct answer *answer)
{
	use(context, trap, IPC_MEMORY, answer);
}

void tr_use_semaphores(void *context, const struct trap *trap, struct answer *answer)
{
	use(context, trap, IPC_SEMAPHORES, answer);
}

void tr_use_messages(void *context, const struct trap *trap, struct answer *answer)
{
	use(context, trap, IPC_MESSAGES, answer);
}

/* SHM_STAT, SEM_STAT, MSG_STAT and the two behind each: their number is a place in the machine's table. */
static bool is_about_places(enum ipc_kind kind, int command)
{
	static const int first[] = {[IPC_MEMORY] = 13, [IPC_SEMAPHORES] = 18, [IPC_MESSAGES] = 11};

	return command >= first[kind] && command < first[kind] + 3;
}

static void control(struct translation *t, const struct trap *trap, enum ipc_kind kind, int command,
		    struct answer *answer)
{
	struct ipc_object *object = find_object(t, kind, (int)trap->args[0]);

	/* How much there may be is no secret. */
	if (command == IPC_INFO || is_shared_with_host(t))
		return;
	if (!object || is_about_places(kind, command)) {
		emul_return(answer, -EINVAL);
		return;
	}
	if (command != IPC_RMID)
		return;
	emul_return(answer, remove_object(kind, object->id) < 0 ? -errno : 0);
	/* A memory is there until the last has let it go. */
	object->key = IPC_PRIVATE;
	if (kind != IPC_MEMORY)
		*object = t->ipc[--t->ipc_count];
}

void tr_shmctl(void *context, const struct trap *trap, struct answer *answer)
{
	control(context, trap, IPC_MEMORY, (int)trap->args[1], answer);
}

void tr_semctl(void *context, const struct trap *trap, struct answer *answer)
{
	control(context, trap, IPC_SEMAPHORES, (int)trap->args[2], answer);
}

void tr_msgctl(void *context, const struct trap *trap, struct answer *answer)
{
	control(context, trap, IPC_MESSAGES, (int)trap->args[1], answer);
}

/* ---- Message queues (mq_overview(7)) ---- */

/* The kernel's name for the step's; both without the slash that the C library takes off. */
static int read_queue_name(struct translation *t, const struct trap *trap, char name[NAME_MAX + 1])
{
	char text[NAME_MAX + 1];
	ssize_t length = emul_read_text(&t->emulation, trap, trap->args[0], text, sizeof(text));

	if (length < 0)
		return (int)length;
	if (length == 0 || strchr(text, '/') || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return length == 0 ? -ENOENT : -EACCES;
	int size = is_shared_with_host(t) ? snprintf(name, NAME_MAX + 1, "%s", text)
					  : snprintf(name, NAME_MAX + 1, "cooper-%d-%s", getpid(), text);
	return size > NAME_MAX ? -ENAMETOOLONG : 0;
}

static void note_queue(struct translation *t, const char *name)
{
	if (!is_shared_with_host(t) && !strlist_contains(&t->queues, name))
		strlist_append(&t->queues, name);
}

static int open_queue(struct translation *t, const struct trap *trap)
{
	char name[NAME_MAX + 1];
	struct mq_attr attributes;
	int flags = (int)trap->args[1];
	const struct task *task = view_task(t, trap);
	mode_t umask = task && task->fs ? task->fs->umask : 0;
	int rc = read_queue_name(t, trap, name);

	if (rc == 0 && flags & O_CREAT && trap->args[3])
		rc = emul_read(&t->emulation, trap, trap->args[3], &attributes, sizeof(attributes));
	if (rc < 0)
		return rc;
	int fd = (int)syscall(SYS_mq_open, name, flags | O_CLOEXEC, (mode_t)trap->args[2] & ~umask,
			      trap->args[3] ? &attributes : NULL);
	if (fd < 0)
		return -errno;
	note_queue(t, name);
	return fd;
}

void tr_mq_open(void *context, const struct trap *trap, struct answer *answer)
{
	int fd = open_queue(context, trap);

	if (fd < 0) {
		emul_return(answer, fd);
		return;
	}
	*answer = (struct answer){.kind = ANSWER_FD, .fd = fd, .cloexec = ((int)trap->args[1] & O_CLOEXEC) != 0};
}

void tr_mq_unlink(void *context, const struct trap *trap, struct answer *answer)
{
	char name[NAME_MAX + 1];
	int rc = read_queue_name(context, trap, name);

	if (rc == 0 && syscall(SYS_mq_unlink, name) < 0)
		rc = -errno;
	emul_return(answer, rc);
}

/* ---- The end ---- */

void ipc_free(struct translation *t)
{
	for (size_t i = 0; i < t->ipc_count; i++)
		remove_object(t->ipc[i].kind, t->ipc[i].id);
	for (size_t i = 0; i < t->queues.count; i++)
		syscall(SYS_mq_unlink, t->queues.items[i]);
	free(t->ipc);
	strlist_done(&t->queues);
}
