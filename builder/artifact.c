/*
 * An artifact of files: each is a blob as it is, named by its title, with a media type that its reader can trust only
 * as far as it was told; what was not told is guessed from the name, then from the first bytes.
 */
#include "builder/artifact.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/utf8.h"
#include "imagefmt/blob.h"
#include "imagefmt/config.h"
#include "imagefmt/mediatype.h"

#define TITLE_ANNOTATION "org.opencontainers.image.title"
#define SNIFFED_SIZE 512 /* as many bytes as browsers look at (WHATWG "MIME Sniffing") */
#define TYPE_SIZE_MAX 255

/* ---- media types ---- */

static bool is_restricted_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && (i == 0 || !strchr("!#$&-^_.+", text[i])))
			return false;
	return len > 0 && len <= 127;
}

/* RFC 6838, 4.2: what image-spec asks of a mediaType; so without parameters. */
static int check_type(const char *option, const char *type, struct error **err)
{
	const char *slash = type ? strchr(type, '/') : NULL;

	if (!type)
		return 0;
	if (!slash || strlen(type) > TYPE_SIZE_MAX || !is_restricted_name(type, (size_t)(slash - type)) ||
	    !is_restricted_name(slash + 1, strlen(slash + 1)))
		return error_set(err, EINVAL, "%s '%s': not a media type", option, type);
	return 0;
}

