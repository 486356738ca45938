//! A `squall serve` in a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use squall::clock;

/// Ended with the test.
pub(crate) struct Serving {
    child: Child,
    dir: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) trust_anchor: String,
    ready: Value,
}

/// In front of the emulator at this port of this machine, with these arguments beside.
pub(crate) fn serve(upstream: u16, more: &[String]) -> Serving {
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready.json");
    let stderr = std::fs::File::create(dir.path().join(STDERR)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--upstream", &format!("http://127.0.0.1:{upstream}")]);
    command.arg("--ready-file").arg(&ready).arg("--ca-dir").arg(dir.path().join("ca")).args(more);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let until = clock::now() + Duration::from_secs(10);
    while !ready.exists() {
        assert!(child.try_wait().unwrap().is_none() && clock::now() < until, "squall serve is not ready");
        std::thread::sleep(Duration::from_millis(5));
    }
    let ready: Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    let trust_anchor = std::fs::read_to_string(ready["ca"].as_str().unwrap()).unwrap();
    Serving { child, dir, address: ready["listen"][0].as_str().unwrap().parse().unwrap(), trust_anchor, ready }
}

impl Serving {
    /// A figure of `/proc/PID/status`, in KiB.
    pub(crate) fn status_kib(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).unwrap().count()
    }

    /// What its ready file says.
    pub(crate) fn ready(&self) -> &Value {
        &self.ready
    }

    /// What it has said so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.dir.path().join(STDERR)).unwrap()).into_owned()
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.tell("-TERM");
    }

    /// Asks it to reload.
    pub(crate) fn hang_up(&self) {
        self.tell("-HUP");
    }

    fn tell(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    fn proc(&self, what: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{what}", self.child.id()))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const STDERR: &str = "stderr";
