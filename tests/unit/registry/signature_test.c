/* registry/signature.h, sign_cosign.h, sign_bundle.h: what signatures say, and whose they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "registry/sign_bundle.h"
#include "registry/sign_cosign.h"
#include "registry/signature.h"

#define HEX "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CRITICAL                                                         \
	"\"critical\":{\"identity\":{\"docker-reference\":\"q.io/x:1\"}" \
	",\"image\":{\"docker-manifest-digest\":\"sha256:" HEX "\"}"

struct keys {
	struct signing_key *key, *other_key;
	struct public_key *public, *other_public;
};

static int make_keys(void **state)
{
	struct keys *keys = mem_alloc(sizeof(*keys));

	*state = keys;
	return signing_key_generate(&keys->key, NULL) | signing_key_generate(&keys->other_key, NULL) |
	       signing_key_public(keys->key, &keys->public, NULL) |
	       signing_key_public(keys->other_key, &keys->other_public, NULL);
}

static int free_keys(void **state)
{
	struct keys *keys = *state;

	signing_key_free(keys->key);
	signing_key_free(keys->other_key);
	public_key_free(keys->public);
	public_key_free(keys->other_public);
	free(keys);
	return 0;
}

static void set_claim(struct claim *claim)
{
	claim->name = mem_strdup("q.io/x:1");
	assert_int_equal(digest_parse("sha256:" HEX, &claim->digest, NULL), 0);
}

static void a_claim_is_read_as_it_is_written(void **state)
{
	static const enum signature_format formats[] = {SIGNATURE_GPG, SIGNATURE_COSIGN};

	for (size_t i = 0; i < ARRAY_COUNT(formats); i++) {
		cleanup(claim_done) struct claim claim = {0};
		cleanup(claim_done) struct claim again = {0};
		cleanup(buf_done) struct buf text = BUF_INIT(SIGNATURE_SIZE_MAX);
		set_claim(&claim);
		claim_format(formats[i], &claim, &text);
		assert_int_equal(claim_parse(formats[i], buf_str(&text), text.len, "x", &again, NULL), 0);
		assert_string_equal(again.name, claim.name);
		assert_true(digest_equal(&again.digest, &claim.digest));
		/* One kind is not the other. */
		assert_int_equal(claim_parse(formats[1 - i], buf_str(&text), text.len, "x", &again, NULL), -EINVAL);
	}
}

static void what_others_put_into_optional_does_not_matter(void **state)
{
	static const char *const texts[] = {
		"{" CRITICAL ",\"type\":\"cosign container image signature\"},\"optional\":null}",
		"{" CRITICAL ",\"type\":\"cosign container image signature\"},\"optional\":{\"a\":[1,{}]}}",
	};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(claim_done) struct claim claim = {0};
		assert_int_equal(claim_parse(SIGNATURE_COSIGN, texts[i], strlen(texts[i]), "x", &claim, NULL), 0);
	}
}

static void a_claim_with_more_or_less_in_it_is_refused(void **state)
{
#define TYPE ",\"type\":\"atomic container signature\""
	static const char *const texts[] = {
		"",
		"null",
		"[]",
		"{" CRITICAL TYPE "}}",
		"{" CRITICAL TYPE "},\"optional\":{},\"more\":1}",
		"{" CRITICAL TYPE ",\"more\":1},\"optional\":{}}",
		"{" CRITICAL "},\"optional\":{}}",
		"{" CRITICAL ",\"type\":\"atomic\"},\"optional\":{}}",
		"{" CRITICAL ",\"type\":1},\"optional\":{}}",
		"{" CRITICAL TYPE TYPE "},\"optional\":{}}",
		"{\"critical\":{\"identity\":{},\"image\":{\"docker-manifest-digest\":\"sha256:" HEX "\"}" TYPE
		"},\"optional\":{}}",
		"{\"critical\":{\"identity\":{\"docker-reference\":\"x\",\"y\":1},\"image\":"
		"{\"docker-manifest-digest\":\"sha256:" HEX "\"}" TYPE "},\"optional\":{}}",
		"{\"critical\":{\"identity\":{\"docker-reference\":\"x\"},\"image\":"
		"{\"docker-manifest-digest\":\"md5:aa\"}" TYPE "},\"optional\":{}}",
		"{" CRITICAL TYPE "},\"optional\":{}} trailing",
	};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(claim_done) struct claim claim = {0};
		cleanup_error struct error *err = NULL;
		assert_int_equal(claim_parse(SIGNATURE_GPG, texts[i], strlen(texts[i]), "x", &claim, &err), -EINVAL);
		assert_null(claim.name);
	}
}

static void cosigns_signature_holds_for_its_key_and_its_claim(void **state)
{
	const struct keys *keys = *state;
	cleanup(signature_list_done) struct signature_list list = {0};
	cleanup(claim_done) struct claim claim = {0};
	struct signature *signature = signature_list_add(&list, SIGNATURE_COSIGN, "x");

	set_claim(&claim);
	assert_int_equal(cosign_sign(keys->key, &claim, signature, NULL), 0);
	assert_true(cosign_verifies(signature, keys->public));
	assert_false(cosign_verifies(signature, keys->other_public));
	signature->bytes.data[30] ^= 1;
	assert_false(cosign_verifies(signature, keys->public));
	signature->bytes.data[30] ^= 1;
	mem_replace(&signature->cosign, "not base64!");
	assert_false(cosign_verifies(signature, keys->public));
	mem_replace(&signature->cosign, "");
	assert_false(cosign_verifies(signature, keys->public));
}

