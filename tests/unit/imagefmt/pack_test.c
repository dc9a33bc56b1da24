/* A tree packs to the same bytes always, and what is packed unpacks to a tree that packs to them again. */
#include "tests/unit/imagefmt/tartree.h"

#include <sched.h>
#include <sys/sysmacros.h>

#include "base/ovlmark.h"
#include "base/owner.h"
#include "tests/unit/imagefmt/access_list.h"

static void make_file(int dirfd, const char *path, const char *text, mode_t mode)
{
	cleanup_close int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	const struct timespec times[2] = {{.tv_sec = 1600000000}, {.tv_sec = 1600000000}};
	assert_int_equal(futimens(fd, times), 0);
}

static void set_xattr(int dirfd, const char *path, const char *name, const void *value, size_t size)
{
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fsetxattr(fd, name, value, size, 0), 0);
}

static int append_to_buf(const void *data, size_t size, void *context, struct error **err)
{
	buf_append(context, data, size);
	return 0;
}

static struct pack_result pack_to_buf(int dirfd, struct buf *bytes)
{
	struct pack_result result;

	assert_int_equal(pack_tree(dirfd, /* owners */ NULL, append_to_buf, bytes, &result, NULL), 0);
	assert_int_equal(result.size, bytes->len);
	return result;
}

/* Packs root, unpacks that into a second tree, and packs it again: all three digests must be the same. */
static void assert_comes_back(struct tartree *t)
{
	cleanup(buf_done) struct buf bytes = BUF_INIT((size_t)1 << 28);
	struct pack_result first = pack_to_buf(t->root, &bytes);
	cleanup_close int fd = fd_from_memory("layer", bytes.data, bytes.len, NULL);
	struct unpack_result unpacked;

	assert_int_equal(mkdirat(t->dirfd, "second", 0755), 0);
	cleanup_close int second = fd_open_dir(t->dirfd, "second", NULL);
	cleanup_error struct error *error = NULL;
	if (unpack_layer(fd, CODEC_NONE, second, NULL, &unpacked, &error) < 0)
		fail_msg("%s", error_message(error));
	assert_true(digest_equal(&unpacked.diff_id, &first.diff_id));
	assert_int_equal(unpacked.size, first.size);
	assert_int_equal(unpacked.entries, first.entries);
	struct digest again = tartree_digest(second);
	assert_true(digest_equal(&again, &first.diff_id));
	assert_int_equal(tree_remove(t->dirfd, "second", NULL), 0);
}

static void the_order_of_making_and_the_inodes_do_not_matter(void **state)
{
	struct tartree *t = *state;

	make_file(t->root, "b", "2", 0644);
	make_file(t->root, "a", "1", 0644);
	struct digest first = tartree_digest(t->root);
	assert_int_equal(tree_remove(t->root, "a", NULL), 0);
	assert_int_equal(tree_remove(t->root, "b", NULL), 0);
	make_file(t->root, "a", "1", 0644);
	make_file(t->root, "b", "2", 0644);
	struct digest second = tartree_digest(t->root);
	assert_true(digest_equal(&first, &second));
}

static void names_of_all_kinds_come_back(void **state)
{
	struct tartree *t = *state;
	cleanup_free char *long_name = mem_alloc(256);
	cleanup(buf_done) struct buf path = BUF_INIT(1 << 16);

	memset(long_name, 'n', 255);
	make_file(t->root, long_name, "long", 0644);
	make_file(t->root, "\xff\xfe not utf-8", "x", 0644);
	make_file(t->root, "umlaut \xc3\xa4", "x", 0644);
	make_file(t->root, "new\nline", "x", 0600);
	make_file(t->root, "...", "x", 0644);
	make_file(t->root, "a=b", "x", 0644);
	for (int i = 0; i < 20; i++) {
		buf_append_str(&path, i > 0 ? "/" : "");
		buf_append_str(&path, "directory");
		assert_int_equal(mkdirat(t->root, path.data, 0755), 0);
	}
	buf_append_str(&path, "/file");
	make_file(t->root, path.data, "deep", 0644);
	buf_append_str(&path, ".link");
	assert_int_equal(symlinkat(long_name, t->root, path.data), 0);
	assert_comes_back(t);
}

