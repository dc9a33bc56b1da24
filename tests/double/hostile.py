"""Images that lie, for tests:  hostile.py HOST:PORT DIRECTORY OUTSIDE

Puts each into the double (which must not be strict) as HOST:PORT/hostile/NAME:1, and as an OCI layout, an archive of it
and a dir: into DIRECTORY, as NAME, NAME.tar and NAME.dir; and archives of docker save's kind that lie in other ways, as NAME.docker.
Prints "NAME<TAB>what cooper has to say<TAB>who sees it": all, only who inflates layers as well, or
only who unpacks them. "honest" is the image that all others are spoiled copies of; layers that lead out lead to the
directory OUTSIDE.
"""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import urllib.request

HOST, DIRECTORY, OUTSIDE = sys.argv[1:4]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"


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


def tar(*entries):
    """Of (name, type, link or content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, more in entries or [("file", tarfile.REGTYPE, b"content\n")]:
            entry = tarfile.TarInfo(name)
            entry.type = kind
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                entry.linkname, more = more, b""
            entry.size = len(more)
            archive.addfile(entry, io.BytesIO(more))
    return out.getvalue()


FILE, LINK, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


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

    def unpacks_to(self, data):
        self.layer = gzip.compress(data, mtime=0)
        self.config["rootfs"]["diff_ids"] = [digest(data)]

    def parts(self):
        """Its blobs, and the text of its manifest."""
        config = self.config_text or json.dumps(self.config).encode()
        about_config = {"mediaType": CONFIG, "digest": digest(config), "size": len(config)}
        about_layer = {"digest": digest(self.layer), "size": len(self.layer), **self.layer_descriptor}
        document = {"config": about_config, "layers": self.layers or [about_layer], **self.manifest}
        text = json.dumps(document).encode()
        return [config, self.layer], self.text(text) if self.text else text

    def put(self):
        blobs, text = self.parts()
        for blob in blobs:
            put_blob(self.name, blob)
        put_manifest(self.name, text, self.kind)

    def save(self):
        """As a layout, whose index is as wrong about the manifest as the registry's Content-Type."""
        layout, blobs, text = f"{DIRECTORY}/{self.name}", *self.parts()
        os.makedirs(layout + "/blobs/sha256")
        os.makedirs(layout + ".dir")
        for blob in [*blobs, text]:
            for place in (layout + "/blobs/sha256/", layout + ".dir/"):
                write(place + digest(blob).removeprefix("sha256:"), blob)
        top = {"mediaType": self.kind, "digest": digest(text), "size": len(text)}
        top["annotations"] = {"org.opencontainers.image.ref.name": "1"}
        write(layout + "/index.json", json.dumps({"schemaVersion": 2, "manifests": [top]}).encode())
        write(layout + "/oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        write(layout + ".dir/manifest.json", text)
        write(layout + ".dir/version", b"Directory Transport Version: 1.1\n")
        with tarfile.open(layout + ".tar", "w") as archive:
            archive.add(layout, arcname=".")


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def only_unpacked(case):
    """Who moves the image as it is has no reason to look."""
    case.seen_by = "who unpacks it"
    return case


def only_inflated(case):
    """Nor has he, unless it goes where nobody else would look."""
    case.seen_by = "who inflates it"
    return case


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


@only_unpacked
def layer_type(image):
    """application/x-unheard-of"""
    image.layer_descriptor["mediaType"] = "application/x-unheard-of"


@only_unpacked
def layer_encrypted(image):
    """encrypted"""
    image.layer_descriptor["mediaType"] = LAYER + "+encrypted"


@only_inflated
def layer_cut(image):
    """layer"""
    image.layer = PACKED[:-9]


@only_inflated
def layer_no_tar(image):
    """layer"""
    image.layer = gzip.compress(b"this is no tar archive" * 100, mtime=0)


@only_inflated
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


@only_unpacked
def config_type(image):
    """it is an artifact"""
    text = json.dumps(image.config).encode()
    image.manifest["config"] = {"mediaType": INDEX, "digest": digest(text), "size": len(text)}


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


def leads_out(name, *entries):
    """A case of a layer that does, or tries to."""

    def case(image):
        image.unpacks_to(tar(*entries))

    case.__name__ = name
    case.__doc__ = "layer"
    return only_unpacked(case)


OUT = [
    leads_out("out_dots", ("../" * 30 + OUTSIDE[1:] + "/x", FILE, b"out")),
    leads_out("out_link", ("l", LINK, OUTSIDE), ("l/x", FILE, b"out")),
    leads_out("out_link_relative", ("a/l", LINK, "../" * 30 + OUTSIDE[1:]), ("a/l/x", FILE, b"out")),
    leads_out("out_link_of_link", ("l", LINK, OUTSIDE), ("h", HARD, "l"), ("h/x", FILE, b"out")),
    leads_out("out_hard_dots", ("h", HARD, "../" * 30 + "etc/passwd")),
    leads_out("out_hard_root", ("h", HARD, "/etc/passwd")),
    leads_out("out_hard_through", ("l", LINK, "/etc"), ("h", HARD, "l/passwd")),
    leads_out("out_root", (".", LINK, OUTSIDE)),
    leads_out("out_whiteout", (".wh...", FILE, b"")),
    leads_out("out_whiteout_through", ("l", LINK, OUTSIDE), ("l/.wh.there", FILE, b"")),
    leads_out("out_opaque_through", ("l", LINK, OUTSIDE), ("l/.wh..wh..opq", FILE, b"")),
]


@only_inflated
def bomb(image):
    """times its size"""
    size = 2200 << 20
    head = tarfile.TarInfo("zeros")
    head.size = size
    head = head.tobuf(tarfile.PAX_FORMAT)
    image.config["rootfs"]["diff_ids"] = [digest(b"it does not come to that")]
    image.layer = subprocess.run(
        ["bash", "-c", f"{{ cat; head -c {size} /dev/zero; }} | zstd -qc"], input=head, stdout=subprocess.PIPE, check=True
    ).stdout
    image.layer_descriptor["mediaType"] = ZSTD


@only_unpacked
def bomb_of_header(image):
    """layer"""
    head = tarfile.TarInfo("large")
    head.size = 1 << 62
    image.unpacks_to(head.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def layers_none(image):
    """layers"""
    image.text = lambda text: json.dumps({**json.loads(text), "layers": {}}).encode()


def config_size(image):
    """bytes"""

    def smaller(text):
        document = json.loads(text)
        document["config"]["size"] -= 1
        return json.dumps(document).encode()

    image.text = smaller


def index_in_disguise(image):
    """"""
    image.kind = INDEX


CASES = [
    honest, layer_smaller, layer_larger, layer_negative, layer_huge, layer_missing, layer_algorithm, layer_zero_digest,
    layer_path, layer_type, layer_encrypted, layer_cut, layer_no_tar, diff_id_wrong, diff_ids_more, diff_ids_none,
    layers_many, config_large, config_no_json, config_twice, config_type, both_kinds, schema_1, schema_1_type, type_contradicts,
    type_unknown, keys_twice, manifest_large, manifest_deep, manifest_trailing, *OUT, bomb, bomb_of_header,
    layers_none, config_size, index_in_disguise,
]  # fmt: skip


def index_of(text, kind):
    """An index that leads to a manifest of this kind."""
    entry = {"mediaType": kind, "digest": digest(text), "size": len(text), "platform": {"os": "linux", "architecture": "amd64"}}
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}


def nest(depth):
    """An index in an index in an index …"""
    image = Image("nested")
    image.put()
    text, kind = image.parts()[1], MANIFEST
    for _ in range(depth):
        put_manifest("nested", text, kind, digest(text))
        text, kind = json.dumps(index_of(text, kind)).encode(), INDEX
    put_manifest("nested", text, kind)


def list_that_lies(name, words, **lies):
    """An index that is wrong about the honest image it leads to; what is no field of an entry is one of the index."""
    image = Image(name)
    image.put()
    text = image.parts()[1]
    put_manifest(name, text, MANIFEST, digest(text))
    index = index_of(text, MANIFEST)
    for field, value in lies.items():
        (index["manifests"][0] if field in index["manifests"][0] else index)[field] = value
    put_manifest(name, json.dumps(index).encode(), INDEX)
    print(name, words, "all", sep="\t")


def archive(name, manifest=None, config=None, layer=None, *links):
    """docker save's form, as NAME.docker; what is given takes the place of what is honest."""
    config = config if config is not None else json.dumps(Image("archive").config).encode()
    entry = {"Config": "config.json", "RepoTags": ["hostile/archive:1"], "Layers": ["layer.tar"], **(manifest or {})}
    text = entry["text"] if "text" in entry else json.dumps([entry]).encode()
    files = [("config.json", FILE, config), ("layer.tar", FILE, layer if layer is not None else TAR), ("manifest.json", FILE, text)]
    write(f"{DIRECTORY}/{name}.docker", tar(*[file for file in files if file[0] not in {link[0] for link in links}], *links))


def archives():
    archive("honest")
    archive("config_out", {"Config": "../" * 30 + "etc/passwd"})
    archive("config_root", {"Config": "/etc/passwd"})
    archive("config_link", None, None, None, ("config.json", LINK, "/etc/passwd"))
    archive("config_no_json", None, b"\x7fELF")
    archive("config_large", None, json.dumps({**Image("x").config, "config": {"Labels": {"x": "y" * (5 << 20)}}}).encode())
    archive("config_missing", {"Config": "nobody.json"})
    archive("layer_out", {"Layers": ["../" * 30 + "etc/passwd"]})
    archive("layer_link", None, None, None, ("layer.tar", LINK, "/etc/passwd"))
    archive("layer_hard", None, None, None, ("layer.tar", HARD, "../" * 30 + "etc/passwd"))
    archive("layer_missing", {"Layers": ["nobody.tar"]})
    archive("layer_other", None, None, tar(("other", FILE, b"other")))
    archive("layer_no_tar", None, None, b"this is no tar archive" * 100)
    archive("layers_more", {"Layers": ["layer.tar", "layer.tar"]})
    archive("layers_none", {"Layers": []})
    archive("manifest_deep", {"text": b"[" * 100000})
    archive("manifest_none", {"text": b"[]"})
    archive("manifest_twice", {"text": json.dumps([{"Config": "config.json"}]).encode()[:-2] + b', "Config": "x"}]'})
    archive("manifest_large", {"RepoTags": ["x" * (20 << 20)]})
    for case in OUT:
        image = Image(case.__name__)
        case(image)
        archive(case.__name__, None, json.dumps(image.config).encode(), gzip.decompress(image.layer))


def main():
    for case in CASES:
        image = Image(case.__name__)
        case(image)
        image.put()
        image.save()
        print(case.__name__, case.__doc__ or "cooper: ", getattr(case, "seen_by", "all"), sep="\t")
    nest(8)
    print("nested", "deep", "all", sep="\t")
    list_that_lies("list_size", "bytes, the index says 1", size=1)
    list_that_lies("list_type", "is of type", mediaType="application/vnd.docker.distribution.manifest.v2+json")
    list_that_lies("list_of_lists", "is of type", mediaType=INDEX)
    list_that_lies("list_config", "it could be read as an image and as an index", config={})
    archives()


main()
