//! Reloading profiles while they run: when a file changes, and on SIGHUP.
//!
//! [`Reload::watch`] watches the directories in which the files stand, not the files: editors put a new file in the old one's place, and
//! Kubernetes turns a symbolic link to a directory (`..data`) to another. What matters in the end is whether the text is another one.
//! A profile that is wrong is told like any other, and what ran before goes on.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::told;
use crate::cli::ProxyArgs;
use crate::profile::load::{self, Source};
use crate::profile::{LoadError, Loaded};
use crate::proxy::Proxy;

/// Reloads as long as it is kept.
#[derive(Debug)]
pub struct Reload {
    asked: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

impl Reload {
    /// Watches the files of the profiles that this proxy runs, `sources` being their texts so far. Inside a tokio runtime.
    pub fn watch(proxy: &Arc<Proxy>, args: &ProxyArgs, sources: Vec<Source>) -> Self {
        let (changed, asked) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let task = Reloading {
            proxy: Arc::clone(proxy),
            names: args.profile.clone(),
            seed: args.seed,
            sources,
            directories: Directories::new(&changed),
        };
        let task: JoinHandle<()> = tokio::spawn(task.run(changed, Arc::clone(&asked)));
        Self { asked, _task: AbortOnDropHandle::new(task) }
    }

    /// Reloads now, whether or not anything changed.
    pub fn now(&self) {
        self.asked.notify_one();
    }
}

struct Reloading {
    proxy: Arc<Proxy>,
    names: Vec<String>,
    seed: Option<u64>,
    sources: Vec<Source>,
    directories: Directories,
}

impl Reloading {
    async fn run(mut self, changed: Arc<Notify>, asked: Arc<Notify>) {
        self.directories.watch(&self.names);
        // It may have changed between reading and watching.
        changed.notify_one();
        let mut is_missing = false;
        loop {
            let is_asked = tokio::select! {
                () = changed.notified() => false,
                () = asked.notified() => true,
            };
            // Writing a file makes several events: the last of them tells that it is whole.
            while tokio::time::timeout(CALM, changed.notified()).await.is_ok() {}
            self.directories.watch(&self.names);
            let read = load::read(&self.names);
            let was_missing = std::mem::replace(&mut is_missing, read.is_err());
            match read {
                Ok(sources) if sources == self.sources && !is_asked => {}
                Ok(sources) => {
                    self.reload(&sources);
                    self.sources = sources;
                }
                Err(_) if was_missing && !is_asked => {}
                Err(error) => refuse(&error),
            }
        }
    }

    fn reload(&self, sources: &[Source]) {
        let live = &self.proxy.live;
        match load::reload(sources, self.seed, live.load().plan.seed()) {
            Ok(Loaded { plan, warnings, .. }) => {
                warnings.iter().for_each(|warning| told::text(&warning.render(is_terminal())));
                let (words, before) = (told::plan(&plan), live.load());
                if let Err(error) = self.proxy.replace(plan) {
                    told::line(&error.to_string());
                    return told::line(NOT_RELOADED);
                }
                told::line(&format!("reloaded the profile: {words}"));
                if live.load().plan.tcp() != before.plan.tcp() {
                    told::ports(&self.proxy);
                }
            }
            Err(error) => refuse(&error),
        }
    }
}

fn refuse(error: &LoadError) {
    told::text(&error.render(is_terminal()));
    told::line(NOT_RELOADED);
}

fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

const NOT_RELOADED: &str = "the profile was not reloaded; what ran before goes on";

/// The directories that are watched.
struct Directories {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

impl Directories {
    fn new(changed: &Arc<Notify>) -> Self {
        let changed = Arc::clone(changed);
        // Reading a file is an event as well, and reading is what follows.
        let tell = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                changed.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(tell).inspect_err(cannot_watch).ok();
        Self { watcher, watched: BTreeSet::new() }
    }

    /// Watches all directories that decide what these profiles' files hold, and no others.
    fn watch(&mut self, names: &[String]) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted: BTreeSet<PathBuf> =
            names.iter().filter(|name| load::is_file(name)).flat_map(|name| directories(Path::new(name))).collect();
        for gone in self.watched.difference(&wanted) {
            let _gone_already = watcher.unwatch(gone);
        }
        self.watched.retain(|directory| wanted.contains(directory));
        for new in wanted {
            if self.watched.contains(&new) {
                continue;
            }
            match watcher.watch(&new, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(new);
                }
                Err(error) => cannot_watch(&error),
            }
        }
    }
}

fn cannot_watch(error: &notify::Error) {
    told::line(&format!(
        "changes of the profile's file are not noticed ({error}); under `squall serve`, send SIGHUP to reload it"
    ));
}

/// The directory that a file stands in, and those of all symbolic links on the way to it.
fn directories(file: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    for _ in 0..MOST_LINKS {
        let Some((link, rest)) = first_link(&path) else { break };
        let (Some(directory), Ok(target)) = (link.parent(), std::fs::read_link(&link)) else { break };
        found.insert(directory.to_owned());
        path = plain(&directory.join(target).join(rest));
    }
    found.extend(path.parent().map(Path::to_owned));
    found
}

/// The first part of a path that is a symbolic link, and what comes behind it.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut so_far = PathBuf::new();
    let mut parts = path.components();
    while let Some(part) = parts.next() {
        so_far.push(part);
        if so_far.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            return Some((so_far, parts.as_path().to_owned()));
        }
    }
    None
}

/// A path without `.` and `..`, in which no part before a `..` is a link.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// So long nothing must change before a file is read: an editor needs a few milliseconds to write one.
const CALM: Duration = Duration::from_millis(50);
/// As many as Linux follows.
const MOST_LINKS: usize = 40;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_directories_of_all_links_on_the_way_to_a_file_are_found() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for directory in ["mount/..one", "elsewhere", "work"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::write(root.join("mount/..one/p.yaml"), "").unwrap();
        symlink("..one", root.join("mount/..data")).unwrap();
        symlink("..data/p.yaml", root.join("mount/p.yaml")).unwrap();
        symlink("../mount/p.yaml", root.join("work/p.yaml")).unwrap();
        let found = directories(&root.join("work/p.yaml"));
        let expected = ["work", "mount", "mount/..one"].map(|directory| root.join(directory));
        assert_eq!(found, BTreeSet::from(expected));
        assert_eq!(directories(&root.join("elsewhere/none.yaml")), BTreeSet::from([root.join("elsewhere")]));
        symlink("loop", root.join("elsewhere/loop")).unwrap();
        assert_eq!(directories(&root.join("elsewhere/loop")), BTreeSet::from([root.join("elsewhere")]));
    }
}
