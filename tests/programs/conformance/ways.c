/* The ways that openat2(2) can be told to go: where links, "..", mounts and magic links may lead. */
#include "conformance.h"

#include <linux/openat2.h>

static int base;

/* What the way leads to is shown by its text. */
static void go(const char *path, uint64_t resolve, uint64_t flags)
{
	struct open_how how = {.flags = flags, .resolve = resolve};
	char text[32] = "";
	int fd = (int)openat2_again(base, path, &how, sizeof(how));

	if (fd < 0)
		printf("%s by %llx: %s\n", path, (unsigned long long)resolve, strerror(errno));
	else if (!(flags & O_PATH) && read(fd, text, sizeof(text) - 1) >= 0)
		printf("%s by %llx: '%s'\n", path, (unsigned long long)resolve, text);
	else
		printf("%s by %llx: something\n", path, (unsigned long long)resolve);
	close(fd);
}

void test_ways(void)
{
	static const uint64_t ways[] = {0,
					RESOLVE_BENEATH,
					RESOLVE_IN_ROOT,
					RESOLVE_NO_SYMLINKS,
					RESOLVE_NO_MAGICLINKS,
					RESOLVE_NO_XDEV,
					RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
					RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
					RESOLVE_IN_ROOT | RESOLVE_NO_XDEV,
					RESOLVE_BENEATH | RESOLVE_IN_ROOT,
					RESOLVE_CACHED};
	static const char *const paths[] = {"f",	"d/f",	     "d/../f",	  "./d//f",  "..",	  "../f",
					    "../out",	"/f",	     "/d/f",	  "link",    "dirlink/f", "up",
					    "absolute", "absolute2", "loop",	  "missing", "d/missing", "f/x",
					    "d/up2",	"d/up3",     "/absolute", "deep",    "d/../../f"};

	SHOW(mkdir("base", 0755));
	make("base/f", "in the base");
	make("f", "above");
	make("out", "outside");
	SHOW(mkdir("base/d", 0755));
	make("base/d/f", "below");
	SHOW(symlink("f", "base/link"));
	SHOW(symlink("d", "base/dirlink"));
	SHOW(symlink("../out", "base/up"));
	SHOW(symlink("/f", "base/absolute"));
	SHOW(symlink("/d/f", "base/absolute2"));
	SHOW(symlink("loop", "base/loop"));
	SHOW(symlink("../f", "base/d/up2"));
	SHOW(symlink("../../f", "base/d/up3"));
	SHOW(symlink("dirlink/up2", "base/deep"));
	base = open("base", O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		for (size_t j = 0; j < sizeof(paths) / sizeof(paths[0]); j++)
			/* What RESOLVE_CACHED finds in the cache is the kernel's own affair. */
			if (ways[i] != RESOLVE_CACHED || j == 0)
				go(paths[j], ways[i], O_RDONLY | (ways[i] == RESOLVE_CACHED ? O_NOFOLLOW : 0));
	go("link", RESOLVE_NO_SYMLINKS, O_RDONLY | O_NOFOLLOW);
	close(base);
	/* Across mounts, and by what is no text. */
	base = open("/", O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) - 1; i++) {
		go("dev/null", ways[i], O_RDONLY);
		go("proc/self/root", ways[i], O_RDONLY);
		go("proc/self/cwd", ways[i], O_RDONLY);
		go("proc/self/comm", ways[i], O_PATH);
		go("proc/self/exe", ways[i], O_PATH);
	}
	close(base);
	base = open("/proc", O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) - 1; i++) {
		go("self/comm", ways[i], O_PATH);
		go("self/root", ways[i], O_PATH);
		go("self/../self/fd", ways[i], O_PATH);
	}
	close(base);
	base = open("base/f", O_RDONLY);
	go("f", RESOLVE_IN_ROOT, O_RDONLY);
	go("/f", RESOLVE_IN_ROOT, O_RDONLY);
	close(base);
	base = -1;
	go("f", RESOLVE_IN_ROOT, O_RDONLY);
	go("/f", RESOLVE_IN_ROOT, O_RDONLY);
	go("/f", RESOLVE_BENEATH, O_RDONLY);
}
