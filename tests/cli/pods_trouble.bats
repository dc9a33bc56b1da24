# What can happen to a pod in the middle of a build (a full volume, too little memory, deletion), and volumes of several
# kinds: containerd has made the pods (tests/pods/trouble), here is looked at what they said.
#
# Not under sanitizers: pods run the bundle, which is always of the release
load lib/common

setup_file() {
	common_setup_file
	export MADE=${COOPER_TEST_CACHE:-/nowhere}/pods
}

setup() {
	[ ! -e "$MADE/live/failed" ] || fail "the pods could not be made: $(tail -n 30 "$MADE/live/log")"
	[ -d "$MADE/live/trouble" ] || skip "containerd made no pods (wants root, containerd, its CNI plug-ins and python3-grpcio)"
}

# each NAME: sets log and runs said for the pod NAME at every rung that was tried; which are at least two.
each() {
	local log count=0
	for log in "$MADE"/{live,newer}/trouble/"$1"-{c,a,e2-localhost}; do
		[ -e "$log" ] || continue
		count=$((count + 1))
		said "$log" || fail "$log: $(cat "$log")"
	done
	[ "$count" -ge 2 ]
}

# built_the_image LOG: as the undisturbed pod did, at the rung that is weakest.
built_the_image() {
	local image
	image=$(grep '^the image ' "$MADE/live/trouble/fresh-a")
	[ "${#image}" -ge 70 ] && grep -qxF "$image" "$1" && ! grep -q ' fails$' "$1" && grep -qx 'status 0' "$1"
}

@test "with a read-only root and nothing but an emptyDir a build works, at every rung the same image" {
	said() { built_the_image "$1"; }
	each fresh
}

@test "a store in an emptyDir of memory works" {
	said() { built_the_image "$1"; }
	each memory
}

@test "a volume that is full in a step, or in the builder's own writing, is an error that says so; the store goes on" {
	said() {
		[ "$(grep -c '^ended with [1-9]' "$1")" = 2 ] && [ "$(grep -ci 'no space left on device' "$1")" -ge 2 ] && built_the_image "$1"
	}
	each full
}

@test "a step that takes more memory than the pod may have is killed, and is a failed step; the store goes on" {
	said() { grep -q '^ended with [1-9]' "$1" && built_the_image "$1"; }
	each oom
}

@test "a step sees no token of the pod's service account and no Secret" {
	said() { [ "$(head -n 1 "$1")" = 1 ] && [ "$(sed -n 2p "$1")" = 0 ] && built_the_image "$1"; }
	each token
}

@test "a pod that is deleted in the middle of a build ends by itself, before it is killed; the next goes on in its store" {
	said() { grep -qx 'status 143' "$1" && grep -qx 'cooper: ended by SIGTERM' "$1"; }
	each deleted
	said() { built_the_image "$1"; }
	each deleted-next
}

@test "a pod that is killed in the middle of a build leaves nothing half-written in its volume" {
	said() { grep -qx 'status 137' "$1"; }
	each killed
	said() { built_the_image "$1"; }
	each killed-next
}
