# Git repositories as contexts and as sources of ADD. They are hostile.
load lib/common

setup_file() {
	common_setup_file
	skip_unless git
}

teardown_file() {
	common_teardown_file
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	[ ! -e "$BATS_TEST_TMPDIR/daemon.pid" ] || stop_process "$BATS_TEST_TMPDIR/daemon.pid"
}

# A repository of a Dockerfile that copies ./word, which holds WORD, to /word:  make_repository NAME WORD
make_repository() {
	git -c init.defaultBranch=main init -q "$1"
	git -C "$1" config user.email tester@example.org
	git -C "$1" config user.name tester
	printf 'FROM scratch\nCOPY word /word\n' >"$1/Dockerfile"
	printf '%s\n' "$2" >"$1/word"
	git -C "$1" add .
	git -C "$1" commit -qm first
}

# What /word of the built image holds:  word_of [OPTIONS] CONTEXT
word_of() {
	cooper build -q -o - "$@" | tar -xO word
}

# Serves the repositories in ./served at http://$GIT_ADDRESS, for bob with the password s3cret.
start_git_server() {
	[ -x "$(git --exec-path)/git-http-backend" ] || skip "git-http-backend is not installed"
	GIT_ADDRESS=127.0.0.1:$(free_port)
	python3 "$LIB_DIRECTORY/git_server.py" "${GIT_ADDRESS##*:}" "$PWD/served" bob s3cret >server.log 2>&1 3>&- &
	printf '%s\n' "$!" >daemon.pid
	wait_for_port "$GIT_ADDRESS" daemon.pid
}

