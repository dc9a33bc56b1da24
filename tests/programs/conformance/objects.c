/* System V objects by key and by number, and POSIX message queues: one process makes them, another finds them. */
#include "conformance.h"

#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>

#define KEY 0x436f6f70

struct note {
	long kind;
	char text[16];
};

static void find_memory(void)
{
	int id = shmget(KEY, 4096, 0);

	CHECK(id);
	char *at = shmat(id, NULL, 0);
	SHOW(at == (void *)-1 ? -1 : 0);
	printf("%s\n", at);
	memcpy(at, "answer", 7);
	CHECK(shmget(KEY, 8192, 0));
	CHECK(shmget(KEY, 4096, IPC_CREAT | IPC_EXCL | 0600));
	SHOW(shmdt(at));
}

static void memory(void)
{
	struct shmid_ds state;

	CHECK(shmget(KEY, 4096, 0));
	int id = shmget(KEY, 4096, IPC_CREAT | 0600);
	CHECK(id);
	char *at = shmat(id, NULL, 0);
	SHOW(at == (void *)-1 ? -1 : 0);
	memcpy(at, "question", 9);
	apart(find_memory);
	printf("%s\n", at);
	SHOW(shmctl(id, IPC_STAT, &state));
	printf("%zu bytes, mode %o, attached %ld\n", state.shm_segsz, state.shm_perm.mode & 0777,
	       (long)state.shm_nattch);
	SHOW(shmctl(id, IPC_RMID, NULL));
	CHECK(shmget(KEY, 4096, 0));
	printf("still %s\n", at);
	SHOW(shmdt(at));
	SHOW(shmctl(id, IPC_STAT, &state));
}

static void pass_semaphore(void)
{
	struct sembuf down = {.sem_num = 1, .sem_op = -1};
	int id = semget(KEY, 2, 0);

	CHECK(id);
	SHOW(semop(id, &down, 1));
	CHECK(semget(KEY, 3, 0));
}

static void semaphores(void)
{
	struct sembuf try = {.sem_num = 1, .sem_op = -1, .sem_flg = IPC_NOWAIT};
	int id = semget(KEY, 2, IPC_CREAT | IPC_EXCL | 0600);

	CHECK(id);
	SHOW(semctl(id, 1, SETVAL, 1));
	apart(pass_semaphore);
	SHOW(semctl(id, 1, GETVAL));
	SHOW(semop(id, &try, 1));
	SHOW(semctl(id, 0, IPC_RMID));
	SHOW(semop(id, &try, 1));
	CHECK(semget(KEY, 2, 0));
}

static void receive(void)
{
	struct note note = {0};
	int id = msgget(KEY, 0);

	CHECK(id);
	SHOW(msgrcv(id, &note, sizeof(note.text), 2, 0));
	printf("%ld %s\n", note.kind, note.text);
}

static void messages(void)
{
	struct note note = {.kind = 2, .text = "for two"};
	int id = msgget(KEY, IPC_CREAT | 0600);

	CHECK(id);
	SHOW(msgsnd(id, &note, sizeof(note.text), 0));
	apart(receive);
	SHOW(msgrcv(id, &note, sizeof(note.text), 0, IPC_NOWAIT));
	SHOW(msgctl(id, IPC_RMID, NULL));
	SHOW(msgsnd(id, &note, sizeof(note.text), 0));
}

static void take_from_queue(void)
{
	char text[64] = "";
	mqd_t queue = mq_open("/conformance", O_RDONLY);

	CHECK(queue);
	SHOW(mq_receive(queue, text, sizeof(text), NULL));
	printf("%s\n", text);
}

static void queues(void)
{
	struct mq_attr attributes = {.mq_maxmsg = 2, .mq_msgsize = 32};

	CHECK(mq_open("/conformance", O_RDWR));
	mqd_t queue = mq_open("/conformance", O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
	CHECK(queue);
	CHECK(mq_open("/conformance", O_RDWR | O_CREAT | O_EXCL, 0600, NULL));
	SHOW(mq_send(queue, "queued", 7, 1));
	apart(take_from_queue);
	SHOW(mq_getattr(queue, &attributes));
	printf("%ld of %ld, %ld bytes\n", attributes.mq_curmsgs, attributes.mq_maxmsg, attributes.mq_msgsize);
	SHOW(mq_unlink("/conformance"));
	SHOW(mq_unlink("/conformance"));
	SHOW(mq_close(queue));
	CHECK(mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL));
	CHECK(mq_open("/", O_RDWR));
}

void test_objects(void)
{
	apart(memory);
	apart(semaphores);
	apart(messages);
	apart(queues);
}
