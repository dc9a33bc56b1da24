# Real pods: containerd makes them through its Container Runtime Interface, asked as a kubelet asks (tests/programs/cri), with
# its own RuntimeDefault, of the manifests that people copy. tests/pods/live has run them, here is looked at what came of it.
#
# Not under sanitizers: pods run the bundle, which is always of the release
load lib/common

setup_file() {
	common_setup_file
	export PODS=$BATS_TEST_DIRNAME/../pods LIVE=${COOPER_TEST_CACHE:-/nowhere}/pods/live MADE=${COOPER_TEST_CACHE:-/nowhere}/pods
	export LIST=$BATS_TEST_DIRNAME/../tools/image-list NEWER=$MADE/newer
}

setup() {
	[ ! -e "$LIVE/failed" ] || fail "the pods could not be made: $(tail -n 30 "$LIVE/log")"
	[ -s "$LIVE/version" ] || skip "containerd made no pods (wants root, containerd, its CNI plug-ins and python3-grpcio)"
}

# built NAME [RESULTS]: the pod ended well.
built() {
	local results=${2:-$LIVE}
	[ "$(cat "$results/built/$1")" = 0 ] || fail "$1: $(tail -n 20 "$results/built/$1.log")"
}

# of_the_table RESULTS FILTER: the rows that jq's filter selects have their rungs.
of_the_table() {
	local wrong='' name want have
	for name in $(jq -r ".[] | select($2 and .seccomp != \"Podman\") | .name" "$PODS/table.json"); do
		want=$(jq -r --arg name "$name" '.[] | select(.name == $name) | .rung' "$PODS/table.json")
		# Which of stdout and stderr a runtime writes down first is not said.
		have=$(grep -v '^cooper: warning: ' "$1/rungs/$name" || true)
		[ "$have" = "$want" ] || wrong+="$name: '$have' instead of '$want'"$'\n'
	done
	[ -z "$wrong" ] || fail "$wrong"
}

skip_without_newer() {
	[ ! -e "$NEWER/failed" ] || fail "the pods could not be made: $(tail -n 30 "$NEWER/log")"
	[ -s "$NEWER/version" ] || skip "no containerd of Debian 13 (wants mmdebstrap, and its mirror once: tests/pods/node root)"
}

@test "under containerd's own RuntimeDefault and cooper's profile the rungs are those of the table" {
	of_the_table "$LIVE" '(.userns | not)'
	[ "$(ls "$LIVE/rungs" | wc -l)" -ge 9 ]
}

@test "in Debian 13's containerd, too, and with user namespaces of pods and an unmasked /proc all rungs are the table's" {
	skip_without_newer
	of_the_table "$NEWER" true
	[ "$(ls "$NEWER/rungs" | wc -l)" -ge 22 ]
}

@test "the manifests for hostUsers: false with an unmasked /proc build at rung 1 what the others build" {
	skip_without_newer
	for shape in job tekton gitlab; do
		built "$shape-baseline" "$NEWER"
		# The warning of a weaker rung; and the manifests refuse one.
		run ! grep -qE 'without namespaces|shares our processes' "$NEWER/built/$shape-baseline.log"
		diff <("$LIST" "$NEWER/built/$shape-baseline.tar") <("$LIST" "$LIVE/built/job-restricted.tar")
	done
	built job-again "$NEWER"
	grep -q '^1 of 1 steps from the cache' "$NEWER/built/job-again.log"
}

@test "each Job, Tekton task and GitLab job builds at its rung and pushes, with credentials from its Secret" {
	for shape in job tekton gitlab; do
		for pod in restricted localhost; do
			built "$shape-$pod"
			run "$LIST" "$LIVE/built/$shape-$pod.tar"
			assert_output_has "file|file|0o4755|7:8|-|"
		done
		grep -q 'root without namespaces' "$LIVE/built/$shape-restricted.log"
		run ! grep -q 'root without namespaces' "$LIVE/built/$shape-localhost.log"
	done
	# All six are one image, whatever the pod.
	for list in "$LIVE"/built/{job,tekton,gitlab}-{restricted,localhost}.tar; do
		"$LIST" "$list" | sha256sum
	done | sort -u >"$BATS_TEST_TMPDIR/lists"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/lists")" = 1 ]
}

@test "a second pod with an empty store takes from the registry's cache what the first has built" {
	grep -q '^0 of 1 steps from the cache' "$LIVE/built/job-restricted.log"
	built job-again
	grep -q '^1 of 1 steps from the cache' "$LIVE/built/job-again.log"
}

