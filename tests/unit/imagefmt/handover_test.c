/*
 * imagefmt/handover: each job once and in its order, the first failure of either side, and an end at any moment.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "imagefmt/handover.h"

#include <errno.h>

#define PLACES 8
#define MANY 1000

struct work {
	int jobs[PLACES];
	int seen[MANY];
	int count;
	int fails_at; /* the job of this number; -1: none */
};

static int note(void *context, size_t place, struct error **err)
{
	struct work *w = context;
	int number = w->jobs[place];

	if (number == w->fails_at)
		return error_set(err, EIO, "job %d", number);
	w->seen[w->count++] = number;
	return 0;
}

static int put(struct handover *h, struct work *w, int number)
{
	w->jobs[handover_place(h)] = number;
	return handover_put(h);
}

static void assert_in_order(const struct work *w, int count)
{
	assert_int_equal(w->count, count);
	for (int i = 0; i < count; i++)
		assert_int_equal(w->seen[i], i);
}

static void does_each_job_once_and_in_order(void **state)
{
	for (int count = 0; count <= MANY; count = count < 20 ? count + 1 : count * 3) {
		struct work w = {.fails_at = -1};
		struct handover h;
		handover_init(&h, PLACES, 2, note, &w);
		assert_int_equal(handover_start(&h), 0);
		for (int i = 0; i < count; i++)
			assert_int_equal(put(&h, &w, i), 0);
		assert_int_equal(handover_finish(&h, NULL), 0);
		assert_in_order(&w, count);
		handover_done(&h);
	}
}

static void flushes_down_to_what_may_be_left(void **state)
{
	struct work w = {.fails_at = -1};
	struct handover h;

	handover_init(&h, PLACES, 4, note, &w);
	assert_int_equal(handover_start(&h), 0);
	assert_int_equal(put(&h, &w, 0), 0);
	assert_int_equal(handover_flush(&h, 0), 0);
	assert_in_order(&w, 1);
	handover_done(&h);
}

static void tells_the_first_failure_to_who_fills(void **state)
{
	cleanup_error struct error *err = NULL;
	struct work w = {.fails_at = 20};
	struct handover h;
	int rc = 0;

	handover_init(&h, PLACES, 2, note, &w);
	assert_int_equal(handover_start(&h), 0);
	for (int i = 0; rc == 0 && i < MANY; i++)
		rc = put(&h, &w, i);
	assert_int_equal(rc, HANDOVER_BROKEN);
	handover_fail(&h, -ENOSPC, NULL); /* a later one */
	assert_int_equal(handover_finish(&h, &err), -EIO);
	assert_string_equal(error_message(err), "job 20");
	assert_in_order(&w, 20);
	handover_done(&h);
}

static void ends_without_being_finished(void **state)
{
	struct work w = {.fails_at = -1};
	struct handover h;

	handover_init(&h, PLACES, 4, note, &w);
	assert_int_equal(handover_start(&h), 0);
	assert_int_equal(put(&h, &w, 0), 0);
	handover_done(&h);
	assert_true(w.count <= 1);

	handover_init(&h, PLACES, 4, note, &w); /* and without having begun */
	handover_done(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_each_job_once_and_in_order),
		cmocka_unit_test(flushes_down_to_what_may_be_left),
		cmocka_unit_test(tells_the_first_failure_to_who_fills),
		cmocka_unit_test(ends_without_being_finished),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
