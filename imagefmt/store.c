/*
 * The store's folders and locks. Opening it costs one open(2): folders are opened, and made, when they are first asked
 * for.
 */
#include "imagefmt/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "imagefmt/accesslists.h"
#include "imagefmt/userpath.h"

static const char *const folder_names[STORE_FOLDERS] = {
	[STORE_OCI] = "oci",	 [STORE_LAYERS] = "layers", [STORE_CONTAINERS] = "containers",
	[STORE_CACHE] = "cache", [STORE_LOCKS] = "locks",
};

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

const char *store_boot_id(struct store *store)
{
	cleanup(buf_done) struct buf text = BUF_INIT(256);

	if (store->boot_id)
		return store->boot_id;
	/* Masked it is as good as empty: see the header. */
	if (fd_read_file(AT_FDCWD, BOOT_ID_PATH, &text, NULL) < 0)
		buf_clear(&text);
	store->boot_id = mem_strndup(buf_str(&text), strcspn(buf_str(&text), "\n"));
	return store->boot_id;
}

/* ---- Folders ---- */

int store_open_below(int dirfd, const char *name, struct error **err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
			return error_set_errno(err, "make '%s'", name);
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return error_set_errno(err, "open '%s'", name);
	access_lists_hand_on_none(fd);
	return fd;
}

/* An empty OCI layout (image-layout.md), whole in `name` below dirfd. */
static int make_layout(int dirfd, const char *name, struct error **err)
{
	static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	static const char index[] = "{\"manifests\":[],\"mediaType\":\"application/vnd.oci.image.index.v1+json\","
				    "\"schemaVersion\":2}";
	if (mkdirat(dirfd, name, 0700) < 0)
		return error_set_errno(err, "make '%s'", name);
	cleanup_close int layout = fd_open_dir(dirfd, name, err);
	if (layout < 0)
		return layout;
	if (mkdirat(layout, "blobs", 0700) < 0 || mkdirat(layout, "blobs/sha256", 0700) < 0)
		return error_set_errno(err, "make 'blobs'");
	int rc = atomic_file_write(layout, "oci-layout", 0600, version, strlen(version), /* flags */ 0, err);
	if (rc == 0)
		rc = atomic_file_write(layout, "index.json", 0600, index, strlen(index), ATOMIC_FILE_SYNC, err);
	return rc;
}

/* oci/ appears by rename, so that nobody finds half a layout. Another process may be first: its layout is as good. */
static int open_or_make_oci(struct store *store, struct error **err)
{
	int root = store->folders[STORE_ROOT];
	int fd = openat(root, "oci", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return error_set_errno(err, "open 'oci'");

	int tmp = store_tmp(store, err);
	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "oci");
	int rc = make_layout(tmp, name, err);
	if (rc < 0)
		return rc;
	if (renameat(tmp, name, root, "oci") < 0 && errno != EEXIST && errno != ENOTEMPTY)
		return error_set_errno(err, "rename '%s' to 'oci'", name);
	return fd_open_dir(root, "oci", err);
}

int store_open(const struct store_options *options, struct store **store, struct error **err)
{
	cleanup(store_close) struct store *opened = mem_alloc(sizeof(*opened));
	for (size_t i = 0; i < STORE_FOLDERS; i++)
		opened->folders[i] = -1;
	opened->tmp.fd = -1;
	opened->tmp.lock = -1;
	opened->root = mem_strdup(options->root);
	opened->runroot = mem_strdup(options->runroot);
	opened->durable = options->durable;
	opened->scratch = options->scratch;
	opened->id_map = mem_strdup("");

	int fd = userpath_open_dir(opened->root, 0700, err);
	if (fd < 0)
		return error_prefix(err, "store '%s'", opened->root);
	opened->folders[STORE_ROOT] = fd;
	*store = take_ptr(&opened);
	return 0;
}

const char *store_root(const struct store *store)
{
	return store->root;
}

const char *store_runroot(const struct store *store)
{
	return store->runroot;
}

bool store_is_durable(const struct store *store)
{
	return store->durable;
}

bool store_is_scratch(const struct store *store)
{
	return store->scratch;
}

int store_folder(struct store *store, enum store_folder folder, struct error **err)
{
	if (store->folders[folder] >= 0)
		return store->folders[folder];
	int fd;
	if (folder == STORE_RUN)
		fd = userpath_open_dir(store->runroot, 0700, err);
	else if (folder == STORE_OCI)
		fd = open_or_make_oci(store, err);
	else
		fd = store_open_below(store->folders[STORE_ROOT], folder_names[folder], err);
	if (fd < 0)
		return error_prefix(err, "store '%s'", store->root);
	store->folders[folder] = fd;
	return fd;
}

