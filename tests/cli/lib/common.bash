# Shared by all bats files:  load lib/common
#
# Each file has a store of its own ($COOPER_ROOT), made in setup_file and removed in teardown_file; a file that needs
# more there defines its own setup_file and calls common_setup_file first (the same for teardown_file):
#
#	load lib/common
#	setup_file() { common_setup_file; use_busybox; start_registry; }
#
#	@test "run passes the exit code on" {
#		ctr=$(cooper from busybox)
#		run cooper run "$ctr" -- sh -c 'exit 7'
#		[ "$status" -eq 7 ]
#	}
# shellcheck shell=bash
# shellcheck disable=SC2154 # status, output and stderr are bats'

bats_require_minimum_version 1.5.0

LIB_DIRECTORY=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# ---- A store for each file ----

common_setup_file() {
	export COOPER_ROOT=$BATS_FILE_TMPDIR/root
	export COOPER_RUNROOT=$BATS_FILE_TMPDIR/runroot
	# What the user has configured, and keys he has logged in with, are none of a test's business.
	export XDG_CONFIG_HOME=$BATS_FILE_TMPDIR/config
	export XDG_DATA_HOME=$BATS_FILE_TMPDIR/data
	export REGISTRY_AUTH_FILE=$BATS_FILE_TMPDIR/auth.json
	echo "{}" >"$REGISTRY_AUTH_FILE"
	mkdir -p "$XDG_CONFIG_HOME" "$XDG_DATA_HOME"
}

common_teardown_file() {
	stop_registries
	# Also what a failed test has left in a store of its own.
	remove_store "$BATS_FILE_TMPDIR"/root* "$BATS_FILE_TMPDIR"/runroot*
}

setup_file() {
	common_setup_file
}

teardown_file() {
	common_teardown_file
}

# Trees of a store belong to subordinate ids, which only root in their user namespace can remove.
remove_store() {
	local path
	for path; do
		[ ! -e "$path" ] || cooper unshare rm -rf "$path" || rm -rf "$path"
	done
}

# A further empty store, for the rest of the test:  fresh_store name
fresh_store() {
	export COOPER_ROOT=$BATS_FILE_TMPDIR/root-$1 COOPER_RUNROOT=$BATS_FILE_TMPDIR/runroot-$1
	mkdir -p "$COOPER_ROOT"
}

# ---- A base image, made without network ----

# The image "busybox" in this file's store: busybox-static, its applets, a user "app" (1000:1000), sticky /tmp. It is made
# once for a whole run and kept as an archive.
use_busybox() {
	local archive id
	archive=$(busybox_archive) || return
	id=$(cooper pull -q "oci-archive:$archive") || return
	cooper tag "$id" busybox
}

# Where lies what the files of a run have in common.
test_cache() {
	printf '%s\n' "${COOPER_TEST_CACHE:-${XDG_RUNTIME_DIR:-/tmp}/cooper-test-$UID}"
}

busybox_archive() {
	local cache
	cache=$(test_cache)
	mkdir -p "$cache"
	(
		flock 9
		[ -e "$cache/busybox.tar" ] || make_busybox_archive "$cache" >&2
	) 9>"$cache/lock" || return
	printf '%s\n' "$cache/busybox.tar"
}

make_busybox_archive() {
	local cache=$1 work ctr
	work=$(mktemp -d "$cache/work.XXXXXX") || return
	busybox_tree "$work/tree" || return
	export COOPER_ROOT=$work/root COOPER_RUNROOT=$work/runroot
	ctr=$(cooper from scratch) &&
		cooper copy --chown 0:0 "$ctr" "$work/tree" / >/dev/null &&
		cooper config --cmd /bin/sh --env PATH=/usr/bin:/bin:/usr/sbin:/sbin "$ctr" &&
		cooper commit -q "$ctr" busybox >/dev/null &&
		cooper push -q busybox "oci-archive:$work/busybox.tar:busybox" &&
		mv "$work/busybox.tar" "$cache/busybox.tar" || return
	remove_store "$work"
}

