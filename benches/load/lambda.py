"""What a Lambda proxy request to a local warm compiled function costs the gateway, beside an HTTP_PROXY request of the same size.

    lambda.py target/release/headgate target/release/examples/function [requests]

Only the gateway's own processor time counts, as the system tells it: neither the function's, nor the origin's, nor this program's. Both kinds are
asked in turns, in one run, against one gateway.
"""
import json
import multiprocessing
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from ports import free_ports

ROUNDS = 5
SIZES = (0, 1 << 10, 16 << 10, 1 << 20)
CONNECTIONS = 4
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function"
URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/%s/invocations"


def message(reader):
    """Reads a message: its head, and as much content as that announces."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        piece = reader.recv(1 << 18)
        if not piece:
            return None
        data += piece
    head = data[:end].lower()
    at = head.find(b"content-length:")
    length = int(head[at + 15:].split(b"\r\n", 1)[0]) if at >= 0 else 0
    left = end + 4 + length - len(data)
    while left > 0:
        piece = reader.recv(min(left, 1 << 18))
        if not piece:
            return None
        left -= len(piece)
    return head


def origin(port):
    """Answers each request with as many bytes as its path says."""
    listener = socket.create_server(("127.0.0.1", port), backlog=64)

    def serve(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (head := message(connection)) is not None:
            size = int(head.split(b" ", 2)[1].rsplit(b"/", 1)[1])
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)

    import threading
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def client(port, path, size, requests, failed):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    method = b"POST" if size else b"GET"
    request = (b"%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load/1.0\r\nAccept: */*\r\nX-Request: 1\r\n"
               b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % (method, path.encode(), size)) + b"x" * size
    for _ in range(requests):
        connection.sendall(request)
        head = message(connection)
        if head is None or not head.startswith(b"http/1.1 200"):
            failed.value = 1
            return


def cpu(process):
    fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(gateway, port, path, size, requests):
    failed = multiprocessing.Value("i", 0)
    clients = [multiprocessing.Process(target=client, args=(port, path, size, requests // CONNECTIONS, failed)) for _ in range(CONNECTIONS)]
    before = cpu(gateway)
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    if failed.value:
        sys.exit(f"a request of {path} was not answered with 200")
    return (cpu(gateway) - before) / (requests // CONNECTIONS * CONNECTIONS) * 1e6


def main():
    headgate, function = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
    requests = int(sys.argv[3]) if len(sys.argv) > 3 else 8000
    folder = pathlib.Path(tempfile.mkdtemp(prefix="headgate-load-"))
    port, admin, origin_port = free_ports(3)
    (folder / "function").mkdir()
    shutil.copy(function, folder / "function/bootstrap")
    paths, functions = {}, []
    for size in SIZES:
        method = "post" if size else "get"
        done = {"responses": {"200": {"description": "done"}}}
        proxy = {"type": "http_proxy", "httpMethod": method.upper(), "uri": f"http://127.0.0.1:{origin_port}/{size}"}
        called = {"type": "aws_proxy", "httpMethod": "POST", "uri": URI % f"{FUNCTION}:f{size}"}
        paths[f"/proxy/{size}"] = {method: {**done, "x-amazon-apigateway-integration": proxy}}
        paths[f"/lambda/{size}"] = {method: {**done, "x-amazon-apigateway-integration": called}}
        functions.append({"functionName": f"f{size}", "runtime": "provided.al2023", "codeUri": "function", "timeout": 30,
                          "environment": {"variables": {"ANSWER_BYTES": str(size)}}})
    (folder / "api.yaml").write_text(json.dumps({"openapi": "3.0.1", "info": {"title": "load", "version": "1"}, "paths": paths}))
    config = {"listeners": [{"address": f"127.0.0.1:{port}"}], "admin": {"address": f"127.0.0.1:{admin}"},
              "apis": [{"id": "load", "definition": "api.yaml", "stages": [{"stageName": "prod"}]}], "functions": functions,
              "account": {"throttleSettings": {"rateLimit": 1e6, "burstLimit": 1000000}}}
    (folder / "gateway.yaml").write_text(json.dumps(config))
    serving = multiprocessing.Process(target=origin, args=(origin_port,), daemon=True)
    serving.start()
    environment = {**os.environ, "HEADGATE_LOG": "warn"}
    gateway = subprocess.Popen([headgate, "run", "--config", "gateway.yaml"], cwd=folder, env=environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(folder / "log", "wb"))
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until and gateway.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        print("bytes each way   HTTP_PROXY   Lambda, local   ratio      (µs of the gateway's own processor time a request, medians)")
        for size in SIZES:
            count = max(400, requests // (1 + size // 20_000))
            figures = {"proxy": [], "lambda": []}
            for kind in figures:
                measure(gateway.pid, port, f"/prod/{kind}/{size}", size, max(80, count // 8))
            for _ in range(ROUNDS):
                for kind, found in figures.items():
                    found.append(measure(gateway.pid, port, f"/prod/{kind}/{size}", size, count))
            proxy, called = (sorted(found)[ROUNDS // 2] for found in figures.values())
            print(f"{size:14}   {proxy:10.1f}   {called:13.1f}   {called / proxy:5.2f}", flush=True)
    finally:
        gateway.terminate()
        gateway.wait(10)
        serving.kill()
        shutil.rmtree(folder, ignore_errors=True)


main()
