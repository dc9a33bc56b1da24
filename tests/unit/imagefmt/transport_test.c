#include "imagefmt/transport.h"

#include "tests/unit/imagefmt/tempstore.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "base/atomicfile.h"
#include "imagefmt/config.h"
#include "imagefmt/layout_remove.h"
#include "imagefmt/stream.h"
#include "imagefmt/tar.h"

/* The blobs of an image with one layer, in the store. */
struct sample {
	struct manifest manifest;
	struct buf text;
};

static void sample_done(struct sample *sample)
{
	manifest_done(&sample->manifest);
	buf_done(&sample->text);
}
CLEANUP_FOR_VALUE(struct sample, sample_done)

static int append_to_buf(const void *data, size_t size, void *context, struct error **err)
{
	buf_append(context, data, size);
	return 0;
}

static void put_descriptor(struct store *store, const struct buf *data, const char *media_type, struct descriptor *d)
{
	*d = (struct descriptor){.media_type = mem_strdup(media_type), .size = data->len};
	assert_int_equal(blob_put(store, data->data, data->len, &d->digest, NULL), 0);
}

static void sample_make(struct store *store, struct sample *sample)
{
	cleanup(buf_done) struct buf data = BUF_INIT(1 << 20);
	struct tar_writer w;
	*sample = (struct sample){.text = BUF_INIT(MANIFEST_SIZE_MAX)};
	tar_writer_init(&w, append_to_buf, &data);
	assert_int_equal(tar_write_file(&w, "hello", "world", 5, 0, NULL), 0);
	assert_int_equal(tar_write_end(&w, NULL), 0);
	struct manifest *m = &sample->manifest;
	m->layers = mem_alloc(sizeof(*m->layers));
	m->layer_count = 1;
	put_descriptor(store, &data, MEDIA_OCI_LAYER, &m->layers[0]);

	cleanup(image_config_done) struct image_config config = {0};
	image_config_init(&config, NULL);
	image_config_add_diff_id(&config, &m->layers[0].digest);
	buf_clear(&data);
	image_config_format(&config, FORMAT_OCI, &data);
	put_descriptor(store, &data, MEDIA_OCI_CONFIG, &m->config);
	manifest_format(m, &sample->text);
}

static int try_write(struct tempstore *t, const struct sample *sample, const char *place)
{
	cleanup(location_done) struct location location = {0};
	cleanup(image_sink_close) struct image_sink *sink = NULL;
	const struct descriptor *blobs[] = {&sample->manifest.layers[0], &sample->manifest.config};
	assert_int_equal(location_parse(place, &location, NULL), 0);
	int rc = image_sink_open_local(&location, t->store, &sink, NULL);
	if (rc == 0)
		rc = image_sink_send(sink, blobs, 2, t->store, NULL);
	if (rc == 0)
		rc = image_sink_manifest(sink, sample->text.data, sample->text.len, MEDIA_OCI_MANIFEST, true, NULL);
	if (rc == 0)
		rc = image_sink_commit(sink, NULL);
	return rc;
}

static int open_place(struct tempstore *t, const char *place, struct image_source **source)
{
	cleanup(location_done) struct location location = {0};
	assert_int_equal(location_parse(place, &location, NULL), 0);
	return image_source_open_local(&location, t->store, source, NULL);
}

static void fetch_all(struct store *store, struct image_source *source, const struct manifest *m)
{
	const struct descriptor *blobs[] = {&m->layers[0], &m->config};
	cleanup_error struct error *err = NULL;
	if (image_source_fetch(source, blobs, 2, store, &err) < 0)
		fail_msg("%s", error_message(err));
	assert_true(blob_exists(store, &m->layers[0].digest, NULL));
	assert_true(blob_exists(store, &m->config.digest, NULL));
}

