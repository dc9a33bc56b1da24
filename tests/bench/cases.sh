# shellcheck shell=bash disable=SC2016,SC2034,SC2154
# The cases. A row is "name|needs|title"; needs are "large" (a layer of BENCH_LARGE_MIB), "many" (BENCH_FILES small
# files), "slow" (fewer runs), "builds" (fewer runs without BENCH_PATIENCE), "registry", "network" and "reference" (the
# packages of tests/tools/reference-install). A case `x` is
#   x_command   puts the arguments of what is measured into `argv`; where it happens inside the tool's own user
#               namespace, `around` has the arguments of the command that leads there
#   x_before    prepares one run, x_after tidies up: neither is measured
#   x_tools     prints the tools that can do it at all (else cooper and Buildah)
#   x_limit     prints a shell command that does the same with what the machine has, or the least part of it: it takes
#               its turns as the tool "limit"; x_limit_before prepares it
# Each gets the name of the tool. cooper, Buildah and podman have the same words where they have the command, so a case
# says them once. The container 'bench' (of cooper and Buildah), made of the image 'base', is there already.

cases=(
	'version||`version`'
	'run||`run CTR true`'
	'run-private||the same with a network of its own'
	'inside||`run CTR true` inside `unshare`'
	'from||`from` a local image'
	'config||`config --label`'
	'copy||`copy` of one small file'
	'commit||`commit` of one small file'
	'rm||`rm` of a container'
	'rmi||`rmi` of an image'
	'images||`images`'
	'build-run|builds|`build` of 20 RUN'
	'build-run-one|builds|`build` of one RUN'
	'build-run-cached|builds|`build` of the 20 RUN, all cached'
	'build-copy|builds|`build` of 20 COPY'
	'build-copy-cached|builds|the same, all cached'
	'build-stages|builds|`build` of 4 stages that do not wait for each other, each sleeping 0.2 s'
	'build-apt|slow network|`build` that installs 12 Debian packages'
	'install-rungs|slow reference|`run` that installs 39 Debian packages, by rung of isolation'
	'context|many|`build` with a context of %FILES% files'
	'context-cached|many|the same, cached'
	'context-ignored|large|cached `build`, %LARGE% of the context are ignored'
	'many-copy|many|`copy` of %FILES% files'
	'many-commit|many|`commit` of %FILES% files'
	'many-blob|many|`commit` of %FILES% files to a layout, gzip'
	'many-push|many registry|`push` of %FILES% files, gzip'
	'many-push-zstd|many registry|the same, zstd'
	'many-pull|many registry|`pull` of %FILES% files, gzip'
	'many-pull-zstd|many registry|the same, zstd'
	'large-commit|large|`commit` of a %LARGE% layer'
	'large-blob|large|`commit` of it to a layout, gzip'
	'large-push|large registry|`push` of it, packed and sent, gzip'
	'large-push-zstd|large registry|the same, zstd'
	'large-pull|large registry|`pull` of it, gzip'
	'large-pull-zstd|large registry|the same, zstd'
)
cases=("${cases[@]//%LARGE%/$((BENCH_LARGE_MIB)) MiB}")
cases=("${cases[@]//%FILES%/$((BENCH_FILES))}")

# Cases in which the largest process is a program of the image, a package manager: there cooper's own are looked for.
own_memory='install-rungs build-apt'

# ---- Small commands ----

version_tools() {
	echo "$all_tools"
}
version_command() {
	argv=(version)
	[ "$1" != umoci ] || argv=(--version)
}

run_command() {
	argv=(run bench -- true)
}

run-private_command() {
	argv=(run --network none bench -- true)
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

config_command() {
	argv=(config --label "a=b" bench)
}

copy_command() {
	argv=(copy --quiet bench "$scratch/small" /small)
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

rm_before() {
	tool "$1" from --name another base
}
rm_command() {
	argv=(rm another)
}

rmi_before() {
	commit_before "$1" && tool "$1" commit --quiet changed small && tool "$1" rm changed
}
rmi_command() {
	argv=(rmi small)
}

images_tools() {
	echo "cooper buildah podman docker"
}
images_command() {
	argv=(images)
}

# ---- Builds ----

builders="cooper buildah podman docker buildctl"

# build DIRECTORY [OPTION...]: the arguments, into argv.
build() {
	local where=$1
	shift
	case $tool in
	buildctl)
		argv=(build --progress plain --frontend dockerfile.v0 --local "context=$where" --local "dockerfile=$where")
		[[ " $* " != *" --no-cache "* ]] || argv+=(--no-cache)
		;;
	buildah) argv=(build --layers --quiet --tag built "$@" "$where") ;;
	podman) argv=(build --isolation "$podman_isolation" --quiet --tag built "$@" "$where") ;;
	docker) argv=(build --network host --quiet --tag built "$@" "$where") ;;
	*) argv=(build --quiet --tag built "$@" "$where") ;;
	esac
}

