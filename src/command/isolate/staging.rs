//! The files that an isolated program finds in place of the system's: who answers names, and whom to trust.
//!
//! They are written into a directory of Squall's, to be put over the originals where the program alone sees it. What was trusted before is
//! trusted still: ours is put beside it. Mounts outlive what they were made from, so the directory may go as soon as the program runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustls_pki_types::CertificateDer;

use crate::command::hints::Inherited;
use crate::command::keystore;
use crate::command::trust::Trust;
use crate::isolate::NAME_SERVER;
use crate::isolate::dns::host::RESOLV_CONF;
use crate::isolate::enter::{Layout, Mount, UNPRIVILEGED_PORTS};

/// What stands ready.
#[derive(Debug)]
pub(super) struct Staging {
    /// For the program's process.
    pub(super) layout: Layout,
    /// The files to trust, where the program sees them.
    pub(super) trust: Trust,
    /// Whether every JVM of the system trusts us without being told.
    pub(super) java: bool,
}

/// Staging under way.
struct Stage<'a> {
    /// Where everything is written.
    dir: &'a Path,
    /// Our certificate in PEM.
    own: &'a str,
    /// Directories that something is put into, and what.
    directories: Vec<Mount>,
    files: Vec<Mount>,
}

impl Staging {
    /// Puts copies into `dir`. `write` makes the files of [`Trust`] in the directory it is given.
    pub(super) fn prepare(
        dir: &Path,
        own: &str,
        inherited: &Inherited,
        program: Option<&Path>,
        write: impl Fn(&Path) -> Result<Trust>,
    ) -> Result<Self> {
        let mut stage = Stage { dir, own, directories: Vec::new(), files: Vec::new() };
        stage.name_resolution();
        let trust = stage.certificates(write)?;
        for bundle in BUNDLES.iter().map(PathBuf::from).chain(bundles_of_packages(inherited, program)) {
            stage.bundle(&bundle);
        }
        let stores = java_stores(inherited);
        let jks = fs::read(trust.staged.join("trust.jks")).context("cannot read the trust store for Java")?;
        let java = stores.iter().filter(|store| stage.put(store, &jks)).count() > 0;
        let unprivileged_ports = fs::read_to_string(UNPRIVILEGED_PORTS).ok().and_then(|text| text.trim().parse().ok());
        let layout = Layout { directories: stage.directories, files: stage.files, unprivileged_ports };
        Ok(Self { layout, trust: trust.seen, java })
    }
}

/// The files of [`Trust`], by where they were written, and by where the program finds them.
struct Placed {
    staged: PathBuf,
    seen: Trust,
}

