/* --volume and --mount: what is taken, and that nothing else is. */
#include "builder/settings_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/mount.h>

static void volume(const char *text, struct mount_setting *mount)
{
	if (volume_parse(text, mount, NULL) != 0)
		fail_msg("'%s' was refused", text);
}

static void mount_text(const char *text, struct mount_setting *mount)
{
	if (mount_parse(text, mount, NULL) != 0)
		fail_msg("'%s' was refused", text);
}

static void reads_volumes_with_their_options(void **state)
{
	cleanup(mount_setting_done) struct mount_setting plain = {0}, full = {0}, overlay = {0};

	volume("/src:/dst", &plain);
	assert_int_equal(plain.kind, MOUNT_BIND);
	assert_string_equal(plain.source, "/src");
	assert_string_equal(plain.target, "/dst");
	assert_false(plain.flags & RUN_MOUNT_READ_ONLY);
	volume("./s:/d:ro,noexec,U,rslave,z", &full);
	assert_true(full.flags & RUN_MOUNT_READ_ONLY);
	assert_true(full.flags & RUN_MOUNT_NOEXEC);
	assert_true(full.flags & RUN_MOUNT_CHOWN);
	assert_int_equal(full.propagation, MS_SLAVE);
	volume("/s:/d:O,upperdir=/u,workdir=/w", &overlay);
	assert_int_equal(overlay.kind, MOUNT_OVERLAY);
	assert_string_equal(overlay.upper, "/u");
	assert_string_equal(overlay.work, "/w");
}

static void refuses_volumes_that_say_something_else(void **state)
{
	static const char *const texts[] = {
		"/a",
		"",
		":/d",
		"/a:",
		"/a:d",
		"name:/d",
		"/a:/b:ro:rw",
		"/a:/b:bogus",
		"/a:/b:ro,bind-propagation=shared",
		"/a:/b:upperdir=/u,workdir=/w",
		"/a:/b:O,upperdir=/u",
		"/a:/b:O,upperdir=u,workdir=w",
	};
	struct mount_setting mount;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (volume_parse(texts[i], &mount, NULL) != -EINVAL)
			fail_msg("'%s' was taken", texts[i]);
}

static void mounts_a_bind_read_only_unless_told(void **state)
{
	cleanup(mount_setting_done) struct mount_setting plain = {0}, writable = {0}, off = {0};

	mount_text("type=bind,src=/s,target=/t", &plain);
	assert_true(plain.flags & RUN_MOUNT_READ_ONLY);
	mount_text("rw,from=img,destination=/t", &writable);
	assert_false(writable.flags & RUN_MOUNT_READ_ONLY);
	assert_string_equal(writable.from, "img");
	assert_null(writable.source);
	mount_text("source=s,dst=t,readonly=false,bind-propagation=rshared", &off);
	assert_false(off.flags & RUN_MOUNT_READ_ONLY);
	assert_int_equal(off.propagation, MS_SHARED);
}

static void reads_caches_and_tmpfs(void **state)
{
	cleanup(mount_setting_done) struct mount_setting cache = {0}, tmpfs = {0};

	mount_text("target=/c,type=cache,id=x,sharing=locked,mode=0700,uid=5,gid=6", &cache);
	assert_int_equal(cache.kind, MOUNT_CACHE);
	assert_int_equal(cache.sharing, SHARING_LOCKED);
	assert_int_equal(cache.mode, 0700);
	assert_int_equal(cache.uid, 5);
	assert_int_equal(cache.gid, 6);
	mount_text("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1700,tmpcopyup", &tmpfs);
	assert_int_equal(tmpfs.kind, MOUNT_TMPFS);
	assert_int_equal(tmpfs.size, 1 << 20);
	assert_int_equal(tmpfs.mode, 01700);
	assert_true(tmpfs.flags & RUN_MOUNT_COPY_UP);
}

static void reads_secrets_and_agents(void **state)
{
	cleanup(mount_setting_done) struct mount_setting secret = {0}, named = {0}, agent = {0};

	assert_int_equal(mount_parse("type=secret,id=s,env=E,mode=0440,uid=7,gid=8,required", &secret, NULL), 0);
	assert_int_equal(secret.kind, MOUNT_SECRET);
	assert_string_equal(secret.id, "s");
	assert_string_equal(secret.env, "E");
	assert_null(secret.target);
	assert_true(secret.required && secret.has_mode);
	assert_int_equal(secret.mode, 0440);
	assert_int_equal(secret.uid, 7);
	assert_int_equal(secret.gid, 8);
	assert_int_equal(mount_parse("type=secret,dst=/etc/key", &named, NULL), 0);
	assert_string_equal(named.id, "key");
	assert_int_equal(mount_parse("type=ssh", &agent, NULL), 0);
	assert_int_equal(agent.kind, MOUNT_SSH);
	assert_string_equal(agent.id, "default");
}

/* CVE-2024-9407: an option that is not known must not reach mount(2). */
static void refuses_every_option_that_is_not_listed(void **state)
{
	static const char *const texts[] = {
		"type=bind,src=/s",
		"type=bind,dst=/d",
		"type=bogus,src=/s,dst=/d",
		"type=secret",
		"type=secret,id=a,src=b",
		"type=secret,id=a,from=b",
		"type=secret,id=a,required=maybe",
		"type=ssh,env=X",
		"type=ssh,src=/s",
		"src=/s,dst=/d,bind-propagation=private|rw",
		"src=/s,dst=/d,bind-propagation=ro",
		"src=/s,dst=/d,remount",
		"src=/s,dst=/d,id=x",
		"type=tmpfs,dst=/d,src=/s",
		"type=tmpfs,dst=/d,uid=1",
		"type=cache,dst=/d,sharing=some",
		"type=cache,dst=/d,uid=4294967295",
		"src=/s,dst=/d,o=suid",
	};
	struct mount_setting mount;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (mount_parse(texts[i], &mount, NULL) != -EINVAL)
			fail_msg("'%s' was taken", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_volumes_with_their_options),
		cmocka_unit_test(refuses_volumes_that_say_something_else),
		cmocka_unit_test(mounts_a_bind_read_only_unless_told),
		cmocka_unit_test(reads_caches_and_tmpfs),
		cmocka_unit_test(reads_secrets_and_agents),
		cmocka_unit_test(refuses_every_option_that_is_not_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
