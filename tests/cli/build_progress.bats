# cooper build: what is said meanwhile, and in what order.
load lib/common
load lib/build

@test "a last line without an end does not run into what comes next" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN printf begun; printf ' and not ended' >&2
		RUN printf 'a\n\nb'
	EOF
	build
	grep -qx "begun and not ended" <<<"$stderr"
	[[ $stderr == *$'\na\n\nb\n--> '* ]]
	[ "$(grep -c '^--> [0-9a-f]\{12\}$' <<<"$stderr")" -eq 2 ]
}

@test "the same in each stage of several, and its words come in their order" {
	dockerfile <<-'EOF'
		FROM busybox AS left
		RUN seq 1 500; printf open
		FROM busybox AS right
		RUN printf open
		COPY --from=left /etc/passwd /left
	EOF
	build
	[ "$(grep -cx '\[left\] open' <<<"$stderr")" -eq 1 ]
	[ "$(grep -cx '\[right\] open' <<<"$stderr")" -eq 1 ]
	[ "$(grep -c '^--> [0-9a-f]\{12\}$' <<<"$stderr")" -eq 3 ]
	# The end of a step is told behind all that it has printed.
	left=$(grep -n '^\[left\] open$' <<<"$stderr" | cut -d: -f1)
	[ "$(sed -n "1,${left}p" <<<"$stderr" | grep -c '^\[left\] [0-9]')" -eq 500 ]
	copy=$(grep -n 'COPY --from=left' <<<"$stderr" | head -n 1 | cut -d: -f1)
	[ "$left" -lt "$copy" ]
}

@test "an event behind a line without an end is an event" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN printf begun
	EOF
	build --progress=json
	python3 -c 'import json, sys
events = [json.loads(line) for line in sys.stdin]
names = [(e["event"], e["text"]) for e in events if e.get("step") == 2 or e["event"] == "output"]
assert names == [("started", "RUN printf begun"), ("output", "begun"), ("done", "RUN printf begun")], names' <<<"$stderr"
}

@test "a stage is announced with its name" {
	dockerfile <<-'EOF'
		FROM busybox AS first
		FROM first
		RUN true
	EOF
	build
	[[ $stderr == *"[1/2] STEP 1/1: FROM busybox AS first"* ]]
	[[ $stderr == *"[2/2] STEP 1/2: FROM first"* ]]
}
