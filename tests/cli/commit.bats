# cooper commit: what an image holds.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

layers_of() {
	cooper inspect --type image --format '{{len .OCIv1.RootFS.DiffIDs}}' "$1"
}

@test "prints the id alone; the name gets registry and tag" {
	ctr=$(cooper from busybox)
	run --separate-stderr cooper commit "$ctr" mine
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	run cooper images --format '{{.Name}}:{{.Tag}}' mine
	assert_output_is localhost/mine:latest
	run --separate-stderr cooper commit "$ctr"
	[[ $output =~ ^[0-9a-f]{64}$ ]]
}

@test "--iidfile has no newline; --metadata-file is JSON" {
	ctr=$(cooper from scratch)
	id=$(cooper commit --iidfile "$BATS_TEST_TMPDIR/iid" --metadata-file "$BATS_TEST_TMPDIR/meta" "$ctr" meta)
	[ "$(cat "$BATS_TEST_TMPDIR/iid")" = "sha256:$id" ]
	[ "$(wc -c <"$BATS_TEST_TMPDIR/iid")" -eq 71 ]
	python3 -c 'import json,sys; m=json.load(open(sys.argv[1])); assert m["image.name"]=="localhost/meta:latest"; assert m["containerimage.digest"].startswith("sha256:")' "$BATS_TEST_TMPDIR/meta"
}

@test "one layer per commit; --squash makes one in all" {
	ctr=$(cooper from busybox)
	cooper run "$ctr" sh -c 'echo a >/a; rm /etc/group'
	cooper commit -q "$ctr" two
	[ "$(layers_of two)" -eq 2 ]
	cooper commit -q --squash "$ctr" squashed
	[ "$(layers_of squashed)" -eq 1 ]
	check=$(cooper from squashed)
	run cooper run "$check" sh -c 'cat /a; ls /etc'
	assert_output_has a
	assert_output_lacks group
}

@test "deletions, replaced types, links, modes and owners come back" {
	ctr=$(cooper from busybox)
	cooper run "$ctr" sh -ec 'mkdir -p /d/e; echo 1 >/d/e/f; ln /d/e/f /d/hard; ln -s f /d/e/soft; mkfifo /pipe; chown 12:34 /d/e/f; chmod 4711 /d/hard; mkdir /gone; echo x >/gone/x'
	cooper commit -q "$ctr" one
	ctr=$(cooper from one)
	cooper run "$ctr" sh -ec 'rm -rf /gone; mkdir /gone; echo new >/gone/new; rm /d/e/soft; mkdir /d/e/soft; rm -r /home/app'
	cooper commit -q "$ctr" two
	ctr=$(cooper from two)
	run cooper run "$ctr" sh -c 'ls /gone; stat -c "%a %u:%g %h" /d/hard; stat -c %F /pipe /d/e/soft; ls /home'
	assert_output_is $'new\n4711 12:34 2\nfifo\ndirectory'
}

@test "--timestamp and SOURCE_DATE_EPOCH give the same image twice" {
	for i in 1 2; do
		ctr=$(cooper from busybox)
		cooper run "$ctr" sh -c 'mkdir /x; echo same >/x/file'
		cooper commit -q --timestamp 1000000000 "$ctr" "stamp$i" >"$BATS_TEST_TMPDIR/id$i"
		ctr=$(cooper from busybox)
		cooper run "$ctr" sh -c 'mkdir /x; echo same >/x/file'
		SOURCE_DATE_EPOCH=1000000000 cooper commit -q "$ctr" "epoch$i" >"$BATS_TEST_TMPDIR/epoch$i"
		sleep 1.1
	done
	cmp "$BATS_TEST_TMPDIR/id1" "$BATS_TEST_TMPDIR/id2"
	cmp "$BATS_TEST_TMPDIR/epoch1" "$BATS_TEST_TMPDIR/epoch2"
	run cooper inspect --type image --format '{{.OCIv1.Created}}' stamp1
	assert_output_is 2001-09-09T01:46:40Z
	ctr=$(cooper from stamp1)
	run cooper run "$ctr" stat -c %Y /x/file
	assert_output_is 1000000000
	run cooper commit --timestamp 1 --source-date-epoch 2 "$ctr"
	[ "$status" -eq 125 ]
}

