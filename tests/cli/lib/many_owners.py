"""Writes an archive of 200 owners: many_owners.py ARCHIVE. Set-id bits, devices, FIFOs, hard links of each kind, also to
names that come later in a tree's order, attributes, capabilities, long names, sparse files."""
import io
import struct
import sys
import tarfile

MODES = [0o644, 0o4755, 0o2755, 0o6711, 0, 0o400, 0o1777, 0o4000, 0o2070, 0o7777]
DIRECTORIES = [0o755, 0o2755, 0o1777, 0o700, 0, 0o6711]
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0).decode("latin1")
FILE, DIR, LINK, FIFO = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE
CHAR, BLOCK, HARD = tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.LNKTYPE


def put(tar, name, kind, mode, uid, gid, link="", data=b"", device=(0, 0), headers=None):
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid, entry.linkname = kind, mode, uid, gid, link
    entry.devmajor, entry.devminor = device
    entry.size, entry.mtime, entry.pax_headers = len(data), 1500000000, headers or {}
    tar.addfile(entry, io.BytesIO(data))


def put_owners(tar):
    put(tar, "many", DIR, 0o2775, 7, 8)
    for n in range(200):
        uid, gid, mode = 100 + n * 321, 50 + n * 317, MODES[n % 10]
        put(tar, f"many/f{n:03}", FILE, mode, uid, gid, data=b"%d\n" % n * (n % 7))
        if n % 4:
            continue
        put(tar, f"many/d{n:03}", DIR, DIRECTORIES[n // 4 % 6], uid, gid)
        put(tar, f"many/d{n:03}/in", FILE, 0o4711, gid, uid, data=b"in")
        put(tar, f"many/l{n:03}", LINK, 0o777, uid, gid, f"f{n:03}")
        put(tar, f"many/p{n:03}", FIFO, mode, uid, gid)
        put(tar, f"many/c{n:03}", CHAR, mode & 0o777, uid, gid, device=(n + 1, n * 5))
        put(tar, f"many/b{n:03}", BLOCK, 0o660, uid, gid, device=(8, n))
        if n % 20:
            continue
        for name in "flpcb":
            for before in "az":
                put(tar, f"many/{before}{name}{n:03}", HARD, mode, uid, gid, f"many/{name}{n:03}")
        put(tar, f"many/in{n:03}", HARD, 0o644, uid, gid, f"many/d{n:03}/in")
    put(tar, "many/last", FILE, 0o6755, 65535, 65535)


def put_attributes(tar):
    put(tar, "attr", DIR, 0o755, 3, 4, headers={"SCHILY.xattr.user.directory": "v"})
    put(tar, "attr/capable", FILE, 0o4755, 0, 12, data=b"x",
        headers={"SCHILY.xattr.security.capability": CAPABILITY, "SCHILY.xattr.user.a": "b"})
    put(tar, "attr/shut", FILE, 0, 13, 14, headers={"SCHILY.xattr.user.nothing": "", "SCHILY.xattr.user.big": "z" * 2000})
    # Data, whatever it looks like: neither an owner nor a mark of overlayfs.
    put(tar, "attr/marks", FILE, 0o644, 13, 14,
        headers={"SCHILY.xattr.user.cooper.o": "x" * 20, "SCHILY.xattr.user.overlay.opaque": "y"})
    put(tar, "attr/list", FILE, 0o664, 13, 14, headers={"SCHILY.acl.access": "user::rw-,user:1234:r--,group::r--,mask::rw-,other::r--"})


def put_names(tar):
    path = "long"
    for n in range(6):
        put(tar, path, DIR, 0o750, 30 + n, 40 + n)
        path += "/" + chr(97 + n) * (90 + 20 * n)
    put(tar, path, DIR, 0o2750, 36, 46)
    put(tar, path + "/" + "F" * 255, FILE, 0o4755, 31, 41, data=b"deep")
    put(tar, path + "/link", LINK, 0o777, 32, 42, "../" * 40 + "x/" * 400)
    put(tar, path + "/hard", HARD, 0o777, 31, 41, path + "/" + "F" * 255)
    for n, name in enumerate(("space here", "new\nline", "-dash", "caf\u00e9", "back\\slash", "*")):
        put(tar, "long/" + name, FILE, 0o4600 + n, 50 + n, 60 + n, data=name.encode())


def put_sparse(tar):
    """GNU tar's form 1.0: a map of the pieces, then these."""
    pieces = b"2\n1048576\n4\n3145728\n0\n"
    put(tar, "long/sparse", FILE, 0o4750, 71, 72, data=pieces.ljust(512, b"\0") + b"data",
        headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "long/sparse",
                 "GNU.sparse.realsize": "3145728"})


with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT) as archive:
    put_owners(archive)
    put_attributes(archive)
    put_names(archive)
    put_sparse(archive)
