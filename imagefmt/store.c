/*
 * The store's folders, locks and temporary directories. Opening it costs one open(2): folders are opened, and made,
 * when they are first asked for.
 */
#include "imagefmt/store.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tree.h"
#include "imagefmt/userpath.h"

static const char *const folder_names[STORE_FOLDERS] = {
	[STORE_OCI] = "oci",	 [STORE_LAYERS] = "layers", [STORE_CONTAINERS] = "containers",
	[STORE_CACHE] = "cache", [STORE_LOCKS] = "locks",
};

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define TMP_FOLDER "tmp"
#define TMP_LOCK "lock" /* the file inside a temporary directory whose lock says that its process lives */
#define TMP_TRIES 100

/* The temporary directory of one process. A child that was forked with the store open gets its own. */
struct store_tmp {
	pid_t pid; /* 0: none yet */
	int fd;
	int lock;
	char *name; /* below tmp/ */
};

struct known_layer {
	char *hex, *name;
};

struct loan {
	char *key;
	int fd;
	uint64_t size;
};

struct store {
	char *root;
	char *runroot;
	bool durable;
	bool scratch;
	int folders[STORE_FOLDERS];
	struct store_tmp tmp;
	unsigned tmp_names; /* given so far */
	char *id_map;
	bool single_id;
	struct known_layer *known_layers; /* sorted by hex */
	size_t known_layer_count;
	char *boot_id; /* NULL: not read yet */
	bool allows_loans;
	struct loan *loans;
	size_t loan_count;
	const struct blob_observer *observer;
};

/* The place of the layer, or where it belongs. */
static size_t find_known_layer(const struct store *store, const char *hex, bool *is_known)
{
	size_t low = 0, high = store->known_layer_count;

	*is_known = false;
	while (low < high && !*is_known) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(hex, store->known_layers[middle].hex);
		*is_known = order == 0;
		if (order <= 0)
			high = middle;
		else
			low = middle + 1;
	}
	return *is_known ? high : low;
}

const char *store_known_layer(const struct store *store, const char *hex)
{
	bool is_known;
	size_t at = find_known_layer(store, hex, &is_known);

	return is_known ? store->known_layers[at].name : NULL;
}

void store_know_layer(struct store *store, const char *hex, const char *name)
{
	bool is_known;
	size_t at = find_known_layer(store, hex, &is_known);

	if (is_known) {
		mem_replace(&store->known_layers[at].name, name);
		return;
	}
	size_t count = store->known_layer_count;
	if ((count & (count - 1)) == 0) /* full: room for twice as many */
		store->known_layers =
			mem_grow(store->known_layers, count ? 2 * count : 1, sizeof(*store->known_layers));
	memmove(&store->known_layers[at + 1], &store->known_layers[at], (count - at) * sizeof(*store->known_layers));
	store->known_layers[at] = (struct known_layer){mem_strdup(hex), mem_strdup(name)};
	store->known_layer_count++;
}

static void forget_known_layers(struct store *store)
{
	for (size_t i = 0; i < store->known_layer_count; i++) {
		free(store->known_layers[i].hex);
		free(store->known_layers[i].name);
	}
	free(take_ptr(&store->known_layers));
	store->known_layer_count = 0;
}

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

