//! Bodies stream: a gibibyte passes and resident memory stays where it was.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::upstream::HOST;
use crate::support::{client, serving};

const GIB: u64 = 1 << 30;
const ALLOWED_KIB: u64 = 8 << 10;

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

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn a_gibibyte_up_and_down_through_tls_leaves_memory_within_eight_megabytes() {
    let squall = serving::serve(store().await, &[]);
    let tunnel = client::tunnel(squall.address, &format!("{HOST}:443")).await;
    let mut stream = client::secure(tunnel, HOST, &squall.trust_anchor).await.unwrap();
    // Buffers that every connection needs are filled before the measure is taken.
    upload(&mut stream, 8 << 20).await;
    download(&mut stream, 8 << 20).await;
    let before = squall.status_kib("VmRSS");
    for (what, peak_allowed) in [("upload", before + ALLOWED_KIB), ("download", before + ALLOWED_KIB)] {
        if what == "upload" {
            upload(&mut stream, GIB).await
        } else {
            download(&mut stream, GIB).await
        }
        let peak = squall.status_kib("VmHWM");
        println!("{what} of 1 GiB: resident memory {before} KiB before, {peak} KiB at most");
        assert!(peak <= peak_allowed, "{what}: {before} KiB before, {peak} KiB at most");
    }
}
