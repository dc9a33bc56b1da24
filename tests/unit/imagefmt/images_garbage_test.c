/* What goes with an image that is removed, what the catalogue of the others keeps, and what a process that is killed on
 * the way leaves to the next. */
#include "imagefmt/images_garbage.h"

#include "tests/unit/imagefmt/sample.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "imagefmt/images_catalogue.h"
#include "imagefmt/images_internal.h"
#include "imagefmt/layer_internal.h"

static void add(struct store *store, const struct sample *sample, const char *name)
{
	assert_int_equal(images_add(store, &sample->manifest, &sample->config, 0, name, NULL), 0);
}

/* As rmi does it, nothing else standing on layers. */
static int sweep(struct store *store, struct images_collected *collected)
{
	cleanup(images_garbage_done) struct images_garbage garbage = {0};
	cleanup(strlist_done) struct strlist trash = {0};
	struct images_collected counted = {0};
	int rc = images_garbage_find(store, &garbage, NULL);
	if (rc == 0)
		rc = images_garbage_sweep(store, &garbage, &trash, &counted, NULL);
	if (collected)
		*collected = counted;
	return rc;
}

/* Two images on one layer, and one on its own. */
struct trio {
	struct sample one, two, other;
};

static void trio_make(struct store *store, struct trio *trio)
{
	sample_make(store, "shared", &trio->one);
	sample_make_on(store, &trio->one.layer, "two", &trio->two);
	sample_make(store, "other", &trio->other);
	add(store, &trio->one, "localhost/one:1");
	add(store, &trio->two, "localhost/two:1");
	add(store, &trio->other, "localhost/other:1");
}

static void trio_done(struct trio *trio)
{
	descriptor_done(&trio->one.manifest);
	descriptor_done(&trio->two.manifest);
	descriptor_done(&trio->other.manifest);
}
CLEANUP_FOR_VALUE(struct trio, trio_done)

static void what_only_the_removed_image_has_used_goes(void **state)
{
	struct tempstore *t = *state;
	cleanup(trio_done) struct trio trio = {0};
	struct images_collected collected;
	trio_make(t->store, &trio);
	assert_int_equal(images_remove(t->store, &trio.one.config, NULL), 0);
	assert_int_equal(sweep(t->store, &collected), 0);
	assert_int_equal(collected.blobs, 2); /* manifest and configuration */
	assert_present(t->store, &trio.two, true);
	assert_false(blob_exists(t->store, &trio.one.config, NULL));

	assert_int_equal(images_remove(t->store, &trio.two.config, NULL), 0);
	assert_int_equal(sweep(t->store, &collected), 0);
	assert_int_equal(collected.blobs, 3);
	assert_present(t->store, &trio.two, false);
	assert_present(t->store, &trio.other, true);
	assert_int_equal(sweep(t->store, &collected), 0);
	assert_int_equal(collected.blobs, 0);
}

static void several_removed_at_once_go_together(void **state)
{
	struct tempstore *t = *state;
	cleanup(trio_done) struct trio trio = {0};
	struct images_collected collected;
	trio_make(t->store, &trio);
	assert_int_equal(images_remove(t->store, &trio.one.config, NULL), 0);
	assert_int_equal(images_remove(t->store, &trio.two.config, NULL), 0);
	assert_int_equal(sweep(t->store, &collected), 0);
	assert_int_equal(collected.blobs, 5);
	assert_present(t->store, &trio.other, true);
}