static void kinds_modes_and_times_come_back(void **state)
{
	struct tartree *t = *state;
	const struct timespec odd[2] = {{.tv_sec = -5}, {.tv_sec = -5, .tv_nsec = 999}};

	make_file(t->root, "empty", "", 0);
	make_file(t->root, "setuid", "x", 04755);
	make_file(t->root, "old", "x", 0644);
	assert_int_equal(utimensat(t->root, "old", odd, 0), 0);
	assert_int_equal(mkdirat(t->root, "closed", 0755), 0);
	make_file(t->root, "closed/in", "x", 0444);
	assert_int_equal(fchmodat(t->root, "closed", 0555, 0), 0);
	assert_int_equal(mkdirat(t->root, "sticky", 0755), 0);
	assert_int_equal(fchmodat(t->root, "sticky", 01777, 0), 0);
	assert_int_equal(mknodat(t->root, "fifo", S_IFIFO | 0640, 0), 0);
	assert_int_equal(symlinkat("/nowhere/at/all", t->root, "symlink"), 0);
	assert_int_equal(linkat(t->root, "setuid", t->root, "closed-link", 0), 0);
	assert_int_equal(linkat(t->root, "symlink", t->root, "symlink2", 0), 0);
	if (geteuid() != 0)
		assert_int_equal(fchmodat(t->root, "empty", 0400, 0), 0);
	assert_comes_back(t);
}

static void a_hard_link_is_written_once(void **state)
{
	struct tartree *t = *state;
	cleanup(buf_done) struct buf bytes = BUF_INIT(1 << 20);

	make_file(t->root, "a", "once and only once", 0644);
	assert_int_equal(linkat(t->root, "a", t->root, "b", 0), 0);
	pack_to_buf(t->root, &bytes);
	assert_int_equal(bytes.len, 5 * TAR_BLOCK);
	assert_int_equal(bytes.data[2 * TAR_BLOCK + 156], TAR_HARDLINK);
	assert_comes_back(t);
}

static void holes_come_back_as_holes(void **state)
{
	struct tartree *t = *state;
	const off_t size = (off_t)5 << 20;
	struct stat st;

	make_file(t->root, "sparse", "start", 0644);
	cleanup_close int fd = openat(t->root, "sparse", O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "middle", 6, size / 2), 6);
	assert_int_equal(ftruncate(fd, size), 0);
	cleanup(buf_done) struct buf bytes = BUF_INIT((size_t)1 << 28);
	pack_to_buf(t->root, &bytes);
	assert_true(bytes.len > (size_t)size);
	assert_int_equal(tree_remove(t->root, "sparse", NULL), 0);
	cleanup_close int layer = fd_from_memory("layer", bytes.data, bytes.len, NULL);
	struct unpack_result result;
	assert_int_equal(unpack_layer(layer, CODEC_NONE, t->root, NULL, &result, NULL), 0);
	assert_int_equal(fstatat(t->root, "sparse", &st, 0), 0);
	assert_int_equal(st.st_size, size);
	assert_true(st.st_blocks * 512 < size / 2);
	assert_comes_back(t);
}