# recipe NAME: a directory with the Dockerfile that stdin has.
recipe() {
	mkdir -p "$scratch/$1"
	cat >"$scratch/$1/Dockerfile"
}

# Once, so that what follows is all cached.
built_before() {
	[ ! -e "$scratch/$2/.built-$1" ] || return 0
	local tool=$1 argv=()
	build "$scratch/$2"
	tool "$1" "${argv[@]}" && touch "$scratch/.built-$2-$1"
}

build-run_tools() { echo "$builders"; }
build-run_before() {
	{ echo "FROM $base" && for n in $(seq 20); do echo "RUN true $n"; done; } | recipe twenty-run
}
build-run_command() { build "$scratch/twenty-run" --no-cache; }

build-run-one_tools() { echo "$builders"; }
build-run-one_before() { printf 'FROM %s\nRUN true\n' "$base" | recipe one-run; }
build-run-one_command() { build "$scratch/one-run" --no-cache; }

build-run-cached_tools() { echo "$builders"; }
build-run-cached_before() { build-run_before && built_before "$1" twenty-run; }
build-run-cached_command() { build "$scratch/twenty-run"; }

build-copy_tools() { echo "$builders"; }
build-copy_before() {
	{ echo "FROM $base" && for n in $(seq 20); do echo "COPY small /small-$n"; done; } | recipe twenty-copy
	cp small twenty-copy/
}
build-copy_command() { build "$scratch/twenty-copy" --no-cache; }

build-copy-cached_tools() { echo "$builders"; }
build-copy-cached_before() { build-copy_before && built_before "$1" twenty-copy; }
build-copy-cached_command() { build "$scratch/twenty-copy"; }

build-stages_tools() { echo "$builders"; }
build-stages_before() {
	{
		for n in 1 2 3 4; do printf 'FROM %s AS s%s\nRUN sleep 0.2 && echo %s >/out\n' "$base" "$n" "$n"; done
		printf 'FROM %s\n' "$base"
		for n in 1 2 3 4; do echo "COPY --from=s$n /out /out$n"; done
	} | recipe four-stages
}
build-stages_command() {
	local jobs=(--jobs 4)
	case $tool in docker | buildctl) jobs=() ;; esac # they have no such option, and always do
	build "$scratch/four-stages" --no-cache "${jobs[@]}"
}

# Packages with many files and many fsyncs; the list stays the same so that versions can be compared.
build-apt_tools() { echo "$builders"; }
build-apt_before() {
	printf '%s\n' 'FROM docker.io/library/debian:12' 'RUN apt-get update && apt-get install -y --no-install-recommends' \
		| sed '$s/$/ build-essential ca-certificates curl git python3 perl zlib1g-dev libssl-dev cmake ninja-build vim-tiny jq/' |
		recipe apt
}
build-apt_command() { build "$scratch/apt" --no-cache; }

# The same installation as root has it at rungs 1, 2 and 4. What is made stays until the end: ext4 makes files slowly
# where it has just lost many.
install-rungs_tools() { echo "cooper $rungs"; }
install-rungs_before() {
	if ! tool "$1" inspect --type image debian; then
		tool "$1" from --name debian-base scratch &&
			tool "$1" add --quiet debian-base "$reference/base.tar" / &&
			tool "$1" config --env PATH=/usr/sbin:/usr/bin:/sbin:/bin debian-base &&
			tool "$1" commit --quiet --rm debian-base debian || return
	fi
	tool "$1" from debian >"installed.$1"
}
install-rungs_command() {
	argv=(run --volume "$reference/debs:/debs:ro" --env DEBIAN_FRONTEND=noninteractive "$(cat "installed.$1")" --
		sh -c 'apt-get install -q=2 -y --no-install-recommends /debs/*.deb')
}

