# The ready pods of docs/examples/kubernetes: they parse, keep to the Pod Security Standard that they claim, are pods whose
# rung has been seen (tests/pods/table.json), and what their containers run works.
load lib/common

setup_file() {
	common_setup_file
	export SOURCE=$BATS_TEST_DIRNAME/../.. PODS=$BATS_TEST_DIRNAME/../pods
	export MANIFESTS=$SOURCE/docs/examples/kubernetes
	[ -d "$MANIFESTS" ] || return 0
	use_busybox
}

setup() {
	[ -d "$MANIFESTS" ] || skip "docs/examples is not at hand"
	python3 -c 'import yaml, tomllib' 2>/dev/null || skip "python3-yaml or Python 3.11 is not installed"
}

@test "there is a Job, a Tekton task and a GitLab runner for each of the three pods" {
	for shape in job tekton gitlab; do
		for pod in restricted localhost baseline; do
			[ -s "$MANIFESTS/$shape-$pod.yaml" ] || fail "$shape-$pod.yaml is missing"
		done
	done
}

@test "each keeps to its Pod Security Standard and asks for the rung that this pod was seen to reach" {
	run "$PODS/lint" "$MANIFESTS"/{job,tekton,gitlab}-*.yaml
	assert_succeeds
	assert_output_is ""
}

@test "the check of the manifests finds what is wrong" {
	broken=$BATS_TEST_TMPDIR/job-restricted.yaml
	wrong() {
		sed "$1" "$MANIFESTS/job-restricted.yaml" >"$broken"
		run "$PODS/lint" "$broken"
		assert_output_has "$2"
	}
	wrong 's/runAsNonRoot: true/runAsNonRoot: false/' "may run as root"
	wrong 's/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/' "may gain privileges"
	wrong 's/drop: \[ALL\]/drop: [KILL]/' "keeps capabilities"
	wrong 's/type: RuntimeDefault/type: Unconfined/' "Unconfined"
	wrong 's/min-isolation=4/min-isolation=1/' "asks for rung 1"
	wrong 's/automountServiceAccountToken: false//' "token"
	wrong 's/emptyDir: {}/hostPath: {path: \/}/' "volume"
}

# The arguments of each Job, with this machine's registry and context in place of the examples', and the Secret mounted as
# Kubernetes mounts it: a link to a link.
@test "what the Jobs run builds and pushes, with credentials from a mounted Secret" {
	start_registry htpasswd
	mkdir -p "$BATS_TEST_TMPDIR"/{app,credentials/..2026}
	printf 'FROM busybox\nRUN echo built >/file\n' >"$BATS_TEST_TMPDIR/app/Dockerfile"
	printf '{"auths": {"%s": {"auth": "%s"}}}' "$REGISTRY" "$(printf %s "$REGISTRY_USER:$REGISTRY_PASSWORD" | base64 -w 0)" \
		>"$BATS_TEST_TMPDIR/credentials/..2026/.dockerconfigjson"
	ln -s ..2026 "$BATS_TEST_TMPDIR/credentials/..data"
	ln -s ..data/.dockerconfigjson "$BATS_TEST_TMPDIR/credentials/.dockerconfigjson"
	unset REGISTRY_AUTH_FILE
	for pod in restricted localhost baseline; do
		mapfile -t args < <("$PODS/lint" --args "$MANIFESTS/job-$pod.yaml" |
			sed "s,registry.example.org/team,$REGISTRY/$pod,; s,^/source/app\$,$BATS_TEST_TMPDIR/app,; s,^build\$,&\n--tls-verify=false,")
		DOCKER_CONFIG=$BATS_TEST_TMPDIR/credentials run cooper "${args[@]}"
		assert_succeeds
		run cooper image inspect --creds "$REGISTRY_USER:$REGISTRY_PASSWORD" --tls-verify=false --format '{{.Os}}' \
			"docker://$REGISTRY/$pod/app:1"
		assert_output_is linux
	done
	run cooper "${args[@]}"
	[ "$status" -ne 0 ] || fail "the registry lets in who has no credentials"
}

@test "the options that the Tekton tasks and the GitLab job use exist" {
	options=$(cat "$MANIFESTS"/tekton-*.yaml "$MANIFESTS/gitlab-ci.yml" | grep -v '^ *#' | grep -oE -- ' --[a-z][a-z-]+' | sort -u)
	known=$(cooper --help; cooper build --help; cooper info --help)
	for option in $options; do
		grep -qE -- "$option\b" <<<"$known" || fail "no option $option"
	done
	[ "$(wc -w <<<"$options")" -ge 7 ]
	python3 -c 'import sys, yaml; job = yaml.safe_load(open(sys.argv[1]))["build-image"]; assert "cooper" in job["script"][1]' \
		"$MANIFESTS/gitlab-ci.yml"
}

@test "the profile that cooper ships is what its program writes, and adds no more than namespaces and mounts" {
	run "$SOURCE/contrib/seccomp/generate" --check
	assert_succeeds
	run python3 - "$SOURCE/contrib/seccomp" <<-'PYTHON'
		import importlib.machinery, importlib.util, json, sys
		sys.dont_write_bytecode = True
		loader = importlib.machinery.SourceFileLoader("profiles", sys.argv[1] + "/generate")
		module = importlib.util.module_from_spec(importlib.util.spec_from_loader("profiles", loader))
		loader.exec_module(module)
		shipped = json.load(open(sys.argv[1] + "/cooper.json"))
		allowed = {n for rule in shipped["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for n in rule["names"]}
		default = module.runtime_default([], "x86_64")
		before = {n for rule in default["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for n in rule["names"]}
		assert before <= allowed
		print(" ".join(sorted(allowed - before)))
	PYTHON
	assert_output_is "chroot clone3 fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree pivot_root setdomainname sethostname setns umount umount2 unshare"
}
