//! Bodies stream: a gibibyte passes and resident memory stays where it was.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use squall::clock;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::client;
use crate::support::upstream::HOST;

const GIB: u64 = 1 << 30;
const ALLOWED_KIB: u64 = 8 << 10;

/// A `squall serve` of its own process, ended with the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An upstream that swallows what is PUT and sends zeros of the size that a GET's path names.
async fn store() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream));
        }
    });
    port
}

async fn serve(mut stream: tokio::net::TcpStream) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
        if let Some(size) = text.strip_prefix("GET /").and_then(|rest| rest.split(' ').next()) {
            stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes()).await.unwrap();
            tokio::io::copy(&mut tokio::io::repeat(0).take(size.parse().unwrap()), &mut stream).await.unwrap();
        } else {
            let length = text.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
            tokio::io::copy(&mut (&mut stream).take(length), &mut tokio::io::sink()).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        }
    }
}

fn status_kib(pid: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn upload<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, size: u64) {
    let head = format!("PUT /bucket/key HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {size}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = vec![0; 256 << 10];
    for _ in 0..size / chunk.len() as u64 {
        stream.write_all(&chunk).await.unwrap();
    }
    assert_eq!(client::exchange(stream, "").await.status(), 200);
}

async fn download<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, size: u64) {
    stream.write_all(format!("GET /{size} HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let mut buffer = vec![0; 256 << 10];
    let mut left = usize::try_from(size).unwrap();
    while left > 0 {
        let room = buffer.len().min(left);
        let n = stream.read(&mut buffer[..room]).await.unwrap();
        assert!(n > 0, "{left} bytes are missing");
        left -= n;
    }
}

fn start(dir: &Path, upstream: u16) -> (Serving, Value) {
    let ready = dir.join("ready.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        &format!("http://127.0.0.1:{upstream}"),
        "--ready-file",
    ]);
    command.arg(&ready).arg("--ca-dir").arg(dir.join("ca")).stdin(Stdio::null()).stderr(Stdio::null());
    let serving = Serving(command.spawn().unwrap());
    let until = clock::now() + Duration::from_secs(10);
    while !ready.exists() {
        assert!(clock::now() < until, "squall serve is not ready");
        std::thread::sleep(Duration::from_millis(5));
    }
    (serving, serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn a_gibibyte_up_and_down_through_tls_leaves_memory_within_eight_megabytes() {
    let dir = tempfile::tempdir().unwrap();
    let (serving, ready) = start(dir.path(), store().await);
    let pid = serving.0.id();
    let root = std::fs::read_to_string(ready["ca"].as_str().unwrap()).unwrap();
    let address = ready["listen"][0].as_str().unwrap().parse().unwrap();
    let tunnel = client::tunnel(address, &format!("{HOST}:443")).await;
    let mut stream = client::secure(tunnel, HOST, &root).await.unwrap();
    // Buffers that every connection needs are filled before the measure is taken.
    upload(&mut stream, 8 << 20).await;
    download(&mut stream, 8 << 20).await;
    let before = status_kib(pid, "VmRSS");
    for (what, peak_allowed) in [("upload", before + ALLOWED_KIB), ("download", before + ALLOWED_KIB)] {
        if what == "upload" {
            upload(&mut stream, GIB).await
        } else {
            download(&mut stream, GIB).await
        }
        let peak = status_kib(pid, "VmHWM");
        println!("{what} of 1 GiB: resident memory {before} KiB before, {peak} KiB at most");
        assert!(peak <= peak_allowed, "{what}: {before} KiB before, {peak} KiB at most");
    }
}
