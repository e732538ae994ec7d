use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};

use super::*;
use crate::exchange::FieldName;

fn session() -> (Session<DuplexStream>, DuplexStream) {
    let (client, server) = duplex(1 << 20);
    (Session::new(server), client)
}

fn fields() -> Fields {
    let mut fields = Fields::default();
    fields.append_text(FieldName::from_static("A"), "b");
    fields
}

#[tokio::test]
async fn requests_follow_each_other_on_a_connection() {
    let (mut session, mut client) = session();
    client
        .write_all(b"\r\nPOST /one HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET /two HTTP/1.1\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let head = session.read_head().await.unwrap();
    assert_eq!((&head.target[..], session.content_length()), (&b"/one"[..], Some(5)));
    assert_eq!(session.read_content().await.unwrap().unwrap(), "hello");
    session.write_head(200, &fields(), Framing::Length(2), b"now");
    session.write_content(b"okay").await.unwrap();
    session.finish().await.unwrap();
    assert!(session.is_reusable());
    assert_eq!(&session.read_head().await.unwrap().target[..], b"/two");
    session.write_head(404, &fields(), Framing::Chunked, b"now");
    session.write_content(b"0123456789abcdef!").await.unwrap();
    session.finish().await.unwrap();
    assert!(!session.is_reusable());
    session.linger().await;
    let mut seen = String::new();
    client.read_to_string(&mut seen).await.unwrap();
    let first = "HTTP/1.1 200 OK\r\nDate: now\r\nA: b\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok";
    let second = "HTTP/1.1 404 Not Found\r\nDate: now\r\nA: b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                  11\r\n0123456789abcdef!\r\n0\r\n\r\n";
    assert_eq!(seen, format!("{first}{second}"));
}

#[tokio::test]
async fn an_answer_to_head_has_no_content_and_http_1_0_no_chunks() {
    let (mut session, mut client) = session();
    client.write_all(b"HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await.unwrap();
    session.read_head().await.unwrap();
    session.write_head(200, &Fields::default(), Framing::Length(9), b"now");
    session.write_content(b"not there").await.unwrap();
    session.finish().await.unwrap();
    session.read_head().await.unwrap();
    session.write_head(200, &Fields::default(), Framing::Chunked, b"now");
    session.write_content(b"all").await.unwrap();
    session.finish().await.unwrap();
    assert!(!session.is_reusable());
    session.linger().await;
    let mut seen = String::new();
    client.read_to_string(&mut seen).await.unwrap();
    let first = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 9\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(seen, format!("{first}HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\n\r\nall"));
}

#[tokio::test]
async fn missing_content_is_no_clean_end() {
    let (mut session, mut client) = session();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    session.read_head().await.unwrap();
    session.write_head(200, &Fields::default(), Framing::Length(9), b"now");
    session.write_content(b"half").await.unwrap();
    assert!(session.finish().await.is_err() && !session.is_reusable());
}

#[tokio::test(start_paused = true)]
async fn slow_heads_and_slow_content_are_cut() {
    let (mut session, client) = session();
    let began = Instant::now();
    assert!(matches!(session.read_head().await, Err(Unread::Closed)));
    assert_eq!(began.elapsed().as_secs(), KEEP_ALIVE.as_secs());
    drop(client);

    let (mut session, mut client) = self::session();
    let trickle = tokio::spawn(async move {
        for &byte in b"GET / HTTP/1.1\r\nHost: a-name-that-comes-a-byte-a-second\r\n\r\n" {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if client.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    });
    let began = Instant::now();
    assert!(matches!(session.read_head().await, Err(Unread::Late)));
    assert_eq!(began.elapsed().as_secs(), 16);
    drop(session);
    trickle.await.unwrap();

    let (mut session, mut client) = self::session();
    client.write_all(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel").await.unwrap();
    session.read_head().await.unwrap();
    assert_eq!(session.read_content().await.unwrap().unwrap(), "hel");
    assert!(matches!(session.read_content().await, Err(Broken::Io(error)) if error.kind() == io::ErrorKind::TimedOut));
    assert!(!session.is_reusable());
}

#[tokio::test(start_paused = true)]
async fn empty_lines_are_no_request() {
    let (mut session, mut client) = session();
    tokio::spawn(async move {
        while client.write_all(b"\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(100)).await;
        }
    });
    let started = Instant::now();
    assert!(matches!(session.read_head().await, Err(Unread::Closed)));
    assert_eq!(started.elapsed(), KEEP_ALIVE);
}

#[tokio::test(start_paused = true)]
async fn halves_of_empty_lines_are_none_either() {
    let (mut session, mut client) = session();
    tokio::spawn(async move {
        client.write_all(b"\r").await.unwrap();
        while client.write_all(b"\n\r").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    });
    let started = Instant::now();
    assert!(session.read_head().await.is_err());
    assert_eq!(started.elapsed(), HEAD);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_sends_no_more_is_not_gone_at_once() {
    let (mut session, mut client) = session();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    session.read_head().await.unwrap();
    client.shutdown().await.unwrap();
    let started = Instant::now();
    session.gone().await;
    assert_eq!(started.elapsed(), HALF_CLOSED);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_on_sending_gets_to_read_its_answer() {
    let (mut session, mut client) = session();
    client.write_all(b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n").await.unwrap();
    session.read_head().await.unwrap();
    session.close();
    let started = Instant::now();
    let sender = tokio::spawn(async move {
        let mut sent = 0;
        while sent < 1_000_000 && client.write_all(&[0; 500]).await.is_ok() {
            sent += 500;
        }
        (sent, client)
    });
    session.linger().await;
    assert_eq!((sender.await.unwrap().0, started.elapsed()), (1_000_000, SILENT));
}

#[tokio::test]
async fn heads_have_a_size() {
    for (text, status) in
        [(b"a".repeat(head::LARGEST + 1), 414), ([b"GET / HTTP/1.1\r\nA: ".to_vec(), b"a".repeat(head::LARGEST)].concat(), 431)]
    {
        let (mut session, mut client) = session();
        client.write_all(&text).await.unwrap();
        assert!(matches!(session.read_head().await, Err(Unread::Refused(refusal)) if refusal.0 == status));
    }
}