context_tools() { echo "$builders"; }
context_before() {
	make_files
	[ -e files/Dockerfile ] || printf 'FROM %s\nCOPY . /all\n' "$base" >files/Dockerfile
	touch files/.changed && printf '%s' "$RANDOM$RANDOM" >files/.changed
}
context_command() { build "$scratch/files"; }
context_limit() { echo "tar -C '$scratch/files' -c . | cat >/dev/null"; }

context-cached_tools() { echo "$builders"; }
context-cached_before() {
	make_files
	[ -e "$scratch/.context-$1" ] && return 0
	[ -e files/Dockerfile ] || printf 'FROM %s\nCOPY . /all\n' "$base" >files/Dockerfile
	local tool=$1 argv=()
	build "$scratch/files"
	[ "$1" = limit ] || tool "$1" "${argv[@]}" || return
	# What has changed a moment ago cooper reads again, as git has it with its index; the others have no such rule.
	if [ "$1" = cooper ]; then
		sleep 3
		tool "$1" "${argv[@]}" || return
	fi
	touch "$scratch/.context-$1"
}
context-cached_command() { build "$scratch/files"; }
context-cached_limit() { echo "find '$scratch/files' -newer / -size +1000000"; }

context-ignored_tools() { echo "$builders"; }
context-ignored_before() {
	printf 'FROM %s\nCOPY . /all\n' "$base" | recipe ignored
	ln -f large ignored/large && echo large >ignored/.dockerignore && cp small ignored/
	built_before "$1" ignored
}
context-ignored_command() { build "$scratch/ignored"; }

# ---- Many small files ----

# From nothing each time: a layer that was packed once need not be packed again.
make_container() {
	forget "$1" "$2"
	tool "$1" from --name heavy scratch && tool "$1" copy --quiet heavy "$scratch/$2" "/$2"
}
forget() {
	tool "$1" rm heavy || true
	tool "$1" rmi --force "$2" || true
	tool "$1" rmi --force "127.0.0.1:${port:-0}/bench/$2" || true
	[ "$1" != cooper ] || tool cooper prune --force || true
}
make_image() {
	make_container "$1" "$2" && tool "$1" commit --quiet heavy "$2"
}

many-copy_before() {
	make_files && forget "$1" files && tool "$1" from --name heavy scratch
}
many-copy_command() { argv=(copy --quiet heavy "$scratch/files" /files); }
many-copy_after() { forget "$1" files; }
many-copy_limit_before() { rm -rf copied; }
many-copy_limit() { echo "cp -a '$scratch/files' '$scratch/copied'"; }

many-commit_before() { make_files && make_container "$1" files; }
many-commit_command() { argv=(commit --quiet heavy files); }
many-commit_after() { forget "$1" files; }
many-commit_limit() { echo "tar -C '$scratch/files' -c . | openssl dgst -sha256"; }

# ---- A layer that is written to a layout. umoci has no store: its containers are bundles, and its images lie in layouts ----

bundle_before() {
	rm -rf bundle bundle-layout
	umoci init --layout bundle-layout && umoci new --image bundle-layout:base &&
		umoci unpack --rootless --image bundle-layout:base bundle && cp -a "$1" bundle/rootfs/
}

blob_before() {
	local container=$2
	[ "$1" != umoci ] || { bundle_before "$container" && return; }
	make_container "$1" "$container" && rm -rf layout
}
blob_command() {
	argv=(commit --quiet heavy "oci:$scratch/layout:$1")
	[ "$tool" != umoci ] || argv=(repack --image bundle-layout:new bundle)
}
blob_after() {
	[ "$1" != umoci ] || { rm -rf bundle bundle-layout && return; }
	forget "$1" "$2" && rm -rf layout
}

many-blob_tools() { echo "cooper buildah umoci"; }
many-blob_before() { make_files && blob_before "$1" files; }
many-blob_command() { blob_command files; }
many-blob_after() { blob_after "$1" files; }
# Whoever makes a blob writes it.
blob_limit_before() { rm -f "$scratch/blob"; }
many-blob_limit_before() { blob_limit_before; }
many-blob_limit() { echo "tar -C '$scratch/files' -c . | $fast_gzip | tee '$scratch/blob' | openssl dgst -sha256"; }

