#!/bin/sh
# The cooper image, made from nothing by cooper's own primitives, as any minimal image can be.
#
#   make bundle
#   docs/examples/cooper-image.sh build/release/bundle/cooper.tar.gz registry.example.org/cooper:1
#
#   --shell   with a static busybox: for GitLab CI and for Tekton scripts, which start a shell in the image
#
# The image works as user 1000, as any user of group 0 (OpenShift), as root, and with a read-only root: all that
# cooper writes is below /var/lib/cooper, a volume. Needs setcap (libcap2-bin), ca-certificates, busybox-static for --shell.
set -eu
umask 022

# A script that mounts is run in a session; the caller's own needs none.
[ -n "${IN_SESSION:-}" ] || exec env IN_SESSION=1 "${COOPER:-cooper}" unshare sh "$0" "$@"

cooper=${COOPER:-cooper}
shell=
if [ "${1:-}" = --shell ]; then
	shell=yes
	shift
fi
if [ $# != 2 ]; then
	echo "usage: $0 [--shell] BUNDLE.tar.gz IMAGE" >&2
	exit 1
fi
bundle=$1 image=$2

ctr=$($cooper from scratch)
trap '$cooper rm "$ctr" >/dev/null' EXIT
root=$($cooper mount "$ctr")

# ---- The program, with its libraries in a directory of their own ----

mkdir -p "$root/usr/bin" "$root/usr/lib/cooper" "$root/usr/share/doc"
tar -xzf "$bundle" -C "$root/usr/lib/cooper" --strip-components=1 --no-same-owner
mv "$root/usr/lib/cooper/share/doc" "$root/usr/share/doc/cooper"
rmdir "$root/usr/lib/cooper/share"
ln -s ../lib/cooper/bin/cooper "$root/usr/bin/cooper"

# ---- newuidmap and newgidmap: with file capabilities, for pods that may gain privileges ----
# The set-user-ID form of the distributions asks for CAP_SYS_ADMIN, which no ordinary pod has. A program with file
# capabilities is not started through another one, so these two find their loader where they expect it.

helpers=$root/usr/lib/cooper/libexec
for loader in "$helpers"/ld-linux*; do
	case $loader in
	*x86-64*) place=lib64 ;;
	*) place=lib ;;
	esac
	mkdir -p "$root/$place" "$root/lib"
	mv "$loader" "$root/$place/"
	ln -s ../usr/lib/cooper/lib "$root/lib/$(uname -m)-linux-gnu"
done
mv "$helpers/newuidmap" "$helpers/newgidmap" "$root/usr/bin/"
rmdir "$helpers"
setcap cap_setuid=ep "$root/usr/bin/newuidmap"
setcap cap_setgid=ep "$root/usr/bin/newgidmap"

# ---- What a system needs besides ----

mkdir -p "$root/etc/ssl/certs" "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp" "$root/root" \
	"$root/home/cooper" "$root/var/lib/cooper"
install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
# newuidmap wants the group that a process has to be the one that stands here.
cat >"$root/etc/passwd" <<-END
	root:x:0:0:root:/root:/bin/sh
	cooper:x:1000:1000:cooper:/home/cooper:/bin/sh
	nobody:x:65534:65534:nobody:/:/bin/false
END
cat >"$root/etc/group" <<-END
	root:x:0:
	cooper:x:1000:
	nogroup:x:65534:
END
# All other ids of the pod. A pod has 65536 of them, whatever they are on the node.
printf '%s\n' cooper:1:999 cooper:1001:64535 | tee "$root/etc/subuid" >"$root/etc/subgid"
chmod 1777 "$root/tmp"
# An arbitrary user is in group 0, and may what the group may.
chown 1000:0 "$root/home/cooper" "$root/var/lib/cooper"
chmod 775 "$root/home/cooper" "$root/var/lib/cooper"

if [ -n "$shell" ]; then
	cp "$(command -v busybox)" "$root/usr/bin/busybox"
	ln -s usr/bin "$root/bin"
	for applet in $(busybox --list); do
		[ -e "$root/usr/bin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
	done
fi

# ---- Its configuration ----

$cooper umount "$ctr" >/dev/null
$cooper config --user 1000:1000 --workingdir /home/cooper --volume /var/lib/cooper \
	--env HOME=/home/cooper --env COOPER_ROOT=/var/lib/cooper --env PATH=/usr/bin \
	--label org.opencontainers.image.title=cooper \
	--label org.opencontainers.image.description='builds container images without a daemon and without root' \
	--label org.opencontainers.image.licenses=Apache-2.0 "$ctr"
if [ -n "$shell" ]; then
	$cooper config --cmd sh "$ctr"
else
	$cooper config --entrypoint '["/usr/bin/cooper"]' --cmd --help "$ctr"
fi
$cooper commit -q "$ctr" "$image"