# What any static-busybox root has; also of use as a build context.
busybox_tree() {
	local tree=$1 applet program
	program=$(command -v busybox) || return
	mkdir -p "$tree"/{bin,dev,etc,home/app,proc,root,run,sys,tmp,usr/bin,var} && chmod 1777 "$tree/tmp" &&
		cp "$program" "$tree/bin/busybox" || return
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet" || return
	done
	printf '%s\n' root:x:0:0:root:/root:/bin/sh app:x:1000:1000:app:/home/app:/bin/sh >"$tree/etc/passwd"
	printf '%s\n' root:x:0: app:x:1000: extra:x:2000:app >"$tree/etc/group"
}

# ---- Registries on loopback ----

# start_registry [none|htpasswd|tls|token]: exports REGISTRY (host:port), and
#	htpasswd, token   REGISTRY_USER, REGISTRY_PASSWORD
#	tls               REGISTRY_CERTS, a directory for --cert-dir
# REGISTRY_LOG is what it said, REGISTRY_DATA where its blobs lie. Several may run; the variables speak of the last.
start_registry() {
	local kind=${1:-none} directory attempt
	command -v docker-registry >/dev/null || skip "docker-registry is not installed"
	directory=$(mktemp -d "$BATS_FILE_TMPDIR/registry.XXXXXX") || return
	export REGISTRY_LOG=$directory/log REGISTRY_DATA=$directory/data
	export REGISTRY_USER=tester REGISTRY_PASSWORD='s3cret pass'
	# Between finding a free port and using it somebody else may take it.
	for attempt in 1 2 3 4 5; do
		REGISTRY=127.0.0.1:$(free_port)
		export REGISTRY
		registry_config "$kind" "$directory" >"$directory/config.yml" || return
		# REGISTRY_ variables are also how the registry's own settings are overridden.
		env -i PATH="$PATH" HOME="$directory" docker-registry serve "$directory/config.yml" >"$REGISTRY_LOG" 2>&1 3>&- &
		printf '%s\n' "$!" >"$directory/pid"
		wait_for_port "$REGISTRY" "$directory/pid" && return
		stop_process "$directory/pid"
	done
	printf 'no registry came up in %s attempts:\n' "$attempt" >&2
	cat "$REGISTRY_LOG" >&2
	return 1
}

stop_registries() {
	local pid
	for pid in "$BATS_FILE_TMPDIR"/registry.*/{pid,token.pid}; do
		[ ! -e "$pid" ] || stop_process "$pid"
	done
}

stop_process() {
	local pid
	pid=$(cat "$1")
	rm -f "$1"
	kill "$pid" 2>/dev/null || return 0
	# Not always our child: each test of a file is a process of its own.
	eventually is_gone "$pid" || kill -KILL "$pid"
}

is_gone() {
	! kill -0 "$1" 2>/dev/null
}

# A port that nobody else of this run is given, below those that the kernel chooses for connections.
free_port() {
	mkdir -p "$(test_cache)"
	python3 - "$(test_cache)/port" <<-'END'
		import fcntl, random, socket, sys
		with open(sys.argv[1], "a+") as file:
		    fcntl.flock(file, fcntl.LOCK_EX)
		    file.seek(0)
		    port = int(file.read() or random.randrange(15000, 32000))
		    while True:
		        port = port + 1 if port < 32000 else 15000
		        with socket.socket() as found:
		            try:
		                found.bind(("127.0.0.1", port))
		                break
		            except OSError:
		                pass
		    file.truncate(0)
		    file.write(str(port))
		print(port)
	END
}

registry_config() {
	local kind=$1 directory=$2
	printf 'version: 0.1\nlog: {level: warn, accesslog: {disabled: false}}\n'
	printf 'storage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\n' "$directory/data"
	printf 'http:\n  addr: %s\n' "$REGISTRY"
	case $kind in
	none) ;;
	tls)
		make_certificates "$directory" || return
		printf '  tls: {certificate: %s, key: %s}\n' "$directory/server.crt" "$directory/server.key"
		;;
	htpasswd)
		htpasswd -Bbn -C 5 "$REGISTRY_USER" "$REGISTRY_PASSWORD" >"$directory/htpasswd" || return
		printf 'auth: {htpasswd: {realm: test, path: %s}}\n' "$directory/htpasswd"
		;;
	token)
		[ -e "$directory/token.pid" ] || start_token_server "$directory" || return
		printf 'auth: {token: {realm: "http://%s/token", service: test, issuer: test, rootcertbundle: %s}}\n' \
			"$(cat "$directory/token.address")" "$directory/ca.crt"
		;;
	*)
		printf 'start_registry: unknown kind %s\n' "$kind" >&2
		return 1
		;;
	esac
}