static void an_image_that_comes_back_before_the_sweep_stays(void **state)
{
	struct tempstore *t = *state;
	cleanup(trio_done) struct trio trio = {0};
	trio_make(t->store, &trio);
	assert_int_equal(images_remove(t->store, &trio.other.config, NULL), 0);
	add(t->store, &trio.other, "localhost/again:1");
	assert_int_equal(sweep(t->store, NULL), 0);
	assert_present(t->store, &trio.other, true);
	/* And goes as often as it is removed. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(images_remove(t->store, &trio.other.config, NULL), 0);
		if (i < 2)
			add(t->store, &trio.other, "localhost/again:1");
	}
	assert_int_equal(sweep(t->store, NULL), 0);
	assert_present(t->store, &trio.other, false);
}

/* ---- the catalogue ---- */

static char *catalogue_path(const struct tempstore *t)
{
	return tempstore_path(t, "store/images/catalogue");
}

/* How many records there are; -ESTALE. */
static int count_records(struct store *store)
{
	cleanup(catalogue_done) struct catalogue catalogue = CATALOGUE_INIT;
	cleanup_close int table = images_table_open(store, NULL);
	struct catalogue_record record;
	int count = 0, rc = catalogue_load(store, table, &catalogue, NULL);
	while (rc == 0 && catalogue_next(&catalogue, &record))
		count++;
	return rc < 0 ? rc : count;
}

static void a_store_without_a_catalogue_gets_one(void **state)
{
	struct tempstore *t = *state;
	cleanup(trio_done) struct trio trio = {0};
	cleanup_free char *path = catalogue_path(t);
	trio_make(t->store, &trio);
	assert_int_equal(count_records(t->store), 9); /* what it uses, its name, and that it is there, of each */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(images_remove(t->store, &trio.one.config, NULL), 0);
	assert_int_equal(sweep(t->store, NULL), 0);
	assert_present(t->store, &trio.two, true);
	assert_int_equal(count_records(t->store), 6);
}

static void a_catalogue_of_another_boot_is_made_anew(void **state)
{
	struct tempstore *t = *state;
	cleanup(trio_done) struct trio trio = {0};
	cleanup_free char *path = catalogue_path(t);
	trio_make(t->store, &trio);
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "XXXX", 4, 20), 4); /* in the boot's id */
	assert_int_equal(count_records(t->store), -ESTALE);
	/* Who adds an image removes it: whose it is must not take it for all there is, when it comes back. */
	struct sample late;
	sample_make_on(t->store, &trio.one.layer, "late", &late);
	add(t->store, &late, NULL);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(images_remove(t->store, &trio.one.config, NULL), 0);
	assert_int_equal(images_remove(t->store, &trio.two.config, NULL), 0);
	assert_int_equal(sweep(t->store, NULL), 0);
	assert_present(t->store, &late, true);
	descriptor_done(&late.manifest);
}

static void a_record_that_was_begun_is_passed_over(void **state)
{
	struct tempstore *t = *state;
	cleanup(trio_done) struct trio trio = {0};
	cleanup_free char *path = catalogue_path(t);
	struct sample late;
	struct stat st;
	trio_make(t->store, &trio);
	assert_int_equal(stat(path, &st), 0);
	for (off_t cut = 1; cut <= 43; cut += 7) {
		cleanup_free char *name = mem_printf("late-%d", (int)cut);
		sample_make_on(t->store, &trio.one.layer, name, &late);
		assert_int_equal(truncate(path, st.st_size - cut), 0); /* that `other` is there */
		add(t->store, &late, NULL);
		assert_int_equal(count_records(t->store), 8 + 3);
		descriptor_done(&late.manifest);
	}
	/* Only the last of them is in the catalogue, and keeps the layer. */
	assert_int_equal(images_remove(t->store, &trio.one.config, NULL), 0);
	assert_int_equal(images_remove(t->store, &trio.two.config, NULL), 0);
	assert_int_equal(sweep(t->store, NULL), 0);
	assert_true(blob_exists(t->store, &trio.one.layer, NULL));
}

static void what_a_list_leads_to_stays_though_it_came_later(void **state)
{
	struct tempstore *t = *state;
	struct sample child;
	cleanup(image_index_done) struct image_index index = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	sample_make(t->store, "child", &child);
	index.manifests = mem_alloc(sizeof(*index.manifests));
	index.manifest_count = 1;
	descriptor_copy(&index.manifests[0], &child.manifest);
	image_index_format(&index, &text);
	struct descriptor list = {
		.media_type = (char *)MEDIA_OCI_INDEX, .size = text.len, .digest = put(t->store, buf_str(&text))};
	/* When the list is added, nothing of the child is there but its manifest's name. */
	assert_int_equal(blob_remove(t->store, &child.manifest.digest, NULL), 0);
	assert_int_equal(images_add(t->store, &list, &list.digest, 0, "localhost/list:1", NULL), 0);
	descriptor_done(&child.manifest);
	sample_make(t->store, "child", &child);
	add(t->store, &child, "localhost/child:1");
	assert_int_equal(images_remove(t->store, &child.config, NULL), 0);
	assert_int_equal(sweep(t->store, NULL), 0);
	assert_present(t->store, &child, true);
	assert_int_equal(images_remove(t->store, &list.digest, NULL), 0);
	assert_int_equal(sweep(t->store, NULL), 0);
	assert_present(t->store, &child, false);
	descriptor_done(&child.manifest);
}

