/*
 * Hostile paths. Everything runs twice: with openat2(2), then with a seccomp filter that makes it ENOSYS, as old
 * container hosts do, so that the walker answers. A third part compares the two on many paths.
 */
#include "tests/unit/base/scratch.h"

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/rootpath.h"
#include "base/rootpath_internal.h"

/* <scratch>/outside holds the secret; <scratch>/root is the root. */
struct world {
	struct scratch dir;
	int root;
};

static struct world world_make(void)
{
	struct world w = {.dir = scratch_make()};

	put_dir(w.dir.fd, "outside");
	put_file(w.dir.fd, "outside/secret", "outside");
	put_file(w.dir.fd, "secret", "outside");
	put_dir(w.dir.fd, "root");
	w.root = openat(w.dir.fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(w.root >= 0);
	put_dir(w.root, "etc");
	put_file(w.root, "etc/passwd", "inside");
	put_dir(w.root, "a");
	put_dir(w.root, "a/b");
	put_file(w.root, "a/b/file", "deep");
	put_file(w.root, "secret", "inside");
	put_link(w.root, "up", "..");
	put_link(w.root, "climb", "../../../../secret");
	put_link(w.root, "a/b/climb", "../../../../../secret");
	put_link(w.root, "absolute", "/etc/passwd");
	put_link(w.root, "abs-dir", "/a/b");
	put_link(w.root, "chain", "a/../abs-dir");
	put_link(w.root, "slash", "/");
	put_link(w.root, "dot", ".");
	put_link(w.root, "loop", "loop");
	put_link(w.root, "ping", "pong");
	put_link(w.root, "pong", "ping");
	put_link(w.root, "dangling", "nowhere/at/all");
	put_link(w.root, "new-file", "a/made");
	put_link(w.root, "to-file", "etc/passwd");
	cleanup_free char *outside = mem_printf("%s/outside/secret", w.dir.path);
	put_link(w.root, "host", outside);
	assert_int_equal(mkfifoat(w.root, "fifo", 0644), 0);
	return w;
}

static void world_done(struct world *w)
{
	fd_close(w->root);
	scratch_done(&w->dir);
}
CLEANUP_FOR_VALUE(struct world, world_done)

/* What is read through path: the text, or "" with *rc. */
static char *read_in_root(int root, const char *path, int *rc)
{
	cleanup_close int fd = rootpath_open(root, path, O_RDONLY, 0, NULL);
	struct buf text = BUF_INIT(100);

	*rc = fd < 0 ? fd : fd_read_all(fd, &text, NULL);
	return buf_take(&text);
}

static void stays_inside_whatever_the_path_says(void **state)
{
	static const struct {
		const char *path;
		const char *text;
	} cases[] = {
		{"etc/passwd", "inside"},
		{"/etc/passwd", "inside"},
		{"//etc///passwd", "inside"},
		{"../../etc/passwd", "inside"},
		{"../../../secret", "inside"},
		{"/../secret", "inside"},
		{"up/secret", "inside"},
		{"up/up/../up/secret", "inside"},
		{"climb", "inside"},
		{"a/b/climb", "inside"},
		{"absolute", "inside"},
		{"abs-dir/file", "deep"},
		{"abs-dir/../b/file", "deep"},
		{"chain/file", "deep"},
		{"chain/../../secret", "inside"},
		{"slash/slash/etc/passwd", "inside"},
		{"a/./b/.//file", "deep"},
		{"dot/dot/secret", "inside"},
	};
	cleanup(world_done) struct world w = world_make();

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		int rc;
		cleanup_free char *text = read_in_root(w.root, cases[i].path, &rc);
		if (rc != 0 || strcmp(text, cases[i].text) != 0)
			fail_msg("%s: rc %d, text '%s'", cases[i].path, rc, text);
	}
}

static void fails_with_the_code_that_openat2_gives(void **state)
{
	static const struct {
		const char *path;
		int flags;
		int rc;
	} cases[] = {
		{"", O_RDONLY, -ENOENT},
		{"missing", O_RDONLY, -ENOENT},
		{"missing/x", O_RDONLY, -ENOENT},
		{"dangling", O_RDONLY, -ENOENT},
		{"host", O_RDONLY, -ENOENT},
		{"loop", O_RDONLY, -ELOOP},
		{"ping/x", O_RDONLY, -ELOOP},
		{"absolute", O_RDONLY | O_NOFOLLOW, -ELOOP},
		{"etc/passwd/", O_RDONLY, -ENOTDIR},
		{"etc/passwd/.", O_RDONLY, -ENOTDIR},
		{"etc/passwd/..", O_RDONLY, -ENOTDIR},
		{"to-file/x", O_RDONLY, -ENOTDIR},
		{"etc/passwd", O_RDONLY | O_DIRECTORY, -ENOTDIR},
		{"etc", O_WRONLY, -EISDIR},
		{"etc/passwd", O_WRONLY | O_CREAT | O_EXCL, -EEXIST},
		{"dangling", O_WRONLY | O_CREAT | O_EXCL, -EEXIST},
		{"dangling", O_WRONLY | O_CREAT, -ENOENT},
		{"fifo", O_WRONLY, -ENXIO},
	};
	cleanup(world_done) struct world w = world_make();

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		cleanup_error struct error *err = NULL;
		cleanup_close int fd = rootpath_open(w.root, cases[i].path, cases[i].flags, 0644, &err);
		if (fd != cases[i].rc)
			fail_msg("%s: %d, not %d", cases[i].path, fd, cases[i].rc);
		assert_non_null(err);
	}
}

