//! Accepts connections to the admin address: few, one request each, and none that keeps others waiting.

use std::sync::Arc;
use std::time::Duration;

use pingora::apps::ServerApp as _;
use pingora::apps::http_app::HttpServer;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::access::Access;
use super::server::{Admin, Operator};
use crate::server::{Gate, Secure, Socket};

/// Connections at once; more wait in the kernel.
const CONNECTIONS: usize = 64;
/// No request takes longer: a function's 15 minutes, and something on top.
const LONGEST: Duration = Duration::from_secs(920);

/// Serves until the task is aborted; what was begun then goes on.
pub fn start(listener: Arc<TcpListener>, access: Arc<Access>, operator: Arc<dyn Operator>) -> JoinHandle<()> {
    let address = listener.local_addr();
    tokio::spawn(async move {
        let Ok(address) = address else { return };
        let app = Arc::new(HttpServer::new_app(Admin::new(operator, address, Arc::clone(&access))));
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        // Held so that the connections' watch stays open.
        let (_stop, watch) = tokio::sync::watch::channel(false);
        loop {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (app, access, watch) = (Arc::clone(&app), Arc::clone(&access), watch.clone());
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(LONGEST, serve(stream, app, access, watch)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::error!("a connection to the admin address could not be accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    })
}

/// The whole request must be there 15 s after its connection, and the client must read its answer.
async fn serve(stream: TcpStream, app: Arc<HttpServer<Admin>>, access: Arc<Access>, watch: ShutdownWatch) {
    let gate = Arc::new(Gate::default());
    gate.hurry();
    let socket = Socket::encrypted(stream, gate);
    let stream: Stream = match &access.guard().tls {
        None => Box::new(socket),
        Some(names) => match names.accept(socket).await {
            Ok((stream, _)) => Box::new(Secure::new(stream, Arc::default())),
            Err(_) => return,
        },
    };
    app.process_new(stream, &watch).await;
}
