"""A server for tests that looks at TLS:  tls_server.py DIRECTORY ADDRESS-FILE LOG [REDIRECT]

DIRECTORY has server.crt, server.key and ca.crt; whoever shows a certificate of that authority is known by it. HTTP/2 is
offered before HTTP/1.1. Everything is answered with 200 and {}, or what is not /v2/ with a redirect to REDIRECT and the
same path. The log has a line "PROTOCOL VERSION METHOD PATH WHO" for each request, and RESUMED behind it when the
connection went on with the TLS session of an earlier one.
"""

import http.server
import ssl
import sys

directory, address_file, log_file = sys.argv[1:4]
redirect = sys.argv[4] if len(sys.argv) > 4 else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        subject = dict(pair[0] for pair in (self.connection.getpeercert() or {}).get("subject", ()))
        with open(log_file, "a", encoding="utf-8") as log:
            protocol = self.connection.selected_alpn_protocol()
            resumed = " RESUMED" if self.connection.session_reused else ""
            log.write(f"{protocol} {self.request_version} {self.command} {self.path} {subject.get('commonName', '-')}{resumed}\n")
        away = redirect and self.path != "/v2/"
        self.send_response(307 if away else 200)
        if away:
            self.send_header("Location", redirect + self.path)
        self.send_header("Content-Length", "0" if away else "2")
        self.send_header("Connection", "close")  # the next request makes another
        self.end_headers()
        if not away and self.command != "HEAD":
            self.wfile.write(b"{}")

    do_GET = do_HEAD = answer

    def log_message(self, *args):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{directory}/server.crt", f"{directory}/server.key")
context.load_verify_locations(f"{directory}/ca.crt")
context.verify_mode = ssl.CERT_OPTIONAL
context.set_alpn_protocols(["h2", "http/1.1"])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
with open(address_file, "w", encoding="utf-8") as file:
    file.write(f"127.0.0.1:{server.server_address[1]}")
server.serve_forever()