@test "the same content gives the same diff_id, whatever the container" {
	for i in 1 2; do
		ctr=$(cooper from scratch)
		path=$(cooper mount "$ctr")
		mkdir -p "$path/a/b"
		echo x >"$path/a/b/c"
		cooper commit -q --timestamp 0 "$ctr" "diff$i"
		cooper inspect --type image --format '{{index .OCIv1.RootFS.DiffIDs 0}}' "diff$i" >"$BATS_TEST_TMPDIR/d$i"
	done
	cmp "$BATS_TEST_TMPDIR/d1" "$BATS_TEST_TMPDIR/d2"
}

@test "--format docker and oci" {
	ctr=$(cooper from busybox)
	cooper commit -q --format docker "$ctr" dock
	run cooper inspect --type manifest --format '{{.mediaType}}' dock
	assert_output_is application/vnd.docker.distribution.manifest.v2+json
	cooper commit -q -f oci "$ctr" oci
	run cooper inspect --type manifest --format '{{.mediaType}}' oci
	assert_output_is application/vnd.oci.image.manifest.v1+json
	run cooper commit -f floppy "$ctr" x
	assert_fails_with 125 floppy
}

@test "--change, --unsetenv, --config, --add-file, --annotation, --identity-label" {
	ctr=$(cooper from busybox)
	echo added >"$BATS_TEST_TMPDIR/file"
	echo '{"User":"app","Env":["FROM=file"]}' >"$BATS_TEST_TMPDIR/config"
	cooper config --env GO=away "$ctr"
	cooper commit -q --change 'ENV A=1 B="2 3"' --change 'CMD echo hi' --change 'LABEL x=y' --unsetenv GO \
		--config "$BATS_TEST_TMPDIR/config" --add-file "$BATS_TEST_TMPDIR/file:/added" --annotation an=no --identity-label "$ctr" changed
	run cooper inspect --type image --format '{{.OCIv1.Config.Env}} {{.OCIv1.Config.Cmd}} {{.OCIv1.Config.User}} {{.ImageAnnotations.an}}' changed
	assert_output_has "A=1 B=2 3"
	assert_output_has "FROM=file"
	assert_output_has "[/bin/sh -c echo hi] app no"
	assert_output_lacks GO=
	check=$(cooper from changed)
	run cooper run --user 0 "$check" cat /added
	assert_output_is added
	run cooper commit --change 'RUN x' "$ctr" y
	assert_fails_with 125 RUN
}

@test "Docker's manifests have no annotations: what was asked for is said to be left out" {
	ctr=$(cooper from scratch)
	run --separate-stderr cooper commit -q --format docker --annotation a=b "$ctr" "dir:$BATS_TEST_TMPDIR/docker"
	assert_succeeds
	[[ $stderr == *"Docker's manifests have no annotations"* ]] || fail "nothing is said"
	run -1 grep -q annotations "$BATS_TEST_TMPDIR/docker/manifest.json"
	run --separate-stderr cooper commit -q --format oci --annotation a=b "$ctr" "dir:$BATS_TEST_TMPDIR/oci"
	[ -z "$stderr" ]
	grep -q '"annotations":{"a":"b"}' "$BATS_TEST_TMPDIR/oci/manifest.json"
}

@test "--rm removes the container, --omit-history the history" {
	ctr=$(cooper from busybox)
	cooper commit -q --rm --omit-history "$ctr" bare
	run cooper containers -q --filter "name=$ctr"
	assert_output_is ""
	run cooper inspect --type image --format '{{len .OCIv1.History}}' bare
	assert_output_is 0
}

@test "a container goes on from its commit" {
	ctr=$(cooper from scratch)
	path=$(cooper mount "$ctr")
	cp "$(command -v busybox)" "$path/busybox"
	cooper commit -q "$ctr" first
	cooper run "$ctr" /busybox touch /second
	cooper commit -q "$ctr" second
	[ "$(layers_of second)" -eq 2 ]
	run cooper run "$ctr" /busybox ls /second
	assert_succeeds
}

