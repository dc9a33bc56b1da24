/*
 * Which interpreter serves which architecture, where it is, and how the kernel is told of it.
 */
#include "run/foreign.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "run/mountfd.h"

/* The inode of the first user namespace (PROC_USER_INIT_INO of the kernel's proc_ns.h): its binfmt_misc is the host's.
 */
#define FIRST_USER_NAMESPACE ((ino_t)0xEFFFFFFDU)
#define HOST_REGISTRATIONS "/proc/sys/fs/binfmt_misc"
#define REGISTRATION_SIZE_MAX 4096

struct machine {
	const char *architecture;
	const char *qemu;  /* "qemu-NAME-static" */
	const char *uname; /* what uname(2) calls it */
	unsigned char elf_class, elf_data;
	uint16_t elf_machine;
};

static const struct machine machines[] = {
	{"amd64", "x86_64", "x86_64", ELFCLASS64, ELFDATA2LSB, EM_X86_64},
	{"386", "i386", "i686", ELFCLASS32, ELFDATA2LSB, EM_386},
	{"arm64", "aarch64", "aarch64", ELFCLASS64, ELFDATA2LSB, EM_AARCH64},
	{"arm", "arm", "armv7l", ELFCLASS32, ELFDATA2LSB, EM_ARM},
	{"riscv64", "riscv64", "riscv64", ELFCLASS64, ELFDATA2LSB, EM_RISCV},
	{"ppc64le", "ppc64le", "ppc64le", ELFCLASS64, ELFDATA2LSB, EM_PPC64},
	{"ppc64", "ppc64", "ppc64", ELFCLASS64, ELFDATA2MSB, EM_PPC64},
	{"s390x", "s390x", "s390x", ELFCLASS64, ELFDATA2MSB, EM_S390},
	{"mips64le", "mips64el", "mips64el", ELFCLASS64, ELFDATA2LSB, EM_MIPS},
	{"mips64", "mips64", "mips64", ELFCLASS64, ELFDATA2MSB, EM_MIPS},
	{"mipsle", "mipsel", "mipsel", ELFCLASS32, ELFDATA2LSB, EM_MIPS},
	{"mips", "mips", "mips", ELFCLASS32, ELFDATA2MSB, EM_MIPS},
	{"loong64", "loongarch64", "loongarch64", ELFCLASS64, ELFDATA2LSB, 258 /* EM_LOONGARCH, glibc 2.36 */},
};

static const struct machine *find_machine(const char *architecture)
{
	for (size_t i = 0; i < ARRAY_COUNT(machines); i++)
		if (strcmp(machines[i].architecture, architecture) == 0)
			return &machines[i];
	return NULL;
}

bool foreign_is_native(const char *architecture)
{
	const struct machine *m = find_machine(architecture);
	struct utsname ours;

	if (!m || uname(&ours) < 0)
		return false;
	/* All kernels for x86_64 that people build containers on run i386. */
	return strcmp(ours.machine, m->uname) == 0 || (m->elf_machine == EM_386 && strcmp(ours.machine, "x86_64") == 0);
}

/* Some processors for arm64 have the older instructions, too. */
static bool is_perhaps_native(const struct machine *m)
{
	return m->elf_machine == EM_ARM && foreign_is_native("arm64");
}

/* ---- The interpreter ---- */

/* In the step there is no loader for it, so it must need none. */
static bool is_static(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr header;

	if (fd < 0 || pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return false;
	for (size_t i = 0; header.e_ident[EI_CLASS] == ELFCLASS64 && i < header.e_phnum; i++) {
		Elf64_Phdr segment;
		off_t at = (off_t)(header.e_phoff + i * sizeof(segment));
		if (pread(fd, &segment, sizeof(segment), at) != sizeof(segment) || segment.p_type == PT_INTERP)
			return false;
	}
	return true;
}

/* Newly allocated, or NULL. Debian up to 12 and Fedora put "-static" behind the name, later Debians do not. */
static char *find_interpreter(const struct machine *m)
{
	static const char *const forms[] = {"qemu-%s-static", "qemu-%s"};

	for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
		cleanup_free char *name = mem_printf(forms[i], m->qemu);
		cleanup_free char *path = process_find(name);
		if (path && is_static(path))
			return take_ptr(&path);
	}
	return NULL;
}

