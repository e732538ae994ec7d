//! Tokens: forged, borrowed, expired, and floods of them.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::support::backend::Backend;
use super::support::gateway::Gateway;
use super::{definition, proxy, reached, scheme, send, start};

const RSA: &str = include_str!("../fixtures/issuer-rsa.pem");
const EC: &str = include_str!("../fixtures/issuer-ec.pem");
const OTHER: &str = include_str!("../fixtures/other-rsa.pem");
const KEYS: &str = include_str!("../fixtures/issuer-jwks.json");

fn der(pem: &str) -> Vec<u8> {
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with("-----")).collect::<String>()).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The stub as an issuer.
fn issue(backend: &Backend) -> String {
    let issuer = format!("http://127.0.0.1:{}/issuer", backend.port);
    let document = json!({"issuer": issuer, "jwks_uri": format!("http://127.0.0.1:{}/issuer/.well-known/keys", backend.port)});
    let keys: Value = serde_json::from_str(KEYS).unwrap();
    backend.reset(Some(&json!([
        {"path": "/issuer/.well-known/openid-configuration", "respond": {"json": document}},
        {"path": "/issuer/.well-known/keys", "respond": {"json": keys}},
        {"path": "/us-east-1_pool/.well-known/jwks.json", "respond": {"json": keys}},
    ])));
    issuer
}

/// One method for each kind of authorizer by tokens, with and without scopes.
fn gateway(backend: &Backend, ttl: u32) -> Gateway {
    let issuer = format!("http://127.0.0.1:{}/issuer", backend.port);
    let jwt = scheme(json!({"type": "jwt", "identitySource": "$request.header.Authorization", "authorizerResultTtlInSeconds": ttl,
        "jwtConfiguration": {"issuer": issuer, "audience": ["me", "them"]}}));
    let pool = scheme(json!({"type": "cognito_user_pools", "authorizerResultTtlInSeconds": ttl,
        "providerARNs": ["arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_pool"]}));
    let paths = json!({
        "/jwt": {"get": proxy("/jwt", json!([{"jwt": []}]))},
        "/scoped": {"get": proxy("/scoped", json!([{"jwt": ["write"]}]))},
        "/pool": {"get": proxy("/pool", json!([{"pool": []}]))},
        "/pool-scoped": {"get": proxy("/pool-scoped", json!([{"pool": ["a/read"]}]))},
    });
    start(backend, &definition(paths, json!({"jwt": jwt, "pool": pool})), "")
}

fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": "me", "sub": "ada", "exp": now() + 600, "iat": now(), "scope": "read write"})
}

fn signed(head: Header, claims: &Value) -> String {
    let key = match head.alg {
        Algorithm::ES256 => EncodingKey::from_ec_der(&der(EC)),
        Algorithm::HS256 => EncodingKey::from_secret(&der(RSA)),
        _ => EncodingKey::from_rsa_der(&der(RSA)),
    };
    encode(&head, claims, &key).unwrap()
}

fn head(algorithm: Algorithm, kid: &str) -> Header {
    Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) }
}

fn good(claims: &Value) -> String {
    signed(head(Algorithm::RS256, "rsa-1"), claims)
}

/// Any header in the place of a good token's, with its signature or another.
fn rehead(token: &str, head: &Value, signature: Option<&str>) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(head.to_string()), parts[1], signature.unwrap_or(parts[2]))
}

fn status(gateway: &Gateway, target: &str, token: &str) -> u16 {
    send(gateway, "GET", target, &[("Authorization", token)], b"").status
}

#[test]
fn right_tokens_pass_however_they_are_written() {
    let backend = Backend::start();
    let issuer = issue(&backend);
    for ttl in [0, 300] {
        let gateway = gateway(&backend, ttl);
        let token = good(&claims(&issuer));
        for text in
            [token.clone(), format!("Bearer {token}"), format!("bearer  {token}"), signed(head(Algorithm::ES256, "ec-1"), &claims(&issuer))]
        {
            assert_eq!(status(&gateway, "/s/jwt", &text), 200, "{text}");
            assert_eq!(status(&gateway, "/s/scoped", &text), 200, "{text}");
        }
        for name in ["authorization", "AUTHORIZATION", "aUtHoRiZaTiOn"] {
            assert_eq!(send(&gateway, "GET", "/s/jwt", &[(name, &token)], b"").status, 200, "{name}");
        }
        assert_eq!(reached(&backend).len(), 11);
    }
}

