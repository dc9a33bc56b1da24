#include "imagefmt/images.h"

#include "tests/unit/imagefmt/tempstore.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/atomicfile.h"
#include "imagefmt/blob.h"
#include "imagefmt/images_internal.h"

/* An image without layers whose configuration differs by `author`. */
static void make_image(struct store *store, const char *author, struct descriptor *manifest, struct digest *id)
{
	cleanup(image_config_done) struct image_config config = {0};
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	image_config_init(&config, NULL);
	config.author = mem_strdup(author);
	image_config_format(&config, FORMAT_OCI, &text);
	assert_int_equal(blob_put(store, text.data, text.len, id, NULL), 0);
	m.config = (struct descriptor){.media_type = mem_strdup(MEDIA_OCI_CONFIG), .digest = *id, .size = text.len};
	buf_clear(&text);
	manifest_format(&m, &text);
	descriptor_done(manifest);
	*manifest = (struct descriptor){.media_type = mem_strdup(MEDIA_OCI_MANIFEST), .size = text.len};
	assert_int_equal(blob_put(store, text.data, text.len, &manifest->digest, NULL), 0);
}

static struct digest add_image(struct store *store, const char *author, int64_t created, const char *name)
{
	cleanup(descriptor_done) struct descriptor manifest = {0};
	struct digest id;
	make_image(store, author, &manifest, &id);
	assert_int_equal(images_add(store, &manifest, &id, created, name, NULL), 0);
	return id;
}

static void assert_found(struct store *store, const char *text, const struct digest *id)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	if (images_find(store, text, &entry, NULL) != 0)
		fail_msg("'%s' was not found", text);
	assert_true(digest_equal(&entry.id, id));
}

static void an_image_is_found_by_all_its_names(void **state)
{
	struct tempstore *t = *state;
	char text[DIGEST_TEXT_SIZE];
	struct digest app = add_image(t->store, "app", 1, "localhost/app:latest");
	struct digest debian = add_image(t->store, "debian", 2, "docker.io/library/debian:12");
	assert_found(t->store, "localhost/app:latest", &app);
	assert_found(t->store, "localhost/app", &app);
	assert_found(t->store, "app", &app);
	assert_found(t->store, "app:latest", &app);
	assert_found(t->store, "debian:12", &debian);
	assert_found(t->store, "library/debian:12", &debian);
	assert_found(t->store, "docker.io/debian:12", &debian);
	digest_format(&app, text);
	assert_found(t->store, text, &app);
	assert_found(t->store, text + strlen("sha256:"), &app);
	text[strlen("sha256:") + 12] = '\0';
	assert_found(t->store, text, &app);
	assert_found(t->store, text + strlen("sha256:"), &app);
}

static void an_image_is_found_by_its_manifest(void **state)
{
	struct tempstore *t = *state;
	cleanup(descriptor_done) struct descriptor manifest = {0};
	struct digest id;
	char text[DIGEST_TEXT_SIZE];
	make_image(t->store, "x", &manifest, &id);
	assert_int_equal(images_add(t->store, &manifest, &id, 0, "quay.io/a/b:1", NULL), 0);
	digest_format(&manifest.digest, text);
	cleanup_free char *by_name = mem_printf("quay.io/a/b@%s", text);
	cleanup_free char *by_tag = mem_printf("quay.io/a/b:other@%s", text);
	cleanup_free char *elsewhere = mem_printf("quay.io/a/c@%s", text);
	cleanup_free char *bare = mem_printf("@%s", text);
	cleanup(image_entry_done) struct image_entry entry = {0};
	assert_found(t->store, by_name, &id);
	assert_found(t->store, by_tag, &id);
	assert_found(t->store, bare, &id);
	assert_int_equal(images_find(t->store, elsewhere, &entry, NULL), -ENOENT);
}

static void our_own_short_names_come_before_dockers(void **state)
{
	struct tempstore *t = *state;
	add_image(t->store, "docker", 1, "docker.io/library/x:latest");
	struct digest ours = add_image(t->store, "ours", 2, "localhost/x:latest");
	assert_found(t->store, "x", &ours);
}