/* ---- A binfmt_misc of our own ---- */

static void append_bytes(struct buf *line, const unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_printf(line, "\\x%02x", bytes[i]);
}

/* The header up to e_machine is what tells whose program it is. The ABI and its version are the interpreter's business,
 * and e_type may be ET_EXEC or ET_DYN, which differ in one bit. */
#define MAGIC_SIZE 20

static void make_magic(const struct machine *m, unsigned char magic[MAGIC_SIZE], unsigned char mask[MAGIC_SIZE])
{
	size_t low = m->elf_data == ELFDATA2LSB ? 0 : 1; /* of the two bytes of a half word, the less significant */

	memset(magic, 0, MAGIC_SIZE);
	memset(mask, 0xff, MAGIC_SIZE);
	memcpy(magic, ELFMAG, SELFMAG);
	magic[EI_CLASS] = m->elf_class;
	magic[EI_DATA] = m->elf_data;
	magic[EI_VERSION] = EV_CURRENT;
	mask[EI_OSABI] = mask[EI_ABIVERSION] = 0;
	magic[EI_NIDENT + low] = ET_EXEC;
	mask[EI_NIDENT + low] = 0xfe;
	magic[EI_NIDENT + 2 + low] = (unsigned char)m->elf_machine;
	magic[EI_NIDENT + 2 + !low] = (unsigned char)(m->elf_machine >> 8);
}

/* Documentation/admin-guide/binfmt-misc.rst. F: the interpreter is opened now and held. P: argv[0] stays what it was
 * (qemu 6.0 and later see it by AT_FLAGS). C: a program that is set-user-id is that, as on its own machine. O: the
 * program is opened for the interpreter, which may not be able to. */
char *foreign_registration(const char *architecture, const char *path)
{
	const struct machine *m = find_machine(architecture);
	cleanup(buf_done) struct buf line = BUF_INIT(REGISTRATION_SIZE_MAX);
	unsigned char magic[MAGIC_SIZE], mask[MAGIC_SIZE];

	if (!m || strchr(path, ':'))
		return NULL;
	make_magic(m, magic, mask);
	buf_printf(&line, ":cooper-%s:M::", m->qemu);
	append_bytes(&line, magic, sizeof(magic));
	buf_append_char(&line, ':');
	append_bytes(&line, mask, sizeof(mask));
	buf_printf(&line, ":%s:POCF", path);
	return line.overflow ? NULL : buf_take(&line);
}

/* The first user namespace's is the host's, which is not ours to change. */
static bool is_in_own_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino != FIRST_USER_NAMESPACE;
}

/* The instance with the registration in it. All processes of one user namespace share it: that another one has
 * registered it already is as good. */
static int make_instance(const struct machine *m, const char *interpreter, struct error **err)
{
	cleanup_free char *line = foreign_registration(m->architecture, interpreter);

	if (!line)
		return error_set(err, EINVAL, "the path '%s' cannot be registered", interpreter);
	cleanup_close int instance = mountfd_new("binfmt_misc", /* options */ NULL, 0, MOUNTFD_SAFE, err);
	if (instance < 0)
		return instance;
	cleanup_close int fd = openat(instance, "register", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "open binfmt_misc's 'register'");
	if (write(fd, line, strlen(line)) < 0 && errno != EEXIST)
		return error_set_errno(err, "register '%s' with binfmt_misc", interpreter);
	return take_fd(&instance);
}

/* ---- The host's ---- */

/* A program that does nothing but crash, where it is executed at all: one page, none of it from the file. Whether an
 * interpreter could make sense of it does not matter, so that the numbers need not be in its order of bytes. */
static void make_program(const struct machine *m, struct buf *program)
{
	unsigned char magic[MAGIC_SIZE], mask[MAGIC_SIZE];
	const Elf32_Phdr page = {.p_type = PT_LOAD, .p_vaddr = 0x10000, .p_memsz = 0x1000, .p_flags = PF_R};
	Elf64_Ehdr wide = {.e_ehsize = sizeof(wide), .e_phentsize = sizeof(Elf64_Phdr)};
	Elf32_Ehdr narrow = {.e_version = EV_CURRENT,
			     .e_entry = page.p_vaddr,
			     .e_phoff = sizeof(narrow),
			     .e_ehsize = sizeof(narrow),
			     .e_phentsize = sizeof(page),
			     .e_phnum = 1};

	make_magic(m, magic, mask);
	memcpy(&wide, magic, sizeof(magic));
	memcpy(&narrow, magic, sizeof(magic));
	if (m->elf_class == ELFCLASS64) {
		buf_append(program, &wide, sizeof(wide));
		return;
	}
	buf_append(program, &narrow, sizeof(narrow));
	buf_append(program, &page, sizeof(page));
}

