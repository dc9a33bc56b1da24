"""The token server of the tests' registry (distribution-spec "token authentication"; JWT as docker-registry reads it).

token_server.py ADDRESS:PORT DIRECTORY USER PASSWORD

DIRECTORY holds server.key and server.crt. Everybody may pull, USER may do all; a wrong password is 401. Prints a line
"user scope" for each token given. Both ways of asking are served: GET with Basic, and OAuth2's POST.
"""

import base64
import http.server
import json
import subprocess
import sys
import time
import urllib.parse

address, directory, user, password = sys.argv[1:5]


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def certificate():
    text = open(f"{directory}/server.crt", encoding="ascii").read()
    return "".join(line for line in text.splitlines() if "-----" not in line)


def sign(claims):
    header = {"typ": "JWT", "alg": "RS256", "x5c": [certificate()]}
    body = encoded(json.dumps(header).encode()) + b"." + encoded(json.dumps(claims).encode())
    signature = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", f"{directory}/server.key"], input=body, stdout=subprocess.PIPE, check=True
    ).stdout
    return (body + b"." + encoded(signature)).decode()


def access(scopes, who):
    granted = []
    for scope in scopes:
        kind, rest = scope.split(":", 1)
        name, actions = rest.rsplit(":", 1)
        allowed = [action for action in actions.split(",") if who or action == "pull"]
        granted.append({"type": kind, "name": name, "actions": allowed})
    return granted


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def give(self, who, scopes):
        now = int(time.time())
        claims = {"iss": "test", "sub": who, "aud": "test", "exp": now + 300, "nbf": now - 10, "iat": now, "jti": str(now)}
        claims["access"] = access(scopes, who)
        print(who or "anonymous", " ".join(scopes), flush=True)
        token = sign(claims)
        self.answer(200, {"token": token, "access_token": token, "expires_in": 300, "refresh_token": "refresh-" + who})

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        scopes = [part for scope in query.get("scope", []) for part in scope.split()]
        header = self.headers.get("Authorization")
        if not header:
            return self.give("", scopes)
        if header == "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode():
            return self.give(user, scopes)
        return self.answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong user or password"}]})

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        scopes = " ".join(form.get("scope", [])).split()
        by_password = form.get("username") == [user] and form.get("password") == [password]
        if by_password or form.get("refresh_token") == ["refresh-" + user]:
            return self.give(user, scopes)
        return self.answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong user, password or token"}]})

    def log_message(self, *args):
        pass


host, port = address.rsplit(":", 1)
http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