/* Writes the sample to the place, forgets the blobs, and reads them from there again. */
static void assert_round_trip(struct tempstore *t, const char *write_to, const char *read_from)
{
	cleanup(sample_done) struct sample sample;
	cleanup(image_source_close) struct image_source *source = NULL;
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_free char *media_type = NULL;
	enum manifest_kind kind;
	sample_make(t->store, &sample);
	assert_int_equal(try_write(t, &sample, write_to), 0);
	assert_int_equal(blob_remove(t->store, &sample.manifest.config.digest, NULL), 0);
	assert_int_equal(blob_remove(t->store, &sample.manifest.layers[0].digest, NULL), 0);

	assert_int_equal(open_place(t, read_from, &source), 0);
	assert_int_equal(image_source_manifest(source, NULL, &text, &media_type, NULL), 0);
	assert_int_equal(manifest_kind(text.data, text.len, media_type, &kind, NULL), 0);
	assert_int_equal(kind, MANIFEST_IMAGE);
	assert_int_equal(manifest_parse(text.data, text.len, "test", &m, NULL), 0);
	assert_true(digest_equal(&m.config.digest, &sample.manifest.config.digest));
	fetch_all(t->store, source, &m);
}

static void a_layout_gives_back_what_was_written(void **state)
{
	struct tempstore *t = *state;
	cleanup_free char *named = mem_printf("oci:%s/new/layout:localhost/x:1", t->dir);
	cleanup_free char *unnamed = mem_printf("oci:%s/new/layout", t->dir);
	cleanup_free char *by_number = mem_printf("oci:%s/new/layout:@0", t->dir);
	assert_round_trip(t, named, named);
	assert_round_trip(t, named, unnamed);
	assert_round_trip(t, named, by_number);
}

static void an_archive_of_a_layout_gives_back_what_was_written(void **state)
{
	struct tempstore *t = *state;
	cleanup_free char *place = mem_printf("oci-archive:%s/a.tar:v1", t->dir);
	assert_round_trip(t, place, place);
	assert_round_trip(t, place, place); /* replaced */
}

static void a_docker_archive_gives_back_what_was_written(void **state)
{
	struct tempstore *t = *state;
	cleanup_free char *place = mem_printf("docker-archive:%s/a.tar:debian:12", t->dir);
	cleanup_free char *full = mem_printf("docker-archive:%s/a.tar:docker.io/library/debian:12", t->dir);
	cleanup_free char *number = mem_printf("docker-archive:%s/a.tar:@0", t->dir);
	cleanup_free char *other = mem_printf("docker-archive:%s/a.tar:debian:13", t->dir);
	cleanup(image_source_close) struct image_source *source = NULL;
	cleanup(sample_done) struct sample sample;
	assert_round_trip(t, place, full);
	sample_make(t->store, &sample);
	assert_int_equal(try_write(t, &sample, place), -EEXIST);
	assert_int_equal(open_place(t, other, &source), -ENOENT);
	assert_int_equal(open_place(t, number, &source), 0);
	cleanup_free char *name = image_source_name(source);
	assert_string_equal(name, "docker.io/library/debian:12");
}

static void a_directory_gives_back_what_was_written(void **state)
{
	struct tempstore *t = *state;
	cleanup_free char *place = mem_printf("dir:%s/d", t->dir);
	assert_round_trip(t, place, place);
	assert_round_trip(t, place, place);
}

static void nothing_is_there_before_the_commit(void **state)
{
	struct tempstore *t = *state;
	cleanup(sample_done) struct sample sample;
	sample_make(t->store, &sample);
	const struct descriptor *blobs[] = {&sample.manifest.layers[0], &sample.manifest.config};
	const char *places[] = {"oci:%s/o", "oci-archive:%s/o.tar", "docker-archive:%s/d.tar", "dir:%s/d"};
	const char *files[] = {"o/index.json", "o.tar", "d.tar", "d/manifest.json"};
	for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
		cleanup(location_done) struct location location = {0};
		struct image_sink *sink = NULL;
		cleanup_free char *file = tempstore_path(t, files[i]);
		cleanup(buf_done) struct buf place = BUF_INIT(4096);
		buf_append(&place, places[i], strcspn(places[i], "%"));
		buf_printf(&place, "%s%s", t->dir, strchr(places[i], '/'));
		assert_int_equal(location_parse(buf_str(&place), &location, NULL), 0);
		assert_int_equal(image_sink_open_local(&location, t->store, &sink, NULL), 0);
		assert_int_equal(image_sink_send(sink, blobs, 2, t->store, NULL), 0);
		assert_int_equal(image_sink_commit(sink, NULL), -EINVAL); /* no manifest yet */
		assert_int_equal(
			image_sink_manifest(sink, sample.text.data, sample.text.len, MEDIA_OCI_MANIFEST, true, NULL),
			0);
		assert_int_not_equal(access(file, F_OK), 0);
		image_sink_close(sink);
		assert_int_not_equal(access(file, F_OK), 0);
	}
}

