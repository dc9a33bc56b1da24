/* run/emulation.c, run/emul_compat.c and run/translate_calls.c: the tables of calls. */
#include "run/emulation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <linux/filter.h>

#include "run/translate_calls.h"

static size_t count_of(const struct trap_table *table, uint32_t arch, int number)
{
	size_t count = 0;

	for (const struct trap_table *at = table; at; at = at->also)
		for (size_t i = 0; i < at->count; i++)
			count += at->entries[i].arch == arch && at->entries[i].number == number;
	return count;
}

static void check(const struct trap_table *table)
{
	for (const struct trap_table *at = table; at; at = at->also) {
		assert_true(at->count > 0);
		for (size_t i = 0; i < at->count; i++) {
			const struct trap_entry *entry = &at->entries[i];
			assert_int_equal(count_of(table, entry->arch, entry->number), 1);
			assert_int_equal(entry->arch, at->entries[0].arch);
			assert_true(entry->when.count <= ARRAY_COUNT(entry->when.values));
		}
	}
	cleanup(buf_done) struct buf program = BUF_INIT(BUF_MAX_DEFAULT);
	assert_int_equal(supervisor_program(table, &program, NULL), 0);
	assert_true(program.len > 0 && program.len / sizeof(struct sock_filter) < BPF_MAXINSNS);
}

static void every_call_is_in_a_table_once_and_the_filters_fit(void **state)
{
	static const enum emulation_scope scopes[] = {EMULATE_NODES, EMULATE_IDS, EMULATE_IDS_AND_MOVES};

	for (size_t i = 0; i < ARRAY_COUNT(scopes); i++)
		check(emulation_table(scopes[i]));
#ifdef __x86_64__
	check(translation_table());
#endif
}

/* What changes or shows an owner by one of the ABIs does so by the other. */
static void what_is_emulated_is_so_for_both_abis(void **state)
{
#ifdef __x86_64__
	const struct trap_table *native = emulation_table(EMULATE_IDS);

	assert_non_null(native->also);
	for (size_t i = 0; i < native->count; i++) {
		trap_handler *handle = native->entries[i].handle;
		bool found = !handle;
		for (const struct trap_table *at = native->also; at; at = at->also)
			for (size_t k = 0; !found && k < at->count; k++)
				found = at->entries[k].arch != native->entries[i].arch &&
					at->entries[k].handle == handle;
		assert_true(found);
	}
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_is_in_a_table_once_and_the_filters_fit),
		cmocka_unit_test(what_is_emulated_is_so_for_both_abis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
