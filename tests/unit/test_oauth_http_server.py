#!/usr/bin/env python3
"""The lying servers of test_oauth_http: makes certificates, listens on 127.0.0.1, ends with its stdin.

usage: test_oauth_http_server.py DIR
Prints one line "name=port ..." when all listen. Writes every request to DIR/request and the numbers of
requests and connections so far to DIR/requests and DIR/connections, before it answers.
"""
import itertools
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

DIR = sys.argv[1]
TOKEN = "tok." + "0123456789abcdef" * 128
connections = requests = 0
lock = threading.Lock()


def path(name):
    return os.path.join(DIR, name)


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   cwd=DIR)


def certificates():
    with open(path("ca.cnf"), "w") as f:
        f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ncertificate=ca.pem\n"
                "private_key=ca.key\ndefault_md=sha256\npolicy=p\ncopy_extensions=copy\nunique_subject=no\n"
                "[p]\ncommonName=supplied\n"
                "[req]\ndistinguished_name=dn\n[dn]\n[v3ca]\nbasicConstraints=critical,CA:TRUE\n")
    open(path("index"), "w").close()
    with open(path("serial"), "w") as f:
        f.write("01\n")
    for ca in "ca", "otherca":
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                ca + ".key", "-out", ca + ".pem", "-days", "3650", "-subj", "/CN=test " + ca, "-config",
                "ca.cnf", "-extensions", "v3ca")
    for name, san, start, end in (
            ("good", "IP:127.0.0.1,DNS:localhost", "20200101000000Z", "20491231000000Z"),
            ("expired", "IP:127.0.0.1,DNS:localhost", "20200101000000Z", "20200201000000Z"),
            ("early", "IP:127.0.0.1,DNS:localhost", "20480101000000Z", "20491231000000Z"),
            ("wrongname", "DNS:else.example", "20200101000000Z", "20491231000000Z")):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name, "-addext",
                "subjectAltName=" + san, "-config", "ca.cnf")
        openssl("ca", "-batch", "-config", "ca.cnf", "-in", name + ".csr", "-out", name + ".pem",
                "-startdate", start, "-enddate", end, "-notext")


def context(name, top=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(path(name + ".pem"), path(name + ".key"))
    if top is not None:
        c.minimum_version = ssl.TLSVersion.TLSv1
        c.maximum_version = top
        c.set_ciphers("ALL:@SECLEVEL=0")
    return c


def answer(status, body, headers=(), kind="application/json"):
    body = body if isinstance(body, bytes) else body.encode()
    lines = ["HTTP/1.1 %d X" % status, "Content-Type: " + kind, "Content-Length: %d" % len(body), *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def reset(c):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()


def token(**more):
    return json.dumps({"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN, **more})


def serve_request(c, raw, where, body, nth):
    if where == "/vanish" and nth > 1:  # not a word on a connection that was kept
        return False
    if where == "/halfway" and nth > 1:
        c.sendall(b"HTTP/1.1 200 X\r\nContent-Len")
        return False
    if where in ("/token", "/vanish", "/halfway"):
        c.sendall(answer(200, token()))
    elif where == "/redirect":
        c.sendall(answer(307, "", ["Location: https://evil.example/steal"]))
    elif where == "/big":
        c.sendall(answer(200, b" " * 10000000))
    elif where == "/endless":
        c.sendall(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\r\n")
        while True:
            c.sendall(b" " * 65536)
    elif where == "/html":
        c.sendall(answer(200, "<html>Welcome</html>", kind="text/html"))
    elif where == "/cut":
        c.sendall(answer(200, token()[:40]))
    elif where == "/short":
        c.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n{\"token_type\":")
        return False
    elif where == "/throttled":
        c.sendall(answer(429, "", ["Retry-After: 17"]))
    elif where == "/busy":
        c.sendall(answer(503, "", ["Retry-After: 86400"]))
    elif where == "/later":        # a server whose clock is years behind: 17 s by that clock
        c.sendall(answer(503, "", ["Retry-After: Sun, 06 Nov 1994 12:00:17 GMT", "Date: Sun, 06 Nov 1994 12:00:00 GMT"]))
    elif where == "/invalid":
        c.sendall(answer(401, json.dumps({"error": "invalid_client", "error_codes": [7000215]})))
    elif where == "/echo":
        secret = open(path("secret")).read()
        c.sendall(answer(401, json.dumps({"error": "bad " + secret, "error_description": "is " + secret})))
    elif where == "/fine":          # an error under a status that says success
        secret = open(path("secret")).read()
        c.sendall(answer(200, json.dumps({"error": "bad " + secret, "error_description": "is " + secret})))
    elif where == "/reset":
        time.sleep(0.05)
        reset(c)
        return False
    elif where == "/empty":
        return False
    elif where == "/nonhttp":
        c.sendall(b"220 mail.example ESMTP\r\n")
        return False
    elif where == "/hang":
        time.sleep(30)
        return False
    elif where == "/drip":
        for b in answer(200, token()):
            c.sendall(bytes([b]))
            time.sleep(0.05)
    else:
        c.sendall(answer(404, "no"))
    return True


def serve(c):
    global requests
    for nth in itertools.count(1):
        raw = b""
        while b"\r\n\r\n" not in raw:
            more = c.recv(65536)
            if not more:
                return
            raw += more
        head, body = raw.split(b"\r\n\r\n", 1)
        size = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        while len(body) < size:
            body += c.recv(65536)
        with lock:
            requests += 1
            with open(path("requests"), "w") as f:
                f.write(str(requests))
            with open(path("request"), "wb") as f:
                f.write(head + b"\r\n\r\n" + body)
        if not serve_request(c, raw, head.split(b" ")[1].decode(), body, nth):
            return


def connection(c, handle):
    global connections
    with lock:
        connections += 1
        with open(path("connections"), "w") as f:
            f.write(str(connections))
    try:
        handle(c)
    except OSError:
        pass
    finally:
        c.close()


def tls(ctx):
    def handle(c):
        with ctx.wrap_socket(c, server_side=True) as t:
            serve(t)
    return handle


def plain(status):
    def handle(c):
        c.recv(65536)
        c.sendall(("HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status).encode())
    return handle


def listen(handle):
    s = socket.create_server(("127.0.0.1", 0), backlog=64)

    def loop():
        while True:
            c, _ = s.accept()
            threading.Thread(target=connection, args=(c, handle), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()
    return s.getsockname()[1]


def main():
    certificates()
    closed = socket.create_server(("127.0.0.1", 0))
    ports = {
        "good": listen(tls(context("good"))),
        "expired": listen(tls(context("expired"))),
        "early": listen(tls(context("early"))),
        "wrongname": listen(tls(context("wrongname"))),
        "oldtls": listen(tls(context("good", ssl.TLSVersion.TLSv1_1))),
        "plain": listen(plain(400)),
        "silent": listen(lambda c: time.sleep(30)),
        "slam": listen(reset),
        "proxy407": listen(plain(407)),
        "proxy403": listen(plain(403)),
        "closed": closed.getsockname()[1],
    }
    closed.close()
    print(" ".join("%s=%d" % p for p in ports.items()), flush=True)
    sys.stdin.read()


main()
