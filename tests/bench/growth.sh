# shellcheck shell=bash disable=SC2016,SC2154
# How the cost of a command grows with what else there is. Each point is the least CPU time and wall time of some runs:
# what else the machine does can only add; memory is the most of all runs. With BENCH_PATIENCE, one that took longer is
# the only one. Lines in "$results/growth":
# "plot|series|x|wall ms|CPU ms|MiB".

# point PLOT SERIES X COMMAND...: measures and notes it. What `before` and `after` say is done around each run, and not
# measured.
before='' after=''
point() {
	local plot=$1 series=$2 x=$3 runs=3 start _
	shift 3
	rm -f "$scratch/one-point" "$scratch/one-of-many"
	[ -z "$BENCH_QUICK" ] || runs=2
	for _ in $(seq "$runs"); do
		start=$(milliseconds)
		if ! eval "$before" >>"$log" 2>&1 || ! launch "$scratch/one-point" "$@" >>"$log" 2>&1 </dev/null ||
			! eval "$after" >>"$log" 2>&1; then
			notes+=("$series failed at $plot $x: $(last_words)")
			return 1
		fi
		[ "$BENCH_PATIENCE" = 0 ] || [ $(($(milliseconds) - start)) -lt $((BENCH_PATIENCE * 1000)) ] || break
	done
	# Where a shell has started several, their own lines tell their memory; else it is that of the one.
	[ -e "$scratch/one-of-many" ] || cp "$scratch/one-point" "$scratch/one-of-many"
	awk -v head="$plot|$series|$x" 'FILENAME ~ /many$/ { if ($4 > memory) memory = $4; next }
		{ w = $1 / 1000; c = ($2 + $3) / 1000
		if (!n || w < wall) wall = w
		if (!n++ || c < cpu) cpu = c } END { printf "%s|%.2f|%.2f|%.1f\n", head, wall, cpu, memory / 1024 }' \
		"$scratch/one-of-many" "$scratch/one-point" >>"$results/growth"
}

has_tool() {
	case " $all_tools " in *" $1 "*) ;; *) return 1 ;; esac
}

# small_commands PLOT X IMAGE: what a script does with an image, step by step.
small_commands() {
	local plot=$1 x=$2 image=$3 before='' after=''
	tool cooper rm another >>"$log" 2>&1 || true
	after='tool cooper rm another'
	point "$plot" from "$x" cooper from --name another "$image" || return 1
	tool cooper from --name another "$image" >>"$log" 2>&1
	after=''
	point "$plot" 'run true' "$x" cooper run another -- true
	point "$plot" config "$x" cooper config --label a=b another
	point "$plot" copy "$x" cooper copy --quiet another "$scratch/small" /small
	before='tool cooper copy --quiet another "$scratch/small" /small && printf "%s" "$RANDOM$RANDOM" >"$scratch/small"'
	after='tool cooper rmi grown'
	point "$plot" commit "$x" cooper commit --quiet another grown
	before+=' && tool cooper commit --quiet another grown' after=''
	point "$plot" rmi "$x" cooper rmi grown
	before='tool cooper rm another; tool cooper from --name another "$image"'
	point "$plot" rm "$x" cooper rm another
}

# ---- layers ----

growth-layers() {
	local count name counts=(1 20 100 200 400)
	[ -z "$BENCH_QUICK" ] || counts=(1 20 120)
	for count in "${counts[@]}"; do
		name=layers-$count
		{ echo "FROM $base" && for ((n = 1; n < count; n++)); do echo "COPY small /small-$n"; done; } | recipe "$name"
		cp small "$name/"
		tool cooper build --quiet --tag "$name" "$name" >>"$log" 2>&1 || return 0
		small_commands layers "$count" "$name" || return 0
		point layers 'build, cached' "$count" cooper build --quiet --tag "$name" "$name"
	done
}

# ---- files ----

growth-files() {
	local count counts=(1000 10000 100000 1000000)
	[ -z "$BENCH_QUICK" ] || counts=(1000 10000)
	for count in "${counts[@]}"; do
		[ "$count" -le "$BENCH_MOST_FILES" ] || continue
		[ "$(df --output=iavail "$scratch" | tail -n 1)" -gt $((count * 4)) ] || continue
		rm -rf "grown" && python3 "$here/files" "$count" grown $((count > 100000 ? 200 : 2000))
		printf 'FROM scratch\nCOPY . /\n' >grown/Dockerfile
		point files 'cp -a' "$count" sh -c 'rm -rf grown-copy && cp -a grown grown-copy && rm -rf grown-copy'
		point files 'cooper build' "$count" cooper build --quiet --no-cache --tag grown grown || return 0
		cooper build --quiet --tag grown grown >>"$log" 2>&1
		point files 'cooper build, cached' "$count" cooper build --quiet --tag grown grown
		cooper prune --force --all >>"$log" 2>&1
	done
	rm -rf grown grown-copy
}

# ---- images ----

growth-images() {
	local count made=0 counts=(1 100 1000 10000)
	[ -z "$BENCH_QUICK" ] || counts=(1 100 2000)
	for count in "${counts[@]}"; do
		python3 "$here/images" $((count - made)) "$COOPER_ROOT" localhost/base:latest "$made" || return 0
		made=$count
		# The first one reads them all, and writes down what they use.
		tool cooper images base >>"$log" 2>&1
		small_commands images "$count" base || return 0
		point images 'images NAME' "$count" cooper images base
		point images 'images' "$count" cooper images
		point images 'prune' "$count" cooper prune --force
	done
	cooper rmi --all --force >>"$log" 2>&1 || true
	cooper rm --all >>"$log" 2>&1 || true
	make_base cooper >>"$log" 2>&1 && tool cooper from --name bench base >>"$log" 2>&1
}

# ---- builds at once ----

growth-builds() {
	local count name counts=(1 2 4 8 16)
	[ -z "$BENCH_QUICK" ] || counts=(1 4)
	printf 'FROM %s\nRUN sleep 0.2\nCOPY small /small\nRUN true\n' "$base" | recipe at-once
	cp small at-once/
	for count in "${counts[@]}"; do
		for name in cooper buildah; do
			has_tool "$name" || continue
			local words
			words_of "$name"
			point builds "$name build" "$count" bash -c 'count=$1; shift
				for ((i = 0; i < count; i++)); do
					launch one-of-many "$@" build --quiet --layers --no-cache --tag "at-once-$i" at-once &
				done
				wait' - "$count" "${words[@]}"
		done
	done
}

run_growth() {
	local name
	export BENCH_DAEMONS='' BENCH_MEMORY_OF=''
	for name in growth-layers growth-files growth-images growth-builds; do
		[[ $name =~ ${BENCH:-.} ]] || continue
		say "$name"
		"$name"
	done
}
