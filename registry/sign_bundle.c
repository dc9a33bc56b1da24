/*
 * What is signed is not the statement but its pre-authentication encoding (github.com/secure-systems-lab/dsse,
 * protocol.md): "DSSEv1 <len(type)> <type> <len(body)> <body>".
 */
#include "registry/sign_bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"

#define STATEMENT_TYPE "application/vnd.in-toto+json"
#define STATEMENT_V1 "https://in-toto.io/Statement/v1"
#define STATEMENT_V01 "https://in-toto.io/Statement/v0.1"
#define PREDICATE_TYPE "https://sigstore.dev/cosign/sign/v1"

/* ---- writing ---- */

static void encode(const char *type, const void *body, size_t size, struct buf *into)
{
	buf_printf(into, "DSSEv1 %zu %s %zu ", strlen(type), type, size);
	buf_append(into, body, size);
}

static void format_statement(const struct claim *claim, struct buf *into)
{
	cleanup_json json_t *root = json_object();
	json_t *subjects = json_array();
	json_t *subject = json_object();
	json_t *digests = json_object();
	char hex[DIGEST_HEX_SIZE];

	json_set_string(digests, digest_algorithm_name(claim->digest.algorithm), digest_hex(&claim->digest, hex));
	json_set_take(subject, "digest", digests);
	json_set_string_opt(subject, "name", claim->name);
	json_array_append_new(subjects, subject);
	json_set_string(root, "_type", STATEMENT_V1);
	json_set_take(root, "subject", subjects);
	json_set_string(root, "predicateType", PREDICATE_TYPE);
	json_set_take(root, "predicate", json_object());
	json_format(root, into);
}

static void format_bundle(const char *hint, const struct buf *statement, const struct buf *raw, struct buf *into)
{
	cleanup_json json_t *root = json_object();
	json_t *material = json_object();
	json_t *public = json_object();
	json_t *envelope = json_object();
	json_t *signatures = json_array();
	json_t *signature = json_object();
	cleanup_free char *payload = format_base64(buf_str(statement), statement->len);
	cleanup_free char *sig = format_base64(buf_str(raw), raw->len);

	json_set_string(public, "hint", hint);
	json_set_take(material, "publicKey", public);
	json_set_take(material, "tlogEntries", json_array());
	json_set_string(signature, "sig", sig);
	json_array_append_new(signatures, signature);
	json_set_string(envelope, "payload", payload);
	json_set_string(envelope, "payloadType", STATEMENT_TYPE);
	json_set_take(envelope, "signatures", signatures);
	json_set_string(root, "mediaType", BUNDLE_TYPE);
	json_set_take(root, "verificationMaterial", material);
	json_set_take(root, "dsseEnvelope", envelope);
	json_format(root, into);
}

int sign_bundle_make(const struct signing_key *key, const struct claim *claim, struct signature *signature,
		     struct error **err)
{
	cleanup(public_key_free) struct public_key *public = NULL;
	cleanup(buf_done) struct buf statement = BUF_INIT(SIGNATURE_SIZE_MAX);
	cleanup(buf_done) struct buf encoded = BUF_INIT(2 * SIGNATURE_SIZE_MAX);
	cleanup(buf_done) struct buf raw = BUF_INIT(KEY_SIGNATURE_SIZE_MAX);
	cleanup_free char *hint = NULL;

	format_statement(claim, &statement);
	encode(STATEMENT_TYPE, buf_str(&statement), statement.len, &encoded);
	int rc = signing_key_sign(key, buf_str(&encoded), encoded.len, &raw, err);
	if (rc == 0)
		rc = signing_key_public(key, &public, err);
	if (rc == 0)
		rc = public_key_hint(public, &hint, err);
	if (rc == 0)
		format_bundle(hint, &statement, &raw, &signature->bytes);
	return rc;
}

/* ---- reading ---- */

static int get_text(const struct json_place *object, const char *key, char **text, struct error **err)
{
	struct json_place at = json_field(object, key);
	int rc = json_require(&at, err);

	return rc < 0 ? rc : json_get_string(at, text, err);
}

static int get_bytes(const struct json_place *object, const char *key, void **data, size_t *size, struct error **err)
{
	cleanup_free char *text = NULL;
	int rc = get_text(object, key, &text, err);

	return rc < 0 ? rc : parse_base64(text, key, data, size, err);
}

