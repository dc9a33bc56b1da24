# The Dockerfile language: ONBUILD.
load lib/common
load lib/build
load lib/language

# parent: the Dockerfile on stdin becomes the image "parent".
parent() {
	dockerfile
	run --separate-stderr cooper build -t parent "$context"
	assert_succeeds
}

@test "triggers are kept as written, and run by the next image alone" {
	parent <<-'EOF'
		FROM busybox
		ONBUILD   RUN echo "$X" >/ran
		onbuild COPY one /one
		ONBUILD ENV T=1
	EOF
	run --separate-stderr cooper inspect --type image parent
	assert_output_has 'RUN echo'
	printf 'FROM parent\nARG X=later\nRUN test "$(cat /one)" = one && test "$T" = 1 && test -z "$(cat /ran)"\n' | dockerfile
	build
	has_config '"OnBuild" not in c and "T=1" in c["Env"]'
	has_config 'history[-4:-2] == ["COPY one /one # buildkit", "ENV T=1"]'
	run --separate-stderr cooper build -t child "$context"
	printf 'FROM child\nRUN rm /one\nRUN test ! -e /one\n' | dockerfile
	build
}

@test "triggers run for stages of the same file" {
	dockerfile <<-'EOF'
		FROM busybox AS base
		ONBUILD RUN echo x >>/count
		RUN test ! -e /count
		FROM base AS one
		RUN test "$(wc -l </count)" = 1
		FROM one
		RUN test "$(wc -l </count)" = 1
	EOF
	build
	has_config '"OnBuild" not in c'
	build --target base
	has_config 'c["OnBuild"] == ["RUN echo x >>/count"]'
}

@test "triggers see ENV of the parent, and ARG of triggers before them" {
	parent <<-'EOF'
		FROM busybox
		ENV E=env
		ONBUILD ARG A=default
		ONBUILD LABEL l=$E-$A
		ONBUILD WORKDIR /$A
	EOF
	printf 'FROM parent\nRUN test "$PWD" = /given && test "$A" = given\n' | dockerfile
	build --build-arg A=given
	has_config 'c["Labels"]["l"] == "env-given"'
}

@test "triggers bring in stages, and images" {
	parent <<-'EOF'
		FROM busybox
		ONBUILD COPY --from=assets /f /f
		ONBUILD RUN --mount=from=assets,source=/f,target=/m test "$(cat /m)" = asset
		ONBUILD COPY --from=busybox /etc/group /g
	EOF
	dockerfile <<-'EOF'
		FROM busybox AS assets
		RUN echo asset >/f
		FROM parent
		RUN test "$(cat /f)" = asset && test -e /g
	EOF
	build
}

@test "triggers with here-documents" {
	parent <<-'EOF'
		FROM busybox
		ENV V=1
		ONBUILD RUN <<EOT
		echo "script $V" >/out
		EOT
		ONBUILD COPY <<-FILE /file
			text $V
		FILE
	EOF
	printf 'FROM parent\n' | dockerfile
	build
	run inside 'cat /out /file'
	assert_output_is $'script 1\ntext 1'
}

@test "what cannot be a trigger" {
	refuses_each <<-'EOF'
		ONBUILD ONBUILD RUN true => chaining ONBUILD via
		ONBUILD FROM busybox => FROM isn't allowed as an ONBUILD trigger
		ONBUILD MAINTAINER x => MAINTAINER isn't allowed as an ONBUILD trigger
		ONBUILD onbuild RUN true => chaining ONBUILD via
	EOF
}

@test "a trigger that fails speaks of the FROM" {
	parent <<-'EOF'
		FROM busybox
		ONBUILD RUN exit 9
	EOF
	printf '# comment\n\nFROM parent\nRUN true\n' | dockerfile
	run --separate-stderr cooper build "$context"
	[ "$status" -eq 9 ]
	[[ $stderr == *Dockerfile:3* && $stderr == *">>> FROM parent"* ]]
	cooper rm -a >/dev/null
	parent <<-'EOF'
		FROM busybox
		ONBUILD COPY nothing-like-it /
	EOF
	printf 'FROM parent\n' | dockerfile
	refuses nothing-like-it
	parent <<-'EOF'
		FROM busybox
		ONBUILD NONSENSE x
	EOF
	printf 'FROM parent\n' | dockerfile
	refuses NONSENSE
}

@test "ONBUILD leaves nothing in the history" {
	printf 'FROM busybox\nONBUILD RUN  echo  x\n' | dockerfile
	build
	has_config 'len(history) == 1 and c["OnBuild"] == ["RUN  echo  x"]'
}