static int open_or_make_below(int dirfd, const char *name, struct error **err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
			return error_set_errno(err, "make '%s'", name);
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return error_set_errno(err, "open '%s'", name);
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
		fd = open_or_make_below(store->folders[STORE_ROOT], folder_names[folder], err);
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

/* ---- Temporary directories ---- */

static char *random_tmp_name(void)
{
	uint32_t random = 0;
	/* Only to keep names apart; mkdir decides. */
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = 0;
	return mem_printf("%d-%08x", (int)getpid(), random);
}

/* Between mkdir and lock a sweeper may come by and take the directory for an orphan: it then holds the lock or has
 * removed everything. -EAGAIN: try another name. */
static int try_make_tmp(int parent, struct store_tmp *tmp, struct error **err)
{
	cleanup_free char *name = random_tmp_name();
	if (mkdirat(parent, name, 0700) < 0)
		return errno == EEXIST ? -EAGAIN : error_set_errno(err, "make '" TMP_FOLDER "/%s'", name);
	cleanup_close int fd = fd_open_dir(parent, name, NULL);
	if (fd < 0)
		return -EAGAIN;
	cleanup_close int lock = lock_take(fd, TMP_LOCK, LOCK_EXCLUSIVE, LOCK_TRY, name, NULL);
	if (lock == -EWOULDBLOCK || lock == -ENOENT)
		return -EAGAIN;
	if (lock < 0)
		return lock_take(fd, TMP_LOCK, LOCK_EXCLUSIVE, LOCK_TRY, name, err); /* again, for the words */
	tmp->fd = take_fd(&fd);
	tmp->lock = take_fd(&lock);
	tmp->name = take_ptr(&name);
	return 0;
}

/* What was inherited over a fork belongs to the parent, who removes it. */
static void drop_inherited_tmp(struct store_tmp *tmp)
{
	fd_close(tmp->fd);
	fd_close(tmp->lock);
	free(tmp->name);
	*tmp = (struct store_tmp){.fd = -1, .lock = -1};
}

int store_tmp(struct store *store, struct error **err)
{
	struct store_tmp *tmp = &store->tmp;
	if (tmp->pid == getpid())
		return tmp->fd;
	drop_inherited_tmp(tmp);

	cleanup_close int parent = open_or_make_below(store->folders[STORE_ROOT], TMP_FOLDER, err);
	if (parent < 0)
		return error_prefix(err, "store '%s'", store->root);
	int rc = -EAGAIN;
	for (int i = 0; i < TMP_TRIES && rc == -EAGAIN; i++)
		rc = try_make_tmp(parent, tmp, err);
	if (rc == -EAGAIN)
		rc = error_set(err, EAGAIN, "no directory of our own can be made in '" TMP_FOLDER "'");
	if (rc < 0)
		return error_prefix(err, "store '%s'", store->root);
	tmp->pid = getpid();
	/* Whoever adds to the store first frees what those who were interrupted have left, so far as it may remove it.
	 */
	struct store_swept swept;
	store_sweep(store, &swept, NULL);
	return tmp->fd;
}

char *store_tmp_name(struct store *store, const char *prefix)
{
	return mem_printf("%s-%u", prefix, store->tmp_names++);
}

char *store_tmp_path(struct store *store, const char *name)
{
	assert(store->tmp.pid == getpid());
	return mem_printf("%s/" TMP_FOLDER "/%s/%s", store->root, store->tmp.name, name);
}

int store_open_scratch(struct store *store, struct store **scratch, struct error **err)
{
	int tmp = store_tmp(store, err);
	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "scratch");
	cleanup_free char *path = store_tmp_path(store, name);
	const struct store_options options = {.root = path, .runroot = path, .scratch = true};
	return store_open(&options, scratch, err);
}

void store_set_observer(struct store *store, const struct blob_observer *observer)
{
	store->observer = observer;
}

const struct blob_observer *store_observer(const struct store *store)
{
	return store->observer;
}

/* ---- Loans ---- */

void store_allow_loans(struct store *scratch)
{
	assert(scratch->scratch);
	scratch->allows_loans = true;
}

bool store_allows_loans(const struct store *store)
{
	return store->allows_loans;
}

void store_lend(struct store *scratch, const char *key, int fd, uint64_t size)
{
	scratch->loans = mem_grow(scratch->loans, scratch->loan_count + 1, sizeof(*scratch->loans));
	scratch->loans[scratch->loan_count++] = (struct loan){.key = mem_strdup(key), .fd = fd, .size = size};
}

int store_lent(const struct store *store, const char *key, uint64_t *size)
{
	for (size_t i = 0; i < store->loan_count; i++) {
		if (strcmp(store->loans[i].key, key) != 0)
			continue;
		if (size)
			*size = store->loans[i].size;
		return store->loans[i].fd;
	}
	return -1;
}