static void a_directory_with_other_things_is_not_written_to(void **state)
{
	struct tempstore *t = *state;
	cleanup(sample_done) struct sample sample;
	cleanup_free char *dir = tempstore_path(t, "d");
	cleanup_free char *file = tempstore_path(t, "d/precious");
	cleanup_free char *place = mem_printf("dir:%s", dir);
	sample_make(t->store, &sample);
	assert_int_equal(mkdir(dir, 0755), 0);
	write_file(file, "x", 1);
	assert_int_equal(try_write(t, &sample, place), -ENOTEMPTY);
	assert_int_equal(access(file, F_OK), 0);
}

static void a_name_in_a_layout_is_replaced_and_others_are_kept(void **state)
{
	struct tempstore *t = *state;
	cleanup(sample_done) struct sample sample;
	cleanup_free char *one = mem_printf("oci:%s/o:one", t->dir);
	cleanup_free char *two = mem_printf("oci:%s/o:two", t->dir);
	cleanup_free char *three = mem_printf("oci:%s/o:three", t->dir);
	cleanup_free char *none = mem_printf("oci:%s/o", t->dir);
	struct image_source *source = NULL;
	sample_make(t->store, &sample);
	assert_int_equal(try_write(t, &sample, one), 0);
	assert_int_equal(try_write(t, &sample, two), 0);
	assert_int_equal(try_write(t, &sample, two), 0);
	assert_int_equal(open_place(t, none, &source), -EINVAL); /* which of the two? */
	assert_int_equal(open_place(t, three, &source), -ENOENT);
	assert_int_equal(open_place(t, one, &source), 0);
	image_source_close(source);
}

/* Of another process: what this one has open it does not. */
static pid_t remove_in_child(const char *place, struct image_sink *sink)
{
	cleanup(location_done) struct location location = {0};
	assert_int_equal(location_parse(place, &location, NULL), 0);
	pid_t child = fork();
	if (child != 0)
		return child;
	image_sink_close(sink);
	_exit(layout_remove_image(&location, NULL) == 0 ? 0 : 1);
}