static void attributes_come_back_and_bookkeeping_stays(void **state)
{
	struct tartree *t = *state;
	cleanup(buf_done) struct buf bytes = BUF_INIT(1 << 20);

	if (!has_user_xattrs(t))
		skip();
	make_file(t->root, "f", "x", 0644);
	assert_int_equal(mkdirat(t->root, "d", 0755), 0);
	set_xattr(t->root, "f", "user.z", "last", 4);
	set_xattr(t->root, "f", "user.a", "\0\n=", 3);
	set_xattr(t->root, "f", "user.overlay.origin", "kernel", 6);
	set_xattr(t->root, "f", "user.overlay.overlay.opaque", "data", 4);
	set_xattr(t->root, "d", "user.overlay.impure", "y", 1);
	pack_to_buf(t->root, &bytes);
	assert_non_null(memmem(bytes.data, bytes.len, "SCHILY.xattr.user.overlay.opaque=data", 37));
	assert_null(memmem(bytes.data, bytes.len, "origin", 6));
	assert_null(memmem(bytes.data, bytes.len, "impure", 6));
	assert_comes_back(t);
	assert_int_equal(tree_remove(t->root, "f", NULL), 0);
	make_file(t->root, "g", "x", 0644);
	set_xattr(t->root, "g", "user.a=b", "x", 1);
	struct pack_result result;
	assert_int_equal(pack_tree(t->root, /* owners */ NULL, NULL, NULL, &result, NULL), -EINVAL);
}

static void whiteouts_and_opaque_directories_become_marks(void **state)
{
	struct tartree *t = *state;
	cleanup(buf_done) struct buf bytes = BUF_INIT(1 << 20);

	if (!has_whiteouts(t) || !has_user_xattrs(t))
		skip();
	assert_int_equal(mkdirat(t->root, "d", 0755), 0);
	assert_int_equal(ovlmark_make_whiteout(t->root, "d/gone", NULL), 0);
	cleanup_close int fd = fd_open_dir(t->root, "d", NULL);
	assert_int_equal(ovlmark_set_opaque(fd, NULL), 0);
	pack_to_buf(t->root, &bytes);
	assert_string_equal(bytes.data, "d/");
	assert_string_equal(bytes.data + TAR_BLOCK, "d/.wh..wh..opq");
	assert_string_equal(bytes.data + 2 * TAR_BLOCK, "d/.wh.gone");
	assert_comes_back(t);
}

/* Symlinks carry no attributes; a device where ids are mapped must not be where a step can write it. */
static void records_beside_the_tree_come_out_as_headers(void **state)
{
	struct tartree *t = *state;
	cleanup(buf_done) struct buf bytes = BUF_INIT(1 << 20);
	cleanup(owner_table_done) struct owner_table owners = {0};
	struct owner_key link, device, gone = {.ino = 1};
	struct pack_result result, finished;

	if (!has_user_xattrs(t))
		skip();
	make_file(t->root, "disk", "", 0640);
	assert_int_equal(symlinkat("disk", t->root, "link"), 0);
	assert_int_equal(owner_key_of(t->root, "disk", &device, NULL), 0);
	assert_int_equal(owner_key_of(t->root, "link", &link, NULL), 0);
	owner_table_put(&owners, &device, &(struct owner_record){.mode = S_IFBLK, .major = 8, .minor = 1});
	owner_table_put(&owners, &link, &(struct owner_record){.uid = 5, .gid = 6});
	owner_table_put(&owners, &gone, &(struct owner_record){.uid = 7});
	const struct normalise_options options = {.clamp_mtime = -1, .owners = &owners};
	assert_int_equal(pack_finish(t->root, &options, &finished, NULL), 0);
	/* The device has its record in the tree now, and what is not in the tree is nobody's any more. */
	assert_int_equal(owners.count, 1);
	assert_int_equal(pack_tree(t->root, &owners, append_to_buf, &bytes, &result, NULL), 0);
	assert_true(digest_equal(&result.diff_id, &finished.diff_id));
	struct stream_memory memory = {.data = bytes.data, .size = bytes.len};
	cleanup(tar_reader_free) struct tar_reader *reader = NULL;
	const struct tar_entry *entry;
	tar_reader_new(stream_memory_next, &memory, &reader);
	assert_int_equal(tar_reader_next(reader, &entry, NULL), 1);
	assert_int_equal(entry->type, TAR_BLOCKDEV);
	assert_int_equal(entry->mode, 0640);
	assert_int_equal(entry->major, 8);
	assert_int_equal(entry->uid, 0); /* ours: without a user namespace that is root's */
	assert_int_equal(tar_reader_next(reader, &entry, NULL), 1);
	assert_int_equal(entry->type, TAR_SYMLINK);
	assert_int_equal(entry->uid, 5);
	assert_int_equal(entry->gid, 6);
}