static void makes_files_only_inside(void **state)
{
	cleanup(world_done) struct world w = world_make();
	struct stat st;

	cleanup_close int through_link = rootpath_open(w.root, "new-file", O_WRONLY | O_CREAT, 0600, NULL);
	assert_true(through_link >= 0);
	assert_int_equal(fstatat(w.root, "a/made", &st, 0), 0);
	cleanup_close int above = rootpath_open(w.root, "../../made", O_WRONLY | O_CREAT, 0600, NULL);
	assert_true(above >= 0);
	assert_int_equal(fstatat(w.root, "made", &st, 0), 0);
	assert_int_equal(fstatat(w.dir.fd, "made", &st, 0), -1);
}

static void does_not_wait_for_a_fifo(void **state)
{
	cleanup(world_done) struct world w = world_make();

	alarm(60);
	cleanup_close int fd = rootpath_open(w.root, "fifo", O_RDONLY, 0, NULL);
	assert_true(fd >= 0);
	assert_int_equal(rootpath_open_file(w.root, "fifo", 100, NULL), -EINVAL);
	alarm(0);
}

static void opens_only_regular_files_of_the_allowed_size(void **state)
{
	cleanup(world_done) struct world w = world_make();
	cleanup_close int fd = rootpath_open_file(w.root, "etc/passwd", 6, NULL);

	assert_true(fd >= 0);
	assert_int_equal(rootpath_open_file(w.root, "etc/passwd", 5, NULL), -EFBIG);
	assert_int_equal(rootpath_open_file(w.root, "etc", 100, NULL), -EINVAL);
	assert_int_equal(rootpath_open_file(w.root, "none", 100, NULL), -ENOENT);
}

static void refuses_the_magic_links_of_proc(void **state)
{
	static const char *const paths[] = {
		"/proc/self/root/etc",	    "/proc/self/cwd/x", "/proc/self/exe",
		"/proc/thread-self/root/x", "/proc/self/fd/0",	"/proc/self/ns/mnt",
	};
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
		cleanup_close int fd = rootpath_open(root, paths[i], O_PATH, 0, NULL);
		if (fd != -ELOOP)
			fail_msg("%s: %d", paths[i], fd);
	}
	cleanup_close int plain = rootpath_open(root, "/proc/self/status", O_RDONLY, 0, NULL);
	assert_true(plain >= 0);
	cleanup_close int mounts = rootpath_open(root, "/proc/mounts", O_RDONLY, 0, NULL);
	assert_true(mounts >= 0);
}

