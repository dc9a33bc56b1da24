/* mmap(2) of files that are written, memfd_create(2), and System V and POSIX objects. */
#include "conformance.h"

#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>

static void mapped(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);

	SHOW(ftruncate(fd, 8192));
	char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	SHOW(at == MAP_FAILED ? -1 : 0);
	if (at == MAP_FAILED)
		return;
	close(fd);
	memcpy(at + 4096, "mapped", 7);
	SHOW(msync(at, 8192, MS_SYNC));
	fd = open("f", O_RDONLY);
	char text[8] = "";
	SHOW(pread(fd, text, 7, 4096));
	printf("%s\n", text);
	fflush(stdout);
	if (fork() == 0) {
		memcpy(at, "child", 6);
		_exit(0);
	}
	wait(NULL);
	printf("%s\n", at);
	SHOW(rename("f", "g"));
	memcpy(at, "after", 6);
	SHOW(pread(fd, text, 6, 0));
	printf("%s\n", text);
	SHOW(mprotect(at, 4096, PROT_READ));
	SHOW(munmap(at, 8192));
	SHOW(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	/* The loader of a library: from a file of mode 0644. */
	SHOW(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
	close(fd);
}

static void memory_files(void)
{
	struct stat st;
	char proc[64], text[64] = "";
	int fd = memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd);
	SHOW(write(fd, "inside", 6));
	SHOW(fstat(fd, &st));
	printf("%o %u:%u\n", st.st_mode, st.st_uid, st.st_gid);
	SHOW(fchmod(fd, 0700));
	SHOW(fchown(fd, 5, 6));
	SHOW(fstat(fd, &st));
	printf("%o %u:%u\n", st.st_mode, st.st_uid, st.st_gid);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	SHOW(readlink(proc, text, sizeof(text) - 1));
	printf("%s\n", text);
	int again = open(proc, O_RDONLY);
	CHECK(again);
	char back[8] = "";
	SHOW(read(again, back, 6));
	printf("%s\n", back);
	SHOW(ftruncate(fd, 100));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW));
	SHOW(write(fd, "x", 1));
	SHOW(fcntl(fd, F_GET_SEALS));
	SHOW(ftruncate(fd, 200));
}

static void objects(void)
{
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);

	CHECK(id);
	char *at = shmat(id, NULL, 0);
	SHOW(at == (void *)-1 ? -1 : 0);
	SHOW(shmdt(at));
	SHOW(shmctl(id, IPC_RMID, NULL));
	int fd = shm_open("/conformance", O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(fd);
	SHOW(ftruncate(fd, 10));
	look_briefly("/dev/shm/conformance");
	SHOW(shm_unlink("/conformance"));
	SHOW(shm_unlink("/conformance"));
}

void test_memory(void)
{
	apart(mapped);
	apart(memory_files);
	apart(objects);
}
