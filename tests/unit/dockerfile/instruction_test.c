/* What is expanded when, mounts, ports, signals, triggers. */
#include "dockerfile/instruction.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

/* An instruction of its text, as a trigger is. */
static struct instruction *parsed(const char *text)
{
	struct instruction *instruction = NULL;
	cleanup_error struct error *err = NULL;

	if (instruction_parse_trigger(text, '\\', &instruction, &err) < 0)
		fail_msg("%s", error_message(err));
	return instruction;
}

/* The same, expanded with V=val, EMPTY= and UID=7. */
static int expand(const char *text, struct instruction **expanded, struct strlist *unset, struct error **err)
{
	cleanup(instruction_free) struct instruction *written = parsed(text);
	cleanup(strlist_done) struct strlist env = {0};
	const struct expand_scope scope = {.lists = {&env}, .count = 1};

	strlist_append(&env, "V=val");
	strlist_append(&env, "EMPTY=");
	strlist_append(&env, "UID=7");
	strlist_append(&env, "PORTS=80 443/udp");
	return instruction_expand(written, &scope, unset, expanded, err);
}

static struct instruction *expanded(const char *text)
{
	struct instruction *instruction = NULL;
	cleanup_error struct error *err = NULL;

	if (expand(text, &instruction, NULL, &err) < 0)
		fail_msg("%s: %s", text, error_message(err));
	return instruction;
}

static void copies_are_expanded_everywhere(void **state)
{
	cleanup(instruction_free) struct instruction *copy = expanded(
		"COPY --from=$V --chown=$UID --chmod=${UID}55 --exclude=$V a$V \"b\" <<E <<'F' /$V/\n$V\nE\n$V\nF");

	assert_string_equal(copy->copy.from, "val");
	assert_string_equal(copy->copy.chown, "7");
	assert_string_equal(copy->copy.chmod, "755");
	assert_string_equal(copy->copy.excludes.items[0], "$V");
	assert_string_equal(copy->copy.sources.items[0], "aval");
	assert_string_equal(copy->copy.sources.items[1], "b");
	assert_string_equal(copy->copy.destination, "/val/");
	assert_string_equal(copy->copy.files.items[0].content, "val\n");
	assert_string_equal(copy->copy.files.items[1].content, "$V\n");
	cleanup(instruction_free) struct instruction *add = expanded("ADD --checksum=sha256:$V https://$V /x");
	assert_string_equal(add->copy.checksum, "sha256:val");
	assert_string_equal(add->copy.sources.items[0], "https://val");
}

static void keys_and_values_are_expanded(void **state)
{
	cleanup(instruction_free) struct instruction *env = expanded("ENV \"a b\"='$V' $V=\"$V x\" c=\\$V");

	assert_string_equal(env->pairs.items[0].key, "a b");
	assert_string_equal(env->pairs.items[0].value, "$V");
	assert_string_equal(env->pairs.items[1].key, "val");
	assert_string_equal(env->pairs.items[1].value, "val x");
	assert_string_equal(env->pairs.items[2].value, "$V");
	cleanup(instruction_free) struct instruction *legacy = expanded("ENV a  \"$V\" b=c");
	assert_string_equal(legacy->pairs.items[0].value, "val b=c");
	/* A name may become nothing, and BuildKit keeps it; those of ARG stay as they are. */
	cleanup(instruction_free) struct instruction *blank = expanded("ENV $EMPTY=x");
	assert_string_equal(blank->pairs.items[0].key, "");
	cleanup(instruction_free) struct instruction *arg = expanded("ARG $V=$V");
	assert_string_equal(arg->pairs.items[0].key, "$V");
	assert_string_equal(arg->pairs.items[0].value, "val");
}

