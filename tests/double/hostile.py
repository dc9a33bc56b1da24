"""Images that lie, for tests:  hostile.py HOST:PORT [NAME...]

Puts each into the double (which must not be strict) as HOST:PORT/hostile/NAME:1 and prints "NAME<TAB>what cooper has to
say". "honest" is the image that all others are spoiled copies of.
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile
import urllib.request

HOST = sys.argv[1]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def send(method, path, data, headers):
    request = urllib.request.Request(f"http://{HOST}{path}", data=data, method=method, headers=headers)
    with urllib.request.urlopen(request) as answer:
        return answer.headers


def put_blob(name, data, claim=None):
    location = send("POST", f"/v2/hostile/{name}/blobs/uploads/", b"", {})["Location"]
    send("PUT", f"{location}?digest={claim or digest(data)}", data, {"Content-Type": "application/octet-stream"})


def put_manifest(name, data, kind=MANIFEST, reference="1"):
    send("PUT", f"/v2/hostile/{name}/manifests/{reference}", data, {"Content-Type": kind})


def tar(name="file", content=b"content\n"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


TAR = tar()
PACKED = gzip.compress(TAR, mtime=0)


class Image:
    """The honest image; a case changes what it likes before it is put."""

    def __init__(self, name):
        self.name = name
        self.layer = PACKED
        self.config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(TAR)]},
        }
        self.config_text = None
        self.kind = MANIFEST
        self.manifest = {"schemaVersion": 2, "mediaType": MANIFEST}
        self.layer_descriptor = {"mediaType": LAYER}
        self.layers = None
        self.text = None

    def put(self):
        config = self.config_text or json.dumps(self.config).encode()
        put_blob(self.name, config)
        put_blob(self.name, self.layer)
        about_config = {"mediaType": CONFIG, "digest": digest(config), "size": len(config)}
        about_layer = {"digest": digest(self.layer), "size": len(self.layer), **self.layer_descriptor}
        document = {"config": about_config, "layers": self.layers or [about_layer], **self.manifest}
        text = json.dumps(document).encode()
        put_manifest(self.name, self.text(text) if self.text else text, self.kind)


def honest(image):
    """"""


def layer_smaller(image):
    """bytes"""
    image.layer_descriptor["size"] = len(PACKED) - 1


def layer_larger(image):
    """bytes"""
    image.layer_descriptor["size"] = len(PACKED) + 1


def layer_negative(image):
    """size"""
    image.layer_descriptor["size"] = -1


def layer_huge(image):
    """bytes"""
    image.layer_descriptor["size"] = 1 << 62


def layer_missing(image):
    """BLOB_UNKNOWN"""
    image.layer_descriptor["digest"] = digest(b"nobody has this")


def layer_algorithm(image):
    """digest"""
    image.layer_descriptor["digest"] = "md5:" + "0" * 32


def layer_zero_digest(image):
    """digest"""
    image.layer_descriptor["digest"] = "sha256:" + "0" * 64


def layer_path(image):
    """digest"""
    image.layer_descriptor["digest"] = "sha256:../../../../../../etc/passwd"


def layer_type(image):
    """application/x-unheard-of"""
    image.layer_descriptor["mediaType"] = "application/x-unheard-of"


def layer_encrypted(image):
    """encrypted"""
    image.layer_descriptor["mediaType"] = LAYER + "+encrypted"


def layer_cut(image):
    """layer"""
    image.layer = PACKED[:-9]


def layer_no_tar(image):
    """layer"""
    image.layer = gzip.compress(b"this is no tar archive" * 100, mtime=0)


def diff_id_wrong(image):
    """diff_id"""
    image.config["rootfs"]["diff_ids"] = [digest(b"another tar")]


def diff_ids_more(image):
    """1 layers in the manifest, 2 in the configuration"""
    image.config["rootfs"]["diff_ids"] *= 2


def diff_ids_none(image):
    """1 layers in the manifest, 0 in the configuration"""
    image.config["rootfs"]["diff_ids"] = []


def layers_many(image):
    """layers"""
    one = {"mediaType": LAYER, "digest": digest(PACKED), "size": len(PACKED)}
    image.layers = [one] * 1001


def config_large(image):
    """config"""
    image.config["config"] = {"Labels": {"x": "y" * (5 << 20)}}


def config_no_json(image):
    """config"""
    image.config_text = b"\x7fELF this is not it"


def config_twice(image):
    """uplicate"""
    image.config_text = b'{"os":"linux","architecture":"amd64","architecture":"arm64","rootfs":{"type":"layers","diff_ids":[]}}'


def both_kinds(image):
    """it could be read as an image and as an index"""
    image.manifest["manifests"] = []


def schema_1(image):
    """schema"""
    image.manifest["schemaVersion"] = 1


def schema_1_type(image):
    """schema 1"""
    image.kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    image.manifest = {"schemaVersion": 1, "fsLayers": [], "history": []}


def type_contradicts(image):
    """mediaType"""
    image.kind = "application/vnd.docker.distribution.manifest.v2+json"


def type_unknown(image):
    """type"""
    image.kind = "text/html"
    image.manifest.pop("mediaType")


def keys_twice(image):
    """uplicate"""
    image.text = lambda text: text[:-1] + b', "layers": []}'


def manifest_large(image):
    """larger than"""
    image.manifest["annotations"] = {"x": "y" * (5 << 20)}


def manifest_deep(image):
    """"""
    image.text = lambda text: b"[" * 100000


def manifest_trailing(image):
    """"""
    image.text = lambda text: text + b"{}"


CASES = [value for key, value in list(globals().items()) if callable(value) and getattr(value, "__doc__", None) is not None]
SKIPPED = {"digest", "send", "put_blob", "put_manifest", "tar", "Image"}


def nest(depth):
    """An index in an index in an index …"""
    image = Image("nested")
    image.put()
    text = urllib.request.urlopen(
        urllib.request.Request(f"http://{HOST}/v2/hostile/nested/manifests/1", headers={"Accept": "*/*"})
    ).read()
    kind = MANIFEST
    for _ in range(depth):
        put_manifest("nested", text, kind, digest(text))
        entry = {"mediaType": kind, "digest": digest(text), "size": len(text), "platform": {"os": "linux", "architecture": "amd64"}}
        text = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
        kind = INDEX
    put_manifest("nested", text, kind)


def main():
    for case in CASES:
        if case.__name__ in SKIPPED or case.__module__ != "__main__" or isinstance(case, type):
            continue
        image = Image(case.__name__)
        case(image)
        image.put()
        print(f"{case.__name__}\t{case.__doc__}")
    nest(8)
    print("nested\tdeep")


main()
