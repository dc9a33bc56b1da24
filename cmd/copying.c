/*
 * Files into a container, for copy and add: flags to options, the copy itself, the digest and the history.
 */
#include "cmd/copying.h"

#include <errno.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/script_cache.h"

#define COPY(member) offsetof(struct copy_flags, member)
static const struct option_spec rows[] = {
	{"chown", 0, OPTION_TEXT, COPY(chown), "USER[:GROUP]", "owner of what is copied (default 0:0)"},
	{"chmod", 0, OPTION_TEXT, COPY(chmod), "MODE", "mode of what is copied"},
	{"from", 0, OPTION_TEXT, COPY(from), "CONTAINER|IMAGE", "sources are in this container or image"},
	{"contextdir", 0, OPTION_TEXT, COPY(contextdir), "DIR", "sources are in this directory and cannot leave it"},
	{"ignorefile", 0, OPTION_TEXT, COPY(ignorefile), "FILE", "leave out what its patterns name"},
	{"exclude", 0, OPTION_LIST, COPY(exclude), "PATTERN", "leave out what matches"},
	{"checksum", 0, OPTION_TEXT, COPY(checksum), "sha256:…", "what a URL's contents must be"},
	{"parents", 0, OPTION_FLAG, COPY(parents), NULL, "keep the directories that lead to the sources"},
	{"link", 0, OPTION_OPTIONAL, COPY(link), "BOOL",
	 "replace symbolic links in the destination instead of following", "true"},
	{"no-follow-symlinks", 0, OPTION_FLAG, COPY(no_follow_symlinks), NULL,
	 "copy a source that is a link as a link"},
	{"unpack", 0, OPTION_OPTIONAL, COPY(unpack), "BOOL", "unpack archives (default: add unpacks local ones)",
	 "true"},
	{"timestamp", 0, OPTION_TEXT, COPY(timestamp), "SECONDS", "modification time of what is copied"},
	{"allow-empty-wildcard", 0, OPTION_OPTIONAL, COPY(empty_wildcard), "BOOL", "a pattern may match nothing",
	 "true"},
	{"allow-wildcard", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
	{"cache", 0, OPTION_FLAG, COPY(cache), NULL,
	 "take the result from the cache when nothing that counts has changed"},
	{"add-history", 0, OPTION_FLAG, COPY(add_history), NULL, "add this to the image's history"},
	{"quiet", 'q', OPTION_FLAG, COPY(quiet), NULL, "print no digest"},
};
const struct option_group copy_group = {NULL, rows, ARRAY_COUNT(rows)};

static int read_flags(const struct copy_flags *flags, bool add, struct copy_options *options, struct error **err)
{
	*options = (struct copy_options){
		.contextdir = flags->contextdir,
		.from = flags->from,
		.chown = flags->chown,
		.chmod = flags->chmod,
		.checksum = flags->checksum,
		.exclude = &flags->exclude,
		.ignorefile = flags->ignorefile,
		.parents = flags->parents,
		.no_follow_symlinks = flags->no_follow_symlinks,
		.mtime = -1,
	};
	bool unpack = add;
	int rc = bool_flag_read(flags->link, "--link", &options->link, err);
	if (rc == 0)
		rc = bool_flag_read(flags->empty_wildcard, "--allow-empty-wildcard", &options->allow_empty_wildcard,
				    err);
	if (rc == 0)
		rc = bool_flag_read(flags->unpack, "--unpack", &unpack, err);
	options->keep_archive = !unpack;
	options->force_unpack = unpack && flags->unpack;
	options->add = add || options->force_unpack;
	if (rc == 0 && flags->timestamp)
		rc = parse_i64(flags->timestamp, 0, INT64_MAX, "--timestamp", &options->mtime, err);
	if (rc == 0)
		rc = registry_flags_read(&flags->registry, flags->quiet, &options->registry, err);
	return rc;
}

static int add_history(struct command_context *context, struct container *c, bool add, const struct copy_result *copied,
		       const char *destination, struct error **err)
{
	c->pending = mem_grow(c->pending, c->pending_count + 1, sizeof(*c->pending));
	c->pending[c->pending_count++] = (struct history){
		.created = format_time(context->now, 0),
		.created_by = script_copy_text(add, copied, destination),
		.empty_layer = true,
	};
	return container_save(context->workshop, c, err);
}

static int copy_cached(struct command_context *context, struct container *c, const struct strlist *sources,
		       const char *destination, const struct copy_options *options, struct copy_result *copied,
		       struct error **err)
{
	bool cached = false;
	int rc = script_copy(context->workshop, c, sources, destination, options, copied, &cached, err);

	if (rc == 0 && cached)
		log_info("cached");
	return rc;
}

int copy_command_run(struct command_context *context, const struct copy_flags *flags, bool add,
		     const struct strlist *args, struct error **err)
{
	cleanup(container_done) struct container container = {0};
	cleanup(strlist_done) struct strlist sources = {0};
	struct copy_options options;
	struct copy_result copied;
	int rc = read_flags(flags, add, &options, err);
	if (rc < 0)
		return rc;
	bool has_destination = args->count > 2;
	const char *destination = has_destination ? args->items[args->count - 1] : NULL;
	for (size_t i = 1; i < args->count - has_destination; i++)
		strlist_append(&sources, args->items[i]);
	/* What is taken from the cache may need no user namespace. */
	rc = flags->cache ? 0 : workshop_enter(context->workshop, err);
	if (rc < 0)
		return rc;
	cleanup_close int held = container_acquire_to_use(context->workshop, args->items[0], &container, err);
	if (held < 0)
		return held;
	rc = flags->cache ? copy_cached(context, &container, &sources, destination, &options, &copied, err)
			  : copy_into_container(context->workshop, &container, &sources, destination, &options, &copied,
						err);
	/* A cached step has a layer, and so its entry, in any case. */
	if (rc == 0 && history_flag_is_on(flags->add_history) && !flags->cache)
		rc = add_history(context, &container, add, &copied, destination, err);
	if (rc < 0)
		return rc;
	char hex[DIGEST_HEX_SIZE];
	if (!flags->quiet)
		printf("%s\n", digest_hex(&copied.digest, hex));
	return 0;
}