static void single_words_are_expanded(void **state)
{
	static const struct {
		const char *text;
		const char *result;
	} examples[] = {{"WORKDIR /$V", "/val"}, {"USER $V:${UID}", "val:7"}, {"STOPSIGNAL $V", "val"}};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(instruction_free) struct instruction *instruction = expanded(examples[i].text);
		assert_string_equal(instruction->argument, examples[i].result);
	}
	cleanup(instruction_free) struct instruction *volume = expanded("VOLUME /$V \"/x\"");
	assert_string_equal(volume->words.items[0], "/val");
	assert_string_equal(volume->words.items[1], "/x");
	cleanup(instruction_free) struct instruction *expose = expanded("EXPOSE $PORTS 1");
	assert_int_equal(expose->words.count, 3);
	assert_string_equal(expose->words.items[1], "443/udp");
}

static void commands_are_not_expanded(void **state)
{
	static const char *const texts[] = {"RUN echo $V", "CMD echo $V", "ENTRYPOINT [\"$V\"]", "SHELL [\"$V\"]",
					    "HEALTHCHECK CMD $V"};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(instruction_free) struct instruction *instruction = expanded(texts[i]);
		const struct strlist *words = instruction->kind == INSTRUCTION_HEALTHCHECK
						      ? &instruction->healthcheck.command.words
					      : instruction->kind == INSTRUCTION_RUN ? &instruction->run.command.words
										     : &instruction->command.words;
		assert_non_null(strstr(words->items[0], "$V"));
	}
}

static void tells_what_is_unset(void **state)
{
	cleanup(instruction_free) struct instruction *copy = NULL;
	cleanup(strlist_done) struct strlist unset = {0};

	assert_int_equal(expand("COPY --chown=$A $B ${C:-x} /", &copy, &unset, NULL), 0);
	assert_int_equal(unset.count, 2);
	assert_string_equal(copy->copy.destination, "/");
}

/* ---- Mounts ---- */

static void mounts_are_typed_after_expansion(void **state)
{
	cleanup(instruction_free) struct instruction *written = parsed(
		"RUN --mount=type=cache,id=$V,target=/$V,uid=$UID,gid=8,mode=0700,sharing=locked,from=$V,source=/s "
		"--mount=target=/b,from=x,rw --mount=type=tmpfs,target=/t,size=64m "
		"--mount=type=secret,id=s,env=TOKEN,required --mount=type=ssh,required=true "
		"--mount=TYPE=Secret,target=/run/x/key --mount=type=bind,dst=/c,ro=false true");
	const struct expand_scope nothing = {0};
	cleanup(instruction_free) struct instruction *run = NULL;

	assert_int_equal(written->run.mount_texts.count, 7);
	assert_int_equal(written->run.mount_count, 0);
	assert_int_equal(instruction_expand(written, &nothing, NULL, &run, NULL), -22); /* uid= */
	instruction_free(take_ptr(&run));
	run = expanded(written->text);
	const struct file_mount *mounts = run->run.mounts;
	assert_int_equal(mounts[0].type, FILE_MOUNT_CACHE);
	assert_string_equal(mounts[0].id, "val");
	assert_string_equal(mounts[0].target, "/val");
	assert_string_equal(mounts[0].from, "val");
	assert_int_equal(mounts[0].uid, 7);
	assert_int_equal(mounts[0].mode, 0700);
	assert_int_equal(mounts[0].sharing, CACHE_LOCKED);
	assert_false(mounts[0].read_only);
	assert_int_equal(mounts[1].type, FILE_MOUNT_BIND);
	assert_false(mounts[1].read_only);
	assert_int_equal(mounts[2].size, 64 << 20);
	assert_string_equal(mounts[3].env, "TOKEN");
	assert_true(mounts[3].required && mounts[4].required);
	assert_false(mounts[6].read_only);
	cleanup_free char *secret = file_mount_id(&mounts[5]);
	assert_string_equal(secret, "key");
	cleanup_free char *ssh = file_mount_id(&mounts[4]);
	assert_string_equal(ssh, "default");
}