static void splits_off_the_last_name(void **state)
{
	cleanup(world_done) struct world w = world_make();
	cleanup_free char *leaf = NULL;
	struct stat st;

	cleanup_close int dir = rootpath_open_parent(w.root, "chain/file//", false, &leaf, NULL);
	assert_true(dir >= 0);
	assert_string_equal(leaf, "file");
	assert_int_equal(fstatat(dir, leaf, &st, 0), 0);
	cleanup_free char *made_leaf = NULL;
	cleanup_close int made = rootpath_open_parent(w.root, "/x/y/z", true, &made_leaf, NULL);
	assert_true(made >= 0);
	assert_int_equal(fstatat(w.root, "x/y", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	static const char *const bad[] = {"", "/", ".", "..", "a/..", "a/.", "///"};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(rootpath_open_parent(w.root, bad[i], false, &made_leaf, NULL), -EINVAL);
	assert_int_equal(rootpath_open_parent(w.root, "no/x", false, &made_leaf, NULL), -ENOENT);
}

static void makes_directories_with_exact_mode_and_time(void **state)
{
	cleanup(world_done) struct world w = world_make();
	const struct rootpath_dir how = {
		.mode = 01775, .set_owner = true, .uid = getuid(), .gid = getgid(), .mtime = 1000};
	struct stat st;

	mode_t mask = umask(077);
	cleanup_close int fd = rootpath_mkdirs(w.root, "/abs-dir/../n1//n2/./n3/", &how, NULL);
	umask(mask);
	assert_true(fd >= 0);
	static const char *const made[] = {"a/n1", "a/n1/n2", "a/n1/n2/n3"};
	for (size_t i = 0; i < ARRAY_COUNT(made); i++) {
		assert_int_equal(fstatat(w.root, made[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(st.st_mode, S_IFDIR | 01775);
		assert_int_equal(st.st_mtime, 1000);
	}
	struct stat opened;
	assert_int_equal(fstat(fd, &opened), 0);
	assert_int_equal(opened.st_ino, st.st_ino);
}

static void leaves_existing_directories_as_they_are(void **state)
{
	cleanup(world_done) struct world w = world_make();
	const struct rootpath_dir how = {.mode = 0700, .mtime = 5};
	struct stat st;

	cleanup_close int fd = rootpath_mkdirs(w.root, "a/b", &how, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	cleanup_close int root = rootpath_mkdirs(w.root, "/", NULL, NULL);
	assert_true(root >= 0);
}

static void never_makes_a_directory_outside(void **state)
{
	cleanup(world_done) struct world w = world_make();
	struct stat st;

	cleanup_close int above = rootpath_mkdirs(w.root, "../../made-above", NULL, NULL);
	assert_true(above >= 0);
	assert_int_equal(fstatat(w.dir.fd, "made-above", &st, 0), -1);
	assert_int_equal(fstatat(w.root, "made-above", &st, 0), 0);
	cleanup_close int through = rootpath_mkdirs(w.root, "up/up/through", NULL, NULL);
	assert_true(through >= 0);
	assert_int_equal(fstatat(w.root, "through", &st, 0), 0);
	assert_int_equal(rootpath_mkdirs(w.root, "dangling/x", NULL, NULL), -ENOENT);
	assert_int_equal(rootpath_mkdirs(w.root, "host", NULL, NULL), -ENOENT);
	assert_int_equal(rootpath_mkdirs(w.root, "loop/x", NULL, NULL), -ELOOP);
	assert_int_equal(rootpath_mkdirs(w.root, "etc/passwd/x", NULL, NULL), -ENOTDIR);
	assert_int_equal(rootpath_mkdirs(w.root, "to-file", NULL, NULL), -ENOTDIR);
	assert_int_equal(fstatat(w.root, "nowhere", &st, 0), -1);
	const struct rootpath_dir follow = {.mode = 0755, .mtime = -1, .follow_dangling = true};
	cleanup_close int beyond = rootpath_mkdirs(w.root, "dangling/x", &follow, NULL);
	assert_true(beyond >= 0);
	assert_int_equal(rootpath_stat(w.root, "dangling/x", true, &(struct stat){0}, NULL), 0);
}

static void tells_links_from_what_they_point_to(void **state)
{
	cleanup(world_done) struct world w = world_make();
	cleanup_free char *target = NULL;
	struct stat st;

	assert_int_equal(rootpath_stat(w.root, "absolute", true, &st, NULL), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(rootpath_stat(w.root, "absolute", false, &st, NULL), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(rootpath_stat(w.root, "dangling", false, &st, NULL), 0);
	assert_int_equal(rootpath_stat(w.root, "dangling", true, &st, NULL), -ENOENT);
	assert_int_equal(rootpath_readlink(w.root, "up/climb", &target, NULL), 0);
	assert_string_equal(target, "../../../../secret");
	assert_int_equal(rootpath_readlink(w.root, "etc", &target, NULL), -EINVAL);
}

static void resolves_to_where_a_path_ends(void **state)
{
	static const struct {
		const char *path;
		const char *end;
	} cases[] = {
		{"/", "/"},
		{"..", "/"},
		{"chain", "/a/b"},
		{"chain/..", "/a"},
		{"up/absolute", "/etc/passwd"},
		{"climb", "/secret"},
		{"a/new/x", "/a/new/x"},
		{"chain/new/./x/../y", "/a/b/new/y"},
		{"new/../../../x", "/x"},
		{"dangling", "/nowhere/at/all"},
		{"dangling/../x", "/nowhere/at/x"},
		{"etc//", "/etc"},
	};
	cleanup(world_done) struct world w = world_make();

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		cleanup_free char *end = NULL;
		assert_int_equal(rootpath_resolve(w.root, cases[i].path, &end, NULL), 0);
		assert_string_equal(end, cases[i].end);
	}
	cleanup_free char *none = NULL;
	assert_int_equal(rootpath_resolve(w.root, "loop", &none, NULL), -ELOOP);
	assert_int_equal(rootpath_resolve(w.root, "etc/passwd/x", &none, NULL), -ENOTDIR);
}

static void cleans_a_path_as_text(void **state)
{
	static const struct {
		const char *path;
		const char *clean;
	} cases[] = {
		{"", "/"},	     {"/", "/"},	{".", "/"},	   {"..", "/"},		{"a", "/a"},
		{"//a//b/", "/a/b"}, {"/a/../b", "/b"}, {"../../x", "/x"}, {"/a/./b/..", "/a"}, {"..a/...", "/..a/..."},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		cleanup_free char *clean = rootpath_clean(cases[i].path);
		assert_string_equal(clean, cases[i].clean);
	}
}

static int open_by_kernel(int root, const char *path, int flags)
{
	struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int fd;

	/* EAGAIN: something was renamed somewhere on this machine while the kernel went through "..". */
	do {
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	} while (fd < 0 && errno == EAGAIN);
	return fd < 0 ? -errno : fd;
}

/* Both opened the same file, or failed with the same code. */
static void assert_agree(int root, const char *path, int flags)
{
	cleanup_close int kernel = open_by_kernel(root, path, flags);
	cleanup_close int walker = rootpath_walk_open(root, path, flags, 0);
	struct stat ours;
	struct stat theirs;

	if (kernel < 0 || walker < 0) {
		if (kernel != walker)
			fail_msg("'%s' flags %o: kernel %d, walker %d", path, flags, kernel, walker);
		return;
	}
	assert_int_equal(fstat(kernel, &theirs), 0);
	assert_int_equal(fstat(walker, &ours), 0);
	if (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev)
		fail_msg("'%s' flags %o: different files", path, flags);
}

static void walker_and_kernel_agree_on_random_paths(void **state)
{
	static const char *const words[] = {"a",       "b",	   "etc",  "file",  "..",     ".",	"up",
					    "climb",   "slash",	   "loop", "chain", "ping",   "fifo",	"dangling",
					    "abs-dir", "absolute", "host", "",	    "secret", "to-file"};
	static const int flags[] = {O_PATH,
				    O_PATH | O_NOFOLLOW,
				    O_PATH | O_DIRECTORY,
				    O_RDONLY | O_NONBLOCK,
				    O_RDONLY | O_NONBLOCK | O_NOFOLLOW,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW};
	cleanup(world_done) struct world w = world_make();
	unsigned seed = 42;

	cleanup_close int probe = open_by_kernel(w.root, "/", O_PATH);
	if (probe == -ENOSYS) /* the second round: there is only the walker */
		return;
	for (int i = 0; i < 20000; i++) {
		cleanup(buf_done) struct buf path = BUF_INIT(PATH_MAX);
		if (rand_r(&seed) % 3 == 0)
			buf_append_char(&path, '/');
		for (int n = rand_r(&seed) % 6; n >= 0; n--)
			buf_printf(&path, "%s%s", words[(size_t)rand_r(&seed) % ARRAY_COUNT(words)],
				   n > 0 || rand_r(&seed) % 4 == 0 ? "/" : "");
		assert_agree(w.root, buf_str(&path), flags[(size_t)rand_r(&seed) % ARRAY_COUNT(flags)]);
	}
}

static void bounds_names_and_paths(void **state)
{
	cleanup(world_done) struct world w = world_make();
	cleanup_free char *text = mem_alloc(5001);

	memset(text, 'x', 300);
	assert_int_equal(rootpath_open(w.root, text, O_PATH, 0, NULL), -ENAMETOOLONG);
	for (int i = 0; i < 5000; i++)
		text[i] = i % 2 ? '/' : '.';
	assert_int_equal(rootpath_open(w.root, text, O_PATH, 0, NULL), -ENAMETOOLONG);
}

static void make_openat2_unknown(void)
{
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = ARRAY_COUNT(program), .filter = program};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) {
		perror("the filter that hides openat2");
		exit(1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stays_inside_whatever_the_path_says),
		cmocka_unit_test(fails_with_the_code_that_openat2_gives),
		cmocka_unit_test(makes_files_only_inside),
		cmocka_unit_test(does_not_wait_for_a_fifo),
		cmocka_unit_test(opens_only_regular_files_of_the_allowed_size),
		cmocka_unit_test(refuses_the_magic_links_of_proc),
		cmocka_unit_test(splits_off_the_last_name),
		cmocka_unit_test(makes_directories_with_exact_mode_and_time),
		cmocka_unit_test(leaves_existing_directories_as_they_are),
		cmocka_unit_test(never_makes_a_directory_outside),
		cmocka_unit_test(tells_links_from_what_they_point_to),
		cmocka_unit_test(resolves_to_where_a_path_ends),
		cmocka_unit_test(cleans_a_path_as_text),
		cmocka_unit_test(walker_and_kernel_agree_on_random_paths),
		cmocka_unit_test(bounds_names_and_paths),
	};
	int failed = cmocka_run_group_tests_name("with openat2", tests, NULL, NULL);

	make_openat2_unknown();
	return failed + cmocka_run_group_tests_name("without openat2", tests, NULL, NULL);
}
