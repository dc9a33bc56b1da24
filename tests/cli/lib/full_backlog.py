"""A host that is there and takes no connection, until it may:  full_backlog.py DIRECTORY

Writes DIRECTORY/address when its queue of connections is full, so that the kernel leaves further ones without an answer.
When DIRECTORY/go exists, the queue is emptied, and all requests are answered with 404.
"""

import http.server
import os
import socket
import sys
import time

directory = sys.argv[1]
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler, bind_and_activate=False)
server.server_bind()
server.socket.listen(0)
address = server.socket.getsockname()
waiting = []
while True:  # until one is not taken
    client = socket.socket()
    client.settimeout(0.5)
    try:
        client.connect(address)
    except TimeoutError:
        client.close()
        break
    waiting.append(client)
with open(f"{directory}/address.new", "w", encoding="utf-8") as file:
    file.write(f"127.0.0.1:{address[1]}")
os.rename(f"{directory}/address.new", f"{directory}/address")
while not os.path.exists(f"{directory}/go"):
    time.sleep(0.05)
for client in waiting:
    client.close()
os.mkdir(f"{directory}/nothing")
os.chdir(f"{directory}/nothing")
server.socket.listen(64)
server.serve_forever()
