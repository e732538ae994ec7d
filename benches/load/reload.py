#!/usr/bin/env python3
"""A hundred reloads under load: by a changed file, by SIGHUP and by the command, in turn, with a WebSocket and a slow download open.

    reload.py [target/release/headgate] [--reloads 100] [--rate 10000]

wrk asks as fast as it can; another client, which sends one request after the other, looks at every answer: it must come whole, from one version of the
definition, and once a reload is known to be done, from the new one. Prints what was served, what failed, and the longest that an answer took.
Fails if anything failed, or if fewer requests a second were served than `--rate`.
"""

import argparse
import http.client
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from ports import free_ports

HERE = pathlib.Path(__file__).parent


class Origin(threading.Thread):
    """Echoes bytes to whoever upgrades, and sends pieces to everybody else until it is told to end."""

    def __init__(self, port: int):
        super().__init__(daemon=True)
        self.listener, self.ends = socket.create_server(("127.0.0.1", port)), threading.Event()

    def run(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        if b"upgrade: websocket" in head.lower():
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            while piece := connection.recv(4096):
                connection.sendall(piece)
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not self.ends.is_set():
            connection.sendall(b"4\r\nslow\r\n")
            time.sleep(0.02)
        connection.sendall(b"0\r\n\r\n")


class Looking(threading.Thread):
    """One request after the other, each answer looked at."""

    def __init__(self, port: int):
        super().__init__(daemon=True)
        self.port, self.served, self.failures, self.longest_ms, self.version, self.stops = port, 0, [], 0.0, 0, False

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.stops:
            known, started = self.version, time.monotonic()
            try:
                connection.request("GET", "/s/version")
                response = connection.getresponse()
                body, field = response.read().decode(), response.getheader("x-version")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                continue
            self.longest_ms = max(self.longest_ms, 1000 * (time.monotonic() - started))
            self.served += 1
            if response.status != 200 or body != field or int(body) < known:
                self.failures.append(f"{response.status} {body} {field}, after {known}")


def definition(version: int, origin: int) -> str:
    mock = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {
            "default": {
                "statusCode": "200",
                "responseParameters": {"method.response.header.X-Version": f"'{version}'"},
                "responseTemplates": {"application/json": str(version)},
            }
        },
    }
    forward = {"type": "http_proxy", "httpMethod": "GET", "uri": f"http://127.0.0.1:{origin}/"}
    answers = {"responses": {"200": {"description": "done"}}}
    paths = {path: {"get": {**answers, "x-amazon-apigateway-integration": forward}} for path in ("/socket", "/slow")}
    paths["/version"] = {"get": {**answers, "x-amazon-apigateway-integration": mock}}
    return json.dumps({"openapi": "3.0.1", "info": {"title": "reload", "version": "1"}, "paths": paths})


def replace(path: pathlib.Path, text: str) -> None:
    """As editors and deployments do it: a reader sees the old file or the new one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("headgate", nargs="?", type=pathlib.Path, default=HERE / "../../target/release/headgate")
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--rate", type=int, default=10_000, help="requests a second that must be served at least; default: %(default)s")
    given = parser.parse_args()
    program = given.headgate.resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="headgate-reload-"))
    port, admin, origin_port = free_ports(3)
    api = folder / "api.json"
    api.write_text(definition(0, origin_port))
    configuration = {
        "listeners": [{"address": f"127.0.0.1:{port}"}],
        "admin": {"address": f"127.0.0.1:{admin}"},
        "apis": [{"id": "reload", "definition": "api.json", "stages": [{"stageName": "s"}]}],
    }
    (folder / "gateway.yaml").write_text(json.dumps(configuration))
    origin = Origin(origin_port)
    origin.start()
    said = (folder / "said").open("wb")
    # Only every third reload is left to the watcher: the others are taken by its turn, too.
    gateway = subprocess.Popen([program, "run", "--config", "gateway.yaml", "--watch"], cwd=folder, stdout=said, stderr=said)

    def current() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/s/version") as response:
            return int(response.read())

    try:
        until = time.monotonic() + 20
        while True:
            try:
                current()
                break
            except OSError:
                if time.monotonic() > until:
                    sys.exit((folder / "said").read_text())
                time.sleep(0.05)
        upgraded = socket.create_connection(("127.0.0.1", port))
        upgraded.sendall(
            b"GET /s/socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += upgraded.recv(1)
        if b" 101 " not in head:
            sys.exit(f"no upgrade: {head!r}")
        slow: list = []
        download = threading.Thread(target=lambda: slow.append(urllib.request.urlopen(f"http://127.0.0.1:{port}/s/slow").read()))
        download.start()
        looking = Looking(port)
        looking.start()
        wrk = subprocess.Popen(
            ["wrk", "-t1", "-c64", "-d600s", "--latency", f"http://127.0.0.1:{port}/s/version"], stdout=subprocess.PIPE, text=True
        )
        started, kinds = time.monotonic(), {"file": 0, "SIGHUP": 0, "command": 0}
        for version in range(1, given.reloads + 1):
            kind = list(kinds)[version % 3]
            kinds[kind] += 1
            replace(api, definition(version, origin_port))
            if kind == "SIGHUP":
                gateway.send_signal(signal.SIGHUP)
            elif kind == "command":
                subprocess.run([program, "reload", "--config", "gateway.yaml"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            while current() != version:
                time.sleep(0.002)
            looking.version = version
            upgraded.sendall(bytes([version % 256]))
            if upgraded.recv(1) != bytes([version % 256]):
                sys.exit("the upgraded connection gave another byte back")
        took = time.monotonic() - started
        wrk.send_signal(signal.SIGINT)
        told = wrk.communicate()[0]
        looking.stops = True
        looking.join()
        origin.ends.set()
        download.join()
        count = int(re.search(r"(\d+) requests in", told)[1])
        errors = re.findall(r"(?:Non-2xx.*|Socket errors.*)", told)
        longest = re.search(r"Latency +\S+ +\S+ +(\S+)", told)[1]
        whole = bool(slow) and slow[0] == b"slow" * (len(slow[0]) // 4) and len(slow[0]) > 0
        print(f"{given.reloads} reloads in {took:.1f} s ({', '.join(f'{count} by {kind}' for kind, count in kinds.items())})")
        print(f"{count} requests, {count / took:,.0f} a second; failed: {errors or 0}; longest {longest}")
        print(f"{looking.served} of them looked at; failed: {looking.failures[:5] or 0}; longest {looking.longest_ms:.1f} ms")
        print(f"the download: {'whole' if whole else 'BROKEN'}, {len(slow[0]) if slow else 0} bytes; the upgraded connection: {given.reloads} echoes")
        if errors or looking.failures or not whole or count / took < given.rate:
            sys.exit(1)
    finally:
        gateway.terminate()
        gateway.wait(30)
        said.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
