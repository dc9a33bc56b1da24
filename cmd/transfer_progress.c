/*
 * The view of a build, without a build: what comes are transfers, and lines of standard error.
 */
#include "cmd/transfer_progress.h"

int transfer_progress_begin(struct build_progress_state *state, bool quiet, struct registry_options *one,
			    struct registry_options *other, struct error **err)
{
	struct build_options told = {0};
	int rc = quiet ? 0 : build_progress_begin(state, BUILD_PROGRESS_AUTO, /* logfile */ NULL, &told, err);

	if (rc < 0)
		return rc;
	one->transfer = told.registry.transfer;
	one->transfer_context = told.registry.transfer_context;
	if (other) {
		other->transfer = told.registry.transfer;
		other->transfer_context = told.registry.transfer_context;
	}
	return 0;
}
