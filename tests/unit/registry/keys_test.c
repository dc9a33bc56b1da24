/* registry/keys.h: keys written here, and cosign's; those below were made with tweetnacl and node's scrypt, in the form
 * that cosign writes, with the passphrase "correct horse". They sign nothing but this test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "registry/keys.h"

static const char cosign_key[] = "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n"
				 "eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjozMjc2OCwiciI6\n"
				 "OCwicCI6MX0sInNhbHQiOiJMd3FQMUwrSkNCMEZBd2VEMzZ1NDl4bURkRjdVS1E0\n"
				 "S1NPRUx0SVRZaDNJPSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94\n"
				 "Iiwibm9uY2UiOiJEdGlsQ2c3ZVNkb2gycEFnbE1xZVFORVpsTzV1Q1BzcyJ9LCJj\n"
				 "aXBoZXJ0ZXh0Ijoid1AzUDRVWGcveTlQMjVqdFBXaEx4clNsaS9SNmFlQ2xOdmVp\n"
				 "ODJwcnBjWW4ycERkUG85MldjVnNWYlZwU1pQYnBCdURnNnBJRFNzZG9TNUw3WEpF\n"
				 "WjZCNjYrM24vTXRtMEk1NkQrS0ZENTlmYWhsWms0SG1BeTA1UUp0WW1aUmhicEZD\n"
				 "eEdhaHMxQThZOHp4UitJRGhmeXZRNTRTdXVZWDNrZCt2eVd1Qk5KcGxjWTVJd1d4\n"
				 "MklzdzI3Ym81TzFjOGxNb2M2NS92QnRJbWc9PSJ9\n"
				 "-----END ENCRYPTED COSIGN PRIVATE KEY-----\n";
static const char cosign_public[] = "-----BEGIN PUBLIC KEY-----\n"
				    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/kzq9ng3LB/4mppBDhrm+MtALp1l\n"
				    "maIp4IE5eExyyvVrKNt5elDySHUEtGqMTzbRPfFFdflZH1EdLSVd2yjpEg==\n"
				    "-----END PUBLIC KEY-----\n";
static const char sigstore_key[] = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
				   "eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6\n"
				   "OCwicCI6MX0sInNhbHQiOiJLcXVLUDl2RW9acjk0d2FmaXQrSVRYWDRUdDlJNkl5\n"
				   "RUVqTVNEU1dMeFhRPSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94\n"
				   "Iiwibm9uY2UiOiJPQ05kdUdXVzVhREVSYXkycXpGRHhDZEZDVTVnSFBRLyJ9LCJj\n"
				   "aXBoZXJ0ZXh0IjoiQXQ0ZEtTQnhmMTRpM3p3YThsNWZaVzRJU1Zwb0hoYXFUT1o0\n"
				   "aGh1eGo0ZHRuZVNtVzBsZTJrc09IUVdNWUc4NjhxdE9KREhwdmZyUnJRK2F1ZlBB\n"
				   "SDU1Q3lZNTk5QnhhQ2ZtMnprdHdkUTRyZ0lWdWVUM3ltZFozMDFOcmE4czd6TkpY\n"
				   "cFZOaUZBKzk4NG5QTjlTWkR4VDF0TmFWa3YvNGJvYWpCUHJ3QWlJalZGWWdoY3Zi\n"
				   "Sk1VdnhpdVhQZ1E1SGhCOWV4ZzJWUk5wUmc9PSJ9\n"
				   "-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n";
static const char sigstore_public[] = "-----BEGIN PUBLIC KEY-----\n"
				      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEyMeAYYmJ+aQn54Biu0mPKrP9gcW7\n"
				      "SRhCv1EeGwc3JkmkNg+cLAqsIwpiQ64xv3B0TGSHnrqlnaYtAZytR3KdVg==\n"
				      "-----END PUBLIC KEY-----\n";

static struct buf text_of(const char *text)
{
	struct buf b = BUF_INIT(KEY_FILE_SIZE_MAX);

	buf_append_str(&b, text);
	return b;
}

static int parse(const char *text, const char *passphrase, struct signing_key **key, struct error **err)
{
	cleanup(buf_done) struct buf pem = text_of(text);
	cleanup(buf_done) struct buf secret = text_of(passphrase ? passphrase : "");

	return signing_key_parse(&pem, "x.key", passphrase ? &secret : NULL, key, err);
}

static void is_pair(const struct signing_key *key, const char *expected_public)
{
	cleanup(public_key_free) struct public_key *public = NULL;
	cleanup(buf_done) struct buf pem = BUF_INIT(KEY_FILE_SIZE_MAX);
	cleanup(buf_done) struct buf signature = BUF_INIT(KEY_SIGNATURE_SIZE_MAX);

	assert_int_equal(signing_key_public(key, &public, NULL), 0);
	assert_int_equal(public_key_format(public, &pem, NULL), 0);
	if (expected_public)
		assert_string_equal(buf_str(&pem), expected_public);
	assert_int_equal(signing_key_sign(key, "data", 4, &signature, NULL), 0);
	assert_true(public_key_verifies(public, "data", 4, signature.data, signature.len));
	assert_false(public_key_verifies(public, "dato", 4, signature.data, signature.len));
	assert_false(public_key_verifies(public, "data", 4, signature.data, signature.len - 1));
	signature.data[signature.len - 1] ^= 1;
	assert_false(public_key_verifies(public, "data", 4, signature.data, signature.len));
}

static void reads_the_keys_that_cosign_writes(void **state)
{
	static const char *const keys[][2] = {{cosign_key, cosign_public}, {sigstore_key, sigstore_public}};

	for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
		cleanup(signing_key_free) struct signing_key *key = NULL;
		assert_int_equal(parse(keys[i][0], "correct horse", &key, NULL), 0);
		is_pair(key, keys[i][1]);
	}
}

static void tells_a_wrong_passphrase_from_a_missing_one(void **state)
{
	cleanup(signing_key_free) struct signing_key *key = NULL;

	assert_int_equal(parse(cosign_key, "correct hors", &key, NULL), -EACCES);
	assert_int_equal(parse(cosign_key, "", &key, NULL), -EACCES);
	assert_int_equal(parse(cosign_key, NULL, &key, NULL), -ENOKEY);
	assert_null(key);
}

static void writes_keys_that_it_reads_again(void **state)
{
	static const char *const passphrases[] = {"secret", ""};

	for (size_t i = 0; i < ARRAY_COUNT(passphrases); i++) {
		cleanup(signing_key_free) struct signing_key *key = NULL;
		cleanup(signing_key_free) struct signing_key *again = NULL;
		cleanup(buf_done) struct buf secret = text_of(passphrases[i]);
		cleanup(buf_done) struct buf pem = BUF_INIT(KEY_FILE_SIZE_MAX);
		assert_int_equal(signing_key_generate(&key, NULL), 0);
		assert_int_equal(signing_key_format(key, &secret, &pem, NULL), 0);
		assert_non_null(strstr(buf_str(&pem), "-----BEGIN ENCRYPTED PRIVATE KEY-----"));
		assert_int_equal(parse(buf_str(&pem), NULL, &again, NULL), -ENOKEY);
		assert_int_equal(parse(buf_str(&pem), "other", &again, NULL), -EACCES);
		assert_int_equal(parse(buf_str(&pem), passphrases[i], &again, NULL), 0);
		is_pair(again, NULL);
	}
}

static void one_key_does_not_verify_what_another_signed(void **state)
{
	cleanup(signing_key_free) struct signing_key *key = NULL;
	cleanup(public_key_free) struct public_key *other = NULL;
	cleanup(buf_done) struct buf signature = BUF_INIT(KEY_SIGNATURE_SIZE_MAX);

	assert_int_equal(signing_key_generate(&key, NULL), 0);
	assert_int_equal(public_key_parse(cosign_public, strlen(cosign_public), "x.pub", &other, NULL), 0);
	assert_int_equal(signing_key_sign(key, "data", 4, &signature, NULL), 0);
	assert_false(public_key_verifies(other, "data", 4, signature.data, signature.len));
}

static void the_hint_is_the_hash_of_the_key(void **state)
{
	cleanup(public_key_free) struct public_key *key = NULL;
	cleanup_free char *hint = NULL;

	assert_int_equal(public_key_parse(cosign_public, strlen(cosign_public), "x.pub", &key, NULL), 0);
	assert_int_equal(public_key_hint(key, &hint, NULL), 0);
	/* openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64 */
	assert_string_equal(hint, "fwxRMr3sNNhuZu99dk+z+945jI+hAo9+E06Gwyuf/js=");
}