bool store_give_back(struct store *scratch, const char *key)
{
	for (size_t i = 0; i < scratch->loan_count; i++) {
		struct loan *loan = &scratch->loans[i];
		if (strcmp(loan->key, key) != 0)
			continue;
		fd_close(loan->fd);
		free(loan->key);
		*loan = scratch->loans[--scratch->loan_count];
		return true;
	}
	return false;
}

/* ---- The end ---- */

/* Trees of other ids cannot be removed outside the user namespace; then the next sweep inside one does it. */
static void remove_tmp(struct store *store)
{
	struct store_tmp *tmp = &store->tmp;
	if (tmp->pid == getpid()) {
		cleanup_error struct error *why = NULL;
		cleanup_close int parent = fd_open_dir(store->folders[STORE_ROOT], TMP_FOLDER, &why);
		if (parent < 0 || tree_remove(parent, tmp->name, &why) < 0)
			log_debug("'%s/" TMP_FOLDER "/%s' is left for a later prune: %s", store->root, tmp->name,
				  error_message(why));
	}
	drop_inherited_tmp(tmp);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	remove_tmp(store);
	while (store->loan_count > 0)
		store_give_back(store, store->loans[0].key);
	free(store->loans);
	for (size_t i = 0; i < STORE_FOLDERS; i++)
		fd_close(store->folders[i]);
	forget_known_layers(store);
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

/* ---- Sweeping ---- */

/* As random_tmp_name() writes it. Somebody may have given a directory of his own as the store's, with a tmp/ in it. */
static bool is_tmp_name(const char *name)
{
	size_t digits = strspn(name, "0123456789");
	return digits > 0 && name[digits] == '-' && strlen(name + digits + 1) == 8 &&
	       strspn(name + digits + 1, "0123456789abcdef") == 8;
}

/* Removes tmp/<name> if its process is gone. */
static int sweep_entry(int parent, const char *name, struct store_swept *swept, struct error **err)
{
	cleanup_close int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && errno != ENOTDIR && errno != ELOOP)
		return error_set_errno(err, "open '%s'", name);

	cleanup_close int lock = -1;
	struct tree_usage usage = {0};
	if (fd >= 0) {
		lock = lock_take(fd, TMP_LOCK, LOCK_EXCLUSIVE, LOCK_TRY, name, NULL);
		if (lock == -EWOULDBLOCK)
			return 0; /* it lives */
		tree_usage(fd, &usage, /* only for the figures */ NULL);
	}
	int rc = tree_remove(parent, name, err);
	trace(STORE, "sweep " TMP_FOLDER "/%s: %s", name, rc < 0 ? strerror(-rc) : "removed");
	if (rc == 0) {
		swept->entries++;
		swept->bytes += usage.bytes;
	}
	return rc;
}

int store_sweep(struct store *store, struct store_swept *swept, struct error **err)
{
	struct store_swept total = {0};
	int parent = openat(store->folders[STORE_ROOT], TMP_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (parent < 0 && errno == ENOENT) {
		*swept = total;
		return 0;
	}
	DIR *dir = parent < 0 ? NULL : fdopendir(parent);
	if (!dir) {
		int rc = error_set_errno(err, "read '%s/" TMP_FOLDER "'", store->root);
		fd_close(parent);
		return rc;
	}
	for (struct dirent *entry; (entry = readdir(dir));) {
		bool is_ours = store->tmp.pid == getpid() && strcmp(entry->d_name, store->tmp.name) == 0;
		if (is_ours || !is_tmp_name(entry->d_name))
			continue;
		/* One orphan that resists (files of other ids, outside the user namespace) must not protect the others.
		 */
		cleanup_error struct error *why = NULL;
		if (sweep_entry(dirfd(dir), entry->d_name, &total, &why) < 0)
			log_debug("'%s/" TMP_FOLDER "/%s' is left: %s", store->root, entry->d_name, error_message(why));
	}
	closedir(dir);
	*swept = total;
	return 0;
}

/* ---- The id map ---- */

void store_set_id_map(struct store *store, const char *map, bool single_id)
{
	forget_known_layers(store);
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
