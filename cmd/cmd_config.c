/*
 * cooper config: changes what the image will say of itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/container.h"
#include "builder/edit.h"
#include "cmd/command.h"
#include "cmd/flags.h"

struct config_options {
	struct strlist env, labels, ports, volumes, annotations, onbuild, os_features;
	struct strlist unset_labels, unset_annotations;
	const char *cmd, *entrypoint, *user, *workingdir, *author, *created_by, *arch, *os, *os_version, *variant,
		*stop_signal, *shell, *comment, *history_comment, *hostname, *domainname;
	const char *healthcheck, *health_interval, *health_timeout, *health_retries, *health_start_period,
		*health_start_interval;
	bool add_history;
};

#define CONFIG(member) offsetof(struct config_options, member)
static const struct option_spec rows[] = {
	{"env", 'e', OPTION_LIST, CONFIG(env), "K=V", "set a variable (K: from our environment, K-: remove, -: all)"},
	{"label", 'l', OPTION_LIST, CONFIG(labels), "K=V", "set a label (K-: remove, -: all)"},
	{"unsetlabel", 0, OPTION_LIST, CONFIG(unset_labels), "K", "remove a label"},
	{"annotation", 'a', OPTION_LIST, CONFIG(annotations), "K=V",
	 "set an annotation of the manifest (K-: remove, -: all)"},
	{"unsetannotation", 0, OPTION_LIST, CONFIG(unset_annotations), "K", "remove an annotation"},
	{"cmd", 0, OPTION_TEXT, CONFIG(cmd), "COMMAND", "default command, split like a shell, or a JSON array"},
	{"entrypoint", 0, OPTION_TEXT, CONFIG(entrypoint), "COMMAND", "entry point: for /bin/sh -c, or a JSON array"},
	{"port", 'p', OPTION_LIST, CONFIG(ports), "N[/PROTOCOL]", "expose a port or a range (N-: remove, -: all)"},
	{"volume", 'v', OPTION_LIST, CONFIG(volumes), "PATH", "declare a volume (PATH-: remove, -: all)"},
	{"user", 'u', OPTION_TEXT, CONFIG(user), "USER[:GROUP]", "user that commands run as"},
	{"workingdir", 0, OPTION_TEXT, CONFIG(workingdir), "DIR", "directory that commands run in"},
	{"author", 0, OPTION_TEXT, CONFIG(author), "TEXT", "author"},
	{"created-by", 0, OPTION_TEXT, CONFIG(created_by), "TEXT", "what the history says made the new layer"},
	{"history-comment", 0, OPTION_TEXT, CONFIG(history_comment), "TEXT", "comment in the history"},
	{"comment", 0, OPTION_TEXT, CONFIG(comment), "TEXT", "comment of the image (docker format)"},
	{"arch", 0, OPTION_TEXT, CONFIG(arch), "ARCH", "architecture"},
	{"os", 0, OPTION_TEXT, CONFIG(os), "OS", "operating system"},
	{"variant", 0, OPTION_TEXT, CONFIG(variant), "VARIANT", "variant of the architecture"},
	{"os-version", 0, OPTION_TEXT, CONFIG(os_version), "VERSION", "version of the operating system"},
	{"os-feature", 0, OPTION_LIST, CONFIG(os_features), "FEATURE",
	 "required feature of the operating system (F-, -)"},
	{"stop-signal", 0, OPTION_TEXT, CONFIG(stop_signal), "SIGNAL", "signal that stops the container"},
	{"shell", 0, OPTION_TEXT, CONFIG(shell), "COMMAND", "shell of RUN, CMD and ENTRYPOINT"},
	{"onbuild", 0, OPTION_LIST, CONFIG(onbuild), "INSTRUCTION", "instruction for builds from this image (-: none)"},
	{"healthcheck", 0, OPTION_TEXT, CONFIG(healthcheck), "TEST", "CMD …, CMD-SHELL …, NONE; empty removes"},
	{"healthcheck-interval", 0, OPTION_TEXT, CONFIG(health_interval), "TIME", "time between checks"},
	{"healthcheck-timeout", 0, OPTION_TEXT, CONFIG(health_timeout), "TIME", "time that a check may take"},
	{"healthcheck-retries", 0, OPTION_TEXT, CONFIG(health_retries), "N", "failures that make it unhealthy"},
	{"healthcheck-start-period", 0, OPTION_TEXT, CONFIG(health_start_period), "TIME", "time to start up"},
	{"healthcheck-start-interval", 0, OPTION_TEXT, CONFIG(health_start_interval), "TIME",
	 "time between checks while starting"},
	{"hostname", 0, OPTION_TEXT, CONFIG(hostname), "NAME", "host name (docker format)"},
	{"domainname", 0, OPTION_TEXT, CONFIG(domainname), "NAME", "domain name (docker format)"},
	{"add-history", 0, OPTION_FLAG, CONFIG(add_history), NULL, "add each change to the history"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static void replace_text(char **slot, const char *text)
{
	if (text)
		mem_replace(slot, *text ? text : NULL);
}

static int edit_texts(const struct config_options *o, struct container *c, struct error **err)
{
	struct image_config *config = &c->config;
	replace_text(&config->user, o->user);
	replace_text(&config->working_dir, o->workingdir);
	replace_text(&config->author, o->author);
	replace_text(&config->platform.architecture, o->arch);
	replace_text(&config->platform.os, o->os);
	replace_text(&config->platform.variant, o->variant);
	replace_text(&config->platform.os_version, o->os_version);
	replace_text(&config->comment, o->comment);
	replace_text(&config->hostname, o->hostname);
	replace_text(&config->domainname, o->domainname);
	replace_text(&c->created_by, o->created_by);
	replace_text(&c->history_comment, o->history_comment);
	for (size_t i = 0; i < o->os_features.count; i++)
		edit_set(&config->platform.os_features, o->os_features.items[i]);
	return o->stop_signal ? edit_stop_signal(config, o->stop_signal, err) : 0;
}

/* Each text of a --flag through edit_map(). */
static int edit_maps(struct strlist *map, const struct strlist *texts, const char *flag, struct error **err)
{
	for (size_t i = 0; i < texts->count; i++)
		if (edit_map(map, texts->items[i], /* from_environment */ false, err) < 0)
			return error_prefix(err, "%s", flag);
	return 0;
}

