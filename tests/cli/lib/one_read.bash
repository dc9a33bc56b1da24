# shellcheck shell=bash disable=SC2154,SC2034
# Trees of all kinds to be copied, and how much is read for that.

# bytes_read COMMAND...: how much it and its children have read, in MiB, into $mib. proc_pid_io(5): a process has what
# its children had, once it has waited for them.
bytes_read() {
	run --separate-stderr bash -c '"$@" >/dev/null; status=$?
while read -r name value; do [ "$name" != rchar: ] || echo "$((value >> 20))"; done </proc/$$/io; exit $status' - "$@"
	assert_succeeds
	mib=$output
}

# The files look as if they had been there for long: what is younger than the clock's tick is not remembered.
settle() {
	find "$context" -exec touch -h -d 2020-01-01 {} +
	sleep 0.05
}

# Nothing has been asked before: cache/ may be removed at any time (docs/store.md).
forget_all() {
	rm -rf "$COOPER_ROOT"/cache
}

large_file() {
	head -c $((32 << 20)) /dev/urandom >"$context/large"
	printf 'FROM scratch\nCOPY large /d/\n' | dockerfile
	settle
}

# shape NUMBER: a tree that is different for each number.
shape() {
	python3 - "$context/src" "$1" <<-'EOF'
		import os, random, sys
		top, seed = sys.argv[1], int(sys.argv[2])
		r = random.Random(seed)
		names = ["a", "b-c", "b", "b.c", "B", "z" * 120, "ü", "with space", "-x", "0", "dir", "lib"]
		files = []
		def fill(path, depth):
		    os.makedirs(path, exist_ok=True)
		    for name in r.sample(names, r.randrange(2, 7)):
		        at = os.path.join(path, name)
		        kind = r.randrange(10)
		        if kind < 3 and depth < 4:
		            fill(at, depth + 1)
		            os.chmod(at, r.choice([0o755, 0o700, 0o777, 0o2755]))
		        elif kind == 3:
		            os.symlink(r.choice(["a", "../b", "/etc/passwd", "nowhere/" * 30]), at)
		        elif kind == 4 and files:
		            os.link(r.choice(files), at)
		        elif kind == 5:
		            os.mkfifo(at)
		        elif kind == 6:
		            with open(at, "wb") as f:
		                f.truncate(r.choice([0, 1, 300000]))
		            files.append(at)
		        else:
		            with open(at, "wb") as f:
		                f.write(r.randbytes(r.choice([0, 1, 511, 512, 513, 65535, 65536, 65537, 300000])))
		            os.chmod(at, r.choice([0o644, 0o755, 0o600, 0o4755]))
		            files.append(at)
		fill(top, 0)
		os.makedirs(top + "/dir", exist_ok=True)
		open(top + "/dir/always", "w").write("here")
		if r.randrange(3) == 0:
		    with open(top + "/large", "wb") as f:
		        f.write(r.randbytes(5 << 20))
	EOF
}

layers() {
	cooper inspect --type image --format '{{.OCIv1.RootFS.DiffIDs}}' made
}