static void what_another_program_has_put_into_the_index_stays(void **state)
{
	struct tempstore *t = *state;
	cleanup(trio_done) struct trio trio = {0};
	char digest[DIGEST_TEXT_SIZE];
	trio_make(t->store, &trio);
	cleanup_free char *path = tempstore_path(t, "store/oci/index.json");
	cleanup_free char *text = mem_printf("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MEDIA_OCI_MANIFEST
					     "\",\"digest\":\"%s\",\"size\":%llu}]}",
					     digest_format(&trio.other.manifest.digest, digest),
					     (unsigned long long)trio.other.manifest.size);
	write_file(path, text, strlen(text));
	assert_int_equal(images_remove(t->store, &trio.other.config, NULL), 0);
	assert_int_equal(sweep(t->store, NULL), 0);
	assert_present(t->store, &trio.other, true);
}

/* ---- repositories ---- */

static void assert_lists(struct store *store, const char *repository, size_t count)
{
	cleanup(image_list_done) struct image_list list = {0};
	cleanup(strlist_done) struct strlist repositories = {0};
	strlist_append(&repositories, repository);
	assert_int_equal(images_list_of(store, &repositories, &list, NULL), 0);
	assert_int_equal(list.count, count);
}

static void images_are_listed_by_repository(void **state)
{
	struct tempstore *t = *state;
	cleanup(trio_done) struct trio trio = {0};
	cleanup_free char *path = catalogue_path(t);
	assert_lists(t->store, "localhost/one", 0); /* no image was ever here */
	trio_make(t->store, &trio);
	add(t->store, &trio.two, "localhost/one:2");
	for (int again = 0; again < 2; again++) {
		assert_lists(t->store, "localhost/one", 2);
		assert_lists(t->store, "localhost/other", 1);
		assert_lists(t->store, "localhost/on", 0);
		assert_lists(t->store, "one", 0);
		assert_int_equal(unlink(path), 0); /* it is made anew */
	}
	/* A name that has moved is listed where it is now. */
	add(t->store, &trio.other, "localhost/one:1");
	add(t->store, &trio.other, "localhost/one:2");
	assert_lists(t->store, "localhost/one", 1);
	assert_lists(t->store, "localhost/two", 1);
	assert_int_equal(images_untag(t->store, "localhost/two:1", NULL), 0);
	assert_lists(t->store, "localhost/two", 0);
}

/* ---- killed at each system call ---- */

struct killing {
	struct tempstore *store;
	const struct trio *trio;
};
typedef void killed_work(const struct killing *killing);

/* Nothing in it is synced: the machine does not crash here. */
static void reopen_unsynced(struct tempstore *t)
{
	cleanup_free char *root = tempstore_path(t, "store");
	cleanup_free char *runroot = tempstore_path(t, "run");
	struct store_options options = {.root = root, .runroot = runroot, .scratch = true};
	store_close(take_ptr(&t->store));
	assert_int_equal(store_open(&options, &t->store, NULL), 0);
}

/* True when the stopped process is about to change something on disk: between two such calls it is all the same when it
 * dies. */
static bool is_before_a_change(pid_t child)
{
	static const long changes[] = {SYS_renameat, SYS_renameat2, SYS_unlinkat,  SYS_symlinkat, SYS_mkdirat,
				       SYS_write,    SYS_pwrite64,  SYS_ftruncate, SYS_fallocate};
	struct __ptrace_syscall_info info = {0};
	if (ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(changes); i++)
		if ((long)info.entry.nr == changes[i])
			return true;
	return info.entry.nr == SYS_openat && info.entry.args[2] & O_CREAT;
}

/* Runs `work` in a child and kills it before change number `count`. False: it has come to its end. */
static bool run_and_kill(const struct killing *killing, killed_work *work, int count)
{
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		reopen_unsynced(killing->store);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		work(killing);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD);
	while (WIFSTOPPED(status)) {
		if (is_before_a_change(child) && --count < 0) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			return true;
		}
		assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static void remove_one(const struct killing *killing)
{
	struct store *store = killing->store->store;
	if (images_remove(store, &killing->trio->one.config, NULL) < 0 || sweep(store, NULL) < 0)
		_exit(1);
}