static void cosigns_signature_goes_through_a_file(void **state)
{
	const struct keys *keys = *state;
	cleanup(signature_list_done) struct signature_list list = {0};
	cleanup(signature_list_done) struct signature_list read = {0};
	cleanup(claim_done) struct claim claim = {0};
	cleanup(buf_done) struct buf file = BUF_INIT(2 * SIGNATURE_SIZE_MAX);
	struct signature *signature = signature_list_add(&list, SIGNATURE_COSIGN, "x");

	set_claim(&claim);
	assert_int_equal(cosign_sign(keys->key, &claim, signature, NULL), 0);
	assert_int_equal(signature_to_file(signature, &file, NULL), 0);
	assert_memory_equal(file.data, "\0sigstore-json\n{", 16);
	assert_int_equal(signature_from_file(&file, "f", &read, NULL), 0);
	assert_int_equal(read.count, 1);
	assert_int_equal(read.items[0].format, SIGNATURE_COSIGN);
	assert_true(cosign_verifies(&read.items[0], keys->public));
}

static void files_that_are_no_signatures_are_refused(void **state)
{
	static const char *const texts[] = {"", "hello", "{\"critical\":{}}"};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(signature_list_done) struct signature_list list = {0};
		cleanup(buf_done) struct buf file = BUF_INIT(SIGNATURE_SIZE_MAX);
		buf_append_str(&file, texts[i]);
		assert_int_equal(signature_from_file(&file, "f", &list, NULL), -EINVAL);
		assert_int_equal(list.count, 0);
	}
}

static void a_bundle_holds_for_its_key(void **state)
{
	const struct keys *keys = *state;
	cleanup(signature_list_done) struct signature_list list = {0};
	cleanup(claim_done) struct claim claim = {0};
	cleanup(claim_done) struct claim again = {0};
	struct signature *signature = signature_list_add(&list, SIGNATURE_BUNDLE, "x");

	set_claim(&claim);
	assert_int_equal(sign_bundle_make(keys->key, &claim, signature, NULL), 0);
	assert_int_equal(sign_bundle_verify(signature, keys->other_public, &again, NULL), -EKEYREJECTED);
	assert_null(again.name);
	assert_int_equal(sign_bundle_verify(signature, keys->public, &again, NULL), 0);
	assert_string_equal(again.name, claim.name);
	assert_true(digest_equal(&again.digest, &claim.digest));
}

/* A bundle around any statement, signed by the key as it should be. */
static void bundle_of(const struct signing_key *key, const char *statement, struct signature *signature)
{
	static const char type[] = "application/vnd.in-toto+json";
	cleanup(buf_done) struct buf encoded = BUF_INIT(SIGNATURE_SIZE_MAX);
	cleanup(buf_done) struct buf raw = BUF_INIT(KEY_SIGNATURE_SIZE_MAX);

	buf_printf(&encoded, "DSSEv1 %zu %s %zu %s", strlen(type), type, strlen(statement), statement);
	assert_int_equal(signing_key_sign(key, encoded.data, encoded.len, &raw, NULL), 0);
	cleanup_free char *payload = format_base64(statement, strlen(statement));
	cleanup_free char *sig = format_base64(raw.data, raw.len);
	buf_clear(&signature->bytes);
	buf_printf(&signature->bytes,
		   "{\"mediaType\":\"" BUNDLE_TYPE "\",\"dsseEnvelope\":{\"payload\":\"%s\",\"payloadType\":\"%s\","
		   "\"signatures\":[{\"sig\":\"%s\"}]}}",
		   payload, type, sig);
}

#define STATEMENT(predicate, subject)                                                                    \
	"{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicate\":{},\"predicateType\":\"" predicate \
	"\",\"subject\":[" subject "]}"
#define SIGN "https://sigstore.dev/cosign/sign/v1"
#define SUBJECT "{\"digest\":{\"sha256\":\"" HEX "\"}}"

static void a_statement_of_the_right_key_about_something_else_is_refused(void **state)
{
	const struct keys *keys = *state;
	static const char *const statements[] = {
		STATEMENT("https://spdx.dev/Document", SUBJECT),
		STATEMENT(SIGN, ""),
		STATEMENT(SIGN, SUBJECT "," SUBJECT),
		STATEMENT(SIGN, "{\"digest\":{}}"),
		STATEMENT(SIGN, "{\"digest\":{\"md5\":\"aa\"}}"),
		STATEMENT(SIGN, "{\"name\":\"q.io/x:1\"}"),
		"{}",
		"no JSON",
	};
	cleanup(signature_list_done) struct signature_list list = {0};
	struct signature *signature = signature_list_add(&list, SIGNATURE_BUNDLE, "x");

	for (size_t i = 0; i < ARRAY_COUNT(statements); i++) {
		cleanup(claim_done) struct claim claim = {0};
		bundle_of(keys->key, statements[i], signature);
		assert_int_equal(sign_bundle_verify(signature, keys->public, &claim, NULL), -EINVAL);
	}
	/* As cosign writes it: good, but without a name. */
	cleanup(claim_done) struct claim nameless = {0};
	bundle_of(keys->key, STATEMENT(SIGN, SUBJECT), signature);
	assert_int_equal(sign_bundle_verify(signature, keys->public, &nameless, NULL), 0);
	assert_null(nameless.name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_claim_is_read_as_it_is_written),
		cmocka_unit_test(what_others_put_into_optional_does_not_matter),
		cmocka_unit_test(a_claim_with_more_or_less_in_it_is_refused),
		cmocka_unit_test(cosigns_signature_holds_for_its_key_and_its_claim),
		cmocka_unit_test(cosigns_signature_goes_through_a_file),
		cmocka_unit_test(files_that_are_no_signatures_are_refused),
		cmocka_unit_test(a_bundle_holds_for_its_key),
		cmocka_unit_test(a_statement_of_the_right_key_about_something_else_is_refused),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