@test "--change reads instructions as a Dockerfile has them" {
	ctr=$(cooper from scratch)
	cooper config --env HOME_OF=/srv --workingdir /a "$ctr"
	cooper commit -q --change 'ENV GREETING="a b" PLACE=${HOME_OF}/x' --change 'WORKDIR b' --change 'USER me:us' \
		--change 'EXPOSE 80 53/udp' --change 'VOLUME /v1 /v2' --change 'ENTRYPOINT ["/e"]' --change 'CMD=["-x"]' \
		--change 'LABEL one=1 "two words"="2 3"' --change 'STOPSIGNAL SIGINT' --change 'SHELL ["/bin/ash", "-c"]' \
		--change 'HEALTHCHECK --interval=5s CMD true' --change 'ONBUILD RUN make' --change 'MAINTAINER A. Author' \
		"$ctr" instructions
	run cooper inspect --type image --format '{{with .Docker.Config}}{{.Env}} {{.WorkingDir}} {{.User}} {{.ExposedPorts}} {{.Volumes}} {{.Entrypoint}} {{.Cmd}} {{.Labels}} {{.StopSignal}} {{.Shell}} {{.Healthcheck.Test}} {{.OnBuild}}{{end}} {{.Docker.Author}}' instructions
	assert_output_is '[HOME_OF=/srv GREETING=a b PLACE=/srv/x] /a/b me:us map[53/udp:{} 80/tcp:{}] map[/v1:{} /v2:{}] [/e] [-x] map[one:1 two words:2 3] SIGINT [/bin/ash -c] [CMD-SHELL true] [RUN make] A. Author'
	for wrong in 'RUN x' 'COPY a b' 'FROM scratch' 'ENV' 'EXPOSE no' 'STOPSIGNAL SIGNOT' 'NOSUCH x' 'ONBUILD FROM x'; do
		run cooper commit --change "$wrong" "$ctr" y
		assert_fails_with 125 "$wrong"
	done
}

@test "a commit without changes since the last one adds no layer" {
	ctr=$(cooper from busybox)
	first=$(cooper commit -q "$ctr" again1)
	[ "$(layers_of again1)" -eq 2 ]
	history=$(cooper inspect --type image --format '{{len .OCIv1.History}}' again1)
	sleep 1.1
	[ "$(cooper commit -q "$ctr" again2)" = "$first" ]
	cooper config --env NEW=1 --created-by me "$ctr"
	changed=$(cooper commit -q "$ctr" again3)
	[ "$changed" != "$first" ]
	run cooper inspect --type image --format '{{len .OCIv1.RootFS.DiffIDs}} {{len .OCIv1.History}}' again3
	assert_output_is "2 $history"
	cooper run "$ctr" touch /file
	cooper commit -q "$ctr" again4
	[ "$(layers_of again4)" -eq 3 ]
	cooper run "$ctr" rm /file
	cooper commit -q "$ctr" again5
	[ "$(layers_of again5)" -eq 4 ]
	cooper run "$(cooper from again4)" test -e /file
	run cooper run "$(cooper from again5)" test -e /file
	[ "$status" -eq 1 ]
}

@test "what is in use is committed without a further layer as well" {
	ctr=$(cooper from busybox)
	# shellcheck disable=SC2016 # expanded inside
	cooper unshare --mount ROOT="$ctr" sh -ec 'cd "$ROOT"
		cooper commit -q '"$ctr"' used1; touch new; cooper commit -q '"$ctr"' used2; cooper commit -q '"$ctr"' used3'
	[ "$(layers_of used3)" -eq 2 ]
}