# ---- A large layer ----

large-commit_before() { make_container "$1" large; }
large-commit_command() { argv=(commit --quiet heavy large); }
large-commit_after() { forget "$1" large; }
large-commit_limit() { echo "openssl dgst -sha256 '$scratch/large'"; }

large-blob_tools() { echo "cooper buildah umoci"; }
large-blob_before() { blob_before "$1" large; }
large-blob_command() { blob_command large; }
large-blob_after() { blob_after "$1" large; }
large-blob_limit_before() { blob_limit_before; }
large-blob_limit() { echo "$fast_gzip <'$scratch/large' | tee '$scratch/blob' | openssl dgst -sha256"; }

# Packed and sent as it comes, to the same registry; hashed by nobody but that.
large-push_limit_before() {
	rm -rf "$scratch/registry/docker"
	upload=$(curl -fsS -D - -o /dev/null -X POST "http://127.0.0.1:$port/v2/bench/limit/blobs/uploads/" |
		tr -d '\r' | sed -n 's/^[Ll]ocation: //p') && [ -n "$upload" ]
}
large-push_limit() {
	echo "$fast_gzip <'$scratch/large' | curl -fsS -X PATCH -H 'Content-Type: application/octet-stream' -T - '$upload'"
}

# ---- Pushes and pulls ----

pullers="cooper buildah podman docker"

push_before() {
	rm -rf "$scratch/registry/docker" "$scratch"/.pushed-*
	[ "$2" != files ] || make_files
	[ "$1" = limit ] || make_image "$1" "$2"
}
push_command() {
	argv=(push --quiet --tls-verify=false --compression-format "$2" "$1" "127.0.0.1:$port/bench/$1")
	# Buildah has no such option before 1.32, and says gzip without it.
	[ "$tool" != buildah ] || [ "$2" != gzip ] ||
		argv=(push --quiet --tls-verify=false "$1" "127.0.0.1:$port/bench/$1")
}

# Everybody pulls what the first tool has pushed.
pull_before() {
	local tool=$1 argv=()
	[ ! -e "$scratch/.pushed-$2-$3" ] || return 0
	[ "$2" != files ] || make_files
	make_image "$1" "$2" && tool "$1" push --quiet --tls-verify=false --compression-format "$3" "$2" \
		"127.0.0.1:$port/bench/pulled-$2-$3" && forget "$1" "$2" && touch "$scratch/.pushed-$2-$3"
}
pull_command() {
	argv=(pull --quiet "127.0.0.1:$port/bench/pulled-$1-$2")
	[ "$tool" = docker ] || argv=(pull --quiet --tls-verify=false "127.0.0.1:$port/bench/pulled-$1-$2")
}
pull_after() {
	tool "$1" rmi --force "127.0.0.1:$port/bench/pulled-$2-$3"
	forget "$1" "$2"
}

# define_transfers NAME WHAT: the cases NAME-push, NAME-pull, and the same with -zstd, of the image WHAT.
define_transfers() {
	local codec name
	for codec in gzip zstd; do
		for name in push pull; do
			[ "$codec" = gzip ] || name+=-zstd
			eval "
			$1-${name}_before() { ${name%-zstd}_before \"\$1\" $2 $codec; }
			$1-${name}_command() { ${name%-zstd}_command $2 $codec; }
			$1-${name}_after() { ${name%-zstd}_after \"\$1\" $2 $codec; }"
		done
	done
}
push_after() {
	forget "$1" "$2"
}
define_transfers many files
define_transfers large large
# Unpacking alone, of what is neither packed nor hashed.
many-pull_limit_before() {
	make_files && unpacked=$(mktemp -d "$scratch/unpacked.XXXXXX") && { [ -e files.tar ] || tar -C files -cf files.tar .; }
}
many-pull_limit() { echo "tar -C '$unpacked' -xf '$scratch/files.tar'"; }
many-pull_tools() { echo "$pullers"; }
many-pull-zstd_tools() { echo "$pullers"; }
large-pull_tools() { echo "$pullers"; }
large-pull-zstd_tools() { echo "$pullers"; }
