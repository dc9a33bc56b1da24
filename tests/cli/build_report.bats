# cooper build: what is said behind it of times, the cache and sizes.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	mkdir ctx
	printf '%s\n' 'FROM busybox AS make' 'RUN echo "$RANDOM $$" >/made; head -c 300000 /dev/zero >/large' \
		'FROM busybox' 'ENV A=b' 'COPY --from=make /made /made' >ctx/Dockerfile
}

@test "a table names each step with a layer, its time, and its size" {
	run --separate-stderr -0 cooper build --no-cache ctx
	[[ $stderr == *"TIME       SIZE  STEP"* ]]
	run -0 grep -E '^ +[0-9]+\.[0-9]+s +[0-9.]+ KB  \[1/2\] 2/2: RUN echo' <<<"$stderr"
	[[ $output == *"30"* ]]
	run -0 grep -E '^ +[0-9]+\.[0-9]+s +[0-9.]+ KB  \[2/2\] 3/3: COPY --from=make' <<<"$stderr"
	[[ $stderr == *"0 of 2 steps from the cache; "* ]]
	run --separate-stderr -0 cooper build ctx
	[ "$(grep -cE '^ +cached +[0-9.]+ KB  ' <<<"$stderr")" -eq 2 ]
	[[ $stderr == *"2 of 2 steps from the cache; "* ]]
}

@test "a build that fails has no table, and a quiet one neither" {
	run --separate-stderr -0 cooper build -q --no-cache ctx
	[ -z "$stderr" ]
	echo 'RUN exit 3' >>ctx/Dockerfile
	run --separate-stderr -3 cooper build ctx
	[[ $stderr != *"from the cache;"* ]]
}

@test "the same in --metadata-file and --progress=json" {
	run --separate-stderr -0 cooper build --no-cache --progress=json --metadata-file meta ctx
	printf '%s\n' "$stderr" >log
	run -0 python3 -c '
import json
events = [json.loads(line) for line in open("log")]
last = [e for e in events if e["event"] == "summary"]
assert len(last) == 1
meta = json.load(open("meta"))["io.github.cooper.build"]
for report in last[0], meta:
    assert report["steps"] == 2 and report["cached"] == 0 and report["elapsed_ms"] >= 0
    run = [s for s in report["report"] if s["text"].startswith("RUN")][0]
    assert run["size"] > 300000 and run["layer"].startswith("sha256:") and not run["cached"]
done = [e for e in events if e["event"] == "done" and e["text"].startswith("RUN")][0]
assert done["size"] > 300000 and done["elapsed_ms"] >= 0'
}

@test "blobs on their way to and from a registry are seen, as events and as lines" {
	start_registry
	printf '%s\n' 'FROM busybox' 'RUN head -c 3000000 /dev/urandom >/large' >ctx/Dockerfile
	run --separate-stderr -0 cooper build --no-cache --progress=json --tls-verify=false -t "$REGISTRY/app" --push ctx
	printf '%s\n' "$stderr" >log
	id=$output
	python3 -c '
import json
moves = [e for e in map(json.loads, open("log")) if e["event"] == "transfer"]
large = [e for e in moves if e["size"] > 2900000]
assert large and all(e["text"].startswith("push sha256:") and 0 <= e["done"] <= e["size"] for e in moves), moves
assert large[-1]["done"] == large[-1]["size"]'
	# Plain: a line for each blob.
	run --separate-stderr -0 cooper build --no-cache --tls-verify=false -t "$REGISTRY/plain" --push ctx
	[[ $stderr == *"Copying blob sha256:"* ]]
	fresh_store report
	printf '%s\n' "FROM $REGISTRY/app" 'RUN true' >ctx/Dockerfile
	run --separate-stderr -0 cooper build --progress=json --tls-verify=false ctx
	printf '%s\n' "$stderr" >log
	python3 -c '
import json
moves = [e for e in map(json.loads, open("log")) if e["event"] == "transfer"]
assert any(e["text"].startswith("pull sha256:") and e["done"] == e["size"] > 2900000 for e in moves), moves'
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
	[ -n "$id" ]
}
