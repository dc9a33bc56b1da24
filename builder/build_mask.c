/*
 * A filter between a step and the log.
 */
#include "builder/build_mask.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define SECRET_MAX ((size_t)1 << 20)
#define BLOCK ((size_t)16 << 10)
#define STARS "***"

void build_mask_done(struct build_mask *mask)
{
	fd_close(take_fd(&mask->to));
	while (mask->pid > 0 && waitpid(mask->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	mask->pid = 0;
	for (size_t i = 0; i < mask->count; i++)
		buf_done(&mask->secrets[i]);
	free(mask->secrets);
	mask->secrets = NULL;
	mask->count = 0;
}

static void add_text(struct build_mask *mask, const char *text, size_t size)
{
	if (size < BUILD_MASK_MIN)
		return;
	mask->secrets = mem_grow(mask->secrets, mask->count + 1, sizeof(*mask->secrets));
	struct buf *secret = &mask->secrets[mask->count++];
	*secret = BUF_SECRET(SECRET_MAX);
	buf_append(secret, text, size);
}

void build_mask_add(struct build_mask *mask, const struct buf *value)
{
	const char *text = buf_str(value);
	size_t size = value->len;

	while (size && (text[size - 1] == '\n' || text[size - 1] == '\r'))
		size--;
	add_text(mask, text, size);
	if (!memchr(text, '\n', size))
		return;
	for (const char *line = text; line < text + size;) {
		size_t left = size - (size_t)(line - text);
		const char *end = memchr(line, '\n', left);
		size_t length = end ? (size_t)(end - line) : left;
		add_text(mask, line, length);
		line += length + 1;
	}
}

/* How much of a secret stands at `text`: all of it gives its length, of several the longest. *is_open: the text ends
 * before one of them might. */
static size_t match(const struct build_mask *mask, const char *text, size_t size, bool *is_open)
{
	size_t longest = 0;

	*is_open = false;
	for (size_t i = 0; i < mask->count; i++) {
		const struct buf *secret = &mask->secrets[i];
		size_t common = secret->len < size ? secret->len : size;
		if (memcmp(secret->data, text, common) != 0)
			continue;
		if (common < secret->len)
			*is_open = true;
		else if (secret->len > longest)
			longest = secret->len;
	}
	return longest;
}

/* One piece of text into `out`, together with what was held back before; what may be the beginning of a secret is held
 * back in `held` unless this is the end. */
static void build_mask_filter(const struct build_mask *mask, const char *text, size_t size, bool is_end,
			      struct buf *held, struct buf *out)
{
	buf_append(held, text, size);
	const char *at = buf_str(held), *end = at + held->len;
	while (at < end) {
		bool is_open = false;
		size_t length = match(mask, at, (size_t)(end - at), &is_open);
		if (is_open && !is_end)
			break;
		if (length)
			buf_append_str(out, STARS);
		else
			buf_append_char(out, *at);
		at += length ? length : 1;
	}
	size_t rest_size = (size_t)(end - at);
	cleanup_free char *rest = mem_dup(at, rest_size);
	buf_clear(held);
	buf_append(held, rest, rest_size);
}

__attribute__((noreturn)) static void filter_all(const struct build_mask *mask, int from, int to)
{
	struct buf held = BUF_SECRET(SECRET_MAX + BLOCK);
	char block[BLOCK];
	ssize_t size;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do {
		struct buf out = BUF_SECRET(4 * SECRET_MAX);
		size = read(from, block, sizeof(block));
		if (size < 0 && errno == EINTR) {
			size = 1;
			continue;
		}
		build_mask_filter(mask, block, size > 0 ? (size_t)size : 0, size <= 0, &held, &out);
		(void)fd_write_all(to, buf_str(&out), out.len, NULL);
		buf_done(&out);
	} while (size > 0);
	_exit(0);
}

int build_mask_start(struct build_mask *mask, int output, struct error **err)
{
	int ends[2];

	if (mask->count == 0)
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set_errno(err, "make a pipe");
	pid_t pid = fork();
	if (pid == 0) {
		fd_close(ends[1]);
		filter_all(mask, ends[0], output);
	}
	fd_close(ends[0]);
	if (pid < 0) {
		fd_close(ends[1]);
		return error_set_errno(err, "start a process that masks secrets");
	}
	mask->pid = pid;
	mask->to = ends[1];
	return 0;
}