static void mounts_that_are_wrong_are_so_when_they_are_needed(void **state)
{
	static const struct {
		const char *mount, *expected;
	} examples[] = {
		{"type=bnd,target=/x", "unsupported mount type 'bnd' (did you mean bind?)"},
		{"type=cache,tagret=/x", "unexpected key 'tagret' in 'tagret=/x' (did you mean target?)"},
		{"type=cache,target=/x,sharing=lock", "(did you mean locked?)"},
		{"type=bind,sharing=shared,target=/x", "invalid cache sharing set for bind mount"},
		{"type=bind,uid=1,target=/x", "uid not allowed for 'bind' type mounts"},
		{"type=tmpfs,mode=1,target=/x", "mode not allowed for 'tmpfs' type mounts"},
		{"type=bind,size=1,target=/x", "unexpected key 'size' for mount type 'bind'"},
		{"type=cache,required,target=/x", "unexpected key 'required' for mount type 'cache'"},
		{"type=secret", "invalid secret mount"},
		{"type=secret,from=a,id=b", "should not have a from"},
		{"type=secret,source=a,id=b", "both source and id can't be set"},
		{"type=cache,target=/x,uid=x", "invalid value x for uid"},
		{"target", "invalid field 'target' must be a key=value pair"},
		{"type=bind,target=/x,rw=yes", "invalid value for rw: yes"},
		{"type=ssh,required=tRUE", "invalid value for required: tRUE"},
		{"type=bind,target=/x,z", "unexpected key 'z' in 'z'"},
		{"type=bind,target=/x,Z=true", "unexpected key 'z' in 'Z=true'"},
		{"type=tmpfs,target=/x,tmpcopyup", "unexpected key 'tmpcopyup'"},
		{"type=cache,target=/x,U", "unexpected key 'u'"},
		{"type=bind,target=/x,relabel=shared", "unexpected key 'relabel'"},
		{"type=tmpfs,target=/x,tmpfs-size=1m", "unexpected key 'tmpfs-size'"},
		{"type=tmpfs,target=/x,size=1e99", "invalid value for size: 1e99"},
		{"type=tmpfs,target=/x,size=e3", "invalid value for size: e3"},
	};
	const struct expand_scope nothing = {0};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup_free char *line = mem_printf("RUN --mount=%s a", examples[i].mount);
		cleanup(instruction_free) struct instruction *written = parsed(line);
		cleanup(instruction_free) struct instruction *run = NULL;
		cleanup_error struct error *err = NULL;
		assert_int_equal(instruction_expand(written, &nothing, NULL, &run, &err), -22);
		if (!strstr(error_message(err), examples[i].expected))
			fail_msg("'%s': %s", line, error_message(err));
	}
}

static void sizes_are_written_as_go_reads_them(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} examples[] = {{"64m", 64 << 20}, {"1KiB", 1024}, {"1.5k", 1536}, {"1e3", 1000}, {"2e1kb", 20480}};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup_free char *line = mem_printf("RUN --mount=type=tmpfs,target=/t,size=%s a", examples[i].text);
		cleanup(instruction_free) struct instruction *run = expanded(line);
		assert_int_equal(run->run.mounts[0].size, examples[i].size);
	}
}

/* Of the other types it has no meaning, and BuildKit does not mind. */
static void env_is_taken_of_every_mount(void **state)
{
	cleanup(instruction_free) struct instruction *run = expanded("RUN --mount=type=ssh,env=A a");

	assert_int_equal(run->run.mounts[0].type, FILE_MOUNT_SSH);
}

/* ---- Ports and signals ---- */

