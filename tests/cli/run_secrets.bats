# run --mount type=secret and type=ssh: what one command is shown, and nothing keeps.
# shellcheck shell=bash disable=SC2154,SC2016 # bats' variables; scripts for the container

load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	ctr=$(cooper from busybox)
	printf 's3cret-text' >"$BATS_TEST_TMPDIR/secret"
	s=id=s,src=$BATS_TEST_TMPDIR/secret
}

teardown() {
	cooper rm "$ctr" >/dev/null
}

# shows MOUNT SCRIPT [OPTION...]: the script succeeds with that mount.
shows() {
	local mount=$1 script=$2
	shift 2
	run --separate-stderr cooper run "$@" --mount "$mount" "$ctr" -- sh -c "$script"
	assert_succeeds
}

@test "a secret is a file, root's alone, where it is asked for" {
	shows type=secret,id=s 'test "$(cat /run/secrets/s)" = s3cret-text && test "$(stat -c %a:%u:%g /run/secrets/s)" = 400:0:0' --secret "$s"
	shows type=secret,target=/etc/s 'test "$(cat /etc/s)" = s3cret-text' --secret "$s"
	shows type=secret,src=s,dst=rel 'test "$(cat /tmp/rel)" = s3cret-text' --secret "$s" --workingdir /tmp
	shows type=secret,id=s,mode=0440,uid=7,gid=8 'test "$(stat -c %a:%u:%g /run/secrets/s)" = 440:7:8' --secret "$s"
	shows type=secret,id=s '! (echo x >/run/secrets/s) 2>/dev/null' --secret "$s"
}

@test "a secret is a variable, from a file or from our environment" {
	shows type=secret,id=s,env=E 'test "$E" = s3cret-text && test ! -e /run/secrets/s' --secret "$s"
	shows type=secret,id=s,env=E,target=/f 'test "$E" = "$(cat /f)"' --secret "$s"
	SECRET_E=from-env shows type=secret,id=e 'test "$(cat /run/secrets/e)" = from-env' --secret id=e,env=SECRET_E
	shows type=secret,id=s,env=E 'test "$E" = own' --secret "$s" --env E=own
}

@test "one that was not given is said, or refused when it is required" {
	shows type=secret,id=none 'test ! -e /run/secrets/none'
	[[ $stderr == *"no secret 'none'"* ]]
	run -125 --separate-stderr cooper run --mount type=secret,id=none,required "$ctr" true
	[[ $stderr == *"secret none: not found"*"--secret id=none"* ]]
	run -125 --separate-stderr cooper run --mount type=ssh,required=true "$ctr" true
	[[ $stderr == *"ssh default: not forwarded"* ]]
	run -125 --separate-stderr cooper run --secret id=x,src=/no/such/file "$ctr" true
	[[ $stderr == *"--secret 'id=x,src=/no/such/file'"*"o such file"* ]]
	run -125 --separate-stderr cooper run --mount type=secret "$ctr" true
	[[ $stderr == *"no id"* ]]
}

@test "nothing of a secret is in the image, the container or the store" {
	shows type=secret,id=s 'cat /run/secrets/s >/dev/null' --secret "$s" --add-history
	cooper commit -q "$ctr" kept
	run cooper unshare sh -c 'find "$1" -path "*secrets*"; grep -rl s3cret-text "$1"' - "$COOPER_ROOT"
	[ -z "$output" ] || fail "left behind: $output"
	ctr2=$(cooper from kept)
	cooper run "$ctr2" -- sh -c 'test ! -e /run/secrets'
	cooper rm "$ctr2"
}

@test "an ssh agent can be reached through its socket" {
	skip_unless ssh-agent
	eval "$(ssh-agent -a "$BATS_TEST_TMPDIR/agent")" >/dev/null
	shows type=ssh,target=/agent.sock,mode=0666,uid=1000,gid=2000 'test -S /agent.sock && test "$(stat -c %a:%u:%g /agent.sock)" = 666:1000:2000 && test "$SSH_AUTH_SOCK" = /agent.sock' --ssh default
	shows type=ssh,id=named 'test -S "$SSH_AUTH_SOCK" && test "$SSH_AUTH_SOCK" = /run/buildkit/ssh_agent.0' --ssh "named=$BATS_TEST_TMPDIR/agent"
	ssh-agent -k >/dev/null
}

@test "no process that knows a secret leaves a core" {
	local pid process limits=
	[ "$(ulimit -Hc)" != 0 ] || skip "this user may have no cores"
	ulimit -Sc "$(ulimit -Hc)"
	mkfifo "$BATS_TEST_TMPDIR/go"
	cooper run -v "$BATS_TEST_TMPDIR/go:/go" --secret "$s" --mount type=secret,id=s "$ctr" -- sh -c 'echo here >/go; cat /go' >/dev/null 3>&- &
	pid=$!
	[ "$(timeout 60 cat "$BATS_TEST_TMPDIR/go")" = here ]
	for process in "$pid" $(pgrep -x cooper -P "$pid" || true); do
		limits+=$(grep '^Max core file size' "/proc/$process/limits")
	done
	echo end >"$BATS_TEST_TMPDIR/go"
	wait "$pid"
	[[ $limits =~ ^(Max core file size +0 +[a-z0-9]+ +bytes *)+$ ]] || fail "$limits"
}

@test "without namespaces a killed command's secrets are taken away by the next" {
	local pid left ctr
	# A store of one id, beside the one of the other stories.
	local -x COOPER_ISOLATION=translated COOPER_ROOT=$BATS_TEST_TMPDIR/root COOPER_RUNROOT=$BATS_TEST_TMPDIR/root/run
	use_busybox
	ctr=$(cooper from busybox)
	mkfifo "$BATS_TEST_TMPDIR/go"
	cooper run -v "$BATS_TEST_TMPDIR/go:/go" --secret "$s" --mount type=secret,id=s "$ctr" -- sh -c 'echo here >/go; cat /go' >/dev/null 2>&1 3>&- &
	pid=$!
	[ "$(timeout 60 cat "$BATS_TEST_TMPDIR/go")" = here ]
	left=$(grep -ls "s3cret-text" /dev/shm/cooper-secrets-*/* || true)
	kill -KILL "$pid"
	wait "$pid" || true
	[ -n "$left" ] # by now another command of this user may have taken it away
	cooper run --secret "$s" --mount type=secret,id=s "$ctr" -- true
	[ ! -e "${left%/*}" ]
	remove_store "$COOPER_ROOT"
}