static void unset_all(struct strlist *map, const struct strlist *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		strlist_env_unset(map, keys->items[i]);
}

static int edit_lists(const struct config_options *o, struct container *c, struct error **err)
{
	struct image_config *config = &c->config;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < o->env.count; i++)
		rc = edit_env(&config->env, o->env.items[i], err);
	if (rc == 0)
		rc = edit_maps(&config->labels, &o->labels, "--label", err);
	if (rc == 0)
		rc = edit_maps(&c->annotations, &o->annotations, "--annotation", err);
	for (size_t i = 0; rc == 0 && i < o->ports.count; i++)
		rc = edit_ports_as_written(&config->exposed_ports, o->ports.items[i], err);
	for (size_t i = 0; rc == 0 && i < o->volumes.count; i++)
		edit_set(&config->volumes, o->volumes.items[i]);
	for (size_t i = 0; rc == 0 && i < o->onbuild.count; i++)
		if (strcmp(o->onbuild.items[i], "-") == 0)
			strlist_clear(&config->onbuild);
		else
			strlist_append(&config->onbuild, o->onbuild.items[i]);
	unset_all(&config->labels, &o->unset_labels);
	unset_all(&c->annotations, &o->unset_annotations);
	return rc;
}

static int edit_commands(const struct config_options *o, struct container *c, struct error **err)
{
	struct image_config *config = &c->config;
	int rc = 0;
	if (o->shell)
		rc = edit_shell(config, o->shell, err);
	if (rc == 0 && o->entrypoint) {
		rc = edit_entrypoint(config, o->entrypoint, err);
		if (rc == 0 && !o->cmd && config->cmd.count > 0 && config->entrypoint.count > 0) {
			cleanup_free char *cmd = strlist_join(&config->cmd, " ");
			log_warn("cmd \"%s\" exists and will be passed to entrypoint as a parameter", cmd);
		}
	}
	if (rc == 0 && o->cmd)
		rc = edit_cmd(config, o->cmd, err);
	return rc;
}

static int edit_time(const char *text, const char *flag, int64_t *nanoseconds, struct healthcheck *check,
		     struct error **err)
{
	if (!text)
		return 0;
	check->is_set = true;
	return parse_duration(text, flag, nanoseconds, err);
}

static int edit_health(const struct config_options *o, struct container *c, struct error **err)
{
	struct healthcheck *check = &c->config.healthcheck;
	int rc = o->healthcheck ? edit_healthcheck(&c->config, o->healthcheck, err) : 0;
	if (rc == 0)
		rc = edit_time(o->health_interval, "--healthcheck-interval", &check->interval, check, err);
	if (rc == 0)
		rc = edit_time(o->health_timeout, "--healthcheck-timeout", &check->timeout, check, err);
	if (rc == 0)
		rc = edit_time(o->health_start_period, "--healthcheck-start-period", &check->start_period, check, err);
	if (rc == 0)
		rc = edit_time(o->health_start_interval, "--healthcheck-start-interval", &check->start_interval, check,
			       err);
	if (rc == 0 && o->health_retries) {
		check->is_set = true;
		rc = parse_i64(o->health_retries, 0, INT32_MAX, "--healthcheck-retries", &check->retries, err);
	}
	return rc;
}

