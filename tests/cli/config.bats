# cooper config, seen through inspect.
load lib/common

setup() {
	ctr=$(cooper from scratch)
}

field() {
	run cooper inspect --format "{{.OCIv1.$1}}" "$ctr"
}

@test "env and labels: set, from our environment, remove, clear" {
	OURS=mine cooper config --env A=1 --env B=2 --env OURS --label l=v --label 'm=a=b c' "$ctr"
	field Config.Env
	assert_output_is "[A=1 B=2 OURS=mine]"
	field Config.Labels
	assert_output_is "map[l:v m:a=b c]"
	cooper config --env A- --label l- "$ctr"
	field Config.Env
	assert_output_is "[B=2 OURS=mine]"
	cooper config --unsetlabel m --env - "$ctr"
	field Config.Env
	assert_output_is "[]"
	field Config.Labels
	assert_output_is "map[]"
	run cooper config --env =x "$ctr"
	assert_fails_with 125 "=x"
}

@test "cmd, entrypoint and shell in both forms" {
	cooper config --cmd 'a "b c" d' --entrypoint 'run it' "$ctr"
	run cooper inspect --format '{{json .OCIv1.Config.Cmd}} {{json .OCIv1.Config.Entrypoint}}' "$ctr"
	assert_output_is '["a","b c","d"] ["/bin/sh","-c","run it"]'
	cooper config --cmd '["x","y z"]' --entrypoint '["/e"]' --shell '/bin/ash -c' "$ctr"
	run cooper inspect --format '{{json .Docker.Config.Cmd}} {{json .Docker.Config.Entrypoint}} {{.Docker.Config.Shell}}' "$ctr"
	assert_output_is '["x","y z"] ["/e"] [/bin/ash -c]'
	cooper config --cmd '' --entrypoint '' "$ctr"
	field Config.Cmd
	assert_output_is "[]"
}

@test "an entrypoint beside a cmd warns" {
	cooper config --cmd one "$ctr"
	run cooper config --entrypoint two "$ctr"
	assert_output_has 'cmd "one" exists and will be passed to entrypoint as a parameter'
}

@test "ports, volumes, user, directory, signal, author" {
	cooper config --port 80 --port 53/udp --port 8000-8002 --volume /data --user app:grp --workingdir /w \
		--stop-signal SIGQUIT --author 'Me <me@x>' "$ctr"
	run cooper inspect --format '{{range $p, $x := .OCIv1.Config.ExposedPorts}}{{$p}} {{end}}' "$ctr"
	assert_output_is "53/udp 80 8000/tcp 8001/tcp 8002/tcp "
	run cooper inspect --format '{{.OCIv1.Config.User}} {{.OCIv1.Config.WorkingDir}} {{.OCIv1.Config.StopSignal}} {{.OCIv1.Author}}' "$ctr"
	assert_output_is "app:grp /w SIGQUIT Me <me@x>"
	cooper config --port 80- --volume /data- "$ctr"
	run cooper inspect --format '{{len .OCIv1.Config.Volumes}} {{len .OCIv1.Config.ExposedPorts}}' "$ctr"
	assert_output_is "0 4"
	run cooper config --port 99999 "$ctr"
	assert_fails_with 125 99999
}

@test "platform and annotations" {
	cooper config --arch arm64 --os linux --variant v8 --annotation a=b "$ctr"
	run cooper inspect --format '{{.OCIv1.Architecture}} {{.OCIv1.OS}} {{.ImageAnnotations}}' "$ctr"
	assert_output_is "arm64 linux map[a:b]"
}

@test "healthcheck and onbuild" {
	cooper config --healthcheck 'CMD-SHELL curl -f x' --healthcheck-interval 10s --healthcheck-retries 3 --onbuild 'RUN a' "$ctr"
	run cooper inspect --format '{{.Docker.Config.Healthcheck.Test}} {{.Docker.Config.Healthcheck.Interval}} {{.Docker.Config.Healthcheck.Retries}} {{.Docker.Config.OnBuild}}' "$ctr"
	assert_output_is "[CMD-SHELL curl -f x] 10s 3 [RUN a]"
	run cooper config --healthcheck-interval soon "$ctr"
	assert_fails_with 125 soon
}

@test "the image has it all, and its history" {
	cooper config --add-history --env A=1 --created-by 'made by hand' "$ctr"
	id=$(cooper commit "$ctr" configured)
	run cooper inspect --type image --format '{{range .OCIv1.History}}{{.CreatedBy}}|{{end}}' "$id"
	assert_output_has "ENV A=1|"
	assert_output_has "made by hand|"
}

@test "inspect: JSON as a whole, a wrong template, a wrong name" {
	cooper inspect "$ctr" | python3 -m json.tool >/dev/null
	run cooper inspect --format '{{.NoSuch}}' "$ctr"
	assert_fails_with 125 NoSuch
	run cooper inspect --format '{{.' "$ctr"
	[ "$status" -eq 125 ]
	run cooper inspect nosuch
	assert_fails_with 125 "nosuch: image not known"
	run cooper inspect --type bogus "$ctr"
	assert_fails_with 125 bogus
}
