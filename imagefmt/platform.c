/*
 * Platforms: the words of users, kernels and Debian brought to those of Go (GOOS, GOARCH), and which of several images
 * serves a machine best.
 */
#include "imagefmt/platform.h"

#include <errno.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>

/* How a name of an architecture that people use is written in images. */
struct alias {
	const char *name;
	const char *architecture;
	const char *variant; /* NULL: none of its own */
};

static const struct alias aliases[] = {
	{"x86_64", "amd64", NULL},
	{"x86-64", "amd64", NULL},
	{"i386", "386", NULL},
	{"i486", "386", NULL},
	{"i586", "386", NULL},
	{"i686", "386", NULL},
	{"x86", "386", NULL},
	{"aarch64", "arm64", NULL},
	{"aarch64_be", "arm64be", NULL},
	{"armhf", "arm", "v7"},
	{"armel", "arm", "v6"},
	{"armv5l", "arm", "v5"},
	{"armv5tel", "arm", "v5"},
	{"armv5tejl", "arm", "v5"},
	{"armv6l", "arm", "v6"},
	{"armv7l", "arm", "v7"},
	{"armv7", "arm", "v7"},
	{"armv8l", "arm", "v8"},
	{"ppc64el", "ppc64le", NULL},
	{"mips64el", "mips64le", NULL},
	{"mipsel", "mipsle", NULL},
	{"loongarch64", "loong64", NULL},
};

static const char *const systems[] = {"linux",	 "windows", "darwin", "freebsd", "netbsd", "openbsd", "dragonfly",
				      "solaris", "illumos", "aix",    "android", "plan9",  "wasip1",  "js"};
static const char *const architectures[] = {"386",   "amd64",	"arm",	  "armbe",    "arm64", "arm64be", "loong64",
					    "mips",  "mipsle",	"mips64", "mips64le", "ppc",   "ppc64",	  "ppc64le",
					    "riscv", "riscv64", "s390",	  "s390x",    "sparc", "sparc64", "wasm"};

void platform_done(struct platform *platform)
{
	free(platform->os);
	free(platform->architecture);
	free(platform->variant);
	free(platform->os_version);
	strlist_done(&platform->os_features);
	*platform = (struct platform){0};
}

void platform_copy(struct platform *to, const struct platform *from)
{
	struct platform copy = {
		.os = mem_strdup(from->os),
		.architecture = mem_strdup(from->architecture),
		.variant = mem_strdup(from->variant),
		.os_version = mem_strdup(from->os_version),
	};
	strlist_copy(&copy.os_features, &from->os_features);
	platform_done(to);
	*to = copy;
}

static bool is_listed(const char *const *list, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i], word) == 0)
			return true;
	}
	return false;
}

