# cooper build --sbom of images that were made to do harm: what their package databases are is not what they should be.
load lib/common
load lib/build

# with 'COMMANDS': a build with a bill of materials, of an image in which these were run.
with() {
	printf 'FROM busybox\nRUN mkdir -p /var/lib/dpkg/status.d /lib/apk/db; %s\n' "$1" >"$context/Dockerfile"
	run timeout 120 cooper build -q --sbom --attest-storage index -t made "$context"
}

# The packages that the bill lists.
packages() {
	cooper build -q --sbom --attest-storage index -o type=oci,tar=false,dest=made "$context" >/dev/null
	python3 - made/blobs/sha256/* <<-'END'
	import json, sys
	for path in sys.argv[1:]:
	    try:
	        packages = json.load(open(path, "rb"))["predicate"]["packages"]
	    except (ValueError, KeyError, TypeError):
	        continue
	    print(*(package["name"] for package in packages if package["SPDXID"].startswith("SPDXRef-Package-")))
	END
}

@test "a database that is no file is refused, by its name" {
	with 'mkfifo /var/lib/dpkg/status'
	assert_fails_with 125 "packages in the image: 'var/lib/dpkg/status' is not a regular file"
	with 'mkfifo /var/lib/dpkg/status.d/a'
	assert_fails_with 125 "'var/lib/dpkg/status.d/a' is not a regular file"
	with 'mkdir /lib/apk/db/installed'
	assert_fails_with 125 "'lib/apk/db/installed' is not a regular file"
	with 'ln -s status /var/lib/dpkg/status'
	assert_fails_with 125 "too many levels of symbolic links"
}

@test "one that is too large, or lists too much, is refused" {
	with 'truncate -s 65M /var/lib/dpkg/status'
	assert_fails_with 125 "'var/lib/dpkg/status'"
	with 'i=0; while [ $i -lt 20001 ]; do printf "P:p\nV:1\n\n"; i=$((i+1)); done >/lib/apk/db/installed'
	assert_fails_with 125 "packages in the image: there are more than 20000"
}

@test "a link to a file of this machine is one to the image's" {
	with 'ln -s ../../../../../../../../../etc/passwd /var/lib/dpkg/status; printf "Package: inside\nVersion: 1\n" >/etc/passwd'
	assert_succeeds
	[ "$(packages)" = inside ]
}
