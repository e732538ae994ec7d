"""How each peer is told to do a scenario's work. A function gives `None` where the peer has nothing that does it."""

import json
import os
import pathlib
import re
import shutil

from measure import Launch
from work import AUDIENCE, FIXED, KEPT, KEYS, ROUTES, WIDGET, Work

HERE = pathlib.Path(__file__).parent


class Missing(Exception):
    """Why a peer cannot take part."""


def program(name: str, variable: str = "") -> str:
    found = shutil.which(os.environ.get(variable, "") or name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise Missing(f"{name} is not installed")
    return found


def built(variable: str, default: pathlib.Path) -> str:
    path = os.environ.get(variable) or str(default)
    if not os.access(path, os.X_OK):
        raise Missing(f"{path} is not built")
    return path


def pattern(route: str) -> str:
    return "^/v1" + re.sub(r"\{\w+\}", "[^/]+", route) + "$"


NGINX = """
daemon off; worker_processes {threads}; pid {directory}/pid; error_log stderr crit; pcre_jit on; worker_rlimit_nofile 16384;
events {{ worker_connections 8192; multi_accept on; }}
http {{
  access_log off; server_tokens off; keepalive_requests 1000000000; keepalive_timeout 600s; default_type application/json;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  {outside}
  server {{ listen 127.0.0.1:{port} backlog=4096; {inside} }}
}}
"""


def nginx_with(work: Work, name: str, port: int, threads: int, outside: str, inside: str) -> Launch:
    directory = work.directory / name
    directory.mkdir(exist_ok=True)
    text = NGINX.format(threads=threads, directory=directory, port=port, outside=outside, inside=inside)
    return Launch([program("nginx"), "-p", directory, "-c", work.file(f"{name}/nginx.conf", text)])


def origin(work: Work) -> Launch:
    """Fixed answers, and an issuer of tokens."""
    where = work.issuer
    documents = {
        "/issuer/.well-known/openid-configuration": {"issuer": where, "jwks_uri": where + "/keys", "id_token_signing_alg_values_supported": ["RS256"]},
        "/issuer/keys": work.key_set,
    }
    inside = "".join(f"location = {path} {{ return 200 '{json.dumps(document)}'; }}\n" for path, document in documents.items())
    for path in ("/cached", "/v1/cached"):
        inside += f"location = {path} {{ add_header X-Origin-Request $request_id; add_header Cache-Control max-age=3600; return 200 '{KEPT}'; }}\n"
    return nginx_with(work, "origin", work.origin_port, 1, "", inside + f"location / {{ return 200 '{WIDGET}'; }}")


def nginx(work: Work, kind: str, port: int) -> Launch | None:
    outside = f"upstream origin {{ server 127.0.0.1:{work.origin_port}; keepalive 512; keepalive_requests 1000000000; keepalive_timeout 600s; }}\n"
    forward = (
        'proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; '
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    )
    note = ""
    if kind == "proxy":
        inside = f"location / {{ {forward} }}"
    elif kind == "keys":
        outside += "map_hash_max_size 8192; map_hash_bucket_size 128; map $http_x_api_key $caller { default ''; "
        outside += " ".join(f"{key} caller{number};" for number, key in enumerate(KEYS))
        outside += "}\nlimit_req_zone $caller zone=callers:10m rate=1000000r/s; limit_req_status 429;"
        inside = f"location / {{ if ($caller = '') {{ return 403; }} limit_req zone=callers burst=100000 nodelay; {forward} }}"
        note = "map, limit_req"
    elif kind == "cache":
        outside += f"proxy_cache_path {work.directory}/nginx-cache/kept keys_zone=kept:10m max_size=64m inactive=1h use_temp_path=off;"
        outside += "open_file_cache max=100 inactive=600s; open_file_cache_valid 600s;"
        inside = f"location / {{ {forward} proxy_cache kept; proxy_cache_key $uri$is_args$args; proxy_cache_valid 200 1h; }}"
    elif kind == "mock":
        inside = f"location = /v1/mock {{ return 200 '{FIXED}'; }}"
    elif kind == "routes":
        # Exact locations are hashed; what has parameters must be a pattern, and patterns are tried in order.
        choices = (f'~ "{pattern(route)}"' if "{" in route else f"= /v1{route}" for route in ROUTES)
        inside = "".join(f"location {choice} {{ {forward} }}\n" for choice in choices) + "location / { return 403; }"
    else:
        return None  # tokens are verified in the commercial build only
    launch = nginx_with(work, f"nginx-{kind}", port, work.threads, outside, inside)
    launch.note = note
    return launch


def haproxy(work: Work, kind: str, port: int) -> Launch | None:
    sections, rules, backend, last, note = "", [], "", "default_backend origin", ""
    if kind == "keys":
        keys = work.file("haproxy-keys/keys", "\n".join(KEYS) + "\n")
        sections = "backend callers\n  stick-table type string len 40 size 10k expire 10m store http_req_rate(1s)\n"
        rules = [
            f"http-request deny deny_status 403 unless {{ req.hdr(x-api-key) -f {keys} }}",
            "http-request track-sc0 req.hdr(x-api-key) table callers",
            "http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1000000 }",
        ]
        note = "list, stick-table"
    elif kind == "cache":
        sections = "cache kept\n  total-max-size 64\n  max-object-size 100000\n  max-age 3600\n"
        backend = "  http-request cache-use kept\n  http-response cache-store kept\n"
    elif kind == "mock":
        rules = [f"http-request return status 200 content-type application/json string '{FIXED}' if {{ path /v1/mock }}"]
    elif kind == "jwt":
        claim = "http-request set-var(txn.{0}) var(txn.token),jwt_payload_query('$.{0}'{1})"
        refuse = "http-request deny deny_status 401 "
        rules = [
            "http-request set-var(txn.token) http_auth_bearer",
            "http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')",
            claim.format("iss", ""),
            claim.format("aud", ""),
            claim.format("exp", ",'int'"),
            "http-request set-var(txn.now) date()",
            refuse + "unless { var(txn.alg) -m str RS256 }",
            refuse + f"unless {{ var(txn.iss) -m str {work.issuer} }}",
            refuse + f"unless {{ var(txn.aud) -m str {AUDIENCE} }}",
            refuse + "if { var(txn.exp),sub(txn.now) -m int lt 0 }",
            refuse + f'unless {{ var(txn.token),jwt_verify(txn.alg,"{work.public_key}") 1 }}',
        ]
        note = "jwt_verify"
    elif kind == "routes":
        exact = work.file("haproxy-routes/exact", "".join(f"/v1{route} origin\n" for route in ROUTES if "{" not in route))
        patterns = work.file("haproxy-routes/patterns", "".join(f"{pattern(route)} origin\n" for route in ROUTES if "{" in route))
        rules = [
            f"http-request set-var(txn.to) path,map_str({exact})",
            f"http-request set-var(txn.to) path,map_reg({patterns}) unless {{ var(txn.to) -m found }}",
            "http-request deny deny_status 403 unless { var(txn.to) -m found }",
        ]
        last = "use_backend %[var(txn.to)]"
    elif kind != "proxy":
        return None  # it remembers no verified tokens
    indented = "".join(f"  {rule}\n" for rule in rules)
    text = f"""global
  nbthread {work.threads}
  maxconn 8192
  no strict-limits
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
  http-reuse always
{sections}
frontend clients
  bind 127.0.0.1:{port} backlog 4096
  option forwardfor
{indented}  {last}
backend origin
{backend}  server one 127.0.0.1:{work.origin_port} pool-max-conn 512 pool-purge-delay 600s
"""
    return Launch([program("haproxy"), "-db", "-q", "-f", work.file(f"haproxy-{kind}/haproxy.cfg", text)], note=note)


API = "type.googleapis.com/envoy."


def filter_of(name: str, message: str, **settings) -> dict:
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": f"{API}extensions.filters.http.{name}.v3.{message}", **settings}}


def envoy(work: Work, kind: str, port: int) -> Launch | None:
    to_origin = {"cluster": "origin", "timeout": "0s"}
    routes, filters, note = [{"match": {"prefix": "/"}, "route": to_origin}], [], ""
    if kind == "keys":
        def bucket(size: int) -> dict:
            return {"max_tokens": size, "tokens_per_fill": size, "fill_interval": "1s"}

        always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
        filters = [
            filter_of(
                "api_key_auth",
                "ApiKeyAuth",
                credentials=[{"key": key, "client": f"caller{number}"} for number, key in enumerate(KEYS)],
                key_sources=[{"header": "x-api-key"}],
            ),
            filter_of(
                "local_ratelimit",
                "LocalRateLimit",
                stat_prefix="limits",
                filter_enabled=always,
                filter_enforced=always,
                token_bucket=bucket(100_000_000),
                rate_limits=[{"actions": [{"request_headers": {"header_name": "x-api-key", "descriptor_key": "key"}}]}],
                descriptors=[{"entries": [{"key": "key", "value": key}], "token_bucket": bucket(1_000_000)} for key in KEYS],
            ),
        ]
        note = "api_key_auth, local_ratelimit"
    elif kind == "cache":
        store = {"@type": f"{API}extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig"}
        filters = [filter_of("cache", "CacheConfig", typed_config=store)]
    elif kind == "mock":
        fixed = {"status": 200, "body": {"inline_string": FIXED}}
        json_type = {"header": {"key": "content-type", "value": "application/json"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        routes = [{"match": {"path": "/v1/mock"}, "direct_response": fixed, "response_headers_to_add": [json_type]}]
    elif kind in ("jwt", "jwt-memo"):
        provider = {"issuer": work.issuer, "audiences": [AUDIENCE], "local_jwks": {"inline_string": json.dumps(work.key_set)}}
        if kind == "jwt-memo":
            provider["jwt_cache_config"] = {"jwt_cache_size": 1000}
        rule = {"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}
        filters = [filter_of("jwt_authn", "JwtAuthentication", providers={"issuer": provider}, rules=[rule])]
    elif kind == "routes":
        def match(route: str) -> dict:
            if "{" not in route:
                return {"path": "/v1" + route}
            message = f"{API}extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
            policy = {"name": "envoy.path.match.uri_template.uri_template_matcher", "typed_config": {"@type": message, "path_template": "/v1" + route}}
            return {"path_match_policy": policy}

        routes = [{"match": match(route), "route": to_origin} for route in ROUTES]
        note = "uri_template_matcher"
    elif kind != "proxy":
        return None
    manager = {
        "@type": f"{API}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "clients",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [*filters, filter_of("router", "Router")],
    }

    def address(number: int) -> dict:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    many = {"max_connections": 100000, "max_requests": 100000, "max_pending_requests": 100000}
    listener = {
        "address": address(port),
        "tcp_backlog_size": 4096,
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }
    cluster = {
        "name": "origin",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [many]},
        "load_assignment": {"cluster_name": "origin", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(work.origin_port)}}]}]},
    }
    path = work.file(f"envoy-{kind}/envoy.json", json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}}))
    argv = [program("envoy", "ENVOY"), "-c", path, "--concurrency", work.threads, "-l", "error", "--disable-hot-restart"]
    return Launch(argv, note=note)


