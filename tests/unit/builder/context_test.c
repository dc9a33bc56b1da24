/* Build contexts: what they are made of, and what a hostile one cannot do. */
#include "builder/context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/tree.h"
#include "imagefmt/tar.h"

struct world {
	char path[32];
	char *directory; /* of a context of the user's own */
	int dirfd;
	struct workshop *w;
};

static int set_up(void **state)
{
	static struct world world;

	memcpy(world.path, "/tmp/contextXXXXXX", sizeof("/tmp/contextXXXXXX"));
	if (!mkdtemp(world.path))
		return -1;
	cleanup_free char *root = mem_printf("%s/root", world.path);
	world.directory = mem_printf("%s/ctx", world.path);
	if (mkdir(world.directory, 0755) < 0)
		return -1;
	world.dirfd = fd_open_dir(AT_FDCWD, world.directory, NULL);
	struct workshop_options options = {
		.store = {.root = root, .runroot = root}, .now = 1000, .source_date_epoch = -1};
	*state = &world;
	return workshop_open(&options, &world.w, NULL);
}

static int tear_down(void **state)
{
	struct world *world = *state;

	workshop_close(world->w);
	fd_close(world->dirfd);
	free(world->directory);
	return tree_remove(AT_FDCWD, world->path, NULL);
}

static void put(struct world *world, const char *name, const char *text)
{
	assert_int_equal(atomic_file_write(world->dirfd, name, 0644, text, strlen(text), 0, NULL), 0);
}

static int open_context(struct world *world, const char *where, int stdin_fd, const char *dockerfile,
			struct build_context **context, struct error **err)
{
	const struct context_options options = {.dockerfile = dockerfile, .stdin_fd = stdin_fd};

	return build_context_open(world->w, where, &options, context, err);
}

static char *read_dockerfile(struct build_context *context, const char *path, int *rc)
{
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);
	cleanup_free char *name = NULL;

	*rc = build_context_read_dockerfile(context, path, &text, &name, NULL);
	return *rc == 0 ? buf_take(&text) : NULL;
}

/* ---- directories ---- */

static void reads_containerfile_before_dockerfile(void **state)
{
	cleanup(build_context_close) struct build_context *context = NULL;
	int rc;

	put(*state, "Dockerfile", "FROM b\n");
	put(*state, "Containerfile", "FROM a\n");
	assert_int_equal(open_context(*state, ((struct world *)*state)->directory, -1, NULL, &context, NULL), 0);
	cleanup_free char *text = read_dockerfile(context, NULL, &rc);
	assert_string_equal(text, "FROM a\n");
}

static void reads_a_named_dockerfile_of_the_context_or_beside_it(void **state)
{
	struct world *world = *state;
	cleanup(build_context_close) struct build_context *context = NULL;
	cleanup_free char *outside = mem_printf("%s/elsewhere", world->path);
	int rc;

	put(world, "my.dockerfile", "FROM inside\n");
	assert_int_equal(atomic_file_write(AT_FDCWD, outside, 0644, "FROM outside\n", 13, 0, NULL), 0);
	assert_int_equal(open_context(world, world->directory, -1, NULL, &context, NULL), 0);
	cleanup_free char *inside = read_dockerfile(context, "my.dockerfile", &rc);
	assert_string_equal(inside, "FROM inside\n");
	cleanup_free char *other = read_dockerfile(context, outside, &rc);
	assert_string_equal(other, "FROM outside\n");
	assert_null(read_dockerfile(context, "missing", &rc));
	assert_int_equal(rc, -ENOENT);
}

static bool is_left_out(struct world *world, const char *dockerfile, const char *path)
{
	cleanup(build_context_close) struct build_context *context = NULL;

	assert_int_equal(open_context(world, world->directory, -1, dockerfile, &context, NULL), 0);
	const struct ignore_rules *rules = build_context_ignore(context);
	return rules && ignore_rules_match(rules, path);
}