impl Stage<'_> {
    fn name_resolution(&mut self) {
        self.put(Path::new(RESOLV_CONF), resolv_conf().as_bytes());
        if let Ok(text) = fs::read_to_string(NSSWITCH) {
            self.put(Path::new(NSSWITCH), only_files_and_dns(&text).as_bytes());
        }
        // It would answer from the machine's own name servers.
        self.put(Path::new(NSCD), b"");
    }

    /// Stages the system's directories of certificates with ours in them; the files of [`Trust`] go into the first.
    fn certificates(&mut self, write: impl Fn(&Path) -> Result<Trust>) -> Result<Placed> {
        let der = keystore::first_certificate(self.own)?;
        for directory in CERTIFICATE_DIRECTORIES {
            let Ok(onto) = Path::new(directory).canonicalize() else { continue };
            if !onto.is_dir() || self.directories.iter().any(|staged| staged.onto == onto) {
                continue;
            }
            let from = self.dir.join(format!("certificates-{}", self.directories.len()));
            let mount = Mount { from, onto };
            self.add_own(&mount, &der).with_context(|| format!("cannot add to {}", mount.onto.display()))?;
            self.directories.push(mount);
        }
        let Some(first) = self.directories.first() else {
            let staged = self.dir.to_owned();
            return Ok(Placed { seen: write(&staged)?, staged });
        };
        let (staged, seen) = (first.from.join(OURS), first.onto.join(OURS));
        fs::create_dir(&staged).with_context(|| format!("cannot make {}", staged.display()))?;
        Ok(Placed { seen: write(&staged)?.moved(&staged, &seen), staged })
    }

    /// Ours by its hash, as OpenSSL looks for it, and in the bundles that lie there.
    fn add_own(&self, mount: &Mount, der: &CertificateDer<'_>) -> Result<()> {
        fs::create_dir(&mount.from)?;
        fs::write(mount.from.join("squall.pem"), self.own)?;
        let hash = keystore::subject_hash(der)?;
        let is_free = |name: &String| mount.onto.join(name).symlink_metadata().is_err();
        let link = (0..).map(|n| format!("{hash:08x}.{n}")).find(is_free).unwrap_or_default();
        symlink("squall.pem", mount.from.join(link))?;
        for name in BUNDLES_IN_DIRECTORIES {
            let bundle = mount.onto.join(name);
            if bundle.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
                fs::write(mount.from.join(name), joined(&fs::read(&bundle)?, self.own))?;
            }
        }
        Ok(())
    }

    /// A file of certificates with ours behind them.
    fn bundle(&mut self, bundle: &Path) {
        let Ok(onto) = bundle.canonicalize() else { return };
        // Bundles in staged directories have ours in them by now.
        if self.staged(&onto).is_none() && self.files.iter().all(|file| file.onto != onto) {
            match fs::read(&onto) {
                Ok(before) => drop(self.put(&onto, &joined(&before, self.own))),
                Err(e) => tracing::debug!("{} stays as it is: {e}", onto.display()),
            }
        }
    }

    /// Another content for a file that is there. Whether it is, and has it.
    fn put(&mut self, file: &Path, content: &[u8]) -> bool {
        let Ok(onto) = file.canonicalize() else { return false };
        if onto.is_dir() {
            return false;
        }
        let staged = self.staged(&onto);
        let from = staged.clone().unwrap_or_else(|| self.dir.join(format!("file-{}", self.files.len())));
        let written = from.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&from, content));
        if let Err(e) = written {
            tracing::debug!("{} stays as it is: {e}", onto.display());
            return false;
        }
        if staged.is_none() {
            self.files.push(Mount { from, onto });
        }
        true
    }

    /// What takes the place of a file in a directory that something is put into.
    fn staged(&self, file: &Path) -> Option<PathBuf> {
        self.directories.iter().find_map(|dir| Some(dir.from.join(file.strip_prefix(&dir.onto).ok()?)))
    }
}

fn joined(before: &[u8], own: &str) -> Vec<u8> {
    let end: &[u8] = if before.last().is_none_or(|last| *last == b'\n') { b"" } else { b"\n" };
    [before, end, own.as_bytes()].concat()
}

/// Without a line of `search` libc would make one from the host's name; with `ndots` above 0 it would add to names before it asks.
fn resolv_conf() -> String {
    format!(
        "# Of Squall, for the program that it runs.\nnameserver {NAME_SERVER}\nsearch .\noptions ndots:0 timeout:5\n"
    )
}

/// Other sources of host names talk to daemons of the machine.
fn only_files_and_dns(nsswitch: &str) -> String {
    let line = |line: &str| {
        if line.trim_start().starts_with("hosts:") { "hosts: files dns\n".into() } else { format!("{line}\n") }
    };
    let text: String = nsswitch.lines().map(line).collect();
    if text.contains("hosts: files dns") { text } else { text + "hosts: files dns\n" }
}

/// Bundles that Python's packages bring along, of the environment that is active and of the program's own.
fn bundles_of_packages(inherited: &Inherited, program: Option<&Path>) -> Vec<PathBuf> {
    let active =
        ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(|name| inherited.value(name)).map(PathBuf::from);
    let of_program = program.and_then(|program| Some(program.parent()?.parent()?.to_owned()));
    let libraries =
        active.chain(of_program).map(|prefix| prefix.join("lib")).flat_map(|lib| subdirectories(&lib, "python3"));
    let packages = libraries
        .flat_map(|library| ["certifi", "botocore"].map(|package| library.join("site-packages").join(package)));
    packages.map(|package| package.join("cacert.pem")).collect()
}