/* In the child: reports why it could not be executed, or is replaced. */
__attribute__((noreturn)) static void execute(int program, int report)
{
	static char *const argv[] = {(char *)"probe", NULL};
	static char *const envp[] = {NULL};
	const struct rlimit none = {0, 0};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* An interpreter complains, and leaves a core. */
	setrlimit(RLIMIT_CORE, &none);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	/* An interpreter opens it by this descriptor's name. */
	fcntl(program, F_SETFD, 0);
	syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
	int code = errno;
	(void)!write(report, &code, sizeof(code));
	_exit(127);
}

/* Tries it: what stands in /proc/sys/fs/binfmt_misc is not shown everywhere where it counts. */
static bool is_executed(const struct machine *m)
{
	cleanup(buf_done) struct buf text = BUF_INIT(REGISTRATION_SIZE_MAX);
	int report[2], code = 0;

	make_program(m, &text);
	cleanup_close int program = fd_from_memory("foreign", text.data, text.len, NULL);
	if (program < 0 || pipe2(report, O_CLOEXEC) < 0)
		return false;
	pid_t pid = fork();
	if (pid == 0)
		execute(program, report[1]);
	close(report[1]);
	bool failed = pid < 0 || read(report[0], &code, sizeof(code)) > 0;
	close(report[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return !failed;
}

/* Its interpreter is then looked for in the container, and perhaps it is there. */
static void warn_unless_held_open(const struct machine *m)
{
	cleanup(buf_done) struct buf text = BUF_INIT(REGISTRATION_SIZE_MAX);
	cleanup_free char *path = mem_printf(HOST_REGISTRATIONS "/qemu-%s", m->qemu);

	if (fd_read_user_file(path, &text, NULL) < 0)
		return;
	const char *flags = strstr(buf_str(&text), "\nflags: ");
	if (flags && !memchr(flags + 1, 'F', strcspn(flags + 1, "\n")))
		log_warn("%s has no flag F: programs for %s run only if the container itself has the interpreter", path,
			 m->architecture);
}

static int no_way(const struct machine *m, const char *interpreter, const char *why, struct error **err)
{
	(void)error_set(err, ENOEXEC, "programs for %s cannot be executed on this machine: %s", m->architecture, why);

	if (!interpreter)
		return error_hint(err,
				  "install qemu-%s-static, on Debian in the package qemu-user-static, or build where "
				  "%s is native",
				  m->qemu, m->architecture);
	return error_hint(err, "that needs Linux 6.7, or an administrator who registers it for all with the flag F: "
			       "package qemu-user-static with binfmt-support or systemd-binfmt");
}

int foreign_begin(const char *architecture, struct foreign *foreign, struct error **err)
{
	const struct machine *m = find_machine(architecture);
	cleanup_error struct error *trouble = NULL;

	if (foreign_is_native(architecture))
		return 0;
	if (!m)
		return error_set(err, ENOEXEC, "no interpreter is known for programs for '%s'", architecture);
	if (is_perhaps_native(m) && is_executed(m))
		return 0;
	cleanup_free char *interpreter = find_interpreter(m);
	/* Ours first: what the host has may not be held open. But an empty one of ours would hide the host's. */
	if (interpreter && is_in_own_namespace()) {
		int instance = make_instance(m, interpreter, &trouble);
		if (instance >= 0) {
			log_debug("programs for %s are run by '%s'", architecture, interpreter);
			foreign->instance = instance;
			return 0;
		}
	}
	if (is_executed(m)) {
		warn_unless_held_open(m);
		return 0;
	}
	const char *why = !interpreter ? "there is no qemu for it"
			  : trouble    ? error_message(trouble)
				       : "there is no user namespace to register qemu in";
	return no_way(m, interpreter, why, err);
}

void foreign_end(struct foreign *foreign)
{
	fd_close(foreign->instance);
	foreign->instance = -1;
}
