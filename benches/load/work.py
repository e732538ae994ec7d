"""What every peer is asked to do: the scenarios, their requests, and the proof that a peer does the work before it is measured."""

import base64
import http.client
import json
import pathlib
import subprocess
import time
from dataclasses import dataclass

WIDGET = '{"id":"42","name":"widget","price":12.5,"tags":["a","b","c"],"stock":{"site":"x1","n":7}}'
FIXED = '{"message":"ok"}'
KEPT = "z" * 1024
AUDIENCE = "bench"
KEYS = [f"load-{number:04d}-0123456789abcdef" for number in range(1000)]
# A large API: of four resources three have path parameters.
ROUTES = [
    f"/r{number}{shape}"
    for number in range(250)
    for shape in ("/items", "/items/{itemId}", "/items/{itemId}/parts/{partId}", "/users/{user}/settings")
]


@dataclass(frozen=True)
class Scenario:
    """`kind` is what a peer is configured for; `script` names the requests if they are not all the same."""

    title: str
    kind: str
    path: str
    script: str = ""


SCENARIOS = {
    "S1": Scenario("pass-through", "proxy", "/v1/json"),
    "S2": Scenario("API key out of 1,000, a limit for each, headgate also a quota, pass-through", "keys", "/v1/json", "keys"),
    "S3": Scenario("1 KiB from the gateway's cache", "cache", "/v1/cached"),
    "S4": Scenario("a fixed answer", "mock", "/v1/mock"),
    "S5": Scenario("JWT (RS256), each verified, pass-through", "jwt", "/v1/json", "tokens"),
    "S5-memo": Scenario("JWT (RS256), verified ones remembered, pass-through", "jwt-memo", "/v1/json", "tokens"),
    "S6": Scenario("1,000 routes, 750 with path parameters, pass-through", "routes", "/v1/r0/items", "routes"),
    "all": Scenario("JWT, plan, quota, validation, access log, 1,000 routes, pass-through", "all", "/v1/r0/items", "all"),
}


def concrete(route: str, value: str) -> str:
    return route.replace("{itemId}", value).replace("{partId}", "77").replace("{user}", value)