char *store_path(const struct store *store, enum store_folder folder, const char *name)
{
	const char *top = folder == STORE_RUN ? store->runroot : store->root;
	const char *between = folder_names[folder];
	return mem_printf("%s%s%s%s%s", top, between ? "/" : "", between ? between : "", name ? "/" : "",
			  name ? name : "");
}

/* ---- Locks ---- */

int store_lock(struct store *store, const char *kind, const char *name, enum lock_mode mode, enum lock_wait wait,
	       const char *what, struct error **err)
{
	if (strchr(name, '/'))
		return error_set(err, EINVAL, "'%s' cannot be locked: it has a '/'", name);
	int locks = store_folder(store, STORE_LOCKS, err);
	if (locks < 0)
		return locks;
	cleanup_free char *file = mem_printf("%s-%s", kind, name);
	int lock = lock_take(locks, file, mode, wait, what, err);
	trace(STORE, "lock %s, %s: %s", file, mode == LOCK_SHARED ? "shared" : "alone",
	      lock < 0 ? strerror(-lock) : "taken");
	return lock < 0 ? error_prefix(err, "store '%s'", store->root) : lock;
}

int store_forget_lock(struct store *store, const char *kind, const char *name)
{
	cleanup_close int held = store_lock(store, kind, name, LOCK_EXCLUSIVE, LOCK_TRY, name, NULL);
	if (held < 0)
		return held;
	store_drop_lock(store, kind, name);
	return 0;
}

void store_drop_lock(struct store *store, const char *kind, const char *name)
{
	cleanup_free char *file = mem_printf("%s-%s", kind, name);
	int locks = store_folder(store, STORE_LOCKS, NULL);
	/* One that stays costs an inode, and the next prune finds it. */
	if (locks >= 0)
		unlinkat(locks, file, 0);
}

int store_hold(struct store *store, struct error **err)
{
	return store_lock(store, "store", "garbage", LOCK_SHARED, LOCK_WAIT, "the store", err);
}

int store_hold_alone(struct store *store, enum lock_wait wait, struct error **err)
{
	return store_lock(store, "store", "garbage", LOCK_EXCLUSIVE, wait, "the store", err);
}

void store_is_no_longer_clean(struct store *store)
{
	unlinkat(store->folders[STORE_ROOT], COLLECT_STAMP, /* flags */ 0);
}

void store_set_observer(struct store *store, const struct blob_observer *observer)
{
	store->observer = observer;
}

const struct blob_observer *store_observer(const struct store *store)
{
	return store->observer;
}

/* ---- The end ---- */

void store_close(struct store *store)
{
	if (!store)
		return;
	store_remove_tmp(store);
	store_end_loans(store);
	for (size_t i = 0; i < STORE_FOLDERS; i++)
		fd_close(store->folders[i]);
	store_forget_layers(store);
	free(store->root);
	free(store->runroot);
	free(store->id_map);
	free(store->boot_id);
	free(store);
}

int store_reopen(struct store *store, struct error **err)
{
	int fd = userpath_open_dir(store->root, 0700, err);

	if (fd < 0)
		return error_prefix(err, "store '%s'", store->root);
	for (size_t i = 0; i < STORE_FOLDERS; i++) {
		fd_close(store->folders[i]);
		store->folders[i] = -1;
	}
	store->folders[STORE_ROOT] = fd;
	if (store->tmp.pid != getpid())
		return 0;
	cleanup_free char *path = mem_printf(TMP_FOLDER "/%s", store->tmp.name);
	int tmp = fd_open_dir(fd, path, err);
	if (tmp < 0)
		return error_prefix(err, "store '%s'", store->root);
	fd_close(store->tmp.fd);
	store->tmp.fd = tmp;
	return 0;
}

/* ---- A full disk ---- */

#define RESERVE "reserve"
#define RESERVE_SPARE ((off_t)64 << 10) /* for directories and state */

void store_keep_reserve(struct store *store, size_t size)
{
	cleanup_close int fd =
		openat(store->folders[STORE_ROOT], RESERVE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	off_t wanted = (off_t)size + RESERVE_SPARE;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size >= wanted)
		return;
	/* More than is wanted, so that a growing table does not come here each time. */
	if (fallocate(fd, /* mode */ 0, 0, wanted + wanted / 2) < 0)
		log_debug("no room is kept for removing things on a full disk: %s", strerror(errno));
}

bool store_use_reserve(struct store *store)
{
	return unlinkat(store->folders[STORE_ROOT], RESERVE, /* flags */ 0) == 0;
}

/* ---- The id map ---- */

void store_set_id_map(struct store *store, const char *map, bool single_id)
{
	store_forget_layers(store);
	mem_replace(&store->id_map, map);
	store->single_id = single_id;
}

const char *store_id_map(const struct store *store)
{
	return store->id_map;
}

bool store_has_single_id(const struct store *store)
{
	return store->single_id;
}
