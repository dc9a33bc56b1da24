"""laughing_index.py LAYOUT WIDTH: an OCI layout whose index "all" has WIDTH entries, which are all the same index, which
has WIDTH entries, and so on for three levels, down to one image. Beside it lies "one", that image; and "empty", which is
the same down to an index without entries: there is nothing in it but to be counted."""
import hashlib
import json
import os
import sys

layout, width = sys.argv[1], int(sys.argv[2])
KIND = "application/vnd.oci.image."
os.makedirs(f"{layout}/blobs/sha256")


def put(data, kind):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{layout}/blobs/sha256/{digest}", "wb") as blob:
        blob.write(data)
    return {"mediaType": KIND + kind, "digest": "sha256:" + digest, "size": len(data)}


layer = b"\0" * 1024
config = {"architecture": "amd64", "os": "linux", "config": {},
          "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}
image = put({"schemaVersion": 2, "mediaType": KIND + "manifest.v1+json", "config": put(config, "config.v1+json"),
             "layers": [put(layer, "layer.v1.tar")]}, "manifest.v1+json")


def tower(top):
    for _ in range(3):
        top = put({"schemaVersion": 2, "mediaType": KIND + "index.v1+json", "manifests": [top] * width}, "index.v1+json")
    return top


top = tower(dict(image, platform={"architecture": "amd64", "os": "linux"}))
empty = tower(put({"schemaVersion": 2, "mediaType": KIND + "index.v1+json", "manifests": []}, "index.v1+json"))
REF = "org.opencontainers.image.ref.name"
with open(layout + "/index.json", "w") as file:
    json.dump({"schemaVersion": 2, "manifests": [dict(top, annotations={REF: "all"}), dict(image, annotations={REF: "one"}),
                                                  dict(empty, annotations={REF: "empty"})]}, file)
with open(layout + "/oci-layout", "w") as file:
    file.write('{"imageLayoutVersion": "1.0.0"}')