@test "a commit that cannot be sent leaves no image, and can be repeated" {
	ctr=$(cooper from busybox)
	cooper run "$ctr" touch /sent
	before=$(cooper images -a -q --no-trunc | sort)
	mkdir "$BATS_TEST_TMPDIR/closed"
	touch "$BATS_TEST_TMPDIR/closed/layout"
	for place in "docker-archive:/nowhere/x.tar" "oci:$BATS_TEST_TMPDIR/closed/layout"; do
		run cooper commit "$ctr" "$place"
		[ "$status" -eq 125 ]
		[ "$(cooper images -a -q --no-trunc | sort)" = "$before" ]
	done
	id=$(cooper commit -q "$ctr" "oci:$BATS_TEST_TMPDIR/layout:x")
	[ "$(layers_of "$id")" -eq 2 ]
	run cooper images -a -q --no-trunc
	assert_output_has "$id"
}

@test "a step cannot forge overlay marks or whiteouts" {
	ctr=$(cooper from busybox)
	run cooper run "$ctr" mknod /bin/sh2 c 0 0
	cooper run "$ctr" sh -c 'touch /.wh.etc' || true
	run cooper commit "$ctr" forged
	[ "$status" -eq 125 ] || {
		check=$(cooper from forged)
		run cooper run "$check" ls /etc/passwd
		assert_succeeds
	}
}

@test "file capabilities travel, as every tool writes them" {
	skip_unless setcap getcap
	ctr=$(cooper from busybox)
	# shellcheck disable=SC2016 # expanded inside
	cooper unshare --mount ROOT="$ctr" sh -c 'cp $ROOT/bin/busybox $ROOT/ping && setcap cap_net_raw+ep $ROOT/ping'
	cooper commit -q "$ctr" capable
	cooper push -q -D capable "oci:$BATS_TEST_TMPDIR/layout:v1"
	grep -rqa SCHILY.xattr.security.capability= "$BATS_TEST_TMPDIR/layout/blobs"
	fresh_store capable
	ctr=$(cooper from --quiet "oci:$BATS_TEST_TMPDIR/layout:v1")
	# shellcheck disable=SC2016
	run cooper unshare --mount ROOT="$ctr" sh -c 'getcap $ROOT/ping'
	assert_output_has "cap_net_raw=ep"
	remove_store "$COOPER_ROOT"
}

@test "a wrong compression is named, also when nothing is sent" {
	ctr=$(cooper from scratch)
	run cooper commit --compression-format bogus "$ctr" uncompressed
	assert_fails_with 125 "bogus"
	run cooper images uncompressed
	assert_fails_with 125 "image not known"
}

@test "a commit to a layout packs what a push of the image would, each codec" {
	local codec
	for codec in gzip zstd uncompressed; do
		local layers=()
		for way in commit push; do
			ctr=$(cooper from scratch)
			head -c 9000000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/file"
			for i in $(seq 150); do mkdir -p "$BATS_TEST_TMPDIR/tree/$i" && echo "$i" >"$BATS_TEST_TMPDIR/tree/$i/f"; done
			cooper copy -q "$ctr" "$BATS_TEST_TMPDIR/file" "$BATS_TEST_TMPDIR/tree" /
			layout=$BATS_TEST_TMPDIR/layout-$codec-$way
			if [ "$way" = commit ]; then
				cooper commit -q --timestamp 7 --compression-format "$codec" "$ctr" "oci:$layout:x"
			else
				cooper commit -q --timestamp 7 "$ctr" once
				cooper push -q --compression-format "$codec" once "oci:$layout:x"
			fi
			layers+=("$(python3 - "$layout" <<-'EOS'
				import json, sys
				read = lambda digest: json.load(open(sys.argv[1] + "/blobs/" + digest.replace(":", "/")))
				index = json.load(open(sys.argv[1] + "/index.json"))
				print(*(l["mediaType"] + l["digest"] for l in read(index["manifests"][0]["digest"])["layers"]))
			EOS
			)")
			# From nothing the next time: nothing that is packed may be left.
			cooper rm "$ctr"
			cooper rmi --all --force >"$BATS_TEST_TMPDIR/removed"
			cooper prune --force >>"$BATS_TEST_TMPDIR/removed"
		done
		[ "${layers[0]}" = "${layers[1]}" ]
		cooper pull -q "oci:$BATS_TEST_TMPDIR/layout-$codec-commit:x"
	done
}
