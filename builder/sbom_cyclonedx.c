/*
 * The bill of materials of sbom.c as CycloneDX 1.6 (ECMA-424): the image is the component that the document is about,
 * packages are components of type library that it depends on, and what it was built of are its ancestors.
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "builder/attest_internal.h"

#define IMAGE_REF "image"
#define UUID_SIZE 37

/* Made of the image's digest (RFC 9562, version 8), so that the same image has the same document. */
static void make_serial(const struct digest *digest, char uuid[UUID_SIZE])
{
	unsigned char bytes[16];
	char hex[2 * sizeof(bytes) + 1];

	memcpy(bytes, digest->bytes, sizeof(bytes));
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x80);
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	format_hex(bytes, sizeof(bytes), hex);
	snprintf(uuid, UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static json_t *new_component(const char *type, const char *name)
{
	json_t *component = json_object();

	json_set_string(component, "type", type);
	json_set_take(component, "name", json_from_bytes(name));
	return component;
}

static void set_sha256(json_t *component, const char *hex)
{
	json_t *hash = json_object();
	json_t *hashes = json_array();

	json_set_string(hash, "alg", "SHA-256");
	json_set_string(hash, "content", hex);
	json_array_append_new(hashes, hash);
	json_set_take(component, "hashes", hashes);
}

static json_t *property(const char *name, const char *value)
{
	json_t *object = json_object();
	json_t *list = json_array();

	json_set_string(object, "name", name);
	json_set_string(object, "value", value);
	json_array_append_new(list, object);
	return list;
}

static json_t *material_json(const struct material *material)
{
	json_t *component = new_component(material->image_name ? "container" : "file",
					  material->image_name ? material->image_name : material->uri);

	if (material->image_name)
		json_set_take(component, "purl", json_from_bytes(material->uri));
	if (material->value && strcmp(material->algorithm, "sha256") == 0)
		set_sha256(component, material->value);
	return component;
}

static json_t *image_json(const struct build_result *result, const char *name)
{
	const struct digest *digest = &result->image.entry.manifest.digest;
	json_t *component = new_component("container", name);
	json_t *ancestors = json_array();
	json_t *pedigree = json_object();
	char hex[DIGEST_HEX_SIZE];

	json_set_string(component, "bom-ref", IMAGE_REF);
	if (digest->algorithm == DIGEST_SHA256)
		set_sha256(component, digest_hex(digest, hex));
	for (size_t i = 0; i < result->materials.count; i++)
		json_array_append_new(ancestors, material_json(&result->materials.items[i]));
	json_set_take(pedigree, "ancestors", ancestors);
	json_set_take(component, "pedigree", pedigree);
	return component;
}

static json_t *metadata_json(const struct build_result *result, const struct sbom_packages *packages, const char *name)
{
	const struct image *image = &result->image;
	json_t *metadata = json_object();
	json_t *tool = new_component("application", "cooper");
	json_t *tools = json_object();
	json_t *list = json_array();

	json_set_string(tool, "version", COOPER_VERSION);
	json_array_append_new(list, tool);
	json_set_take(tools, "components", list);
	json_set_string(metadata, "timestamp", image->config.created ? image->config.created : "1970-01-01T00:00:00Z");
	json_set_take(metadata, "tools", tools);
	json_set_take(metadata, "component", image_json(result, name));
	json_set_take(metadata, "properties", property("io.github.cooper:how", sbom_how(packages)));
	return metadata;
}

static json_t *package_json(const struct sbom_package *package, const struct sbom_packages *all, const char *ref)
{
	json_t *component = new_component("library", package->name);
	cleanup_free char *purl = sbom_package_url(package, all);

	json_set_string(component, "bom-ref", ref);
	json_set_take(component, "version", json_from_bytes(package->version));
	if (purl)
		json_set_take(component, "purl", json_from_bytes(purl));
	return component;
}

json_t *sbom_make_cyclonedx(const struct build_result *result, const struct sbom_packages *packages, const char *name)
{
	cleanup_free char *called = sbom_image_name(&result->image, name);
	char uuid[UUID_SIZE];
	json_t *document = json_object();
	json_t *components = json_array();
	json_t *needs = json_array();
	json_t *dependency = json_object();
	json_t *dependencies = json_array();

	make_serial(&result->image.entry.manifest.digest, uuid);
	cleanup_free char *serial = mem_printf("urn:uuid:%s", uuid);
	for (size_t i = 0; i < packages->count; i++) {
		cleanup_free char *ref = mem_printf("package-%zu", i + 1);
		json_array_append_new(components, package_json(&packages->items[i], packages, ref));
		json_array_append_new(needs, json_string(ref));
	}
	json_set_string(dependency, "ref", IMAGE_REF);
	json_set_take(dependency, "dependsOn", needs);
	json_array_append_new(dependencies, dependency);
	json_set_string(document, "bomFormat", "CycloneDX");
	json_set_string(document, "specVersion", "1.6");
	json_set_string(document, "serialNumber", serial);
	json_set_i64(document, "version", 1);
	json_set_take(document, "metadata", metadata_json(result, packages, called));
	json_set_take(document, "components", components);
	json_set_take(document, "dependencies", dependencies);
	return document;
}