#[test]
fn forged_tokens_are_nobodys() {
    let backend = Backend::start();
    let issuer = issue(&backend);
    let (remembering, forgetting) = (gateway(&backend, 300), gateway(&backend, 0));
    let token = good(&claims(&issuer));
    let parts: Vec<&str> = token.split('.').collect();
    let with = |change: Value| {
        let mut claims = claims(&issuer);
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        claims
    };
    let public = URL_SAFE_NO_PAD.decode(serde_json::from_str::<Value>(KEYS).unwrap()["keys"][0]["n"].as_str().unwrap()).unwrap();
    let hmac = |secret: &[u8], kid: Option<&str>| {
        let head = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::HS256) };
        encode(&head, &claims(&issuer), &EncodingKey::from_secret(secret)).unwrap()
    };
    let by_other = |mut head: Header, jwk: bool| {
        if jwk {
            head.jwk = serde_json::from_value(json!({"kty": "RSA", "kid": "rsa-1", "alg": "RS256", "n": "AQAB", "e": "AQAB"})).ok();
        }
        encode(&head, &claims(&issuer), &EncodingKey::from_rsa_der(&der(OTHER))).unwrap()
    };
    let elsewhere = |field: &str| {
        let mut head = head(Algorithm::RS256, "rsa-1");
        let url = Some(format!("http://127.0.0.1:{}/attacker/.well-known/keys", backend.port));
        match field {
            "jku" => head.jku = url,
            _ => head.x5u = url,
        }
        head
    };
    let ec = signed(head(Algorithm::ES256, "ec-1"), &claims(&issuer));
    let late = |by: u64| with(json!({"exp": now() - by}));
    let mut forged = vec![
        ("no algorithm", rehead(&token, &json!({"alg": "none"}), Some(""))),
        ("no algorithm, in another case", rehead(&token, &json!({"alg": "nOnE"}), Some(""))),
        ("no algorithm, with the signature", rehead(&token, &json!({"alg": "none", "kid": "rsa-1"}), None)),
        ("the public key as a secret", hmac(&public, Some("rsa-1"))),
        ("the key set as a secret", hmac(KEYS.as_bytes(), Some("rsa-1"))),
        ("an empty secret", hmac(b"", Some("rsa-1"))),
        ("a secret without a key's id", hmac(b"", None)),
        ("another key under a known id", by_other(head(Algorithm::RS256, "rsa-1"), false)),
        ("a key that it brings along", by_other(head(Algorithm::RS256, "rsa-1"), true)),
        ("keys elsewhere (jku)", by_other(elsewhere("jku"), false)),
        ("keys elsewhere (x5u)", by_other(elsewhere("x5u"), false)),
        ("the id of a key of another kind", signed(head(Algorithm::RS256, "ec-1"), &claims(&issuer))),
        ("an algorithm that the key is not for", signed(head(Algorithm::PS256, "rsa-1"), &claims(&issuer))),
        ("no key's id among several keys", signed(Header::new(Algorithm::RS256), &claims(&issuer))),
        ("a path as the key's id", signed(head(Algorithm::RS256, "../../rsa-1"), &claims(&issuer))),
        ("a long key's id", signed(head(Algorithm::RS256, &"k".repeat(300)), &claims(&issuer))),
        ("a critical extension", rehead(&token, &json!({"alg": "RS256", "kid": "rsa-1", "crit": ["b64"], "b64": false}), None)),
        ("another algorithm in the header", rehead(&token, &json!({"alg": "RS512", "kid": "rsa-1"}), None)),
        ("other claims", format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(with(json!({"sub": "root"})).to_string()), parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{token}.x")),
        ("a cut signature", token[..token.len() - 4].to_owned()),
        ("padding", format!("{token}==")),
        ("the signature of another token", format!("{}.{}.{}", parts[0], parts[1], ec.split('.').nth(2).unwrap())),
        ("a signature of zeros", format!("{}.{}", ec.rsplit_once('.').unwrap().0, URL_SAFE_NO_PAD.encode([0; 64]))),
        ("another issuer", good(&with(json!({"iss": "https://evil.example"})))),
        ("an issuer with more behind it", good(&with(json!({"iss": format!("{issuer}/")})))),
        ("an issuer that is a list", good(&with(json!({"iss": [issuer]})))),
        ("another audience", good(&with(json!({"aud": "you"})))),
        ("no audience", good(&with(json!({"aud": null})))),
        ("an audience that is a number", good(&with(json!({"aud": 7})))),
        ("another audience beside the right client", good(&with(json!({"aud": "you", "client_id": "me"})))),
        ("a second ago", good(&late(1))),
        ("an hour ago", good(&late(3600))),
        ("an end that is a text", good(&with(json!({"exp": (now() + 600).to_string()})))),
        ("an end that is nothing", good(&with(json!({"exp": null})))),
        ("a negative end", good(&with(json!({"exp": -1})))),
        ("not before tomorrow", good(&with(json!({"nbf": now() + 86_400})))),
        ("a beginning that is a text", good(&with(json!({"nbf": "0"})))),
        ("issued tomorrow", good(&with(json!({"iat": now() + 86_400})))),
        ("too long", good(&with(json!({"filler": "x".repeat(9000)})))),
        ("nothing", "Bearer".to_owned()),
        ("a blank", "Bearer  ".to_owned()),
        ("twice the word", format!("Bearer Bearer {token}")),
        ("another scheme", format!("Basic {token}")),
        ("two tokens", format!("{token}, {token}")),
        ("two tokens in one", format!("Bearer {token} {token}")),
    ];
    let mut endless = claims(&issuer);
    endless.as_object_mut().unwrap().remove("exp");
    forged.push(("no end", good(&endless)));
    // A good one first, so that nothing of it is taken over by those that come after.
    assert_eq!((status(&remembering, "/s/jwt", &token), status(&forgetting, "/s/jwt", &token)), (200, 200));
    backend.take();
    for (what, token) in &forged {
        for gateway in [&remembering, &forgetting] {
            for _ in 0..2 {
                assert_eq!(status(gateway, "/s/jwt", token), 401, "{what}: {token}");
            }
        }
    }
    let asked = backend.take();
    assert!(asked.iter().all(|record| !record.path.starts_with("/attacker")), "keys are fetched from the issuer alone");
    assert!(asked.iter().all(|record| record.path.contains("/.well-known/")), "nothing reached the origin");
    assert_eq!(status(&remembering, "/s/scoped", &good(&with(json!({"scope": "read,write"})))), 403, "a scope is a whole word");
    assert_eq!(status(&remembering, "/s/scoped", &good(&with(json!({"scope": ""})))), 403);
    assert_eq!(status(&remembering, "/s/scoped", &good(&with(json!({"scp": ["write"], "scope": null})))), 403);
}

