/* Tars that want out, want to be obeyed, or want all memory. After each, what lies beside the root is as it was. */
#include "tests/unit/imagefmt/tartree.h"

#include <sys/sysmacros.h>

#include "base/owner.h"

static void refuses_names_that_leave_the_root(void **state)
{
	struct tartree *t = *state;
	const char *const names[] = {"../outside/x", "a/../../outside/x", "./../x", "..", "a/../..", "/../outside/x"};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		put_file(t, names[i], "x");
		assert_int_equal(unpack(t), -EBADMSG);
		assert_non_null(strstr(error_message(t->error), names[i]));
	}
}

static void an_absolute_name_is_one_below_the_root(void **state)
{
	struct tartree *t = *state;

	put_file(t, "/etc//./x", "x");
	put_file(t, "a/../b", "b");
	assert_int_equal(unpack(t), 0);
	assert_holds(t->root, "etc/x", "x");
	assert_holds(t->root, "b", "b");
	assert_int_equal(type_in(t->root, "a"), 0);
}

static void does_not_write_through_a_symlink_that_leaves_the_root(void **state)
{
	struct tartree *t = *state;
	cleanup_free char *absolute = mem_printf("%s/outside", t->dir);
	const char *const targets[] = {"../outside", absolute, "..", "../../../../../../../../tmp", "/proc/self/cwd"};

	for (size_t i = 0; i < ARRAY_COUNT(targets); i++) {
		cleanup_free char *name = mem_printf("l%zu", i);
		cleanup_free char *below = mem_printf("l%zu/secret", i);
		put_link(t, TAR_SYMLINK, name, targets[i]);
		put_file(t, below, "overwritten");
		int rc = unpack(t);
		/* ".." of the root is the root: there the file may go. */
		assert_true(rc == -ENOENT || (rc == 0 && i == 2));
	}
}

static void a_chain_of_symlinks_stays_inside(void **state)
{
	struct tartree *t = *state;

	put_dir(t, "d");
	put_link(t, TAR_SYMLINK, "d/a", "b");
	put_link(t, TAR_SYMLINK, "d/b", "../c");
	put_link(t, TAR_SYMLINK, "c", "/../../d");
	put_file(t, "d/a/x", "x");
	assert_int_equal(unpack(t), 0);
	assert_holds(t->root, "d/x", "x");
	put_link(t, TAR_SYMLINK, "loop", "loop");
	put_file(t, "loop/x", "x");
	assert_int_equal(unpack(t), -ELOOP);
}

static void a_file_over_a_symlink_replaces_it(void **state)
{
	struct tartree *t = *state;
	const enum tar_type types[] = {TAR_FILE, TAR_DIRECTORY, TAR_FIFO, TAR_SYMLINK};

	for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
		put_link(t, TAR_SYMLINK, "f", "../outside/secret");
		put(t,
		    (struct tar_entry){.path = "f",
				       .type = types[i],
				       .mode = 0777,
				       .mtime = 1,
				       .link = types[i] == TAR_SYMLINK ? "x" : NULL},
		    types[i] == TAR_FILE ? "new" : NULL);
		assert_int_equal(unpack(t), 0);
		assert_int_equal(tree_remove(t->root, "f", NULL), 0);
	}
}

static void the_directory_of_an_entry_may_be_swapped_for_a_symlink(void **state)
{
	struct tartree *t = *state;

	put_dir(t, "d");
	put_file(t, "d/one", "1");
	put_link(t, TAR_SYMLINK, "d", "../outside");
	put_file(t, "d/secret", "2");
	assert_int_equal(unpack(t), -ENOENT);
	/* And the times and modes that directories get at the end do not go through it either. */
	put(t, (struct tar_entry){.path = "e", .type = TAR_DIRECTORY, .mode = 0777, .mtime = 1}, NULL);
	put_link(t, TAR_SYMLINK, "e", "../outside");
	assert_int_equal(unpack(t), 0);
	assert_int_equal(type_in(t->root, "e"), S_IFLNK);
}

static void refuses_hard_links_to_what_is_not_in_the_layer(void **state)
{
	struct tartree *t = *state;

	put_link(t, TAR_HARDLINK, "h", "../outside/secret");
	assert_int_equal(unpack(t), -EBADMSG);
	put_link(t, TAR_HARDLINK, "h", "/etc/passwd");
	assert_int_equal(unpack(t), -ENOENT);
	assert_non_null(strstr(error_message(t->error), "does not have"));
	put_link(t, TAR_SYMLINK, "s", "../outside");
	put_link(t, TAR_HARDLINK, "h", "s/secret");
	assert_int_equal(unpack(t), -ENOENT);
	put_dir(t, "d");
	put_link(t, TAR_HARDLINK, "h", "d");
	assert_int_equal(unpack(t), -EBADMSG);
	assert_int_equal(type_in(t->root, "h"), 0);
}

