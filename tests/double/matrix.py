"""Spoils every request of a command in turn, with every fault, at several bytes:

    matrix.py push|pull|copy IMAGE [KEEP [LIMIT]]

Runs the command once undisturbed against a double of its own, to know its requests and what they move, then once for
each fault at each of them. The command has to succeed, the fault to have happened, no other origin to have seen a
credential, and of bytes no more may move than LIMITS says. Prints a line for each failure and one at the end:
"N faults, at most X times the bytes". KEEP is how the double keeps the bytes of a cut PATCH (registry.py, keep_partial),
LIMIT is for what is pushed instead of that in LIMITS.

push   IMAGE of the store into an empty repository
pull   of what push has put there, into an empty store
copy   the same from repository to repository, without mounts
"""

import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile

from registry import OPTIONS, State, serve

WORKERS = 2
LIMITS = {"sent": 1.20, "received": 1.35}  # by the double: what is pulled, what is pushed
MARGIN = 60000  # manifests and configurations, and what is asked for again to see that it fits

QUICK = ["--tls-verify=false", "--retry-delay", "1ms"]


class Recorder(State):
    """A State that is told how to behave, and asked for its log, without files."""

    def __init__(self):
        super().__init__(tempfile.mkdtemp(dir=os.environ["BATS_FILE_TMPDIR"]))
        self.entries = []

    def refresh(self):
        pass

    def record(self, entry):
        with self.lock:
            self.entries.append(entry)

    def does(self, **told):
        self.options = {**OPTIONS, **told}
        self.hits = [0] * len(self.options["faults"])
        self.entries = []
        self.uploads.clear()


# ---- A run ----


