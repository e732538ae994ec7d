"""Tokens made by PyJWT and cryptography, requests signed by botocore, boto3, the aws CLI and curl, against the real gateway.

usage: run.py PATH_OF_HEADGATE    (`make independent` makes the environment that this needs)
Prints a line for each check; the exit code is 0 when all of them passed.
"""
import base64
import hashlib
import hmac
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import jwt
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

REGION = "us-east-1"
POOL = "us-east-1_pool"
KEY = ("AKIAINDEPENDENT", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
SESSION = ("ASIAINDEPENDENT", "another/secret+key", "the/session+token==")

checks = []


def check(name, found, expected):
    checks.append(found == expected)
    print(f"{'ok  ' if found == expected else 'FAIL'} {name}" + ("" if found == expected else f": {found!r} instead of {expected!r}"))


# ── keys, and the issuer that publishes them ─────────────────────────────────────────────────────────────────────────

private = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "ed": ed25519.Ed25519PrivateKey.generate(),
}
ALGORITHMS = {"RS256": "rsa", "RS384": "rsa", "RS512": "rsa", "PS256": "rsa", "PS384": "rsa", "PS512": "rsa", "ES256": "p256", "ES384": "p384", "EdDSA": "ed"}


def jwks():
    keys = []
    for algorithm, kid in (("RS256", "rsa"), ("ES256", "p256"), ("ES384", "p384"), ("EdDSA", "ed")):
        key = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(private[kid].public_key()))
        keys.append({**key, "kid": kid, "use": "sig"})
        # PyJWT names what a key is for; a key set of RFC 7517 may leave that out.
        keys[-1].pop("key_ops", None)
    return {"keys": keys}


