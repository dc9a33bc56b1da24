/* run/emul_caps.c */
#include "tests/unit/run/fake_caller.h"

#include <sys/prctl.h>

typedef struct __user_cap_header_struct header_of;
typedef struct __user_cap_data_struct data_of;

static void every_version_is_answered_in_its_size(void **state)
{
	struct fake *fake = *state;
	header_of *header = fake_room(fake, sizeof(*header));
	data_of *data = fake_room(fake, 3 * sizeof(*data));

	header->version = _LINUX_CAPABILITY_VERSION_1;
	data[1].permitted = 77;
	assert_returns(CALL(fake, emul_capget, ADDRESS(header), ADDRESS(data)), 0);
	assert_int_equal(data[0].effective, (uint32_t)FAKE_CAPS);
	assert_int_equal(data[1].permitted, 77);
	header->version = _LINUX_CAPABILITY_VERSION_3;
	assert_returns(CALL(fake, emul_capget, ADDRESS(header), ADDRESS(data)), 0);
	assert_int_equal(data[1].permitted, (uint32_t)(FAKE_CAPS >> 32));
}

static void an_unknown_version_is_answered_by_the_best(void **state)
{
	struct fake *fake = *state;
	header_of *header = fake_room(fake, sizeof(*header));

	header->version = 5;
	assert_returns(CALL(fake, emul_capget, ADDRESS(header), 0), 0);
	assert_int_equal(header->version, _LINUX_CAPABILITY_VERSION_3);
	header->version = 5;
	assert_returns(CALL(fake, emul_capget, ADDRESS(header), ADDRESS(header)), -EINVAL);
	header->version = 5;
	assert_returns(CALL(fake, emul_capset, ADDRESS(header), ADDRESS(header)), -EINVAL);
	assert_returns(CALL(fake, emul_capget, 1, 0), -EFAULT);
}

static void nobody_sets_anothers(void **state)
{
	struct fake *fake = *state;
	header_of *header = fake_room(fake, sizeof(*header));
	data_of *data = fake_room(fake, 2 * sizeof(*data));

	header->version = _LINUX_CAPABILITY_VERSION_3;
	header->pid = getpid();
	assert_returns(CALL(fake, emul_capset, ADDRESS(header), ADDRESS(data)), -EPERM);
	assert_continues(CALL(fake, emul_capget, ADDRESS(header), ADDRESS(data)));
	/* Its own number, as it counts, is as good as 0. */
	header->pid = fake->pid;
	data[0].permitted = data[0].effective = 1 << CAP_CHOWN;
	assert_returns(CALL(fake, emul_capset, ADDRESS(header), ADDRESS(data)), 0);
	header->pid = 0;
	data[0].permitted |= 1 << CAP_SETUID;
	assert_returns(CALL(fake, emul_capset, ADDRESS(header), ADDRESS(data)), -EPERM);
	assert_returns(CALL(fake, emul_capset, ADDRESS(header), 1), -EFAULT);
}

static void prctl_is_about_the_caller(void **state)
{
	struct fake *fake = *state;

	assert_returns(CALL(fake, emul_prctl, PR_SET_KEEPCAPS, 1), 0);
	assert_returns(CALL(fake, emul_prctl, PR_GET_KEEPCAPS), 1);
	assert_returns(CALL(fake, emul_prctl, PR_CAPBSET_READ, CAP_CHOWN), 1);
	assert_returns(CALL(fake, emul_prctl, PR_CAPBSET_READ, CAP_SYS_ADMIN), 0);
	assert_returns(CALL(fake, emul_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 1), -EINVAL);
	fake_become(fake, 4, 4);
	assert_returns(CALL(fake, emul_prctl, PR_CAPBSET_DROP, CAP_CHOWN), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(every_version_is_answered_in_its_size),
		FAKE_TEST(an_unknown_version_is_answered_by_the_best),
		FAKE_TEST(nobody_sets_anothers),
		FAKE_TEST(prctl_is_about_the_caller),
	};

	FAKE_MAIN(tests);
}
