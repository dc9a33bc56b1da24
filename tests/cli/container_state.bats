# What is known of a container on disk: state.json, and beside it the file of its layers.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

teardown() {
	cooper rm --all >/dev/null
}

# The directory of a container.
place() {
	printf '%s/containers/%s' "$COOPER_ROOT" "$(cooper inspect --type container --format '{{.ContainerID}}' "$1")"
}

base_files() {
	find "$(place "$1")" -maxdepth 1 -name 'base-*' | wc -l
}

@test "config leaves the file of layers as it is; a commit writes another, and one is left" {
	cooper from --name c busybox
	before=$(ls "$(place c)"/base-*)
	cooper config --label a=b --env X=1 c
	[ "$(ls "$(place c)"/base-*)" = "$before" ]
	cooper run c sh -c 'echo 1 >/one'
	cooper commit -q c one
	[ "$(base_files c)" -eq 1 ]
	[ "$(ls "$(place c)"/base-*)" != "$before" ]
	run cooper inspect --type container --format '{{len .OCIv1.RootFS.DiffIDs}} {{index .OCIv1.Config.Labels "a"}}' c
	assert_output_is "2 b"
	run cooper run c cat /one
	assert_output_is 1
	cooper rm c
}

@test "history, comments and annotations of any bytes come back as they were" {
	cooper from --name c busybox
	cooper config --created-by $'a\nb 7\nd 3\n\n' --author $'x\ty "z"' --add-history --history-comment $'i 5\nabcde\n' --label 'l=1' c
	cooper commit -q c odd
	cooper rm c
	cooper from --name c odd
	run cooper inspect --type container --format '{{range .OCIv1.History}}[{{.CreatedBy}}|{{.Comment}}]{{end}}' c
	assert_output_has $'a\nb 7\nd 3\n\n'
	assert_output_has $'i 5\nabcde\n'
	cooper rm c
}

@test "a state of an earlier version is read, and becomes one of today" {
	cooper from --name c busybox
	cooper inspect --type container c >"$BATS_TEST_TMPDIR/before"
	# As it was: all in one file.
	python3 - "$(place c)" <<-'EOS'
		import glob, json, os, sys
		place = sys.argv[1]
		state = json.load(open(place + '/state.json'))
		base = glob.glob(place + '/base-*')[0]
		text, at = open(base, 'rb').read(), 0
		config = state.pop('configuration')
		state.pop('base')
		config['rootfs'] = {'type': 'layers', 'diff_ids': []}
		config['history'], types = [], []
		while at < len(text):
		    end = text.index(b'\n', at)
		    key, size = text[at:at + 1].decode(), int(text[at + 2:end])
		    value = text[end + 1:end + 1 + size].decode()
		    at = end + size + 2
		    if key == 'd': config['rootfs']['diff_ids'].append(value)
		    if key == 't': types.append(value)
		    if key == 'h': config['history'].append({'empty_layer': True} if value else {})
		    if key in 'cbam':
		        config['history'][-1][{'c': 'created', 'b': 'created_by', 'a': 'author', 'm': 'comment'}[key]] = value
		    if key == 'i': state['imageManifest'] = value
		state['config'], state['layerTypes'] = config, types
		json.dump(state, open(place + '/state.json', 'w'))
		os.unlink(base)
	EOS
	cooper inspect --type container c | diff "$BATS_TEST_TMPDIR/before" -
	cooper config --label new=1 c
	[ "$(base_files c)" -eq 1 ]
	run cooper run c true
	assert_succeeds
	cooper rm c
}

@test "without its file of layers a container is not taken for an empty one" {
	cooper from --name c busybox
	for damage in 'rm -f' 'truncate -s 40' 'truncate -s 0'; do
		cp "$(place c)"/base-* "$BATS_TEST_TMPDIR/kept"
		file=$(ls "$(place c)"/base-*)
		id=$(basename "$(dirname "$file")")
		$damage "$file"
		run cooper run "$id" true
		[ "$status" -eq 125 ]
		cp "$BATS_TEST_TMPDIR/kept" "$file"
	done
	cooper rm c
}

@test "killed while its state changes, a container is as it was or as it becomes" {
	cooper from --name c busybox
	for delay in 0.001 0.002 0.004 0.006 0.01 0.02 0.04; do
		cooper run c sh -c "echo $delay >/f"
		cooper commit -q c "c-$delay" >/dev/null 2>&1 &
		pid=$!
		cooper config --label "at=$delay" c >/dev/null 2>&1 &
		other=$!
		sleep "$delay"
		kill -9 "$pid" "$other" 2>/dev/null || :
		wait "$pid" "$other" 2>/dev/null || :
		run cooper run c cat /f
		assert_output_is "$delay"
		run cooper containers
		assert_succeeds
		[[ $output != *warning* ]]
	done
	cooper commit -q c last
	[ "$(base_files c)" -eq 1 ]
	cooper rm c
}

@test "who lists containers meets those that are being committed" {
	cooper from --name c busybox
	(for i in 1 2 3 4 5 6; do cooper run c sh -c "echo $i >/f$i" && cooper commit -q c "l$i" >/dev/null; done) &
	for i in $(seq 40); do
		run cooper containers --format '{{.ContainerName}}'
		assert_output_is c
	done
	wait
	cooper rm c
}