class Work:
    """The directory of a run: keys, certificates, tokens, and the load generator's scripts."""

    def __init__(self, directory: pathlib.Path, origin_port: int, threads: int):
        self.directory, self.origin_port, self.threads = directory, origin_port, threads
        self.issuer = f"http://127.0.0.1:{origin_port}/issuer"
        self.key = directory / "rs256.pem"
        self.public_key = directory / "rs256.pub.pem"
        openssl("genrsa", "-out", self.key, "2048")
        openssl("rsa", "-in", self.key, "-pubout", "-out", self.public_key)
        modulus = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().partition("=")[2]
        self.key_set = {"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "load", "n": url64(bytes.fromhex(modulus)), "e": "AQAB"}]}
        self.tokens = [self.token(f"caller-{number}") for number in range(200)]
        self.scripts = {name: self.file(f"{name}.lua", script) for name, script in self.lua().items()}

    def file(self, name: str, text: str) -> pathlib.Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def token(self, subject: str) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": subject, "client_id": subject, "iat": now - 10, "exp": now + 86400}
        signed = f"{url64(json.dumps({'alg': 'RS256', 'kid': 'load'}).encode())}.{url64(json.dumps(claims).encode())}"
        return f"{signed}.{url64(openssl('dgst', '-sha256', '-sign', self.key, given=signed.encode()))}"

    def lua(self) -> dict[str, str]:
        """wrk's scripts: every request is made before the first is sent, and then they go round."""
        # Neighbours in the table are far apart in time, and no two of 20,000 paths are the same: matching is measured, not remembering.
        templates = [concrete(ROUTES[index * 617 % len(ROUTES)], "@") for index in range(len(ROUTES))]
        paths = f"local paths = {table(templates)}\nlocal function path(n) return '/v1' .. string.gsub(paths[(n - 1) % #paths + 1], '@', n * 7919) end\n"
        plain = "local function path() return '/v1/json' end\n"
        return {
            "keys": script(plain, 1000, f"local keys = {table(KEYS)}\n", "['x-api-key'] = keys[n]"),
            "tokens": script(plain, 200, f"local tokens = {table(self.tokens)}\n", "['Authorization'] = 'Bearer ' .. tokens[n]"),
            "routes": script(paths, 20000, "", ""),
            "all": script(
                paths,
                20000,
                f"local keys = {table(KEYS)}\nlocal tokens = {table(self.tokens)}\n",
                "['x-api-key'] = keys[n % #keys + 1], ['Authorization'] = 'Bearer ' .. tokens[n % #tokens + 1]",
            ),
        }


def script(path: str, count: int, lists: str, fields: str) -> str:
    return f"""{lists}{path}local requests, turn = {{}}, 0
function init()
  for n = 1, {count} do
    local target = path(n)
    requests[n] = wrk.format('GET', target, {{['Host'] = wrk.headers['Host'], {fields}}})
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
"""


def table(texts: list[str]) -> str:
    return "{" + ", ".join(f"'{text}'" for text in texts) + "}"


def url64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def openssl(*arguments, given: bytes | None = None) -> bytes:
    return subprocess.run(["openssl", *map(str, arguments)], input=given, capture_output=True, check=True).stdout


class NotTheWork(Exception):
    """A peer answers otherwise than the scenario asks."""


def prove(kind: str, port: int, work: Work, is_open: bool) -> None:
    """Asks for what is to be served and for what is to be refused."""

    def ask(path: str, status, content: str | None = None, **fields: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in fields.items()})
            response = connection.getresponse()
            body = response.read().decode()
        finally:
            connection.close()
        if response.status not in status or (content is not None and body.strip() != content):
            raise NotTheWork(f"GET {path} answers {response.status} {body[:80]!r}")
        return response

    served, refused = (200,), (401, 403, 404)
    if is_open and kind not in ("mock", "cache"):
        kind = "proxy"  # passes everything on
    if kind == "proxy":
        ask("/v1/json", served, WIDGET)
    elif kind == "keys":
        ask("/v1/json", refused)
        ask("/v1/json", refused, x_api_key="not-a-key")
        for key in (KEYS[0], KEYS[-1]):
            ask("/v1/json", served, WIDGET, x_api_key=key)
    elif kind == "cache":
        origins = [ask("/v1/cached", served, KEPT).getheader("x-origin-request") for _ in range(3)]
        if origins[0] is None or origins[1] != origins[2]:
            raise NotTheWork(f"the second answer and the third are two: {origins}")
    elif kind == "mock":
        if "json" not in (ask("/v1/mock", served, FIXED).getheader("content-type") or ""):
            raise NotTheWork("the fixed answer is no JSON")
    elif kind.startswith("jwt"):
        ask("/v1/json", refused)
        head, claims, signature = work.tokens[0].split(".")
        ask("/v1/json", refused, Authorization=f"Bearer {head}.{claims}.{signature[::-1]}")
        for token in (work.tokens[0], work.tokens[-1]):
            ask("/v1/json", served, WIDGET, Authorization=f"Bearer {token}")
    elif kind == "routes":
        for route in ROUTES[:4] + ROUTES[-4:]:
            ask("/v1" + concrete(route, "a1"), served, WIDGET)
        ask("/v1/r0/nowhere/at/all", refused)
    elif kind == "all":
        both = {"Authorization": f"Bearer {work.tokens[0]}", "x_api_key": KEYS[0]}
        for route in ROUTES[:4]:
            path = "/v1" + concrete(route, "a1")
            ask(path, served, WIDGET, **both)
            ask(path, refused, x_api_key=KEYS[0])
            ask(path, refused, Authorization=both["Authorization"])
