/*
 * Starts a program as the kernel would, from descriptors that the supervisor of a translated root has opened: maps it
 * and its interpreter, tells them so in the auxiliary vector, and jumps. The kernel has started us in their place, with
 * the arguments and the environment that they are to have.
 *
 * No C library and no relocations: whoever is started meets no trace of us but a few pages, and the scratch area in
 * them (protocol.h).
 */
#include "run/loader/protocol.h"

#include <linux/mman.h>
#include <asm/unistd.h>
#include <linux/auxvec.h>
#include <linux/elf.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>

#define PAGE 4096UL
#define STATUS_FAILED 126
#define SEGMENTS_MAX 64

#if defined(__x86_64__)
static long call(long number, long a, long b, long c, long d, long e, long f)
{
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* At the entry the stack pointer points at argc, argv, NULL, envp, NULL, the vector (System V ABI, "Process
 * Initialization"); rdx is a function for atexit(3), of which there is none. */
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n\thlt\n");

/* Registers by name: of "any" the compiler may choose one that is cleared before it is read. */
static __attribute__((noreturn)) void jump(unsigned long entry, const unsigned long *stack)
{
	__asm__ volatile("mov %0, %%rsp\n\txor %%edx, %%edx\n\txor %%ebp, %%ebp\n\tjmp *%1"
			 :
			 : "S"(stack), "D"(entry)
			 : "memory");
	__builtin_unreachable();
}
#elif defined(__aarch64__)
static long call(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}

__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tmov x0, sp\n\tbl start\n\tbrk #1\n");

static __attribute__((noreturn)) void jump(unsigned long entry, const unsigned long *stack)
{
	register const unsigned long *x9 __asm__("x9") = stack;
	register unsigned long x10 __asm__("x10") = entry;

	__asm__ volatile("mov sp, %0\n\tmov x0, #0\n\tmov x29, #0\n\tmov x30, #0\n\tbr %1"
			 :
			 : "r"(x9), "r"(x10)
			 : "memory");
	__builtin_unreachable();
}
#else
#error "the loader is written for x86-64 and aarch64"
#endif

static struct loader_orders orders;
static char scratch[LOADER_SLOTS][LOADER_SLOT_SIZE] __attribute__((aligned(64)));

static __attribute__((noreturn)) void leave(void)
{
	for (;;)
		call(__NR_exit_group, STATUS_FAILED, 0, 0, 0, 0, 0);
}

static int failed(long result)
{
	return result < 0 && result > -4096L;
}

/* ---- One ELF file ---- */

struct image {
	unsigned long entry; /* where it starts */
	unsigned long base;  /* what was added to its addresses */
	unsigned long headers;
	unsigned long header_count;
	int wants_executable_stack;
};

static unsigned long down(unsigned long address)
{
	return address & ~(PAGE - 1);
}

static unsigned long up(unsigned long address)
{
	return down(address + PAGE - 1);
}

static int protection(const Elf64_Phdr *segment)
{
	return (segment->p_flags & PF_R ? PROT_READ : 0) | (segment->p_flags & PF_W ? PROT_WRITE : 0) |
	       (segment->p_flags & PF_X ? PROT_EXEC : 0);
}

/* What the file does not fill is zeros: to the end of its last page (a program interpreter takes all of it as its first
 * memory, as the kernel would give it), and further pages behind. */
static void fill_rest(const Elf64_Phdr *segment, unsigned long at)
{
	unsigned long end = at + segment->p_filesz;
	unsigned long all = at + segment->p_memsz;

	if (segment->p_memsz <= segment->p_filesz)
		return;
	if (segment->p_flags & PF_W)
		for (volatile char *zero = (volatile char *)end; (unsigned long)zero < up(end); zero++)
			*zero = 0;
	if (up(all) > up(end) && failed(call(__NR_mmap, (long)up(end), (long)(up(all) - up(end)), protection(segment),
					     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)))
		leave();
}

static void map_segment(int fd, const Elf64_Phdr *segment, unsigned long base)
{
	unsigned long at = base + segment->p_vaddr;
	unsigned long offset = segment->p_vaddr - down(segment->p_vaddr);

	if (segment->p_filesz > 0 &&
	    failed(call(__NR_mmap, (long)down(at), (long)(segment->p_filesz + offset), protection(segment),
			MAP_PRIVATE | MAP_FIXED, fd, (long)(segment->p_offset - offset))))
		leave();
	if (segment->p_filesz == 0) {
		if (failed(call(__NR_mmap, (long)down(at), (long)(up(at + segment->p_memsz) - down(at)),
				protection(segment), MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)))
			leave();
		return;
	}
	fill_rest(segment, at);
}

/* Keeps room for all of it, aligned as it asks, so that its parts can be put over that. */
static unsigned long reserve(int is_fixed, unsigned long low, unsigned long high, unsigned long align)
{
	unsigned long size = up(high) - down(low);
	unsigned long spare = align > PAGE ? align : 0;
	long got = call(__NR_mmap, is_fixed ? (long)down(low) : 0, (long)(size + spare), PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | (is_fixed ? MAP_FIXED_NOREPLACE : 0), -1, 0);

	if (failed(got) || (is_fixed && (unsigned long)got != down(low)))
		leave();
	if (is_fixed)
		return 0;
	unsigned long start = (unsigned long)got;
	if (spare)
		start = (start + align - 1) & ~(align - 1);
	if (start > (unsigned long)got)
		call(__NR_munmap, got, (long)(start - (unsigned long)got), 0, 0, 0, 0);
	unsigned long end = (unsigned long)got + size + spare;
	if (end > start + size)
		call(__NR_munmap, (long)(start + size), (long)(end - start - size), 0, 0, 0, 0);
	return start - down(low);
}

static void load(int fd, struct image *image)
{
	Elf64_Ehdr header;
	Elf64_Phdr segments[SEGMENTS_MAX];
	unsigned long low = ~0UL, high = 0, align = PAGE;

	if (call(__NR_pread64, fd, (long)&header, sizeof(header), 0, 0, 0) != sizeof(header) ||
	    header.e_phnum > SEGMENTS_MAX || header.e_phentsize != sizeof(segments[0]))
		leave();
	long size = header.e_phnum * (long)sizeof(segments[0]);
	if (call(__NR_pread64, fd, (long)segments, size, (long)header.e_phoff, 0, 0) != size)
		leave();
	for (unsigned i = 0; i < header.e_phnum; i++) {
		const Elf64_Phdr *s = &segments[i];
		if (s->p_type == PT_GNU_STACK)
			image->wants_executable_stack = (s->p_flags & PF_X) != 0;
		if (s->p_type != PT_LOAD)
			continue;
		if (s->p_vaddr < low)
			low = s->p_vaddr;
		if (s->p_vaddr + s->p_memsz > high)
			high = s->p_vaddr + s->p_memsz;
		if (s->p_align > align)
			align = s->p_align;
	}
	if (high == 0)
		leave();
	image->base = reserve(header.e_type == ET_EXEC, low, high, align);
	for (unsigned i = 0; i < header.e_phnum; i++) {
		const Elf64_Phdr *s = &segments[i];
		if (s->p_type != PT_LOAD || s->p_memsz == 0)
			continue;
		map_segment(fd, s, image->base);
		if (header.e_phoff >= s->p_offset && header.e_phoff < s->p_offset + s->p_filesz)
			image->headers = image->base + s->p_vaddr + header.e_phoff - s->p_offset;
	}
	image->entry = image->base + header.e_entry;
	image->header_count = header.e_phnum;
	call(__NR_close, fd, 0, 0, 0, 0, 0);
}

/* ---- The stack ---- */

static unsigned long *find_vector(unsigned long *stack)
{
	unsigned long *at = stack + 1 + stack[0] + 1; /* argc, argv, NULL */

	while (*at)
		at++;
	return at + 1;
}

static void set_vector(unsigned long *vector, const struct image *program, const struct image *interpreter)
{
	for (; vector[0] != AT_NULL; vector += 2) {
		switch (vector[0]) {
		case AT_PHDR:
			vector[1] = program->headers;
			break;
		case AT_PHNUM:
			vector[1] = program->header_count;
			break;
		case AT_BASE:
			vector[1] = interpreter ? interpreter->base : 0;
			break;
		case AT_ENTRY:
			vector[1] = program->entry;
			break;
		case AT_EXECFN:
			vector[1] = (unsigned long)orders.text;
			break;
		default:
			break;
		}
	}
}

static const char *next(const char *text)
{
	while (*text)
		text++;
	return text + 1;
}

/* The same below, with other arguments in place of argv[0]. The strings stay where they are. */
static unsigned long *insert_arguments(unsigned long *stack, const unsigned long *end)
{
	unsigned long kept = stack[0] > 0 ? stack[0] - 1 : 0;
	const unsigned long *rest = stack + 1 + (stack[0] > 0); /* argv[1], or the NULL */
	unsigned long rest_count = (unsigned long)(end - rest);
	unsigned long *at = (unsigned long *)(((unsigned long)(stack - orders.prefix_count - 2)) & ~15UL);
	unsigned long *start = at;
	const char *text = next(orders.text);

	*at++ = kept + orders.prefix_count;
	for (unsigned i = 0; i < orders.prefix_count; i++) {
		*at++ = (unsigned long)text;
		text = next(text);
	}
	/* Upwards, where they overlap: what is read lies above what is written. */
	for (unsigned long i = 0; i < rest_count; i++) {
		*(volatile unsigned long *)at = rest[i];
		at++;
	}
	return start;
}

__attribute__((noreturn, used)) void start(unsigned long *stack)
{
	struct image program = {0}, interpreter = {0};

	if (call(__NR_openat, LOADER_ASK, (long)&orders, sizeof(orders), (long)scratch, 0, 0) != 0)
		leave();
	load(orders.program, &program);
	if (orders.interpreter >= 0)
		load(orders.interpreter, &interpreter);
	unsigned long *vector = find_vector(stack);
	set_vector(vector, &program, orders.interpreter >= 0 ? &interpreter : 0);
	if (orders.prefix_count) {
		while (vector[0] != AT_NULL)
			vector += 2;
		stack = insert_arguments(stack, vector + 2);
	}
	if (program.wants_executable_stack)
		call(__NR_mprotect, (long)down((unsigned long)stack), PAGE,
		     PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN, 0, 0, 0);
	call(__NR_prctl, PR_SET_NAME, (long)orders.comm, 0, 0, 0, 0);
	jump(orders.interpreter >= 0 ? interpreter.entry : program.entry, stack);
}
