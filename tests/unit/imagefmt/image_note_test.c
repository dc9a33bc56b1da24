/* An image that was written down is read as it was parsed. */
#include "imagefmt/image_note.h"

#include "tests/unit/imagefmt/tempstore.h"

#include <errno.h>
#include <sys/stat.h>

#include "imagefmt/blob.h"

#define LAYERS 40

/* Both documents of an image, in the store. */
struct sample {
	struct descriptor d;
	struct manifest m;
	struct image_config config;
};

static void sample_done(struct sample *sample)
{
	descriptor_done(&sample->d);
	manifest_done(&sample->m);
	image_config_done(&sample->config);
}
CLEANUP_FOR_VALUE(struct sample, sample_done)

static char *config_text(void)
{
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);

	buf_append_str(
		&text,
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2026-01-02T03:04:05Z\",\"comment\":\"top\","
		"\"x-other\":{\"a\":[1,2]},\"config\":{\"Env\":[\"A=b\"],\"Labels\":{\"z\":\"1\",\"a\":\"2\"},"
		"\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"],\"Interval\":5},\"Foo\":true},\"history\":[");
	for (int i = 0; i < LAYERS + 2; i++)
		buf_printf(&text, "%s{\"created\":\"2026-01-02T03:04:05Z\",\"created_by\":\"RUN a\\nb %d\"%s%s}",
			   i ? "," : "", i, i == 3 ? ",\"author\":\"me\",\"comment\":\"\\u00e4\"" : "",
			   i >= LAYERS ? ",\"empty_layer\":true" : "");
	buf_append_str(&text, "],\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[");
	for (int i = 0; i < LAYERS; i++)
		buf_printf(&text, "%s\"sha256:%064d\"", i ? "," : "", i + 1);
	buf_append_str(&text, "]}}");
	return buf_take(&text);
}

static char *manifest_text(const struct digest *config, size_t size, const char *last)
{
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);
	char digest[DIGEST_TEXT_SIZE];

	buf_printf(&text,
		   "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
		   "\",\"annotations\":{\"k\":\"v\"},\"config\":"
		   "{\"mediaType\":\"" MEDIA_OCI_CONFIG "\",\"digest\":\"%s\",\"size\":%zu},\"other\":7,\"layers\":[",
		   digest_format(config, digest), size);
	for (int i = 0; i < LAYERS; i++)
		buf_printf(&text, "%s{\"mediaType\":\"%s\",\"digest\":\"sha256:%064d\",\"size\":%d%s}", i ? "," : "",
			   i % 2 ? MEDIA_OCI_LAYER_GZIP : MEDIA_DOCKER_LAYER_GZIP, i + 100, i * 1000,
			   i == LAYERS - 1 ? last : "");
	buf_append_str(&text, "]}");
	return buf_take(&text);
}

static void make(struct store *store, const char *last, struct sample *sample)
{
	struct digest config;
	cleanup_free char *text = config_text();

	assert_int_equal(blob_put(store, text, strlen(text), &config, NULL), 0);
	assert_int_equal(image_config_parse(text, strlen(text), "configuration", &sample->config, NULL), 0);
	cleanup_free char *manifest = manifest_text(&config, strlen(text), last);
	assert_int_equal(blob_put(store, manifest, strlen(manifest), &sample->d.digest, NULL), 0);
	assert_int_equal(manifest_parse(manifest, strlen(manifest), "manifest", &sample->m, NULL), 0);
	sample->d.media_type = mem_strdup(MEDIA_OCI_MANIFEST);
	sample->d.size = strlen(manifest);
}

static void assert_same(const struct sample *a, const struct manifest *m, const struct image_config *config)
{
	cleanup(buf_done) struct buf one = BUF_INIT(1 << 20), other = BUF_INIT(1 << 20);

	image_config_format(&a->config, FORMAT_DOCKER, &one);
	image_config_format(config, FORMAT_DOCKER, &other);
	assert_string_equal(buf_str(&one), buf_str(&other));
	buf_clear(&one);
	buf_clear(&other);
	manifest_format(&a->m, &one);
	manifest_format(m, &other);
	assert_string_equal(buf_str(&one), buf_str(&other));
	/* What formatting would make alike. */
	assert_string_equal(a->m.config.media_type, m->config.media_type);
	for (size_t i = 0; i < LAYERS; i++)
		assert_string_equal(a->m.layers[i].media_type, m->layers[i].media_type);
}

