/* What packing a layer costs in memory on a machine with many processors. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "imagefmt/pipeline.h"

#define PROCESSORS 64
#define MEMORY_KIB ((long)64 << 10)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_OURS false /* a sanitizer has its own */
#else
#define MEMORY_IS_OURS true
#endif

/* The C library's, for this program: a large machine. */
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	(void)pid;
	memset(set, 0, size);
	for (size_t i = 0; i < PROCESSORS; i++)
		CPU_SET_S(i, size, set);
	return 0;
}

static int drop(const void *data, size_t size, void *context, struct error **err)
{
	*(uint64_t *)context += size;
	return 0;
}

/* Half of it compresses. */
static void fill(char *data, size_t size, uint32_t *random)
{
	for (size_t i = 0; i < size; i++) {
		*random = *random * 1664525 + 1013904223;
		data[i] = (char)(i / 4096 % 2 ? *random >> 24 : i % 64);
	}
}

static int pack(enum codec codec, int level, size_t blocks)
{
	cleanup(pipeline_free) struct pipeline *pipeline = NULL;
	cleanup_free char *block = mem_alloc(CODEC_BLOCK);
	struct codec_recipe recipe;
	struct digest digest;
	uint64_t packed = 0;
	uint64_t size = 0;
	uint32_t random = 1;

	if (codec_recipe_init(codec, level, &recipe, NULL) < 0)
		return -1;
	struct pipeline_options options = {.recipe = &recipe, .sink = drop, .context = &packed};
	if (pipeline_new(&options, &pipeline, NULL) < 0)
		return -1;
	for (size_t i = 0; i < blocks; i++) {
		if (i < 4) /* making it takes longer than packing it */
			fill(block, CODEC_BLOCK, &random);
		block[i] = (char)i;
		if (!pipeline_write(pipeline, block, CODEC_BLOCK))
			return -1;
	}
	if (pipeline_finish(pipeline, &digest, &size, NULL) < 0)
		return -1;
	return size == blocks * CODEC_BLOCK && packed > size / 4 ? 0 : -1;
}

/* In a process of its own, whose memory is nobody else's. */
static void assert_fits(enum codec codec, int level, size_t blocks)
{
	struct rusage usage;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(pack(codec, level, blocks) < 0);
	assert_int_equal(wait4(pid, &status, 0, &usage), pid);
	assert_int_equal(status, 0);
	if (MEMORY_IS_OURS && usage.ru_maxrss >= MEMORY_KIB)
		fail_msg("level %d of codec %d takes %ld KiB", level, (int)codec, usage.ru_maxrss);
}

static void a_large_layer_fits_into_64_mib_on_64_processors(void **state)
{
	assert_fits(CODEC_GZIP, -1, 512);
	assert_fits(CODEC_ZSTD, -1, 256);
}

static void each_level_fits(void **state)
{
	static const int gzip[] = {1, 2, 6, 9};
	static const int zstd[] = {1, 4, 6, 8, 12, 13, 22}; /* the last before each larger table */

	for (size_t i = 0; i < ARRAY_COUNT(gzip); i++)
		assert_fits(CODEC_GZIP, gzip[i], 20);
	for (size_t i = 0; i < ARRAY_COUNT(zstd); i++)
		assert_fits(CODEC_ZSTD, zstd[i], 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_layer_fits_into_64_mib_on_64_processors),
		cmocka_unit_test(each_level_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