@test "a git repository by branch, tag, commit and subdirectory" {
	make_repository repo first
	local url=file://$PWD/repo first
	first=$(git -C repo rev-parse HEAD)
	git -C repo tag v1
	git -C repo checkout -qb next
	mkdir repo/sub
	printf 'FROM scratch\nCOPY word /word\n' >repo/sub/Dockerfile
	echo below >repo/sub/word
	echo second >repo/word
	git -C repo add .
	git -C repo commit -qm second
	[ "$(word_of "$url")" = second ]
	[ "$(word_of "$url#v1")" = first ]
	[ "$(word_of "$url#main")" = first ]
	[ "$(word_of "$url#$first")" = first ]
	[ "$(word_of "$url#${first:0:9}")" = first ]
	[ "$(word_of "$url#next:sub")" = below ]
	[ "$(word_of "$url#:sub")" = below ]
	[ "$(word_of "$url?branch=next&subdir=sub")" = below ]
	[ "$(word_of "$url?tag=v1&checksum=$first")" = first ]
	run -125 cooper build "$url#missing"
	assert_output_has "missing"
	run -125 cooper build "$url?checksum=0123456"
	assert_output_has "checksum"
	run -125 cooper build "$url#v1:sub"
	assert_output_has "subdirectory 'sub'"
}

@test "a git repository cannot run anything or lead out of itself" {
	make_repository repo word
	echo secret >secret
	mkdir -p repo/hooks
	ln -s "$PWD/secret" repo/leak
	ln -s "$PWD" repo/out
	printf 'FROM scratch\nCOPY leak /word\n' >repo/Dockerfile
	git -C repo add .
	git -C repo commit -qm hostile
	run -125 cooper build "file://$PWD/repo"
	run -125 cooper build "file://$PWD/repo#main:out"
	run -125 cooper build "file://$PWD/repo#main:../"
	run -125 cooper build "file://$PWD/repo#--upload-pack=touch $PWD/ran"
	run -125 cooper build "ext::sh -c 'touch $PWD/ran'"
	[ ! -e ran ]
}

# ./served/outer.git with the submodule ../inner.git
make_served() {
	make_repository inner inner
	make_repository outer outer
	mkdir served
	git clone -q --bare inner served/inner.git
	git -C outer -c protocol.file.allow=always submodule --quiet add "$PWD/served/inner.git" inner
	git -C outer config -f .gitmodules submodule.inner.url ../inner.git
	printf 'FROM scratch\nCOPY . /\nCOPY inner/word /word\n' >outer/Dockerfile
	git -C outer add .
	git -C outer commit -qm sub
	git clone -q --bare outer served/outer.git
}

@test "the administrator's and the user's git configuration say where servers are" {
	make_repository repo word
	local place
	printf '[url "file://%s/"]\n\tinsteadOf = https://git.invalid/\n' "$PWD" >configuration
	run cooper build "https://git.invalid/repo.git"
	[ "$status" -ne 0 ]
	# What it leads to is still asked for the right to be used: file is not, for an address on the web.
	for place in GIT_CONFIG_SYSTEM GIT_CONFIG_GLOBAL; do
		run env "$place=$PWD/configuration" cooper build "https://git.invalid/repo.git"
		assert_fails_with 125 "transport 'file' not allowed"
	done
	run env GIT_CONFIG_SYSTEM="$PWD/configuration" GIT_CONFIG_NOSYSTEM=1 cooper build "https://git.invalid/repo.git"
	[ "$status" -ne 0 ]
	assert_output_lacks "transport 'file' not allowed"
}

@test "submodules come along, and the .git directory only when asked for" {
	make_served
	start_git_server
	local url=http://bob:s3cret@$GIT_ADDRESS/outer.git
	[ "$(word_of "$url")" = inner ]
	run -0 sh -c 'cooper build -q -o - "$1" | tar -t' - "$url"
	assert_output_lacks .git/
	run -0 sh -c 'cooper build -q -o - "$1?keep-git-dir=true" | tar -t' - "$url"
	assert_output_has .git/HEAD
	run -125 cooper build "$url?submodules=false"
}

@test "a password reaches the server, and neither a kept repository, its submodules, nor an error" {
	make_served
	start_git_server
	cooper build -q -o out "http://bob:s3c%72et@$GIT_ADDRESS/outer.git?keep-git-dir=true"
	[ "$(cat out/word)" = inner ]
	[ -d out/.git/modules/inner ]
	run grep -r s3cret out
	[ "$status" -eq 1 ] || fail "$output"
	printf 'FROM scratch\nADD --keep-git-dir http://bob:s3cret@%s/outer.git /\n' "$GIT_ADDRESS" >Dockerfile
	cooper build -q -o added .
	run grep -r s3cret added
	[ "$status" -eq 1 ] || fail "$output"
	rm -rf served/inner.git
	run -125 cooper build "http://bob:s3cret@$GIT_ADDRESS/outer.git"
	assert_output_has "http://bob:***@$GIT_ADDRESS/outer.git: git submodule"
	assert_output_lacks s3cret
	run -125 cooper build "http://s3cret@$GIT_ADDRESS/outer.git"
	assert_output_has "http://***@$GIT_ADDRESS/outer.git: git fetch: Authentication failed"
	assert_output_lacks s3cret
}

@test "a repository of this machine does not bring in another one by its submodules" {
	make_repository private secret
	make_repository evil word
	git -C evil -c protocol.file.allow=always submodule --quiet add "$PWD/private" leak
	printf 'FROM scratch\nCOPY leak/word /word\n' >evil/Dockerfile
	git -C evil add .
	git -C evil commit -qm hostile
	run -125 cooper build "file://$PWD/evil"
	assert_output_has "no repository of this machine is taken as a submodule"
	git -C evil config -f .gitmodules submodule.leak.url "file://$PWD/private"
	git -C evil commit -qam more
	run -125 cooper build "file://$PWD/evil"
	assert_output_has "no repository of this machine is taken as a submodule"
	run -125 cooper build "file://$PWD/evil?submodules=false"
	assert_output_lacks "as a submodule"
}

@test "ADD takes a git repository, never one of this machine" {
	[ -x "$(git --exec-path)/git-daemon" ] || skip "git-daemon is not installed"
	make_repository repo added
	mkdir repo/sub
	echo below >repo/sub/word
	git -C repo add .
	git -C repo commit -qm sub
	local address
	address=127.0.0.1:$(free_port)
	git daemon --base-path="$PWD" --export-all --listen=127.0.0.1 --port="${address##*:}" 3>&- &
	printf '%s\n' "$!" >daemon.pid
	wait_for_port "$address"
	printf 'FROM scratch\nADD git://%s/repo#main:sub /\nADD --keep-git-dir git://%s/repo /whole/\n' \
		"$address" "$address" >Dockerfile
	cooper build -q -o out .
	[ "$(cat out/word)" = below ]
	[ "$(cat out/whole/word)" = added ]
	[ -d out/whole/.git ] && [ ! -e out/.git ]
	printf 'FROM scratch\nADD --checksum=%s git://%s/repo /\n' "$(git -C repo rev-parse HEAD~)" "$address" >Dockerfile
	run -125 cooper build .
	assert_output_has checksum
	printf 'FROM scratch\nADD file://%s/repo /\n' "$PWD" >Dockerfile
	run -125 cooper build .
}
