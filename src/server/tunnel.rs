//! What passes once a connection has left HTTP: bytes, both ways at once, so that neither waits for the other.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use pingora::server::ShutdownWatch;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::watch;
use tokio::time::timeout;

/// A connection that left HTTP may be silent, in both directions, for this long.
const SILENCE: Duration = Duration::from_secs(600);
/// A write must get on within this time.
const WRITE: Duration = Duration::from_secs(30);
/// What is read at once.
const PIECE: usize = 16 << 10;

/// Passes bytes until one side ends, both are silent for too long, or the process stops. Each side comes with what was read of it already.
pub(super) async fn tunnel<A, B>((client, from_client): (A, BytesMut), (origin, from_origin): (B, BytesMut), shutdown: &ShutdownWatch)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let mut stopping = shutdown.clone();
    let (alive, mut signs) = watch::channel(());
    let (client_reads, client_writes) = split(client);
    let (origin_reads, origin_writes) = split(origin);
    let silent = async { while matches!(timeout(SILENCE, signs.changed()).await, Ok(Ok(()))) {} };
    tokio::select! {
        _ = copy(client_reads, from_client, origin_writes, &alive) => {}
        _ = copy(origin_reads, from_origin, client_writes, &alive) => {}
        () = silent => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
}

async fn copy<A, B>(mut from: ReadHalf<A>, mut piece: BytesMut, mut to: WriteHalf<B>, alive: &watch::Sender<()>) -> io::Result<()>
where
    A: AsyncRead,
    B: AsyncWrite,
{
    loop {
        while !piece.is_empty() {
            let written = timeout(WRITE, to.write_buf(&mut piece)).await.map_err(|_| io::ErrorKind::TimedOut)??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            alive.send_replace(());
        }
        timeout(WRITE, to.flush()).await.map_err(|_| io::ErrorKind::TimedOut)??;
        piece.reserve(PIECE);
        if from.read_buf(&mut piece).await? == 0 {
            return to.shutdown().await;
        }
        alive.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn neither_direction_waits_for_the_other() {
        let (mut client, edge) = duplex(1 << 10);
        let (origin, mut upstream) = duplex(1 << 10);
        let (stop, stopping) = watch::channel(false);
        let passing = tokio::spawn(async move {
            tunnel((edge, BytesMut::from(&b"first "[..])), (origin, BytesMut::from(&b"hello "[..])), &stopping).await;
        });
        // Both sides write far more than fits anywhere before either reads.
        let sent = vec![b'x'; 1 << 20];
        let (mut up, mut down) = (vec![0; (1 << 20) + 6], vec![0; (1 << 20) + 6]);
        let (client_reads, client_writes) = split(&mut client);
        let (upstream_reads, upstream_writes) = split(&mut upstream);
        let write = |mut to: WriteHalf<_>| {
            let sent = &sent;
            async move { to.write_all(sent).await }
        };
        let (mut client_reads, mut upstream_reads) = (client_reads, upstream_reads);
        let all = tokio::try_join!(
            write(client_writes),
            write(upstream_writes),
            async { upstream_reads.read_exact(&mut up).await.map(drop) },
            async { client_reads.read_exact(&mut down).await.map(drop) },
        );
        assert!(all.is_ok() && up.starts_with(b"first xxx") && down.starts_with(b"hello xxx"));
        stop.send_replace(true);
        passing.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_in_which_nothing_passes_is_closed() {
        let ((_client, edge), (origin, _upstream)) = (duplex(64), duplex(64));
        let (_stop, stopping) = watch::channel(false);
        let began = tokio::time::Instant::now();
        tunnel((edge, BytesMut::new()), (origin, BytesMut::new()), &stopping).await;
        assert_eq!(began.elapsed(), SILENCE);
    }
}
