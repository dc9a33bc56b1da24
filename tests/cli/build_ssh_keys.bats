# cooper build --ssh ID=KEY: key files without an agent of the user's.
load lib/common
load lib/build

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	skip_unless ssh-keygen
	skip_unless ssh-agent
	make_context
	ssh-keygen -q -t ed25519 -N '' -C first -f "$BATS_TEST_TMPDIR/one"
	ssh-keygen -q -t ed25519 -N '' -C second -f "$BATS_TEST_TMPDIR/two"
	ssh-keygen -q -t ed25519 -N 'pass phrase' -C locked -f "$BATS_TEST_TMPDIR/locked"
	unset SSH_AUTH_SOCK
	# busybox has nothing that speaks to an agent: the host's own programs, by a mount of all of /usr and its libraries.
	dockerfile <<-'EOF2'
		FROM busybox
		RUN --mount=type=ssh,required=true /usr/bin/ssh-add -l && /usr/bin/ssh-add -L | grep -c ssh-ed25519
	EOF2
}

agents() {
	pgrep -u "$(id -u)" -f '^ssh-agent -a /tmp/cooper-ssh-' | wc -l
}

@test "a key file is served by an agent that ends with the step" {
	before=$(agents)
	run --separate-stderr -0 cooper build --no-cache -t made --volume /usr:/usr:ro --volume /lib:/lib:ro --volume /lib64:/lib64:ro \
		--ssh "default=$BATS_TEST_TMPDIR/one,$BATS_TEST_TMPDIR/two" "$context"
	[[ $stderr == *" first (ED25519)"* ]]
	[[ $stderr == *" second (ED25519)"* ]]
	[[ $stderr == *$'\n2\n'* ]]
	[ "$(agents)" -eq "$before" ]
	[ -z "$(find /tmp -maxdepth 1 -name 'cooper-ssh-*' -user "$(id -u)")" ]
}

@test "a file that is no key, has a passphrase or is not there fails with its name and the reason" {
	echo nonsense >"$BATS_TEST_TMPDIR/none"
	chmod 600 "$BATS_TEST_TMPDIR/none"
	for name in none locked missing; do
		run cooper build --no-cache --ssh "default=$BATS_TEST_TMPDIR/$name" "$context"
		assert_fails_with 125 "ssh default"
		assert_output_has "$BATS_TEST_TMPDIR/$name"
	done
	[ -z "$(find /tmp -maxdepth 1 -name 'cooper-ssh-*' -user "$(id -u)")" ]
}
