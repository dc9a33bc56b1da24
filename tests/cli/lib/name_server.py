"""A name server for tests, in a network namespace of its own:  name_server.py nxdomain|servfail READY-FILE

Brings the loopback up, answers every question on 127.0.0.1:53 with that code, and makes READY-FILE when it listens.
"""

import fcntl
import socket
import struct
import sys

CODES = {"nxdomain": 3, "servfail": 2}
SIOCSIFFLAGS = 0x8914
IFF_UP = 1

code = CODES[sys.argv[1]]
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(server, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
server.bind(("127.0.0.1", 53))
with open(sys.argv[2], "w", encoding="utf-8"):
    pass
while True:
    question, where = server.recvfrom(4096)
    end = question.index(b"\0", 12) + 5  # the name, its type and its class; what follows (EDNS) is left out
    server.sendto(question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, 0, 0, 0) + question[12:end], where)