static void refuses_what_is_no_key(void **state)
{
	static const char *const texts[] = {
		"",
		"hello",
		"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nbm90IGEga2V5\n-----END ENCRYPTED SIGSTORE PRIVATE "
		"KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n",
		cosign_public,
	};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(signing_key_free) struct signing_key *key = NULL;
		cleanup_error struct error *err = NULL;
		assert_int_equal(parse(texts[i], "x", &key, &err), -EINVAL);
		assert_non_null(strstr(error_message(err), "x.key"));
	}
	cleanup(public_key_free) struct public_key *public = NULL;
	assert_int_equal(public_key_parse(cosign_key, strlen(cosign_key), "x.pub", &public, NULL), -EINVAL);
	assert_int_equal(public_key_parse(NULL, 0, "x.pub", &public, NULL), -EINVAL);
}

/* {"kdf":{"name":"scrypt","params":{"N":1073741824,"r":8,"p":1},"salt":…},"cipher":{…},"ciphertext":""}: a terabyte. */
static void refuses_parameters_that_cosign_never_wrote(void **state)
{
	static const char text[] = "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n"
				   "eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjoxMDczNzQxODI0\n"
				   "LCJyIjo4LCJwIjoxfSwic2FsdCI6ImMzTnpjM056YzNOemMzTnpjM056YzNOemMz\n"
				   "TnpjM056YzNOemMzTnpjM009In0sImNpcGhlciI6eyJuYW1lIjoibmFjbC9zZWNy\n"
				   "ZXRib3giLCJub25jZSI6ImJtNXVibTV1Ym01dWJtNXVibTV1Ym01dWJtNXVibTV1\n"
				   "In0sImNpcGhlcnRleHQiOiJZMk5qWTJOalkyTmpZMk5qWTJOalkyTmpZMk5qWTJO\n"
				   "alkyTmpZMk5qWTJOalkyTmpZMk5qWTJOalkyTmpZMk5qWTJOalkyTmpZMk5qWTJO\n"
				   "alkyTmpZMk5qWTJOalkyTmpZMk5qWTJOalkyTT0ifQ==\n"
				   "-----END ENCRYPTED COSIGN PRIVATE KEY-----\n";
	cleanup(signing_key_free) struct signing_key *key = NULL;
	cleanup_error struct error *err = NULL;

	assert_int_equal(parse(text, "x", &key, &err), -EINVAL);
	assert_non_null(strstr(error_message(err), "parameters"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_keys_that_cosign_writes),
		cmocka_unit_test(tells_a_wrong_passphrase_from_a_missing_one),
		cmocka_unit_test(writes_keys_that_it_reads_again),
		cmocka_unit_test(one_key_does_not_verify_what_another_signed),
		cmocka_unit_test(the_hint_is_the_hash_of_the_key),
		cmocka_unit_test(refuses_what_is_no_key),
		cmocka_unit_test(refuses_parameters_that_cosign_never_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