static void takes_the_ignore_file_that_is_nearest_to_the_dockerfile(void **state)
{
	struct world *world = *state;

	put(world, "Dockerfile", "FROM a\n");
	put(world, "other", "FROM a\n");
	assert_false(is_left_out(world, NULL, "x"));
	put(world, ".dockerignore", "x\n");
	assert_true(is_left_out(world, NULL, "x"));
	put(world, ".containerignore", "y\n");
	assert_true(is_left_out(world, NULL, "y"));
	assert_false(is_left_out(world, NULL, "x"));
	put(world, "Dockerfile.dockerignore", "z\n");
	assert_true(is_left_out(world, NULL, "z"));
	assert_false(is_left_out(world, NULL, "y"));
	assert_true(is_left_out(world, "other", "y"));
	put(world, "other.dockerignore", "o\n");
	assert_true(is_left_out(world, "other", "o"));
}

static void names_a_directory_that_is_missing(void **state)
{
	cleanup(build_context_close) struct build_context *context = NULL;
	cleanup_error struct error *err = NULL;

	assert_int_equal(open_context(*state, "/nowhere/at/all", -1, NULL, &context, &err), -ENOENT);
	assert_non_null(strstr(error_message(err), "/nowhere/at/all"));
}

/* ---- streams ---- */

static void takes_text_on_stdin_for_a_dockerfile(void **state)
{
	cleanup(build_context_close) struct build_context *context = NULL;
	cleanup_close int fd = fd_from_memory("stdin", "FROM scratch\n", 13, NULL);
	int rc;

	assert_int_equal(open_context(*state, "-", fd, NULL, &context, NULL), 0);
	assert_int_equal(build_context_fd(context), -1);
	cleanup_free char *text = read_dockerfile(context, NULL, &rc);
	assert_string_equal(text, "FROM scratch\n");
	assert_null(read_dockerfile(context, "-", &rc));
	assert_int_equal(rc, -EINVAL);
}

static int to_buf(const void *data, size_t size, void *into, struct error **err)
{
	buf_append(into, data, size);
	return 0;
}

struct tar_text {
	struct buf bytes;
	struct tar_writer writer;
};

static void tar_begin(struct tar_text *tar)
{
	buf_init(&tar->bytes, BUF_MAX_DEFAULT);
	tar_writer_init(&tar->writer, to_buf, &tar->bytes);
}

static void tar_link(struct tar_text *tar, enum tar_type type, const char *path, const char *link)
{
	const struct tar_entry entry = {.path = path, .link = link, .type = type, .mode = 0755};

	assert_int_equal(tar_write_entry(&tar->writer, &entry, NULL), 0);
}

static void tar_file(struct tar_text *tar, const char *path, const char *text)
{
	assert_int_equal(tar_write_file(&tar->writer, path, text, strlen(text), 0, NULL), 0);
}

static int open_tar(struct world *world, struct tar_text *tar, struct build_context **context, struct error **err)
{
	assert_int_equal(tar_write_end(&tar->writer, NULL), 0);
	cleanup_close int fd = fd_from_memory("stdin", tar->bytes.data, tar->bytes.len, NULL);
	int rc = open_context(world, "-", fd, NULL, context, err);
	buf_done(&tar->bytes);
	return rc;
}

