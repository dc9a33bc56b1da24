/*
 * What refused images leave behind, until the end of the command.
 */
#include "builder/refused.h"

#include <errno.h>

#include "base/log.h"
#include "builder/sweep.h"

void refused_done(struct refused *refused)
{
	digest_set_done(&refused->blobs);
	digest_set_done(&refused->layers);
}

/* Reasons that lie in the network, with the registry, or on this machine. */
static bool may_pass(int rc)
{
	switch (-rc) {
	case EINTR:
	case ECANCELED:
	case ETIMEDOUT:
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case ENXIO:
	case EPROTO:
	case EACCES:
	case EBUSY:
	case EREMOTEIO:
	case EPIPE:
	case ENOSPC:
	case EDQUOT:
	case EIO:
	case EMFILE:
	case ENFILE:
	case EROFS:
		return true;
	default:
		return false;
	}
}

void refused_note(struct workshop *w, int rc, const struct digest *digest, const struct manifest *m,
		  const struct image_config *config)
{
	struct refused *refused = workshop_refused(w);

	if (may_pass(rc) || digest_is_null(&m->config.digest))
		return;
	if (digest && !digest_is_null(digest))
		digest_set_add(&refused->blobs, digest);
	for (size_t i = 0; i < m->layer_count; i++)
		digest_set_add(&refused->blobs, &m->layers[i].digest);
	digest_set_add(&refused->blobs, &m->config.digest);
	for (size_t i = 0; config && i < config->diff_id_count; i++)
		digest_set_add(&refused->layers, &config->diff_ids[i]);
}

void refused_sweep(struct workshop *w)
{
	cleanup_error struct error *why = NULL;
	struct refused *refused = workshop_refused(w);
	struct swept swept = {0};

	if (refused->blobs.count > 0 && sweep_refused(w, refused, &swept, &why) < 0)
		log_debug("what a refused image has brought stays for now: %s", error_message(why));
}
