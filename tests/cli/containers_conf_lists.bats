# Lists of containers.conf in several files.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	cooper from --name c busybox
}

# conf NAME TEXT: a drop-in of the user's containers.conf
conf() {
	local directory=$XDG_CONFIG_HOME/containers/containers.conf.d
	mkdir -p "$directory"
	printf '[containers]\n%s\n' "$2" >"$directory/$1.conf"
}

teardown() {
	rm -rf "$XDG_CONFIG_HOME/containers"
}

@test "a list replaces that of an earlier file" {
	conf 1 'env = ["A=1", "B=1"]'
	conf 2 'env = ["C=2"]'
	run -0 cooper run c sh -c 'echo "$A$B$C"'
	assert_output_is 2
}

@test "a list with {append=true} is added to that of earlier files, and those of later ones to it" {
	conf 1 'env = ["A=1"]'
	conf 2 'env = ["B=2", {append=true}]'
	conf 3 'env = ["C=3"]'
	run -0 cooper run c sh -c 'echo "$A$B$C"'
	assert_output_is 123
	conf 4 'env = [{append=false}, "D=4"]'
	run -0 cooper run c sh -c 'echo "$A$B$C$D"'
	assert_output_is 4
}

@test "capabilities are added to the usual ones" {
	usual=$(cooper run c sh -c 'grep CapBnd /proc/self/status')
	conf 1 'default_capabilities = ["NET_RAW", {append=true}]'
	more=$(cooper run c sh -c 'grep CapBnd /proc/self/status')
	[ $((0x${more##*$'\t'})) = $((0x${usual##*$'\t'} | 1 << 13)) ]
	conf 1 'default_capabilities = ["NET_RAW"]'
	only=$(cooper run c sh -c 'grep CapBnd /proc/self/status')
	[ $((0x${only##*$'\t'})) = $((1 << 13)) ]
}

@test "another attribute, or one that is no truth value, is an error that names the place" {
	conf 1 'env = ["A=1", {prepend=true}]'
	run cooper run c true
	assert_fails_with 125 "containers.env[1]: not {append=true} or {append=false}"
	conf 1 'env = ["A=1", {append="yes"}]'
	run cooper run c true
	assert_fails_with 125 "containers.env[1].append: not true or false"
	conf 1 'env = ["A=1", 2]'
	run cooper run c true
	assert_fails_with 125 "containers.env[1]: not a string"
}
