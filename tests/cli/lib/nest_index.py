"""nest_index.py LAYOUT INNER OUTER: gives the index INNER of an OCI layout an attestation for its amd64 image, and puts
it into a further index, OUTER."""
import hashlib
import json
import sys

layout, inner, outer = sys.argv[1:]
REF = "org.opencontainers.image.ref.name"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def put(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{layout}/blobs/sha256/{digest}", "wb") as blob:
        blob.write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}


def get(digest):
    with open(f"{layout}/blobs/sha256/{digest.split(':')[1]}", "rb") as blob:
        return json.load(blob)


with open(layout + "/index.json") as file:
    top = json.load(file)
entry = next(m for m in top["manifests"] if m.get("annotations", {}).get(REF) == inner)
index = get(entry["digest"])
amd64 = next(m for m in index["manifests"] if m["platform"]["architecture"] == "amd64")

statement = dict(put(b'{"_type":"https://in-toto.io/Statement/v0.1"}'), mediaType="application/vnd.in-toto+json")
config = put({"architecture": "unknown", "os": "unknown", "config": {},
              "rootfs": {"type": "layers", "diff_ids": [statement["digest"]]}})
config["mediaType"] = "application/vnd.oci.image.config.v1+json"
attestation = put({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [statement]})
attestation.update(mediaType=MANIFEST, platform={"architecture": "unknown", "os": "unknown"}, annotations={
    "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd64["digest"]})
index["manifests"].append(attestation)

inner_entry = dict(put(index), mediaType=INDEX)
outer_entry = dict(put({"schemaVersion": 2, "mediaType": INDEX, "manifests": [inner_entry]}), mediaType=INDEX,
                   annotations={REF: outer})
top["manifests"].append(outer_entry)
with open(layout + "/index.json", "w") as file:
    json.dump(top, file)
