"""A registry for tests: strict where the distribution specification is, and at fault where a script says so.

registry.py DIRECTORY [CERTIFICATE KEY]

Listens on two loopback ports: the registry, and "other", another origin for storage and tokens. DIRECTORY gets
    address, other    host:port of the two
    log               a JSON line for each request, see finish_record() in wire.py
and is read for
    config.json       how the registry behaves (OPTIONS below) and "faults", a list. Read again when it changes, which
                      also makes every fault new.

What goes over the wire, and the faults there, is wire.py's business; here is what the requests mean.

A fault is {"method": "PATCH", "path": "regex of path?query", "nth": 1, "count": 1, "do": …} and hits the requests number
nth to nth+count-1 of those it matches (count 0: all from nth on). "do" is one of
    status    answer "status" with "headers" instead of doing anything ("retry_after": seconds; "date": seconds from now,
              as a date). "read": false answers before the body is read.
    reset     a TCP reset at byte "at": of the request's body where there is one, else of the answer's
    lost      everything is done, and the answer is a reset
    halved    everything is done, and the answer ends in the middle of its headers, with a decent end of the connection
    truncate  the answer's body (or what is read of the request's) ends at byte "at", with a decent end of the connection
    stall     nothing more comes after byte "at" of the answer (or of the request's body), for "seconds"
    spoil     byte "at" of the request's body arrives as another
    body      the answer is "text", or "endless": "chunked" or "plain"; "status" and "headers" may be given
    range     the answer to a Range begins "off" bytes elsewhere, and says so ("says": false: does not say so)
    whole     the answer to a Range is all of the blob
    flip      one byte of the answer's body is another
    redirect  to the same path on the other origin (which serves it when "serves"), with "status" (307)
    expire    all tokens end now; the request goes on, and so gets a 401
    rival     behind the answer of a GET of a manifest somebody else has put one more entry into the index of that name
    newcomer  behind the 404 for a manifest somebody else has set that tag
    size      the answer claims "length" as Content-Length
"""

import base64
import hashlib
import json
import os
import re
import ssl
import sys
import threading
import time
import urllib.parse

from wire import Closed, Server, WireHandler

OPTIONS = {
    "auth": "none",  # basic, token
    "user": "tester",
    "password": "s3cret pass",
    "token_lifetime": 300,
    "tell_lifetime": True,  # expires_in in the answer
    "realm": "main",  # or other: where tokens are given
    "oauth": True,  # False: POST to the realm is 405
    "foreign_scopes": True,  # False: a token with a scope outside of "namespace" is 403
    "namespace": "",
    "location": "relative",  # absolute, queried, other (another port), http (a wrong scheme)
    "referrers": True,
    "subject": True,  # OCI-Subject
    "etags": "none",  # of manifests: strong, weak; a PUT with If-Match must know the one that is there
    "page": 0,  # tags and referrers per page
    "delete": "all",  # none, digest
    "chunk_min": 0,
    "max_body": 0,
    # Bytes of a cut PATCH count; "answered": only those of whole ones, as behind a front that buffers; False: the upload
    # is gone, as with docker-registry 2.
    "keep_partial": True,
    "drop_chunks": False,  # bytes of all PATCHes but the first are lost, and nothing is said
    "ranges": True,
    "redirect_blobs": False,
    "immutable": False,
    "conditional": True,  # If-None-Match of the PUT of a manifest counts
    "refuse_types": [],
    "mount": "yes",  # no (202), or a status
    "head": True,
    "stream": True,  # False: bodies without a length are 411
    "strict": True,  # manifests are checked
    "warnings": [],  # Warning headers of every answer
    "rate": 0,  # bytes per second of answers
    "faults": [],
}
MANIFEST_MAX = 4 << 20
INDEX = "application/vnd.oci.image.index.v1+json"


