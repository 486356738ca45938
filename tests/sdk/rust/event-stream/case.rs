//! Every row of event-streams.json with the SDK: how many events of a broken stream come, and with which error it ends.

use std::error::Error;
use std::path::{Path, PathBuf};

use aws_sdk_bedrockruntime::error::SdkError;
use common::{Emulator, behind_squall, is_program, text};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    if is_program() { program().await } else { case() }
}

/// Prints how many events came, and how the stream ended.
async fn program() -> Result<(), Box<dyn Error>> {
    let bedrock = aws_sdk_bedrockruntime::Client::new(&common::config().await);
    let mut answer = bedrock.converse_stream().model_id("amazon.nova-lite-v1:0").send().await?;
    let mut events = 0;
    let end = loop {
        match answer.stream.recv().await {
            Ok(Some(_)) => events += 1,
            Ok(None) => break "end".to_owned(),
            Err(SdkError::ServiceError(error)) => break variant(&format!("{:?}", error.err())),
            Err(error) => break variant(&format!("{error:?}")),
        }
    };
    println!("{}", json!([events, end]));
    Ok(())
}

fn variant(debug: &str) -> String {
    debug.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

fn case() -> Result<(), Box<dyn Error>> {
    let rows = std::fs::read_to_string(Path::new(&std::env::var("CASE")?).join("../../event-streams.json"))?;
    let rows: Vec<Value> = serde_json::from_str(&rows)?;
    let upstream = Emulator::of("common.streams")?;
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let profile = PathBuf::from(std::env::var("TMPDIR")?).join(format!("{number}.yaml"));
        std::fs::write(&profile, json!({"rules": [{"name": "stream", "fault": {"event_stream": row["fault"]}}]}).to_string())?;
        let (output, summary) = behind_squall(&upstream.url, &profile, &[])?;
        assert!(output.status.success(), "{}", text(&output.stderr));
        let seen: Value = serde_json::from_str(&text(&output.stdout))?;
        let got = json!([seen[0], seen[1], summary["aws"]["injected"]]);
        println!("{} {got}", row["fault"]);
        if got != json!([row["events"], row["rust"][0], row["rust"][1]]) {
            wrong.push(format!("{}: {row}, not {got}", row["fault"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
