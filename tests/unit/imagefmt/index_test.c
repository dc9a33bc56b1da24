/* Indexes being edited: what takes the place of what, and what goes along. */
#include "imagefmt/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A digest that is told from others by one byte. */
static struct digest digest_number(uint8_t number)
{
	struct digest digest = {.algorithm = DIGEST_SHA256};

	digest.bytes[0] = number;
	return digest;
}

static void put_image(struct image_index *index, uint8_t number, const char *platform)
{
	cleanup(descriptor_done) struct descriptor entry = {
		.media_type = mem_strdup(MEDIA_OCI_MANIFEST), .digest = digest_number(number), .size = 100};

	if (platform) {
		entry.platform = mem_alloc(sizeof(*entry.platform));
		assert_int_equal(platform_parse(platform, entry.platform, NULL), 0);
	}
	image_index_put(index, &entry);
}

static void put_attestation(struct image_index *index, uint8_t number, uint8_t of)
{
	char text[DIGEST_TEXT_SIZE];
	const struct digest image = digest_number(of);
	cleanup(descriptor_done) struct descriptor entry = {
		.media_type = mem_strdup(MEDIA_OCI_MANIFEST), .digest = digest_number(number), .size = 100};

	entry.platform = mem_alloc(sizeof(*entry.platform));
	entry.platform->os = mem_strdup("unknown");
	entry.platform->architecture = mem_strdup("unknown");
	strlist_env_set(&entry.annotations, "vnd.docker.reference.type", "attestation-manifest");
	strlist_env_set(&entry.annotations, "vnd.docker.reference.digest", digest_format(&image, text));
	image_index_put(index, &entry);
}

static bool has(const struct image_index *index, uint8_t number)
{
	const struct digest digest = digest_number(number);

	return image_index_find(index, &digest) != NULL;
}

static void an_image_for_the_same_platform_takes_the_others_place(void **state)
{
	cleanup(image_index_done) struct image_index index = {0};

	put_image(&index, 1, "linux/amd64");
	put_image(&index, 2, "linux/arm64");
	put_image(&index, 3, "linux/amd64");
	assert_int_equal(index.manifest_count, 2);
	assert_false(has(&index, 1));
	assert_true(digest_equal(&index.manifests[0].digest, &(struct digest){.bytes = {3}}));
}

static void variants_and_images_without_a_platform_stand_beside_each_other(void **state)
{
	cleanup(image_index_done) struct image_index index = {0};

	put_image(&index, 1, "linux/arm/v6");
	put_image(&index, 2, "linux/arm/v7");
	put_image(&index, 3, NULL);
	put_image(&index, 4, NULL);
	assert_int_equal(index.manifest_count, 4);
	put_image(&index, 4, NULL);
	assert_int_equal(index.manifest_count, 4);
}

static void attestations_go_with_the_image_that_is_replaced(void **state)
{
	cleanup(image_index_done) struct image_index index = {0};

	put_image(&index, 1, "linux/amd64");
	put_attestation(&index, 10, 1);
	put_image(&index, 2, "linux/arm64");
	put_attestation(&index, 20, 2);
	put_image(&index, 3, "linux/amd64");
	assert_false(has(&index, 10));
	assert_true(has(&index, 20));
	assert_int_equal(index.manifest_count, 3);
}

static void several_attestations_do_not_replace_each_other(void **state)
{
	cleanup(image_index_done) struct image_index index = {0};

	put_image(&index, 1, "linux/amd64");
	put_attestation(&index, 10, 1);
	put_attestation(&index, 11, 1);
	assert_int_equal(index.manifest_count, 3);
}

static void an_entry_put_again_keeps_its_attestations(void **state)
{
	cleanup(image_index_done) struct image_index index = {0};

	put_image(&index, 1, "linux/amd64");
	put_attestation(&index, 10, 1);
	put_image(&index, 1, "linux/amd64/v2");
	assert_true(has(&index, 10));
	assert_int_equal(index.manifest_count, 2);
}

static void removing_takes_the_attestations_along(void **state)
{
	cleanup(image_index_done) struct image_index index = {0};
	const struct digest first = digest_number(1);

	put_image(&index, 1, "linux/amd64");
	put_attestation(&index, 10, 1);
	put_image(&index, 2, "linux/arm64");
	/* Also by a digest that lies in the index itself. */
	assert_true(image_index_remove(&index, &index.manifests[0].digest));
	assert_int_equal(index.manifest_count, 1);
	assert_true(has(&index, 2));
	assert_false(image_index_remove(&index, &first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_for_the_same_platform_takes_the_others_place),
		cmocka_unit_test(variants_and_images_without_a_platform_stand_beside_each_other),
		cmocka_unit_test(attestations_go_with_the_image_that_is_replaced),
		cmocka_unit_test(several_attestations_do_not_replace_each_other),
		cmocka_unit_test(an_entry_put_again_keeps_its_attestations),
		cmocka_unit_test(removing_takes_the_attestations_along),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
