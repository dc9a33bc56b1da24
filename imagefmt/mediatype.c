/*
 * Media types of OCI (image-spec media-types.md) and Docker, and how layers are packed.
 */
#include "imagefmt/mediatype.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"

static const struct media_kind kinds[] = {
	{MEDIA_OCI_MANIFEST, MANIFEST_IMAGE, FORMAT_OCI},
	{MEDIA_OCI_INDEX, MANIFEST_INDEX, FORMAT_OCI},
	{MEDIA_DOCKER_MANIFEST, MANIFEST_IMAGE, FORMAT_DOCKER},
	{MEDIA_DOCKER_LIST, MANIFEST_INDEX, FORMAT_DOCKER},
};

#define OCI_FOREIGN "application/vnd.oci.image.layer.nondistributable.v1.tar"
#define DOCKER_FOREIGN "application/vnd.docker.image.rootfs.foreign.diff.tar"

struct layer_type {
	const char *media_type;
	enum codec codec;
	bool is_plain; /* has a twin in the other family */
};
static const struct layer_type layer_types[] = {
	{MEDIA_OCI_LAYER, CODEC_NONE, true},
	{MEDIA_OCI_LAYER_GZIP, CODEC_GZIP, true},
	{MEDIA_OCI_LAYER_ZSTD, CODEC_ZSTD, true},
	{MEDIA_DOCKER_LAYER, CODEC_NONE, true},
	{MEDIA_DOCKER_LAYER_GZIP, CODEC_GZIP, true},
	{MEDIA_DOCKER_LAYER ".zstd", CODEC_ZSTD, true}, /* never specified, but written by others */
	{OCI_FOREIGN, CODEC_NONE, false},
	{OCI_FOREIGN "+gzip", CODEC_GZIP, false},
	{OCI_FOREIGN "+zstd", CODEC_ZSTD, false},
	{DOCKER_FOREIGN, CODEC_NONE, false},
	{DOCKER_FOREIGN ".gzip", CODEC_GZIP, false},
};

const struct media_kind *media_kind(const char *media_type)
{
	for (size_t i = 0; media_type && i < ARRAY_COUNT(kinds); i++) {
		if (strcmp(kinds[i].media_type, media_type) == 0)
			return &kinds[i];
	}
	return NULL;
}

bool media_type_is_schema1(const char *media_type)
{
	return media_type && text_has_prefix(media_type, "application/vnd.docker.distribution.manifest.v1+");
}

bool media_type_is_generic(const char *media_type)
{
	static const char *const generic[] = {"", "application/octet-stream", "text/plain", "application/json"};
	for (size_t i = 0; media_type && i < ARRAY_COUNT(generic); i++) {
		if (strcmp(generic[i], media_type) == 0)
			return true;
	}
	return !media_type;
}

bool media_type_is_config(const char *media_type)
{
	return strcmp(media_type, MEDIA_OCI_CONFIG) == 0 || strcmp(media_type, MEDIA_DOCKER_CONFIG) == 0;
}

static const struct layer_type *find_layer_type(const char *media_type)
{
	for (size_t i = 0; i < ARRAY_COUNT(layer_types); i++) {
		if (strcmp(layer_types[i].media_type, media_type) == 0)
			return &layer_types[i];
	}
	return NULL;
}

int layer_codec(const char *media_type, enum codec *codec, struct error **err)
{
	const struct layer_type *type = find_layer_type(media_type);
	if (type) {
		*codec = type->codec;
		return 0;
	}
	if (text_has_suffix(media_type, "+encrypted"))
		return error_set(err, EINVAL, "layer of type '%.200s': encrypted layers are not supported", media_type);
	return error_set(err, EINVAL, "'%.200s' is not the media type of a layer", media_type);
}

bool layer_is_foreign(const char *media_type)
{
	return text_has_prefix(media_type, OCI_FOREIGN) || text_has_prefix(media_type, DOCKER_FOREIGN);
}

const char *layer_media_type(enum image_format format, enum codec codec)
{
	switch (codec) {
	case CODEC_NONE:
		return format == FORMAT_DOCKER ? MEDIA_DOCKER_LAYER : MEDIA_OCI_LAYER;
	case CODEC_GZIP:
		return format == FORMAT_DOCKER ? MEDIA_DOCKER_LAYER_GZIP : MEDIA_OCI_LAYER_GZIP;
	case CODEC_ZSTD:
		break;
	}
	return MEDIA_OCI_LAYER_ZSTD;
}

const char *config_media_type(enum image_format format)
{
	return format == FORMAT_DOCKER ? MEDIA_DOCKER_CONFIG : MEDIA_OCI_CONFIG;
}

const char *layer_type_in(enum image_format format, const char *media_type)
{
	const struct layer_type *type = find_layer_type(media_type);
	return type && type->is_plain ? layer_media_type(format, type->codec) : media_type;
}

const char *config_type_in(enum image_format format, const char *media_type)
{
	return media_type_is_config(media_type) ? config_media_type(format) : media_type;
}

int codec_parse(const char *name, enum codec *codec, struct error **err)
{
	static const struct {
		const char *name;
		enum codec codec;
	} names[] = {
		{"gzip", CODEC_GZIP}, {"zstd", CODEC_ZSTD},	    {"zstd:chunked", CODEC_ZSTD},
		{"none", CODEC_NONE}, {"uncompressed", CODEC_NONE},
	};
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		if (strcmp(names[i].name, name) == 0) {
			*codec = names[i].codec;
			return 0;
		}
	}
	return error_set(err, EINVAL, "compression '%s': not one of gzip, zstd and none", name);
}

const char *codec_name(enum codec codec)
{
	switch (codec) {
	case CODEC_GZIP:
		return "gzip";
	case CODEC_ZSTD:
		return "zstd";
	case CODEC_NONE:
		break;
	}
	return "none";
}
