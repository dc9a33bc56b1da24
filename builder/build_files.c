/*
 * COPY, ADD and WORKDIR in a stage's container.
 */
#include "builder/build_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/owner.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/build_seen.h"
#include "builder/copy.h"
#include "imagefmt/packahead.h"
#include "run/user.h"

/* ---- here-documents -------------------------------------------------------------------------------------------------
 */

/* A directory in tmp/ with the files of the instruction; of two with one name the later is left. */
struct document_files {
	struct workshop *w;
	char *name; /* in tmp/; NULL before it is made */
	int fd;
};

static void document_files_done(struct document_files *files)
{
	int tmp = files->name ? store_tmp(workshop_store(files->w), NULL) : -1;

	fd_close(files->fd);
	if (tmp >= 0)
		tree_remove(tmp, files->name, NULL);
	free(files->name);
}
CLEANUP_FOR_VALUE(struct document_files, document_files_done)

static int write_document(int dirfd, const struct heredoc *heredoc, struct error **err)
{
	cleanup_free char *body = heredoc_body(heredoc);
	cleanup_close int fd =
		openat(dirfd, heredoc->name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return error_set_errno(err, "here-document '%s'", heredoc->name);
	int rc = fd_write_all(fd, body, strlen(body), err);
	/* Whatever our umask. */
	if (rc >= 0 && fchmod(fd, 0644) < 0)
		rc = error_set_errno(err, "here-document '%s'", heredoc->name);
	return rc;
}

static int write_documents(const struct heredocs *heredocs, struct document_files *files, struct error **err)
{
	int tmp = store_tmp(workshop_store(files->w), err);

	if (tmp < 0)
		return tmp;
	files->name = store_tmp_name(workshop_store(files->w), "documents");
	if (mkdirat(tmp, files->name, 0700) < 0)
		return error_set_errno(err, "make a directory for here-documents");
	files->fd = fd_open_dir(tmp, files->name, err);
	int rc = files->fd < 0 ? files->fd : 0;
	for (size_t i = 0; rc >= 0 && i < heredocs->count; i++) {
		if (strchr(heredocs->items[i].name, '/'))
			return error_set(err, EINVAL, "here-document '%s': a name cannot have a '/'",
					 heredocs->items[i].name);
		rc = write_document(files->fd, &heredocs->items[i], err);
	}
	return rc;
}

/* ---- COPY and ADD ---------------------------------------------------------------------------------------------------
 */

static void copy_options_of(const struct build *build, const struct plan_step *step, struct copy_options *options)
{
	const struct instruction_copy *copy = &step->instruction->copy;

	*options = (struct copy_options){
		.add = step->kind == INSTRUCTION_ADD,
		.chown = copy->chown && *copy->chown ? copy->chown : NULL,
		.chmod = copy->chmod && *copy->chmod ? copy->chmod : NULL,
		.checksum = copy->checksum && *copy->checksum ? copy->checksum : NULL,
		.exclude = &copy->excludes,
		.parents = copy->parents,
		.link = copy->link,
		.allow_empty_wildcard = true,
		.keep_archive = copy->unpack == FLAG_FALSE,
		.force_unpack = copy->unpack == FLAG_TRUE,
		.keep_git_dir = copy->keep_git_dir == FLAG_TRUE,
		.mtime = -1,
		.registry = build->options->registry,
	};
}

static int copy_from(struct build *build, struct stage_run *run, const struct plan_step *step,
		     const struct strlist *sources, const struct copy_root *root, struct error **err)
{
	const struct instruction_copy *copy = &step->instruction->copy;
	struct copy_options options;
	struct copy_result result;

	copy_options_of(build, step, &options);
	options.root = root;
	options.git_modes = build->options->git_modes && !root->keep_owner;
	return copy_into_container(build->w, &run->c, sources, copy->destination, &options, &result, err);
}

static int copy_documents(struct build *build, struct stage_run *run, const struct plan_step *step, struct error **err)
{
	const struct heredocs *heredocs = &step->instruction->copy.files;
	cleanup(document_files_done) struct document_files files = {.w = build->w, .fd = -1};
	int rc = write_documents(heredocs, &files, err);

	for (size_t i = 0; rc >= 0 && i < heredocs->count; i++) {
		cleanup(strlist_done) struct strlist source = {0};
		const struct copy_root root = {.fd = files.fd};
		strlist_append(&source, heredocs->items[i].name);
		rc = copy_from(build, run, step, &source, &root, err);
	}
	return rc;
}

static bool is_remote(const struct plan_step *step, size_t index)
{
	return step->kind == INSTRUCTION_ADD && copy_is_remote(step->instruction->copy.sources.items[index]);
}

/* The tar of the layer on the way, where the copy is all that is in it. It has threads: what forks comes before. */
static int begin_ahead(struct build *build, const struct plan_step *step, struct error **err)
{
	const struct instruction_copy *copy = &step->instruction->copy;
	bool set_mtime;
	int64_t clamp = build_layer_clamp(build, &set_mtime);

	if (step->kind != INSTRUCTION_COPY || copy->parents || copy->files.count > 0 || build->options->single_layer)
		return 0;
	return pack_ahead_new(clamp, set_mtime, &build->ahead, err);
}

/* Sources of the context, a stage or an image. */
static int copy_local(struct build *build, struct stage_run *run, const struct plan_step *step,
		      const struct strlist *sources, struct build_root *opened, struct build_seen *seen,
		      struct error **err)
{
	int rc = opened->fd < 0 ? build_root_open(build, &step->input, opened, err) : 0;
	if (rc >= 0 && !build->ahead)
		rc = begin_ahead(build, step, err);
	const struct copy_root root = {.fd = opened->fd,
				       .ignore = opened->ignore,
				       .keep_owner = opened->keep_owner,
				       .owners = &opened->owners,
				       .seen = seen,
				       .ahead = build->ahead};

	return rc < 0 ? rc : copy_from(build, run, step, sources, &root, err);
}

static int copy_remote(struct build *build, struct stage_run *run, const struct plan_step *step,
		       const struct build_remote *remote, struct error **err)
{
	const struct instruction_copy *copy = &step->instruction->copy;
	cleanup(strlist_done) struct strlist source = {0};
	const struct copy_root root = {.fd = remote->root};
	struct copy_options options;
	struct copy_result result;

	copy_options_of(build, step, &options);
	options.root = &root;
	options.checksum = NULL; /* checked when it was fetched */
	options.keep_archive = !options.force_unpack;
	options.git_modes = remote->is_tree;
	strlist_append(&source, remote->source);
	return copy_into_container(build->w, &run->c, &source, copy->destination, &options, &result, err);
}

static int copy_all(struct build *build, struct stage_run *run, const struct plan_step *step, struct build_seen *seen,
		    struct error **err)
{
	const struct instruction_copy *copy = &step->instruction->copy;
	cleanup(build_root_done) struct build_root opened = BUILD_ROOT_INIT;
	size_t fetched = 0;

	mem_replace(&run->c.config.working_dir, step->cwd);
	int rc = build_remotes_fetch(&build->remotes, step->instruction, &build->options->registry, err);
	/* In their order; those of the context that stand together are copied together. */
	for (size_t i = 0; rc >= 0 && i < copy->sources.count;) {
		cleanup(strlist_done) struct strlist local = {0};
		if (is_remote(step, i)) {
			rc = copy_remote(build, run, step, &build->remotes.items[fetched++], err);
			i++;
			continue;
		}
		while (i < copy->sources.count && !is_remote(step, i))
			strlist_append(&local, copy->sources.items[i++]);
		rc = copy_local(build, run, step, &local, &opened, seen, err);
	}
	if (rc >= 0 && copy->files.count)
		rc = copy_documents(build, run, step, err);
	return rc;
}

/* What is not there is said as who looks first says it. */
static int copy_all_there_is(struct build *build, struct stage_run *run, const struct plan_step *step,
			     struct build_seen *seen, struct error **err)
{
	cleanup_error struct error *why = NULL;
	int rc = copy_all(build, run, step, seen, &why);

	if (rc == -ENOENT && build_step_check_sources(build, step, err) < 0)
		return rc;
	if (rc < 0 && err)
		*err = take_ptr(&why);
	return rc;
}

/* Its inputs are what it has seen, unless something changed meanwhile. */
static int copy_and_see(struct build *build, struct stage_run *run, const struct plan_step *step,
			struct key_parts *parts, struct error **err)
{
	cleanup(build_key_done) struct build_key inputs = BUILD_KEY_INIT;
	bool is_of_stage = step->input.kind == INPUT_STAGE;
	struct build_directory *directory = NULL;
	int rc = is_of_stage ? 0 : build_directory_open(build, &step->input, &directory, err);

	if (rc < 0)
		return rc;
	struct build_seen seen = {
		.key = &inputs, .memo = directory ? directory->memo : NULL, .keep_owner = is_of_stage};
	build_step_begin_inputs(build, run, step, is_of_stage ? KEY_OF_FILES : KEY_OF_LAYERS, parts, &inputs);
	rc = copy_all_there_is(build, run, step, &seen, err);
	if (rc < 0 || !seen.is_unsure)
		return rc < 0 ? rc : build_key_finish(&inputs, &build->seen, err);
	log_info("files changed while they were copied; the step is done again in the next build");
	/* What nobody will ask for. */
	build->seen = (struct digest){.algorithm = DIGEST_SHA256};
	return getrandom(build->seen.bytes, BUILD_KEY_CONTENT_SIZE, 0) == BUILD_KEY_CONTENT_SIZE
		       ? 0
		       : error_set_errno(err, "get random bytes");
}

int build_files_copy(struct build *build, struct stage_run *run, const struct plan_step *step, struct key_parts *parts,
		     struct error **err)
{
	/* What comes from an image is in the key by the image's layers. */
	return build_step_is_seen(build, step) || build_step_is_seen_of_stage(build, step)
		       ? copy_and_see(build, run, step, parts, err)
		       : copy_all(build, run, step, /* seen */ NULL, err);
}

/* ---- WORKDIR --------------------------------------------------------------------------------------------------------
 */

int build_files_workdir(struct build *build, struct stage_run *run, const struct plan_step *step, struct error **err)
{
	cleanup(rootfs_close) struct rootfs *rootfs = NULL;
	struct rootpath_dir dir = {.mode = 0755, .mtime = -1, .follow_dangling = true};
	int rc = rootfs_open(build->w, &run->c, &rootfs, err);

	if (rc < 0)
		return rc;
	if (step->user && *step->user)
		rc = user_find_owner(rootfs_fd(rootfs), step->user, &dir.uid, &dir.gid, err);
	if (rc < 0)
		return error_prefix(err, "USER '%s'", step->user);
	/* Also root's: a directory with the set-group-id bit would hand its group on. */
	dir.record_owner = store_has_single_id(workshop_store(build->w));
	dir.set_owner = !dir.record_owner;
	int fd = rootpath_mkdirs(rootfs_fd(rootfs), step->cwd, &dir, err);
	if (fd < 0)
		return error_prefix(err, "make '%s'", step->cwd);
	fd_close(fd);
	return 0;
}
