# For stories of `cooper build`:  load lib/common; load lib/build
# shellcheck shell=bash

# A story that needs something else says so after the load.
setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	make_context
}

# A context directory for each test, with a few files in it, whose modes are known; the test stands in it.
make_context() {
	context=$BATS_TEST_TMPDIR/context
	mkdir -p "$context/dir/sub"
	echo one >"$context/one"
	echo two >"$context/two"
	echo deep >"$context/dir/sub/deep"
	echo flat >"$context/dir/flat"
	cd "$context" || return
	chmod 644 one two dir/flat dir/sub/deep
	chmod 755 dir dir/sub
}

# The Dockerfile of the test is what comes on stdin.
dockerfile() {
	cat >"$context/Dockerfile"
}

# build [OPTION...]: must succeed. The image is called "made".
build() {
	run --separate-stderr cooper build -t made "$@" "$context"
	assert_succeeds
}

# refuses "text" [OPTION...]: the build fails, and says so.
refuses() {
	local text=$1
	shift
	run --separate-stderr cooper build "$@" "$context"
	[ "$status" -ne 0 ] || fail "it was built"
	[[ $stderr == *"$text"* ]] || fail "the output lacks '$text'"
}

# cached N: the last build took so many steps from the cache.
cached() {
	local count
	count=$(grep -c "Using cache" <<<"$stderr") || true
	[ "$count" -eq "$1" ] || fail "$count steps instead of $1 came from the cache"
}

# config_of IMAGE: the configuration as canonical JSON.
config_of() {
	cooper inspect --type image "$1" | python3 -c 'import json, sys
print(json.dumps(json.loads(json.load(sys.stdin)["Config"]), sort_keys=True))'
}

# has_config PYTHON: an expression over `c` (the config), `image` (all of it), `history` (the lines of created_by).
has_config() {
	cooper inspect --type image made | python3 -c '
import json, sys
image = json.loads(json.load(sys.stdin)["Config"])
c = image["config"]
history = [h["created_by"] for h in image["history"]]
expression = sys.argv[1]
if not eval(expression):
    print("not so:", expression, "\nconfig:", json.dumps(c, indent=1), "\nhistory:", json.dumps(history, indent=1))
    sys.exit(1)' "$1"
}

# inside COMMAND: what a shell in the image prints.
inside() {
	local ctr
	ctr=$(cooper from made) || return
	cooper run "$ctr" sh -c "$1"
	local rc=$?
	cooper rm "$ctr" >/dev/null
	return $rc
}
