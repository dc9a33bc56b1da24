/*
 * Who a thread believes to be: ids, groups and capabilities as the kernel would keep them if it could, and the rules by
 * which calls change them (credentials(7), capabilities(7), setresuid(2)). Pure: no system call is made here.
 *
 * Credentials are shared and never changed while shared, as the kernel's own are: credentials_edit() gives a copy.
 */
#ifndef COOPER_RUN_CREDENTIALS_H
#define COOPER_RUN_CREDENTIALS_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum id_slot { ID_REAL, ID_EFFECTIVE, ID_SAVED, ID_FS, ID_SLOTS };
#define ID_KEEP UINT32_MAX		       /* "as it is" in the calls that set several */
#define CREDENTIALS_GROUPS_MAX ((size_t)65536) /* NGROUPS_MAX */

struct credentials {
	unsigned references;
	uint32_t uid[ID_SLOTS];
	uint32_t gid[ID_SLOTS];
	uint32_t *groups; /* sorted */
	size_t group_count;
	uint64_t permitted, effective, inheritable, ambient; /* 1 << CAP_… */
	uint64_t bounding;				     /* what exec as root gives */
	uint32_t securebits;				     /* SECBIT_KEEP_CAPS is PR_SET_KEEPCAPS */
	bool no_new_privs; /* asked for by the step itself, where the kernel's own is set for our sake */
};

/* All ids the same, capabilities as after an exec by them. One reference, the caller's. */
MUST_CHECK struct credentials *credentials_new(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t group_count,
					       uint64_t bounding);
MUST_CHECK struct credentials *credentials_share(struct credentials *credentials);
void credentials_free(struct credentials *credentials);
CLEANUP_FOR(struct credentials, credentials_free)
/* Makes *credentials one that nobody else holds, and returns it. */
struct credentials *credentials_edit(struct credentials **credentials);

bool credentials_can(const struct credentials *credentials, int capability);
/* The file system group, or one of the list. */
bool credentials_in_group(const struct credentials *credentials, uint32_t gid);
/* In all that they say. */
bool credentials_are_equal(const struct credentials *a, const struct credentials *b);
/* True for root with nothing special: what most threads are all their life. */
bool credentials_are_plain_root(const struct credentials *credentials);

/* The calls: 0 or -EPERM, -EINVAL as the kernel would. On failure nothing has changed. */
int credentials_setuid(struct credentials **credentials, uint32_t uid);
int credentials_setgid(struct credentials **credentials, uint32_t gid);
int credentials_setreuid(struct credentials **credentials, uint32_t real, uint32_t effective);
int credentials_setregid(struct credentials **credentials, uint32_t real, uint32_t effective);
int credentials_setresuid(struct credentials **credentials, const uint32_t ids[3]);
int credentials_setresgid(struct credentials **credentials, const uint32_t ids[3]);
/* These answer the id before, whether or not it changed. */
uint32_t credentials_setfsuid(struct credentials **credentials, uint32_t uid);
uint32_t credentials_setfsgid(struct credentials **credentials, uint32_t gid);
int credentials_setgroups(struct credentials **credentials, const uint32_t *groups, size_t count);
int credentials_capset(struct credentials **credentials, uint64_t effective, uint64_t permitted, uint64_t inheritable);
/* prctl(2): PR_{GET,SET}_{KEEPCAPS,SECUREBITS,NO_NEW_PRIVS}, PR_CAP_AMBIENT, PR_CAPBSET_{READ,DROP}; `args` are those
 * behind the option. */
int64_t credentials_prctl(struct credentials **credentials, int option, const uint64_t args[4]);
/* exec of a file: set-user-id and set-group-id as its recorded owner says; NULL where its mode does not. */
void credentials_exec(struct credentials **credentials, const uint32_t *set_uid, const uint32_t *set_gid);

#endif
