//! Every row of event-streams.json with the SDK: how many events of a broken stream come, and with which error it ends.

mod calls;

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use common::{Emulator, behind_trusting_squall, is_program, text};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    if is_program() { program().await } else { case() }
}

/// Prints how many events came, and how the stream ended.
async fn program() -> Result<(), Box<dyn Error>> {
    let operation = std::env::args().nth(2).ok_or("no operation")?;
    let (events, end) = calls::read(&operation, &common::config().await).await?;
    println!("{}", json!([events, end]));
    Ok(())
}

fn case() -> Result<(), Box<dyn Error>> {
    let streams = std::fs::read_to_string(Path::new(&std::env::var("CASE")?).join("../../event-streams.json"))?;
    let streams: Vec<Value> = serde_json::from_str(&streams)?;
    // Over TLS: in the clear nobody would be asked for HTTP/2 for a client that can do without.
    let certificate = PathBuf::from(std::env::var("TMPDIR")?).join("far-end.pem");
    let upstream = Emulator::over_tls("common.streams", &certificate)?;
    let mut wrong = Vec::new();
    let rows = streams.iter().flat_map(|stream| stream["rows"].as_array().into_iter().flatten().map(move |row| (stream, row)));
    for (number, (stream, row)) in rows.enumerate() {
        let operation = stream["operation"].as_str().ok_or("no operation")?;
        let profile = PathBuf::from(std::env::var("TMPDIR")?).join(format!("{number}.yaml"));
        std::fs::write(&profile, json!({"rules": [{"name": "stream", "fault": {"event_stream": row["fault"]}}]}).to_string())?;
        let (output, summary) = behind_trusting_squall(&certificate, &upstream.url, &profile, &[operation])?;
        assert!(output.status.success(), "{operation} {}: {}", row["fault"], text(&output.stderr));
        let seen: Value = serde_json::from_str(&text(&output.stdout))?;
        let got = json!([seen[0], seen[1], summary["aws"]["injected"]]);
        let spoken = spoken(&upstream)?;
        println!("{operation} {} {got} {spoken:?}", row["fault"]);
        assert!(spoken.iter().all(|version| stream["http"]["rust"] == **version), "{operation}: {spoken:?}");
        if got != json!([row["events"], row["rust"][0], row["rust"][1]]) {
            wrong.push(format!("{operation} {}: {row}, not {got}", row["fault"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The versions of HTTP in which requests came since this was last asked.
fn spoken(upstream: &Emulator) -> Result<Vec<String>, Box<dyn Error>> {
    let mut stream = TcpStream::connect(upstream.url.trim_start_matches("https://"))?;
    stream.write_all(b"GET /spoken HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split("\r\n\r\n").nth(1).unwrap_or_default().lines().map(str::to_owned).collect())
}
