/*
 * The cache file: a header, what the program was made from, who made it, the program; with a checksum over all behind
 * the header, so that a torn or flipped file is made again instead of being loaded. The checksum is against accidents:
 * who can write the store of a user is that user.
 */
#include "run/seccomp_cache.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "run/siphash.h"

#define CACHE_FILE_MAX ((size_t)8 << 20)
static const char magic[16] = "cooper-seccomp 1";

struct file_header {
	char magic[16];
	uint64_t inputs_size;
	uint64_t maker_size;
	uint64_t program_size; /* bytes */
	struct siphash checksum;
};

char *seccomp_cache_name(const struct buf *inputs)
{
	struct siphash key = siphash_of(inputs->data, inputs->len);
	char hex[2 * sizeof(key) + 1];
	format_hex(&key, sizeof(key), hex);
	return mem_printf("seccomp-%s.bpf", hex);
}

/* ---- The library that made it ---- */

static bool library_identity(const char *library, struct buf *identity)
{
	/* The path came from the dynamic loader, which trusts it already. */
	struct stat st;
	if (stat(library, &st) < 0)
		return false;
	buf_printf(identity, "%s\n%ju %ju %jd %jd.%09ld", library, (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
		   (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	return true;
}

void seccomp_maker_describe(const char *library, unsigned major, unsigned minor, unsigned micro, struct buf *maker)
{
	if (library_identity(library, maker))
		buf_printf(maker, " %u.%u.%u", major, minor, micro);
}

static bool maker_is_unchanged(const char *maker, size_t size)
{
	const char *end = memchr(maker, '\n', size);
	if (!end)
		return false;
	cleanup_free char *library = mem_strndup(maker, (size_t)(end - maker));
	cleanup(buf_done) struct buf now = BUF_INIT(CACHE_FILE_MAX);
	return library_identity(library, &now) && now.len < size && memcmp(now.data, maker, now.len) == 0 &&
	       maker[now.len] == ' ';
}

/* ---- The file ---- */

static bool header_is_sound(const struct file_header *header, size_t file_size)
{
	size_t rest = file_size - sizeof(*header);
	return memcmp(header->magic, magic, sizeof(magic)) == 0 && header->inputs_size <= rest &&
	       header->maker_size <= rest - header->inputs_size &&
	       header->program_size == rest - header->inputs_size - header->maker_size && header->program_size > 0 &&
	       header->program_size % sizeof(struct sock_filter) == 0 &&
	       header->program_size / sizeof(struct sock_filter) <= BPF_MAXINSNS;
}

bool seccomp_cache_load(int dir, const struct buf *inputs, struct buf *program)
{
	cleanup_free char *name = seccomp_cache_name(inputs);
	cleanup(buf_done) struct buf file = BUF_INIT(CACHE_FILE_MAX);
	/* Not there is the common case, and any other trouble is cured by making the program again. */
	if (fd_read_file(dir, name, &file, /* err */ NULL) < 0)
		return false;
	struct file_header header;
	if (file.len >= sizeof(header))
		memcpy(&header, file.data, sizeof(header));
	if (file.len < sizeof(header) || !header_is_sound(&header, file.len)) {
		log_debug("%s is damaged, making the filter again", name);
		return false;
	}
	const char *rest = file.data + sizeof(header);
	const char *maker = rest + header.inputs_size;
	struct siphash checksum = siphash_of(rest, file.len - sizeof(header));
	if (memcmp(&checksum, &header.checksum, sizeof(checksum)) != 0) {
		log_debug("%s is damaged, making the filter again", name);
		return false;
	}
	if (header.inputs_size != inputs->len || memcmp(rest, inputs->data, inputs->len) != 0)
		return false;
	if (!maker_is_unchanged(maker, header.maker_size)) {
		log_debug("%s was made by another libseccomp, making the filter again", name);
		return false;
	}
	buf_append(program, maker + header.maker_size, header.program_size);
	return true;
}

int seccomp_cache_save(int dir, const struct buf *inputs, const struct buf *maker, const struct buf *program,
		       struct error **err)
{
	struct file_header header = {
		.inputs_size = inputs->len, .maker_size = maker->len, .program_size = program->len};
	memcpy(header.magic, magic, sizeof(magic));
	cleanup(buf_done) struct buf file = BUF_INIT(CACHE_FILE_MAX);
	buf_append(&file, &header, sizeof(header));
	buf_append(&file, inputs->data, inputs->len);
	buf_append(&file, maker->data, maker->len);
	buf_append(&file, program->data, program->len);
	header.checksum = siphash_of(file.data + sizeof(header), file.len - sizeof(header));
	memcpy(file.data, &header, sizeof(header));
	cleanup_free char *name = seccomp_cache_name(inputs);
	/* Not synced: a file that a crash tears is noticed and made again. */
	return atomic_file_write(dir, name, 0600, file.data, file.len, /* flags */ 0, err);
}
