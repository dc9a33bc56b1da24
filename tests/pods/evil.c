/*
 * What lies in an evil image, or on an evil host, under every name that a careless builder would run or load: it says
 * that it was, on stderr and by a file. Without any library, so that it works wherever it is taken from.
 *
 *	gcc -shared -fPIC -nostdlib -DLIBRARY    a library: runs when it is loaded
 *	gcc -static -nostdlib                    a program
 */
#include <fcntl.h>
#include <sys/syscall.h>

static long call(long number, long a, long b, long c, long d)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
#endif
}

static void tell(void)
{
	static const char text[] = "EVIL WAS HERE\n";

	call(SYS_write, 2, (long)text, sizeof(text) - 1, 0);
	call(SYS_openat, AT_FDCWD, (long)"/tmp/evil-was-here", O_CREAT | O_WRONLY, 0644);
}

#ifdef LIBRARY
__attribute__((constructor)) static void loaded(void)
{
	tell();
}
#else
void _start(void);
void _start(void)
{
	tell();
	call(SYS_exit_group, 99, 0, 0, 0);
}
#endif
