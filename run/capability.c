/*
 * Names of capabilities to bits and back. The names are libcap's, so a newer library knows newer ones.
 */
#include "run/capability.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>

#define BIT(capability) ((uint64_t)1 << (capability))

static uint64_t all_capabilities(void)
{
	int bits = cap_max_bits();

	return bits >= 64 ? ~(uint64_t)0 : BIT(bits) - 1;
}

/* "CAP_CHOWN", "cap_chown" and "chown" are the same; a number is not a name. */
static int find_bits(const char *name, uint64_t *bits, struct error **err)
{
	cleanup_free char *lower = mem_printf("%s%s", strncasecmp(name, "cap_", 4) == 0 ? "" : "cap_", name);
	cap_value_t value;

	if (strcasecmp(name, "all") == 0) {
		*bits = all_capabilities();
		return 0;
	}
	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (!isalpha((unsigned char)lower[4]) || cap_from_name(lower, &value) < 0 || value < 0 || value >= 64)
		return error_set(err, EINVAL, "unknown capability '%s'", name);
	*bits = BIT(value);
	return 0;
}

static int find_all(const struct strlist *names, uint64_t *bits, struct error **err)
{
	uint64_t found = 0;

	for (size_t i = 0; i < names->count; i++) {
		uint64_t one = 0;
		int rc = find_bits(names->items[i], &one, err);
		if (rc < 0)
			return rc;
		found |= one;
	}
	*bits = found;
	return 0;
}

int capability_add(uint64_t *set, const struct strlist *names, struct error **err)
{
	uint64_t bits = 0;
	int rc = find_all(names, &bits, err);

	if (rc == 0)
		*set |= bits;
	return rc;
}

int capability_drop(uint64_t *set, const struct strlist *names, struct error **err)
{
	uint64_t bits = 0;
	int rc = find_all(names, &bits, err);

	if (rc == 0)
		*set &= ~bits;
	return rc;
}

uint64_t capability_defaults(void)
{
	return BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_KILL) |
	       BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SETFCAP) | BIT(CAP_SETGID) | BIT(CAP_SETPCAP) | BIT(CAP_SETUID) |
	       BIT(CAP_SYS_CHROOT);
}

void capability_names(uint64_t set, struct strlist *names)
{
	for (int capability = 0; capability < 64; capability++) {
		char *name = NULL;

		if (!(set & BIT(capability)))
			continue;
		name = cap_to_name(capability);
		if (!name)
			continue;
		cleanup_free char *upper = mem_strdup(name);
		cap_free(name);
		for (char *c = upper; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		strlist_append(names, upper);
	}
}
