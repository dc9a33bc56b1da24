# cooper build: what is taken from the cache, and what is not.
load lib/common
load lib/build

@test "a second build is the first one's image" {
	dockerfile <<-'EOF'
		FROM busybox
		COPY . /c
		RUN cat /proc/sys/kernel/random/uuid >/now
		WORKDIR /w
		LABEL a=b
	EOF
	build
	first=$output
	sleep 1.1
	build
	cached 3
	assert_output_is "$first"
}

@test "labels and comments of later steps change no key; an ARG only what follows it" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN echo 1
		ARG V=1
		RUN echo 2
	EOF
	build
	dockerfile <<-'EOF'
		# a comment
		FROM busybox
		LABEL new=label
		EXPOSE 80
		RUN echo 1
		ARG V=2
		RUN echo 2
	EOF
	build
	cached 1
}

@test "COPY: content, name and mode count, times and other files do not" {
	printf 'FROM busybox\nCOPY one dir /d/\n' | dockerfile
	build
	touch -d 2001-01-01 one dir dir/flat && echo other >unrelated
	build
	cached 1
	chmod 755 one
	build
	cached 0
	echo changed >dir/sub/deep
	build
	cached 0
	mv dir/flat dir/renamed
	build
	cached 0
	mv dir/renamed dir/flat
	build
	cached 1
}

@test "a file that is changed without changing its size or time is seen" {
	printf 'FROM busybox\nCOPY one /\n' | dockerfile
	touch -d 2001-01-01 one
	build
	build
	cached 1
	echo eno >one
	touch -d 2001-01-01 one
	build
	cached 0
	run inside 'cat /one'
	assert_output_is eno
}

@test "a stage that comes out the same does not disturb who copies from it" {
	dockerfile <<-'EOF'
		FROM scratch AS files
		COPY one /one
		FROM busybox
		COPY --from=files /one /
		RUN true
	EOF
	build
	build --no-cache-filter files
	cached 2
	build --no-cache
	cached 0
}

@test "a copy from a stage depends on the files it takes" {
	dockerfile <<-'EOF'
		FROM busybox AS work
		RUN cat /proc/sys/kernel/random/uuid >/other && mkdir /d && echo same >/d/file
		FROM busybox
		COPY --from=work /d /d
		RUN true
	EOF
	build
	build --no-cache-filter work
	cached 2
}

@test "--link does not depend on what was before" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG V
		RUN echo $V >/v
		COPY --link one /linked/
		COPY one /plain/
	EOF
	build --build-arg V=1
	build --build-arg V=2
	cached 1
	run inside 'cat /v /linked/one /plain/one'
	assert_output_is $'2\none\none'
}

@test "--no-cache does everything again, and the next build has the new" {
	printf 'FROM busybox\nRUN cat /proc/sys/kernel/random/uuid >/now\n' | dockerfile
	build
	first=$output
	build --no-cache
	second=$output
	[ "$first" != "$second" ]
	build
	assert_output_is "$second"
}

@test "bind mounts are part of the key, caches are not" {
	printf 'FROM busybox\nRUN --mount=source=one,target=/f --mount=type=cache,target=/c cat /f\n' | dockerfile
	build
	echo other >two
	build
	cached 1
	echo changed >one
	build
	cached 0
}

@test "prune --all forgets, rmi does not" {
	printf 'FROM busybox AS b\nRUN echo 1 >/x\n' | dockerfile
	build
	cooper rmi made >/dev/null
	build
	cached 1
	cooper rmi made >/dev/null
	cooper tag busybox keep
	ctr=$(cooper from busybox)
	cooper prune --all >/dev/null
	build
	cached 0
	cooper rm "$ctr"
}

@test "with a source date epoch two stores give the same image" {
	dockerfile <<-'EOF'
		FROM scratch
		COPY . /c
		COPY <<EOT /doc
		text
		EOT
		WORKDIR /w
	EOF
	build --source-date-epoch 1000000000
	first=$output
	fresh_store epoch
	touch one
	build --source-date-epoch 1000000000
	assert_output_is "$first"
	has_config 'image["created"] == "2001-09-09T01:46:40Z" and all(h["created"] == image["created"] for h in image["history"])'
}

@test "what a killed build leaves is taken away by prune" {
	printf 'FROM busybox\nRUN echo started; sleep 100\n' | dockerfile
	cooper build "$context" >/dev/null 2>"$BATS_TEST_TMPDIR/log" 3>&- &
	eventually is_said_in "$BATS_TEST_TMPDIR/log" started
	kill -9 $!
	eventually prune_leaves_nothing
}

# The processes of a killed build end one after the other.
prune_leaves_nothing() {
	cooper prune >/dev/null && [ -z "$(cooper containers -q)" ]
}

# The machine went down before the layers were on disk, and took the files FILE with it.
power_loss() {
	cooper unshare sh -c 'for r in "$COOPER_ROOT"/layers/*/record; do
		sed -i "s/\"bootId\":\"[^\"]*\"/\"bootId\":\"00000000-0000-0000-0000-000000000000\"/; s/\"durable\":true/\"durable\":false/" "$r"
		rm -f "${r%record}fs/$1"
	done' - "$1"
}

@test "a step whose layer was lost with the power is done again, the others are not" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN echo first >/first-of-power
		RUN echo second >/second-of-power
		RUN echo third >/third-of-power
	EOF
	build
	first=$output
	build
	cached 3
	power_loss second-of-power
	build
	[[ $stderr == *"is lost"*"done again"* ]]
	# What comes out is the same layer, or times differ and the third is done again as well.
	[[ $(grep -c "Using cache" <<<"$stderr") =~ ^[12]$ ]]
	run inside 'cat /first-of-power /second-of-power /third-of-power'
	assert_output_is $'first\nsecond\nthird'
	build
	cached 3
}

@test "layers that the loss of power has left whole are checked once, and taken" {
	printf 'FROM busybox\nRUN echo whole >/whole-of-power\n' | dockerfile
	build
	power_loss nothing
	build
	cached 1
	build
	cached 1
}