static void a_hard_link_to_a_symlink_does_not_follow_it(void **state)
{
	struct tartree *t = *state;

	put_link(t, TAR_SYMLINK, "s", "../outside/secret");
	put_link(t, TAR_HARDLINK, "h", "s");
	put_file(t, "h", "new");
	assert_int_equal(unpack(t), 0);
	assert_holds(t->root, "h", "new");
	assert_int_equal(type_in(t->root, "s"), S_IFLNK);
}

static void a_hard_link_to_itself_loses_nothing(void **state)
{
	struct tartree *t = *state;

	put_file(t, "f", "text");
	put_link(t, TAR_HARDLINK, "f", "f");
	assert_int_equal(unpack(t), 0);
	assert_holds(t->root, "f", "text");
}

static void the_root_stays_a_directory(void **state)
{
	struct tartree *t = *state;

	put_link(t, TAR_SYMLINK, "./", "../outside");
	assert_int_equal(unpack(t), -EBADMSG);
	put_link(t, TAR_SYMLINK, "a/..", "../outside");
	assert_int_equal(unpack(t), -EBADMSG);
	put_file(t, ".", "x");
	assert_int_equal(unpack(t), -EBADMSG);
}

static void refuses_marks_of_removal_that_name_nothing(void **state)
{
	struct tartree *t = *state;
	const char *const names[] = {".wh.", ".wh..", ".wh...", "a/.wh...", ".wh.d/x", ".wh..wh..opq"};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		put_file(t, names[i], "");
		int rc = unpack(t);
		assert_true(rc == -EBADMSG || rc == -ENOTSUP);
	}
	struct unpack_result result;
	put_file(t, ".wh...", "");
	assert_int_equal(unpack_with(t, &(struct unpack_options){.plain = true}, &result), -EBADMSG);
	put_link(t, TAR_SYMLINK, "l", "../outside");
	put_file(t, "l/.wh.secret", "");
	assert_int_equal(unpack_with(t, &(struct unpack_options){.plain = true}, &result), -ENOENT);
}

static void marks_of_overlayfs_and_of_cooper_are_data(void **state)
{
	struct tartree *t = *state;
	const struct tar_xattr xattrs[] = {
		{"user.overlay.opaque", "y", 1},
		{OWNER_XATTR, "01234567890123456789", 20},
		{"trusted.overlay.opaque", "y", 1},
	};
	char value[32];

	if (!has_user_xattrs(t))
		skip();
	put(t, (struct tar_entry){.path = "d", .type = TAR_DIRECTORY, .xattrs = xattrs, .xattr_count = 3}, NULL);
	assert_int_equal(unpack(t), 0);
	cleanup_close int fd = fd_open_dir(t->root, "d", NULL);
	assert_int_equal(fgetxattr(fd, "user.overlay.opaque", value, sizeof(value)), -1);
	assert_int_equal(fgetxattr(fd, "trusted.overlay.opaque", value, sizeof(value)), -1);
	assert_int_equal(fgetxattr(fd, OWNER_XATTR, value, sizeof(value)), -1);
	assert_int_equal(fgetxattr(fd, "user.overlay.overlay.opaque", value, sizeof(value)), 1);
	assert_int_equal(fgetxattr(fd, "user.cooper.cooper.o", value, sizeof(value)), 20);
}

static void a_device_0_0_is_recorded_and_removes_nothing(void **state)
{
	struct tartree *t = *state;
	struct owner_record record;
	struct unpack_result result;

	if (!has_user_xattrs(t))
		skip();
	put(t, (struct tar_entry){.path = "w", .type = TAR_CHARDEV, .mode = 0640}, NULL);
	assert_int_equal(unpack_with(t, NULL, &result), 0);
	assert_int_equal(result.recorded, 1);
	assert_int_equal(type_in(t->root, "w"), S_IFREG);
	cleanup_close int fd = openat(t->root, "w", O_RDONLY | O_CLOEXEC);
	assert_int_equal(owner_get(fd, &record, NULL), 0);
	assert_int_equal(record.mode, S_IFCHR);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
}

static void a_hard_link_to_a_whiteout_is_refused(void **state)
{
	struct tartree *t = *state;

	if (!has_whiteouts(t))
		skip();
	put_file(t, ".wh.x", "");
	put_link(t, TAR_HARDLINK, "y", "x");
	assert_int_equal(unpack(t), -ENOENT);
}

static void refuses_owners_and_devices_that_cannot_be(void **state)
{
	struct tartree *t = *state;

	put(t, (struct tar_entry){.path = "f", .type = TAR_FILE, .uid = UINT32_MAX}, "");
	assert_int_equal(unpack(t), -EBADMSG);
	put(t, (struct tar_entry){.path = "f", .type = TAR_FILE, .gid = UINT32_MAX}, "");
	assert_int_equal(unpack(t), -EBADMSG);
}

