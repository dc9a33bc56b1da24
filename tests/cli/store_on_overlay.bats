# A store that lies on an overlay, as a container's own root does: no overlay can be mounted there, nothing deleted can
# be marked as overlayfs does it.
# shellcheck disable=SC2154 # output and status are bats'

load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

teardown_file() {
	common_teardown_file
}

# The script is run in one session, with a store on an overlay of that session; "$1" is the image as an archive.
on_overlay() {
	local place=$BATS_TEST_TMPDIR/overlay
	mkdir -p "$place"/{lower,upper,work,store}
	cooper push -q busybox "oci-archive:$place/busybox.tar"
	# shellcheck disable=SC2016 # the inner shell's
	PLACE=$place run --separate-stderr cooper unshare sh -euc '
		mount -t overlay overlay -o "userxattr,lowerdir=$PLACE/lower,upperdir=$PLACE/upper,workdir=$PLACE/work" "$PLACE/store"
		export COOPER_ROOT=$PLACE/store/root COOPER_RUNROOT=$PLACE/runroot
		'"$1" sh "$place/busybox.tar"
	cooper unshare rm -rf "$place"
	[ "$status" -eq 0 ] || printf '%s\n' "$stderr"
}

@test "on an overlay: what a step deletes is gone from the layer, and from what is made of it" {
	# shellcheck disable=SC2016 # the inner shell's
	on_overlay '
		ctr=$(cooper from "oci-archive:$1")
		cooper run "$ctr" -- sh -c "mkdir -p /d/e && echo 1 >/d/e/f && echo 1 >/g"
		cooper commit -q "$ctr" localhost/one >&2
		cooper run "$ctr" -- sh -c "rm -r /d /g && echo 2 >/h"
		cooper commit -q "$ctr" localhost/two >&2
		cooper push -q localhost/two "oci:$PLACE/out:x"
		cooper run "$(cooper from localhost/two)" -- sh -c "ls -d /d /g /h; true" 2>/dev/null
		printf "FROM scratch\nCOPY --from=localhost/two / /\n" >"$PLACE/Dockerfile"
		cooper build -q -t localhost/three -f "$PLACE/Dockerfile" "$PLACE/lower" >&2
		cooper run "$(cooper from localhost/three)" -- sh -c "ls -d /d /g /h; true" 2>/dev/null
		for blob in "$PLACE"/out/blobs/sha256/*; do tar tf "$blob" 2>/dev/null | grep -F .wh. || true; done
	'
	[ "$status" -eq 0 ]
	[ "$output" = "/h
/h
.wh.d
.wh.g" ]
}
