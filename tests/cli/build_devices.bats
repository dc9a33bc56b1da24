# Devices by CDI names (RUN --device, --device of build and run), and a file that is mounted writable.
load lib/common
load lib/build

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	make_context
	export COOPER_CDI_SPEC_DIRS=$BATS_TEST_TMPDIR/etc:$BATS_TEST_TMPDIR/run
	mkdir "$BATS_TEST_TMPDIR/etc" "$BATS_TEST_TMPDIR/run" "$BATS_TEST_TMPDIR/library"
	echo of-the-host >"$BATS_TEST_TMPDIR/library/file"
	cat >"$BATS_TEST_TMPDIR/etc/vendor.yaml" <<-EOF2
		cdiVersion: "0.6.0"
		kind: "vendor.com/gadget"
		containerEdits:
		  env: ["FOR_ALL=yes"]
		devices:
		  - name: one
		    containerEdits:
		      env: ["ONE=1"]
		      deviceNodes: [{path: /dev/gadget, hostPath: /dev/null}]
		      mounts: [{hostPath: $BATS_TEST_TMPDIR/library, containerPath: /library, options: [ro, nosuid]}]
		  - name: two
		    containerEdits:
		      env: ["TWO=2"]
	EOF2
}

@test "RUN --device brings what the machine's file says" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN --device=vendor.com/gadget=one test -c /dev/gadget && echo "$FOR_ALL $ONE $TWO $(cat /library/file)" >/seen
		RUN --device=vendor.com/gadget=all echo "$ONE $TWO" >>/seen
		RUN test ! -e /dev/gadget -a ! -e /library && echo "[$FOR_ALL]" >>/seen
	EOF
	build
	run -0 inside 'cat /seen'
	assert_output_is $'yes 1  of-the-host\n1 2\n[]'
}

@test "one that is not known is an error when it is required, and a warning otherwise" {
	printf 'FROM busybox\nRUN --device=vendor.com/gadget=nine true\n' | dockerfile
	build
	[[ $stderr == *"warning: --device vendor.com/gadget=nine"* ]]
	printf 'FROM busybox\nRUN --device=vendor.com/gadget=nine,required true\n' | dockerfile
	refuses "--device vendor.com/gadget=nine: no such device is known"
	printf 'FROM busybox\nRUN --device=name=vendor.com/gadget=nine,required=true true\n' | dockerfile
	refuses "--device vendor.com/gadget=nine: no such device is known"
	printf 'FROM busybox\nRUN --device=vendor.com/gadget=nine,requierd true\n' | dockerfile
	refuses "did you mean required?"
	[[ $stderr == *"Dockerfile:2"* ]]
	printf 'FROM busybox\nRUN --device=vendor.com/gadget=nine,required true\n' | dockerfile
	echo '{"kind":' >"$BATS_TEST_TMPDIR/run/broken.json"
	refuses "run/broken.json"
}

@test "a later directory's device stands in for an earlier one's; run takes the names, too" {
	echo '{"cdiVersion":"0.6.0","kind":"vendor.com/gadget","devices":[{"name":"one","containerEdits":{"env":["ONE=other"]}}]}' \
		>"$BATS_TEST_TMPDIR/run/vendor.json"
	ctr=$(cooper from busybox)
	run -0 cooper run --device vendor.com/gadget=one "$ctr" -- sh -c 'echo $ONE $FOR_ALL'
	assert_output_is other
	run cooper run --device vendor.com/gadget=nine "$ctr" -- true
	assert_fails_with 125 "--device vendor.com/gadget=nine: no file of"
	run cooper run --device nonsense "$ctr" -- true
	assert_fails_with 125 "--device 'nonsense'"
	cooper rm "$ctr"
}

@test "a single file mounted rw can be written, and what is written is thrown away" {
	chmod 640 "$context/one"
	dockerfile <<-'EOF'
		FROM busybox
		RUN --mount=type=bind,source=one,target=/m,rw stat -c %a /m >/seen; echo more >>/m; cat /m >>/seen
		RUN --mount=type=bind,source=one,target=/m cat /m >>/seen; ! echo x 2>/dev/null >>/m
	EOF
	build
	run -0 inside 'cat /seen'
	assert_output_is $'640\none\nmore\none'
	[ "$(cat "$context/one")" = one ]
}
