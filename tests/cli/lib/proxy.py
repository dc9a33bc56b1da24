"""A proxy for tests:  proxy.py ADDRESS-FILE LOG TARGET [CERTIFICATE KEY]

With a certificate it is spoken to in TLS.
Every host that it is asked for is TARGET (host:port). Knows CONNECT, and GET and HEAD of absolute addresses; its log has
a line "METHOD WHERE AUTHORIZATION" for each request.
"""

import select
import socket
import socketserver
import ssl
import sys

address_file, log_file, target = sys.argv[1:4]
context = None
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        method, where, _ = self.rfile.readline().decode().split(" ", 2)
        headers = []
        while (line := self.rfile.readline()).strip():
            headers.append(line)
        secret = [line.split(b":", 1)[1].strip().decode() for line in headers if line.lower().startswith(b"proxy-authorization:")]
        with open(log_file, "a", encoding="utf-8") as log:
            log.write(f"{method} {where} {secret[0] if secret else '-'}\n")
        host, port = target.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as there:
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = "/" + where.split("/", 3)[3]
                kept = [line for line in headers if not line.lower().startswith((b"proxy-", b"connection:"))]
                there.sendall(f"{method} {path} HTTP/1.1\r\n".encode() + b"".join(kept) + b"Connection: close\r\n\r\n")
            self.relay(there)

    def relay(self, there):
        sockets = [self.connection, there]
        while True:
            # What TLS has taken from the socket already is no longer waited for there.
            waiting = [self.connection] if context and self.connection.pending() else select.select(sockets, [], [])[0]
            for one in waiting:
                data = one.recv(65536)
                if not data:
                    return
                (there if one is self.connection else self.connection).sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def finish_request(self, request, client_address):
        try:
            request = context.wrap_socket(request, server_side=True) if context else request
        except OSError:
            return
        self.RequestHandlerClass(request, client_address, self)


with Server(("127.0.0.1", 0), Handler) as server:
    with open(address_file, "w", encoding="utf-8") as file:
        file.write(f"127.0.0.1:{server.server_address[1]}")
    server.serve_forever()
