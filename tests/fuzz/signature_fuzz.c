/* Any bytes as a key file, a claim, a signature's file and a bundle: no crash, and nothing believed that no key made.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "registry/keys.h"
#include "registry/sign_bundle.h"
#include "registry/sign_cosign.h"
#include "registry/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A key whose private half nobody has kept. */
static const char public_text[] = "-----BEGIN PUBLIC KEY-----\n"
				  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/kzq9ng3LB/4mppBDhrm+MtALp1l\n"
				  "maIp4IE5eExyyvVrKNt5elDySHUEtGqMTzbRPfFFdflZH1EdLSVd2yjpEg==\n"
				  "-----END PUBLIC KEY-----\n";

static void as_key(const uint8_t *data, size_t size)
{
	cleanup(signing_key_free) struct signing_key *key = NULL;
	cleanup(public_key_free) struct public_key *public = NULL;
	cleanup(buf_done) struct buf text = BUF_INIT(KEY_FILE_SIZE_MAX);
	cleanup_error struct error *err = NULL;

	buf_append(&text, data, size);
	/* Without a passphrase: scrypt would be all that is measured. */
	int rc = signing_key_parse(&text, "x.key", /* passphrase */ NULL, &key, &err);
	assert((rc == 0) == (key != NULL) && (rc < 0) == (err != NULL));
	if (public_key_parse(data, size, "x.pub", &public, NULL) == 0)
		assert(public);
}

static void as_signature(const uint8_t *data, size_t size, const struct public_key *key)
{
	cleanup(signature_list_done) struct signature_list list = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(SIGNATURE_SIZE_MAX);
	struct claim claim = {0};

	buf_append(&text, data, size);
	signature_from_file(&text, "x", &list, NULL);
	for (size_t i = 0; i < list.count; i++)
		assert(list.items[i].format == SIGNATURE_GPG || !cosign_verifies(&list.items[i], key));
	struct signature *bundle = signature_list_add(&list, SIGNATURE_BUNDLE, "x");
	buf_append(&bundle->bytes, data, size);
	assert(sign_bundle_verify(bundle, key, &claim, NULL) < 0);
	claim_done(&claim);
	if (claim_parse(SIGNATURE_COSIGN, data, size, "x", &claim, NULL) == 0)
		assert(claim.name && !digest_is_null(&claim.digest));
	claim_done(&claim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct public_key *key;

	if (!key && public_key_parse(public_text, strlen(public_text), "fuzz", &key, NULL) < 0)
		abort();
	as_key(data, size);
	as_signature(data, size, key);
	return 0;
}