def pingora_raw(work: Work, kind: str, port: int) -> Launch | None:
    mode = kind if kind in ("mock", "cache") else "proxy"
    environment = {
        "LISTEN": f"127.0.0.1:{port}",
        "UPSTREAM": f"127.0.0.1:{work.origin_port}",
        "THREADS": str(work.threads),
        "POOL": "512",
        "USOCK": str(work.directory / f"pingora-raw-{kind}.sock"),
        "MODE": mode,
    }
    note = "" if mode == kind else "passes on, and nothing else"
    return Launch([built("PINGORA_RAW", HERE / "pingora-raw/target/release/pingora-raw")], environment, note)


def definition(work: Work, kind: str) -> dict:
    """The scenario as an API Gateway export has it."""
    document = {"openapi": "3.0.1", "info": {"title": "load", "version": "1"}, "paths": {}}

    def method(path: str, **more) -> None:
        names = re.findall(r"\{(\w+)\}", path)
        integration = {
            "type": "http_proxy",
            "httpMethod": "GET",
            "uri": f"http://127.0.0.1:{work.origin_port}{path}",
            "requestParameters": {f"integration.request.path.{name}": f"method.request.path.{name}" for name in names},
        }
        parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
        answers = {"responses": {"200": {"description": "done"}}}
        document["paths"][path] = {"get": {"parameters": parameters, **answers, "x-amazon-apigateway-integration": integration, **more}}

    key = {"type": "apiKey", "name": "x-api-key", "in": "header"}
    authorizer = {
        "type": "jwt",
        "identitySource": "$request.header.Authorization",
        "jwtConfiguration": {"issuer": work.issuer, "audience": [AUDIENCE]},
        # Without remembering, each token is verified each time.
        **({"authorizerResultTtlInSeconds": 0} if kind == "jwt" else {}),
    }
    token = {"type": "oauth2", "flows": {}, "x-amazon-apigateway-authorizer": authorizer}
    schemes = {"keys": {"key": key}, "jwt": {"token": token}, "jwt-memo": {"token": token}, "all": {"key": key, "token": token}}.get(kind, {})
    if schemes:
        document["components"] = {"securitySchemes": schemes}
    guarded = {"security": [{name: [] for name in schemes}]} if schemes else {}
    if kind in ("routes", "all"):
        checked = {"x-amazon-apigateway-request-validator": "parameters"} if kind == "all" else {}
        document["x-amazon-apigateway-request-validators"] = {"parameters": {"validateRequestParameters": True, "validateRequestBody": False}}
        for route in ROUTES:
            method(route, **guarded, **checked)
    elif kind == "mock":
        method("/mock")
        document["paths"]["/mock"]["get"]["x-amazon-apigateway-integration"] = {
            "type": "mock",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": FIXED}}},
        }
    else:
        method("/cached" if kind == "cache" else "/json", **guarded)
    return document