static void ports_become_keys(void **state)
{
	static const struct {
		const char *word;
		const char *ports; /* NULL: wrong */
		size_t odd;
	} examples[] = {
		{"80", "80/tcp", 0},
		{"80/", "80/tcp", 0},
		{"80/TCP", "80/tcp", 0},
		{"53/Udp", "53/udp", 0},
		{"1-3/sctp", "1/sctp,2/sctp,3/sctp", 0},
		{"0", "0/tcp", 0},
		{"65535", "65535/tcp", 0},
		{"8080:80", "80/tcp", 1},
		{"127.0.0.1:8080:80", "80/tcp", 1},
		{"127.0.0.1::80", "80/tcp", 1},
		{"[::1]:8080:80/udp", "80/udp", 1},
		{"::1:8080:80", "80/tcp", 1},
		{"8000-8001:80-81", "80/tcp,81/tcp", 1},
		{"8000-8005:80", "80/tcp", 1},
		{"+80", "80/tcp", 0},
		{"080-+81", "80/tcp,81/tcp", 0},
		{"[]:80:81", "81/tcp", 1},
		{"+-80", NULL},
		{"", NULL},
		{"/tcp", NULL},
		{"65536", NULL},
		{"-1", NULL},
		{"a", NULL},
		{"3-1", NULL},
		{"1-2-3", NULL},
		{"80/ip", NULL},
		{"1.2.3:1:80", NULL},
		{"8000-8001:80-83", NULL},
		{"x:80", NULL},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(strlist_done) struct strlist words = {0};
		cleanup(strlist_done) struct strlist ports = {0};
		cleanup(strlist_done) struct strlist odd = {0};
		strlist_append(&words, examples[i].word);
		int rc = expose_ports(&words, &ports, &odd, NULL);
		if ((rc == 0) != (examples[i].ports != NULL))
			fail_msg("'%s' gave %d", examples[i].word, rc);
		if (rc < 0)
			continue;
		cleanup_free char *joined = strlist_join(&ports, ",");
		assert_string_equal(joined, examples[i].ports);
		assert_int_equal(odd.count, examples[i].odd);
	}
}

static void signals_have_names_and_numbers(void **state)
{
	static const char *const good[] = {"SIGTERM",	 "TERM",    "term", "sigint", "9",  "64", "RTMIN",
					   "SIGRTMIN+3", "RTMAX-1", "CLD",  "IOT",    "65", "-1", "+15"};
	static const char *const bad[] = {"",	     "SIG", "0",	"+0",	    "SIG9",    "FOO",	  "RTMIN-1",
					  "RTMAX+1", "9x",  "RTMIN+99", "RTMIN+16", "RTMIN+0", "RTMAX-15"};

	for (size_t i = 0; i < ARRAY_COUNT(good); i++)
		if (stop_signal_check(good[i], NULL) < 0)
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (stop_signal_check(bad[i], NULL) == 0)
			fail_msg("%s", bad[i]);
}

/* ---- Triggers ---- */

static void triggers_are_one_instruction(void **state)
{
	static const char *const bad[] = {"",	    "FROM x", "ONBUILD RUN a", "MAINTAINER x", "RUN a\nRUN b",
					  "NOPE x", "# only", "RUN <<E\nx"};
	struct instruction *none = NULL;

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (instruction_parse_trigger(bad[i], '\\', &none, NULL) == 0)
			fail_msg("%s", bad[i]);
	cleanup(instruction_free) struct instruction *run = parsed("RUN a");
	assert_int_equal(run->range.first_line, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_are_expanded_everywhere),
		cmocka_unit_test(keys_and_values_are_expanded),
		cmocka_unit_test(single_words_are_expanded),
		cmocka_unit_test(commands_are_not_expanded),
		cmocka_unit_test(tells_what_is_unset),
		cmocka_unit_test(mounts_are_typed_after_expansion),
		cmocka_unit_test(mounts_that_are_wrong_are_so_when_they_are_needed),
		cmocka_unit_test(sizes_are_written_as_go_reads_them),
		cmocka_unit_test(env_is_taken_of_every_mount),
		cmocka_unit_test(ports_become_keys),
		cmocka_unit_test(signals_have_names_and_numbers),
		cmocka_unit_test(triggers_are_one_instruction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
