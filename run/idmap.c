/*
 * Finds the id map that this process may have: its own capabilities, /etc/subuid and /etc/subgid, or a single id.
 * In: the kernel's answers and three files. Out: extents for user namespaces, and why they are not more.
 */
#include "run/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/process.h"
#include "run/idmap_internal.h"

#define ID_FILE_SIZE_MAX ((size_t)4 << 20)
#define ID_MAX ((uint64_t)0xfffffffe) /* 4294967295 is "no id" */
#define ID_COUNT_MAX ((uint64_t)0xffffffff)

void idmap_done(struct idmap *map)
{
	free(map->uids.items);
	free(map->gids.items);
	free(map->reason);
	*map = (struct idmap){0};
}

static struct id_extents copy_extents(const struct id_extents *extents)
{
	struct id_extents copy = {.items = mem_grow(NULL, extents->count + 1, sizeof(*copy.items)),
				  .count = extents->count};

	memcpy(copy.items, extents->items, extents->count * sizeof(*copy.items));
	return copy;
}

void idmap_copy(struct idmap *copy, const struct idmap *map)
{
	*copy = (struct idmap){
		.kind = map->kind,
		.uids = copy_extents(&map->uids),
		.gids = copy_extents(&map->gids),
		.reason = map->reason ? mem_strdup(map->reason) : NULL,
	};
}

static void add_extent(struct id_extents *extents, uint32_t inside, uint32_t outside, uint32_t count)
{
	extents->items = mem_grow(extents->items, extents->count + 1, sizeof(*extents->items));
	extents->items[extents->count++] = (struct id_extent){.inside = inside, .outside = outside, .count = count};
}

bool idmap_has(const struct id_extents *extents, uint32_t inside)
{
	for (size_t i = 0; i < extents->count; i++) {
		const struct id_extent *e = &extents->items[i];
		if (inside >= e->inside && inside - e->inside < e->count)
			return true;
	}
	return false;
}

static char *format_lines(const struct id_extents *extents, bool identity)
{
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);

	for (size_t i = 0; i < extents->count; i++) {
		const struct id_extent *e = &extents->items[i];
		buf_printf(&text, "%u %u %u\n", e->inside, identity ? e->inside : e->outside, e->count);
	}
	return buf_take(&text);
}

char *idmap_lines(const struct id_extents *extents)
{
	return format_lines(extents, false);
}

char *idmap_identity_lines(const struct id_extents *extents)
{
	return format_lines(extents, true);
}

static void format_extents(const struct id_extents *extents, struct buf *text)
{
	for (size_t i = 0; i < extents->count; i++) {
		const struct id_extent *e = &extents->items[i];
		buf_printf(text, "%s%u:%u:%u", i ? "," : "", e->inside, e->outside, e->count);
	}
}

char *idmap_format(const struct idmap *map)
{
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);

	buf_append_char(&text, 'u');
	format_extents(&map->uids, &text);
	buf_append_str(&text, ";g");
	format_extents(&map->gids, &text);
	return buf_take(&text);
}

int idmap_parse_proc(const char *text, struct id_extents *extents, struct error **err)
{
	cleanup(strlist_done) struct strlist lines = {0};

	strlist_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count; i++) {
		cleanup(strlist_done) struct strlist words = {0};
		uint64_t value[3];

		if (lines.items[i][strspn(lines.items[i], " ")] == '\0')
			continue;
		int rc = parse_shell_words(lines.items[i], "id map", &words, err);
		if (rc < 0)
			return rc;
		if (words.count != 3)
			return error_set(err, EINVAL, "id map: line '%s' has not three numbers", lines.items[i]);
		for (size_t n = 0; n < 3; n++) {
			rc = parse_u64(words.items[n], ID_COUNT_MAX, "id map", &value[n], err);
			if (rc < 0)
				return rc;
		}
		add_extent(extents, (uint32_t)value[0], (uint32_t)value[1], (uint32_t)value[2]);
	}
	return 0;
}

/* Where the next extent begins inside. */
static uint64_t end_inside(const struct id_extents *extents)
{
	uint64_t end = 0;

	for (size_t i = 0; i < extents->count; i++) {
		uint64_t last = (uint64_t)extents->items[i].inside + extents->items[i].count;
		if (last > end)
			end = last;
	}
	return end;
}

/* "owner:start:count"; false when the line is not one of ours or not well-formed. */
static bool parse_subid_line(const char *line, const char *name, const char *number, uint64_t *start, uint64_t *count)
{
	cleanup(strlist_done) struct strlist fields = {0};

	strlist_split(&fields, line, ':');
	if (fields.count != 3)
		return false;
	if (strcmp(fields.items[0], number) != 0 && (!name || strcmp(fields.items[0], name) != 0))
		return false;
	return parse_u64(fields.items[1], ID_MAX, "start", start, NULL) == 0 &&
	       parse_u64(fields.items[2], ID_COUNT_MAX, "count", count, NULL) == 0 && *count > 0 &&
	       *start + *count - 1 <= ID_MAX;
}

