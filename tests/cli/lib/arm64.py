"""A program for arm64, made without a linker:  arm64.py FILE

It prints the machine's name as uname(2) tells it to such programs ("aarch64"), or with an argument writes it into the
file of that name. clang assembles it; of the object only .text is taken and put behind an ELF header.
"""
import os
import struct
import subprocess
import sys
import tempfile

SOURCE = """
	.globl _start
_start:	ldr	x19, [sp]		// argc
	ldr	x20, [sp, 16]		// argv[1]
	sub	sp, sp, 416		// struct utsname: six times 65 bytes
	mov	x0, sp
	mov	x8, 160			// uname
	svc	0
	mov	x21, 1
	cmp	x19, 1
	b.le	print
	mov	x0, -100		// AT_FDCWD
	mov	x1, x20
	mov	x2, 0x41		// O_WRONLY | O_CREAT
	mov	x3, 0x1a4		// 0644
	mov	x8, 56			// openat
	svc	0
	mov	x21, x0
print:	add	x1, sp, 260		// machine
	mov	x2, 0
next:	ldrb	w4, [x1, x2]
	cbz	w4, end
	add	x2, x2, 1
	b	next
end:	mov	w4, 10
	strb	w4, [x1, x2]
	add	x2, x2, 1
	mov	x0, x21
	mov	x8, 64			// write
	svc	0
	cmp	x0, 0
	cset	x0, lt
	mov	x8, 93			// exit
	svc	0
"""
ADDRESS = 0x400000
EHDR, PHDR, SHDR = 64, 56, 64


def assemble():
    with tempfile.TemporaryDirectory() as where:
        source, made = os.path.join(where, "a.s"), os.path.join(where, "a.o")
        with open(source, "w") as f:
            f.write(SOURCE)
        subprocess.run(["clang", "--target=aarch64-linux-gnu", "-c", "-o", made, source], check=True)
        with open(made, "rb") as f:
            return f.read()


def text_of(made):
    sections, = struct.unpack_from("<Q", made, 40)
    count, names = struct.unpack_from("<HH", made, 60)
    headers = [struct.unpack_from("<IIQQQQ", made, sections + i * SHDR) for i in range(count)]
    for name, _, _, _, offset, size in headers:
        start = headers[names][4] + name
        if made[start:made.index(b"\0", start)] == b".text":
            return made[offset:offset + size]
    raise SystemExit("arm64.py: no .text")


def main():
    code = text_of(assemble())
    size = EHDR + PHDR + len(code)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, ADDRESS + EHDR + PHDR, EHDR, 0, 0, EHDR, PHDR, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, ADDRESS, ADDRESS, size, size, 0x1000)
    with open(sys.argv[1], "wb") as f:
        f.write(header + segment + code)
    os.chmod(sys.argv[1], 0o755)


main()