static int expect(const struct json_place *object, const char *key, const char *value, struct error **err)
{
	cleanup_free char *text = NULL;
	int rc = get_text(object, key, &text, err);

	if (rc == 0 && strcmp(text, value) != 0)
		rc = json_error(object, err, "%s is '%.100s' instead of '%s'", key, text, value);
	return rc;
}

/* Checks the envelope's one signature and gives its payload. */
static int open_envelope(const struct json_place *envelope, const struct public_key *key, void **body, size_t *size,
			 struct error **err)
{
	struct json_place signatures = json_field(envelope, "signatures");
	struct json_place first = json_element(&signatures, 0);
	cleanup(buf_done) struct buf encoded = BUF_INIT(2 * SIGNATURE_SIZE_MAX);
	cleanup_free void *raw = NULL;
	cleanup_free void *payload = NULL;
	size_t raw_size = 0;
	size_t payload_size = 0;

	int rc = expect(envelope, "payloadType", STATEMENT_TYPE, err);
	if (rc == 0)
		rc = get_bytes(envelope, "payload", &payload, &payload_size, err);
	if (rc == 0 && json_get_count(signatures, NULL) != 1)
		rc = json_error(&signatures, err, "not one signature");
	if (rc == 0)
		rc = get_bytes(&first, "sig", &raw, &raw_size, err);
	if (rc < 0)
		return rc;
	encode(STATEMENT_TYPE, payload, payload_size, &encoded);
	if (encoded.overflow || !public_key_verifies(key, buf_str(&encoded), encoded.len, raw, raw_size))
		return error_set(err, EKEYREJECTED, "it was not made by a key that the policy trusts");
	*body = take_ptr(&payload);
	*size = payload_size;
	return 0;
}

static int read_digest(const struct json_place *subject, struct digest *digest, struct error **err)
{
	struct json_place digests = json_field(subject, "digest");
	cleanup(strlist_done) struct strlist list = {0};
	int rc = json_get_map(digests, &list, err);

	if (rc == 0 && list.count != 1)
		return json_error(&digests, err, "not one digest");
	if (rc < 0)
		return rc;
	char *equals = strchr(list.items[0], '=');
	if (equals)
		*equals = ':';
	return digest_parse(list.items[0], digest, err);
}

static int parse_statement(const void *text, size_t size, const char *where, struct claim *claim, struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup_free char *type = NULL;
	int rc = json_parse(text, size, where, &root, err);

	if (rc < 0)
		return rc;
	struct json_place top = json_root(where, root);
	struct json_place subjects = json_field(&top, "subject");
	struct json_place subject = json_element(&subjects, 0);
	rc = get_text(&top, "_type", &type, err);
	if (rc == 0 && strcmp(type, STATEMENT_V1) != 0 && strcmp(type, STATEMENT_V01) != 0)
		return json_error(&top, err, "not an in-toto statement");
	/* The same key may have signed an SBOM of this image: that says what is in it, not that it is good. */
	if (rc == 0)
		rc = expect(&top, "predicateType", PREDICATE_TYPE, err);
	if (rc == 0 && json_get_count(subjects, NULL) != 1)
		return json_error(&subjects, err, "not one subject");
	if (rc == 0)
		rc = read_digest(&subject, &claim->digest, err);
	if (rc == 0)
		rc = json_get_string(json_field(&subject, "name"), &claim->name, err);
	return rc;
}

int sign_bundle_verify(const struct signature *signature, const struct public_key *key, struct claim *claim,
		       struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup_free void *body = NULL;
	size_t size = 0;
	int rc = json_parse(buf_str(&signature->bytes), signature->bytes.len, signature->where, &root, err);

	if (rc < 0)
		return rc;
	struct json_place top = json_root(signature->where, root);
	struct json_place envelope = json_field(&top, "dsseEnvelope");
	rc = expect(&top, "mediaType", BUNDLE_TYPE, err);
	if (rc == 0)
		rc = json_require(&envelope, err);
	if (rc == 0)
		rc = open_envelope(&envelope, key, &body, &size, err);
	return rc < 0 ? rc : parse_statement(body, size, signature->where, claim, err);
}
