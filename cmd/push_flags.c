/* The options of a push, and its end, in one place. */
#include "cmd/push_flags.h"

#include <errno.h>

#include "base/log.h"
#include "cmd/flags.h"
#include "imagefmt/images.h"

#define PUSH(member) offsetof(struct push_flags, member)
static const struct option_spec rows[] = {
	{"if-absent", 0, OPTION_FLAG, PUSH(if_absent), NULL,
	 "leave a tag that exists in a registry: success where it is what would be pushed, else an error"},
	{"check-push", 0, OPTION_FLAG, PUSH(check_push), NULL,
	 "before anything else ask the registry whether it would take the image, by an upload that is cancelled"},
	{"allow-non-distributable-blobs", 0, OPTION_FLAG, PUSH(foreign), NULL,
	 "also push layers that are marked as not to be distributed, and say where they lie"},
};
const struct option_group push_group = {"Push options", rows, ARRAY_COUNT(rows)};

void push_flags_apply(const struct push_flags *flags, struct export_options *export)
{
	export->if_absent = flags->if_absent;
	export->check_push = flags->check_push;
	export->registry.sends_foreign = flags->foreign;
}

int push_flags_check(const struct push_flags *flags, bool pushes, const char *way, struct error **err)
{
	const char *given = flags->if_absent	? "if-absent"
			    : flags->check_push ? "check-push"
			    : flags->foreign	? "allow-non-distributable-blobs"
						: NULL;

	return given && !pushes ? error_set(err, EINVAL, "--%s goes with %s", given, way) : 0;
}

int push_end(struct store *store, int rc, const struct push_end *end, struct error **err)
{
	char text[DIGEST_TEXT_SIZE];

	if (rc < 0) {
		error_prefix(err, "push %s", end->destination);
		return push_status(rc, end->destination, err);
	}
	digest_format(end->digest, text);
	if (!end->quiet)
		log_info("pushed %s@%s", end->destination, text);
	rc = end->digestfile ? result_file_write(end->digestfile, text, err) : 0;
	return rc == 0 && end->rm ? images_remove(store, end->rm, err) : rc;
}
