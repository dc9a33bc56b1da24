/* The calls of i386, which every process on x86-64 can make. */
#include "conformance.h"

#include <sys/mman.h>

#ifdef __x86_64__
static long call_i386(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

void test_other_abi(void)
{
	/* Addresses of that ABI have 32 bits. */
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	uint32_t st[32];

	if (low == MAP_FAILED)
		return;
	strcpy(low, "other");
	make("other", "x");
	printf("chown32 %ld\n", call_i386(212, (long)low, 12, 34));
	look("other");
	printf("lstat64 %ld\n", call_i386(196, (long)low, (long)(low + 256), 0));
	memcpy(st, low + 256, 96);
	printf("%o %u %u:%u\n", st[4], st[5], st[6], st[7]);
	printf("setgid32 %ld setuid32 %ld\n", call_i386(214, 8, 0, 0), call_i386(213, 9, 0, 0));
	printf("getuid32 %ld getegid32 %ld\n", call_i386(199, 0, 0, 0), call_i386(202, 0, 0, 0));
	print_ids();
	printf("setuid32 %ld\n", call_i386(213, 0, 0, 0));
}
#else
void test_other_abi(void)
{
}
#endif
