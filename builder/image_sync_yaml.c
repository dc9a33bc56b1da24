/*
 * The YAML file of sync, as skopeo-sync(1) describes it:
 *
 *	registry.example.org:
 *	  images:
 *	    busybox: []			# all tags
 *	    redis: ["7", "sha256:…"]
 *	  images-by-tag-regex:
 *	    nginx: ^1\.2[0-9]$		# POSIX extended, not Go's: no \d
 *	  images-by-semver:
 *	    alpine: ">= 3.12, < 4"	# image_semver.h
 *	  credentials: {username: me, password: secret}
 *	  tls-verify: true
 *	  cert-dir: /home/me/certs
 */
#include "builder/image_sync_internal.h"

#include <errno.h>
#include <regex.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/yaml.h"
#include "builder/image_semver.h"

#define FILE_SIZE_MAX ((size_t)4 << 20)

struct yaml_registry {
	struct workshop *w;
	struct sync_plan *plan;
	const char *name;
	size_t access;
	struct registry_options options;
};

/* ---- How to talk to it ---- */

static int read_credentials(struct json_place at, struct sync_access *access, struct error **err)
{
	cleanup_free char *username = NULL, *password = NULL;
	int rc = json_get_string(json_field(&at, "username"), &username, err);

	if (rc == 0)
		rc = json_get_string(json_field(&at, "password"), &password, err);
	if (rc == 0 && username)
		access->credentials = mem_printf("%s:%s", username, password ? password : "");
	mem_free_secret(&password);
	return rc;
}

static int read_access(const struct json_place *registry, struct sync_access *access, struct error **err)
{
	struct json_place credentials = json_field(registry, "credentials");
	struct json_place verify = json_field(registry, "tls-verify");
	int rc = json_is_present(&credentials) ? read_credentials(credentials, access, err) : 0;

	access->has_tls_verify = json_is_present(&verify);
	if (rc == 0)
		rc = json_get_bool(verify, &access->tls_verify, err);
	return rc < 0 ? rc : json_get_string(json_field(registry, "cert-dir"), &access->cert_dir, err);
}

static int check_keys(const struct json_place *registry, struct error **err)
{
	static const char *const known[] = {"images",	   "images-by-tag-regex", "images-by-semver",
					    "credentials", "tls-verify",	  "cert-dir"};
	const char *key;
	json_t *value;

	if (!json_is_object(registry->value))
		return json_error(registry, err, "not a mapping");
	json_object_foreach((json_t *)registry->value, key, value)
	{
		size_t i = 0;
		while (i < ARRAY_COUNT(known) && strcmp(known[i], key) != 0)
			i++;
		if (i == ARRAY_COUNT(known))
			return json_error(registry, err, "unknown key '%s'", key);
	}
	return 0;
}

/* ---- Images ---- */

/* `tag` may be a digest. */
static void add_image(struct yaml_registry *r, const char *image, const char *tag)
{
	struct digest digest;
	const char *separator = digest_parse(tag, &digest, NULL) == 0 ? "@" : ":";
	cleanup_free char *name = mem_printf("%s/%s%s%s", r->name, image, separator, tag);
	cleanup_free char *place = mem_printf("docker://%s", name);

	sync_plan_add(r->plan, place, name, r->access);
}

static int find_tags(struct yaml_registry *r, const char *image, struct strlist *tags, struct error **err)
{
	cleanup_free char *repository = mem_printf("%s/%s", r->name, image);

	return sync_find_tags(r->w, repository, &r->options, tags, err);
}

static int add_listed(struct yaml_registry *r, const char *image, struct json_place at, struct error **err)
{
	cleanup(strlist_done) struct strlist tags = {0};
	int rc = json_get_strlist(at, &tags, err);

	if (rc == 0 && tags.count == 0)
		rc = find_tags(r, image, &tags, err);
	for (size_t i = 0; rc == 0 && i < tags.count; i++)
		add_image(r, image, tags.items[i]);
	return rc;
}

static int add_matching(struct yaml_registry *r, const char *image, struct json_place at, struct error **err)
{
	cleanup(strlist_done) struct strlist tags = {0};
	cleanup_free char *pattern = NULL;
	regex_t regex;
	int rc = json_get_string(at, &pattern, err);

	if (rc < 0)
		return rc;
	if (!pattern || regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return json_error(&at, err, "not a regular expression (POSIX extended)");
	rc = find_tags(r, image, &tags, err);
	for (size_t i = 0; rc == 0 && i < tags.count; i++)
		if (regexec(&regex, tags.items[i], 0, NULL, 0) == 0)
			add_image(r, image, tags.items[i]);
	regfree(&regex);
	return rc;
}

static int add_versions(struct yaml_registry *r, const char *image, struct json_place at, struct error **err)
{
	cleanup(strlist_done) struct strlist tags = {0};
	cleanup_free char *range = NULL;
	cleanup_error struct error *why = NULL;
	int rc = json_get_string(at, &range, err);

	if (rc < 0)
		return rc;
	if (!range || semver_check_range(range, &why) < 0)
		return json_error(&at, err, "%s", range ? error_message(why) : "no range of versions");
	rc = find_tags(r, image, &tags, err);
	for (size_t i = 0; rc == 0 && i < tags.count; i++)
		if (semver_is_in(tags.items[i], range))
			add_image(r, image, tags.items[i]);
	return rc;
}

typedef int add_images(struct yaml_registry *r, const char *image, struct json_place at, struct error **err);

static int add_all(struct yaml_registry *r, struct json_place images, add_images *add, struct error **err)
{
	const char *image;
	json_t *value;

	if (!json_is_present(&images))
		return 0;
	if (!json_is_object(images.value))
		return json_error(&images, err, "not a mapping of images");
	json_object_foreach((json_t *)images.value, image, value)
	{
		int rc = add(r, image, json_field(&images, image), err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_registry(struct workshop *w, const struct json_place *at, const char *name,
			 const struct image_sync_options *options, struct sync_plan *plan, struct error **err)
{
	struct yaml_registry r = {.w = w, .plan = plan, .name = name};
	int rc = check_keys(at, err);

	if (rc == 0)
		rc = read_access(at, sync_plan_access(plan, &r.access), err);
	if (rc < 0)
		return rc;
	r.options = sync_registry(plan, r.access, &options->copy.source_registry);
	rc = add_all(&r, json_field(at, "images"), add_listed, err);
	if (rc == 0)
		rc = add_all(&r, json_field(at, "images-by-tag-regex"), add_matching, err);
	return rc < 0 ? rc : add_all(&r, json_field(at, "images-by-semver"), add_versions, err);
}

int sync_find_yaml(struct workshop *w, const char *file, const struct image_sync_options *options,
		   struct sync_plan *plan, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_SECRET(FILE_SIZE_MAX); /* it may have passwords in it */
	cleanup_json json_t *root = NULL;
	const char *name;
	json_t *value;
	int rc = fd_read_user_file(file, &text, err);

	if (rc == 0)
		rc = yaml_parse(buf_str(&text), text.len, file, &root, err);
	if (rc < 0)
		return rc;
	struct json_place at = json_root(file, root);
	if (!json_is_object(root))
		return json_error(&at, err, "not a mapping of registries");
	json_object_foreach(root, name, value)
	{
		struct json_place registry = json_field(&at, name);
		rc = read_registry(w, &registry, name, options, plan, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