static void an_unknown_image_is_said_in_buildahs_words(void **state)
{
	struct tempstore *t = *state;
	cleanup(image_entry_done) struct image_entry entry = {0};
	const char *texts[] = {"nosuch", "ab", "abcdef0123", "sha256:abc", "A B", "", "@sha256:x"};
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup_error struct error *err = NULL;
		cleanup_free char *expected = mem_printf("%s: image not known", texts[i]);
		assert_int_equal(images_find(t->store, texts[i], &entry, &err), -ENOENT);
		assert_string_equal(error_message(err), expected);
	}
}

static void an_ambiguous_prefix_is_refused(void **state)
{
	struct tempstore *t = *state;
	cleanup(descriptor_done) struct descriptor manifest = {0};
	cleanup(image_entry_done) struct image_entry entry = {0};
	struct digest id;
	make_image(t->store, "x", &manifest, &id);
	struct digest a = {.bytes = {0xab, 0xcd, 0x01}};
	struct digest b = {.bytes = {0xab, 0xcd, 0x02}};
	assert_int_equal(images_add(t->store, &manifest, &a, 0, "localhost/a:1", NULL), 0);
	manifest.digest.bytes[0] ^= 1;
	assert_int_equal(images_add(t->store, &manifest, &b, 0, "localhost/b:1", NULL), 0);
	assert_int_equal(images_find(t->store, "abcd", &entry, NULL), -EINVAL);
	assert_found(t->store, "abcd02", &b);
}

static void a_name_moves_and_the_old_image_stays_without_one(void **state)
{
	struct tempstore *t = *state;
	cleanup(image_list_done) struct image_list list = {0};
	struct digest old = add_image(t->store, "old", 1, "localhost/x:latest");
	struct digest new = add_image(t->store, "new", 2, "localhost/x:latest");
	assert_found(t->store, "x", &new);
	assert_int_equal(images_list(t->store, &list, NULL), 0);
	assert_int_equal(list.count, 2);
	assert_true(digest_equal(&list.items[0].id, &new));
	assert_int_equal(list.items[0].names.count, 1);
	assert_true(digest_equal(&list.items[1].id, &old));
	assert_int_equal(list.items[1].names.count, 0);
}

static void an_image_with_two_names_is_listed_once(void **state)
{
	struct tempstore *t = *state;
	cleanup(image_list_done) struct image_list list = {0};
	add_image(t->store, "x", 7, NULL);
	add_image(t->store, "x", 7, "localhost/a:1");
	add_image(t->store, "x", 7, "localhost/b:1");
	add_image(t->store, "x", 7, "localhost/b:1");
	add_image(t->store, "x", 7, NULL);
	assert_int_equal(images_list(t->store, &list, NULL), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.items[0].names.count, 2);
	assert_int_equal(list.items[0].created, 7);
}

static void the_last_name_goes_and_the_image_stays(void **state)
{
	struct tempstore *t = *state;
	cleanup(image_list_done) struct image_list list = {0};
	struct digest id = add_image(t->store, "x", 1, "localhost/a:1");
	add_image(t->store, "x", 1, "localhost/b:1");
	assert_int_equal(images_untag(t->store, "localhost/a:1", NULL), 0);
	assert_int_equal(images_untag(t->store, "localhost/b:1", NULL), 0);
	assert_int_equal(images_untag(t->store, "localhost/b:1", NULL), -ENOENT);
	assert_int_equal(images_list(t->store, &list, NULL), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.items[0].names.count, 0);
	assert_int_equal(images_remove(t->store, &id, NULL), 0);
	assert_int_equal(images_remove(t->store, &id, NULL), -ENOENT);
}

