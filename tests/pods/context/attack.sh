# A step that wants out: other processes of the pod, their memory, variables and files, the builder, the credentials beside
# it. The job (tests/pods/job) has put words in their way that begin with "treasure". Each success is a line "LEAK".
me=$(readlink /proc/self/ns/user)

look() {
	grep -al treasure "$@" 2>/dev/null | sed 's/^/LEAK read /'
}

for process in /proc/[0-9]*; do
	# Those of the step are its own business.
	[ "$(readlink "$process/ns/user" 2>/dev/null)" != "$me" ] || continue
	pid=${process#/proc/}
	look "$process/environ" "$process/root/var/lib/cooper/work/credentials" "$process/cwd/credentials" "$process"/fd/*
	! ls "$process/root/" >/dev/null 2>&1 || echo "LEAK root of $pid"
	! readlink "$process/exe" >/dev/null 2>&1 || echo "LEAK exe of $pid"
	! cat "$process/maps" 2>/dev/null | grep -q . || echo "LEAK maps of $pid"
	! dd if="$process/mem" bs=1 count=1 2>/dev/null | grep -q . || echo "LEAK memory of $pid"
	! (echo x >"$process/comm") 2>/dev/null || echo "LEAK comm of $pid"
	# The kernel asks for no more than the same user here (docs/kubernetes.md, "Other processes of the pod").
	! (echo 1000 >"$process/oom_score_adj") 2>/dev/null || echo "known: oom_score_adj of $pid"
	! renice -n 5 -p "$pid" >/dev/null 2>&1 || echo "LEAK priority of $pid"
	! taskset -p 1 "$pid" >/dev/null 2>&1 || echo "LEAK processors of $pid"
	! ionice -c 3 -p "$pid" >/dev/null 2>&1 || echo "LEAK turns of $pid"
	for signal in 0 USR1 STOP TERM KILL; do
		! kill -s "$signal" "$pid" 2>/dev/null || echo "LEAK $signal to $pid"
	done
done
look /var/lib/cooper/work/credentials /credentials/.dockerconfigjson /run/secrets/* /proc/self/environ
! unshare -U true 2>/dev/null || echo "LEAK a user namespace"
! mount -t tmpfs tmpfs /mnt 2>/dev/null || echo "LEAK a mount"
! (echo 1 >/proc/sys/kernel/panic) 2>/dev/null || echo "LEAK a sysctl"
! (echo 0 >/proc/self/uid_map) 2>/dev/null || echo "LEAK the id map"
echo "the attack is over"
