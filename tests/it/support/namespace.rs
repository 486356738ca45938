//! Network namespaces of the test's own: a machine, or a pod, whose rules and addresses are nobody else's business.
//!
//! Programs run inside; sockets of the test itself can be opened there too, by a thread that goes in for a moment. All of it goes when
//! the test ends. It needs root, and programs that Linux systems have or can install; without them a test says so and is skipped, unless
//! `SQUALL_SDKS=all` makes that a failure.

use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use squall::clock;

use super::toolchain::{is_required, say};

/// A namespace, for as long as the test has it.
pub(crate) struct Namespace {
    holder: Child,
}

/// Whether namespaces can be made here; if not, `what` is skipped and the reason told.
pub(crate) fn are_possible(what: &str) -> bool {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    let Some(reason) = REASON.get_or_init(reason) else { return true };
    assert!(!is_required("namespaces"), "{what}: {reason}");
    say(&format!("skipped: {what}: {reason}\n"));
    false
}

fn reason() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("making a network namespace with rules of its own needs root".to_owned());
    }
    for program in ["unshare", "nsenter", "setpriv", "ip", "iptables", "ip6tables", "nft", "curl"] {
        if Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            return Some(format!(
                "`{program}` is missing (on Debian: apt-get install iproute2 iptables nftables curl)"
            ));
        }
    }
    let made = Command::new("unshare").args(["--net", "--mount", "true"]).output().unwrap();
    (!made.status.success()).then(|| String::from_utf8_lossy(&made.stderr).into_owned())
}

impl Namespace {
    /// With nothing in it but its loopback.
    pub(crate) fn new() -> Self {
        let mut unshare = Command::new("unshare");
        unshare.args(["--net", "--mount", "sh", "-c", "ip link set lo up && echo && exec sleep 600"]);
        let mut holder = unshare.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        assert_eq!(holder.stdout.as_mut().unwrap().read(&mut [0]).unwrap(), 1, "no namespace");
        Self { holder }
    }

    /// A pair of machines side by side. All that the first does not know itself lies behind the second, which has `addresses`.
    pub(crate) fn pair(addresses: &[&str]) -> (Self, Self) {
        let (here, there) = (Self::new(), Self::new());
        here.sh(&format!("ip link add inner type veth peer name outer; ip link set outer netns {}", there.holder.id()));
        there.sh("ip addr add 10.77.0.1/24 dev outer; ip addr add fd77::1/64 dev outer nodad; ip link set outer up");
        for address in addresses {
            there.sh(&format!("ip addr add {address} dev outer {}", if address.contains(':') { "nodad" } else { "" }));
        }
        here.sh("ip addr add 10.77.0.2/24 dev inner; ip addr add fd77::2/64 dev inner nodad; ip link set inner up
             ip route add default via 10.77.0.1; ip -6 route add default via fd77::1");
        there.sh("ip route add default via 10.77.0.2; ip -6 route add default via fd77::2");
        (here, there)
    }

    /// What a shell says to this script; it must succeed.
    pub(crate) fn sh(&self, script: &str) -> String {
        let mut shell = self.command("sh").args(["-eu"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = shell.wait_with_output().unwrap();
        assert!(output.status.success(), "{script}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A program in here.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--mount", "--target", &self.holder.id().to_string(), "--", program]);
        command
    }

    /// The same, as a user without any privileges.
    pub(crate) fn command_as(&self, user: u32, program: &str) -> Command {
        self.command_within(user, "-all", program)
    }

    /// The same, with this bounding set of capabilities, as setpriv takes it.
    pub(crate) fn command_within(&self, user: u32, bounding: &str, program: &str) -> Command {
        let mut command = self.command("setpriv");
        let (id, bounding) = (user.to_string(), format!("--bounding-set={bounding}"));
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--inh-caps=-all", &bounding, program]);
        command
    }

    /// What curl says, as this user.
    pub(crate) fn curl(&self, user: u32, arguments: &[&str]) -> Output {
        let mut curl = self.command_as(user, "curl");
        curl.args(["--silent", "--show-error", "--include", "--max-time", "10"]).args(arguments).env_clear();
        curl.output().unwrap()
    }

    /// A socket of this process that listens in here.
    pub(crate) fn listener(&self, address: &str) -> TcpListener {
        let address: SocketAddr = address.parse().unwrap();
        self.inside(move || TcpListener::bind(address).unwrap())
    }

    /// A connection of this process's from in here. This process is root.
    pub(crate) fn connect(&self, address: &str) -> TcpStream {
        let address: SocketAddr = address.parse().unwrap();
        let stream = self.inside(move || TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap());
        stream.set_nonblocking(true).unwrap();
        stream
    }

    /// What a thread of its own does in here.
    pub(crate) fn inside<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> T {
        let net = File::open(format!("/proc/{}/ns/net", self.holder.id())).unwrap();
        let thread = std::thread::spawn(move || {
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&net), Some(LinkNameSpaceType::Network)).unwrap();
            act()
        });
        thread.join().unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A `squall serve` in a namespace.
pub(crate) struct Inside {
    child: Child,
    dir: tempfile::TempDir,
    pub(crate) trust_anchor: PathBuf,
}

/// The program where every user can run it.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = PROGRAM.get_or_init(|| {
        let dir = open_dir();
        let program = dir.path().join("squall");
        fs::copy(env!("CARGO_BIN_EXE_squall"), &program).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        (dir, program)
    });
    program
}

/// A directory that every user can read.
pub(crate) fn open_dir() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap()
}

/// Serves there as this user, with these arguments, until dropped.
pub(crate) fn serve(namespace: &Namespace, user: u32, profile: &str, more: &[&str]) -> Inside {
    let dir = open_dir();
    std::os::unix::fs::chown(dir.path(), Some(user), Some(user)).unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("profile.yaml"), profile).unwrap();
    let mut command = if user == 0 {
        namespace.command(program().to_str().unwrap())
    } else {
        namespace.command_as(user, program().to_str().unwrap())
    };
    command.args(["serve", "--ca-dir"]).arg(at("ca")).arg("--ready-file").arg(at("ready.json"));
    command.arg("--profile").arg(at("profile.yaml")).arg("--ledger").arg(at("ledger.jsonl")).args(more).env_clear();
    let stderr = File::create(at("stderr")).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let until = clock::now() + super::PATIENCE;
    while !at("ready.json").exists() {
        let said = || fs::read_to_string(at("stderr")).unwrap();
        assert!(child.try_wait().unwrap().is_none() && clock::now() < until, "not ready: {}", said());
        std::thread::sleep(Duration::from_millis(5));
    }
    // For the clients, who are other users.
    fs::set_permissions(at("ca"), Permissions::from_mode(0o755)).unwrap();
    let trust_anchor = at("ca/ca.pem");
    fs::set_permissions(&trust_anchor, Permissions::from_mode(0o644)).unwrap();
    Inside { child, trust_anchor, dir }
}

impl Inside {
    /// What it has said so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap()
    }

    /// Ends it, and gives the lines of its ledger.
    pub(crate) fn finish(mut self) -> Vec<Value> {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "{}", self.stderr());
        let lines = fs::read_to_string(self.dir.path().join("ledger.jsonl")).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
