//! Why a program could not be isolated: the step that failed, and in words which setting forbids it and what to do.

use std::fmt;
use std::io;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// What is done on the way into the namespaces, in this order.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// User, network and mount namespaces are made.
    Unshare,
    /// The user is mapped to itself.
    Map,
    /// The loopback interface is taken up, with an address and routes.
    Network,
    /// The sockets listen.
    Listen,
    /// A netlink socket for rules is opened.
    OpenRules,
    /// The rules are laid down.
    Rules,
    /// Files are put over others.
    Mount,
}

/// A step that failed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// Which one.
    pub step: Step,
    /// The system's error number; 0 if it has none.
    pub code: i32,
    /// The same in words, and what it was about.
    pub text: String,
}

/// What the system allows, as far as it may be read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Allowed {
    /// `kernel.unprivileged_userns_clone`, which Debian's older kernels have.
    pub userns_clone: Option<u64>,
    /// `user.max_user_namespaces`.
    pub user_namespaces: Option<u64>,
    /// `user.max_net_namespaces`.
    pub net_namespaces: Option<u64>,
    /// `user.max_mnt_namespaces`.
    pub mount_namespaces: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`, which Ubuntu has.
    pub apparmor_restricts: Option<u64>,
    /// Whether a seccomp filter is in force.
    pub seccomp: bool,
}

impl Failure {
    /// Of this step, about `what`.
    pub fn new(step: Step, what: &str, error: &io::Error) -> Self {
        let code = error.raw_os_error().unwrap_or_default();
        let text = if what.is_empty() { error.to_string() } else { format!("{what}: {error}") };
        Self { step, code, text }
    }

    /// One sentence or two: what forbids it, and what to do.
    pub fn explain(&self, allowed: &Allowed) -> String {
        let is = |errno: Errno| self.code == errno.raw_os_error();
        let why = match self.step {
            Step::Unshare if is(Errno::NOSPC) => Some(no_room(allowed)),
            Step::Unshare if is(Errno::PERM) || is(Errno::ACCESS) => Some(not_permitted(allowed)),
            Step::Unshare if is(Errno::NOSYS) || is(Errno::INVAL) => {
                Some("this kernel has no user, network or mount namespaces to give".to_owned())
            }
            Step::Map | Step::Network if is(Errno::PERM) || is(Errno::ACCESS) => Some(apparmor(allowed)),
            Step::Mount if is(Errno::PERM) || is(Errno::ACCESS) => Some(MOUNT_DENIED.to_owned()),
            Step::OpenRules | Step::Rules if !(is(Errno::PERM) || is(Errno::ACCESS)) => Some(NO_NF_TABLES.to_owned()),
            _ => None,
        };
        match why {
            Some(why) => format!("{self}: {why}"),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.step, self.text)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unshare => "namespaces cannot be made",
            Self::Map => "the user cannot be mapped into a namespace",
            Self::Network => "the network of the namespace cannot be set up",
            Self::Listen => "the sockets in the namespace cannot listen",
            Self::OpenRules => "the namespace has no nf_tables",
            Self::Rules => "the rules of the namespace cannot be laid down",
            Self::Mount => "files cannot be put over others in the namespace",
        })
    }
}

impl std::error::Error for Failure {}

impl Allowed {
    /// What this system says.
    pub fn here() -> Self {
        let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse().ok();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let filtered = |line: &str| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2");
        Self {
            userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            net_namespaces: number("/proc/sys/user/max_net_namespaces"),
            mount_namespaces: number("/proc/sys/user/max_mnt_namespaces"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            seccomp: status.lines().any(filtered),
        }
    }
}

/// The limit that is reached, by its name.
fn no_room(allowed: &Allowed) -> String {
    let limits = [
        ("user.max_user_namespaces", allowed.user_namespaces),
        ("user.max_net_namespaces", allowed.net_namespaces),
        ("user.max_mnt_namespaces", allowed.mount_namespaces),
    ];
    match limits.into_iter().find(|(_, limit)| *limit == Some(0)) {
        Some((name, _)) => format!("{name} is 0, which forbids them; allow some: `sysctl -w {name}=1000` as root"),
        None => "as many as user.max_user_namespaces, user.max_net_namespaces and user.max_mnt_namespaces allow are in use; raise the \
                 one that is used up, as root by `sysctl -w`"
            .to_owned(),
    }
}

fn not_permitted(allowed: &Allowed) -> String {
    if allowed.userns_clone == Some(0) {
        return "kernel.unprivileged_userns_clone is 0, which forbids them to users other than root; allow them: \
                `sysctl -w kernel.unprivileged_userns_clone=1` as root"
            .to_owned();
    }
    if allowed.apparmor_restricts == Some(1) && !allowed.seccomp {
        return apparmor(allowed);
    }
    let by = if allowed.seccomp {
        "a seccomp filter forbids them, as Docker's own does"
    } else {
        "most likely a chroot or a security module forbids them"
    };
    format!(
        "{by}; in a container start it with `--cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt apparmor=unconfined`, or with \
         `--security-opt seccomp=unconfined`"
    )
}

fn apparmor(allowed: &Allowed) -> String {
    let by = if allowed.apparmor_restricts == Some(1) {
        "AppArmor forbids it, as kernel.apparmor_restrict_unprivileged_userns is 1 (Ubuntu's setting since 23.10)"
    } else {
        "most likely AppArmor forbids it, as on Ubuntu since 23.10 (kernel.apparmor_restrict_unprivileged_userns)"
    };
    format!(
        "{by}; give squall a profile that allows `userns,` under /etc/apparmor.d, or as root \
         `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"
    )
}

