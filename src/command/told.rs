//! What Squall says to people, on stderr: stdout belongs to the program that runs under it.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::launch::{Finished, Running, upstream_in_words};
use super::stand_in::{AUTHORIZATION, CONTAINER_PATH};
use crate::aws::catalog::Service;
use crate::clock;
use crate::profile::{Plan, TcpEntry};
use crate::proxy::Proxy;
use crate::report::{self, Borders, Hints, Layout};

/// From now on everything is a JSON object a line.
pub fn in_json() {
    IN_JSON.store(true, Ordering::Relaxed);
}

/// Whether it is.
pub fn is_in_json() -> bool {
    IN_JSON.load(Ordering::Relaxed)
}

/// One line in Squall's name.
pub fn line(words: &str) {
    if is_in_json() { object("message", words.into()) } else { text(&format!("squall: {words}")) }
}

/// Text that speaks for itself. Nobody may be listening any more: that is no reason to fail.
pub fn text(words: &str) {
    if is_in_json() {
        return object("message", words.trim_end().into());
    }
    let _unheard = writeln!(io::stderr().lock(), "{}", words.trim_end());
}

/// In the form that the log has.
fn object(key: &str, value: Value) {
    let mut object = json!({"timestamp": clock::wall().to_string(), "level": "INFO", "target": "squall"});
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
    let _unheard = writeln!(io::stderr().lock(), "{object}");
}

static IN_JSON: AtomicBool = AtomicBool::new(false);

/// Where it listens, where requests go, what will happen to them.
pub fn start(running: &Running) {
    let proxy = running.proxy();
    let places = running.addresses().iter().enumerate().map(|(i, address)| {
        if i < running.direct().len() {
            format!("http://{address}")
        } else {
            format!("{address} (redirected clients alone)")
        }
    });
    line(&format!("listening on {}", places.collect::<Vec<_>>().join(" and ")));
    line(&format!("upstream: {}", upstream_in_words(proxy)));
    for service in running.stand_ins() {
        line(&stand_in(service, &running.url()));
    }
    if let Some(via) = proxy.upstream.dialer().via() {
        line(&format!("going out through the proxy {}", via.proxy()));
    }
    ports(proxy);
    let plan_now = &proxy.live.load().plan;
    line(&format!("profile: {}", plan(plan_now)));
    if proxy.destinations.may_reach_real_aws() {
        for rule in plan_now.rules() {
            rule.on_real_aws()
                .for_each(|care| line(&format!("careful, this is real AWS: by the rule `{}` {care}", rule.name())));
        }
    }
}

/// How programs find a stand-in.
fn stand_in(service: &Service, url: &str) -> String {
    let variables = match service.name {
        "imds" => format!("AWS_EC2_METADATA_SERVICE_ENDPOINT={url}/"),
        _ => format!(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI={url}{CONTAINER_PATH} AWS_CONTAINER_AUTHORIZATION_TOKEN={AUTHORIZATION}"
        ),
    };
    format!("standing in for {}, with credentials that open nothing: {variables}", service.name)
}

/// Where `tcp:` entries listen and lead.
pub fn ports(proxy: &Proxy) {
    for entry in proxy.live.load().plan.tcp() {
        let listen = proxy.ports.address(entry).unwrap_or(entry.listen);
        line(&format!("tcp {}", TcpEntry { listen, ..entry.clone() }));
    }
}

/// What will happen to requests: `dynamodb-throttle, 1 rule; seed 42`.
pub fn plan(plan: &Plan) -> String {
    let rules = plan.rules().len();
    let trouble = if rules == 0 {
        "nothing will go wrong".to_owned()
    } else {
        format!("{rules} rule{}", if rules == 1 { "" } else { "s" })
    };
    format!("{}, {trouble}; seed {}", plan.name(), plan.seed())
}

/// The exit code, after the error has been told if there is one.
pub fn end(result: anyhow::Result<ExitCode>, failure: ExitCode) -> ExitCode {
    result.unwrap_or_else(|e| {
        line(&format!("{e:#}"));
        failure
    })
}

/// The same of a command whose output nobody may want to the end: that is no failure.
pub fn end_unless_unread(result: anyhow::Result<ExitCode>) -> ExitCode {
    let unread =
        |e: &anyhow::Error| e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
    match result {
        Err(e) if unread(&e) => ExitCode::SUCCESS,
        result => end(result, ExitCode::FAILURE),
    }
}

/// The report, and everything else that is owed at the end: the summary file, the ledger's last lines.
pub fn report(finished: &Finished, hints: &Hints) -> anyhow::Result<()> {
    let proxy = &finished.proxy;
    let summary = proxy.ledger.summary(finished.run());
    let terminal = io::stderr();
    let layout = match rustix::termios::tcgetwinsize(&terminal) {
        Ok(size) if terminal.is_terminal() => {
            Layout { width: Some(size.ws_col).filter(|w| *w > 0), borders: Borders::Utf8 }
        }
        _ => Layout::default(),
    };
    if is_in_json() {
        object("report", serde_json::from_str(&report::json(&summary, hints)?)?);
    } else {
        text(&report::text(&summary, hints, layout));
    }
    let ledger = proxy.ledger.close();
    if let Some(file) = &finished.summary {
        let json = report::json(&summary, hints)?;
        std::fs::write(file, json).with_context(|| format!("--summary {}", file.display()))?;
    }
    Ok(ledger?)
}
