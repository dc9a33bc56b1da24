# Others' tools that read what cooper wrote, each to a list of the files that it makes of it:  load lib/consumers
# All of them run as root of cooper's user namespace, and each with an empty store of its own, because a layer that it
# has already would hide a fault of the next.
# shellcheck shell=bash

TREE_LIST=$(dirname "${BASH_SOURCE[0]}")/../../tools/tree-list

# What the image should be: as cooper itself mounts it.
tree_by_cooper() {
	local ctr
	ctr=$(cooper from --pull=never "$1") && cooper unshare sh -c "python3 $TREE_LIST \$(cooper mount $ctr)" &&
		cooper rm "$ctr" >/dev/null
}

# tree_by_podman PLACE. Its network library (netavark, from podman 5 on) locks a file in /run, so that is its own.
tree_by_podman() {
	local own status=0
	own=$(mktemp -d /tmp/p.XXXXXX) # podman takes no runroot past 50 characters
	cooper unshare bash -ec '
		mount -t tmpfs none /run
		podman="podman --root $1/root --runroot $1/run --storage-driver vfs"
		id=$($podman pull -q --tls-verify=false "$2" 2>"$1/log") || { cat "$1/log" >&2; exit 1; }
		python3 "$3" "$($podman image mount "$id")"' podman "$own" "$1" "$TREE_LIST" || status=$?
	cooper unshare rm -rf "$own"
	return "$status"
}

# tree_by_umoci LAYOUT:NAME
tree_by_umoci() {
	local own status=0
	own=$(mktemp -d /tmp/u.XXXXXX)
	cooper unshare bash -ec 'umoci raw unpack --image "$2" "$1/root" >&2; python3 "$3" "$1/root"' umoci "$own" "$1" "$TREE_LIST" ||
		status=$?
	cooper unshare rm -rf "$own"
	return "$status"
}

# tree_by_containerd NAME-IN-A-REGISTRY | tree_by_containerd --import FILE: a daemon of the test's own, without root. From
# version 1.7 on it makes a directory in /run whatever its configuration says, so that is its own as well. From version 2
# on images are unpacked by a plug-in that is not there unless it is told of a snapshotter that is.
tree_by_containerd() {
	local own status=0
	own=$(mktemp -d /tmp/c.XXXXXX)
	cat >"$own/config.toml" <<-EOF
		version = 2
		root = "$own/root"
		state = "$own/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.overlayfs"]
		[grpc]
		  address = "$own/socket"
		[ttrpc]
		  address = "$own/ttrpc"
		[[plugins."io.containerd.transfer.v1.local".unpack_config]]
		  platform = "linux"
		  snapshotter = "native"
		  differ = "walking"
	EOF
	cooper unshare bash -ec '
		own=$1 list=$2
		shift 2
		mount -t tmpfs none /run
		containerd --config "$own/config.toml" >"$own/log" 2>&1 3>&- &
		daemon=$!
		trap "kill $daemon; wait $daemon || true" EXIT
		for i in $(seq 1200); do
			[ ! -S "$own/socket" ] || break
			kill -0 "$daemon" || { cat "$own/log" >&2; exit 1; }
			sleep 0.05
		done
		ctr="ctr -a $own/socket"
		if [ "$1" = --import ]; then
			$ctr images import --snapshotter native "$2" >&2
		else
			$ctr images pull --plain-http --snapshotter native "$1" >&2
		fi
		# The snapshot on which no other stands is the whole tree.
		top=$($ctr snapshots --snapshotter native ls | awk "NR > 1 { all[\$1]; if (NF > 2) below[\$2] }
			END { for (key in all) if (!(key in below)) print key }")
		root=$($ctr snapshots --snapshotter native view --mounts view "$top" | grep -o "$own/root[^\" ]*")
		python3 "$list" "$root"' containerd "$own" "$TREE_LIST" "$@" || status=$?
	cooper unshare rm -rf "$own"
	return "$status"
}

# tree_by_dockerd NAME-IN-A-REGISTRY | tree_by_dockerd --load FILE: a daemon of the test's own, root only in the user
# namespace, which its --rootless would want to have been made by rootlesskit. It writes to /run and /etc/docker, so these
# are its own as well.
tree_by_dockerd() {
	local own status=0
	own=$(mktemp -d /tmp/d.XXXXXX)
	cooper unshare bash -ec '
		own=$1 list=$2
		shift 2
		mount -t tmpfs none /run
		mount -t tmpfs none /etc/docker
		unset XDG_RUNTIME_DIR
		dockerd --data-root "$own/data" --exec-root "$own/exec" --pidfile "$own/pid" -H "unix://$own/socket" \
			--iptables=false --ip6tables=false --bridge=none --storage-driver vfs --insecure-registry 127.0.0.0/8 \
			>"$own/log" 2>&1 3>&- &
		daemon=$!
		trap "kill $daemon 2>/dev/null; wait $daemon || true" EXIT
		ask() { curl -sS --unix-socket "$own/socket" "$@"; }
		for i in $(seq 1200); do
			! ask -f http://docker/_ping >/dev/null 2>&1 || break
			kill -0 "$daemon" 2>/dev/null || { cat "$own/log" >&2; exit 1; }
			sleep 0.05
		done
		if [ "$1" = --load ]; then
			ask -X POST -H "Content-Type: application/x-tar" --data-binary "@$2" http://docker/images/load >"$own/answer"
		else
			ask -X POST "http://docker/images/create?fromImage=${1%:*}&tag=${1##*:}" >"$own/answer"
		fi
		if grep -E "\"error(Detail)?\"" "$own/answer" >&2; then exit 1; fi
		# The layer on which no other stands; with vfs its directory is the whole tree.
		layers=$own/data/image/vfs/layerdb/sha256
		top=$(cd "$layers" && for id in *; do grep -qx "sha256:$id" -- */parent 2>/dev/null || printf "%s\n" "$id"; done)
		python3 "$list" "$own/data/vfs/dir/$(cat "$layers/$top/cache-id")"' dockerd "$own" "$TREE_LIST" "$@" || status=$?
	cooper unshare rm -rf "$own"
	return "$status"
}

# skopeo makes no trees, but it unpacks: then each layer must have the digest that the configuration names.
# skopeo_takes PLACE
skopeo_takes() {
	local own status=0
	own=$(mktemp -d "$BATS_TEST_TMPDIR/s.XXXXXX")
	skopeo --insecure-policy copy -q --src-tls-verify=false --dest-decompress "$1" "dir:$own/d" || status=$?
	[ "$status" != 0 ] || python3 -c '
import json, sys
with open(sys.argv[1] + "/manifest.json") as file:
    manifest = json.load(file)
with open(sys.argv[1] + "/" + manifest["config"]["digest"].split(":")[1]) as file:
    wanted = json.load(file)["rootfs"]["diff_ids"]
sys.exit([layer["digest"] for layer in manifest["layers"]] != wanted)' "$own/d" || status=$?
	rm -rf "$own"
	return "$status"
}