static const struct image_sums no_sums;

static void is_read_as_it_was_parsed(void **state)
{
	struct tempstore *t = *state;
	cleanup(sample_done) struct sample sample = {0};
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(image_config_done) struct image_config config = {0};

	make(t->store, "", &sample);
	assert_false(image_note_read(t->store, &sample.d, &m, &config, NULL));
	image_note_write(t->store, &sample.d.digest, &sample.m, &sample.config, FORMAT_DOCKER, &no_sums);
	tempstore_reopen(t);
	assert_true(image_note_read(t->store, &sample.d, &m, &config, NULL));
	assert_same(&sample, &m, &config);
	struct digest named;
	assert_true(image_note_read_config(t->store, &sample.d.digest, &named));
	assert_true(digest_equal(&named, &m.config.digest));
	assert_false(image_note_read_config(t->store, &named, &named));
}

/* What is remembered of the texts is no more than a shorter way: damage is noticed with it and without. */
static void texts_are_read_again_by_their_sums(void **state)
{
	struct tempstore *t = *state;
	cleanup(sample_done) struct sample sample = {0};
	cleanup(image_done) struct image first = {0}, again = {0};
	struct image_entry entry = {0}, same = {0};
	cleanup(buf_done) struct buf one = BUF_INIT(1 << 20), other = BUF_INIT(1 << 20);

	make(t->store, "", &sample);
	descriptor_copy(&entry.manifest, &sample.d);
	descriptor_copy(&same.manifest, &sample.d);
	assert_int_equal(image_load(t->store, &entry, &first, NULL), 0);
	assert_int_equal(image_load(t->store, &same, &again, NULL), 0); /* by the note */
	assert_true(first.sums.manifest != 0 && first.sums.config != 0);
	assert_memory_equal(&first.sums, &again.sums, sizeof(first.sums));
	assert_int_equal(image_read_manifest(t->store, &again, &one, NULL), 0);
	assert_int_equal(blob_read(t->store, &sample.d.digest, 1 << 20, &other, NULL), 0);
	assert_string_equal(buf_str(&one), buf_str(&other));
	buf_clear(&one);
	assert_int_equal(image_read_config(t->store, &again, &one, NULL), 0);
	assert_int_equal(one.len, sample.m.config.size);
	/* Wrong sums are none. */
	again.sums.manifest++;
	again.sums.config = 0;
	buf_clear(&one);
	assert_int_equal(image_read_manifest(t->store, &again, &one, NULL), 0);
	assert_int_equal(image_read_config(t->store, &again, &other, NULL), 0);
}

static void damage_is_noticed_by_the_sum(void **state)
{
	struct tempstore *t = *state;
	cleanup(sample_done) struct sample sample = {0};
	cleanup(image_done) struct image image = {0};
	struct image_entry entry = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);
	char hex[DIGEST_HEX_SIZE];

	make(t->store, "", &sample);
	descriptor_copy(&entry.manifest, &sample.d);
	assert_int_equal(image_load(t->store, &entry, &image, NULL), 0);
	cleanup_free char *path = mem_printf("blobs/sha256/%s", digest_hex(&sample.d.digest, hex));
	cleanup_close int fd = openat(store_folder(t->store, STORE_OCI, NULL), path, O_RDWR | O_CLOEXEC);
	for (off_t at = 0; at < (off_t)sample.d.size; at += 97) {
		char was, is;
		assert_int_equal(pread(fd, &was, 1, at), 1);
		is = (char)(was ^ 1);
		assert_int_equal(pwrite(fd, &is, 1, at), 1);
		assert_int_equal(image_read_manifest(t->store, &image, &text, NULL), -EBADMSG);
		assert_int_equal(pwrite(fd, &was, 1, at), 1);
	}
	assert_int_equal(text.len, 0);
	assert_int_equal(image_read_manifest(t->store, &image, &text, NULL), 0);
	assert_int_equal(ftruncate(fd, (off_t)sample.d.size - 8), 0);
	assert_int_equal(image_read_manifest(t->store, &image, &text, NULL), -EBADMSG);
}

