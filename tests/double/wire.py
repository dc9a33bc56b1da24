"""HTTP as the double speaks it: requests are read, answers are written, and the faults of registry.py happen on the way.

A WireHandler is one connection. What it is told to do about a request stands in self.fault, what a request means is for
the class that has route() to know: it reads the body with blocks() or body(), says so by read_all, and answers with send().
"""

import email.utils
import fcntl
import hashlib
import socket
import socketserver
import ssl
import struct
import sys
import termios
import time

BLOCK = 1 << 16


class Closed(Exception):
    """The connection is over."""


class WireHandler(socketserver.BaseRequestHandler):
    origin = "main"
    state = None

    # ---- The wire ----

    def setup(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.request.makefile("rb", buffering=BLOCK)
        self.headers, self.method, self.target = {}, "", ""

    def handle(self):
        try:
            while self.read_head():
                self.answer_request()
                if self.closing:
                    break
        except (Closed, ConnectionError, ssl.SSLError, TimeoutError):
            pass

    def finish(self):
        try:
            self.input.close()
            self.request.shutdown(socket.SHUT_WR)
            self.request.close()
        except OSError:
            pass

    def reset(self):
        """A TCP RST instead of an end."""
        raw = self.request
        self.input.close()  # it holds the descriptor, too
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if isinstance(raw, ssl.SSLSocket):
            raw = socket.socket(fileno=raw.detach())
        raw.close()
        raise Closed

    def read_head(self):
        line = self.input.readline(BLOCK)
        if not line.strip():
            return False
        if not line.rstrip().endswith(b" HTTP/1.1"):  # who asks whether TLS is spoken here
            return False
        self.method, self.target, _ = line.decode("latin-1").split(" ", 2)
        self.headers = {}
        while True:
            line = self.input.readline(BLOCK)
            if not line:
                return False
            if not line.strip():
                break
            name, value = line.decode("latin-1").split(":", 1)
            known = self.headers.get(name.lower())
            self.headers[name.lower()] = f"{known}, {value.strip()}" if known else value.strip()
        self.closing = self.headers.get("connection", "").lower() == "close"
        self.body_left = int(self.headers.get("content-length", 0))
        self.chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self.continued = "expect" not in self.headers
        self.taken = self.given = 0
        self.status = 0
        return True

    def has_body(self):
        return self.chunked or self.body_left > 0

    def blocks(self):
        """The request's body, with the fault that is to happen to it."""
        if self.has_body() and not self.continued:
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.continued = True
        while True:
            block = self.next_block()
            if not block:
                return
            at, do = self.fault.get("at", 0), self.fault.get("do")
            if do in ("reset", "truncate", "stall") and self.taken + len(block) > at and self.hits_request():
                block = block[: at - self.taken]
                self.taken += len(block)
                yield block
                self.break_request()
            if do == "spoil" and self.taken <= at < self.taken + len(block):
                here = at - self.taken
                block = block[:here] + bytes([block[here] ^ 1]) + block[here + 1 :]
            self.taken += len(block)
            yield block

    def hits_request(self):
        return self.fault.get("side", "request") == "request"

    def break_request(self):
        if self.fault["do"] == "stall":
            self.finish_record()
            time.sleep(self.fault.get("seconds", 5))
        raise BrokenPipeError if self.fault["do"] == "reset" else Closed

    def next_block(self):
        if self.chunked:
            size = int(self.input.readline(BLOCK).split(b";")[0] or b"0", 16)
            block = self.input.read(size)
            self.input.readline(BLOCK)
            if len(block) < size:
                raise Closed
            return block
        block = self.input.read1(min(BLOCK, self.body_left)) if self.body_left else b""
        if self.body_left and not block:
            raise Closed
        self.body_left -= len(block)
        return block

    def body(self):
        return b"".join(self.blocks())

    def send(self, status, body=b"", headers=None, length=None):
        """One answer, with the fault that is to happen to it."""
        fault = self.fault
        # An answer that comes before the body was read ends the connection: what follows would be taken for a request.
        if self.has_body() and (self.chunked or self.body_left > 0) and not self.read_all:
            self.closing = True
        headers = dict(headers or {})
        if fault.get("do") == "flip" and body:
            at = fault.get("at", len(body) // 2)
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        claimed = length if length is not None else len(body)
        if fault.get("do") == "size":
            claimed = fault["length"]
        if status != 204 and not (status >= 100 and status < 200):
            headers.setdefault("Content-Length", claimed)
        if self.closing:
            headers["Connection"] = "close"
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items() if v is not None)
        head += "".join(f"Warning: {text}\r\n" for text in self.state.options["warnings"]) + "\r\n"
        self.status = status
        if fault.get("do") == "lost" or (fault.get("do") == "reset" and not self.had_body and fault.get("at", 0) < 0):
            self.finish_record()
            self.reset()
        if fault.get("do") == "halved":
            self.finish_record()
            self.request.sendall(head.encode()[: len(head) // 2])
            raise Closed
        # Who has the answer may look into the log at once: what will be sent whole is written there before.
        if fault.get("do") not in ("reset", "truncate", "stall"):
            self.given = len(body) if self.method != "HEAD" else 0
            self.finish_record()
            self.given = 0
        self.request.sendall(head.encode())
        if self.method != "HEAD":
            self.send_body(body)
        if fault.get("do") == "size" and self.method != "HEAD" and claimed != len(body):
            self.closing = True
        self.finish_record()

    def send_body(self, body):
        do, at = self.fault.get("do"), self.fault.get("at", 0)
        rate = self.state.options["rate"]
        cut = do in ("reset", "truncate", "stall") and (not self.had_body or self.fault.get("side") == "answer")
        end = min(at, len(body)) if cut else len(body)
        view = memoryview(body)
        while self.given < end:
            block = view[self.given : min(self.given + BLOCK, end)]
            self.request.sendall(block)
            self.given += len(block)
            if rate:
                time.sleep(len(block) / rate)
        if not cut:
            return
        self.finish_record()
        if do == "stall":
            time.sleep(self.fault.get("seconds", 5))
        if do == "reset":
            self.wait_for_arrival()
            self.reset()
        raise Closed

    def wait_for_arrival(self):
        """A reset throws away what is still on its way, and a busy machine takes its time to read."""
        for _ in range(500):
            if struct.unpack("i", fcntl.ioctl(self.request.fileno(), termios.TIOCOUTQ, bytes(4)))[0] == 0:
                return
            time.sleep(0.01)

    def endless(self, kind, status, headers):
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        head += "Transfer-Encoding: chunked\r\n\r\n" if kind == "chunked" else "Connection: close\r\n\r\n"
        self.status = status
        self.request.sendall(head.encode())
        block = b"{" * BLOCK
        frame = b"%x\r\n" % BLOCK + block + b"\r\n" if kind == "chunked" else block
        try:
            while self.given < 256 << 20:
                self.request.sendall(frame)
                self.given += BLOCK
        finally:
            self.finish_record()
        raise Closed

    def finish_record(self):
        if self.recorded:
            return
        self.recorded = True
        authorization = self.headers.get("authorization")
        self.state.record(
            {
                "time": round(self.started, 4),
                "end": round(time.monotonic(), 4),
                "origin": self.origin,
                "host": self.headers.get("host"),
                "method": self.method,
                "path": self.target.split("?")[0],
                "query": self.target.partition("?")[2],
                "status": self.status,
                "received": self.taken,
                "sent": self.given,
                "authorization": authorization and authorization.split(" ")[0],
                "secret": authorization and hashlib.sha256(authorization.encode()).hexdigest()[:8],
                "range": self.headers.get("range"),
                "content_range": self.headers.get("content-range"),
                "content_type": self.headers.get("content-type"),
                "length": self.headers.get("content-length"),
                "chunked": self.chunked,
                "fault": self.fault.get("do"),
                "agent": self.headers.get("user-agent"),
            }
        )

    # ---- A request ----

    def answer_request(self):
        self.started = time.monotonic()
        self.recorded = False
        self.read_all = False
        self.had_body = self.has_body()
        with self.state.lock:
            self.state.refresh()
            self.fault = self.state.fault(self.method, self.target, self.origin)
        self.options = self.state.options
        try:
            if not self.faulty_answer():
                self.route()
        except BrokenPipeError:
            self.finish_record()
            self.reset()
        finally:
            self.finish_record()

    def faulty_answer(self):
        """The faults that take the place of the registry."""
        fault = self.fault
        do = fault.get("do")
        if do == "expire":
            with self.state.lock:
                self.state.tokens.clear()
        if do == "status":
            headers = dict(fault.get("headers", {}))
            if "retry_after" in fault:
                headers["Retry-After"] = fault["retry_after"]
            if "date" in fault:
                headers["Retry-After"] = email.utils.formatdate(time.time() + fault["date"] + 0.999, usegmt=True)
            if fault.get("read", True):
                self.body()
                self.read_all = True
            self.send(fault["status"], fault.get("text", "").encode(), headers)
            return True
        if do == "body":
            self.body()
            self.read_all = True
            if "endless" in fault:
                self.endless(fault["endless"], fault.get("status", 200), fault.get("headers", {}))
            self.send(fault.get("status", 200), fault.get("text", "").encode(), fault.get("headers"))
            return True
        if do == "redirect":
            self.body()
            self.read_all = True
            target = f"{self.state.scheme}://{self.state.other}{self.target}"
            self.send(fault.get("status", 307), b"", {"Location": fault.get("to", target)})
            return True
        if do == "reset" and not self.had_body and fault.get("at", 0) == 0:
            raise BrokenPipeError
        return False


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64
    context = None

    def finish_request(self, request, client_address):
        if self.context:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except (ssl.SSLError, OSError):
                return
        self.RequestHandlerClass(request, client_address, self)

    def handle_error(self, request, client_address):
        kind = sys.exc_info()[0]
        if not issubclass(kind, OSError):
            super().handle_error(request, client_address)