static void blobs_that_a_writer_counts_on_are_not_removed_under_it(void **state)
{
	struct tempstore *t = *state;
	cleanup(sample_done) struct sample sample;
	cleanup_free char *one = mem_printf("oci:%s/o:one", t->dir);
	cleanup_free char *two = mem_printf("oci:%s/o:two", t->dir);
	cleanup_free char *blobs = mem_printf("%s/o/blobs", t->dir);
	cleanup(location_done) struct location location = {0};
	struct image_sink *sink = NULL;
	struct image_source *source = NULL;
	bool has = false;
	int status;
	sample_make(t->store, &sample);
	const struct descriptor *layer = &sample.manifest.layers[0];
	assert_int_equal(try_write(t, &sample, one), 0);
	assert_int_equal(location_parse(two, &location, NULL), 0);
	assert_int_equal(image_sink_open_local(&location, t->store, &sink, NULL), 0);
	assert_int_equal(image_sink_has(sink, &layer, 1, NULL, &has, NULL), 0);
	assert_true(has);
	cleanup_close int folder = open(blobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(folder, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	pid_t child = remove_in_child(one, sink);
	const struct descriptor *const config = &sample.manifest.config;
	assert_int_equal(image_sink_send(sink, &config, 1, t->store, NULL), 0);
	assert_int_equal(image_sink_manifest(sink, sample.text.data, sample.text.len, MEDIA_OCI_MANIFEST, true, NULL),
			 0);
	assert_int_equal(image_sink_commit(sink, NULL), 0);
	image_sink_close(sink);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(open_place(t, one, &source), -ENOENT);
	assert_int_equal(open_place(t, two, &source), 0);
	fetch_all(t->store, source, &sample.manifest);
	image_source_close(source);
}

static void places_that_are_missing_are_told_apart_by_code(void **state)
{
	struct tempstore *t = *state;
	const char *transports[] = {"oci", "oci-archive", "docker-archive", "dir"};
	for (size_t i = 0; i < ARRAY_COUNT(transports); i++) {
		struct image_source *source = NULL;
		cleanup_free char *place = mem_printf("%s:%s/nosuch", transports[i], t->dir);
		assert_int_equal(open_place(t, place, &source), -ENOENT);
	}
}

static void a_blob_that_lies_is_refused(void **state)
{
	struct tempstore *t = *state;
	cleanup(sample_done) struct sample sample;
	cleanup(image_source_close) struct image_source *source = NULL;
	char hex[DIGEST_HEX_SIZE];
	sample_make(t->store, &sample);
	const struct descriptor *config = &sample.manifest.config;
	cleanup_free char *place = mem_printf("oci:%s/o", t->dir);
	assert_int_equal(try_write(t, &sample, place), 0);
	cleanup_free char *file = mem_printf("%s/o/blobs/sha256/%s", t->dir, digest_hex(&config->digest, hex));
	cleanup_free char *lie = mem_alloc(config->size);
	write_file(file, lie, config->size);
	assert_int_equal(blob_remove(t->store, &config->digest, NULL), 0);
	assert_int_equal(open_place(t, place, &source), 0);
	assert_int_equal(image_source_fetch(source, &config, 1, t->store, NULL), -EBADMSG);
	write_file(file, lie, config->size - 1);
	assert_int_equal(image_source_fetch(source, &config, 1, t->store, NULL), -EBADMSG);
	assert_false(blob_exists(t->store, &config->digest, NULL));
}

static void a_link_out_of_a_layout_is_not_followed(void **state)
{
	struct tempstore *t = *state;
	cleanup(sample_done) struct sample sample;
	cleanup(image_source_close) struct image_source *source = NULL;
	char hex[DIGEST_HEX_SIZE];
	sample_make(t->store, &sample);
	const struct descriptor *config = &sample.manifest.config;
	cleanup_free char *place = mem_printf("oci:%s/o", t->dir);
	assert_int_equal(try_write(t, &sample, place), 0);
	cleanup_free char *file = mem_printf("%s/o/blobs/sha256/%s", t->dir, digest_hex(&config->digest, hex));
	cleanup_free char *outside = tempstore_path(t, "outside");
	assert_int_equal(rename(file, outside), 0);
	assert_int_equal(symlink(outside, file), 0);
	assert_int_equal(blob_remove(t->store, &config->digest, NULL), 0);
	assert_int_equal(open_place(t, place, &source), 0);
	assert_true(image_source_fetch(source, &config, 1, t->store, NULL) < 0);
}

/* A docker-archive made by hand: `layers` is JSON; the layer lies under a name of its own, other entries are links. */
static int open_archive(struct tempstore *t, const char *config_name, const char *layers, const char *link)
{
	cleanup(sample_done) struct sample sample;
	cleanup(buf_done) struct buf tar = BUF_INIT(1 << 20);
	cleanup(buf_done) struct buf layer = BUF_INIT(1 << 20);
	cleanup(buf_done) struct buf config = BUF_INIT(1 << 20);
	sample_make(t->store, &sample);
	assert_int_equal(blob_read(t->store, &sample.manifest.layers[0].digest, 1 << 20, &layer, NULL), 0);
	assert_int_equal(blob_read(t->store, &sample.manifest.config.digest, 1 << 20, &config, NULL), 0);
	cleanup_free char *index =
		mem_printf("[{\"Config\":\"%s\",\"RepoTags\":null,\"Layers\":%s}]", config_name, layers);
	struct tar_writer w;
	tar_writer_init(&w, append_to_buf, &tar);
	struct tar_entry entry = {.path = "b/layer.tar", .link = link, .type = TAR_SYMLINK, .mode = 0777};
	assert_int_equal(tar_write_entry(&w, &entry, NULL), 0);
	assert_int_equal(tar_write_file(&w, "manifest.json", index, strlen(index), 0, NULL), 0);
	assert_int_equal(tar_write_file(&w, "./a/layer.tar", layer.data, layer.len, 0, NULL), 0);
	assert_int_equal(tar_write_file(&w, "c.json", config.data, config.len, 0, NULL), 0);
	assert_int_equal(tar_write_end(&w, NULL), 0);
	cleanup_free char *file = tempstore_path(t, "hand.tar");
	write_file(file, tar.data, tar.len);

	cleanup(image_source_close) struct image_source *source = NULL;
	cleanup_free char *place = mem_printf("docker-archive:%s", file);
	int rc = open_place(t, place, &source);
	if (rc == 0) {
		assert_int_equal(blob_remove(t->store, &sample.manifest.layers[0].digest, NULL), 0);
		fetch_all(t->store, source, &sample.manifest);
	}
	return rc;
}

static void old_archives_hold_layers_as_links(void **state)
{
	struct tempstore *t = *state;
	assert_int_equal(open_archive(t, "c.json", "[\"a/layer.tar\"]", "x"), 0);
	assert_int_equal(open_archive(t, "c.json", "[\"b/layer.tar\"]", "../a/layer.tar"), 0);
}

static void hostile_archives_are_refused(void **state)
{
	struct tempstore *t = *state;
	assert_true(open_archive(t, "c.json", "[\"b/layer.tar\"]", "layer.tar") < 0); /* itself */
	assert_true(open_archive(t, "c.json", "[\"b/layer.tar\"]", "/etc/passwd") < 0);
	assert_true(open_archive(t, "c.json", "[\"b/layer.tar\"]", "../../../etc/passwd") < 0);
	assert_true(open_archive(t, "/etc/passwd", "[\"a/layer.tar\"]", "x") < 0);
	assert_true(open_archive(t, "c.json", "[]", "x") < 0);
	assert_true(open_archive(t, "c.json", "[\"a/layer.tar\",\"a/layer.tar\"]", "x") < 0);
	assert_true(open_archive(t, "c.json", "[1]", "x") < 0);
	assert_true(open_archive(t, "c.json", "{}", "x") < 0);
	assert_true(open_archive(t, "manifest.json", "[\"a/layer.tar\"]", "x") < 0);
}

static void what_is_no_archive_is_refused(void **state)
{
	struct tempstore *t = *state;
	cleanup_free char *file = tempstore_path(t, "junk");
	cleanup_free char *docker = mem_printf("docker-archive:%s", file);
	cleanup_free char *oci = mem_printf("oci-archive:%s", file);
	struct image_source *source = NULL;
	char junk[2000];
	memset(junk, 'x', sizeof(junk));
	for (size_t size = 0; size <= sizeof(junk); size += 1000) {
		write_file(file, junk, size);
		assert_true(open_place(t, docker, &source) < 0);
		assert_true(open_place(t, oci, &source) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(a_layout_gives_back_what_was_written),
		test_with_store(an_archive_of_a_layout_gives_back_what_was_written),
		test_with_store(a_docker_archive_gives_back_what_was_written),
		test_with_store(a_directory_gives_back_what_was_written),
		test_with_store(nothing_is_there_before_the_commit),
		test_with_store(a_directory_with_other_things_is_not_written_to),
		test_with_store(a_name_in_a_layout_is_replaced_and_others_are_kept),
		test_with_store(blobs_that_a_writer_counts_on_are_not_removed_under_it),
		test_with_store(places_that_are_missing_are_told_apart_by_code),
		test_with_store(a_blob_that_lies_is_refused),
		test_with_store(a_link_out_of_a_layout_is_not_followed),
		test_with_store(old_archives_hold_layers_as_links),
		test_with_store(hostile_archives_are_refused),
		test_with_store(what_is_no_archive_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
