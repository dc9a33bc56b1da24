/*
 * What is installed in an image, as its package managers' databases say it. The files are the image's: hostile text,
 * of which names, versions and architectures are taken, one to a line, on their way out of the worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/directory.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "base/terminal.h"
#include "builder/attest_internal.h"
#include "builder/fetch.h"
#include "builder/rootfs.h"

#define DATABASE_SIZE_MAX ((size_t)64 << 20)
#define ANSWER_SIZE_MAX ((size_t)1 << 20) /* of workshop_call() */
#define PACKAGES_MAX 20000

void sbom_packages_done(struct sbom_packages *packages)
{
	for (size_t i = 0; i < packages->count; i++) {
		free(packages->items[i].kind);
		free(packages->items[i].name);
		free(packages->items[i].version);
		free(packages->items[i].architecture);
	}
	free(packages->items);
	free(packages->distribution);
	free(packages->release);
	*packages = (struct sbom_packages){0};
}

/* ---- Parsing ---- */

struct record {
	char *name, *version, *architecture;
	bool is_absent; /* known to the manager, but not installed */
};

/* Ends a record: a package comes of it when it has a name and a version. */
static void end_record(struct record *record, const char *kind, struct sbom_packages *packages)
{
	bool is_package = record->name && *record->name && record->version && *record->version && !record->is_absent;

	if (is_package && packages->count == PACKAGES_MAX)
		packages->are_too_many = true;
	else if (is_package) {
		packages->items = mem_grow(packages->items, packages->count + 1, sizeof(*packages->items));
		packages->items[packages->count++] = (struct sbom_package){
			.kind = mem_strdup(kind),
			.name = take_ptr(&record->name),
			.version = take_ptr(&record->version),
			.architecture = record->architecture ? take_ptr(&record->architecture) : mem_strdup(""),
		};
	}
	free(record->name);
	free(record->version);
	free(record->architecture);
	*record = (struct record){0};
}

/* The value behind "key" at the start of a line, without control characters. */
static bool take_value(const char *line, size_t size, const char *key, char **value)
{
	size_t length = strlen(key);

	if (size < length || strncmp(line, key, length) != 0)
		return false;
	while (length < size && line[length] == ' ')
		length++;
	free(*value);
	*value = mem_strndup(line + length, size - length);
	for (char *c = *value; *c; c++)
		if (*c == '\t')
			*c = ' ';
	terminal_disarm(*value, strlen(*value));
	return true;
}

void sbom_parse_dpkg(const char *text, struct sbom_packages *packages)
{
	struct record record = {0};

	for (const char *line = text; *line;) {
		size_t size = strcspn(line, "\n");
		cleanup_free char *status = NULL;
		if (size == 0)
			end_record(&record, "deb", packages);
		else if (take_value(line, size, "Status:", &status))
			record.is_absent = !text_has_suffix(status, " installed");
		else if (!take_value(line, size, "Package:", &record.name) &&
			 !take_value(line, size, "Version:", &record.version))
			(void)take_value(line, size, "Architecture:", &record.architecture);
		line += size + (line[size] == '\n');
	}
	end_record(&record, "deb", packages);
}

void sbom_parse_apk(const char *text, struct sbom_packages *packages)
{
	struct record record = {0};

	for (const char *line = text; *line;) {
		size_t size = strcspn(line, "\n");
		if (size == 0)
			end_record(&record, "apk", packages);
		else if (!take_value(line, size, "P:", &record.name) && !take_value(line, size, "V:", &record.version))
			(void)take_value(line, size, "A:", &record.architecture);
		line += size + (line[size] == '\n');
	}
	end_record(&record, "apk", packages);
}

char *sbom_os_field(const char *text, const char *key)
{
	cleanup_free char *start = mem_printf("%s=", key);

	for (const char *line = text; *line;) {
		size_t size = strcspn(line, "\n");
		cleanup_free char *value = NULL;
		if (take_value(line, size, start, &value)) {
			size_t length = strlen(value);
			bool is_quoted = length > 1 && strchr("\"'", *value) && value[length - 1] == *value;
			return is_quoted ? mem_strndup(value + 1, length - 2) : take_ptr(&value);
		}
		line += size + (line[size] == '\n');
	}
	return mem_strdup("");
}

/* ---- In the image ---- */

/* A file that is not there is no failure: the image is of another kind. */
static int read_file(int root, const char *path, struct buf *text, struct error **err)
{
	cleanup_error struct error *error = NULL;
	cleanup_close int fd = rootpath_open_file(root, path, DATABASE_SIZE_MAX, &error);

	buf_clear(text);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return error_set(err, -fd, "%s", error_message(error));
	int rc = fd_read_all(fd, text, err);
	return rc < 0 ? error_prefix(err, "/%s", path) : 0;
}

/* Distroless images have a file for each package here. */
#define STATUS_FOLDER "var/lib/dpkg/status.d"

static int list_status_folder(int root, struct strlist *names, bool *are_too_many, struct error **err)
{
	cleanup_close int fd = rootpath_open(root, STATUS_FOLDER, O_RDONLY | O_DIRECTORY, 0, NULL);
	cleanup_directory DIR *directory = NULL;

	if (fd < 0)
		return 0;
	int rc = directory_take(&fd, &directory, err);
	for (const struct dirent *entry; rc == 0 && !*are_too_many && (entry = directory_next(directory, &rc, err));) {
		if (*entry->d_name == '.')
			continue;
		strlist_append(names, entry->d_name);
		*are_too_many = names->count > 2 * PACKAGES_MAX; /* each may have a list of checksums beside it */
	}
	strlist_sort(names);
	return rc;
}

