# shellcheck shell=bash disable=SC2154
# How the cost of a command grows with what else there is. Each point is the least CPU time and wall time of some runs:
# what else the machine does can only add. Lines in "$results/growth": "plot|series|x|wall ms|CPU ms".

# point PLOT SERIES X COMMAND...: measures and notes it.
point() {
	local plot=$1 series=$2 x=$3 runs=3 _
	shift 3
	rm -f "$scratch/one-point"
	[ -z "$BENCH_QUICK" ] || runs=2
	for _ in $(seq "$runs"); do
		launch "$scratch/one-point" "$@" >>"$log" 2>&1 </dev/null || {
			notes+=("$series failed at $plot $x: $(last_words)")
			return 1
		}
	done
	awk -v head="$plot|$series|$x" '{ w = $1 / 1000; c = ($2 + $3) / 1000
		if (NR == 1 || w < wall) wall = w
		if (NR == 1 || c < cpu) cpu = c } END { printf "%s|%.2f|%.2f\n", head, wall, cpu }' \
		"$scratch/one-point" >>"$results/growth"
}

has_tool() {
	case " $all_tools " in *" $1 "*) ;; *) return 1 ;; esac
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
		point layers 'cooper from' "$count" cooper from "$name" || return 0
		tool cooper from --name "in-$name" "$name" >>"$log" 2>&1
		point layers 'cooper run true' "$count" cooper run "in-$name" -- true
		point layers 'cooper build, cached' "$count" cooper build --quiet --tag "$name" "$name"
	done
}

# ---- files ----

growth-files() {
	local count counts=(1000 10000 100000 1000000)
	[ -z "$BENCH_QUICK" ] || counts=(1000 10000)
	for count in "${counts[@]}"; do
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
	local count before=0 counts=(1 100 1000 10000)
	[ -z "$BENCH_QUICK" ] || counts=(1 100 2000)
	for count in "${counts[@]}"; do
		python3 "$here/images" $((count - before)) "$COOPER_ROOT" localhost/base:latest "$before" || return 0
		before=$count
		point images 'from' "$count" cooper from base
		point images 'run true' "$count" cooper run bench -- true
		point images 'config' "$count" cooper config --label "a=$count" bench
		point images 'images' "$count" cooper images
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
			# shellcheck disable=SC2016
			point builds "$name build" "$count" bash -c 'count=$1; shift
				for ((i = 0; i < count; i++)); do "$@" build --quiet --layers --no-cache --tag "at-once-$i" at-once & done
				wait' - "$count" "${words[@]}"
		done
	done
}

run_growth() {
	local name
	for name in growth-layers growth-files growth-images growth-builds; do
		[[ $name == *"${BENCH:-}"* ]] || continue
		say "$name"
		"$name"
	done
}
