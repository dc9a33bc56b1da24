# What a new user types first.
load lib/common

@test "--help lists every command with a line" {
	run cooper --help
	assert_succeeds
	for command in from run copy add config mount umount unshare commit images rmi tag containers rm rename inspect pull \
		push login logout prune info version; do
		[[ $output == *$'\n'"  $command "* ]] || fail "no line for $command"
	done
}

@test "every command explains itself, by --help and as a man page" {
	for command in $(cooper --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		run cooper "$command" --help
		assert_succeeds
		assert_output_has "Usage: cooper $command"
		run cooper help --man "$command"
		assert_succeeds
		assert_output_has ".SH SYNOPSIS"
	done
}

@test "help fits on a terminal, and its columns stand below each other" {
	for command in build push run "image copy" "manifest add"; do
		# shellcheck disable=SC2086
		run -0 cooper $command --help
		# What is to be typed stays in one line.
		run -0 python3 -c 'import sys
text = sys.argv[1].split("\nExamples:")[0].splitlines()
long = [line for line in text if len(line) > 100 and not line.startswith("Usage:")]
assert not long, long' "$output"
	done
	# Also behind what is one character, but several bytes.
	run -0 cooper build --help
	[[ $output == *$'\n      --mount type=TYPE,…         a mount for every RUN\n'* ]]
	[[ $output == *$'\n      --target STAGE              build this stage'* ]]
}

@test "version has Buildah's form" {
	run cooper --version
	assert_succeeds
	[[ $output =~ ^cooper\ version\ [0-9.]+\ \(image-spec\ 1.1.1,\ runtime-spec\ 1.2.1\)$ ]]
	run cooper version --json
	assert_output_has '"imageSpec": "1.1.1"'
	assert_output_has '"osArch": "linux/'
}

@test "an unknown command or flag is named, and costs 125" {
	run cooper frmo
	assert_fails_with 125 "unknown command 'frmo'"
	assert_output_has "did you mean 'from'?"
	run cooper xyzzy
	assert_fails_with 125 "unknown command 'xyzzy' (see cooper --help)"
	run cooper from --nmae x scratch
	assert_fails_with 125 "unknown flag: --nmae (did you mean --name?)"
	run cooper rm -z
	assert_fails_with 125 "unknown shorthand flag: 'z'"
	run cooper from --name
	assert_fails_with 125 "flag needs an argument: --name"
	run cooper rename one
	assert_fails_with 125 "usage: cooper rename CONTAINER NAME"
	run cooper tag a
	assert_fails_with 125 "missing argument"
}

@test "a command of other builders is told what does it here" {
	run cooper save busybox
	assert_fails_with 125 "cooper push IMAGE docker-archive:FILE"
	run cooper load
	assert_fails_with 125 "cooper pull docker-archive:FILE"
}

@test "an option behind the container's name is refused where Buildah refuses it" {
	run cooper commit ctr --rm
	assert_fails_with 125 "no options (--rm) can be specified after the image or container name"
}

@test "global options stand before or behind the command" {
	other=$BATS_TEST_TMPDIR/other
	run cooper --root "$other" --storage-driver vfs --log-level error from --name a scratch
	assert_output_is a
	run cooper containers --root "$other" -q
	[ "${#output}" -eq 64 ]
	run cooper containers -q
	assert_output_is ""
	remove_store "$other"
}

@test "cooper alone explains itself" {
	run --separate-stderr cooper
	assert_succeeds
	assert_output_has "commit"
}

@test "a relative store in a directory that is gone is refused, not looked for in /" {
	mkdir "$BATS_TEST_TMPDIR/gone"
	cd "$BATS_TEST_TMPDIR/gone"
	rmdir "$BATS_TEST_TMPDIR/gone"
	run cooper --root store containers
	assert_fails_with 125 "'store' is relative"
	run cooper containers
	assert_succeeds
}

@test "a broken log level, trace topic or epoch is named" {
	run cooper --log-level loud images
	assert_fails_with 125 "loud"
	COOPER_TRACE=nosuch run cooper images
	assert_fails_with 125 "nosuch"
	SOURCE_DATE_EPOCH=yesterday run cooper images
	assert_fails_with 125 "SOURCE_DATE_EPOCH"
}

@test "completion scripts are valid for their shells" {
	cooper completion bash | bash -n
	cooper completion zsh | bash -n
	run cooper completion fish
	assert_output_has "complete -c cooper"
	run cooper completion tcsh
	assert_fails_with 125 "tcsh"
}

@test "a full standard output is an error, not silence" {
	[ -e /dev/full ] || skip "no /dev/full"
	run bash -c 'cooper version >/dev/full'
	assert_fails_with 125 "standard output"
}

@test "options of build stand under the title that they belong to" {
	run cooper build --help
	[[ ${output#*"Image options:"} == *--pull*--compression-format*"Platform options:"* ]]
	[[ ${output#*"Attestation options:"} != *--pull* ]]
}

@test "each log level that is offered is one, and no other" {
	local level
	run cooper --help
	for level in error warn info debug trace; do
		[[ $output =~ --log-level\ LEVEL[^\(]*$level ]] || fail "$level is not offered"
		cooper --log-level "$level" version >/dev/null
	done
	run cooper --log-level verbose version
	assert_fails_with 125 "'verbose' is not a log level"
}