class Stub(BaseHTTPRequestHandler):
    """Issuer and origin at once."""

    protocol_version = "HTTP/1.1"
    received = []

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        issuer = f"http://127.0.0.1:{self.server.server_port}/issuer"
        path = self.path.split("?")[0]
        if path.endswith("/.well-known/openid-configuration"):
            answer = {"issuer": issuer, "jwks_uri": f"{issuer}/.well-known/jwks.json"}
        elif path.endswith("/.well-known/jwks.json"):
            answer = jwks()
        else:
            Stub.received.append((self.command, self.path, dict(self.headers), body))
            answer = {}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Gateway:
    def __init__(self, program, origin):
        self.port, self.admin = free_port(), free_port()
        self.directory = tempfile.mkdtemp(prefix="headgate-independent-")

        def method(security):
            return {"x-amazon-apigateway-any-method": {"security": [{security: []}], "responses": {}, "x-amazon-apigateway-integration": {
                "type": "http_proxy", "httpMethod": "ANY", "uri": f"http://127.0.0.1:{origin}/{{proxy}}",
                "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy"}}}}

        def scheme(authorizer):
            return {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom", "x-amazon-apigateway-authorizer": authorizer}

        api = {"openapi": "3.0.1", "info": {"title": "independent", "version": "1"},
               "paths": {"/jwt/{proxy+}": method("jwt"), "/pool/{proxy+}": method("pool"), "/{proxy+}": method("iam")},
               "components": {"securitySchemes": {
                   "jwt": scheme({"type": "jwt", "identitySource": "$request.header.Authorization", "authorizerResultTtlInSeconds": 0,
                                  "jwtConfiguration": {"issuer": f"http://127.0.0.1:{origin}/issuer", "audience": ["me"]}}),
                   "pool": scheme({"type": "cognito_user_pools", "providerARNs": [f"arn:aws:cognito-idp:{REGION}:123456789012:userpool/{POOL}"]}),
                   "iam": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}}}}
        principals = [{"arn": "arn:aws:iam::123456789012:user/independent", "accessKeyId": KEY[0], "secretAccessKey": KEY[1]},
                      {"arn": "arn:aws:sts::123456789012:assumed-role/role/session", "accessKeyId": SESSION[0], "secretAccessKey": SESSION[1], "sessionToken": SESSION[2]}]
        for principal in principals:
            principal["policies"] = [{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "execute-api:*", "Resource": "*"}]}]
        config = {"listeners": [{"address": f"127.0.0.1:{self.port}"}], "admin": {"address": f"127.0.0.1:{self.admin}"},
                  "aws": {"region": REGION, "endpoints": {"cognito-idp": f"http://127.0.0.1:{origin}"}},
                  "apis": [{"id": "independent", "definition": "api.json", "stages": [{"stageName": "s"}]}], "iamPrincipals": principals}
        for name, value in (("api.json", api), ("gateway.yaml", config)):
            with open(os.path.join(self.directory, name), "w") as file:
                json.dump(value, file)
        self.process = subprocess.Popen([program, "run", "--config", "gateway.yaml"], cwd=self.directory, stdout=subprocess.DEVNULL)
        for _ in range(2000):
            try:
                if self.request("GET", "/readyz", port=self.admin)[0] == 200:
                    return
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        sys.exit("the gateway did not start")

    def request(self, method, target, headers=None, body=None, port=None):
        """What is sent is what was signed, to the letter."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=20)
        connection.putrequest(method, target, skip_host=any(name.lower() == "host" for name in headers or {}), skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None and not any(name.lower() == "content-length" for name in headers or {}):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        answer = (response.status, response.headers.get("x-amzn-ErrorType"), response.read())
        connection.close()
        return answer

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory)


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────

def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def tokens(gateway, origin):
    now = int(time.time())
    claims = {"iss": f"http://127.0.0.1:{origin}/issuer", "aud": "me", "sub": "ada", "iat": now, "exp": now + 300}

    def make(algorithm="RS256", kid=None, key=None, headers=None, **changed):
        kid = kid or ALGORITHMS[algorithm]
        merged = {name: value for name, value in {**claims, **changed}.items() if value is not None}
        return jwt.encode(merged, key or private[kid], algorithm, {"kid": kid, **(headers or {})})

    def asked(token, path="/s/jwt/x"):
        return gateway.request("GET", path, {"Authorization": f"Bearer {token}"})[0]

    for algorithm in ALGORITHMS:
        check(f"PyJWT: {algorithm}", asked(make(algorithm)), 200)
        head, payload, signature = make(algorithm).split(".")
        raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
        raw[len(raw) // 2] ^= 1
        check(f"PyJWT: {algorithm}, one bit of the signature turned", asked(f"{head}.{payload}.{b64(bytes(raw))}"), 401)
    public = private["rsa"].public_key()
    for form in (public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), public.public_bytes(Encoding.DER, PublicFormat.PKCS1)):
        message = b64(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "rsa"}).encode()) + "." + b64(json.dumps(claims).encode())
        check("HS256 with the public key", asked(f"{message}.{b64(hmac.new(form, message.encode(), hashlib.sha256).digest())}"), 401)
    check("PyJWT: none", asked(jwt.encode(claims, None, "none", {"kid": "rsa"})), 401)
    check("a key of one's own under a known id", asked(make(key=rsa.generate_private_key(65537, 2048))), 401)
    check("the id of a key of another kind", asked(make("RS256", kid="p256", key=private["rsa"])), 401)
    check("an id that nobody has", asked(make(kid="unknown", key=private["rsa"])), 401)
    for name, changed, expected in [("expired", {"exp": now - 1}, 401), ("no end", {"exp": None}, 401), ("in a minute", {"nbf": now + 30}, 200),
                                    ("tomorrow", {"nbf": now + 86400}, 401), ("issued tomorrow", {"iat": now + 86400}, 401),
                                    ("two audiences", {"aud": ["you", "me"]}, 200), ("another audience", {"aud": "you"}, 401),
                                    ("a client", {"aud": None, "client_id": "me"}, 200), ("another issuer", {"iss": "https://evil.example"}, 401)]:
        check(f"PyJWT: {name}", asked(make(**changed)), expected)
    pool = f"https://cognito-idp.{REGION}.amazonaws.com/{POOL}"
    for use, expected in (("id", 200), ("access", 401), ("refresh", 401), (None, 401)):
        check(f"PyJWT: a user pool's token for {use}", asked(make(iss=pool, token_use=use), "/s/pool/x"), expected)


# ── signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────

TARGETS = ["/s/a", "/s/a/", "/s/a//b", "/s/a?b=2&a=1&a=0", "/s/a?empty&x=", "/s/%C3%A9%20x/a%2Fb?q=%C3%A9%20y%2Bz&t=~-_.", "/s/a:b@c,d;e=f(g)!*'$&+"]


def credentials(key):
    return Credentials(*key)


def by_botocore(gateway):
    host = f"127.0.0.1:{gateway.port}"

    def signed(signer, key, method, target, body=b"", headers=None, change=None):
        request = AWSRequest(method, f"http://{host}{target}", headers=headers or {}, data=body)
        signer(credentials(key)).add_auth(request)
        sent = dict(request.headers.items())
        sent["Host"] = host
        url = urllib.parse.urlsplit(request.url)
        final = url.path + ("?" + url.query if url.query else "")
        if change:
            method, final, sent, body = change(method, final, sent, body)
        return gateway.request(method, final, sent, body or None)[:2]

    def in_header(credentials):
        return SigV4Auth(credentials, "execute-api", REGION)

    def in_query(credentials):
        return SigV4QueryAuth(credentials, "execute-api", REGION, expires=60)

    for key in (KEY, SESSION):
        for target in TARGETS:
            for method, body in (("GET", b""), ("POST", b'{"a": 1}'), ("DELETE", b"")):
                check(f"botocore, {key[0]}: {method} {target}", signed(in_header, key, method, target, body), (200, None))
            check(f"botocore, {key[0]}: presigned GET {target}", signed(in_query, key, "GET", target), (200, None))
    more = {"Content-Type": "application/json", "X-Amz-Meta": "a   b", "X-Custom": " c "}
    check("botocore: more fields", signed(in_header, KEY, "POST", "/s/a", b"x", more), (200, None))
    check("botocore: the content changed", signed(in_header, KEY, "POST", "/s/a", b"x", None, lambda m, t, h, b: (m, t, h, b"y")), (403, "InvalidSignatureException"))
    check("botocore: the path changed", signed(in_header, KEY, "GET", "/s/a", b"", None, lambda m, t, h, b: (m, "/s/b", h, b)), (403, "InvalidSignatureException"))
    check("botocore: presigned for another method", signed(in_query, KEY, "GET", "/s/a", b"", None, lambda m, t, h, b: ("DELETE", t, h, b)), (403, "InvalidSignatureException"))
    check("botocore: another secret", signed(in_header, (KEY[0], "x", None), "GET", "/s/a"), (403, "InvalidSignatureException"))
    check("botocore: a key that nobody has", signed(in_header, ("AKIAX", "x", None), "GET", "/s/a"), (403, "UnrecognizedClientException"))
    check("botocore: a session without its token", signed(in_header, (*SESSION[:2], None), "GET", "/s/a"), (403, "UnrecognizedClientException"))
    check("botocore: another region", signed(lambda c: SigV4Auth(c, "execute-api", "eu-west-1"), KEY, "GET", "/s/a"), (403, "InvalidSignatureException"))
    check("botocore: another service", signed(lambda c: SigV4Auth(c, "lambda", REGION), KEY, "GET", "/s/a"), (403, "InvalidSignatureException"))
    check("no signature", gateway.request("GET", "/s/a")[:2], (403, "MissingAuthenticationTokenException"))
    leaked = [name for _, target, headers, _ in Stub.received for name in [*headers, *urllib.parse.parse_qs(urllib.parse.urlsplit(target).query)]
              if name.lower() in ("authorization", "x-amz-date", "x-amz-security-token", "x-amz-signature", "x-amz-credential")]
    check("no signature goes further", leaked, [])


def by_boto3(gateway):
    def client(key):
        return boto3.client("apigatewaymanagementapi", endpoint_url=f"http://127.0.0.1:{gateway.port}/s", region_name=REGION,
                            aws_access_key_id=key[0], aws_secret_access_key=key[1], aws_session_token=key[2], config=Config(retries={"max_attempts": 0}))

    def status(call, **arguments):
        try:
            return call(**arguments)["ResponseMetadata"]["HTTPStatusCode"]
        except ClientError as error:
            return error.response["Error"]["Code"]

    for key in (KEY, SESSION):
        check(f"boto3, {key[0]}: post_to_connection", status(client(key).post_to_connection, ConnectionId="L0SM9cOFIAMCIdw=", Data=b"\x00\xff data"), 200)
        check(f"boto3, {key[0]}: get_connection", status(client(key).get_connection, ConnectionId="a/b c"), 200)
        check(f"boto3, {key[0]}: delete_connection", status(client(key).delete_connection, ConnectionId="é"), 200)
    check("boto3: another secret", status(client((KEY[0], "x", None)).post_to_connection, ConnectionId="x", Data=b"x"), "InvalidSignatureException")
    check("boto3: a key that nobody has", status(client(("AKIAX", "x", None)).get_connection, ConnectionId="x"), "UnrecognizedClientException")


def by_programs(gateway):
    def aws(key, *arguments):
        environment = {"PATH": os.environ["PATH"], "HOME": gateway.directory, "AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1], "AWS_MAX_ATTEMPTS": "1"}
        if key[2]:
            environment["AWS_SESSION_TOKEN"] = key[2]
        program = os.path.join(os.path.dirname(sys.executable), "aws")
        command = [program, "apigatewaymanagementapi", *arguments, "--endpoint-url", f"http://127.0.0.1:{gateway.port}/s", "--region", REGION]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        code = done.stderr.split("(", 1)[-1].split(")", 1)[0] if "An error occurred (" in done.stderr else done.stderr.strip()
        return 0 if done.returncode == 0 else code

    data = os.path.join(gateway.directory, "data")
    with open(data, "wb") as file:
        file.write(b"\x00\xff data")
    for key in (KEY, SESSION):
        check(f"aws CLI, {key[0]}: post-to-connection", aws(key, "post-to-connection", "--connection-id", "L0SM9cOFIAMCIdw=", "--data", f"fileb://{data}"), 0)
        check(f"aws CLI, {key[0]}: get-connection", aws(key, "get-connection", "--connection-id", "a/b c"), 0)
    check("aws CLI: another secret", aws((KEY[0], "x", None), "get-connection", "--connection-id", "x"), "InvalidSignatureException")
    check("aws CLI: a key that nobody has", aws(("AKIAX", "x", None), "get-connection", "--connection-id", "x"), "UnrecognizedClientException")
    if not shutil.which("curl"):
        return print("skip curl: it is not here")

    def curl(secret, *arguments):
        command = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "--aws-sigv4", f"aws:amz:{REGION}:execute-api", "--user", f"{KEY[0]}:{secret}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout

    url = f"http://127.0.0.1:{gateway.port}/s/a"
    check("curl: GET", curl(KEY[1], url), "200")
    check("curl: arguments", curl(KEY[1], f"{url}?a=1&b=2"), "200")
    check("curl: POST", curl(KEY[1], "-d", "content", url), "200")
    check("curl: another secret", curl("x", url), "403")


def main():
    origin = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    gateway = Gateway(os.path.abspath(sys.argv[1]), origin.server_port)
    try:
        tokens(gateway, origin.server_port)
        Stub.received.clear()
        by_botocore(gateway)
        by_boto3(gateway)
        by_programs(gateway)
    finally:
        gateway.stop()
    print(f"{sum(checks)} passed, {len(checks) - sum(checks)} failed")
    sys.exit(0 if all(checks) else 1)


if __name__ == "__main__":
    main()