const MOUNT_DENIED: &str = "most likely AppArmor forbids mounts, as Docker's own profile does; start the container with \
                            `--security-opt apparmor=unconfined`";
const NO_NF_TABLES: &str = "this kernel lacks nf_tables, nft_tproxy (since 4.19), nft_socket or nft_reject; load these modules as root by modprobe";

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(step: Step, errno: Errno, allowed: &Allowed) -> String {
        Failure::new(step, "", &errno.into()).explain(allowed)
    }

    #[test]
    fn each_way_to_forbid_namespaces_is_called_by_its_name_and_says_what_to_do() {
        let allowed = Allowed { user_namespaces: Some(10), ..Allowed::default() };
        let docker = Allowed { seccomp: true, ..allowed.clone() };
        let debian = Allowed { userns_clone: Some(0), ..allowed.clone() };
        let ubuntu = Allowed { apparmor_restricts: Some(1), ..allowed.clone() };
        let none_left = Allowed { net_namespaces: Some(0), ..allowed.clone() };
        for (step, errno, allowed, wanted) in [
            (Step::Unshare, Errno::PERM, &docker, &["seccomp", "--security-opt seccomp=unconfined"][..]),
            (Step::Unshare, Errno::PERM, &debian, &["sysctl -w kernel.unprivileged_userns_clone=1"]),
            (Step::Unshare, Errno::PERM, &allowed, &["chroot"]),
            (Step::Unshare, Errno::NOSPC, &none_left, &["sysctl -w user.max_net_namespaces=1000"]),
            (Step::Unshare, Errno::NOSPC, &allowed, &["in use", "user.max_user_namespaces"]),
            (Step::Map, Errno::PERM, &ubuntu, &["is 1", "userns,"]),
            (Step::Network, Errno::PERM, &ubuntu, &["AppArmor", "sysctl -w"]),
            (Step::Map, Errno::ACCESS, &allowed, &["most likely AppArmor"]),
            (Step::Mount, Errno::ACCESS, &allowed, &["apparmor=unconfined"]),
            (Step::OpenRules, Errno::PROTONOSUPPORT, &allowed, &["nft_tproxy"]),
            (Step::Rules, Errno::NOENT, &allowed, &["nft_socket"]),
        ] {
            let said = explained(step, errno, allowed);
            assert!(wanted.iter().all(|words| said.contains(words)), "{step:?} {errno:?}: {said}");
            assert!(said.starts_with(&step.to_string()), "{said}");
        }
    }

    #[test]
    fn what_nobody_foresaw_is_told_as_the_system_says_it() {
        let failure = Failure::new(Step::Listen, "udp 53", &Errno::ADDRINUSE.into());
        assert!(failure.explain(&Allowed::default()).ends_with("(udp 53: Address already in use (os error 98))"));
    }
}