void idmap_parse_subids(const char *text, const char *name, uid_t id, struct id_extents *extents)
{
	cleanup(strlist_done) struct strlist lines = {0};
	cleanup_free char *number = mem_printf("%u", id);

	strlist_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count && extents->count < IDMAP_EXTENTS_MAX; i++) {
		uint64_t start = 0;
		uint64_t count = 0;
		uint64_t inside = end_inside(extents);

		if (!parse_subid_line(lines.items[i], name, number, &start, &count))
			continue;
		if (inside > ID_MAX)
			return;
		if (count > ID_MAX + 1 - inside)
			count = ID_MAX + 1 - inside;
		add_extent(extents, (uint32_t)inside, (uint32_t)start, (uint32_t)count);
	}
}

/* The file's text; "" when it cannot be read, which means for subuid(5) that nobody has subordinate ids. */
static int read_optional(const char *path, struct buf *text, struct error **err)
{
	int rc = fd_read_file(AT_FDCWD, path, text, NULL);

	if (rc == -EFBIG || rc == -ENOMEM)
		return error_set(err, -rc, "'%s' is larger than %zu bytes", path, text->max);
	return 0;
}

static int load_subids(const char *path, const struct idmap_sources *sources, uint32_t own, struct id_extents *extents,
		       struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(ID_FILE_SIZE_MAX);
	int rc = read_optional(path, &text, err);

	if (rc < 0)
		return rc;
	add_extent(extents, 0, own, 1);
	/* Both files are keyed by the user: subgid(5) has no lines for groups. */
	idmap_parse_subids(buf_str(&text), sources->name, sources->uid, extents);
	return 0;
}

static int load_proc(const char *path, struct id_extents *extents, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(ID_FILE_SIZE_MAX);
	int rc = fd_read_file(AT_FDCWD, path, &text, err);

	if (rc < 0)
		return rc;
	rc = idmap_parse_proc(buf_str(&text), extents, err);
	if (rc < 0)
		return error_prefix(err, "'%s'", path);
	return 0;
}

static bool has_many(const struct id_extents *extents)
{
	return extents->count > 1 || (extents->count == 1 && extents->items[0].count > 1);
}

/* Identity extents over our own map: what is mapped here keeps its number. */
static int choose_direct(const struct idmap_sources *sources, struct idmap *map, struct error **err)
{
	int rc = load_proc(sources->uid_map, &map->uids, err);

	if (rc == 0)
		rc = load_proc(sources->gid_map, &map->gids, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < map->uids.count; i++)
		map->uids.items[i].outside = map->uids.items[i].inside;
	for (size_t i = 0; i < map->gids.count; i++)
		map->gids.items[i].outside = map->gids.items[i].inside;
	map->kind = IDMAP_DIRECT;
	/* Root of a namespace with one id can give no other, as everybody else who has one. */
	if (!has_many(&map->uids) || !has_many(&map->gids)) {
		map->kind = IDMAP_SINGLE;
		map->reason = mem_strdup("the namespace that cooper stands in has a single id");
	}
	return 0;
}

static void make_single(struct id_extents *extents)
{
	extents->count = 1;
	extents->items[0].count = 1;
}

static char *missing_subids_reason(const struct idmap_sources *sources, const struct idmap *map)
{
	const char *file = map->uids.count < 2 ? sources->subuid : sources->subgid;
	cleanup_free char *owner = sources->name ? mem_strdup(sources->name) : mem_printf("%u", sources->uid);

	return mem_printf("%s has no range for '%s'; add the line %s:100000:65536 to %s and %s", file, owner, owner,
			  sources->subuid, sources->subgid);
}

int idmap_choose(const struct idmap_sources *sources, struct idmap *map, struct error **err)
{
	cleanup(idmap_done) struct idmap found = {0};
	int rc;

	if (sources->can_map_directly) {
		rc = choose_direct(sources, &found, err);
		if (rc < 0)
			return rc;
		*map = found;
		found = (struct idmap){0};
		return 0;
	}
	rc = load_subids(sources->subuid, sources, sources->uid, &found.uids, err);
	if (rc == 0)
		rc = load_subids(sources->subgid, sources, sources->gid, &found.gids, err);
	if (rc < 0)
		return rc;
	found.kind = IDMAP_SUBIDS;
	if (found.uids.count < 2 || found.gids.count < 2)
		found.reason = missing_subids_reason(sources, &found);
	else if (sources->helper_trouble)
		found.reason = mem_strdup(sources->helper_trouble);
	if (found.reason) {
		found.kind = IDMAP_SINGLE;
		make_single(&found.uids);
		make_single(&found.gids);
	}
	*map = found;
	found = (struct idmap){0};
	return 0;
}

