/*
 * The kernel's rules about ids, groups and capabilities, for a thread that has only been told that it has them.
 */
#include "run/credentials.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define CAP_BIT(name) (UINT64_C(1) << (name))
/* capabilities(7), "Effect of user ID changes": what goes and comes with the file system user. */
#define CAPS_OF_FILES                                                                                         \
	(CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_DAC_READ_SEARCH) | \
	 CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_LINUX_IMMUTABLE) | CAP_BIT(CAP_MAC_OVERRIDE))

/* ---- Life ---- */

static void set_all(uint32_t ids[ID_SLOTS], uint32_t id)
{
	for (size_t i = 0; i < ID_SLOTS; i++)
		ids[i] = id;
}

static int compare_ids(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Sorted, as the kernel keeps them and getgroups(2) shows them. */
static void set_groups(struct credentials *c, const uint32_t *groups, size_t count)
{
	free(c->groups);
	c->groups = mem_dup(groups, count * sizeof(*groups));
	c->group_count = count;
	if (count > 1)
		qsort(c->groups, count, sizeof(*c->groups), compare_ids);
}

struct credentials *credentials_new(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t group_count,
				    uint64_t bounding)
{
	struct credentials *made = mem_alloc(sizeof(*made));

	made->references = 1;
	set_all(made->uid, uid);
	set_all(made->gid, gid);
	set_groups(made, groups, group_count);
	made->bounding = bounding;
	if (uid == 0)
		made->permitted = made->effective = bounding;
	return made;
}

struct credentials *credentials_share(struct credentials *credentials)
{
	credentials->references++;
	return credentials;
}

void credentials_free(struct credentials *credentials)
{
	if (!credentials || --credentials->references > 0)
		return;
	free(credentials->groups);
	free(credentials);
}

struct credentials *credentials_edit(struct credentials **credentials)
{
	struct credentials *shared = *credentials;

	if (shared->references == 1)
		return shared;
	struct credentials *own = mem_dup(shared, sizeof(*shared));
	own->references = 1;
	own->groups = mem_dup(shared->groups, shared->group_count * sizeof(*shared->groups));
	shared->references--;
	*credentials = own;
	return own;
}

/* ---- Questions ---- */

bool credentials_can(const struct credentials *credentials, int capability)
{
	return credentials->effective >> capability & 1;
}

bool credentials_in_group(const struct credentials *credentials, uint32_t gid)
{
	if (credentials->gid[ID_FS] == gid)
		return true;
	for (size_t i = 0; i < credentials->group_count; i++)
		if (credentials->groups[i] == gid)
			return true;
	return false;
}

static bool are_all(const uint32_t ids[ID_SLOTS], uint32_t id)
{
	for (size_t i = 0; i < ID_SLOTS; i++)
		if (ids[i] != id)
			return false;
	return true;
}

bool credentials_are_equal(const struct credentials *a, const struct credentials *b)
{
	return memcmp(a->uid, b->uid, sizeof(a->uid)) == 0 && memcmp(a->gid, b->gid, sizeof(a->gid)) == 0 &&
	       a->group_count == b->group_count &&
	       (a->group_count == 0 || memcmp(a->groups, b->groups, a->group_count * sizeof(*a->groups)) == 0) &&
	       a->permitted == b->permitted && a->effective == b->effective && a->inheritable == b->inheritable &&
	       a->ambient == b->ambient && a->bounding == b->bounding && a->securebits == b->securebits &&
	       a->no_new_privs == b->no_new_privs;
}

bool credentials_are_plain_root(const struct credentials *credentials)
{
	return are_all(credentials->uid, 0) && are_all(credentials->gid, 0) && credentials->securebits == 0 &&
	       credentials->effective == credentials->bounding && credentials->permitted == credentials->bounding;
}

/* ---- Users ---- */

/* capabilities(7), "Effect of user ID changes", after the three ids have changed from `before`. */
static void adjust_capabilities(struct credentials *c, const uint32_t before[ID_SLOTS])
{
	bool had_root = before[ID_REAL] == 0 || before[ID_EFFECTIVE] == 0 || before[ID_SAVED] == 0;
	bool has_root = c->uid[ID_REAL] == 0 || c->uid[ID_EFFECTIVE] == 0 || c->uid[ID_SAVED] == 0;

	if (c->securebits & SECBIT_NO_SETUID_FIXUP)
		return;
	if (had_root && !has_root) {
		if (!(c->securebits & SECBIT_KEEP_CAPS))
			c->permitted = c->effective = 0;
		c->ambient = 0;
	}
	if (before[ID_EFFECTIVE] == 0 && c->uid[ID_EFFECTIVE] != 0)
		c->effective = 0;
	if (before[ID_EFFECTIVE] != 0 && c->uid[ID_EFFECTIVE] == 0)
		c->effective = c->permitted;
}

static void set_uids(struct credentials **credentials, uint32_t real, uint32_t effective, uint32_t saved)
{
	struct credentials *c = credentials_edit(credentials);
	uint32_t before[ID_SLOTS];

	memcpy(before, c->uid, sizeof(before));
	c->uid[ID_REAL] = real;
	c->uid[ID_EFFECTIVE] = c->uid[ID_FS] = effective;
	c->uid[ID_SAVED] = saved;
	adjust_capabilities(c, before);
}

static void set_gids(struct credentials **credentials, uint32_t real, uint32_t effective, uint32_t saved)
{
	struct credentials *c = credentials_edit(credentials);

	c->gid[ID_REAL] = real;
	c->gid[ID_EFFECTIVE] = c->gid[ID_FS] = effective;
	c->gid[ID_SAVED] = saved;
}

/* One of the first three. */
static bool has_id(const uint32_t ids[ID_SLOTS], uint32_t id)
{
	return id == ids[ID_REAL] || id == ids[ID_EFFECTIVE] || id == ids[ID_SAVED];
}

int credentials_setuid(struct credentials **credentials, uint32_t uid)
{
	const struct credentials *c = *credentials;

	if (uid == ID_KEEP)
		return -EINVAL;
	if (credentials_can(c, CAP_SETUID))
		set_uids(credentials, uid, uid, uid);
	else if (uid == c->uid[ID_REAL] || uid == c->uid[ID_SAVED])
		set_uids(credentials, c->uid[ID_REAL], uid, c->uid[ID_SAVED]);
	else
		return -EPERM;
	return 0;
}

int credentials_setgid(struct credentials **credentials, uint32_t gid)
{
	const struct credentials *c = *credentials;

	if (gid == ID_KEEP)
		return -EINVAL;
	if (credentials_can(c, CAP_SETGID))
		set_gids(credentials, gid, gid, gid);
	else if (gid == c->gid[ID_REAL] || gid == c->gid[ID_SAVED])
		set_gids(credentials, c->gid[ID_REAL], gid, c->gid[ID_SAVED]);
	else
		return -EPERM;
	return 0;
}

/* setreuid(2) and setregid(2) have the same rule: ids[] becomes what the three will be. */
static int choose_pair(const uint32_t old[ID_SLOTS], bool may, uint32_t real, uint32_t effective, uint32_t ids[3])
{
	if (real != ID_KEEP && !may && real != old[ID_REAL] && real != old[ID_EFFECTIVE])
		return -EPERM;
	if (effective != ID_KEEP && !may && !has_id(old, effective))
		return -EPERM;
	ids[ID_REAL] = real == ID_KEEP ? old[ID_REAL] : real;
	ids[ID_EFFECTIVE] = effective == ID_KEEP ? old[ID_EFFECTIVE] : effective;
	bool saves = real != ID_KEEP || (effective != ID_KEEP && effective != old[ID_REAL]);
	ids[ID_SAVED] = saves ? ids[ID_EFFECTIVE] : old[ID_SAVED];
	return 0;
}

int credentials_setreuid(struct credentials **credentials, uint32_t real, uint32_t effective)
{
	uint32_t ids[3];
	int rc = choose_pair((*credentials)->uid, credentials_can(*credentials, CAP_SETUID), real, effective, ids);

	if (rc == 0)
		set_uids(credentials, ids[ID_REAL], ids[ID_EFFECTIVE], ids[ID_SAVED]);
	return rc;
}

int credentials_setregid(struct credentials **credentials, uint32_t real, uint32_t effective)
{
	uint32_t ids[3];
	int rc = choose_pair((*credentials)->gid, credentials_can(*credentials, CAP_SETGID), real, effective, ids);

	if (rc == 0)
		set_gids(credentials, ids[ID_REAL], ids[ID_EFFECTIVE], ids[ID_SAVED]);
	return rc;
}

/* Nothing to do, then not even for the file system id, which follows the effective one in all other cases. */
static bool is_no_change(const uint32_t old[ID_SLOTS], const uint32_t wanted[3])
{
	for (size_t i = 0; i < 3; i++)
		if (wanted[i] != ID_KEEP && wanted[i] != old[i])
			return false;
	return wanted[ID_EFFECTIVE] == ID_KEEP || wanted[ID_EFFECTIVE] == old[ID_FS];
}

static int choose_three(const uint32_t old[ID_SLOTS], bool may, const uint32_t wanted[3], uint32_t ids[3])
{
	for (size_t i = 0; i < 3; i++) {
		if (wanted[i] != ID_KEEP && !may && !has_id(old, wanted[i]))
			return -EPERM;
		ids[i] = wanted[i] == ID_KEEP ? old[i] : wanted[i];
	}
	return 0;
}

int credentials_setresuid(struct credentials **credentials, const uint32_t wanted[3])
{
	uint32_t ids[3];

	if (is_no_change((*credentials)->uid, wanted))
		return 0;
	int rc = choose_three((*credentials)->uid, credentials_can(*credentials, CAP_SETUID), wanted, ids);

	if (rc == 0)
		set_uids(credentials, ids[ID_REAL], ids[ID_EFFECTIVE], ids[ID_SAVED]);
	return rc;
}

int credentials_setresgid(struct credentials **credentials, const uint32_t wanted[3])
{
	uint32_t ids[3];

	if (is_no_change((*credentials)->gid, wanted))
		return 0;
	int rc = choose_three((*credentials)->gid, credentials_can(*credentials, CAP_SETGID), wanted, ids);

	if (rc == 0)
		set_gids(credentials, ids[ID_REAL], ids[ID_EFFECTIVE], ids[ID_SAVED]);
	return rc;
}

uint32_t credentials_setfsuid(struct credentials **credentials, uint32_t uid)
{
	uint32_t old = (*credentials)->uid[ID_FS];

	if (uid == ID_KEEP || uid == old)
		return old;
	if (!has_id((*credentials)->uid, uid) && !credentials_can(*credentials, CAP_SETUID))
		return old;
	struct credentials *c = credentials_edit(credentials);
	c->uid[ID_FS] = uid;
	if (!(c->securebits & SECBIT_NO_SETUID_FIXUP)) {
		if (old == 0)
			c->effective &= ~CAPS_OF_FILES;
		else if (uid == 0)
			c->effective |= c->permitted & CAPS_OF_FILES;
	}
	return old;
}

uint32_t credentials_setfsgid(struct credentials **credentials, uint32_t gid)
{
	uint32_t old = (*credentials)->gid[ID_FS];

	if (gid == ID_KEEP || gid == old)
		return old;
	if (has_id((*credentials)->gid, gid) || credentials_can(*credentials, CAP_SETGID))
		credentials_edit(credentials)->gid[ID_FS] = gid;
	return old;
}

int credentials_setgroups(struct credentials **credentials, const uint32_t *groups, size_t count)
{
	if (!credentials_can(*credentials, CAP_SETGID))
		return -EPERM;
	if (count > CREDENTIALS_GROUPS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		if (groups[i] == ID_KEEP)
			return -EINVAL;
	set_groups(credentials_edit(credentials), groups, count);
	return 0;
}

/* ---- Capabilities ---- */

int credentials_capset(struct credentials **credentials, uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	const struct credentials *old = *credentials;
	uint64_t can_inherit = old->inheritable | old->bounding;

	if (!credentials_can(old, CAP_SETPCAP))
		can_inherit &= old->inheritable | old->permitted;
	if (inheritable & ~can_inherit || permitted & ~old->permitted || effective & ~permitted)
		return -EPERM;
	struct credentials *c = credentials_edit(credentials);
	c->effective = effective;
	c->permitted = permitted;
	c->inheritable = inheritable;
	c->ambient &= permitted & inheritable;
	return 0;
}

static int set_keep_caps(struct credentials **credentials, uint64_t value)
{
	if (value > 1)
		return -EINVAL;
	if ((*credentials)->securebits & SECBIT_KEEP_CAPS_LOCKED)
		return -EPERM;
	struct credentials *c = credentials_edit(credentials);
	c->securebits = value ? c->securebits | SECBIT_KEEP_CAPS : c->securebits & ~(uint32_t)SECBIT_KEEP_CAPS;
	return 0;
}

static int set_securebits(struct credentials **credentials, uint64_t bits)
{
	uint32_t old = (*credentials)->securebits;
	/* Locks lie one bit above what they lock. */
	uint32_t locked = (old & SECURE_ALL_LOCKS) >> 1;

	if ((old ^ bits) & locked || old & SECURE_ALL_LOCKS & ~bits ||
	    bits & ~(uint64_t)(SECURE_ALL_BITS | SECURE_ALL_LOCKS) || !credentials_can(*credentials, CAP_SETPCAP))
		return -EPERM;
	credentials_edit(credentials)->securebits = (uint32_t)bits;
	return 0;
}

static int64_t set_ambient(struct credentials **credentials, const uint64_t args[4])
{
	const struct credentials *old = *credentials;

	if (args[2] || args[3] || (args[0] == PR_CAP_AMBIENT_CLEAR_ALL ? args[1] != 0 : args[1] > CAP_LAST_CAP))
		return -EINVAL;
	if (args[0] == PR_CAP_AMBIENT_CLEAR_ALL) {
		credentials_edit(credentials)->ambient = 0;
		return 0;
	}
	uint64_t bit = CAP_BIT(args[1]);
	switch (args[0]) {
	case PR_CAP_AMBIENT_IS_SET:
		return (old->ambient & bit) != 0;
	case PR_CAP_AMBIENT_RAISE:
		if (!(old->permitted & old->inheritable & bit) || old->securebits & SECBIT_NO_CAP_AMBIENT_RAISE)
			return -EPERM;
		credentials_edit(credentials)->ambient |= bit;
		return 0;
	case PR_CAP_AMBIENT_LOWER:
		credentials_edit(credentials)->ambient &= ~bit;
		return 0;
	default:
		return -EINVAL;
	}
}

static int drop_bounding(struct credentials **credentials, uint64_t capability)
{
	if (!credentials_can(*credentials, CAP_SETPCAP))
		return -EPERM;
	if (capability > CAP_LAST_CAP)
		return -EINVAL;
	credentials_edit(credentials)->bounding &= ~CAP_BIT(capability);
	return 0;
}

int64_t credentials_prctl(struct credentials **credentials, int option, const uint64_t args[4])
{
	switch (option) {
	case PR_GET_KEEPCAPS:
		return ((*credentials)->securebits & SECBIT_KEEP_CAPS) != 0;
	case PR_SET_KEEPCAPS:
		return set_keep_caps(credentials, args[0]);
	case PR_GET_SECUREBITS:
		return (*credentials)->securebits;
	case PR_SET_SECUREBITS:
		return set_securebits(credentials, args[0]);
	case PR_CAP_AMBIENT:
		return set_ambient(credentials, args);
	case PR_CAPBSET_READ:
		return args[0] > CAP_LAST_CAP ? -EINVAL : ((*credentials)->bounding & CAP_BIT(args[0])) != 0;
	case PR_CAPBSET_DROP:
		return drop_bounding(credentials, args[0]);
	case PR_GET_NO_NEW_PRIVS:
		return args[0] || args[1] || args[2] || args[3] ? -EINVAL : (*credentials)->no_new_privs;
	case PR_SET_NO_NEW_PRIVS:
		if (args[0] != 1 || args[1] || args[2] || args[3])
			return -EINVAL;
		credentials_edit(credentials)->no_new_privs = true;
		return 0;
	default:
		return -EINVAL;
	}
}

/* capabilities(7), "Transformation of capabilities during execve()" and "Capabilities and execution of programs by
 * root"; of a file's own capabilities nothing is known here. */
void credentials_exec(struct credentials **credentials, const uint32_t *set_uid, const uint32_t *set_gid)
{
	struct credentials *c = credentials_edit(credentials);

	if (set_uid)
		c->uid[ID_EFFECTIVE] = *set_uid;
	if (set_gid)
		c->gid[ID_EFFECTIVE] = *set_gid;
	c->uid[ID_SAVED] = c->uid[ID_FS] = c->uid[ID_EFFECTIVE];
	c->gid[ID_SAVED] = c->gid[ID_FS] = c->gid[ID_EFFECTIVE];
	c->securebits &= ~(uint32_t)SECBIT_KEEP_CAPS;
	if (set_uid || set_gid)
		c->ambient = 0;
	bool is_root = !(c->securebits & SECBIT_NOROOT) && (c->uid[ID_EFFECTIVE] == 0 || c->uid[ID_REAL] == 0);
	c->permitted = is_root ? c->bounding | c->inheritable : c->ambient;
	c->effective = is_root && c->uid[ID_EFFECTIVE] != 0 ? c->ambient : c->permitted;
}