static void limits_bytes_and_entries(void **state)
{
	struct tartree *t = *state;
	struct unpack_result result;

	put(t, (struct tar_entry){.path = "f", .type = TAR_FILE, .size = 100000}, NULL);
	t->w.left = 0;
	assert_int_equal(unpack_with(t, &(struct unpack_options){.max_bytes = 1000}, &result), -EFBIG);
	for (int i = 0; i < 11; i++) {
		cleanup_free char *name = mem_printf("%d", i);
		put_file(t, name, "");
	}
	assert_int_equal(unpack_with(t, &(struct unpack_options){.max_entries = 10}, &result), -EFBIG);
	put(t, (struct tar_entry){.path = "f", .type = TAR_FILE, .size = (uint64_t)1 << 62}, NULL);
	t->w.left = 0;
	assert_int_equal(unpack(t), -EFBIG);
}

/* A header block by hand: `set` changes it before the checksum is made. */
static void put_raw(struct tartree *t, char type, uint64_t size, const void *data)
{
	char block[TAR_BLOCK] = {0};
	unsigned sum = 0;

	snprintf(block, 100, "raw");
	snprintf(block + 100, 8, "%07o", 0644);
	snprintf(block + 108, 8, "%07o", 0);
	snprintf(block + 116, 8, "%07o", 0);
	snprintf(block + 124, 12, "%011llo", (unsigned long long)size);
	snprintf(block + 136, 12, "%011o", 0);
	memset(block + 148, ' ', 8);
	block[156] = type;
	memcpy(block + 257,
	       "ustar\0"
	       "00",
	       8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
	buf_append(&t->tar, block, sizeof(block));
	if (data != NULL) {
		static const char zeros[TAR_BLOCK];
		buf_append(&t->tar, data, size);
		buf_append(&t->tar, zeros, tar_padding(size));
	}
}

static void headers_that_want_all_memory_are_refused(void **state)
{
	struct tartree *t = *state;
	const char types[] = {'x', 'g', 'L', 'K'};

	for (size_t i = 0; i < sizeof(types); i++) {
		put_raw(t, types[i], 07777777777, NULL);
		assert_int_equal(unpack(t), -EBADMSG);
		assert_non_null(strstr(error_message(t->error), "extended header"));
	}
}

static void bad_pax_records_are_refused(void **state)
{
	struct tartree *t = *state;
	const char *const records[] = {
		"x",
		"0 a=b\n",
		"5 a=b\n",
		"99999999999 a=b\n",
		"6 a=bX",
		"6 =bb\n",
		"7 a b c\n",
		"14 size=-100\n",
		"12 uid=0x1\n",
		"19 size=99999999999999999999\n",
		"22 GNU.sparse.map=1,2,3\n",
		"25 GNU.sparse.numbytes=5\n",
		"22 GNU.sparse.major=2\n",
		"12 mtime=1x\n",
		"11 mtime=-\n",
	};

	for (size_t i = 0; i < ARRAY_COUNT(records); i++) {
		put_raw(t, 'x', strlen(records[i]), records[i]);
		put_file(t, "f", "x");
		if (unpack(t) != -EBADMSG)
			fail_msg("taken: %s", records[i]);
	}
	put_raw(t, 'g', 9, "9 path=x\n");
	put_file(t, "f", "x");
	assert_int_equal(unpack(t), -EBADMSG);
}

static void bad_sparse_maps_are_refused(void **state)
{
	struct tartree *t = *state;
	const char *const maps[] = {
		"0,1,0,1", "5,1,2,1", "0,9223372036854775807", "100,1", "0,2", "18446744073709551615,1",
	};

	for (size_t i = 0; i < ARRAY_COUNT(maps); i++) {
		cleanup_free char *rest = mem_printf("GNU.sparse.map=%s\n", maps[i]);
		cleanup_free char *records = mem_printf("22 GNU.sparse.size=10\n%zu %s", strlen(rest) + 3, rest);
		put_raw(t, 'x', strlen(records), records);
		put_raw(t, '0', 1, "x");
		if (unpack(t) != -EBADMSG)
			fail_msg("taken: %s", maps[i]);
	}
	/* 1.0, with a map that claims more pieces than anybody may have. */
	const char *records = "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n26 GNU.sparse.realsize=10\n";
	put_raw(t, 'x', strlen(records), records);
	put_raw(t, '0', 10, "999999999\n");
	assert_int_equal(unpack(t), -EBADMSG);
}

static void a_tar_that_is_cut_anywhere_is_an_error_or_shorter(void **state)
{
	struct tartree *t = *state;
	cleanup_free char *long_name = mem_alloc(301);

	memset(long_name, 'n', 300);
	long_name[150] = '/';
	put_dir(t, "d");
	put_file(t, long_name, "some text that fills a part of a block");
	put_link(t, TAR_SYMLINK, "d/l", "x");
	assert_int_equal(tar_write_end(&t->w, NULL), 0);
	for (size_t size = 0; size < t->tar.len; size += 37) {
		cleanup_close int fd = fd_from_memory("cut", t->tar.data, size, NULL);
		struct unpack_result result;
		cleanup_error struct error *error = NULL;
		int rc = unpack_layer(fd, CODEC_NONE, t->root, NULL, &result, &error);
		assert_true(rc == -EBADMSG || rc == 0);
		assert_true(rc == -EBADMSG || size % TAR_BLOCK == 0);
	}
}

static void names_of_any_bytes_are_only_names(void **state)
{
	struct tartree *t = *state;

	put_file(t, "new\nline", "1");
	put_file(t, "\xff\xfe", "2");
	put_file(t, "\x1b[31m", "3");
	put_file(t, "...", "4");
	put_file(t, "-rf", "5");
	assert_int_equal(unpack(t), 0);
	assert_holds(t->root, "new\nline", "1");
	assert_holds(t->root, "\xff\xfe", "2");
	assert_holds(t->root, "...", "4");
}

static void a_component_that_no_file_system_takes_is_an_error(void **state)
{
	struct tartree *t = *state;
	cleanup_free char *name = mem_alloc(400);

	memset(name, 'n', 399);
	put_file(t, name, "x");
	assert_int_equal(unpack(t), -ENAMETOOLONG);
}

static void a_path_deeper_than_path_max_can_be_had(void **state)
{
	struct tartree *t = *state;
	cleanup(buf_done) struct buf path = BUF_INIT(1 << 16);

	for (int i = 0; i < 300; i++)
		buf_append_str(&path, "a_directory_name/");
	buf_append_str(&path, "file");
	put_file(t, path.data, "deep");
	put_file(t, path.data, "deeper");
	assert_int_equal(unpack(t), 0);
	struct digest first = tartree_digest(t->root);
	assert_false(digest_is_null(&first));
}

static void what_is_behind_the_end_is_not_read_as_entries(void **state)
{
	struct tartree *t = *state;

	put_file(t, "a", "a");
	assert_int_equal(tar_write_end(&t->w, NULL), 0);
	put_file(t, "b", "b");
	assert_int_equal(unpack(t), 0);
	assert_int_equal(type_in(t->root, "b"), 0);
	put_file(t, "a", "a");
	buf_append(&t->tar, (char[TAR_BLOCK]){0}, TAR_BLOCK);
	put_file(t, "b", "b");
	assert_int_equal(unpack(t), -EBADMSG);
}

static void attributes_are_not_set_through_a_symlink(void **state)
{
	struct tartree *t = *state;
	const struct tar_xattr xattr = {"user.x", "1", 1};

	put(t,
	    (struct tar_entry){.path = "s",
			       .type = TAR_SYMLINK,
			       .link = "../outside/secret",
			       .mode = 0777,
			       .xattrs = &xattr,
			       .xattr_count = 1},
	    NULL);
	assert_int_equal(unpack(t), 0);
	cleanup_free char *secret = mem_printf("%s/outside/secret", t->dir);
	assert_int_equal(getxattr(secret, "user.x", NULL, 0), -1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, tartree_setup, tartree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(refuses_names_that_leave_the_root),
		T(an_absolute_name_is_one_below_the_root),
		T(does_not_write_through_a_symlink_that_leaves_the_root),
		T(a_chain_of_symlinks_stays_inside),
		T(a_file_over_a_symlink_replaces_it),
		T(the_directory_of_an_entry_may_be_swapped_for_a_symlink),
		T(refuses_hard_links_to_what_is_not_in_the_layer),
		T(a_hard_link_to_a_symlink_does_not_follow_it),
		T(a_hard_link_to_itself_loses_nothing),
		T(the_root_stays_a_directory),
		T(refuses_marks_of_removal_that_name_nothing),
		T(marks_of_overlayfs_and_of_cooper_are_data),
		T(a_device_0_0_is_recorded_and_removes_nothing),
		T(a_hard_link_to_a_whiteout_is_refused),
		T(refuses_owners_and_devices_that_cannot_be),
		T(limits_bytes_and_entries),
		T(headers_that_want_all_memory_are_refused),
		T(bad_pax_records_are_refused),
		T(bad_sparse_maps_are_refused),
		T(a_tar_that_is_cut_anywhere_is_an_error_or_shorter),
		T(names_of_any_bytes_are_only_names),
		T(a_component_that_no_file_system_takes_is_an_error),
		T(a_path_deeper_than_path_max_can_be_had),
		T(what_is_behind_the_end_is_not_read_as_entries),
		T(attributes_are_not_set_through_a_symlink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
