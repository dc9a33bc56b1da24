"""Makes a repository whose image has more signatures than anybody wants to read, all of them rubbish.

many_signatures.py HOST:PORT REPOSITORY TAG KIND COUNT SIZE

KIND is layers (one referrer with COUNT bundles), referrers (COUNT referrers without any), or cosign (COUNT signatures
under the tag). Each signature is the same blob of SIZE bytes.
"""

import hashlib
import http.client
import json
import sys

host, repository, tag, kind, count, size = sys.argv[1:7]
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
connection = http.client.HTTPConnection(host)


def call(method, path, body=None, headers=None):
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    data = answer.read()
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status} {data!r}")
    return answer, data


def put_blob(data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    answer, _ = call("POST", f"/v2/{repository}/blobs/uploads/")
    place = answer.headers["Location"]
    place += ("&" if "?" in place else "?") + "digest=" + digest
    call("PUT", place, data, {"Content-Type": "application/octet-stream"})
    return {"digest": digest, "size": len(data)}


def put_manifest(document, name=None):
    data = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, **document}).encode()
    name = name or "sha256:" + hashlib.sha256(data).hexdigest()
    call("PUT", f"/v2/{repository}/manifests/{name}", data, {"Content-Type": MANIFEST})


answer, data = call("GET", f"/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFEST})
subject = {"mediaType": MANIFEST, "digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}
rubbish = put_blob(b"{" * int(size))
config = put_blob(b"{}")
if kind == "cosign":
    layer = {"mediaType": PAYLOAD, **rubbish, "annotations": {"dev.cosignproject.cosign/signature": "AAAA"}}
    put_manifest(
        {"config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config}, "layers": [layer] * int(count)},
        subject["digest"].replace(":", "-") + ".sig",
    )
else:
    for number in range(int(count) if kind == "referrers" else 1):
        layer = {"mediaType": BUNDLE if kind == "layers" else EMPTY, **rubbish}
        put_manifest(
            {
                "artifactType": BUNDLE,
                "config": {"mediaType": EMPTY, **config},
                "layers": [layer] * (int(count) if kind == "layers" else 1),
                "subject": subject,
                "annotations": {"number": str(number)},
            }
        )
