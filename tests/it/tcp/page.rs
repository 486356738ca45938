//! What `docs/tcp.md` says that clients see is what they are held to.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// `SQUALL_BLESS=1` writes the table anew.
#[test]
fn the_page_on_tcp_faults_says_what_clients_were_seen_to_do() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tcp.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(HEAD).expect("the table is in docs/tcp.md");
    let (_, after) = rest.split_once("\n\n").unwrap();
    let whole = format!("{before}{HEAD}{}\n{after}", rows());
    if std::env::var_os("SQUALL_BLESS").is_some() {
        fs::write(&path, &whole).unwrap();
    }
    assert!(page == whole, "docs/tcp.md is not what SQUALL_BLESS=1 writes");
}

fn rows() -> String {
    let facts: Value = serde_json::from_str(include_str!("../../sdk/tcp.json")).unwrap();
    let row = |row: &Value| {
        let fault = row["fault"].as_str().map_or_else(|| crate::profile::in_yaml(&row["fault"]), str::to_owned);
        let asked = match row["asks"].as_str().unwrap() {
            "big" => ", 20 kB",
            "leave" => ", the server leaves",
            _ => "",
        };
        let ends = row["ends"].as_f64().map(|ends| format!(", over after {ends} s")).unwrap_or_default();
        let saw = CLIENTS.map(|client| {
            let (saw, took) = (row[client]["saw"].as_str().unwrap(), row[client]["took"].as_f64().unwrap());
            if took == 0.0 { format!("{saw}, at once") } else { format!("{saw}, {took} s") }
        });
        format!("| `{fault}` | {}{asked}{ends} | {} |\n", row["on"].as_str().unwrap(), saw.join(" | "))
    };
    facts["rows"].as_array().unwrap().iter().map(row).collect()
}

const CLIENTS: [&str; 3] = ["psycopg", "psycopg, sslmode=require", "redis-py"];
const HEAD: &str = "| fault | connection | psycopg 3.3 | with sslmode=require | redis-py 8.1, without its retries |\n|---|---|---|---|---|\n";
