//! The program's process, before it becomes the program: makes the namespaces and goes in.
//!
//! Must run before any thread is started: a process with threads cannot make itself a user namespace. Capabilities come with the namespace and
//! go when the program is executed, so all that needs them is done here. A superuser who has them already needs no user namespace, and is
//! given none: in it root could no longer write other users' files.

use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt::Ipv4PacketInfo};
use rustix::mount::{MountFlags, MountPropagationFlags, mount as mount_new, mount_bind, mount_change};
use rustix::thread::{CapabilitySet, capabilities};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use super::failure::{Failure, Step};
use super::handover::{self, Sockets};
use super::netlink::{nftables, route};
use super::{DNS_PORT, OWN_ADDRESS};

/// What Squall has made ready for the program, in a file of its directory.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Layout {
    /// Directories with what lies in another one put into them, or in the place of what has the same name.
    pub directories: Vec<Mount>,
    /// Files in the place of others.
    pub files: Vec<Mount>,
    /// The first port that needs no privilege, as outside.
    pub unprivileged_ports: Option<u16>,
}

/// Something over something else, which must be there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Mount {
    /// What is put there.
    pub from: PathBuf,
    /// Where.
    pub onto: PathBuf,
}

/// Whether this process is in its namespaces now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Squall has been told why not.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// Squall cannot be told anything.
    #[error("Squall is not reached: {0}")]
    Unheard(#[source] io::Error),
}

/// Goes in, as `dir` says, and returns when Squall has taken over what arrives there.
pub fn enter(dir: &Path) -> Result<(), Error> {
    let squall = UnixStream::connect(dir.join(CONTROL)).map_err(Error::Unheard)?;
    let layout = fs::read(dir.join(LAYOUT)).and_then(|text| Ok(serde_json::from_slice(&text)?));
    match layout.map_err(Error::Unheard).and_then(|layout| Ok(isolate(&layout)?)) {
        Ok(sockets) => handover::hand_over(&squall, &sockets).map_err(Error::Unheard),
        Err(Error::Failed(failure)) => {
            handover::fail(&squall, &failure).map_err(Error::Unheard)?;
            Err(Error::Failed(failure))
        }
        Err(unheard) => Err(unheard),
    }
}

fn isolate(layout: &Layout) -> Result<Sockets, Failure> {
    make_namespaces()?;
    network().map_err(|e| Failure::new(Step::Network, "", &e))?;
    let (tcp4, tcp6) = listeners()?;
    let dns = name_server().map_err(|e| Failure::new(Step::Listen, "UDP port 53", &e))?;
    let port = tcp4.local_addr().map_err(|e| Failure::new(Step::Listen, "", &e))?.port();
    let rules = nftables::socket().map_err(|e| Failure::new(Step::OpenRules, "", &e))?;
    nftables::install(&rules, port, OWN_ADDRESS).map_err(|e| Failure::new(Step::Rules, "", &e))?;
    if let Some(first) = layout.unprivileged_ports {
        // Where it cannot be set, programs that need it say so themselves.
        let _kept = fs::write(UNPRIVILEGED_PORTS, first.to_string());
    }
    put_over(layout)?;
    Ok(Sockets { tcp4, dns, rules, tcp6 })
}

