# Keys, policies and signatures, for the tests of trust:  load lib/signing
# shellcheck shell=bash

# A home of the file's own, in which skopeo and cooper find the same configuration.
signing_setup_file() {
	export HOME=$BATS_FILE_TMPDIR/home XDG_CONFIG_HOME=$BATS_FILE_TMPDIR/home/.config
	POLICY=$XDG_CONFIG_HOME/containers/policy.json
	LOOKASIDE=$HOME/.local/share/containers/sigstore
	export POLICY LOOKASIDE COOPER_KEY_PASSWORD='a pass phrase'
	unset COSIGN_PASSWORD
	mkdir -p "$XDG_CONFIG_HOME/containers"
}

signing_teardown_file() {
	[ -z "${GNUPGHOME:-}" ] || { gpgconf --kill all; rm -rf "$GNUPGHOME"; }
}

# Makes OpenPGP keys; exports KEY_<NAME>, a fingerprint, and writes NAME.gpg, the public key:  make_gpg_keys good evil
make_gpg_keys() {
	local name fingerprint
	command -v gpg >/dev/null || skip "gpg is not installed"
	# The path of the agent's socket must be short.
	[ -n "${GNUPGHOME:-}" ] || { GNUPGHOME=$(mktemp -d /tmp/g.XXXXXX) && export GNUPGHOME; }
	for name; do
		gpg --batch --quiet --passphrase '' --quick-gen-key "$name@example.org" ed25519 sign never 2>/dev/null || return
		fingerprint=$(gpg --batch --with-colons --list-keys "$name@example.org" 2>/dev/null |
			awk -F: '/^fpr/ { print $10; exit }')
		export "KEY_$name=$fingerprint"
		gpg --batch --export --armor "$name@example.org" >"$BATS_FILE_TMPDIR/$name.gpg" || return
	done
}

# NAME.key and NAME.pub of sigstore's kind:  make_sigstore_keys good evil
make_sigstore_keys() {
	local name
	for name; do
		cooper key generate -o "$BATS_FILE_TMPDIR/$name" 2>/dev/null || return
	done
}

# The whole policy, from standard input.
write_policy() {
	cat >"$POLICY"
}

# docker_policy '"type":"signedBy",…': for the registry of the test, and nothing else is accepted from registries.
docker_policy() {
	write_policy <<-END
		{"default": [{"type": "insecureAcceptAnything"}],
		 "transports": {"docker": {"": [{"type": "reject"}], "$REGISTRY": [{$1}]}}}
	END
}

gpg_policy() {
	docker_policy "\"type\": \"signedBy\", \"keyType\": \"GPGKeys\", \"keyPath\": \"$BATS_FILE_TMPDIR/$1.gpg\"${2:-}"
}

sigstore_policy() {
	docker_policy "\"type\": \"sigstoreSigned\", \"keyPath\": \"$BATS_FILE_TMPDIR/$1.pub\"${2:-}"
}

no_policy() {
	rm -f "$POLICY"
}

# Where signatures lie, from standard input.
registries_d() {
	mkdir -p "$XDG_CONFIG_HOME/containers/registries.d"
	cat >"$XDG_CONFIG_HOME/containers/registries.d/test.yaml"
}

# In teardown: the next test has neither.
no_configuration() {
	no_policy
	rm -rf "$XDG_CONFIG_HOME/containers/registries.d"
}

# Pulls into an empty store, of which nothing must be left when it is refused:  refused REPOSITORY:TAG "reason"
refused() {
	local -x COOPER_ROOT COOPER_RUNROOT
	COOPER_ROOT=$(mktemp -d "$BATS_FILE_TMPDIR/root-XXXXXX") COOPER_RUNROOT=$COOPER_ROOT/run
	run cooper pull -q "docker://$REGISTRY/$1"
	assert_fails_with 125 "$2"
	run cooper images -q
	assert_output_is ""
	[ -z "$(find "$COOPER_ROOT" -type f -size +2k)" ]
	remove_store "$COOPER_ROOT"
}

accepted() {
	local -x COOPER_ROOT COOPER_RUNROOT
	COOPER_ROOT=$(mktemp -d "$BATS_FILE_TMPDIR/root-XXXXXX") COOPER_RUNROOT=$COOPER_ROOT/run
	run cooper pull -q "docker://$REGISTRY/$1"
	assert_succeeds
	remove_store "$COOPER_ROOT"
}

# The digest of a manifest in the registry:  digest_of app:1
registry_digest() {
	skopeo --insecure-policy inspect --tls-verify=false --format '{{.Digest}}' "docker://$REGISTRY/$1"
}
