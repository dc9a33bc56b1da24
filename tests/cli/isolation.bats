# The ladder of docs/rootless.md on one machine: which level is found when something is taken away, what is said of it, and
# what --isolation and --min-isolation make of that. Pods are in pods_rungs.bats.
load lib/common

setup_file() {
	common_setup_file
	busybox_archive >/dev/null
}

setup() {
	# Each level has ids of its own, so a store of its own.
	fresh_store "$BATS_TEST_NUMBER"
}

teardown() {
	chmod -R u+rwX "$COOPER_ROOT" 2>/dev/null || true
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

# A container of busybox, made in whatever surroundings: here COMMAND...
here() {
	"$@" bash -c 'cooper from "$(cooper pull -q "oci-archive:$1")"' bash "$(busybox_archive)"
}

alone() {
	unshare --map-root-user "$@"
}

# No user namespaces: as root of this one, and as its root without capabilities.
without_namespaces() {
	unshare --map-root-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"' sh "$@"
}

without_anything() {
	without_namespaces setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
}

# A /proc that has something mounted over it cannot be mounted anew by who did not mount that (user_namespaces(7)).
with_masked_proc() {
	unshare --map-root-user --mount sh -c 'mount -t tmpfs none /proc/acpi && exec "$@"' sh "$@"
}

rung() {
	"$@" cooper info --format '{{.isolation.rung}}'
}

@test "what is taken away decides the level" {
	[ -d /proc/acpi ] || skip "this kernel has no /proc/acpi to mask"
	[ "$(rung env)" = 1 ]
	[ "$(rung alone)" = 2 ]
	[ "$(rung with_masked_proc)" = 2p ]
	[ "$(rung without_namespaces)" = 3 ]
	[ "$(rung without_anything)" = 4 ]
	[ "$(COOPER_ISOLATION=translated rung env)" = 4 ]
}

@test "info names each probe that failed, its error, what it costs, and the one change that would help" {
	run --separate-stderr -0 without_anything cooper info
	python3 - "$output" <<-'END'
		import json, sys
		isolation = json.loads(sys.argv[1])["isolation"]
		probes = {p["name"]: p for p in isolation["probes"]}
		assert len(probes) >= 14, probes
		assert probes["user namespace"]["result"] == "No space left on device", probes
		assert probes["user namespace"]["means"] == "no containers with namespaces"
		for name in "seccomp listener", "ptrace", "Landlock", "openat2":
		    assert probes[name] == {"name": name, "result": "ok"}, probes[name]
		assert "user.max_user_namespaces" in isolation["remedy"], isolation["remedy"]
	END
	run -0 alone cooper info --format '{{.isolation.remedy}}'
	[[ $output == *"single id"* ]]
	run -0 cooper info --format '{{.isolation.remedy}}'
	[ -z "$output" ] || [ "$output" = "<no value>" ]
}

@test "a fall to a root without namespaces is one line of warning, and --isolation full refuses it" {
	for fall in without_namespaces without_anything; do
		fresh_store "$BATS_TEST_NUMBER-$fall"
		ctr=$(here "$fall" 2>/dev/null)
		run --separate-stderr -0 "$fall" cooper run "$ctr" id -u
		[ "$output" = 0 ]
		[ "$(grep -c warning <<<"$stderr")" = 1 ] || fail "$stderr"
		[[ $stderr == *"No space left on device"*"root without namespaces instead"* ]]
		run "$fall" cooper run --isolation full "$ctr" true
		assert_fails_with 125 "max_user_namespaces"
		# Chosen, it is no fall.
		COOPER_ISOLATION=translated run --separate-stderr -0 "$fall" cooper run "$ctr" true
		[ -z "$stderr" ]
	done
}

@test "--min-isolation refuses what is weaker, in the order 1, 2, 1p, 2p, 3, 4" {
	ctr=$(here alone)
	run alone cooper --min-isolation 1 run "$ctr" true
	assert_fails_with 125 "this machine isolates at rung 2, --min-isolation asks for 1 (see cooper info)"
	for level in 2 1p 2p 3 4; do
		run -0 alone cooper --min-isolation "$level" run "$ctr" true
	done
	run alone cooper --min-isolation 5 run "$ctr" true
	assert_fails_with 125 "--min-isolation"
	printf 'FROM %s\nRUN true\n' "$(alone cooper inspect --format '{{.FromImageID}}' "$ctr")" >"$BATS_TEST_TMPDIR/Dockerfile"
	run alone cooper --min-isolation 1 build "$BATS_TEST_TMPDIR"
	assert_fails_with 125 "asks for 1"

	fresh_store "$BATS_TEST_NUMBER-3"
	ctr=$(here without_namespaces 2>/dev/null)
	run -0 without_namespaces cooper --min-isolation 3 run "$ctr" true
	run without_namespaces cooper --min-isolation 2p run "$ctr" true
	assert_fails_with 125 "rung 3, --min-isolation asks for 2p"
	fresh_store "$BATS_TEST_NUMBER-4"
	ctr=$(here without_anything 2>/dev/null)
	run -0 without_anything cooper --min-isolation 4 run "$ctr" true
	run without_anything cooper --min-isolation 3 run "$ctr" true
	assert_fails_with 125 "rung 4, --min-isolation asks for 3"
}

@test "--isolation takes Buildah's words, and no others" {
	ctr=$(here env)
	for kind in auto full oci rootless chroot; do
		run -0 cooper run --isolation "$kind" "$ctr" sh -c 'id -u; ls /proc | grep -c "^[0-9]"'
		[ "${lines[0]}" = 0 ]
		[ "${lines[1]}" -lt 8 ]
	done
	run cooper run --isolation none "$ctr" true
	assert_fails_with 125 "--isolation 'none': not one of auto, full, translated, oci, rootless, chroot"
}

@test "the report of a build names the level that its steps have had" {
	printf 'FROM busybox AS a\nRUN echo a >/a\nFROM busybox\nRUN echo b >/b\nCOPY --from=a /a /\n' >"$BATS_TEST_TMPDIR/Dockerfile"
	for pair in env:1 alone:2 without_namespaces:3 without_anything:4; do
		fresh_store "$BATS_TEST_NUMBER-${pair%:*}"
		"${pair%:*}" bash -c 'cooper tag "$(cooper pull -q "oci-archive:$1")" busybox' bash "$(busybox_archive)" 2>/dev/null
		run --separate-stderr -0 "${pair%:*}" cooper build --progress=json --metadata-file "$BATS_TEST_TMPDIR/meta" "$BATS_TEST_TMPDIR"
		[ "$(jq -r '."io.github.cooper.build".isolation' "$BATS_TEST_TMPDIR/meta")" = "${pair#*:}" ]
		[ "$(grep '^{' <<<"$stderr" | jq -r 'select(.event == "summary").isolation')" = "${pair#*:}" ]
	done
	# What ran nothing had none.
	run -0 without_anything cooper build --metadata-file "$BATS_TEST_TMPDIR/meta" "$BATS_TEST_TMPDIR"
	[ "$(jq '."io.github.cooper.build" | has("isolation")' "$BATS_TEST_TMPDIR/meta")" = false ]
}

@test "where processes are shared a step changes none of its neighbours, and its own as it likes" {
	[ -d /proc/acpi ] || skip "this kernel has no /proc/acpi to mask"
	gcc -O1 -static -pthread -o "$BATS_TEST_TMPDIR/attacks" "$BATS_TEST_DIRNAME/../programs/attacks.c" || skip "no static C library"
	ctr=$(here with_masked_proc)
	cat >"$BATS_TEST_TMPDIR/script" <<-'END'
		sleep 300 &
		neighbour=$!
		cooper run -v "$1:/attacks:ro" "$2" sh -c "ls -d /proc/$neighbour; /attacks --number $neighbour; echo status \$?" 2>/dev/null
		cooper run "$2" sh -c 'sleep 100 & renice -n 5 -p $! >/dev/null; cat /proc/$!/stat | cut -d" " -f19; kill $!; ulimit -c 0; ulimit -c' 2>/dev/null
		kill "$neighbour"
	END
	run -0 with_masked_proc bash "$BATS_TEST_TMPDIR/script" "$BATS_TEST_TMPDIR/attacks" "$ctr"
	[[ ${lines[0]} == /proc/* ]]
	[ "${lines[1]}" = "status 0" ] || fail "$output"
	nicer=$(($(nice) + 5))
	[ "${lines[2]}" = $((nicer > 19 ? 19 : nicer)) ]
	[ "${lines[3]}" = 0 ]
}

@test "where AppArmor restricts user namespaces the profile and the sysctl are named" {
	cc -shared -fPIC -O1 -o "$BATS_TEST_TMPDIR/apparmor.so" "$BATS_TEST_DIRNAME/../programs/apparmor.c" || skip "no C compiler"
	ctr=$(here env)
	export LD_PRELOAD=$BATS_TEST_TMPDIR/apparmor.so ASAN_OPTIONS=verify_asan_link_order=0
	run -125 cooper run "$ctr" true
	[[ $output == *"act as root of the user namespace: operation not permitted (AppArmor allows "*"make install"*"apparmor_restrict_unprivileged_userns=0)" ]] ||
		fail "$output"
	run --separate-stderr -0 without_anything cooper info --format '{{.isolation.remedy}}'
	[[ $output == *"AppArmor profile (make install)"* ]] || fail "$output"
}