static int read_status_folder(int root, struct sbom_packages *packages, struct error **err)
{
	cleanup(strlist_done) struct strlist names = {0};
	int rc = list_status_folder(root, &names, &packages->are_too_many, err);

	for (size_t i = 0; rc >= 0 && !packages->are_too_many && i < names.count; i++) {
		cleanup(buf_done) struct buf text = BUF_INIT(DATABASE_SIZE_MAX);
		cleanup_free char *path = mem_printf(STATUS_FOLDER "/%s", names.items[i]);
		if (text_has_suffix(path, ".md5sums"))
			continue;
		rc = read_file(root, path, &text, err);
		if (rc >= 0)
			sbom_parse_dpkg(buf_str(&text), packages);
	}
	return rc < 0 ? rc : 0;
}

static int read_databases(int root, struct sbom_packages *packages, struct error **err)
{
	static const struct {
		const char *path;
		void (*parse)(const char *text, struct sbom_packages *packages);
	} databases[] = {
		{"var/lib/dpkg/status", sbom_parse_dpkg},
		{"lib/apk/db/installed", sbom_parse_apk},
		{"usr/lib/apk/db/installed", sbom_parse_apk},
	};
	cleanup(buf_done) struct buf text = BUF_INIT(DATABASE_SIZE_MAX);
	int rc = read_file(root, "etc/os-release", &text, err);

	packages->distribution = sbom_os_field(buf_str(&text), "ID");
	packages->release = sbom_os_field(buf_str(&text), "VERSION_ID");
	for (size_t i = 0; rc >= 0 && i < ARRAY_COUNT(databases); i++) {
		rc = read_file(root, databases[i].path, &text, err);
		/* apk's two places may be one, by a link. */
		size_t before = packages->count;
		if (rc >= 0 && (i < 2 || before == 0))
			databases[i].parse(buf_str(&text), packages);
	}
	return rc < 0 ? rc : read_status_folder(root, packages, err);
}

static bool has_rpm_database(int root)
{
	static const char *const paths[] = {
		"var/lib/rpm/rpmdb.sqlite",	    "var/lib/rpm/Packages",
		"var/lib/rpm/Packages.db",	    "usr/lib/sysimage/rpm/rpmdb.sqlite",
		"usr/lib/sysimage/rpm/Packages.db",
	};
	struct stat st;

	for (size_t i = 0; i < ARRAY_COUNT(paths); i++)
		if (rootpath_stat(root, paths[i], /* follow */ true, &st, NULL) == 0)
			return true;
	return false;
}

/* ---- Out of the worker ---- */

#define RPM_MARK "rpm"

static int find_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct image *image = context;
	cleanup(rootfs_close) struct rootfs *rootfs = NULL;
	cleanup(sbom_packages_done) struct sbom_packages packages = {0};
	int rc = fetch_unpack(w, image, err);

	if (rc >= 0)
		rc = rootfs_open_image(w, image, &rootfs, err);
	if (rc >= 0)
		rc = read_databases(rootfs_fd(rootfs), &packages, err);
	/* A list that leaves some out would say that they are not there. */
	if (rc >= 0 && packages.are_too_many)
		rc = error_set(err, EFBIG, "there are more than %d", PACKAGES_MAX);
	if (rc < 0)
		return rc;
	buf_printf(result, "%s\t%s\t%s\n", packages.distribution, packages.release,
		   has_rpm_database(rootfs_fd(rootfs)) ? RPM_MARK : "");
	for (size_t i = 0; i < packages.count; i++) {
		const struct sbom_package *package = &packages.items[i];
		buf_printf(result, "%s\t%s\t%s\t%s\n", package->kind, package->name, package->version,
			   package->architecture);
	}
	return result->overflow ? error_set(err, EFBIG, "the list of packages is too long") : 0;
}

static void take_line(const char *line, struct sbom_packages *packages)
{
	cleanup(strlist_done) struct strlist words = {0};

	strlist_split(&words, line, '\t');
	if (words.count != 4)
		return;
	packages->items = mem_grow(packages->items, packages->count + 1, sizeof(*packages->items));
	packages->items[packages->count++] = (struct sbom_package){
		.kind = mem_strdup(words.items[0]),
		.name = mem_strdup(words.items[1]),
		.version = mem_strdup(words.items[2]),
		.architecture = mem_strdup(words.items[3]),
	};
}

int sbom_find_packages(struct workshop *w, const struct image *image, struct sbom_packages *packages,
		       struct error **err)
{
	cleanup(buf_done) struct buf answer = BUF_INIT(ANSWER_SIZE_MAX);
	cleanup(strlist_done) struct strlist lines = {0}, system = {0};
	struct image copy = *image; /* borrowed: the task only reads it */
	int rc = 0;

	packages->distribution = mem_strdup("");
	packages->release = mem_strdup("");
	if (image->config.diff_id_count == 0)
		return 0;
	rc = workshop_call(w, find_task, &copy, &answer, err);
	if (rc < 0)
		return rc;
	strlist_split(&lines, buf_str(&answer), '\n');
	if (lines.count)
		strlist_split(&system, lines.items[0], '\t');
	if (system.count >= 2) {
		mem_replace(&packages->distribution, system.items[0]);
		mem_replace(&packages->release, system.items[1]);
	}
	packages->has_rpm = system.count == 3 && strcmp(system.items[2], RPM_MARK) == 0;
	if (packages->has_rpm)
		log_warn("the image has a database of rpm's, which is not read: the bill of materials says so, and "
			 "leaves "
			 "its packages out");
	for (size_t i = 1; i < lines.count; i++)
		take_line(lines.items[i], packages);
	return 0;
}