fn java_stores(inherited: &Inherited) -> Vec<PathBuf> {
    let homes = inherited.value("JAVA_HOME").map(PathBuf::from).into_iter();
    let homes = homes.chain(subdirectories(Path::new("/usr/lib/jvm"), ""));
    let stores = homes.map(|home| home.join("lib/security/cacerts"));
    stores.chain(JAVA_STORES.iter().map(PathBuf::from)).collect()
}

fn subdirectories(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    named.map(|entry| entry.path()).collect()
}

const NSSWITCH: &str = "/etc/nsswitch.conf";
const NSCD: &str = "/run/nscd/socket";
/// Of the links that OpenSSL follows by hash.
const CERTIFICATE_DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];
/// Of Debian, and of Red Hat.
const BUNDLES_IN_DIRECTORIES: [&str; 2] = ["ca-certificates.crt", "ca-bundle.crt"];
/// Of Red Hat, Alpine and SUSE.
const BUNDLES: [&str; 5] = [
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
];
const JAVA_STORES: [&str; 3] = [
    "/etc/ssl/certs/java/cacerts",
    "/etc/pki/ca-trust/extracted/java/cacerts",
    "/var/lib/ca-certificates/java-cacerts",
];
/// In a directory of certificates: the files that variables point to.
const OURS: &str = "squall";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_resolved_by_files_and_dns_alone() {
        let before = "passwd: files systemd\nhosts: mymachines resolve [!UNAVAIL=return] files dns\nnetworks: files\n";
        assert_eq!(only_files_and_dns(before), "passwd: files systemd\nhosts: files dns\nnetworks: files\n");
        assert_eq!(only_files_and_dns("passwd: files"), "passwd: files\nhosts: files dns\n");
        assert!(resolv_conf().contains("nameserver 198.18.0.1\nsearch .\n"));
    }

    #[test]
    fn ours_is_put_beside_what_was_trusted_and_is_found_by_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let mount = Mount { from: dir.path().join("changes"), onto: dir.path().join("system") };
        fs::create_dir(&mount.onto).unwrap();
        fs::write(mount.onto.join("ca-certificates.crt"), "before").unwrap();
        let own = keystore::tests::own();
        let der = keystore::first_certificate(&own).unwrap();
        let taken = format!("{:08x}.0", keystore::subject_hash(&der).unwrap());
        symlink("elsewhere.pem", mount.onto.join(&taken)).unwrap();
        let stage = Stage { dir: dir.path(), own: &own, directories: Vec::new(), files: Vec::new() };
        stage.add_own(&mount, &der).unwrap();
        let bundle = fs::read_to_string(mount.from.join("ca-certificates.crt")).unwrap();
        assert!(bundle.starts_with("before\n-----BEGIN CERTIFICATE-----"), "{bundle}");
        let link = mount.from.join(taken.replace(".0", ".1"));
        assert_eq!(fs::read_link(link).unwrap(), Path::new("squall.pem"));
        let before: Vec<_> = fs::read_dir(&mount.onto).unwrap().collect();
        assert_eq!(before.len(), 2, "the system's own is as it was");
    }

    #[test]
    fn bundles_of_an_active_environment_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("lib/python3.11/site-packages/certifi/cacert.pem");
        fs::create_dir_all(bundle.parent().unwrap()).unwrap();
        fs::write(&bundle, "").unwrap();
        let program = dir.path().join("bin/python");
        assert!(bundles_of_packages(&Inherited::default(), Some(&program)).contains(&bundle));
        assert!(bundles_of_packages(&Inherited::default(), None).is_empty());
    }
}
