/*
 * What all requests of one command share.
 */
#include "registry/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "registry/client_internal.h"

#define TRANSFER_MS 200 /* between two words about the same blob */
#define RETRIES_DEFAULT 5
#define RETRIES_MAX 100
#define RETRY_DELAY_DEFAULT_MS 1000
#define MAX_WAIT_DEFAULT_MS ((int64_t)300 * 1000) /* a longer wait is the user's decision, not ours */
#define DEADLINE_DEFAULT_MS ((int64_t)30 * 60 * 1000)
#define CONNECT_DEFAULT_MS ((int64_t)30 * 1000)
#define STALL_DEFAULT_MS ((int64_t)60 * 1000)
#define TELL_DEFAULT_MS ((int64_t)30 * 1000)
#define PARALLEL_DEFAULT 4
#define PARALLEL_MAX 64
#define PASSWORD_SIZE_MAX ((size_t)64 << 10)

/* --creds: split at the first colon, as passwords may have more. */
static int parse_credentials(const struct registry_options *options, struct credentials *credentials,
			     struct error **err)
{
	cleanup(buf_done) struct buf asked = BUF_SECRET(PASSWORD_SIZE_MAX);
	const char *text = options->username ? options->username : options->credentials;
	const char *colon = options->username ? NULL : strchr(text, ':');
	const char *password = options->username ? options->password : colon ? colon + 1 : NULL;
	size_t user = colon ? (size_t)(colon - text) : strlen(text);

	if (user == 0)
		return error_set(err, EINVAL, "--creds: no user name (use user:password)");
	if (!password && options->ask_password) {
		int rc = options->ask_password(&asked, err);
		if (rc < 0)
			return rc;
	}
	credentials->username = mem_strndup(text, user);
	credentials->password = mem_strdup(password ? password : buf_str(&asked));
	return 0;
}

/* Who allows a longer wait means it. */
static int64_t retry_deadline(const struct registry_options *options)
{
	if (options->retry_deadline_ms > 0)
		return options->retry_deadline_ms;
	return options->max_wait_ms > DEADLINE_DEFAULT_MS / 2 ? 2 * options->max_wait_ms : DEADLINE_DEFAULT_MS;
}

static struct http_transport *make_transport(const struct registry_options *options)
{
	struct http_transport_options transport = {
		.user_agent = options->user_agent ? options->user_agent : "cooper/" COOPER_VERSION,
		.cert_dir = options->cert_dir && *options->cert_dir ? options->cert_dir : NULL,
		.tls_verify = options->tls_verify,
		.retries = options->retries < 0 ? RETRIES_DEFAULT : (unsigned)options->retries,
		.retry_delay_ms = options->retry_delay_ms > 0 ? options->retry_delay_ms : RETRY_DELAY_DEFAULT_MS,
		.max_wait_ms = options->max_wait_ms > 0 ? options->max_wait_ms : MAX_WAIT_DEFAULT_MS,
		.deadline_ms = retry_deadline(options),
		.connect_ms = options->connect_ms > 0 ? options->connect_ms : CONNECT_DEFAULT_MS,
		.stall_ms = options->stall_ms > 0 ? options->stall_ms : STALL_DEFAULT_MS,
		.tell_ms = options->tell_ms > 0 ? options->tell_ms : TELL_DEFAULT_MS,
		.progress = options->progress,
		.progress_context = options->progress_context,
	};

	return http_transport_new(&transport);
}

int registry_client_new(const struct registry_options *options, struct registry_client **client, struct error **err)
{
	cleanup(registry_client_free) struct registry_client *made = mem_alloc(sizeof(*made));

	if (options->retries > RETRIES_MAX)
		return error_set(err, EINVAL, "--retry %d: more than %d", options->retries, RETRIES_MAX);
	if (options->credentials || options->username) {
		int rc = parse_credentials(options, &made->credentials, err);
		if (rc < 0)
			return rc;
	}
	made->credentials.registry_token = mem_strdup(options->registry_token);
	made->anonymous = options->anonymous;
	made->authfile = options->authfile && *options->authfile ? mem_strdup(options->authfile) : NULL;
	made->tls_verify = options->tls_verify;
	made->parallel = options->parallel > 0 ? (unsigned)options->parallel : PARALLEL_DEFAULT;
	if (made->parallel > PARALLEL_MAX)
		made->parallel = PARALLEL_MAX;
	made->sends_foreign = options->sends_foreign;
	made->progress = options->progress;
	made->progress_context = options->progress_context;
	made->transfer = options->transfer;
	made->transfer_context = options->transfer_context;
	made->transport = make_transport(options);
	*client = take_ptr(&made);
	return 0;
}

void registry_client_free(struct registry_client *client)
{
	if (!client)
		return;
	http_transport_free(client->transport);
	for (size_t i = 0; i < client->endpoint_count; i++)
		endpoint_free(client->endpoints[i]);
	free(client->endpoints);
	token_cache_done(&client->tokens);
	registries_free(client->registries);
	known_blobs_done(&client->known);
	credentials_done(&client->credentials);
	free(client->authfile);
	free(client);
}

void registry_client_forked(struct registry_client *client)
{
	http_transport_forked(client->transport);
	client->is_forked = true;
	client->transfer = NULL;
}

bool client_was_told_who(const struct registry_client *client)
{
	return client->credentials.username || client->credentials.registry_token;
}

void client_tell(const struct registry_client *client, const char *fmt, ...)
{
	va_list args;

	if (!client->progress)
		return;
	va_start(args, fmt);
	cleanup_free char *line = mem_vprintf(fmt, args);
	va_end(args);
	client->progress(line, client->progress_context);
}

void client_tell_transfer(const struct registry_client *client, const struct registry_transfer *transfer,
			  int64_t *told_ms)
{
	int64_t now = client->transfer ? clock_ms() : 0;

	if (!client->transfer || (transfer->done < transfer->size && now - *told_ms < TRANSFER_MS))
		return;
	*told_ms = now;
	client->transfer(transfer, client->transfer_context);
}

int client_registries(struct registry_client *client, const struct registries **registries, struct error **err)
{
	int rc = client->registries ? 0 : registries_load(&client->registries, err);

	if (rc == 0)
		*registries = client->registries;
	return rc;
}

struct endpoint *client_endpoint(struct registry_client *client, const char *domain, bool insecure)
{
	for (size_t i = 0; i < client->endpoint_count; i++)
		if (strcmp(client->endpoints[i]->domain, domain) == 0 && client->endpoints[i]->insecure == insecure)
			return client->endpoints[i];
	client->endpoints = mem_grow(client->endpoints, client->endpoint_count + 1, sizeof(struct endpoint *));
	client->endpoints[client->endpoint_count] = endpoint_new(domain, insecure);
	return client->endpoints[client->endpoint_count++];
}