class Run:
    """The command, how often it is wanted, each time for a fresh place."""

    def __init__(self, command, image, keep):
        self.command, self.image, self.keep = command, image, keep
        self.state = Recorder()
        serve(self.state)
        self.count = 0
        if command != "push":
            self.state.does()
            self.cooper("push", *QUICK, "-q", self.image, f"{self.state.main}/from/app:1", check=True)

    def cooper(self, *arguments, check=False, **environment):
        return subprocess.run(
            ["timeout", "60", "cooper", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=check,
            env={**os.environ, "COOPER_STALL_TIMEOUT": "1s", **environment},
        )

    def once(self, faults):
        """What cooper said if it failed, else None; the log of the double."""
        self.count += 1
        self.state.does(faults=faults, mount="no", keep_partial=self.keep)
        done = getattr(self, self.command)(f"{self.state.main}/to/x{self.count}:1")
        for known in (self.state.blobs, self.state.manifests, self.state.tags):
            for key in [key for key in known if key[0].startswith("to/")]:
                del known[key]
        return done.stderr.strip() or "failed" if done.returncode else None, self.state.entries

    def push(self, name):
        return self.cooper("push", *QUICK, self.image, name)

    def copy(self, name):
        return self.cooper("image", "copy", *QUICK, f"docker://{self.state.main}/from/app:1", f"docker://{name}")

    def pull(self, _):
        with tempfile.TemporaryDirectory(dir=os.environ["BATS_FILE_TMPDIR"]) as place:
            # Its files have no owners but root, who is we.
            done = self.cooper(
                "pull", *QUICK, f"{self.state.main}/from/app:1", COOPER_ROOT=place + "/root", COOPER_RUNROOT=place + "/run"
            )
            shutil.rmtree(place + "/root", ignore_errors=True)
        return done


# ---- What can go wrong ----

STATUSES = [408, 425, 429, 499, 500, 502, 503, 504, 520, 527]
ANYWHERE = [
    {"do": "status", "status": 503, "text": "<html>try later</html>"},
    {"do": "body", "text": "<html>please log in</html>", "headers": {"Content-Type": "text/html"}},
    {"do": "body", "text": ""},
    {"do": "reset", "at": 0},
    {"do": "lost"},
    {"do": "halved"},
]
STALL = {"do": "stall", "at": 0, "seconds": 1.3}
IN_REQUESTS = ["reset", "truncate"]
IN_ANSWERS = ["reset", "truncate"]


def address(entry, before):
    """The fields of a fault that hits just this request again: its digest, or which of its kind it is."""
    target = entry["path"] + ("?" + entry["query"] if entry["query"] else "")
    digest = re.search(r"sha256(:|%3A)[0-9a-f]{64}", target)
    repository, _, rest = entry["path"].rpartition("/blobs/")
    if digest and repository:
        path = f"/{repository.split('/')[2]}/.*{digest[0]}"
    elif rest.startswith("uploads/"):
        path = "blobs/uploads/" + ("$" if entry["method"] == "POST" else "")
    else:
        path = "^" + re.sub("^/v2/to/[^/]*", "/v2/to/[^/]*", re.escape(entry["path"]).replace("\\", "")) + "$"
    kind = (entry["method"], path)
    before[kind] = before.get(kind, 0) + 1
    return {"method": entry["method"], "path": path, "nth": before[kind]}


def offsets(size):
    return sorted({1, size // 2, size - 1}) if size > 1000 else []


def cases(log):
    """(label, faults, further bytes that cannot be saved) for each request of the log."""
    before, stalled = {}, set()
    for number, entry in enumerate(log):
        where = address(entry, before)
        label = f"{where['method']} {entry['path']} ({where['nth']})"
        refused = {"do": "status", "status": STATUSES[number % len(STATUSES)], "read": False}
        for fault in [refused, *ANYWHERE]:
            yield f"{label}: {fault}", [{**where, **fault}], 0
        kind = (entry["method"], entry["received"] > 0, entry["sent"] > 1000)
        if kind not in stalled:
            stalled.add(kind)
            yield f"{label}: {STALL}", [{**where, **STALL}], 0
        for at in offsets(entry["received"]):
            for do in IN_REQUESTS:
                yield f"{label}: {do} at {at}", [{**where, "do": do, "at": at}], 0
        for at in offsets(entry["sent"]):
            for do in IN_ANSWERS:
                yield f"{label}: {do} at {at}", [{**where, "do": do, "at": at}], 0
        if entry["received"] > 0 and "/uploads/" in entry["path"]:
            yield from spoiled_request(label, where, entry, log)
        if entry["sent"] > 0 and entry["method"] == "GET" and entry["path"] != "/v2/":
            yield f"{label}: flipped", [{**where, "do": "flip"}], entry["sent"]
        if entry["sent"] > 100000:
            yield from spoiled_rest(label, where, entry)


def spoiled_request(label, where, entry, log):
    """A byte that arrives as another is noticed when all are there: the blob goes again, from its first byte."""
    whole = sum(other["received"] for other in log if other["path"] == entry["path"])
    yield f"{label}: spoiled", [{**where, "do": "spoil", "at": entry["received"] // 2}], whole


def spoiled_rest(label, where, entry):
    """Of a byte that comes as another the same is true, but the rest after a cut is known to be the rest."""
    half, again = entry["sent"] // 2, where["nth"] + 1
    cut = {**where, "do": "reset", "at": half}
    for says in (True, False):
        yield f"{label}: wrong range {says}", [cut, {**where, "nth": again, "do": "range", "off": 1, "says": says}], 0
    yield f"{label}: wrong ranges", [cut, {**where, "nth": again, "count": 2, "do": "range", "off": -7, "says": False}], 0
    yield f"{label}: 416", [cut, {**where, "nth": again, "do": "status", "status": 416}], 0
    yield f"{label}: two cuts", [cut, {**where, "nth": again, "do": "reset", "at": half // 2}], 0


# ---- All of them ----


def moved(log):
    return {way: sum(entry[way] for entry in log) for way in LIMITS}


def judge(run, ideal, label, faults, further):
    """What is wrong about one run, and how many times the bytes have moved."""
    said, log = run.once(faults)
    seen, failures, times = moved(log), [], 1.0
    if said:
        failures.append(f"{label}: {said.splitlines()[-1]}")
    if sum(1 for entry in log if entry["fault"]) < len(faults):
        failures.append(f"{label}: no such request")
    if any(entry["origin"] == "other" and entry["authorization"] for entry in log):
        failures.append(f"{label}: another origin saw a credential")
    for way, limit in LIMITS.items():
        allowed = ideal[way] * limit + MARGIN if not further else ideal[way] + further + MARGIN
        if ideal[way] > 100000 and not further:
            times = max(times, seen[way] / ideal[way])
        if seen[way] > allowed:
            failures.append(f"{label}: {seen[way]} bytes {way}, {ideal[way]} are needed")
    return failures, times


def work(arguments):
    number, command, image, keep, ideal, chosen = arguments
    run = Run(command, image, keep)
    failures, worst, count = [], 1.0, 0
    for case in chosen[number::WORKERS]:
        found, times = judge(run, ideal, *case)
        # Where the machine stands still for a second that is a fault more (COOPER_STALL_TIMEOUT): what is wrong is so again.
        # A credential that has got out has got out.
        if found and not any("credential" in what for what in found):
            found, times = judge(run, ideal, *case)
        failures += found
        worst = max(worst, times)
        count += 1
    return failures, worst, count


def main():
    command, image = sys.argv[1:3]
    keep = json.loads(sys.argv[3]) if len(sys.argv) > 3 else True
    if len(sys.argv) > 4:
        LIMITS["received"] = float(sys.argv[4])
    said, log = Run(command, image, keep).once([])
    if said:
        sys.exit(said)
    ideal = moved(log)
    chosen = list(cases(log))
    # Sanitizers look at what is done with each kind of fault, which comes at every request.
    if os.environ.get("COOPER_TEST_MODE") == "asan":
        chosen = chosen[::2]
    if os.environ.get("MATRIX_ONLY"):
        chosen = [case for case in chosen if os.environ["MATRIX_ONLY"] in case[0]]
    tasks = [(number, command, image, keep, ideal, chosen) for number in range(WORKERS)]
    with multiprocessing.Pool(WORKERS) as pool:
        results = pool.map(work, tasks, chunksize=1)
    for failures, _, _ in results:
        print("\n".join(failures), end="\n" if failures else "")
    worst, count = max(result[1] for result in results), sum(result[2] for result in results)
    print(f"{count} faults, at most {worst:.2f} times the bytes")
    sys.exit(any(result[0] for result in results))


main()
