# shellcheck shell=bash disable=SC2016,SC2034,SC2154
# The cases. A row is "name|needs|title"; needs are "large" (a layer of BENCH_LARGE_MIB) and "registry". A case `x` is
#   x_command   puts the arguments of what is measured into `argv`; where it happens inside the tool's own user
#               namespace, `around` has the arguments of the command that leads there
#   x_before    prepares one run, x_after tidies up: neither is measured
# Each gets the name of the tool. cooper and Buildah have the same words, so a case says them once. The container
# 'bench', made of the image 'base', is there already.

cases=(
	'version||`version`'
	'run||`run CTR true`'
	'inside||`run CTR true` inside `unshare`'
	'from||`from` a local image'
	'commit||`commit` of one small file'
	'images||`images`'
	'large-commit|large|`commit` of a %LARGE% layer'
	'large-push|large registry|`push` of it, packed and sent'
	'large-pull|large registry|`pull` of it'
)
cases=("${cases[@]//%LARGE%/$((BENCH_LARGE_MIB)) MiB}")

version_command() {
	argv=(version)
}

run_command() {
	argv=(run bench -- true)
}

inside_command() {
	around=(unshare)
	argv=(run bench -- true)
}

from_command() {
	argv=(from --name another base)
}
from_after() {
	tool "$1" rm another
}

commit_before() {
	tool "$1" from --name changed base && tool "$1" copy --quiet changed "$scratch/small" /small
}
commit_command() {
	argv=(commit --quiet changed small)
}
# Another image each time would make the store grow, and with it the next run.
commit_after() {
	tool "$1" rm changed && tool "$1" rmi small
}

images_command() {
	argv=(images)
}

# From nothing each time: a layer that was packed once need not be packed again.
make_large_container() {
	forget_large "$1"
	tool "$1" from --name heavy scratch && tool "$1" copy --quiet heavy "$scratch/large" /large
}
forget_large() {
	tool "$1" rm heavy || true
	tool "$1" rmi --force large || true
	tool "$1" rmi --force "127.0.0.1:${port:-0}/bench/large" || true
	[ "$1" != cooper ] || tool cooper prune --force || true
}

large-commit_before() {
	make_large_container "$1"
}
large-commit_command() {
	argv=(commit --quiet heavy large)
}
large-commit_after() {
	forget_large "$1"
}

large-push_before() {
	rm -rf "$scratch/registry/docker"
	make_large_container "$1" && tool "$1" commit --quiet heavy large
}
large-push_command() {
	argv=(push --quiet --tls-verify=false large "127.0.0.1:$port/bench/large")
}
large-push_after() {
	forget_large "$1"
}

# Everybody pulls what the first tool has pushed.
large-pull_before() {
	forget_large "$1"
	[ ! -d "$scratch/registry/docker/registry/v2/repositories/bench/pulled" ] || return 0
	make_large_container "$1" && tool "$1" commit --quiet heavy large &&
		tool "$1" push --quiet --tls-verify=false large "127.0.0.1:$port/bench/pulled" && forget_large "$1"
}
large-pull_command() {
	argv=(pull --quiet --tls-verify=false "127.0.0.1:$port/bench/pulled")
}
large-pull_after() {
	tool "$1" rmi --force "127.0.0.1:$port/bench/pulled"
	forget_large "$1"
}