static void owners_and_devices_on_record_come_out_as_headers(void **state)
{
	struct tartree *t = *state;
	cleanup(buf_done) struct buf bytes = BUF_INIT(1 << 20);
	const struct owner_record owner = {.uid = 1234, .gid = 5000000, .mode = OWNER_HAS_MODE | 02455};
	const struct owner_record device = {
		.uid = 0, .gid = 5, .mode = OWNER_HAS_MODE | S_IFCHR | 0666, .major = 1, .minor = 3};

	if (!has_user_xattrs(t))
		skip();
	make_file(t->root, "file", "text", 0600);
	make_file(t->root, "null", "", 0600);
	cleanup_close int file = openat(t->root, "file", O_RDONLY | O_CLOEXEC);
	cleanup_close int null = openat(t->root, "null", O_RDONLY | O_CLOEXEC);
	/* As owner_set_mode() leaves it: open to us, with the set-id bits. */
	assert_int_equal(fchmod(file, 02655), 0);
	assert_int_equal(owner_set(file, &owner, NULL), 0);
	assert_int_equal(owner_set(null, &device, NULL), 0);
	pack_to_buf(t->root, &bytes);
	struct stream_memory memory = {.data = bytes.data, .size = bytes.len};
	cleanup(tar_reader_free) struct tar_reader *reader = NULL;
	const struct tar_entry *entry;
	tar_reader_new(stream_memory_next, &memory, &reader);
	assert_int_equal(tar_reader_next(reader, &entry, NULL), 1);
	assert_int_equal(entry->uid, 1234);
	assert_int_equal(entry->gid, 5000000);
	assert_int_equal(entry->mode, 02455);
	assert_int_equal(tar_reader_next(reader, &entry, NULL), 1);
	assert_int_equal(entry->type, TAR_CHARDEV);
	assert_int_equal(entry->major, 1);
	assert_int_equal(entry->minor, 3);
	assert_int_equal(entry->xattr_count, 0);
	assert_int_equal(tar_reader_next(reader, &entry, NULL), 0);
}

static void a_name_that_would_remove_something_is_an_error(void **state)
{
	struct tartree *t = *state;
	struct pack_result result;
	cleanup_error struct error *error = NULL;

	assert_int_equal(mkdirat(t->root, "d", 0755), 0);
	make_file(t->root, "d/.wh.x", "", 0644);
	assert_int_equal(pack_tree(t->root, /* owners */ NULL, NULL, NULL, &result, &error), -EINVAL);
	assert_non_null(strstr(error_message(error), "d/.wh.x"));
}

static void sockets_are_left_out(void **state)
{
	struct tartree *t = *state;
	struct digest empty = tartree_digest(t->root);

	assert_int_equal(mknodat(t->root, "socket", S_IFSOCK | 0600, 0), 0);
	struct digest after = tartree_digest(t->root);
	assert_true(digest_equal(&empty, &after));
}

static int refuse(const void *data, size_t size, void *context, struct error **err)
{
	return error_set(err, ENOSPC, "full");
}

static void a_sink_that_fails_ends_the_packing(void **state)
{
	struct tartree *t = *state;
	struct pack_result result;
	cleanup_error struct error *error = NULL;

	make_file(t->root, "big", "x", 0644);
	cleanup_close int fd = openat(t->root, "big", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)64 << 20), 0);
	assert_int_equal(pack_tree(t->root, /* owners */ NULL, refuse, NULL, &result, &error), -ENOSPC);
	assert_string_equal(error_message(error), "full");
}