/* Buildah says which of its settings an OCI image cannot hold; cooper's OCI images keep those inside `config`,
 * as BuildKit's do, but not the image's comment. */
static void warn_of_format(const struct config_options *o, const struct container *c)
{
	if (c->format == FORMAT_OCI && o->comment && *o->comment)
		log_warn("COMMENT is not supported for OCI image format and will be ignored. Must use `docker` format");
}

/* "HEALTHCHECK --interval=20s CMD /foo": the instruction that would do the same. */
static char *healthcheck_instruction(const struct config_options *o)
{
	const struct {
		const char *flag, *value;
	} flags[] = {{"interval", o->health_interval},
		     {"retries", o->health_retries},
		     {"start-period", o->health_start_period},
		     {"start-interval", o->health_start_interval},
		     {"timeout", o->health_timeout}};
	cleanup(strlist_done) struct strlist words = {0};
	for (size_t i = 0; i < ARRAY_COUNT(flags); i++)
		if (flags[i].value)
			strlist_printf(&words, "--%s=%s", flags[i].flag, flags[i].value);
	if (o->healthcheck)
		strlist_append(&words, o->healthcheck);
	return words.count ? strlist_join(&words, " ") : NULL;
}

static void add_history(struct command_context *context, const struct config_options *o, struct container *c)
{
	const struct {
		const char *instruction;
		const struct strlist *values;
	} lists[] = {{"ENV", &o->env},
		     {"LABEL", &o->labels},
		     {"EXPOSE", &o->ports},
		     {"VOLUME", &o->volumes},
		     {"ONBUILD", &o->onbuild}};
	cleanup_free char *healthcheck = healthcheck_instruction(o);
	const struct {
		const char *instruction, *value;
	} texts[] = {{"CMD", o->cmd},
		     {"ENTRYPOINT", o->entrypoint},
		     {"USER", o->user},
		     {"WORKDIR", o->workingdir},
		     {"MAINTAINER", o->author},
		     {"STOPSIGNAL", o->stop_signal},
		     {"HEALTHCHECK", healthcheck},
		     {"SHELL", o->shell}};
	cleanup(strlist_done) struct strlist words = {0};
	for (size_t l = 0; l < ARRAY_COUNT(lists); l++)
		for (size_t i = 0; i < lists[l].values->count; i++)
			strlist_printf(&words, "/bin/sh -c #(nop) %s %s", lists[l].instruction,
				       lists[l].values->items[i]);
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		if (texts[i].value)
			strlist_printf(&words, "/bin/sh -c #(nop) %s %s", texts[i].instruction, texts[i].value);
	for (size_t i = 0; i < words.count; i++) {
		c->pending = mem_grow(c->pending, c->pending_count + 1, sizeof(*c->pending));
		c->pending[c->pending_count++] = (struct history){.created = format_time(context->now, 0),
								  .created_by = mem_strdup(words.items[i]),
								  .empty_layer = true};
	}
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct config_options *options = values;
	cleanup(container_done) struct container container = {0};
	cleanup_close int held = container_acquire_to_use(context->workshop, args->items[0], &container, err);
	if (held < 0)
		return held;
	int rc = edit_texts(options, &container, err);
	if (rc == 0)
		rc = edit_lists(options, &container, err);
	if (rc == 0)
		rc = edit_commands(options, &container, err);
	if (rc == 0)
		rc = edit_health(options, &container, err);
	if (rc == 0 && history_flag_is_on(options->add_history))
		add_history(context, options, &container);
	if (rc < 0)
		return rc;
	warn_of_format(options, &container);
	return container_save(context->workshop, &container, err);
}

const struct command command_config = {
	.name = "config",
	.arguments = "[OPTIONS] CONTAINER",
	.summary = "change the configuration that the image will have",
	.description =
		"Prints nothing. Every option may be repeated where that makes sense. Healthcheck, shell and onbuild "
		"are kept in images of both formats.",
	.examples = "  cooper config --entrypoint '[\"/usr/bin/app\"]' --cmd '--port 80' --port 80 $ctr\n"
		    "  cooper config --env PATH=/opt/bin:/usr/bin --label version=1.2 --user 1000 $ctr",
	.needs = NEEDS_STORE,
	.order = OPTIONS_FIRST,
	.min_args = 1,
	.options = {{&group, 0}},
	.options_size = sizeof(struct config_options),
	.run = run,
};
