"""Writes an OCI layout whose image has many small layers:  many_layers.py DIRECTORY COUNT BASE_TAR [linked]

The lowest layer is BASE_TAR; each further one has a file of its own, and replaces /counter, whose number it raises.
"linked": its file has a second name, so that cooper does not put it together with others.
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile


def main():
    directory, count, base = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    linked = sys.argv[4:] == ["linked"]
    blobs = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blobs)

    def put(data):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as file:
            file.write(data)
        return "sha256:" + digest

    def layer(number):
        if number == 0:
            with open(base, "rb") as file:
                return file.read()
        text = b"%d\n" % number
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in ("counter", "files/f%d" % number):
                info = tarfile.TarInfo(name)
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text))
            if linked:
                info = tarfile.TarInfo("links/l%d" % number)
                info.type, info.linkname = tarfile.LNKTYPE, "files/f%d" % number
                tar.addfile(info)
        return out.getvalue()

    layers, diff_ids = [], []
    for number in range(count):
        plain = layer(number)
        packed = gzip.compress(plain, 1, mtime=0)
        diff_ids.append("sha256:" + hashlib.sha256(plain).hexdigest())
        layers.append({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                       "digest": put(packed), "size": len(packed)})
    config = json.dumps({"architecture": "amd64" if os.uname().machine == "x86_64" else "arm64", "os": "linux",
                         "config": {"Env": ["PATH=/bin"]},
                         "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                           "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                                      "digest": put(config), "size": len(config)},
                           "layers": layers}).encode()
    with open(os.path.join(directory, "oci-layout"), "w") as file:
        file.write('{"imageLayoutVersion":"1.0.0"}')
    with open(os.path.join(directory, "index.json"), "w") as file:
        json.dump({"schemaVersion": 2, "manifests": [
            {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": put(manifest),
             "size": len(manifest), "annotations": {"org.opencontainers.image.ref.name": "many"}}]}, file)


main()