def parsed(data):
    """A manifest that says something; of one that lies in its form, nothing."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


class State:
    def __init__(self, directory):
        self.directory = directory
        self.lock = threading.RLock()
        self.blobs = {}  # (repository, digest) -> bytes
        self.manifests = {}  # (repository, digest) -> (type, bytes)
        self.tags = {}  # (repository, tag) -> digest
        self.uploads = {}  # id -> Upload
        self.tokens = {}  # text -> (scopes, end)
        self.counter = 0
        self.stamp = None
        self.options = dict(OPTIONS)
        self.hits = []
        self.log = open(os.path.join(directory, "log"), "a", encoding="utf-8")
        self.main = self.other = ""
        self.scheme = "http"

    def refresh(self):
        path = os.path.join(self.directory, "config.json")
        try:
            stat = os.stat(path)
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if stamp == self.stamp:
                return
            with open(path, encoding="utf-8") as file:
                told = json.load(file)
        except (FileNotFoundError, json.JSONDecodeError):
            return
        unknown = set(told) - set(OPTIONS)
        if unknown:
            raise SystemExit(f"registry.py: unknown options {unknown}")
        self.options = {**OPTIONS, **told}
        self.hits = [0] * len(self.options["faults"])
        self.stamp = stamp

    def fault(self, method, target, origin):
        """The first fault that hits this request; all that match count it."""
        found = None
        for index, fault in enumerate(self.options["faults"]):
            if fault.get("method") and not re.fullmatch(fault["method"], method):
                continue
            if fault.get("origin", "main") != origin or not re.search(fault.get("path", ""), target):
                continue
            self.hits[index] += 1
            nth, count = fault.get("nth", 1), fault.get("count", 1)
            if self.hits[index] >= nth and (count == 0 or self.hits[index] < nth + count) and not found:
                found = fault
        return found or {}

    def record(self, entry):
        with self.lock:
            self.log.write(json.dumps(entry, sort_keys=True) + "\n")
            self.log.flush()


class Upload:
    def __init__(self, repository):
        self.repository = repository
        self.data = bytearray()
        self.state = 0
        self.small_chunk = False
        self.patches = 0


def digest_of(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def error(code, message="", detail=None):
    return json.dumps({"errors": [{"code": code, "message": message or code.lower(), "detail": detail}]}).encode()


class Handler(WireHandler):
    def route(self):
        path, _, query = self.target.partition("?")
        self.query = urllib.parse.parse_qs(query, keep_blank_values=True)
        if path == "/token":
            return self.token()
        if self.origin == "other":
            return self.other(path)
        scopes = self.needed_scopes(path)
        if not self.is_allowed(scopes):
            return self.challenge(scopes)
        if path == "/v2/":
            return self.send(200, b"{}", {"Content-Type": "application/json"})
        match = re.fullmatch(r"/v2/(.+)/(blobs/uploads|blobs|manifests|tags|referrers)/([^/]*)", path)
        if not match:
            return self.send(404, error("NAME_UNKNOWN"))
        repository, kind, name = match.groups()
        name = urllib.parse.unquote(name)
        function = getattr(self, kind.replace("blobs/uploads", "upload"))
        return function(repository, name)

    def other(self, path):
        """Storage with signed addresses: an Authorization beside the signature is an error, as at S3."""
        if "authorization" in self.headers:
            return self.send(400, b"<Error>Only one auth mechanism allowed</Error>")
        match = re.fullmatch(r"/v2/(.+)/(blobs|blobs/uploads|manifests)/([^/]*)", path)
        if not match:
            return self.send(404, b"nothing here")
        if match[2] == "blobs/uploads":
            return self.upload(match[1], match[3])
        if match[2] == "manifests":
            return self.manifests(match[1], match[3])
        return self.give_blob(match[1], match[3])

    # ---- Authorization ----

    def needed_scopes(self, path):
        match = re.fullmatch(r"/v2/(.+)/(blobs/uploads|blobs|manifests|tags|referrers)/([^/]*)", path)
        if not match:
            return []
        reads = self.method in ("GET", "HEAD") and match[2] != "blobs/uploads"
        action = "pull" if reads else "delete" if self.method == "DELETE" and match[2] != "blobs/uploads" else "pull,push"
        scopes = [f"repository:{match[1]}:{action}"]
        if self.method == "POST" and "from" in self.query and "mount" in self.query:
            scopes.append(f"repository:{self.query['from'][0]}:pull")
        return scopes

    def is_allowed(self, scopes):
        kind, given = self.options["auth"], self.headers.get("authorization", "")
        if kind == "none":
            return True
        if kind == "basic":
            return given == self.basic()
        with self.state.lock:
            token = self.state.tokens.get(given.removeprefix("Bearer "))
        if not token or token[1] < time.monotonic():
            return False
        # A mount without the other scope is an upload; the specification leaves no room for a 401 there.
        return all(covers(token[0], scope) for scope in scopes[:1])

    def basic(self):
        pair = f"{self.options['user']}:{self.options['password']}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def challenge(self, scopes):
        if self.options["auth"] == "basic":
            text = 'Basic realm="double"'
        else:
            host = self.state.main if self.options["realm"] == "main" else self.state.other
            text = f'Bearer realm="{self.state.scheme}://{host}/token",service="double, of a registry"'
            if scopes:
                text += f',scope="{scopes[0]}"'
        # The body is not read: who waits for "100 Continue" saves it.
        return self.send(401, error("UNAUTHORIZED"), {"WWW-Authenticate": text})

    def token(self):
        form = self.query
        if self.method == "POST":
            if not self.options["oauth"]:
                self.body()
                self.read_all = True
                return self.send(405, b"")
            if self.chunked:  # a server that reads only Content-Length sees nothing
                return self.send(400, b'{"error": "no body"}')
            form = urllib.parse.parse_qs(self.body().decode())
            self.read_all = True
        scopes = [word for scope in form.get("scope", []) for word in scope.split()]
        known = self.headers.get("authorization") == self.basic() or form.get("refresh_token") == ["identity"]
        if ("authorization" in self.headers or self.method == "POST") and not known:
            return self.send(401, error("UNAUTHORIZED"))
        prefix = f"repository:{self.options['namespace']}"
        if not self.options["foreign_scopes"] and not all(scope.startswith(prefix) for scope in scopes):
            return self.send(403, error("DENIED", "a scope that is not yours"))
        granted = scopes if known else [scope for scope in scopes if scope.endswith(":pull")]
        with self.state.lock:
            self.state.counter += 1
            text = f"token-{self.state.counter}"
            self.state.tokens[text] = (granted, time.monotonic() + self.options["token_lifetime"])
        answer = {"token": text}
        if self.options["tell_lifetime"]:
            answer["expires_in"] = self.options["token_lifetime"]
        return self.send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    # ---- Blobs ----

    def blobs(self, repository, digest):
        if self.method == "HEAD" and not self.options["head"]:
            return self.send(405)
        if self.method == "DELETE":
            if self.options["delete"] == "none":
                return self.send(405, error("UNSUPPORTED"))
            self.state.blobs.pop((repository, digest), None)
            return self.send(202)
        if (repository, digest) in self.state.blobs and self.options["redirect_blobs"] and self.method == "GET":
            target = f"{self.state.scheme}://{self.state.other}{self.target}?signature=abc&expires=1"
            return self.send(307, b"", {"Location": target})
        return self.give_blob(repository, digest)

    def give_blob(self, repository, digest):
        data = self.state.blobs.get((repository, digest))
        if data is None:
            return self.send(404, error("BLOB_UNKNOWN", "blob unknown to registry", digest))
        headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
        asked = self.headers.get("range")
        no_parts = not self.options["ranges"] or self.fault.get("do") == "whole"
        if not asked or no_parts or self.headers.get("if-range", f'"{digest}"') != f'"{digest}"':
            return self.send(200, data, headers)
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
        if not match:
            return self.send(400, b"a range that is none")
        first = int(match[1])
        last = min(int(match[2]) if match[2] else len(data) - 1, len(data) - 1)
        if first > last:
            return self.send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        told = first
        if self.fault.get("do") == "range":
            first = max(0, first + self.fault.get("off", 1))
            told = first if self.fault.get("says", True) else told
        headers["Content-Range"] = f"bytes {told}-{told + last - first}/{len(data)}"
        return self.send(206, data[first : last + 1], headers)

    # ---- Uploads ----

    def location(self, repository, name):
        upload = self.state.uploads[name]
        path = f"/v2/{repository}/blobs/uploads/{name}"
        kind = self.options["location"]
        if kind in ("queried", "other", "http"):
            path += f"?_state={upload.state}%2B%3D&k=a+b"
        if kind == "absolute":
            return f"{self.state.scheme}://{self.state.main}{path}"
        if kind == "http":
            return f"http://{self.state.main}{path}"
        if kind == "other":
            return f"{self.state.scheme}://{self.state.other}{path}"
        return path

    def upload(self, repository, name):
        if self.method == "POST" and not name:
            return self.open_upload(repository)
        upload = self.state.uploads.get(name)
        if not upload or upload.repository != repository or not self.is_state(upload):
            return self.send(404, error("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"))
        if self.method == "GET":
            return self.send(204, b"", {"Location": self.location(repository, name), "Range": f"0-{max(0, len(upload.data) - 1)}"})
        if self.method == "DELETE":
            del self.state.uploads[name]
            return self.send(204)
        if self.method not in ("PATCH", "PUT"):
            return self.send(405, error("UNSUPPORTED"))
        limit = self.options["max_body"]
        if limit and self.body_left > limit:
            return self.send(413, b"<html>413 Request Entity Too Large</html>")
        if self.chunked and not self.options["stream"]:
            return self.send(411, b"<html>411 Length Required</html>")
        if not self.takes_range(upload):
            return self.send(416, error("BLOB_UPLOAD_INVALID", "out of order"), {"Range": f"0-{max(0, len(upload.data) - 1)}"})
        return self.take_upload(repository, name, upload, limit)

    def is_state(self, upload):
        """The address must be the last one that was given, to the byte."""
        if self.options["location"] not in ("queried", "other", "http"):
            return True
        query = self.target.partition("?")[2]
        return query.split("&digest=")[0] == f"_state={upload.state}%2B%3D&k=a+b"

    def takes_range(self, upload):
        text = self.headers.get("content-range")
        if not text:
            return not self.has_body() or len(upload.data) == 0
        match = re.fullmatch(r"(\d+)-(\d+)", text)
        if not match or int(match[1]) != len(upload.data):
            return False
        if int(match[2]) - int(match[1]) + 1 != self.body_left:
            return False
        return not upload.small_chunk or self.method == "PUT"

    def take_upload(self, repository, name, upload, limit):
        before = len(upload.data)
        drop = self.options["drop_chunks"] and upload.patches > 0 and self.method == "PATCH"
        try:
            for block in self.blocks():
                if limit and self.taken > limit:
                    return self.send(413, b"<html>413 Request Entity Too Large</html>")
                if not drop:
                    upload.data += block
        except (Closed, BrokenPipeError):
            if not self.options["keep_partial"]:
                self.state.uploads.pop(name, None)
            elif self.options["keep_partial"] == "answered":
                del upload.data[before:]
            raise
        self.read_all = True
        size = len(upload.data) - before
        upload.small_chunk = self.method == "PATCH" and size < self.options["chunk_min"]
        if self.method == "PATCH":
            upload.state += 1
            upload.patches += 1
            end = max(0, len(upload.data) - 1)
            return self.send(202, b"", {"Location": self.location(repository, name), "Range": f"0-{end}"})
        digest = self.query.get("digest", [""])[0]
        if ":" not in digest or digest_of(upload.data, digest.split(":")[0]) != digest:
            return self.send(400, error("DIGEST_INVALID", "provided digest did not match uploaded content"))
        self.state.blobs[(repository, digest)] = bytes(upload.data)
        del self.state.uploads[name]
        return self.send(201, b"", {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest})

    def open_upload(self, repository):
        if "mount" in self.query and "from" in self.query:
            answered = self.mount(repository, self.query["mount"][0], self.query["from"][0])
            if answered:
                return None
        self.body()
        self.read_all = True
        with self.state.lock:
            self.state.counter += 1
            name = f"upload-{self.state.counter}"
        self.state.uploads[name] = Upload(repository)
        headers = {"Location": self.location(repository, name), "Range": "0-0"}
        if self.options["chunk_min"]:
            headers["OCI-Chunk-Min-Length"] = self.options["chunk_min"]
        return self.send(202, b"", headers)

    def mount(self, repository, digest, source):
        how = self.options["mount"]
        if isinstance(how, int):
            self.body()
            self.read_all = True
            self.send(how, error("DENIED", "no mounting here"))
            return True
        scope = f"repository:{source}:pull"
        if self.options["auth"] == "token" and not covers(self.granted(), scope):
            return False
        if how == "no" or (source, digest) not in self.state.blobs:
            return False
        self.state.blobs[(repository, digest)] = self.state.blobs[(source, digest)]
        self.send(201, b"", {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest})
        return True

    def granted(self):
        with self.state.lock:
            return self.state.tokens.get(self.headers.get("authorization", "").removeprefix("Bearer "), ([], 0))[0]

    # ---- Manifests ----

    def manifests(self, repository, name):
        if self.method in ("GET", "HEAD"):
            return self.get_manifest(repository, name)
        if self.method == "PUT":
            return self.put_manifest(repository, name)
        if self.method == "DELETE":
            return self.delete_manifest(repository, name)
        return self.send(405, error("UNSUPPORTED"))

    def get_manifest(self, repository, name):
        if self.method == "HEAD" and not self.options["head"]:
            return self.send(405)
        digest = name if ":" in name else self.state.tags.get((repository, name))
        found = self.state.manifests.get((repository, digest))
        accepted = [part.split(";")[0].strip() for part in self.headers.get("accept", "").split(",")]
        if not found or (found[0] not in accepted and "*/*" not in accepted and self.options["strict"]):
            if self.fault.get("do") == "newcomer":
                self.set_tag(repository, name)
            return self.send(404, error("MANIFEST_UNKNOWN", "manifest unknown", name))
        headers = {"Content-Type": found[0], "Docker-Content-Digest": digest}
        if self.options["etags"] != "none":
            headers["ETag"] = ("W/" if self.options["etags"] == "weak" else "") + f'"{digest}"'
        if self.fault.get("do") == "rival":
            self.add_entry(repository, name, found)
        return self.send(200, found[1], headers)

    def set_tag(self, repository, name):
        """What another client does who comes between two requests."""
        data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
        self.state.manifests[(repository, digest_of(data))] = (INDEX, data)
        self.state.tags[(repository, name)] = digest_of(data)

    def add_entry(self, repository, name, found):
        """What another client does to an index."""
        index = json.loads(found[1])
        entry = dict(index["manifests"][0], artifactType="application/vnd.example.rival")
        kind, data = self.state.manifests[(repository, entry["digest"])]
        data += b" "
        entry.update(digest=digest_of(data), size=len(data))
        self.state.manifests[(repository, entry["digest"])] = (kind, data)
        index["manifests"].append(entry)
        data = json.dumps(index).encode()
        self.state.tags[(repository, name)] = digest_of(data)
        self.state.manifests[(repository, digest_of(data))] = (found[0], data)

    def problem(self, repository, name, kind, data):
        """Why a manifest is refused: (status, code), or None."""
        if len(data) > MANIFEST_MAX:
            return 413, "MANIFEST_INVALID"
        if kind in self.options["refuse_types"]:
            return 400, "MANIFEST_INVALID"
        if ":" in name and digest_of(data, name.split(":")[0]) != name:
            return 400, "DIGEST_INVALID"
        try:
            document = json.loads(data)
        except ValueError:
            return 400, "MANIFEST_INVALID"
        if document.get("mediaType", kind) != kind or document.get("schemaVersion") != 2:
            return 400, "MANIFEST_INVALID"
        if any(layer.get("mediaType") in self.options["refuse_types"] for layer in document.get("layers", [])):
            return 400, "MANIFEST_INVALID"
        for part in [document.get("config")] + document.get("layers", []):
            if part and (repository, part["digest"]) not in self.state.blobs:
                return 404, "MANIFEST_BLOB_UNKNOWN"
            if part and len(self.state.blobs[(repository, part["digest"])]) != part["size"]:
                return 400, "SIZE_INVALID"
        for part in document.get("manifests", []):
            if (repository, part["digest"]) not in self.state.manifests:
                return 404, "MANIFEST_UNKNOWN"
        return None

    def put_manifest(self, repository, name):
        data, kind = self.body(), self.headers.get("content-type", "")
        self.read_all = True
        problem = self.problem(repository, name, kind, data) if self.options["strict"] else None
        if problem:
            return self.send(problem[0], error(problem[1]))
        digest = name if ":" in name else digest_of(data)
        match = self.headers.get("if-match")  # compared strongly: a weak one is never equal
        if match and match != f'"{self.state.tags.get((repository, name))}"':
            return self.send(412, error("PRECONDITION_FAILED", "it is another meanwhile"))
        taken = (repository, name) in self.state.tags
        if self.headers.get("if-none-match") == "*" and self.options["conditional"] and taken:
            return self.send(412, error("PRECONDITION_FAILED", "it is there"))
        if ":" not in name and self.options["immutable"] and (repository, name) in self.state.tags:
            return self.send(400, error("TAG_INVALID", "the tag is immutable"))
        self.state.manifests[(repository, digest)] = (kind, data)
        if ":" not in name:
            self.state.tags[(repository, name)] = digest
        headers = {"Location": f"/v2/{repository}/manifests/{digest}", "Docker-Content-Digest": digest}
        try:
            subject = json.loads(data).get("subject")
        except (ValueError, AttributeError, RecursionError):
            subject = None
        if subject and self.options["subject"] and self.options["referrers"]:
            headers["OCI-Subject"] = subject["digest"]
        return self.send(201, b"", headers)

    def delete_manifest(self, repository, name):
        how = self.options["delete"]
        if how == "none":
            return self.send(405, error("UNSUPPORTED", "the operation is unsupported"))
        if ":" not in name:
            if how == "digest":
                return self.send(400, error("DIGEST_INVALID", "only by digest"))
            if not self.state.tags.pop((repository, name), None):
                return self.send(404, error("MANIFEST_UNKNOWN"))
            return self.send(202)
        if not self.state.manifests.pop((repository, name), None):
            return self.send(404, error("MANIFEST_UNKNOWN"))
        for key in [key for key, digest in self.state.tags.items() if key[0] == repository and digest == name]:
            del self.state.tags[key]
        return self.send(202)

    # ---- Lists ----

    def page(self, items, link):
        """Items after ?last, ?n of them or a page; and the headers."""
        last = self.query.get("last", [""])[0]
        items = [item for item in items if item > last]
        size = int(self.query.get("n", [0])[0]) or self.options["page"] or len(items)
        size = min(size, self.options["page"] or size)
        headers = {}
        if len(items) > size:
            headers["Link"] = f"<{link}?last={urllib.parse.quote(items[size - 1])}&n={size}>; rel=\"next\""
        return items[:size], headers

    def tags(self, repository, _):
        names = sorted(tag for name, tag in self.state.tags if name == repository)
        if not names and not any(name == repository for name, _ in self.state.manifests):
            return self.send(404, error("NAME_UNKNOWN"))
        names, headers = self.page(names, f"/v2/{repository}/tags/list")
        headers["Content-Type"] = "application/json"
        return self.send(200, json.dumps({"name": repository, "tags": names or None}).encode(), headers)

    def referrers(self, repository, digest):
        if not self.options["referrers"]:
            return self.send(404, b"404 page not found")
        wanted = self.query.get("artifactType", [None])[0]
        found = {}
        for (name, own), (kind, data) in self.state.manifests.items():
            document = parsed(data) if name == repository else {}
            if (document.get("subject") or {}).get("digest") != digest:
                continue
            artifact = document.get("artifactType") or (document.get("config") or {}).get("mediaType")
            if wanted and artifact != wanted:
                continue
            found[own] = {"mediaType": kind, "digest": own, "size": len(data), "artifactType": artifact}
            if document.get("annotations"):
                found[own]["annotations"] = document["annotations"]
        names, headers = self.page(sorted(found), f"/v2/{repository}/referrers/{digest}")
        headers["Content-Type"] = INDEX
        if wanted:
            headers["OCI-Filters-Applied"] = "artifactType"
        index = {"schemaVersion": 2, "mediaType": headers["Content-Type"], "manifests": [found[name] for name in names]}
        return self.send(200, json.dumps(index).encode(), headers)


def covers(granted, scope):
    kind, name, actions = scope.split(":", 2)
    for have in granted:
        have_kind, have_name, have_actions = have.split(":", 2)
        if (have_kind, have_name) == (kind, name) and set(actions.split(",")) <= set(have_actions.split(",")):
            return True
    return False


def serve(state, certificate=None, key=None):
    """Both origins, each in a thread; state.main and state.other say where."""
    Handler.state = state
    other = type("Other", (Handler,), {"origin": "other"})
    servers = [Server(("127.0.0.1", 0), Handler), Server(("127.0.0.1", 0), other)]
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        for server in servers:
            server.context = context
        state.scheme = "https"
    state.main, state.other = (f"127.0.0.1:{server.server_address[1]}" for server in servers)
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    state = State(sys.argv[1])
    serve(state, *sys.argv[2:])
    # The address is written last: who sees it may come.
    for name, text in (("other", state.other), ("address", state.main)):
        path = os.path.join(state.directory, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".new", path)
    threading.Event().wait()


if __name__ == "__main__":
    main()