static void a_removal_that_is_killed_is_finished_by_the_next(void **state)
{
	struct tempstore *t = *state;
	int count = 0;
	for (bool goes_on = true; goes_on; count++) {
		cleanup(trio_done) struct trio trio = {0};
		struct killing killing = {t, &trio};
		reopen_unsynced(t);
		trio_make(t->store, &trio);
		goes_on = run_and_kill(&killing, remove_one, count);
		reopen_unsynced(t);
		assert_present(t->store, &trio.two, true);
		assert_present(t->store, &trio.other, true);
		/* It is there, whole, or it is gone, and so is what it had after the next sweep. */
		cleanup(image_entry_done) struct image_entry entry = {0};
		bool is_there = images_find(t->store, "one:1", &entry, NULL) == 0;
		assert_int_equal(sweep(t->store, NULL), 0);
		assert_int_equal(blob_exists(t->store, &trio.one.config, NULL), is_there);
		assert_int_equal(blob_exists(t->store, &trio.one.manifest.digest, NULL), is_there);
		assert_present(t->store, &trio.two, true);
		/* What is left goes, and nothing of it stays behind. */
		if (is_there)
			assert_int_equal(images_remove(t->store, &trio.one.config, NULL), 0);
		assert_int_equal(images_remove(t->store, &trio.two.config, NULL), 0);
		assert_int_equal(images_remove(t->store, &trio.other.config, NULL), 0);
		assert_int_equal(sweep(t->store, NULL), 0);
		assert_present(t->store, &trio.two, false);
		assert_present(t->store, &trio.other, false);
	}
	assert_true(count > 10);
}

static void add_two(const struct killing *killing)
{
	struct store *store = killing->store->store;
	if (images_add(store, &killing->trio->one.manifest, &killing->trio->one.config, 0, "localhost/one:1", NULL) <
		    0 ||
	    images_add(store, &killing->trio->two.manifest, &killing->trio->two.config, 0, "localhost/one:1", NULL) < 0)
		_exit(1);
}

static void an_adding_that_is_killed_leaves_a_catalogue_that_keeps_what_is_used(void **state)
{
	struct tempstore *t = *state;
	int count = 0;
	for (bool goes_on = true; goes_on; count++) {
		cleanup(trio_done) struct trio trio = {0};
		struct killing killing = {t, &trio};
		reopen_unsynced(t);
		sample_make(t->store, "shared", &trio.one);
		sample_make_on(t->store, &trio.one.layer, "two", &trio.two);
		sample_make_on(t->store, &trio.one.layer, "three", &trio.other);
		add(t->store, &trio.other, "localhost/other:1");
		goes_on = run_and_kill(&killing, add_two, count);
		reopen_unsynced(t);
		assert_int_equal(images_remove(t->store, &trio.other.config, NULL), 0);
		assert_int_equal(sweep(t->store, NULL), 0);
		cleanup(image_list_done) struct image_list list = {0};
		assert_int_equal(images_list(t->store, &list, NULL), 0);
		for (size_t i = 0; i < list.count; i++) {
			const struct sample *is =
				digest_equal(&list.items[i].id, &trio.one.config) ? &trio.one : &trio.two;
			assert_present(t->store, is, true);
			assert_int_equal(images_remove(t->store, &list.items[i].id, NULL), 0);
		}
		assert_int_equal(sweep(t->store, NULL), 0);
		assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
		assert_present(t->store, &trio.one, false);
	}
	assert_true(count > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(what_only_the_removed_image_has_used_goes),
		test_with_store(several_removed_at_once_go_together),
		test_with_store(an_image_that_comes_back_before_the_sweep_stays),
		test_with_store(a_store_without_a_catalogue_gets_one),
		test_with_store(a_catalogue_of_another_boot_is_made_anew),
		test_with_store(a_record_that_was_begun_is_passed_over),
		test_with_store(what_a_list_leads_to_stays_though_it_came_later),
		test_with_store(what_another_program_has_put_into_the_index_stays),
		test_with_store(images_are_listed_by_repository),
		test_with_store(a_removal_that_is_killed_is_finished_by_the_next),
		test_with_store(an_adding_that_is_killed_leaves_a_catalogue_that_keeps_what_is_used),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