static void unpacks_a_tar_on_stdin(void **state)
{
	cleanup(build_context_close) struct build_context *context = NULL;
	struct tar_text tar;
	struct stat st;
	int rc;

	tar_begin(&tar);
	tar_link(&tar, TAR_DIRECTORY, "./", NULL);
	tar_file(&tar, "./Dockerfile", "FROM tar\n");
	tar_file(&tar, "a/b/c", "deep");
	tar_link(&tar, TAR_SYMLINK, "link", "a/b");
	tar_link(&tar, TAR_HARDLINK, "same", "a/b/c");
	assert_int_equal(open_tar(*state, &tar, &context, NULL), 0);
	cleanup_free char *text = read_dockerfile(context, NULL, &rc);
	assert_string_equal(text, "FROM tar\n");
	assert_int_equal(fstatat(build_context_fd(context), "same", &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(fstatat(build_context_fd(context), "link/c", &st, 0), 0);
}

static void keeps_a_hostile_tar_inside(void **state)
{
	struct world *world = *state;
	cleanup(build_context_close) struct build_context *context = NULL;
	struct tar_text tar;
	struct stat st;

	put(world, "victim", "old");
	cleanup_free char *victim = mem_printf("%s/victim", world->directory);
	tar_begin(&tar);
	tar_file(&tar, "../../up", "x");
	tar_link(&tar, TAR_DIRECTORY, "inside", NULL);
	tar_link(&tar, TAR_SYMLINK, "out", "../../inside");
	tar_file(&tar, "out/file", "new");
	tar_link(&tar, TAR_SYMLINK, "direct", victim);
	tar_file(&tar, "direct", "new");
	tar_link(&tar, TAR_CHARDEV, "device", NULL);
	assert_int_equal(open_tar(world, &tar, &context, NULL), 0);
	cleanup(buf_done) struct buf text = BUF_INIT(100);
	assert_int_equal(fd_read_file(world->dirfd, "victim", &text, NULL), 0);
	assert_string_equal(buf_str(&text), "old");
	assert_int_equal(fstatat(build_context_fd(context), "up", &st, 0), 0);
	assert_int_equal(fstatat(build_context_fd(context), "inside/file", &st, 0), 0);
	assert_int_equal(fstatat(build_context_fd(context), "direct", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(fstatat(build_context_fd(context), "device", &st, 0), -1);
}

static void does_not_write_through_a_link_that_leads_out(void **state)
{
	struct world *world = *state;
	cleanup(build_context_close) struct build_context *context = NULL;
	struct tar_text tar;

	put(world, "victim", "old");
	tar_begin(&tar);
	tar_link(&tar, TAR_SYMLINK, "out", world->directory);
	tar_file(&tar, "out/victim", "new");
	assert_int_equal(open_tar(world, &tar, &context, NULL), -ENOENT);
	cleanup(buf_done) struct buf text = BUF_INIT(100);
	assert_int_equal(fd_read_file(world->dirfd, "victim", &text, NULL), 0);
	assert_string_equal(buf_str(&text), "old");
}

static void does_not_link_to_what_lies_outside(void **state)
{
	struct world *world = *state;
	cleanup(build_context_close) struct build_context *context = NULL;
	struct tar_text tar;

	put(world, "victim", "old");
	cleanup_free char *victim = mem_printf("%s/victim", world->directory);
	tar_begin(&tar);
	tar_link(&tar, TAR_HARDLINK, "grab", victim);
	assert_int_equal(open_tar(world, &tar, &context, NULL), -ENOENT);
}

static void does_not_read_a_dockerfile_that_leads_out(void **state)
{
	cleanup(build_context_close) struct build_context *context = NULL;
	struct tar_text tar;
	int rc;

	tar_begin(&tar);
	tar_link(&tar, TAR_SYMLINK, "Dockerfile", "/etc/passwd");
	assert_int_equal(open_tar(*state, &tar, &context, NULL), 0);
	assert_null(read_dockerfile(context, NULL, &rc));
	assert_int_equal(rc, -ENOENT);
}

static void refuses_an_archive_that_ends_early(void **state)
{
	cleanup(build_context_close) struct build_context *context = NULL;
	cleanup_error struct error *err = NULL;
	struct tar_text tar;

	tar_begin(&tar);
	const struct tar_entry entry = {.path = "big", .type = TAR_FILE, .mode = 0644, .size = 100000};
	assert_int_equal(tar_write_entry(&tar.writer, &entry, NULL), 0);
	cleanup_close int fd = fd_from_memory("stdin", tar.bytes.data, tar.bytes.len, NULL);
	assert_int_equal(open_context(*state, "-", fd, NULL, &context, &err), -EBADMSG);
	buf_done(&tar.bytes);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(reads_containerfile_before_dockerfile),
		IN_A_WORLD(reads_a_named_dockerfile_of_the_context_or_beside_it),
		IN_A_WORLD(takes_the_ignore_file_that_is_nearest_to_the_dockerfile),
		IN_A_WORLD(names_a_directory_that_is_missing),
		IN_A_WORLD(takes_text_on_stdin_for_a_dockerfile),
		IN_A_WORLD(unpacks_a_tar_on_stdin),
		IN_A_WORLD(keeps_a_hostile_tar_inside),
		IN_A_WORLD(does_not_write_through_a_link_that_leads_out),
		IN_A_WORLD(does_not_link_to_what_lies_outside),
		IN_A_WORLD(does_not_read_a_dockerfile_that_leads_out),
		IN_A_WORLD(refuses_an_archive_that_ends_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