#[test]
fn a_token_that_is_there_twice_is_nobodys() {
    let backend = Backend::start();
    let issuer = issue(&backend);
    let gateway = gateway(&backend, 300);
    let token = good(&claims(&issuer));
    assert_eq!(status(&gateway, "/s/jwt", &token), 200);
    backend.take();
    for (first, second) in [(&*token, "x"), ("x", &*token), (&token, &token), (&token, "")] {
        let headers = [("Authorization", first), ("authorization", second)];
        assert_eq!(send(&gateway, "GET", "/s/jwt", &headers, b"").status, 401, "{first} {second}");
    }
    for headers in [
        [("Authorization ", &*token)],
        [("X-Authorization", &token)],
        [("Proxy-Authorization", &token)],
        [("Cookie", &token)],
        [("Authorization\t", &token)],
        [("Authorizatioń", &token)],
    ] {
        assert!(send(&gateway, "GET", "/s/jwt", &headers, b"").status >= 400, "{headers:?}");
    }
    // `Connection` takes the fields along that it names: the guard sees none.
    assert_eq!(send(&gateway, "GET", "/s/jwt", &[("Connection", "authorization"), ("Authorization", &token)], b"").status, 401);
    assert_eq!(reached(&backend), Vec::<String>::new());
}

#[test]
fn a_users_id_token_and_access_token_are_told_apart() {
    let backend = Backend::start();
    issue(&backend);
    let gateway = gateway(&backend, 300);
    let pool = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_pool";
    let id = good(&json!({"iss": pool, "aud": "app", "sub": "ada", "exp": now() + 600, "token_use": "id"}));
    let access = good(&json!({"iss": pool, "client_id": "app", "exp": now() + 600, "token_use": "access", "scope": "a/read b"}));
    let refresh = good(&json!({"iss": pool, "aud": "app", "exp": now() + 600, "token_use": "refresh"}));
    let neither = good(&json!({"iss": pool, "aud": "app", "exp": now() + 600}));
    let claims_scope = good(&json!({"iss": pool, "aud": "app", "exp": now() + 600, "token_use": "id", "scope": "a/read"}));
    for (token, plain, scoped) in
        [(&id, 200, 401), (&access, 401, 200), (&refresh, 401, 401), (&neither, 401, 401), (&claims_scope, 200, 401)]
    {
        assert_eq!((status(&gateway, "/s/pool", token), status(&gateway, "/s/pool-scoped", token)), (plain, scoped), "{token}");
    }
    let other_pool = good(&json!({"iss": pool.replace("_pool", "_other"), "aud": "app", "exp": now() + 600, "token_use": "id"}));
    assert_eq!(status(&gateway, "/s/pool", &other_pool), 401);
}