static void entries_of_other_programs_are_kept(void **state)
{
	struct tempstore *t = *state;
	const char *foreign =
		"{\"annotations\":{\"x\":\"y\"},\"manifests\":[{\"annotations\":{\""
		"org.opencontainers.image.ref.name"
		"\":\"theirs\"},\"digest\":\"sha256:"
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"mediaType\":\"a/b\","
		"\"size\":1,\"strange\":true}],\"schemaVersion\":2}";
	cleanup(image_list_done) struct image_list list = {0};
	cleanup(image_entry_done) struct image_entry entry = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	int oci = store_folder(t->store, STORE_OCI, NULL);
	assert_int_equal(atomic_file_write(oci, "index.json", 0600, foreign, strlen(foreign), 0, NULL), 0);
	add_image(t->store, "x", 1, "localhost/a:1");
	assert_int_equal(images_list(t->store, &list, NULL), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(images_find(t->store, "theirs", &entry, NULL), -ENOENT);
	assert_int_equal(fd_read_file(oci, "index.json", &text, NULL), 0);
	assert_non_null(strstr(buf_str(&text), "\"strange\":true"));
	assert_non_null(strstr(buf_str(&text), "\"x\":\"y\""));
}

static void an_image_is_loaded_and_checked(void **state)
{
	struct tempstore *t = *state;
	cleanup(image_entry_done) struct image_entry entry = {0};
	cleanup(image_done) struct image image = {0};
	struct digest id = add_image(t->store, "me", 1, "localhost/a:1");
	assert_int_equal(images_find(t->store, "a:1", &entry, NULL), 0);
	assert_int_equal(image_load(t->store, &entry, &image, NULL), 0);
	assert_string_equal(image.config.author, "me");
	assert_int_equal(image.size, 0);
	assert_int_equal(entry.names.count, 0); /* taken over */

	assert_int_equal(images_find(t->store, "a:1", &entry, NULL), 0);
	assert_int_equal(blob_remove(t->store, &id, NULL), 0);
	cleanup_error struct error *err = NULL;
	assert_int_equal(image_load(t->store, &entry, &image, &err), -ENOENT);
	assert_non_null(strstr(error_message(err), "localhost/a:1"));
}

static void a_damaged_table_is_an_error_and_is_left_alone(void **state)
{
	struct tempstore *t = *state;
	cleanup(image_list_done) struct image_list list = {0};
	cleanup(descriptor_done) struct descriptor manifest = {0};
	struct digest id;
	make_image(t->store, "x", &manifest, &id);
	int oci = store_folder(t->store, STORE_OCI, NULL);
	assert_int_equal(atomic_file_write(oci, "index.json", 0600, "{", 1, 0, NULL), 0);
	assert_true(images_list(t->store, &list, NULL) < 0);
	assert_true(images_add(t->store, &manifest, &id, 0, "localhost/a:1", NULL) < 0);
	cleanup(buf_done) struct buf text = BUF_INIT(100);
	assert_int_equal(fd_read_file(oci, "index.json", &text, NULL), 0);
	assert_string_equal(buf_str(&text), "{");
}

/* What versions before the folder `images` had in oci/index.json. */
static void the_table_of_an_earlier_version_is_taken_over(void **state)
{
	struct tempstore *t = *state;
	const char *before =
		"{\"manifests\":[{\"annotations\":{\"io.github.cooper.created\":\"5\",\"io.github.cooper.image.id\":"
		"\"sha256:1111111111111111111111111111111111111111111111111111111111111111\","
		"\"org.opencontainers.image.ref.name\":\"localhost/a:1\"},\"digest\":\"sha256:"
		"2222222222222222222222222222222222222222222222222222222222222222\",\"mediaType\":"
		"\"application/vnd.oci.image.manifest.v1+json\",\"size\":1},"
		"{\"digest\":\"sha256:3333333333333333333333333333333333333333333333333333333333333333\","
		"\"mediaType\":\"a/b\",\"size\":1,\"strange\":true}],\"schemaVersion\":2}";
	cleanup(image_entry_done) struct image_entry entry = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	int oci = store_folder(t->store, STORE_OCI, NULL);
	assert_int_equal(atomic_file_write(oci, "index.json", 0600, before, strlen(before), 0, NULL), 0);
	assert_int_equal(images_find(t->store, "a:1", &entry, NULL), 0);
	assert_int_equal(entry.created, 5);
	assert_int_equal(entry.id.bytes[31], 0x11);
	assert_int_equal(entry.manifest.digest.bytes[0], 0x22);
	/* Not a second time, and not what was never ours. */
	assert_int_equal(images_untag(t->store, "localhost/a:1", NULL), 0);
	tempstore_reopen(t);
	assert_int_equal(images_find(t->store, "a:1", &entry, NULL), -ENOENT);
	assert_int_equal(fd_read_file(store_folder(t->store, STORE_OCI, NULL), "index.json", &text, NULL), 0);
	assert_non_null(strstr(buf_str(&text), "strange"));
	assert_null(strstr(buf_str(&text), "localhost/a:1"));
}

/* Killed between row and link, or between link and row: the one is nothing without the other. */
static void a_change_that_was_cut_off_is_made_or_is_not(void **state)
{
	struct tempstore *t = *state;
	cleanup(image_list_done) struct image_list list = {0};
	cleanup(image_entry_done) struct image_entry entry = {0};
	cleanup_close int lock = -1;
	struct digest a = add_image(t->store, "a", 1, "localhost/a:1");
	struct digest b = add_image(t->store, "b", 2, "localhost/b:1");
	cleanup_close int table = images_table_edit(t->store, &lock, NULL);
	assert_true(table >= 0);
	/* b's link is gone, its row is there: as before the name was given. */
	assert_int_equal(images_name_unset(table, "localhost/b:1", &b, NULL), 0);
	/* A link to an image that has no such row: as before a name was moved back. */
	assert_int_equal(images_name_set(t->store, table, "localhost/c:1", &a, NULL), 0);
	fd_close(take_fd(&lock));
	assert_int_equal(images_find(t->store, "b:1", &entry, NULL), -ENOENT);
	assert_int_equal(images_find(t->store, "c:1", &entry, NULL), -ENOENT);
	assert_int_equal(images_list(t->store, &list, NULL), 0);
	assert_int_equal(list.count, 1);
	assert_true(digest_equal(&list.items[0].id, &a));
	assert_int_equal(list.items[0].names.count, 1);
	/* And what is left over is in nobody's way. */
	add_image(t->store, "b", 2, "localhost/b:1");
	assert_found(t->store, "b:1", &b);
	add_image(t->store, "b", 2, "localhost/c:1");
	assert_found(t->store, "c:1", &b);
}

static void other_programs_see_the_names(void **state)
{
	struct tempstore *t = *state;
	cleanup(buf_done) struct buf view = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup(buf_done) struct buf later = BUF_INIT(MANIFEST_SIZE_MAX);
	int oci = store_folder(t->store, STORE_OCI, NULL);
	add_image(t->store, "a", 1, "localhost/a:1");
	add_image(t->store, "b", 2, "localhost/b:1");
	assert_int_equal(fd_read_file(oci, "index.json", &view, NULL), 0);
	assert_non_null(strstr(buf_str(&view), "localhost/a:1"));
	add_image(t->store, "b", 2, "localhost/a:1");
	assert_int_equal(images_untag(t->store, "localhost/b:1", NULL), 0);
	assert_int_equal(fd_read_file(oci, "index.json", &later, NULL), 0);
	const char *name = strstr(buf_str(&later), "localhost/a:1");
	assert_non_null(name);
	assert_null(strstr(name + 1, "localhost/a:1"));
	assert_null(strstr(buf_str(&later), "localhost/b:1"));
}

static void an_image_is_found_among_many(void **state)
{
	struct tempstore *t = *state;
	cleanup(image_list_done) struct image_list list = {0};
	struct digest ids[300];
	for (int i = 0; i < 300; i++) {
		cleanup_free char *name = mem_printf("localhost/many%d:1", i);
		ids[i] = add_image(t->store, name, i, name);
	}
	for (int i = 0; i < 300; i += 37) {
		cleanup_free char *name = mem_printf("many%d:1", i);
		char text[DIGEST_TEXT_SIZE];
		assert_found(t->store, name, &ids[i]);
		digest_format(&ids[i], text);
		text[strlen("sha256:") + 16] = '\0';
		assert_found(t->store, text, &ids[i]);
	}
	assert_int_equal(images_list(t->store, &list, NULL), 0);
	assert_int_equal(list.count, 300);
	/* Too many to be written anew each time. */
	cleanup(buf_done) struct buf view = BUF_INIT(MANIFEST_SIZE_MAX);
	assert_int_equal(fd_read_file(store_folder(t->store, STORE_OCI, NULL), "index.json", &view, NULL), 0);
	assert_null(strstr(buf_str(&view), "localhost/many"));
	assert_non_null(strstr(buf_str(&view), "omitted"));
	assert_true(digest_equal(&list.items[0].id, &ids[299]));
}

#define WRITERS 10

static void ten_processes_that_add_at_once_lose_nothing(void **state)
{
	struct tempstore *t = *state;
	pid_t pids[WRITERS];
	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			cleanup_free char *name = mem_printf("localhost/n%d:1", i);
			cleanup_free char *root = mem_printf("%s/store", t->dir);
			struct store_options options = {.root = root, .runroot = t->dir};
			struct store *own = NULL;
			if (store_open(&options, &own, NULL) < 0)
				_exit(1);
			add_image(own, name, i, name);
			store_close(own);
			_exit(0);
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		int status = 1;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	cleanup(image_list_done) struct image_list list = {0};
	assert_int_equal(images_list(t->store, &list, NULL), 0);
	assert_int_equal(list.count, WRITERS);
}

static void assert_unnamed(struct store *store, const struct digest *id)
{
	cleanup(image_list_done) struct image_list list = {0};
	assert_int_equal(images_list_unnamed(store, &list, NULL), 0);
	assert_int_equal(list.count, id != NULL);
	assert_true(!id || digest_equal(&list.items[0].id, id));
}

static void those_without_a_name_are_known_without_a_look_at_the_others(void **state)
{
	struct tempstore *t = *state;
	size_t count = 1;
	assert_int_equal(images_count(t->store, &count, NULL), 0);
	assert_int_equal(count, 0);
	assert_unnamed(t->store, NULL);
	struct digest one = add_image(t->store, "one", 1, "localhost/one:1");
	struct digest two = add_image(t->store, "two", 2, NULL);
	cleanup_free char *catalogue = tempstore_path(t, "store/images/catalogue");
	for (int again = 0; again < 2; again++) {
		assert_unnamed(t->store, &two);
		assert_int_equal(unlink(catalogue), 0); /* it is made anew */
	}
	assert_int_equal(images_remove(t->store, &two, NULL), 0);
	assert_unnamed(t->store, NULL);
	/* One whose name goes, and one whose name moves. */
	assert_int_equal(images_untag(t->store, "localhost/one:1", NULL), 0);
	assert_unnamed(t->store, &one);
	assert_int_equal(images_remove(t->store, &one, NULL), 0);
	struct digest three = add_image(t->store, "three", 3, "localhost/three:1");
	add_image(t->store, "four", 4, "localhost/three:1");
	assert_unnamed(t->store, &three);
	assert_int_equal(images_count(t->store, &count, NULL), 0);
	assert_int_equal(count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(an_image_is_found_by_all_its_names),
		test_with_store(an_image_is_found_by_its_manifest),
		test_with_store(our_own_short_names_come_before_dockers),
		test_with_store(an_unknown_image_is_said_in_buildahs_words),
		test_with_store(an_ambiguous_prefix_is_refused),
		test_with_store(a_name_moves_and_the_old_image_stays_without_one),
		test_with_store(an_image_with_two_names_is_listed_once),
		test_with_store(the_last_name_goes_and_the_image_stays),
		test_with_store(entries_of_other_programs_are_kept),
		test_with_store(an_image_is_loaded_and_checked),
		test_with_store(a_damaged_table_is_an_error_and_is_left_alone),
		test_with_store(the_table_of_an_earlier_version_is_taken_over),
		test_with_store(a_change_that_was_cut_off_is_made_or_is_not),
		test_with_store(other_programs_see_the_names),
		test_with_store(an_image_is_found_among_many),
		test_with_store(those_without_a_name_are_known_without_a_look_at_the_others),
		test_with_store(ten_processes_that_add_at_once_lose_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
