/*
 * Symbolic modes by POSIX chmod(1), "EXTENDED DESCRIPTION", without the umask: a clause without a "who" means all.
 */
#include "builder/modechange.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/parse.h"

#define ALL_BITS ((mode_t)07777)

/* The bits of "u", "g", "o" or "a" among the nine, with the set-id bit or sticky bit that goes with them. */
static mode_t who_bits(char who)
{
	switch (who) {
	case 'u':
		return S_ISUID | S_IRWXU;
	case 'g':
		return S_ISGID | S_IRWXG;
	case 'o':
		return S_ISVTX | S_IRWXO;
	default:
		return ALL_BITS;
	}
}

/* The three bits of a class of `mode`, for all classes. */
static mode_t copied_bits(char from, mode_t mode)
{
	unsigned shift = from == 'u' ? 6 : from == 'g' ? 3 : 0;
	mode_t three = (mode >> shift) & 7;

	return three << 6 | three << 3 | three;
}

static mode_t permission_bits(char letter, mode_t mode)
{
	switch (letter) {
	case 'r':
		return 0444;
	case 'w':
		return 0222;
	case 'x':
		return 0111;
	case 'X':
		return S_ISDIR(mode) || (mode & 0111) ? 0111 : 0;
	case 's':
		return S_ISUID | S_ISGID;
	case 't':
		return S_ISVTX;
	default:
		return copied_bits(letter, mode);
	}
}

/* One clause, "go-w" or "u=rwX"; *text stands behind it afterwards. */
static int apply_clause(const char **text, mode_t *mode)
{
	const char *at = *text;
	mode_t who = 0;

	while (*at && strchr("ugoa", *at))
		who |= who_bits(*at++);
	if (!who)
		who = ALL_BITS;
	if (!*at || !strchr("+-=", *at))
		return -EINVAL;
	while (*at && strchr("+-=", *at)) {
		char operation = *at++;
		mode_t bits = 0;
		while (*at && strchr("rwxXstugo", *at))
			bits |= permission_bits(*at++, *mode);
		bits &= who;
		/* "=" clears the set-id bits of files only where they are named (as GNU chmod does for directories). */
		if (operation == '=')
			*mode &= ~(S_ISDIR(*mode) ? who & 0777 : who);
		*mode = operation == '-' ? *mode & ~bits : *mode | bits;
	}
	*text = at;
	return 0;
}

static int apply_symbolic(const char *text, mode_t *mode)
{
	for (;;) {
		int rc = apply_clause(&text, mode);
		if (rc < 0)
			return rc;
		if (!*text)
			return 0;
		if (*text++ != ',')
			return -EINVAL;
	}
}

int mode_change_parse(const char *text, struct mode_change *change, struct error **err)
{
	*change = (struct mode_change){0};
	if (!text || !*text)
		return 0;
	mode_t scratch = S_IFREG;
	bool is_octal = strspn(text, "01234567") == strlen(text);
	if (is_octal ? parse_mode(text, "--chmod", &change->octal, NULL) < 0 : apply_symbolic(text, &scratch) < 0)
		return error_set(err, EINVAL, "--chmod '%s': not a mode like 0755 or u=rwX,go=rX", text);
	change->is_octal = is_octal;
	change->text = text;
	return 0;
}

mode_t mode_change_apply(const struct mode_change *change, mode_t mode)
{
	if (!change->text)
		return mode & ALL_BITS;
	if (change->is_octal)
		return change->octal;
	apply_symbolic(change->text, &mode); /* was checked when it was parsed */
	return mode & ALL_BITS;
}
