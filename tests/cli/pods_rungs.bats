# What cooper gets, says and builds in pods as containerd makes them: tests/pods/all has run tests/pods/job in each row of
# tests/pods/table.json; here its results are looked at.
#
# Not under sanitizers: pods run the bundle, which is always of the release
load lib/common

setup_file() {
	common_setup_file
	export PODS=$BATS_TEST_DIRNAME/../pods MADE=${COOPER_TEST_CACHE:-/nowhere}/pods
}

setup() {
	[ -d "$MADE/results" ] || skip "no pods were run (root and crun are needed: tests/pods/all)"
}

# rows FILTER: the names of the rows that jq's filter selects.
rows() {
	jq -r ".[] | select($1) | .name" "$PODS/table.json"
}

@test "in every kind of pod cooper info names the rung that the table says is possible" {
	wrong=
	for name in $(rows true); do
		want=$(jq -r --arg name "$name" '.[] | select(.name == $name) | .rung' "$PODS/table.json")
		have=$(jq -r .isolation.rung "$MADE/results/$name/info.json")
		[ "$have" = "$want" ] || wrong+="$name: rung $have instead of $want"$'\n'
	done
	[ -z "$wrong" ] || fail "$wrong"
	[ "$(rows true | wc -l)" -ge 20 ]
}

@test "in every kind of pod but the best cooper info says what would raise the rung" {
	wrong=
	for name in $(rows '.rung != "1"'); do
		remedy=$(jq -r .isolation.remedy "$MADE/results/$name/info.json")
		[ "${#remedy}" -gt 20 ] || wrong+="$name: '$remedy'"$'\n'
		jq -e '[.isolation.probes[] | select(.result != "ok")] | length > 0 and all(.means != null)' \
			"$MADE/results/$name/info.json" >/dev/null || wrong+="$name: probes"$'\n'
	done
	[ -z "$wrong" ] || fail "$wrong"
	jq -r .isolation.remedy "$MADE/results/d4/info.json" | grep -q runAsUser
	jq -r .isolation.remedy "$MADE/results/a/info.json" | grep -q seccomp
	jq -r .isolation.remedy "$MADE/results/c/info.json" | grep -q allowPrivilegeEscalation
	jq -r .isolation.remedy "$MADE/results/c2/info.json" | grep -q procMount
}

# The same Dockerfile on this machine with the user's own ids.
build_here() {
	cp -R "$PODS/context" "$BATS_TEST_TMPDIR/context"
	printf hush >"$BATS_TEST_TMPDIR/token"
	base=$(cooper pull -q "oci-archive:$MADE/busybox.tar")
	cooper tag "$base" busybox
	SOURCE_DATE_EPOCH=1700000000 cooper build -q --secret "id=token,src=$BATS_TEST_TMPDIR/token" \
		-t built "$BATS_TEST_TMPDIR/context" 2>"$BATS_TEST_TMPDIR/log" || fail "$(cat "$BATS_TEST_TMPDIR/log")"
}

@test "every pod builds the image that this machine builds: the same id" {
	want=$(build_here)
	[ "${#want}" -ge 64 ]
	wrong=
	for name in $(rows .builds); do
		[ "$(cat "$MADE/results/$name/status")" = 0 ] ||
			wrong+="$name: $(tail -n 5 "$MADE/results/$name/log")"$'\n'
		have=$(cat "$MADE/results/$name/id" || true)
		[ "$have" = "$want" ] || wrong+="$name: '$have' instead of '$want'"$'\n'
	done
	[ -z "$wrong" ] || fail "$wrong"
	[ "$(rows .builds | wc -l)" = "$(rows true | wc -l)" ]
}

@test "what a pod has pushed is that image" {
	want=$(build_here)
	for name in c e2; do
		run cooper pull -q "oci-archive:$MADE/results/$name/built.tar"
		assert_succeeds
		assert_output_is "$want"
	done
}

@test "a session shows and gives the same in every pod as on this machine" {
	build_here >/dev/null
	SOURCE_DATE_EPOCH=1700000000 cooper unshare sh "$PODS/session" >"$BATS_TEST_TMPDIR/session"
	grep -q '^shut 7:8 0$' "$BATS_TEST_TMPDIR/session"
	for name in $(rows .builds); do
		diff "$BATS_TEST_TMPDIR/session" "$MADE/results/$name/session.txt" || fail "$name: $(tail -n 5 "$MADE/results/$name/log")"
	done
}

# What it tries: tests/pods/context/attack.sh.
@test "a step reaches no process, memory, variable, descriptor or file of its pod, at any rung" {
	wrong=
	for name in $(rows .builds); do
		log=$MADE/results/$name/attack.log
		grep -q '^the attack is over' "$log" || wrong+="$name: $(tail -n 5 "$log")"$'\n'
		! grep -q LEAK "$log" || wrong+="$name: $(grep LEAK "$log")"$'\n'
		! grep -q treasure "$log" || wrong+="$name: treasures in the log"$'\n'
		grep -q '^the neighbour lives' "$log" || wrong+="$name: the neighbour is dead"$'\n'
	done
	for name in $(rows '.rung == "1" or .rung == "2"'); do
		! grep -q known: "$MADE/results/$name/attack.log" || wrong+="$name: sees others"$'\n'
	done
	[ -z "$wrong" ] || fail "$wrong"
	# The attack is real: where processes are shared, it has seen some.
	grep -q known: "$MADE/results/c/attack.log"
}

@test "a build without namespaces says so" {
	for name in $(rows '(.rung == "3" or .rung == "4") and .builds'); do
		[ "$(grep -c 'root without namespaces' "$MADE/results/$name/log")" -ge 1 ] || fail "$name: $(cat "$MADE/results/$name/log")"
	done
	for name in $(rows '(.rung == "1" or .rung == "2")'); do
		[ ! -s "$MADE/results/$name/log" ] || ! grep -q 'without namespaces' "$MADE/results/$name/log" || fail "$name warns"
	done
}