static void the_kernels_opaque_marks_go_where_nothing_is_below(void **state)
{
	struct tartree *t = *state;

	if (!has_whiteouts(t) || !has_user_xattrs(t))
		skip();
	/* Two lowers: the upper one hides `hidden` of the other, and has `kept` itself. */
	assert_int_equal(mkdirat(t->dirfd, "low1", 0755), 0);
	assert_int_equal(mkdirat(t->dirfd, "low2", 0755), 0);
	int lowers[2] = {fd_open_dir(t->dirfd, "low1", NULL), fd_open_dir(t->dirfd, "low2", NULL)};
	assert_int_equal(mkdirat(lowers[0], "kept", 0755), 0);
	assert_int_equal(ovlmark_make_whiteout(lowers[0], "hidden", NULL), 0);
	assert_int_equal(mkdirat(lowers[1], "hidden", 0755), 0);
	const char *const names[] = {"kept", "hidden", "new"};
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(mkdirat(t->root, names[i], 0755), 0);
		cleanup_close int fd = fd_open_dir(t->root, names[i], NULL);
		assert_int_equal(ovlmark_set_opaque(fd, NULL), 0);
	}
	set_xattr(t->root, "new", "user.overlay.impure", "y", 1);
	assert_int_equal(mknodat(t->root, "new/socket", S_IFSOCK | 0600, 0), 0);
	/* In the place of what is below: of a file, of nothing (it is hidden), of something in an opaque directory. */
	const char *const sockets[] = {"taken", "gone", "hidden/taken"};
	make_file(lowers[1], "taken", "x", 0644);
	make_file(lowers[1], "gone", "x", 0644);
	assert_int_equal(ovlmark_make_whiteout(lowers[0], "gone", NULL), 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(mknodat(t->root, sockets[i], S_IFSOCK | 0600, 0), 0);
	/* A whiteout to us alone, and only in a store on an overlay. */
	assert_int_equal(mknodat(t->root, "closed", S_IFSOCK, 0), 0);
	make_file(t->root, "new/late", "x", 0644);
	const struct normalise_options options = {.lowers = lowers, .lower_count = 2, .clamp_mtime = 1500000000};
	struct pack_result finished;
	assert_int_equal(pack_finish(t->root, &options, &finished, NULL), 0);
	/* What was read on the way is what is there now. */
	const struct digest after = tartree_digest(t->root);
	assert_true(digest_equal(&after, &finished.diff_id));
	for (size_t i = 0; i < 3; i++) {
		cleanup_close int fd = fd_open_dir(t->root, names[i], NULL);
		assert_int_equal(ovlmark_is_opaque(fd), i == 0);
		assert_int_equal(fgetxattr(fd, "user.overlay.impure", NULL, 0), -1);
		struct stat st;
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_mtim.tv_sec, 1500000000);
		assert_int_equal(st.st_mtim.tv_nsec, 0);
	}
	assert_int_equal(type_in(t->root, "new/socket"), 0);
	assert_int_equal(type_in(t->root, "closed"), 0);
	assert_int_equal(type_in(t->root, "taken"), S_IFCHR);
	assert_int_equal(type_in(t->root, "gone"), 0);
	assert_int_equal(type_in(t->root, "hidden/taken"), 0);
	assert_comes_back(t);
	fd_close(lowers[0]);
	fd_close(lowers[1]);
}