/* An OCI configuration loses what only Docker has when it is written: so does its note. */
static void says_what_the_text_says_and_not_more(void **state)
{
	struct tempstore *t = *state;
	cleanup(sample_done) struct sample sample = {0};
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(image_config_done) struct image_config config = {0};

	make(t->store, "", &sample);
	assert_string_equal(sample.config.comment, "top");
	image_note_write(t->store, &sample.d.digest, &sample.m, &sample.config, FORMAT_OCI, &no_sums);
	assert_true(image_note_read(t->store, &sample.d, &m, &config, NULL));
	assert_null(config.comment);
	assert_non_null(config.unknown);
}

static void a_layer_with_more_is_left_to_the_parser(void **state)
{
	struct tempstore *t = *state;
	cleanup(sample_done) struct sample sample = {0};
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(image_config_done) struct image_config config = {0};

	make(t->store, ",\"annotations\":{\"a\":\"b\"}", &sample);
	image_note_write(t->store, &sample.d.digest, &sample.m, &sample.config, FORMAT_DOCKER, &no_sums);
	assert_false(image_note_read(t->store, &sample.d, &m, &config, NULL));
}

/* The one file in cache/images. */
static char *note_path(const struct tempstore *t, const struct digest *digest)
{
	char hex[DIGEST_HEX_SIZE];

	return mem_printf("%s/store/cache/images/%s", t->dir, digest_hex(digest, hex));
}

static void a_damaged_note_is_none(void **state)
{
	struct tempstore *t = *state;
	cleanup(sample_done) struct sample sample = {0};
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(image_config_done) struct image_config config = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);

	make(t->store, "", &sample);
	image_note_write(t->store, &sample.d.digest, &sample.m, &sample.config, FORMAT_DOCKER, &no_sums);
	cleanup_free char *path = note_path(t, &sample.d.digest);
	assert_int_equal(fd_read_file(AT_FDCWD, path, &text, NULL), 0);
	for (size_t size = 0; size < text.len; size += size < 200 ? 1 : 173) {
		write_file(path, text.data, size);
		assert_false(image_note_read(t->store, &sample.d, &m, &config, NULL));
	}
	text.data[2] ^= 1; /* another boot */
	write_file(path, text.data, text.len);
	assert_false(image_note_read(t->store, &sample.d, &m, &config, NULL));
}

static void without_its_blobs_it_says_nothing(void **state)
{
	struct tempstore *t = *state;
	cleanup(sample_done) struct sample sample = {0};
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(image_config_done) struct image_config config = {0};
	struct stat st;

	make(t->store, "", &sample);
	image_note_write(t->store, &sample.d.digest, &sample.m, &sample.config, FORMAT_DOCKER, &no_sums);
	assert_int_equal(blob_remove(t->store, &sample.m.config.digest, NULL), 0);
	assert_false(image_note_read(t->store, &sample.d, &m, &config, NULL));
	cleanup_free char *path = note_path(t, &sample.d.digest);
	assert_int_equal(stat(path, &st), 0);
	image_note_remove(t->store, &sample.d.digest);
	assert_int_equal(stat(path, &st), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(is_read_as_it_was_parsed),
		test_with_store(texts_are_read_again_by_their_sums),
		test_with_store(damage_is_noticed_by_the_sum),
		test_with_store(says_what_the_text_says_and_not_more),
		test_with_store(a_layer_with_more_is_left_to_the_parser),
		test_with_store(a_damaged_note_is_none),
		test_with_store(without_its_blobs_it_says_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
