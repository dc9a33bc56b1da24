/* Blobs against the layers that they are said to hold, while they come. */
#include "tests/unit/imagefmt/tempstore.h"

#include <errno.h>

#include "imagefmt/blob.h"
#include "imagefmt/layer_verify.h"

#define SIZE ((size_t)3 << 20)

/* A plain layer, which is its own packing: SIZE bytes that say where they are. */
static char *make_bytes(char salt)
{
	char *bytes = mem_alloc(SIZE);

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)(i % 251 + (size_t)salt);
	return bytes;
}

static struct descriptor describe(const char *bytes)
{
	struct descriptor blob = {.media_type = (char *)layer_media_type(FORMAT_OCI, CODEC_NONE), .size = SIZE};

	assert_int_equal(digest_of(bytes, SIZE, &blob.digest, NULL), 0);
	return blob;
}

static void write_pieces(struct blob_writer *writer, const char *bytes, size_t size)
{
	for (size_t done = 0; done < size; done += 100000) {
		size_t piece = size - done < 100000 ? size - done : 100000;
		assert_int_equal(blob_writer_write(writer, bytes + done, piece, NULL), 0);
	}
}

/* Fetches a blob that holds `right`, of which `claimed` is said. `before` comes first and is forgotten; NULL: nothing.
 */
static int fetch(struct tempstore *t, const char *right, const struct digest *claimed, const char *before)
{
	struct descriptor blob = describe(right);
	const struct layer_claim claim = {.packed = &blob, .diff_id = claimed};
	cleanup(layer_verify_free) struct layer_verify *verify = NULL;
	cleanup(blob_writer_free) struct blob_writer *writer = NULL;

	assert_int_equal(layer_verify_start(t->store, &claim, 1, &verify, NULL), 0);
	const struct blob_observer observer = {.grown = layer_verify_grown, .context = verify};
	store_set_observer(t->store, &observer);
	assert_int_equal(blob_writer_new(t->store, &blob.digest, SIZE, &writer, NULL), 0);
	if (before) {
		write_pieces(writer, before, SIZE / 2);
		assert_int_equal(blob_writer_restart(writer, NULL), 0);
	}
	write_pieces(writer, right, SIZE);
	assert_int_equal(blob_writer_commit(writer, NULL, NULL, NULL), 0);
	store_set_observer(t->store, NULL);
	return layer_verify_end(verify, NULL);
}

static void a_layer_that_is_what_it_should_be_is_found_to_be(void **state)
{
	cleanup_free char *bytes = make_bytes(1);
	struct descriptor blob = describe(bytes);

	assert_int_equal(fetch(*state, bytes, &blob.digest, /* before */ NULL), 0);
}

static void another_is_refused(void **state)
{
	cleanup_free char *bytes = make_bytes(1);
	cleanup_free char *other = make_bytes(2);
	struct descriptor claimed = describe(other);

	assert_int_equal(fetch(*state, bytes, &claimed.digest, /* before */ NULL), -EBADMSG);
}

static void what_has_begun_anew_counts_from_there(void **state)
{
	cleanup_free char *bytes = make_bytes(1);
	cleanup_free char *other = make_bytes(2);
	struct descriptor blob = describe(bytes);

	assert_int_equal(fetch(*state, bytes, &blob.digest, other), 0);
}

static void a_blob_that_nobody_saw_coming_is_looked_at(void **state)
{
	struct tempstore *t = *state;
	cleanup_free char *bytes = make_bytes(1);
	cleanup_free char *other = make_bytes(2);
	struct descriptor blob = describe(bytes), wrong = describe(other);
	const struct layer_claim claims[] = {{.packed = &blob, .diff_id = &blob.digest},
					     {.packed = &blob, .diff_id = &wrong.digest}};
	struct digest digest;

	assert_int_equal(blob_put(t->store, bytes, SIZE, &digest, NULL), 0);
	for (size_t count = 1; count <= 2; count++) {
		cleanup(layer_verify_free) struct layer_verify *verify = NULL;
		assert_int_equal(layer_verify_start(t->store, claims, count, &verify, NULL), 0);
		assert_int_equal(layer_verify_end(verify, NULL), count == 1 ? 0 : -EBADMSG);
	}
}

static void who_gives_up_waits_for_nothing(void **state)
{
	struct tempstore *t = *state;
	cleanup_free char *bytes = make_bytes(1);
	struct descriptor blob = describe(bytes);
	const struct layer_claim claim = {.packed = &blob, .diff_id = &blob.digest};
	struct layer_verify *verify = NULL;

	assert_int_equal(layer_verify_start(t->store, &claim, 1, &verify, NULL), 0);
	layer_verify_free(verify);
	verify = NULL;
	assert_int_equal(layer_verify_start(t->store, &claim, 1, &verify, NULL), 0);
	assert_int_equal(layer_verify_end(verify, NULL), -ENOENT);
	layer_verify_free(verify);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(a_layer_that_is_what_it_should_be_is_found_to_be),
		test_with_store(another_is_refused),
		test_with_store(what_has_begun_anew_counts_from_there),
		test_with_store(a_blob_that_nobody_saw_coming_is_looked_at),
		test_with_store(who_gives_up_waits_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
