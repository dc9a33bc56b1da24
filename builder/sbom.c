/*
 * A bill of materials as SPDX 2.3 (spdx.github.io/spdx-spec/v2.3): the image, the packages that its package managers
 * know, and the base images and downloads it was built from. No more is claimed, and the document says so: files that
 * no package manager has put there are not in it.
 */
#include <string.h>

#include "base/parse.h"
#include "builder/attest_internal.h"
#include "registry/url.h"

#define NO_ASSERTION "NOASSERTION"
#define PURL_SIZE_MAX 4096

static void add_relationship(json_t *relationships, const char *from, const char *type, const char *to)
{
	json_t *relationship = json_object();

	json_set_string(relationship, "spdxElementId", from);
	json_set_string(relationship, "relationshipType", type);
	json_set_string(relationship, "relatedSpdxElement", to);
	json_array_append_new(relationships, relationship);
}

static json_t *new_package(const char *id, const char *name, const char *version)
{
	json_t *package = json_object();

	json_set_string(package, "SPDXID", id);
	json_set_take(package, "name", json_from_bytes(name));
	if (version)
		json_set_take(package, "versionInfo", json_from_bytes(version));
	json_set_string(package, "downloadLocation", NO_ASSERTION);
	json_set_string(package, "licenseConcluded", NO_ASSERTION);
	json_set_string(package, "licenseDeclared", NO_ASSERTION);
	json_set_string(package, "copyrightText", NO_ASSERTION);
	json_set_bool(package, "filesAnalyzed", false);
	return package;
}

static void set_purl(json_t *package, const char *purl)
{
	json_t *reference = json_object();
	json_t *references = json_array();

	json_set_string(reference, "referenceCategory", "PACKAGE-MANAGER");
	json_set_string(reference, "referenceType", "purl");
	json_set_take(reference, "referenceLocator", json_from_bytes(purl));
	json_array_append_new(references, reference);
	json_set_take(package, "externalRefs", references);
}

static void set_checksum(json_t *package, const char *algorithm, const char *value)
{
	json_t *checksum = json_object();
	json_t *checksums = json_array();

	json_set_string(checksum, "algorithm", algorithm);
	json_set_string(checksum, "checksumValue", value);
	json_array_append_new(checksums, checksum);
	json_set_take(package, "checksums", checksums);
}

char *sbom_package_url(const struct sbom_package *package, const struct sbom_packages *all)
{
	cleanup(buf_done) struct buf purl = BUF_INIT(PURL_SIZE_MAX);
	bool is_apk = strcmp(package->kind, "apk") == 0;
	const char *vendor = *all->distribution ? all->distribution : is_apk ? "alpine" : "debian";

	buf_printf(&purl, "pkg:%s/", package->kind);
	url_escape(&purl, vendor);
	buf_append_char(&purl, '/');
	url_escape(&purl, package->name);
	buf_append_char(&purl, '@');
	url_escape(&purl, package->version);
	if (*package->architecture) {
		buf_append_str(&purl, "?arch=");
		url_escape(&purl, package->architecture);
	}
	if (*all->release) {
		buf_append_str(&purl, *package->architecture ? "&distro=" : "?distro=");
		url_escape(&purl, vendor);
		buf_append_char(&purl, '-');
		url_escape(&purl, all->release);
	}
	return purl.overflow ? NULL : buf_take(&purl);
}

const char *sbom_how(const struct sbom_packages *packages)
{
	return packages->has_rpm ? "Package databases only (dpkg, apk), and what the build was made of; no file was "
				   "scanned. The image has a database of rpm's, which was not read: its packages are "
				   "missing here."
				 : "Package databases only (dpkg, apk), and what the build was made of; no file was "
				   "scanned.";
}

char *sbom_image_name(const struct image *image, const char *name)
{
	char digest[DIGEST_TEXT_SIZE];

	return mem_strdup(name ? name : digest_format(&image->entry.manifest.digest, digest));
}

static json_t *image_json(const struct image *image, const char *name)
{
	char hex[DIGEST_HEX_SIZE];
	json_t *object = new_package("SPDXRef-Image", name, /* version */ NULL);

	json_set_string(object, "primaryPackagePurpose", "CONTAINER");
	if (image->entry.manifest.digest.algorithm == DIGEST_SHA256)
		set_checksum(object, "SHA256", digest_hex(&image->entry.manifest.digest, hex));
	return object;
}

static void add_packages(const struct sbom_packages *packages, json_t *list, json_t *relationships)
{
	for (size_t i = 0; i < packages->count; i++) {
		const struct sbom_package *package = &packages->items[i];
		cleanup_free char *id = mem_printf("SPDXRef-Package-%zu", i + 1);
		json_t *object = new_package(id, package->name, package->version);
		cleanup_free char *purl = sbom_package_url(package, packages);
		if (purl)
			set_purl(object, purl);
		json_array_append_new(list, object);
		add_relationship(relationships, "SPDXRef-Image", "CONTAINS", id);
	}
}

static void add_materials(const struct materials *materials, json_t *list, json_t *relationships)
{
	for (size_t i = 0; i < materials->count; i++) {
		const struct material *material = &materials->items[i];
		cleanup_free char *id = mem_printf("SPDXRef-Source-%zu", i + 1);
		json_t *object = new_package(id, material->image_name ? material->image_name : material->uri,
					     /* version */ NULL);
		if (material->image_name)
			set_purl(object, material->uri);
		if (material->value && strcmp(material->algorithm, "sha256") == 0)
			set_checksum(object, "SHA256", material->value);
		json_array_append_new(list, object);
		add_relationship(relationships, id, "BUILD_DEPENDENCY_OF", "SPDXRef-Image");
	}
}

/* The image's own time, so that the same image has the same document. */
static json_t *creation_json(const struct image *image, const struct sbom_packages *packages)
{
	json_t *creation = json_object();
	json_t *creators = json_array();

	json_set_string(creation, "created", image->config.created ? image->config.created : "1970-01-01T00:00:00Z");
	json_array_append_new(creators, json_string("Tool: cooper-" COOPER_VERSION));
	json_set_take(creation, "creators", creators);
	json_set_string(creation, "comment", sbom_how(packages));
	return creation;
}

json_t *sbom_make_spdx(const struct build_result *result, const struct sbom_packages *packages, const char *name)
{
	const struct image *image = &result->image;
	cleanup_free char *called = sbom_image_name(image, name);
	char digest[DIGEST_TEXT_SIZE];
	cleanup_free char *namespace =
		mem_printf("urn:io.github.cooper:spdx:%s", digest_format(&image->entry.manifest.digest, digest));
	json_t *list = json_array();
	json_t *relationships = json_array();
	json_t *document = json_object();

	json_array_append_new(list, image_json(image, called));
	add_relationship(relationships, "SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image");
	add_packages(packages, list, relationships);
	add_materials(&result->materials, list, relationships);
	json_set_string(document, "spdxVersion", "SPDX-2.3");
	json_set_string(document, "dataLicense", "CC0-1.0");
	json_set_string(document, "SPDXID", "SPDXRef-DOCUMENT");
	json_set_string(document, "name", called);
	json_set_string(document, "documentNamespace", namespace);
	json_set_take(document, "creationInfo", creation_json(image, packages));
	json_set_take(document, "packages", list);
	json_set_take(document, "relationships", relationships);
	return document;
}
