# images, rmi, tag, containers, rm, rename.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

@test "the table, its headings and its columns" {
	run cooper images
	[[ ${lines[0]} =~ ^REPOSITORY\ +TAG\ +IMAGE\ ID\ +CREATED\ +SIZE$ ]]
	[[ ${lines[1]} =~ ^localhost/busybox\ +latest\ +[0-9a-f]{12}\ +.*ago\ +[0-9.]+\ [kM]B$ ]]
	run cooper images -n
	assert_output_lacks REPOSITORY
	run cooper images -q
	[[ $output =~ ^[0-9a-f]{12}$ ]]
	run cooper images -q --no-trunc
	[[ $output =~ ^sha256:[0-9a-f]{64}$ ]]
}

@test "JSON and templates" {
	cooper images --json | python3 -c 'import json,sys
i=json.load(sys.stdin)[0]
assert len(i["id"])==12 and i["names"]==["localhost/busybox:latest"] and i["digest"].startswith("sha256:") and isinstance(i["created"],int) and i["readonly"] is False'
	run cooper images --format '{{.ID}}'
	[[ $output =~ ^[0-9a-f]{12}$ ]]
	run cooper images --format '{{.Bogus}}'
	assert_fails_with 125 Bogus
}

@test "tag, untag, remove" {
	cooper tag busybox one two:v2 example.org/ns/three
	run cooper images --format '{{.Name}}:{{.Tag}}'
	for name in localhost/busybox:latest localhost/one:latest localhost/two:v2 example.org/ns/three:latest; do assert_output_has "$name"; done
	run cooper rmi one two:v2
	assert_output_is $'untagged: localhost/one:latest\nuntagged: localhost/two:v2'
	run cooper rmi example.org/ns/three
	run cooper tag busybox 'Bad Name'
	[ "$status" -eq 125 ]
	run cooper tag nosuch x
	assert_fails_with 125 "nosuch: image not known"
}

@test "rmi: in use, unknown, forced, by id" {
	ctr=$(cooper from scratch)
	path=$(cooper mount "$ctr")
	echo x >"$path/x"
	id=$(cooper commit --rm "$ctr" victim)
	user=$(cooper from victim)
	run cooper rmi victim
	assert_fails_with 125 "image is in use by a container"
	run cooper rmi nosuch
	assert_fails_with 125 "nosuch: image not known"
	run --separate-stderr cooper rmi -f victim
	assert_succeeds
	assert_output_has "untagged: localhost/victim:latest"
	assert_output_has "$id"
	run cooper containers --format '{{.ContainerName}}' --filter "name=$user"
	assert_output_is ""
}

@test "filters" {
	ctr=$(cooper from scratch)
	cooper config --label color=red "$ctr"
	cooper commit -q "$ctr" red
	cooper commit -q "$ctr" >/dev/null
	run cooper images --filter label=color=red --format '{{.Name}}'
	assert_output_has localhost/red
	assert_output_lacks busybox
	run cooper images --filter reference='bus*' --format '{{.Name}}'
	assert_output_is localhost/busybox
	run cooper images --filter bogus=1
	assert_fails_with 125 bogus
	run cooper images nosuch
	assert_fails_with 125 "nosuch: image not known"
}

@test "rmi --prune and prune take what has no name" {
	ctr=$(cooper from scratch)
	path=$(cooper mount "$ctr")
	echo unique-content >"$path/unique"
	id=$(cooper commit --rm "$ctr")
	run --separate-stderr cooper prune
	assert_succeeds
	assert_output_has "$id"
	run cooper images --filter dangling=true -q
	assert_output_is ""
	[ -z "$(cooper unshare grep -rl unique-content "$COOPER_ROOT/layers" "$COOPER_ROOT/oci")" ]
}

@test "containers: table, quiet, JSON, templates" {
	ctr=$(cooper from --name listed busybox)
	run cooper containers
	[[ ${lines[0]} =~ ^CONTAINER\ ID\ +BUILDER\ +IMAGE\ ID\ +IMAGE\ NAME\ +CONTAINER\ NAME$ ]]
	assert_output_has "localhost/busybox:latest"
	assert_output_has "*"
	run cooper containers -q
	[[ ${lines[-1]} =~ ^[0-9a-f]{64}$ ]]
	cooper ps --json | python3 -c 'import json,sys; assert any(c["containername"]=="listed" and c["builder"] for c in json.load(sys.stdin))'
	run cooper ls --format '{{.ContainerName}}' --filter name=listed
	assert_output_is listed
}

@test "rename and rm" {
	cooper from --name old scratch
	cooper rename old new
	run cooper inspect old
	[ "$status" -eq 125 ]
	id=$(cooper inspect --format '{{.ContainerID}}' new)
	cooper from --name taken scratch
	run cooper rename new taken
	assert_fails_with 125 taken
	run cooper rm "${id:0:10}"
	assert_output_is "$id"
	run cooper rm nosuch
	assert_fails_with 125 'container "nosuch": container not known'
	run cooper rm
	[ "$status" -eq 125 ]
	cooper rm --all
	run cooper containers -q
	assert_output_is ""
}

@test "a name with a digest is a repository without a tag" {
	digest=sha256:$(printf 'a%.0s' {1..64})
	cooper tag busybox "example.org:5000/pinned@$digest"
	run cooper images --format '{{.Name}} {{.Tag}}'
	assert_output_has "example.org:5000/pinned <none>"
	assert_output_lacks "@"
	run cooper images --filter 'reference=*/pinned' --format '{{.Name}}'
	assert_output_has example.org:5000/pinned
	run cooper rmi "example.org:5000/pinned@$digest"
	assert_output_is "untagged: example.org:5000/pinned@$digest"
}

@test "rmi --all removes all that nothing stands on" {
	fresh_store all
	use_busybox
	for name in a b c; do
		ctr=$(cooper from scratch)
		cooper config --label "n=$name" "$ctr"
		cooper commit -q --rm "$ctr" "$name"
	done
	cooper from b
	run cooper rmi --all
	assert_fails_with 125 "image is in use by a container"
	run cooper images --format '{{.Name}}'
	assert_output_is localhost/b
}