static const char *type_of_name(const char *name)
{
	static const struct {
		const char *suffix, *type;
	} known[] = {
		{".css", "text/css"},	       {".csv", "text/csv"},	    {".gif", "image/gif"},
		{".gz", "application/gzip"},   {".htm", "text/html"},	    {".html", "text/html"},
		{".jpeg", "image/jpeg"},       {".jpg", "image/jpeg"},	    {".js", "text/javascript"},
		{".json", "application/json"}, {".md", "text/markdown"},    {".pdf", "application/pdf"},
		{".png", "image/png"},	       {".svg", "image/svg+xml"},   {".tar", "application/x-tar"},
		{".tgz", "application/gzip"},  {".txt", "text/plain"},	    {".wasm", "application/wasm"},
		{".webp", "image/webp"},       {".xml", "application/xml"}, {".yaml", "application/yaml"},
		{".yml", "application/yaml"},  {".zip", "application/zip"}, {".zst", "application/zstd"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(known); i++)
		if (text_has_suffix(name, known[i].suffix))
			return known[i].type;
	return NULL;
}

static bool is_text(const char *data, size_t size)
{
	size_t at = 0;

	while (at < size) {
		uint32_t character = 0;
		size_t used = utf8_decode(data + at, size - at, &character);
		/* A character that the end of what was read has cut is one. */
		if (character == UTF8_REPLACEMENT && size - at >= UTF8_CHAR_MAX)
			return false;
		if (character < 0x20 && !strchr("\t\n\f\r\033", (int)character))
			return false;
		at += used;
	}
	return !memchr(data, '\0', size);
}

static const char *type_of_bytes(const char *data, size_t size)
{
	static const struct {
		const char *magic;
		size_t len;
		const char *type;
	} known[] = {
		{"\x1f\x8b\x08", 3, "application/gzip"},
		{"\x28\xb5\x2f\xfd", 4, "application/zstd"},
		{"PK\x03\x04", 4, "application/zip"},
		{"%PDF-", 5, "application/pdf"},
		{"\x89PNG\r\n\x1a\n", 8, "image/png"},
		{"\xff\xd8\xff", 3, "image/jpeg"},
		{"GIF8", 4, "image/gif"},
		{"\0asm", 4, "application/wasm"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(known); i++)
		if (size >= known[i].len && memcmp(data, known[i].magic, known[i].len) == 0)
			return known[i].type;
	return is_text(data, size) ? "text/plain" : "application/octet-stream";
}

static int guess_type(int fd, const char *name, const char **type, struct error **err)
{
	char head[SNIFFED_SIZE];

	*type = type_of_name(name);
	if (*type)
		return 0;
	ssize_t n = pread(fd, head, sizeof(head), 0);
	if (n < 0)
		return error_set_errno(err, "read");
	*type = type_of_bytes(head, (size_t)n);
	return 0;
}

/* ---- files ---- */

static int put_file(struct store *store, int fd, struct descriptor *blob, struct error **err)
{
	cleanup(blob_writer_free) struct blob_writer *writer = NULL;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set_errno(err, "stat");
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "not a regular file");
	int rc = blob_writer_new(store, /* want */ NULL, (uint64_t)st.st_size, &writer, err);
	if (rc == 0)
		rc = blob_writer_copy(writer, fd, (uint64_t)st.st_size, err);
	return rc < 0 ? rc : blob_writer_commit(writer, &blob->digest, &blob->size, err);
}

static int add_file(struct store *store, const struct artifact_spec *spec, const char *path, struct manifest *m,
		    struct error **err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *type = spec->layer_type;
	/* The user's own file, links and all. A pipe that nobody writes to must not hold us. */
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return error_set_errno(err, "open");
	m->layers = mem_grow(m->layers, m->layer_count + 1, sizeof(*m->layers));
	struct descriptor *layer = &m->layers[m->layer_count++];
	*layer = (struct descriptor){0};
	int rc = put_file(store, fd, layer, err);
	if (rc == 0 && !type)
		rc = guess_type(fd, name, &type, err);
	if (rc < 0)
		return rc;
	layer->media_type = mem_strdup(type);
	if (!spec->exclude_titles)
		strlist_env_set(&layer->annotations, TITLE_ANNOTATION, name);
	return 0;
}

static int add_config(struct store *store, const struct artifact_spec *spec, struct descriptor *config,
		      struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	const char *type = spec->config_type;
	int rc = 0;

	if (spec->config_file)
		rc = fd_read_user_file(spec->config_file, &text, err);
	else
		buf_append_str(&text, ARTIFACT_EMPTY_TEXT);
	if (rc == 0)
		rc = blob_put(store, buf_str(&text), text.len, &config->digest, err);
	if (rc < 0)
		return error_prefix(err, "%s", spec->config_file ? spec->config_file : "configuration");
	if (!type)
		type = spec->config_file ? MEDIA_OCI_CONFIG : ARTIFACT_EMPTY_TYPE;
	config->media_type = mem_strdup(type);
	config->size = text.len;
	return 0;
}

/* ---- the manifest ---- */

/* An empty configuration says nothing of what it is, so that the manifest must. */
static const char *type_of(const struct artifact_spec *spec, const struct manifest *m)
{
	bool is_empty = strcmp(m->config.media_type, ARTIFACT_EMPTY_TYPE) == 0;

	return spec->type || !is_empty ? spec->type : ARTIFACT_UNKNOWN_TYPE;
}

static void describe(const struct artifact_spec *spec, struct manifest *m)
{
	m->artifact_type = mem_strdup(type_of(spec, m));
	for (size_t i = 0; spec->annotations && i < spec->annotations->count; i++) {
		const char *pair = spec->annotations->items[i];
		const char *equals = strchr(pair, '=');
		cleanup_free char *key = mem_strndup(pair, strcspn(pair, "="));
		strlist_env_set(&m->annotations, key, equals ? equals + 1 : "");
	}
	strlist_sort(&m->annotations);
	if (spec->subject) {
		m->subject = mem_alloc(sizeof(*m->subject));
		descriptor_copy(m->subject, spec->subject);
	}
}

static int check_spec(const struct artifact_spec *spec, struct error **err)
{
	int rc = check_type("--artifact-type", spec->type, err);

	if (rc == 0)
		rc = check_type("--artifact-layer-type", spec->layer_type, err);
	return rc < 0 ? rc : check_type("--artifact-config-type", spec->config_type, err);
}

int artifact_make(struct workshop *w, const struct artifact_spec *spec, struct descriptor *entry, struct error **err)
{
	struct store *store = workshop_store(w);
	cleanup(manifest_done) struct manifest m = {.format = FORMAT_OCI};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	struct digest digest;
	int rc = check_spec(spec, err);

	for (size_t i = 0; rc == 0 && i < spec->files->count; i++) {
		rc = add_file(store, spec, spec->files->items[i], &m, err);
		if (rc < 0)
			return error_prefix(err, "'%s'", spec->files->items[i]);
	}
	if (rc == 0)
		rc = add_config(store, spec, &m.config, err);
	if (rc < 0)
		return rc;
	describe(spec, &m);
	const char *type = m.artifact_type;
	manifest_format(&m, &text);
	if (text.overflow || m.layer_count > MANIFEST_LAYERS_MAX)
		return error_set(err, EFBIG, "more files than an artifact can have");
	rc = blob_put(store, text.data, text.len, &digest, err);
	if (rc < 0)
		return rc;
	*entry = (struct descriptor){.media_type = mem_strdup(MEDIA_OCI_MANIFEST),
				     .digest = digest,
				     .size = text.len,
				     /* Else it is the configuration's (image-spec descriptor.md). */
				     .artifact_type = mem_strdup(type ? type : m.config.media_type)};
	return 0;
}
