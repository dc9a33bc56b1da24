/* Marks of removal in both their meanings, the formats of others, records of owners, and the digests that are given. */
#include "tests/unit/imagefmt/tartree.h"

#include "base/ovlmark.h"
#include "base/owner.h"
#include "tests/unit/imagefmt/access_list.h"

static bool is_whiteout(int dirfd, const char *path)
{
	struct stat st;

	return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && ovlmark_is_whiteout(&st);
}

static bool is_opaque(int dirfd, const char *path)
{
	cleanup_close int fd = fd_open_dir(dirfd, path, NULL);

	return fd >= 0 && ovlmark_is_opaque(fd);
}

static int unpack_plain(struct tartree *t)
{
	struct unpack_result result;

	return unpack_with(t, &(struct unpack_options){.plain = true}, &result);
}

static void marks_become_overlayfs_own(void **state)
{
	struct tartree *t = *state;

	if (!has_whiteouts(t) || !has_user_xattrs(t))
		skip();
	put_file(t, "a/.wh.gone", "");
	put_dir(t, "b");
	put_file(t, "b/.wh..wh..opq", "");
	put_file(t, "b/new", "x");
	put_file(t, ".wh..wh.plnk/1.2", "aufs");
	assert_int_equal(unpack(t), 0);
	assert_true(is_whiteout(t->root, "a/gone"));
	assert_true(is_opaque(t->root, "b"));
	assert_false(is_opaque(t->root, "a"));
	assert_int_equal(type_in(t->root, ".wh..wh.plnk"), 0);
}

/* "Whiteout files MUST only apply to resources in lower/parent layers" (OCI image-spec layer.md). */
static void what_the_layer_brings_wins_in_any_order(void **state)
{
	struct tartree *t = *state;

	if (!has_whiteouts(t) || !has_user_xattrs(t))
		skip();
	put_file(t, "f1", "x");
	put_file(t, ".wh.f1", "");
	put_file(t, ".wh.f2", "");
	put_file(t, "f2", "x");
	put_dir(t, "d1");
	put_file(t, ".wh.d1", "");
	put_file(t, ".wh.d2", "");
	put_dir(t, "d2");
	put_file(t, ".wh.d3", "");
	put_file(t, "d3/implied", "x");
	assert_int_equal(unpack(t), 0);
	assert_holds(t->root, "f1", "x");
	assert_holds(t->root, "f2", "x");
	assert_true(is_opaque(t->root, "d1"));
	assert_true(is_opaque(t->root, "d2"));
	assert_true(is_opaque(t->root, "d3"));
	assert_holds(t->root, "d3/implied", "x");
}

static void plain_marks_remove(void **state)
{
	struct tartree *t = *state;

	put_file(t, "d/old", "x");
	put_file(t, "d/sub/old", "x");
	put_file(t, "gone/deep/file", "x");
	put_file(t, "kept", "x");
	assert_int_equal(unpack_plain(t), 0);
	put_file(t, "d/sub/new", "x");
	put_file(t, "d/.wh..wh..opq", "");
	put_file(t, "d/after", "x");
	put_file(t, ".wh.gone", "");
	put_file(t, ".wh.never-was", "");
	put_file(t, "kept", "y");
	put_file(t, ".wh.kept", "");
	assert_int_equal(unpack_plain(t), 0);
	assert_int_equal(type_in(t->root, "d/old"), 0);
	assert_int_equal(type_in(t->root, "d/sub/old"), 0);
	assert_holds(t->root, "d/sub/new", "x");
	assert_holds(t->root, "d/after", "x");
	assert_int_equal(type_in(t->root, "gone"), 0);
	assert_holds(t->root, "kept", "y");
}

static void plain_marks_do_not_follow_symlinks(void **state)
{
	struct tartree *t = *state;

	put_link(t, TAR_SYMLINK, "l", "../outside");
	put_link(t, TAR_SYMLINK, "m", "../outside/secret");
	assert_int_equal(unpack_plain(t), 0);
	put_file(t, ".wh.l", "");
	put_file(t, ".wh.m", "");
	assert_int_equal(unpack_plain(t), 0);
	assert_int_equal(type_in(t->root, "l"), 0);
}