#[test]
fn a_flood_of_unknown_keys_makes_no_flood_of_fetches() {
    let backend = Backend::start();
    let issuer = issue(&backend);
    let gateway = gateway(&backend, 300);
    let parts = good(&claims(&issuer));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (gateway, parts, issuer) = (&gateway, &parts, &issuer);
            scope.spawn(move || {
                for number in 0..250 {
                    let head = json!({"alg": "RS256", "kid": format!("unknown-{thread}-{number}")});
                    assert_eq!(status(gateway, "/s/jwt", &rehead(parts, &head, None)), 401);
                    if number % 50 == 0 {
                        assert_eq!(status(gateway, "/s/jwt", &good(&claims(issuer))), 200, "known keys are good all the while");
                    }
                }
            });
        }
    });
    let fetched = backend.take().iter().filter(|record| record.path == "/issuer/.well-known/keys").count();
    // One in half a minute, however slow this machine is.
    assert!((1..=5).contains(&fetched), "2000 tokens with unknown keys made {fetched} fetches");
}

#[test]
fn keys_that_are_known_stay_when_the_issuer_is_away() {
    let backend = Backend::start();
    let issuer = issue(&backend);
    let there = gateway(&backend, 0);
    let token = good(&claims(&issuer));
    assert_eq!(status(&there, "/s/jwt", &token), 200);
    backend.reset(Some(&json!([{"path": "^.*well-known.*$", "respond": {"status": 503, "body": "away"}}])));
    assert_eq!(status(&there, "/s/jwt", &token), 200);
    // Nobody can tell who signed it: that is no client's fault, and lets nobody in.
    let never = gateway(&backend, 0);
    for _ in 0..3 {
        assert_eq!(status(&never, "/s/jwt", &token), 500);
    }
    let asked = backend.take().iter().filter(|record| record.path.contains("well-known")).count();
    assert_eq!(asked, 1, "an issuer that is away is not asked again at once");
    assert!(reached(&backend).is_empty());
}

#[test]
fn a_key_set_that_is_too_large_or_empty_is_none() {
    for keys in [json!({"keys": [], "filler": "x".repeat(150_001)}), json!({"keys": []}), json!({"keys": "x"}), json!([]), json!("x")] {
        let backend = Backend::start();
        let issuer = issue(&backend);
        let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")});
        backend.reset(Some(&json!([
            {"path": "/issuer/.well-known/openid-configuration", "respond": {"json": document}},
            {"path": "/issuer/keys", "respond": {"json": keys}},
        ])));
        let gateway = gateway(&backend, 0);
        assert_eq!(status(&gateway, "/s/jwt", &good(&claims(&issuer))), 500);
    }
}
