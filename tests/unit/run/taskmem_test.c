/* taskmem_is_own(), asked about our own memory. */
#include "run/taskmem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)4096)

static char *map(void *at, size_t size, int flags)
{
	char *area = mmap(at, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	assert_ptr_not_equal(area, MAP_FAILED);
	return area;
}

static bool is_own(const char *area, size_t size)
{
	return taskmem_is_own(getpid(), (uint64_t)(uintptr_t)area, size);
}

static void knows_private_memory_from_what_is_shared_or_not_there(void **state)
{
	char *own = map(NULL, 4 * PAGE, MAP_PRIVATE);
	char *shared = map(NULL, PAGE, MAP_SHARED);

	assert_true(is_own(own, 4 * PAGE));
	assert_true(is_own(own + 100, 5000));
	assert_false(is_own(shared, 1));
	munmap(shared, PAGE);
	assert_false(is_own(shared, 1));
	munmap(own, 4 * PAGE);
}

static void looks_at_every_mapping_of_the_range(void **state)
{
	char *own = map(NULL, 4 * PAGE, MAP_PRIVATE);

	/* Two mappings, both private. */
	assert_int_equal(mprotect(own + PAGE, PAGE, PROT_READ), 0);
	assert_true(is_own(own, 4 * PAGE));
	map(own + 3 * PAGE, PAGE, MAP_SHARED | MAP_FIXED);
	assert_true(is_own(own, 3 * PAGE));
	assert_false(is_own(own, 3 * PAGE + 1));
	assert_false(is_own(own + 3 * PAGE, 1));
	munmap(own + PAGE, PAGE);
	assert_false(is_own(own, 2 * PAGE));
	munmap(own, 4 * PAGE);
}

static void refuses_addresses_that_are_none(void **state)
{
	assert_false(taskmem_is_own(getpid(), 0, 1));
	assert_false(taskmem_is_own(getpid(), UINT64_MAX, 2));
	assert_false(taskmem_is_own(0, 4096, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_private_memory_from_what_is_shared_or_not_there),
		cmocka_unit_test(looks_at_every_mapping_of_the_range),
		cmocka_unit_test(refuses_addresses_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
