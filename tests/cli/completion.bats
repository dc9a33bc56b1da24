# What the completion scripts do in the shells that they are for.
load lib/common

# completed WORD...: what the last word of that command line may become, in bash, which takes words apart at colons.
completed() {
	local COMP_LINE=$* COMP_POINT COMP_WORDS=() COMP_CWORD COMP_WORDBREAKS=${breaks-$' \t\n"\'><=;|&(:'} word
	COMP_POINT=${#COMP_LINE}
	for word; do
		while [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; do
			COMP_WORDS+=("${word%%:*}" :)
			word=${word#*:}
		done
		COMP_WORDS+=("$word")
	done
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_cooper
	output=${COMPREPLY[*]}
}

@test "the script for zsh has nothing that only bash knows" {
	run -1 grep -nE ';;&|mapfile|readarray' <(cooper completion zsh)
	! command -v zsh || cooper completion zsh | zsh -n
}

# A quote too many anywhere, and fish reads nothing of it. In '…' a backslash is for the character behind it.
@test "the script for fish has its quotes in pairs" {
	cooper completion fish | python3 -c 'import re, sys
for line in sys.stdin:
    assert re.fullmatch(r"""(?:[^\x27\\]|\x27(?:[^\x27\\]|\\.)*\x27)*\n""", line), line'
	! command -v fish || fish --no-execute <(cooper completion fish)
}

@test "bash completes commands, those of groups, and options" {
	# shellcheck disable=SC1090
	source <(cooper completion bash)
	completed cooper im
	assert_output_is "images image"
	completed cooper image co
	assert_output_is "copy"
	completed cooper image copy --src-t
	assert_output_is "--src-tls-verify"
	completed cooper rm --a
	assert_output_is "--all"
}

@test "bash completes names of containers, and executes none" {
	cooper from --name web scratch
	cooper from --name 'x$(touch executed)' scratch
	cd "$BATS_TEST_TMPDIR"
	# shellcheck disable=SC1090
	source <(cooper completion bash)
	completed cooper rm w
	assert_output_is "web"
	completed cooper rm x
	assert_output_is ""
	[ ! -e executed ]
	cooper rm web 'x$(touch executed)'
}

@test "bash completes names of images beyond their colons" {
	local breaks
	cooper commit -q "$(cooper from scratch)" app:first >/dev/null
	cooper tag app:first app:second
	# shellcheck disable=SC1090
	source <(cooper completion bash)
	completed cooper rmi localhost/a
	assert_output_is "localhost/app:first localhost/app:second"
	completed cooper rmi localhost/app:
	assert_output_is "first second"
	completed cooper rmi localhost/app:s
	assert_output_is "second"
	completed cooper build --from=localhost/app:s
	assert_output_is "second"
	breaks=$' \t\n'
	completed cooper rmi localhost/app:s
	assert_output_is "localhost/app:second"
}

@test "what is installed for bash and fish is what is printed" {
	local shared=$COOPER_TEST_STAGE/usr/share
	cooper completion bash | cmp - "$shared/bash-completion/completions/cooper"
	cooper completion fish | cmp - "$shared/fish/vendor_completions.d/cooper.fish"
}
