# The registry of tests/double, which is strict and fails on request:  load lib/double  (behind lib/common)
#
#	start_double [tls]          DOUBLE (host:port), DOUBLE_OTHER (its other origin), DOUBLE_DIRECTORY; with tls DOUBLE_CERTS
#	double_does '{"auth": …}'   how it behaves from now on; every fault in it is new, and the log is empty
#	double_log 'jq filter'      what the filter makes of its log, an array of requests
#	double_sums                 how many, and how much, in its log
#	manifests_put               how many manifests were sent since then
#
# A file has one of them and the image `small`, unless it says otherwise after the load; then it may call double_setup_file.
# One that needs several has their names:  start_doubles in setup_file, doubles_setup and doubles_teardown for each test
# shellcheck shell=bash

# shellcheck disable=SC2120 # stories pass arguments
start_double() {
	local directory arguments=()
	directory=$(mktemp -d "$BATS_FILE_TMPDIR/double.XXXXXX") || return
	if [ "${1:-}" = tls ]; then
		make_certificates "$directory" || return
		arguments=("$directory/server.crt" "$directory/server.key")
		export DOUBLE_CERTS=$directory/certs
	fi
	echo '{}' >"$directory/config.json"
	python3 "$LIB_DIRECTORY/../../double/registry.py" "$directory" "${arguments[@]}" >"$directory/output" 2>&1 3>&- &
	printf '%s\n' "$!" >"$directory/pid"
	eventually [ -e "$directory/address" ] || fail "the double did not come up: $(cat "$directory/output")" || return
	DOUBLE=$(cat "$directory/address") DOUBLE_OTHER=$(cat "$directory/other")
	export DOUBLE DOUBLE_OTHER DOUBLE_DIRECTORY=$directory
}

# start_doubles NAME...: exports for each NAME (host:port) and NAME_DIRECTORY. What speaks of one speaks of the last.
start_doubles() {
	local name
	for name; do
		start_double || return
		export "$name=$DOUBLE" "${name}_DIRECTORY=$DOUBLE_DIRECTORY"
	done
	export DOUBLES="$*"
}

# Each test of several has them well behaved, an empty store, and a registries.conf of its own, which `conf` writes.
doubles_setup() {
	local name directory
	for name in $DOUBLES; do
		directory=${name}_DIRECTORY
		DOUBLE_DIRECTORY=${!directory} double_does '{}'
	done
	export CONTAINERS_REGISTRIES_CONF=$BATS_TEST_TMPDIR/registries.conf
	fresh_store "doubles-$BATS_TEST_NUMBER"
}

doubles_teardown() {
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

conf() {
	cat >"$CONTAINERS_REGISTRIES_CONF"
}

stop_doubles() {
	local pid
	for pid in "$BATS_FILE_TMPDIR"/double.*/pid; do
		[ ! -e "$pid" ] || stop_process "$pid"
	done
}

double_does() {
	# A size or time that is the same as before would hide the change: each is a new file.
	printf '%s' "$1" >"$DOUBLE_DIRECTORY/config.new"
	mv "$DOUBLE_DIRECTORY/config.new" "$DOUBLE_DIRECTORY/config.json"
	: >"$DOUBLE_DIRECTORY/log"
}

double_log() {
	jq -s -r "$1" "$DOUBLE_DIRECTORY/log"
}

# Bytes of bodies that went out, and that came in.
double_received() {
	double_log 'map(.received) | add // 0'
}

double_sent() {
	double_log 'map(.sent) | add // 0'
}

# double_sums: sets faults (how many requests were spoiled), sent, received (bytes of bodies) and leaks (see below), with one
# jq for all of them, whose start takes longer than the log.
double_sums() {
	# shellcheck disable=SC2034 # the caller's
	read -r faults sent received leaks < <(double_log '[(map(select(.fault != null)) | length), (map(.sent) | add // 0),
		(map(.received) | add // 0),
		(map(select(.origin == "other" and .authorization != null and .path != "/token")) | length)] | join(" ")')
}

manifests_put() {
	double_log 'map(select(.method == "PUT" and (.path | test("manifests/")))) | length'
}

# Nobody but the registry itself, and its token server, ever saw a credential.
assert_no_leak() {
	# shellcheck disable=SC2034 # double_sums sets all of them
	local faults sent received leaks
	double_sums
	[ "$leaks" -eq 0 ] || fail "another origin saw an Authorization header"
}

# An image of two layers, one of random bytes:  make_image NAME BYTES
make_image() {
	local name=$1 size=$2 directory ctr
	directory=$(mktemp -d "$BATS_FILE_TMPDIR/image.XXXXXX") || return
	head -c "$size" /dev/urandom >"$directory/data"
	echo small >"$directory/small"
	ctr=$(cooper from scratch) && cooper copy "$ctr" "$directory/small" /small >/dev/null &&
		cooper commit -q --rm "$ctr" "$name-base" >/dev/null || return
	ctr=$(cooper from "$name-base") && cooper copy "$ctr" "$directory/data" /data >/dev/null &&
		cooper commit -q --rm "$ctr" "$name" >/dev/null
	rm -rf "$directory"
}

# make_layers NAME COUNT BYTES: an image of so many layers of random bytes
make_layers() {
	local i ctr from=scratch
	for i in $(seq "$2"); do
		head -c "$3" /dev/urandom >"$BATS_FILE_TMPDIR/bytes"
		ctr=$(cooper from "$from") && cooper copy "$ctr" "$BATS_FILE_TMPDIR/bytes" "/$i" >/dev/null || return
		from=$1-$i
		[ "$i" -lt "$2" ] || from=$1
		cooper commit -q --rm "$ctr" "$from" >/dev/null || return
	done
	rm "$BATS_FILE_TMPDIR/bytes"
}

double_setup_file() {
	common_setup_file
	make_image small 20000
	start_double
}

setup_file() {
	double_setup_file
}

teardown_file() {
	stop_doubles
	common_teardown_file
}
