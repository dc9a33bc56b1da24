/*
 * RUN --device=vendor.com/class=name,required: one CSV record.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "dockerfile/statement_internal.h"

void device_request_done(struct device_request *device)
{
	mem_replace(&device->name, NULL);
}

static int read_required(const char *value, bool *required, struct error **err)
{
	if (!value) {
		*required = true;
		return 0;
	}
	if (!read_truth(value, required))
		return error_set(err, EINVAL, "invalid value for required: %s", value);
	return 0;
}

/* The first field that is no key is the name: it has a '=' of its own. */
static int read_field(struct device_request *device, const char *field, struct error **err)
{
	static const char *const keys[] = {"name", "required"};
	const char *equals = strchr(field, '=');
	cleanup_free char *key = mem_strndup(field, equals ? (size_t)(equals - field) : strlen(field));

	if (strcasecmp(key, "required") == 0)
		return read_required(equals ? equals + 1 : NULL, &device->required, err);
	bool is_named = equals && strcasecmp(key, "name") == 0;
	if (is_named && device->name)
		return error_set(err, EINVAL, "device name already set to %s", device->name);
	if (is_named || !device->name) {
		device->name = mem_strdup(is_named ? equals + 1 : field);
		return 0;
	}
	if (!equals)
		error_set(err, EINVAL, "invalid field '%s' must be a key=value pair", field);
	else
		error_set(err, EINVAL, "unexpected key '%s' in '%s'", key, field);
	return suggest_hint(err, key, keys, ARRAY_COUNT(keys));
}

int device_request_parse(const char *text, struct device_request *device, struct error **err)
{
	cleanup(strlist_done) struct strlist fields = {0};
	cleanup(device_request_done) struct device_request made = {0};

	if (!*text)
		return error_set(err, EINVAL, "--device says nothing");
	int rc = parse_csv(text, "--device", &fields, err);
	for (size_t i = 0; rc == 0 && i < fields.count; i++)
		rc = read_field(&made, fields.items[i], err);
	if (rc == 0 && !made.name)
		rc = error_set(err, EINVAL, "--device has no name");
	if (rc < 0)
		return rc;
	*device = made;
	made = (struct device_request){0};
	return 0;
}