# A CA and a certificate for 127.0.0.1 and localhost.
make_certificates() {
	local directory=$1
	export REGISTRY_CERTS=$directory/certs
	[ ! -e "$directory/server.crt" ] || return 0
	mkdir -p "$REGISTRY_CERTS"
	openssl req -quiet -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca \
		-keyout "$directory/ca.key" -out "$directory/ca.crt" 2>/dev/null ||
		openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca \
			-keyout "$directory/ca.key" -out "$directory/ca.crt" 2>/dev/null || return
	openssl req -newkey rsa:2048 -nodes -subj /CN=localhost \
		-keyout "$directory/server.key" -out "$directory/server.csr" 2>/dev/null || return
	printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' >"$directory/server.ext"
	openssl x509 -req -days 2 -in "$directory/server.csr" -CA "$directory/ca.crt" -CAkey "$directory/ca.key" \
		-CAcreateserial -extfile "$directory/server.ext" -out "$directory/server.crt" 2>/dev/null || return
	cp "$directory/ca.crt" "$REGISTRY_CERTS/ca.crt"
}

# Gives pull to everybody and everything to REGISTRY_USER; its log has one line for each token: "user scope".
start_token_server() {
	local directory=$1 address
	make_certificates "$directory" || return
	address=127.0.0.1:$(free_port)
	python3 "$LIB_DIRECTORY/token_server.py" "$address" "$directory" "$REGISTRY_USER" "$REGISTRY_PASSWORD" \
		>"$directory/token.log" 2>&1 3>&- &
	printf '%s\n' "$!" >"$directory/token.pid"
	printf '%s\n' "$address" >"$directory/token.address"
	export REGISTRY_TOKEN_LOG=$directory/token.log
	wait_for_port "$address" "$directory/token.pid"
}

# wait_for_port HOST:PORT [PIDFILE]: until it listens, or its process is gone.
wait_for_port() {
	eventually listens_or_gone "${1%:*}" "${1##*:}" "${2:-}" || return
	[ -z "${2:-}" ] || kill -0 "$(cat "$2")" 2>/dev/null
}

listens_or_gone() {
	(exec 3<>"/dev/tcp/$1/$2") 2>/dev/null || { [ -n "$3" ] && is_gone "$(cat "$3")"; }
}

# ---- What others do meanwhile ----

# eventually COMMAND...: until it succeeds. A minute is longer than any machine needs for what a test waits for; whoever
# waits for less fails on a busy one, and whoever waits for ever takes the other tests of the file with him.
eventually() {
	local end=$((SECONDS + 60))
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || fail "not within a minute: $*" || return
		sleep 0.05
	done
}

# nobody_runs 'PATTERN OF A COMMAND LINE': of this user
nobody_runs() {
	! pgrep -u "$(id -u)" -f "$1" >/dev/null
}

# is_said_in FILE TEXT
is_said_in() {
	grep -qs -- "$2" "$1"
}

# ---- What a test expects of the last `run` ----

assert_succeeds() {
	[ "$status" -eq 0 ] || fail "exit status $status instead of 0"
}

# The whole output.
assert_output_is() {
	[ "$output" = "$1" ] || fail "the output is not '$1'"
}

assert_output_has() {
	[[ $output == *"$1"* ]] || fail "the output lacks '$1'"
}

assert_output_lacks() {
	[[ $output != *"$1"* ]] || fail "the output has '$1'"
}

# assert_fails_with 125 "no image named": the exit status, and a part of what was said.
assert_fails_with() {
	[ "$status" -eq "$1" ] || fail "exit status $status instead of $1"
	[[ "$output${stderr:-}" == *"$2"* ]] || fail "the output lacks '$2'"
}

fail() {
	printf '%s\nstatus: %s\noutput: %s\n' "$1" "${status:-}" "${output:-}" >&2
	[ -z "${stderr:-}" ] || printf 'stderr: %s\n' "$stderr" >&2
	return 1
}

# skip_unless program...: names what is missing.
skip_unless() {
	local program
	for program; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
}