fn make_namespaces() -> Result<(), Failure> {
    let wanted = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    if has_capabilities() {
        return unshare(wanted).map_err(|e| Failure::new(Step::Unshare, "", &e.into()));
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    unshare(wanted | CloneFlags::CLONE_NEWUSER).map_err(|e| Failure::new(Step::Unshare, "", &e.into()))?;
    // The groups first: the kernel lets nobody map a group who could still leave one.
    for (file, text) in
        [("setgroups", "deny".to_owned()), ("uid_map", format!("{uid} {uid} 1")), ("gid_map", format!("{gid} {gid} 1"))]
    {
        write_at_once(&format!("/proc/self/{file}"), &text).map_err(|e| Failure::new(Step::Map, file, &e))?;
    }
    Ok(())
}

/// Whether all of this may be done without a user namespace.
fn has_capabilities() -> bool {
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN | CapabilitySet::NET_BIND_SERVICE;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// Maps take one write.
fn write_at_once(path: &str, text: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

fn network() -> io::Result<()> {
    let socket = route::socket()?;
    socket.request(&route::loopback_up())?;
    socket.request(&route::address(OWN_ADDRESS))?;
    socket.request(&route::all_v4_is_local(OWN_ADDRESS))?;
    // A system without IPv6 has programs that do without.
    let _without_v6 = socket.request(&route::all_v6_is_local());
    Ok(())
}

/// For IPv4, and on the same port for IPv6.
fn listeners() -> Result<(TcpListener, Option<TcpListener>), Failure> {
    let failed = |e: io::Error| Failure::new(Step::Listen, "TCP", &e);
    let tcp4 = listener((Ipv4Addr::UNSPECIFIED, 0).into()).map_err(failed)?;
    let port = tcp4.local_addr().map_err(failed)?.port();
    Ok((tcp4, listener((Ipv6Addr::UNSPECIFIED, port).into()).ok()))
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Of IPv6 sockets too: it is one flag of the socket.
    socket.set_ip_transparent_v4(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn name_server() -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket.as_fd(), Ipv4PacketInfo, &true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, DNS_PORT)).into())?;
    Ok(socket.into())
}

/// What is mounted outside from now on is seen here too, and nothing of ours there.
fn put_over(layout: &Layout) -> Result<(), Failure> {
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM)
        .map_err(|e| Failure::new(Step::Mount, "/", &e.into()))?;
    let failed = |mount: &Mount, e| Failure::new(Step::Mount, &mount.onto.display().to_string(), &e);
    for mount in &layout.directories {
        put_into(mount).map_err(|e| failed(mount, e))?;
    }
    for mount in &layout.files {
        mount_bind(&mount.from, &mount.onto).map_err(|e| failed(mount, e.into()))?;
    }
    Ok(())
}

/// Makes the directory anew in memory: whoever made ready what comes into it may take that away again.
fn put_into(mount: &Mount) -> io::Result<()> {
    let made = mount.from.with_extension("made");
    fs::create_dir(&made)?;
    mount_new("tmpfs", &made, "tmpfs", MountFlags::empty(), Some(c"mode=0755"))?;
    copy(&mount.onto, &made, DEPTH)?;
    copy(&mount.from, &made, DEPTH)?;
    Ok(mount_bind(&made, &mount.onto)?)
}

/// Links as they are, files by their content; what may not be read is left out.
fn copy(from: &Path, to: &Path, depth: u32) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, source, target) = (entry.file_type()?, entry.path(), to.join(entry.file_name()));
        let copied = if kind.is_symlink() {
            let replaced = fs::remove_file(&target);
            fs::read_link(&source).and_then(|link| symlink(link, &target)).or(replaced)
        } else if kind.is_dir() && depth > 0 {
            // It may be there by now.
            let _made = fs::create_dir(&target);
            copy(&source, &target, depth - 1)
        } else if kind.is_file() {
            fs::read(&source).and_then(|content| fs::write(&target, content))
        } else {
            Ok(())
        };
        if let Err(e) = copied {
            tracing::debug!("{} is left out: {e}", source.display());
        }
    }
    Ok(())
}

/// In the directory: the socket that Squall listens on, and a [`Layout`].
pub const CONTROL: &str = "control";
/// See [`CONTROL`].
pub const LAYOUT: &str = "layout.json";
/// Where the first port that needs no privilege is kept.
pub const UNPRIVILEGED_PORTS: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
/// The kernel cuts it down to net.core.somaxconn.
const BACKLOG: i32 = 4096;
/// Of directories in directories.
const DEPTH: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_into_a_directory_takes_the_place_of_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let [system, changes, made] = ["system", "changes", "made"].map(|name| dir.path().join(name));
        fs::create_dir_all(system.join("java")).unwrap();
        fs::create_dir_all(changes.join("java")).unwrap();
        fs::create_dir(&made).unwrap();
        fs::write(system.join("bundle"), "before").unwrap();
        fs::write(system.join("java/cacerts"), "before").unwrap();
        symlink("elsewhere.pem", system.join("12345678.0")).unwrap();
        fs::write(changes.join("java/cacerts"), "after").unwrap();
        symlink("ours.pem", changes.join("12345678.1")).unwrap();
        copy(&system, &made, DEPTH).unwrap();
        copy(&changes, &made, DEPTH).unwrap();
        let link = |name: &str| fs::read_link(made.join(name)).unwrap();
        assert_eq!((link("12345678.0"), link("12345678.1")), ("elsewhere.pem".into(), "ours.pem".into()));
        let read = |name: &str| fs::read_to_string(made.join(name)).unwrap();
        assert_eq!((read("bundle"), read("java/cacerts")), ("before".to_owned(), "after".to_owned()));
    }
}