static void lower_case(char *text)
{
	for (; text && *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

static bool is_empty(const char *text)
{
	return !text || !*text;
}

static bool has_word(const char *text, const char *word)
{
	return text && strcmp(text, word) == 0;
}

static void normalise_architecture(struct platform *p)
{
	for (size_t i = 0; i < ARRAY_COUNT(aliases); i++) {
		if (strcmp(aliases[i].name, p->architecture) != 0)
			continue;
		mem_replace(&p->architecture, aliases[i].architecture);
		if (aliases[i].variant && is_empty(p->variant))
			mem_replace(&p->variant, aliases[i].variant);
		return;
	}
}

/* "7" is "v7"; the variant that every machine of an architecture has (arm64/v8, amd64/v1) is not written. */
static void normalise_variant(struct platform *p)
{
	if (is_empty(p->variant)) {
		mem_replace(&p->variant, has_word(p->architecture, "arm") ? "v7" : NULL);
		return;
	}
	if (isdigit((unsigned char)p->variant[0])) {
		char *with_v = mem_printf("v%s", p->variant);
		free(p->variant);
		p->variant = with_v;
	}
	if ((has_word(p->architecture, "arm64") && has_word(p->variant, "v8")) ||
	    (has_word(p->architecture, "amd64") && has_word(p->variant, "v1")))
		mem_replace(&p->variant, NULL);
}

static void normalise(struct platform *p)
{
	lower_case(p->os);
	lower_case(p->architecture);
	lower_case(p->variant);
	if (has_word(p->os, "macos"))
		mem_replace(&p->os, "darwin");
	if (is_empty(p->architecture))
		return;
	normalise_architecture(p);
	normalise_variant(p);
}

void platform_host(struct platform *platform)
{
	struct utsname name;
	if (uname(&name) < 0) /* only for a bad address */
		name.machine[0] = '\0';

	struct platform host = {.os = mem_strdup("linux"), .architecture = mem_strdup(name.machine)};
#ifdef __arm__
	/* A Raspberry Pi Zero's kernel calls itself armv7l; AT_PLATFORM ("v6l") is what the processor has. */
	const char *cpu = (const char *)getauxval(AT_PLATFORM);
	if (cpu && cpu[0] == 'v' && isdigit((unsigned char)cpu[1])) {
		mem_replace(&host.architecture, "arm");
		host.variant = mem_strndup(cpu, 2);
	}
#endif
	normalise(&host);
	platform_done(platform);
	*platform = host;
}

void platform_complete(struct platform *platform)
{
	if (is_empty(platform->os) || is_empty(platform->architecture)) {
		cleanup(platform_done) struct platform host = {0};
		platform_host(&host);
		if (is_empty(platform->os))
			mem_replace(&platform->os, host.os);
		if (is_empty(platform->architecture)) {
			mem_replace(&platform->architecture, host.architecture);
			if (is_empty(platform->variant))
				mem_replace(&platform->variant, host.variant);
		}
	}
	normalise(platform);
}

static bool is_platform_word(const char *text)
{
	for (const char *c = text; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			return false;
	}
	return *text != '\0';
}

/* One word is a system if it is known as one, else it must be an architecture. */
static int set_single_word(struct platform *p, const char *text, struct error **err)
{
	cleanup(platform_done) struct platform as_system = {.os = mem_strdup(text)};
	normalise(&as_system);
	if (is_listed(systems, ARRAY_COUNT(systems), as_system.os)) {
		p->os = take_ptr(&as_system.os);
		return 0;
	}
	p->architecture = mem_strdup(text);
	normalise(p);
	if (!is_listed(architectures, ARRAY_COUNT(architectures), p->architecture))
		return error_set(err, EINVAL, "platform '%s': neither a known system nor a known architecture", text);
	return 0;
}

int platform_parse(const char *text, struct platform *platform, struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	strlist_split(&words, text, '/');
	if (words.count < 1 || words.count > 3)
		return error_set(err, EINVAL, "platform '%s': not of the form os/architecture[/variant]", text);
	for (size_t i = 0; i < words.count; i++) {
		if (!is_platform_word(words.items[i]))
			return error_set(err, EINVAL, "platform '%s': '%s' is not a word of letters and digits", text,
					 words.items[i]);
	}

	cleanup(platform_done) struct platform parsed = {0};
	if (words.count == 1) {
		int rc = set_single_word(&parsed, words.items[0], err);
		if (rc < 0)
			return rc;
	} else {
		parsed.os = mem_strdup(words.items[0]);
		parsed.architecture = mem_strdup(words.items[1]);
		parsed.variant = words.count == 3 ? mem_strdup(words.items[2]) : NULL;
	}
	platform_complete(&parsed);

	platform_done(platform);
	*platform = parsed;
	parsed = (struct platform){0};
	return 0;
}

char *platform_format(const struct platform *platform)
{
	const char *os = is_empty(platform->os) ? "unknown" : platform->os;
	const char *architecture = is_empty(platform->architecture) ? "unknown" : platform->architecture;
	if (is_empty(platform->variant))
		return mem_printf("%s/%s", os, architecture);
	return mem_printf("%s/%s/%s", os, architecture, platform->variant);
}

/* ---- Which image serves ---- */

/* Architectures whose variants are numbered, each including those below it. `base` is what no variant means. */
struct variant_family {
	const char *architecture;
	int base;
};
static const struct variant_family families[] = {{"arm", 0}, {"arm64", 8}, {"amd64", 1}};

static const struct variant_family *find_family(const char *architecture)
{
	for (size_t i = 0; i < ARRAY_COUNT(families); i++) {
		if (strcmp(families[i].architecture, architecture) == 0)
			return &families[i];
	}
	return NULL;
}

/* "v7" is 7; -1 for what is not numbered ("v9.2" counts as 9: point releases are compared as text by the caller). */
static int variant_level(const struct variant_family *family, const char *variant)
{
	if (is_empty(variant))
		return family->base;
	if (variant[0] != 'v' || !isdigit((unsigned char)variant[1]))
		return -1;
	return variant[1] - '0';
}

#define RANK_EXACT 100

static int variant_rank(const struct platform *want, const struct platform *have)
{
	bool both_none = is_empty(want->variant) && is_empty(have->variant);
	if (both_none || (want->variant && has_word(have->variant, want->variant)))
		return RANK_EXACT;

	const struct variant_family *family = find_family(want->architecture);
	if (!family)
		return is_empty(have->variant) ? 2 : is_empty(want->variant) ? 1 : 0;

	int wanted = variant_level(family, want->variant);
	int level = variant_level(family, have->variant);
	if (level < 0 || wanted < 0)
		return is_empty(have->variant) ? 1 : 0;
	return level <= wanted ? 1 + level : 0;
}

/* As normalise(), but an image for "arm" without a variant runs on any arm: it is not taken for v7. */
static void normalise_image(struct platform *have)
{
	bool none = is_empty(have->variant) && has_word(have->architecture, "arm");
	normalise(have);
	if (none)
		mem_replace(&have->variant, NULL);
}

int platform_rank(const struct platform *want, const struct platform *have)
{
	cleanup(platform_done) struct platform wanted = {0};
	cleanup(platform_done) struct platform image = {0};
	platform_copy(&wanted, want);
	platform_complete(&wanted);
	platform_copy(&image, have);
	normalise_image(&image);

	if (!has_word(image.os, wanted.os) || !has_word(image.architecture, wanted.architecture))
		return 0;
	if (!is_empty(wanted.os_version) && !has_word(image.os_version, wanted.os_version))
		return 0;
	return variant_rank(&wanted, &image);
}