/* Also of the root, of what can only be named, and of a file with two names. */
static void a_finished_tree_has_no_access_lists(void **state)
{
	static const char *const names[] = {".", "dir", "fifo", "file"};
	struct tartree *t = *state;
	const struct normalise_options options = {.clamp_mtime = -1};
	struct pack_result with, without;

	make_file(t->root, "file", "x", ACCESS_LIST_MODE);
	assert_int_equal(linkat(t->root, "file", t->root, "twin", 0), 0);
	assert_int_equal(mkdirat(t->root, "dir", ACCESS_LIST_MODE), 0);
	assert_int_equal(mkfifoat(t->root, "fifo", ACCESS_LIST_MODE), 0);
	assert_int_equal(fchmod(t->root, ACCESS_LIST_MODE), 0);
	assert_int_equal(pack_finish(t->root, &options, &without, NULL), 0);
	for (size_t i = 1; i < ARRAY_COUNT(names); i++)
		if (!give_list(t->root, names[i], ACCESS_LIST))
			skip();
	assert_true(give_list(t->root, "dir", DEFAULT_LIST));
	assert_true(give_list(t->root, ".", DEFAULT_LIST));
	assert_int_equal(pack_finish(t->root, &options, &with, NULL), 0);
	assert_true(digest_equal(&with.diff_id, &without.diff_id));
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		assert_false(has_list(t->root, names[i], ACCESS_LIST));
		assert_false(has_list(t->root, names[i], DEFAULT_LIST));
	}
}

/* More than are read before there is a second thread. */
static void make_many(struct tartree *t)
{
	for (int i = 0; i < 400; i++) {
		cleanup_free char *dir = mem_printf("d%d", i / 7);
		cleanup_free char *path = mem_printf("d%d/f%d", i / 7, i);
		cleanup_free char *text = mem_printf("%0*d", i * 13 % 5000, i);
		if (i % 7 == 0)
			assert_int_equal(mkdirat(t->root, dir, 0755), 0);
		make_file(t->root, path, text, 0644);
		if (i % 11 == 0) {
			cleanup_free char *link = mem_printf("%s.link", path);
			assert_int_equal(linkat(t->root, path, t->root, link, 0), 0);
		}
	}
}

static void many_files_pack_to_the_same_on_one_processor(void **state)
{
	struct tartree *t = *state;
	cpu_set_t all;
	cpu_set_t one;

	make_many(t);
	assert_comes_back(t);
	struct digest many = tartree_digest(t->root);
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	struct digest alone = tartree_digest(t->root);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	assert_true(digest_equal(&many, &alone));
}

static void the_time_of_access_stays(void **state)
{
	struct tartree *t = *state;
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1600000000}};
	struct stat st;

	assert_int_equal(mkdirat(t->root, "d", 0755), 0);
	make_file(t->root, "d/f", "text", 0644);
	assert_int_equal(utimensat(t->root, "d/f", times, 0), 0);
	assert_int_equal(utimensat(t->root, "d", times, 0), 0);
	tartree_digest(t->root);
	assert_int_equal(fstatat(t->root, "d/f", &st, 0), 0);
	assert_int_equal(st.st_atim.tv_sec, 1000);
	assert_int_equal(fstatat(t->root, "d", &st, 0), 0);
	assert_int_equal(st.st_atim.tv_sec, 1000);
}

#define T(name) cmocka_unit_test_setup_teardown(name, tartree_setup, tartree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_order_of_making_and_the_inodes_do_not_matter),
		T(names_of_all_kinds_come_back),
		T(kinds_modes_and_times_come_back),
		T(a_hard_link_is_written_once),
		T(holes_come_back_as_holes),
		T(attributes_come_back_and_bookkeeping_stays),
		T(whiteouts_and_opaque_directories_become_marks),
		T(owners_and_devices_on_record_come_out_as_headers),
		T(records_beside_the_tree_come_out_as_headers),
		T(a_name_that_would_remove_something_is_an_error),
		T(sockets_are_left_out),
		T(a_sink_that_fails_ends_the_packing),
		T(the_kernels_opaque_marks_go_where_nothing_is_below),
		T(a_finished_tree_has_no_access_lists),
		T(many_files_pack_to_the_same_on_one_processor),
		T(the_time_of_access_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