static void entries_replace_what_stands_there(void **state)
{
	struct tartree *t = *state;
	struct stat st;

	put_file(t, "d/x", "x");
	put_file(t, "d", "now a file");
	put_file(t, "f", "file");
	put_dir(t, "f");
	put_file(t, "f/x", "x");
	put_dir(t, "same");
	put_file(t, "same/x", "x");
	put(t, (struct tar_entry){.path = "same", .type = TAR_DIRECTORY, .mode = 0700, .mtime = 42}, NULL);
	assert_int_equal(unpack(t), 0);
	assert_holds(t->root, "d", "now a file");
	assert_holds(t->root, "f/x", "x");
	assert_holds(t->root, "same/x", "x");
	assert_int_equal(fstatat(t->root, "same", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_mtim.tv_sec, 42);
}

static void the_root_entry_sets_the_root(void **state)
{
	struct tartree *t = *state;
	struct stat st;

	put(t, (struct tar_entry){.path = "./", .type = TAR_DIRECTORY, .mode = 0711, .mtime = 7}, NULL);
	put_file(t, "./x", "x");
	assert_int_equal(unpack(t), 0);
	assert_int_equal(fstat(t->root, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(st.st_mtim.tv_sec, 7);
}

static void parents_that_are_missing_are_made_alike(void **state)
{
	struct tartree *t = *state;
	struct stat st;

	put_file(t, "a/b/c", "x");
	assert_int_equal(unpack(t), 0);
	assert_int_equal(fstatat(t->root, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_mtim.tv_sec, 1700000000);
	assert_int_equal(st.st_mtim.tv_nsec, 0);
}

static void odd_times_are_kept_or_clamped(void **state)
{
	struct tartree *t = *state;
	struct stat st;

	put(t, (struct tar_entry){.path = "old", .type = TAR_FILE, .mtime = -100}, "x");
	put(t, (struct tar_entry){.path = "far", .type = TAR_FILE, .mtime = INT64_MAX}, "x");
	put(t, (struct tar_entry){.path = "past", .type = TAR_FILE, .mtime = INT64_MIN + 1}, "x");
	assert_int_equal(unpack(t), -EBADMSG); /* 19 digits are no time */
	put(t, (struct tar_entry){.path = "old", .type = TAR_FILE, .mtime = -100}, "x");
	put(t, (struct tar_entry){.path = "far", .type = TAR_FILE, .mtime = 99999999999999}, "x");
	assert_int_equal(unpack(t), 0);
	assert_int_equal(fstatat(t->root, "old", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, -100);
	assert_int_equal(fstatat(t->root, "far", &st, 0), 0);
	assert_true(st.st_mtim.tv_sec > 2000000000);
}

static void owners_that_cannot_be_given_are_recorded(void **state)
{
	struct tartree *t = *state;
	cleanup(owner_table_done) struct owner_table owners = {0};
	struct unpack_result result;
	struct owner_record record;
	struct owner_key key;

	if (geteuid() == 0 || !has_user_xattrs(t))
		skip(); /* root can give any */
	put(t, (struct tar_entry){.path = "f", .type = TAR_FILE, .uid = 42, .gid = 43, .mode = 04711}, "x");
	put(t, (struct tar_entry){.path = "l", .type = TAR_SYMLINK, .link = "f", .uid = 42}, NULL);
	assert_int_equal(unpack_with(t, &(struct unpack_options){.single_id = true}, &result), 0);
	assert_int_equal(result.recorded, 1);
	assert_int_equal(result.lost, 1);
	cleanup_close int fd = openat(t->root, "f", O_PATH | O_CLOEXEC);
	assert_int_equal(owner_get(fd, &record, NULL), 0);
	assert_int_equal(record.uid, 42);
	assert_int_equal(record.gid, 43);
	assert_int_equal(record.mode, 0); /* as it is on the file */
	put(t, (struct tar_entry){.path = "m", .type = TAR_SYMLINK, .link = "f", .uid = 42, .gid = 44}, NULL);
	assert_int_equal(unpack_with(t, &(struct unpack_options){.single_id = true, .owners = &owners}, &result), 0);
	assert_int_equal(result.lost, 0);
	assert_int_equal(owner_key_of(t->root, "m", &key, NULL), 0);
	assert_int_equal(owner_table_find(&owners, &key)->gid, 44);
	put(t, (struct tar_entry){.path = "f", .type = TAR_FILE, .uid = 42}, "x");
	assert_true(unpack(t) < 0);
	assert_non_null(strstr(error_message(t->error), "mapped"));
}

static void the_digest_covers_what_is_behind_the_end(void **state)
{
	struct tartree *t = *state;
	struct unpack_result result;
	struct digest expected;

	put_file(t, "a", "a");
	assert_int_equal(tar_write_end(&t->w, NULL), 0);
	buf_append(&t->tar, "trailing bytes", 14);
	assert_int_equal(digest_of(t->tar.data, t->tar.len, &expected, NULL), 0);
	cleanup_close int fd = fd_from_memory("layer", t->tar.data, t->tar.len, NULL);
	assert_int_equal(unpack_layer(fd, CODEC_NONE, t->root, NULL, &result, NULL), 0);
	assert_true(digest_equal(&result.diff_id, &expected));
	assert_int_equal(result.size, t->tar.len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(unpack_verify(fd, CODEC_NONE, NULL, &result, NULL), 0);
	assert_true(digest_equal(&result.diff_id, &expected));
}

/* Large enough for the threads; damage in the middle must end them all. */
static void large_layers_go_through_the_ring(void **state)
{
	struct tartree *t = *state;
	struct unpack_result result;
	cleanup_free char *data = mem_alloc((5 << 20) + 1);

	for (size_t i = 0; i < 5 << 20; i++)
		data[i] = (char)('a' + i % 23 + i / 100000 % 3);
	for (int i = 0; i < 4; i++) {
		cleanup_free char *name = mem_printf("f%d", i);
		put_file(t, name, data);
	}
	cleanup(buf_done) struct buf copy = BUF_INIT((size_t)1 << 28);
	buf_append(&copy, t->tar.data, t->tar.len);
	assert_int_equal(unpack(t), 0);
	assert_int_equal(tree_remove(t->root, "f0", NULL), 0);
	memset(copy.data + (5 << 20) + 2 * TAR_BLOCK, 'x', 5 << 10);
	cleanup_close int fd = fd_from_memory("layer", copy.data, copy.len, NULL);
	int rc = unpack_layer(fd, CODEC_NONE, t->root, NULL, &result, NULL);
	assert_true(rc == 0 || rc == -EBADMSG);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(unpack_layer(fd, CODEC_ZSTD, t->root, NULL, &result, NULL), -EBADMSG);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(unpack_verify(fd, CODEC_NONE, &(struct unpack_options){.max_bytes = 1000}, &result, NULL),
			 -EFBIG);
}

/* A megabyte and more, so that one thread makes them and another writes them. */
#define MANY 1200

static char *text_of_number(int i)
{
	return mem_printf("%0*d", 200 + i % 400, i);
}

static void put_many(struct tartree *t)
{
	for (int i = 0; i < MANY; i++) {
		cleanup_free char *name = mem_printf("d%d/f%d", i / 10, i);
		cleanup_free char *text = text_of_number(i);
		if (i % 7 == 0) /* which the next one replaces, perhaps before it is written */
			put_file(t, name, "an earlier one of the same name");
		put(t,
		    (struct tar_entry){
			    .path = name, .type = TAR_FILE, .mode = i % 3 ? 0644 : 0710, .mtime = 1000000000 + i},
		    i % 11 ? text : NULL);
		if (i % 5 == 0) {
			cleanup_free char *link = mem_printf("link%d", i);
			put_link(t, TAR_HARDLINK, link, name);
		}
	}
}

static void many_files_are_as_if_one_thread_had_made_them(void **state)
{
	struct tartree *t = *state;
	struct stat st, other;

	put_many(t);
	assert_int_equal(unpack(t), 0);
	for (int i = 0; i < MANY; i++) {
		cleanup_free char *name = mem_printf("d%d/f%d", i / 10, i);
		cleanup_free char *text = text_of_number(i);
		assert_holds(t->root, name, i % 11 ? text : "");
		assert_int_equal(fstatat(t->root, name, &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(st.st_mode & 07777, i % 3 ? 0644 : 0710);
		assert_int_equal(st.st_mtime, 1000000000 + i);
		cleanup_free char *link = mem_printf("link%d", i);
		if (i % 5 == 0)
			assert_int_equal(fstatat(t->root, link, &other, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(st.st_nlink, i % 5 == 0 ? 2 : 1);
		assert_true(i % 5 != 0 || other.st_ino == st.st_ino);
	}
}

/* Two threads may find a fault each; which is told does not depend on who was faster. */
static void the_fault_that_comes_first_in_the_tar_is_told(void **state)
{
	struct tartree *t = *state;

	for (int round = 0; round < 3; round++) {
		put_many(t);
		put(t, (struct tar_entry){.path = "nobodys", .type = TAR_FILE, .uid = UINT32_MAX}, "x");
		for (int i = 0; i < round * 10; i++)
			put_file(t, "after", "x");
		put_file(t, "../outside/secret", "y");
		assert_int_equal(unpack(t), -EBADMSG);
		assert_non_null(strstr(error_message(t->error), "nobodys"));
		assert_int_equal(tree_remove(t->dirfd, "root", NULL), 0);
		fd_close(t->root);
		assert_int_equal(mkdirat(t->dirfd, "root", 0755), 0);
		t->root = fd_open_dir(t->dirfd, "root", NULL);
	}
}

/* In the middle of a file of several pieces, of which the other thread has some. */
static void a_large_layer_that_is_cut_ends_both_threads(void **state)
{
	struct tartree *t = *state;
	struct unpack_result result;
	cleanup_free char *data = mem_alloc((3 << 20) + 1);

	memset(data, 'x', 3 << 20);
	put_many(t);
	put_file(t, "large", data);
	for (size_t cut = 1; cut < t->tar.len; cut += t->tar.len / 3) {
		cleanup_close int fd = fd_from_memory("layer", t->tar.data, t->tar.len - cut, NULL);
		assert_int_equal(unpack_layer(fd, CODEC_NONE, t->root, NULL, &result, NULL), -EBADMSG);
	}
}

static void assert_mode(const struct tartree *t, const char *path, mode_t mode)
{
	struct stat st;

	assert_int_equal(fstatat(t->root, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

/* POSIX ACLs as the kernel keeps them (linux/posix_acl_xattr.h): what is made in the directory is rw- for all. */
static bool set_default_acl(int dirfd)
{
	static const unsigned char acl[] = {
		2,    0, 0, 0,			       /* version */
		1,    0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* owner */
		4,    0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* group */
		0x20, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* others */
	};

	return fsetxattr(dirfd, "system.posix_acl_default", acl, sizeof(acl), 0) == 0;
}

static void modes_are_those_of_the_tar_whatever_the_umask(void **state)
{
	static const mode_t modes[] = {0644, 0755, 0600, 0666, 0777, 0400, 0, 0751, 04755, 02755, 06711};
	struct tartree *t = *state;

	for (int round = 0; round < 3; round++) {
		if (round == 2 && !set_default_acl(t->root))
			break; /* none can be had here */
		mode_t before = umask(round == 0 ? 0 : 077);
		for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
			cleanup_free char *file = mem_printf("f%d-%zu", round, i);
			cleanup_free char *dir = mem_printf("d%d-%zu", round, i);
			/* put() takes 0 for what is not said. */
			put(t, (struct tar_entry){.path = file, .type = TAR_FILE, .mode = modes[i] | S_IFREG}, "text");
			put(t, (struct tar_entry){.path = dir, .type = TAR_DIRECTORY, .mode = modes[i] | 01000}, NULL);
		}
		assert_int_equal(unpack(t), 0);
		umask(before);
		for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
			cleanup_free char *file = mem_printf("f%d-%zu", round, i);
			cleanup_free char *dir = mem_printf("d%d-%zu", round, i);
			mode_t kept = geteuid() == 0 ? 0 : 0600;
			assert_mode(t, file, modes[i] | kept);
			assert_mode(t, dir, modes[i] | 01000 | (kept ? 0700 : 0));
		}
	}
}

/* As GNU tar writes them when it is asked for all attributes. */
static void access_lists_of_a_tar_are_left_out(void **state)
{
	struct tartree *t = *state;
	const struct tar_xattr lists[] = {{ACCESS_LIST, &an_access_list, sizeof(an_access_list)},
					  {DEFAULT_LIST, &an_access_list, sizeof(an_access_list)},
					  {"user.kept", "x", 1}};

	if (!has_user_xattrs(t))
		skip();
	put(t,
	    (struct tar_entry){.path = "dir", .type = TAR_DIRECTORY, .mode = 0755, .xattrs = lists, .xattr_count = 3},
	    NULL);
	put_file(t, "dir/file", "x");
	assert_int_equal(unpack(t), 0);
	assert_false(has_list(t->root, "dir", ACCESS_LIST));
	assert_false(has_list(t->root, "dir", DEFAULT_LIST));
	assert_true(has_list(t->root, "dir", "user.kept"));
	assert_mode(t, "dir", 0755);
}

/* What is entered right after it was made, left, and come back to. */
static void directories_may_be_named_again_and_again(void **state)
{
	struct tartree *t = *state;
	struct stat st;

	put_dir(t, "a");
	put_file(t, "a/1", "1");
	put_dir(t, "a/b");
	put_dir(t, "a"); /* again, while another one is open */
	put_file(t, "a/b/2", "2");
	put_dir(t, "c");
	put_file(t, "a/b/3", "3");
	put_file(t, "c", "a file now");
	put(t, (struct tar_entry){.path = "a/b", .type = TAR_DIRECTORY, .mode = 0700, .mtime = 5}, NULL);
	put_file(t, "a/b/4", "4");
	put_dir(t, "c");
	put_file(t, "c/5", "5");
	assert_int_equal(unpack(t), 0);
	static const char *const files[] = {"a/1", "a/b/2", "a/b/3", "a/b/4", "c/5"};
	for (size_t i = 0; i < ARRAY_COUNT(files); i++)
		assert_int_equal(fstatat(t->root, files[i], &st, 0), 0);
	assert_int_equal(fstatat(t->root, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_mtim.tv_sec, 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, tartree_setup, tartree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(marks_become_overlayfs_own),
		T(what_the_layer_brings_wins_in_any_order),
		T(plain_marks_remove),
		T(plain_marks_do_not_follow_symlinks),
		T(entries_replace_what_stands_there),
		T(the_root_entry_sets_the_root),
		T(parents_that_are_missing_are_made_alike),
		T(odd_times_are_kept_or_clamped),
		T(owners_that_cannot_be_given_are_recorded),
		T(the_digest_covers_what_is_behind_the_end),
		T(large_layers_go_through_the_ring),
		T(many_files_are_as_if_one_thread_had_made_them),
		T(the_fault_that_comes_first_in_the_tar_is_told),
		T(a_large_layer_that_is_cut_ends_both_threads),
		T(modes_are_those_of_the_tar_whatever_the_umask),
		T(access_lists_of_a_tar_are_left_out),
		T(directories_may_be_named_again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
