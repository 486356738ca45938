//! Every row of faults.json with the SDK: what the program sees, how often the SDK tries, and what reaches the far end.

mod calls;

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use calls::Clients;
use common::{behind_squall, is_program, text};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    if is_program() { program().await } else { case() }
}

/// Makes a call as often as told, with a second for each request, and prints what it saw of the last.
async fn program() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(2);
    let (call, times) = (arguments.next().ok_or("no call")?, arguments.next().ok_or("no number")?.parse::<u32>()?);
    let config = common::config().await;
    let timeouts = config.timeout_config().map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
    let timeouts = timeouts.read_timeout(Duration::from_secs(2)).build();
    let config = config.into_builder().timeout_config(timeouts).build();
    let clients = Clients::new(&config);
    for time in 1..=times {
        let saw = clients.make(&call).await;
        if time == times {
            println!("{saw}");
        }
    }
    Ok(())
}

fn case() -> Result<(), Box<dyn Error>> {
    let facts = std::fs::read_to_string(Path::new(&std::env::var("CASE")?).join("../../faults.json"))?;
    let facts: Value = serde_json::from_str(&facts)?;
    let rows = facts["rows"].as_array().ok_or("no rows")?;
    let rows: Vec<_> = rows.iter().enumerate().filter(|(_, row)| row.get("rust").is_some()).collect();
    let differing = std::thread::scope(|scope| {
        let running = rows.chunks(rows.len().div_ceil(4)).map(|some| {
            scope.spawn(|| some.iter().filter_map(|(number, row)| difference(*number, row).unwrap()).collect::<Vec<_>>())
        });
        let running: Vec<_> = running.collect();
        running.into_iter().flat_map(|some| some.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    Ok(())
}

/// What differs between what is seen and what the row says, if anything does.
fn difference(number: usize, row: &Value) -> Result<Option<String>, Box<dyn Error>> {
    let target = if row["connection"] == true { json!({"service": ["dynamodb", "s3"]}) } else { json!({"operation": row["call"]}) };
    let rule = json!({"name": "fault", "match": target, "fault": row["fault"]});
    let profile = PathBuf::from(std::env::var("TMPDIR")?).join(format!("row-{number}.yaml"));
    std::fs::write(&profile, json!({"seed": 7, "rules": [rule]}).to_string())?;
    let far = FarEnd::start()?;
    let times = row["calls"].as_u64().unwrap_or(1).to_string();
    let call = row["call"].as_str().ok_or("no call")?;
    let (output, summary) = behind_squall(&far.url, &profile, &[call, &times])?;
    let saw = text(&output.stdout).trim().to_owned();
    let aws = &summary["aws"];
    assert_eq!((&aws["upstream_failed"], &aws["proxy_failed"]), (&json!(0), &json!(0)), "{summary}");
    let attempts = aws["attempts"].as_u64().ok_or("no attempts")? + summary["connections"]["ended"].as_u64().ok_or("none")?;
    let got = json!({"saw": saw, "attempts": attempts, "carried_out": far.count()?, "early": aws["early"]});
    let what = format!("{} {call}", row["fault"]);
    println!("{what} {got}");
    let mut expected = row["rust"].clone();
    if expected["saw"].as_str().is_some_and(|known| known.split(" or ").any(|one| one == saw)) {
        expected["saw"] = saw.into();
    }
    Ok((got != expected).then(|| format!("{what}: {expected}, not {got}")))
}

/// The far end of the cases in Python. It ends when its stdin does.
struct FarEnd {
    child: Child,
    url: String,
}

impl FarEnd {
    fn start() -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::var("PYTHON")?);
        child.args(["-m", "common.far_end"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = child.spawn()?;
        let mut port = String::new();
        BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut port)?;
        Ok(Self { child, url: format!("http://127.0.0.1:{}", port.trim()) })
    }

    /// How many requests reached it.
    fn count(&self) -> Result<u64, Box<dyn Error>> {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://"))?;
        stream.write_all(b"GET /requests HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.rsplit("\r\n").next().ok_or("no answer")?.parse()?)
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