# build_here NAME: with subordinate ids, everything anew.
build_here() {
	cooper build -q --no-cache --secret "id=token,src=$BATS_TEST_TMPDIR/token" -t "$1" "$BATS_TEST_TMPDIR/context" \
		2>"$BATS_TEST_TMPDIR/log" || fail "$(tail -n 20 "$BATS_TEST_TMPDIR/log")"
	cooper push -q "$1" "oci-archive:$BATS_TEST_TMPDIR/$1.tar"
	"$LIST" "$BATS_TEST_TMPDIR/$1.tar" >"$BATS_TEST_TMPDIR/$1.list"
}

@test "a Debian image with packages, a cache and a secret, built by restricted Jobs, is this machine's, path by path" {
	[ -e "$LIVE/built/debian-restricted" ] || skip "there is no reference installation"
	cp -R "$PODS/debian" "$BATS_TEST_TMPDIR/context"
	cp -R /var/tmp/cooper-reference/debs "$BATS_TEST_TMPDIR/context/"
	printf hush >"$BATS_TEST_TMPDIR/token"
	registry=$(cat "$LIVE/registry")
	sed -i "s,registry\.example\.org,$registry," "$BATS_TEST_TMPDIR/context/Dockerfile"
	id=$(cooper pull -q "oci-archive:$MADE/debian.tar")
	cooper tag "$id" "$registry/debian:12"
	build_here one
	build_here another
	pods=("$LIVE"/built/debian-{restricted,localhost}.tar)
	[ ! -s "$LIVE/kubernetes" ] || pods+=("$LIVE"/built/kubectl-debian-{restricted,localhost}.tar)
	[ ! -s "$NEWER/version" ] || pods+=("$NEWER/built/debian-baseline.tar")
	for pod in "${pods[@]}"; do
		built "$(basename "$pod" .tar)" "${pod%/built/*}"
		"$LIST" "$pod" >"$BATS_TEST_TMPDIR/pod.list"
		run "$LIST" --compare "$BATS_TEST_TMPDIR"/{one,another,pod}.list
		assert_succeeds
		[ "$(wc -l <<<"$output")" = 1 ] || fail "the image of the pod '$pod' differs"
		[ "${output%% *}" -gt 8000 ] || fail "too little was compared"
		diff <("$LIST" --config "$BATS_TEST_TMPDIR/one.tar") <("$LIST" --config "$pod")
	done
	# What was to be compared is there.
	run grep -E '^(srv/site|usr/bin/sudo|usr/sbin/postdrop|home/builder)' "$BATS_TEST_TMPDIR/pod.list"
	assert_output_has "srv/site|dir|0o2750|33:4|-|-"
	assert_output_has "srv/site/null|char|0o660|0:6|-|1:3"
	assert_output_has "srv/site/queue|fifo|0o600|0:4|-|-"
	assert_output_has "srv/site/link|link|0o777|5:60|-|token.sum"
	assert_output_has "srv/site/ping|file|0o755|0:4|security.capability=0100000200200000000000000000000000000000|"
	assert_output_has "srv/site/elevated|file|0o6755|1:8|-|"
	assert_output_has "usr/bin/sudo|file|0o4755|0:0|-|"
	assert_output_has "home/builder/mine|file|0o644|1234:1234|-|"
	assert_output_has "home/builder/private|dir|0o700|1234:1234|-|-"
	run grep -c hush "$LIVE/built/debian-restricted.log"
	assert_output_is 0
}

# Kubernetes 1.20 of Debian's source package; all its pods are held to a policy that says what "restricted" says.
@test "the Jobs as they are submitted with kubectl: admitted as restricted, built at their rungs, pushed" {
	[ -s "$LIVE/kubernetes" ] || skip "Kubernetes' programs are not at hand (tests/pods/cluster build /var/tmp/cooper-kubernetes)"
	for pod in restricted localhost; do
		built "kubectl-$pod"
		diff <("$LIST" "$LIVE/built/kubectl-$pod.tar") <("$LIST" "$LIVE/built/job-$pod.tar")
		run cat "$LIVE/built/kubectl-$pod.pod"
		assert_output_has "kubernetes.io/psp: restricted"
	done
	grep -q 'root without namespaces' "$LIVE/built/kubectl-restricted.log"
	run ! grep -q 'root without namespaces' "$LIVE/built/kubectl-localhost.log"
	run cat "$LIVE/refused"
	assert_output_has "running with the root UID is forbidden"
}