static bool holds_capability(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (capget(&header, data) < 0)
		return false;
	return data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

/* CAP_SETFCAP since Linux 5.12: a map of id 0 could otherwise give file capabilities to the parent (verify_root_map).
 */
static bool may_map_directly(void)
{
	return holds_capability(CAP_SETUID) && holds_capability(CAP_SETGID) && holds_capability(CAP_SETFCAP);
}

static bool bounding_set_has(unsigned capability)
{
	return prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1;
}

/* Why one of the two helpers cannot do its work, or NULL. Both forms that distributions ship are known: set-user-ID
 * root, which writes the map as root and needs root's capabilities in our bounding set, and file capabilities, which
 * need only one. */
static char *trouble_of(const char *helper, unsigned capability)
{
	cleanup_free char *path = process_find(helper);
	struct stat st;

	if (!path)
		return mem_printf("%s is not installed; install the package 'uidmap'", helper);
	if (stat(path, &st) < 0)
		return mem_printf("%s cannot be read", path);
	if (getxattr(path, "security.capability", NULL, 0) > 0) {
		if (!bounding_set_has(capability))
			return mem_printf("%s cannot gain its capability here: it is not in the bounding set", path);
		return NULL;
	}
	if (!(st.st_mode & S_ISUID) || st.st_uid != 0)
		return mem_printf("%s is neither set-user-ID root nor has file capabilities; reinstall the package "
				  "'uidmap' or run: setcap %s %s",
				  path, capability == CAP_SETUID ? "cap_setuid+ep" : "cap_setgid+ep", path);
	if (!bounding_set_has(CAP_SYS_ADMIN) || !bounding_set_has(CAP_DAC_OVERRIDE))
		return mem_printf("%s is set-user-ID root, which is not enough in this container; give it file "
				  "capabilities: setcap %s %s",
				  path, capability == CAP_SETUID ? "cap_setuid+ep" : "cap_setgid+ep", path);
	return NULL;
}

static char *find_helper_trouble(void)
{
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return mem_strdup("no_new_privs is set, so newuidmap cannot gain privileges "
				  "(allowPrivilegeEscalation: true would allow it)");
	char *trouble = trouble_of("newuidmap", CAP_SETUID);
	return trouble ? trouble : trouble_of("newgidmap", CAP_SETGID);
}

/* The account's name from /etc/passwd, or NULL. Read here rather than by getpwuid(3): the C library would load its
 * name service modules for it, which costs more than all the rest of the start. */
static char *account_name(uid_t uid)
{
	cleanup(buf_done) struct buf text = BUF_INIT(ID_FILE_SIZE_MAX);
	cleanup(strlist_done) struct strlist lines = {0};
	cleanup_free char *number = mem_printf("%u", uid);

	if (fd_read_file(AT_FDCWD, "/etc/passwd", &text, NULL) < 0)
		return NULL;
	strlist_split(&lines, buf_str(&text), '\n');
	for (size_t i = 0; i < lines.count; i++) {
		cleanup(strlist_done) struct strlist fields = {0};

		strlist_split(&fields, lines.items[i], ':');
		if (fields.count >= 4 && strcmp(fields.items[2], number) == 0)
			return mem_strdup(fields.items[0]);
	}
	return NULL;
}

/* Accounts that are in no file (LDAP) are asked for from the environment; the helpers check the claim. */
static char *find_name(uid_t uid)
{
	char *name = account_name(uid);

	return name ? name : mem_strdup(getenv("USER"));
}

int idmap_find(struct idmap *map, struct error **err)
{
	bool direct = may_map_directly();
	cleanup_free char *name = direct ? NULL : find_name(getuid());
	cleanup_free char *trouble = direct ? NULL : find_helper_trouble();
	const struct idmap_sources sources = {
		.subuid = "/etc/subuid",
		.subgid = "/etc/subgid",
		.uid_map = "/proc/self/uid_map",
		.gid_map = "/proc/self/gid_map",
		.name = name,
		.uid = geteuid(),
		.gid = getegid(),
		.can_map_directly = direct,
		.helper_trouble = trouble,
	};

	return idmap_choose(&sources, map, err);
}

int idmap_current(struct idmap *map, struct error **err)
{
	cleanup(idmap_done) struct idmap found = {0};
	int rc = load_proc("/proc/self/uid_map", &found.uids, err);

	if (rc == 0)
		rc = load_proc("/proc/self/gid_map", &found.gids, err);
	if (rc < 0)
		return rc;
	if (!has_many(&found.uids) || !has_many(&found.gids)) {
		found.kind = IDMAP_SINGLE;
		found.reason = mem_strdup("the namespace that cooper stands in has a single id");
	} else {
		found.kind = found.uids.count > 1 ? IDMAP_SUBIDS : IDMAP_DIRECT;
	}
	*map = found;
	found = (struct idmap){0};
	return 0;
}

int idmap_own(struct idmap *map)
{
	*map = (struct idmap){.kind = IDMAP_SINGLE};
	add_extent(&map->uids, 0, geteuid(), 1);
	add_extent(&map->gids, 0, getegid(), 1);
	return 0;
}
