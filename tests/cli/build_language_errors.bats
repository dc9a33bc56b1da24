# The Dockerfile language: errors, their places, suggestions and exit codes.
load lib/common
load lib/build
load lib/language

@test "instructions that are none, with what was meant" {
	refuses_each <<-'EOF'
		RUNN true => unknown instruction: RUNN (did you mean RUN?)
		COPPY one / => unknown instruction: COPPY (did you mean COPY?)
		FORM busybox => unknown instruction: FORM (did you mean FROM?)
		ENTRYPONT x => unknown instruction: ENTRYPONT (did you mean ENTRYPOINT?)
		work /a => unknown instruction
		XYZZY => unknown instruction: XYZZY
		|| true => unknown instruction
	EOF
	printf 'FROM busybox\nXYZZY\n' | dockerfile
	refuses "unknown instruction"
	[[ $stderr != *"did you mean"* ]]
}

@test "flags, mount options and values, with what was meant" {
	refuses_each <<-'EOF'
		COPY --form=x /a /b => did you mean from
		RUN --mount=type=cahce,target=/x true => did you mean cache
		RUN --mount=type=secret,id=x,requierd true => did you mean required
		RUN --mount=type=cache,target=/x,sharing=share true => did you mean shared
		RUN --netwrok=none true => did you mean network
		ADD --checksun=x one / => did you mean checksum
	EOF
}

@test "stages that are mistyped, where they are looked for" {
	local line
	for line in 'FROM bilder' 'FROM busybox\nCOPY --from=bilder /a /' 'FROM busybox\nRUN --mount=from=bilder,target=/x true'; do
		printf "FROM busybox AS builder\n$line\n" | dockerfile
		refuses "did you mean builder?" --pull=never
	done
	printf 'FROM busybox AS builder\nFROM zzz\n' | dockerfile
	refuses "zzz" --pull=never
	[[ $stderr != *"did you mean"* ]]
}

@test "the excerpt shows the lines around, and marks the whole instruction" {
	dockerfile <<-'EOF'
		# one
		FROM busybox
		ENV A=1
		RUN echo \
		    # a comment
		    && false
		ENV B=2
		ENV C=3
	EOF
	run --separate-stderr cooper build "$context"
	[ "$status" -eq 1 ]
	[[ $stderr == *"   2 |     FROM busybox"* && $stderr == *"   3 |     ENV A=1"* ]]
	[[ $stderr == *"   4 | >>> RUN echo"* && $stderr == *"   5 | >>> "*"# a comment"* && $stderr == *"   6 | >>> "*"&& false"* ]]
	[[ $stderr == *"   7 |     ENV B=2"* ]]
	cooper rm -a >/dev/null
}

@test "the file that was read is named" {
	printf 'FROM busybox\nNONE\n' >other.df
	run --separate-stderr cooper build -f other.df "$context"
	[ "$status" -eq 125 ]
	[[ $stderr == *other.df:2* ]]
	run --separate-stderr cooper build -f - "$context" <<<$'FROM busybox\nNONE'
	[ "$status" -eq 125 ]
	[[ $stderr == *:2:* ]]
	refuses nowhere -f nowhere
}

@test "a parse error comes before anything is done" {
	printf 'FROM nowhere.invalid/x\nRUN false\nNONE\n' | dockerfile
	refuses "unknown instruction: NONE"
	[[ $stderr != *STEP* ]]
}

@test "an error in a stage that is not needed is still one of the language" {
	printf 'FROM busybox AS a\nNONE\nFROM busybox\n' | dockerfile
	refuses "unknown instruction: NONE"
	printf 'FROM busybox AS a\nCOPY --from=nowhere.invalid/x /a /\nFROM busybox\n' | dockerfile
	build
}

@test "exit codes: of the step, and 125 for the rest" {
	local code
	for code in 1 2 42 125 255; do
		printf 'FROM busybox\nRUN exit %s\n' "$code" | dockerfile
		run cooper build "$context"
		[ "$status" -eq "$code" ] || fail "exit $code became $status"
	done
	cooper rm -a >/dev/null
	printf 'FROM busybox\nCOPY none /\n' | dockerfile
	run cooper build "$context"
	assert_fails_with 125 none
	printf 'FROM localhost/not/there\n' | dockerfile
	run cooper build --pull=never "$context"
	assert_fails_with 125 "localhost/not/there"
	run cooper build "$context/none"
	assert_fails_with 125 none
	printf 'FROM busybox\n' | dockerfile
	run cooper build --nonsense "$context"
	assert_fails_with 125 nonsense
}

@test "nothing is named, and no id printed, when a build fails" {
	printf 'FROM busybox\nRUN false\n' | dockerfile
	run --separate-stderr cooper build -t failing "$context"
	[ "$status" -eq 1 ] && [ -z "$output" ]
	run cooper inspect --type image failing
	[ "$status" -ne 0 ]
	cooper rm -a >/dev/null
}

@test "colours, and what a terminal obeys, are not passed on from the file" {
	printf 'FROM busybox\nNONE \033[31m\a\n' | dockerfile
	refuses "unknown instruction: NONE"
	[[ $stderr != *$'\033'* && $stderr != *$'\a'* ]]
}

@test "a NUL, a binary file, and what is no UTF-8" {
	printf 'FROM busybox\nENV A=a\0b\n' | dockerfile
	run --separate-stderr cooper build "$context"
	[ "$status" -eq 125 ] || [ "$status" -eq 0 ]
	head -c 5000 /bin/ls | dockerfile
	run --separate-stderr cooper build "$context"
	[ "$status" -eq 125 ]
	printf 'FROM busybox\nENV A=\xff\xfe\n' | dockerfile
	run --separate-stderr cooper build "$context"
	[ "$status" -lt 126 ]
}
