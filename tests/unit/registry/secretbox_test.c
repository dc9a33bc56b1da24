/* registry/secretbox.h: the test vector of NaCl's own tests (secretbox.c of nacl-20110221). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "registry/secretbox.h"

static const char key_text[] = "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389";
static const char nonce_text[] = "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37";
static const char plain_text[] = "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac72"
				 "8d45e6c61296cdc3c01233561f4"
				 "1db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde04897"
				 "7eb48f59ffd4924ca1c60902e52"
				 "f0a089bc76897040e082f937763848645e0705";
static const char box_text[] = "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c"
			       "531a1186ac0dfc17c98dce87b"
			       "4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae9022436"
			       "8517acfeabd6bb3732bc0e9da"
			       "99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5";

struct vector {
	uint8_t key[SECRETBOX_KEY_SIZE];
	uint8_t nonce[SECRETBOX_NONCE_SIZE];
	uint8_t box[147];
	uint8_t plain[131];
};

static int read_vector(void **state)
{
	struct vector *v = mem_alloc(sizeof(*v));

	*state = v;
	return parse_hex(key_text, strlen(key_text), v->key, sizeof(v->key)) |
	       parse_hex(nonce_text, strlen(nonce_text), v->nonce, sizeof(v->nonce)) |
	       parse_hex(box_text, strlen(box_text), v->box, sizeof(v->box)) |
	       parse_hex(plain_text, strlen(plain_text), v->plain, sizeof(v->plain));
}

static int forget_vector(void **state)
{
	mem_free_cleanup(state);
	return 0;
}

static void opens_the_vector_of_nacl(void **state)
{
	const struct vector *v = *state;
	cleanup(buf_done) struct buf plain = BUF_SECRET(4096);

	assert_int_equal(secretbox_open(v->key, v->nonce, v->box, sizeof(v->box), &plain, NULL), 0);
	assert_int_equal(plain.len, sizeof(v->plain));
	assert_memory_equal(plain.data, v->plain, sizeof(v->plain));
}

static void refuses_a_box_in_which_any_bit_is_different(void **state)
{
	const struct vector *v = *state;

	for (size_t i = 0; i < sizeof(v->box); i += 13) {
		struct vector changed = *v;
		cleanup(buf_done) struct buf plain = BUF_SECRET(4096);
		changed.box[i] ^= 1;
		assert_int_equal(secretbox_open(v->key, v->nonce, changed.box, sizeof(v->box), &plain, NULL), -EBADMSG);
		assert_int_equal(plain.len, 0);
	}
}

static void refuses_another_key_another_nonce_and_a_piece(void **state)
{
	const struct vector *v = *state;
	struct vector other = *v;
	cleanup(buf_done) struct buf plain = BUF_SECRET(4096);

	other.key[31] ^= 0x80;
	other.nonce[23] ^= 1;
	assert_int_equal(secretbox_open(other.key, v->nonce, v->box, sizeof(v->box), &plain, NULL), -EBADMSG);
	assert_int_equal(secretbox_open(v->key, other.nonce, v->box, sizeof(v->box), &plain, NULL), -EBADMSG);
	assert_int_equal(secretbox_open(v->key, v->nonce, v->box, sizeof(v->box) - 1, &plain, NULL), -EBADMSG);
	assert_int_equal(secretbox_open(v->key, v->nonce, v->box, 15, &plain, NULL), -EBADMSG);
	assert_int_equal(plain.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_the_vector_of_nacl),
		cmocka_unit_test(refuses_a_box_in_which_any_bit_is_different),
		cmocka_unit_test(refuses_another_key_another_nonce_and_a_piece),
	};

	return cmocka_run_group_tests(tests, read_vector, forget_vector);
}