def headgate(work: Work, kind: str, port: int) -> Launch | None:
    stage: dict = {"stageName": "v1"}
    if kind == "cache":
        stage |= {"cacheClusterEnabled": True, "methodSettings": {"~1cached/GET": {"cachingEnabled": True, "cacheTtlInSeconds": 3600}}}
    if kind == "all":
        log = {"requestId": "$context.requestId", "ip": "$context.identity.sourceIp", "status": "$context.status", "path": "$context.path"}
        stage["accessLogSettings"] = {"destinationArn": f"file:{work.directory}/access.log", "format": json.dumps(log)}
    directory = f"headgate-{kind}"
    configuration: dict = {
        "listeners": [{"address": f"127.0.0.1:{port}"}],
        "admin": {"address": f"127.0.0.1:{port + 1}"},
        "stateDirectory": str(work.directory / directory / "state"),
        "apis": [{"id": "load", "definition": "api.json", "stages": [stage]}],
    }
    if kind in ("keys", "all"):
        # No other peer has a quota.
        plan = {"id": "plan", "name": "plan", "quota": {"limit": 2_000_000_000, "period": "MONTH"}}
        plan["throttle"] = {"rateLimit": 1_000_000, "burstLimit": 1_000_000}
        plan["apiStages"] = [{"apiId": "load", "stage": "v1"}]
        configuration["usagePlans"] = [plan]
        configuration["apiKeys"] = [
            {"id": f"k{number}", "name": f"k{number}", "value": key, "enabled": True, "usagePlanIds": ["plan"]} for number, key in enumerate(KEYS)
        ]
    work.file(f"{directory}/api.json", json.dumps(definition(work, kind)))
    path = work.file(f"{directory}/gateway.yaml", json.dumps(configuration))
    return Launch([built("HEADGATE", HERE / "../../target/release/headgate"), "run", "--config", path])


def headgate_off(work: Work, kind: str, port: int) -> Launch | None:
    """The same requests with nothing on: what keys and limits cost."""
    return headgate(work, "proxy", port) if kind == "keys" else None


YARDSTICK = "pingora-raw"
# What passes everything on, whatever the scenario.
OPEN = (YARDSTICK, "headgate-off")
PEERS = {YARDSTICK: pingora_raw, "headgate": headgate, "headgate-off": headgate_off, "nginx": nginx, "haproxy": haproxy, "envoy": envoy}
