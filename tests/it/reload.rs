//! Profiles that change while they run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::support::serving::{Serving, serve};
use crate::support::upstream::{HOST, Upstream};
use crate::support::{GLANCE, client, eventually, soon};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// A profile of one rule about one method of S3's.
fn rule(name: &str, method: &str, more: &str) -> String {
    format!("  - name: {name}\n    match: {{service: s3, method: {method}}}\n    fault: throttle\n{more}")
}

fn profile(rules: &[String]) -> String {
    format!("seed: 1\nrules:\n{}", rules.concat())
}

fn serving(upstream: &Upstream, file: &Path) -> Serving {
    serve(upstream.address.port(), &["--profile".to_owned(), file.to_str().unwrap().to_owned()])
}

/// The rule that answers a request of this method, if one does.
async fn answered_by(squall: &Serving, method: &str) -> Option<String> {
    let request = format!(
        "{method} /b/k HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=AK/20261121/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\nContent-Length: 0\r\n\r\n"
    );
    let mut stream = client::connect(squall.address).await;
    client::exchange(&mut stream, request).await.field("x-squall-fault")
}

async fn until_answered_by(squall: &Serving, method: &str, rule: Option<&str>) {
    let waiting = async {
        while answered_by(squall, method).await.as_deref() != rule {
            tokio::time::sleep(GLANCE).await;
        }
    };
    soon(&format!("{method} answered by {rule:?}"), waiting).await;
}

/// Puts a new file in the place of the old one, as editors do.
fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, file).unwrap();
}

#[tokio::test]
async fn a_changed_file_is_loaded_however_it_was_written_and_a_broken_one_is_told_and_left() {
    let aws = Upstream::plain(OK).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.yaml");
    fs::write(&file, profile(&[rule("one", "GET", "")])).unwrap();
    let squall = serving(&aws, &file);
    assert_eq!(answered_by(&squall, "GET").await.as_deref(), Some("one"));

    replace(&file, &profile(&[rule("two", "GET", "")]));
    until_answered_by(&squall, "GET", Some("two")).await;

    replace(&file, &profile(&[rule("three", "GTE", "")]));
    eventually("a broken profile is told", || squall.stderr().contains("was not reloaded")).await;
    let told = squall.stderr();
    assert!(told.contains("unknown method `GTE`") && told.contains("p.yaml:4:34"), "{told}");
    assert_eq!(answered_by(&squall, "GET").await.as_deref(), Some("two"));

    fs::remove_file(&file).unwrap();
    eventually("a missing profile is told", || squall.stderr().contains("cannot read the profile")).await;
    assert_eq!(answered_by(&squall, "GET").await.as_deref(), Some("two"));

    fs::write(&file, profile(&[rule("four", "GET", "")])).unwrap();
    until_answered_by(&squall, "GET", Some("four")).await;
    assert!(squall.stderr().contains("reloaded the profile: p, 1 rule; seed 1"), "{}", squall.stderr());
}

/// A mounted ConfigMap: the file is a link to a file in `..data`, which is a link to a directory that each update makes anew.
struct ConfigMap {
    mount: PathBuf,
    versions: usize,
}

impl ConfigMap {
    fn update(&mut self, text: &str) {
        let (old, new) = (format!("..v{}", self.versions), format!("..v{}", self.versions + 1));
        self.versions += 1;
        fs::create_dir(self.mount.join(&new)).unwrap();
        fs::write(self.mount.join(&new).join("p.yaml"), text).unwrap();
        symlink(&new, self.mount.join("..data_tmp")).unwrap();
        fs::rename(self.mount.join("..data_tmp"), self.mount.join("..data")).unwrap();
        if self.versions == 1 {
            symlink("..data/p.yaml", self.mount.join("p.yaml")).unwrap();
        } else {
            fs::remove_dir_all(self.mount.join(old)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_config_map_that_is_updated_is_loaded_each_time() {
    let aws = Upstream::plain(OK).await;
    let directory = tempfile::tempdir().unwrap();
    let mut map = ConfigMap { mount: directory.path().to_owned(), versions: 0 };
    map.update(&profile(&[rule("v1", "GET", "")]));
    let squall = serving(&aws, &map.mount.join("p.yaml"));
    assert_eq!(answered_by(&squall, "GET").await.as_deref(), Some("v1"));
    for version in ["v2", "v3", "v4"] {
        map.update(&profile(&[rule(version, "GET", "")]));
        until_answered_by(&squall, "GET", Some(version)).await;
    }
}

#[tokio::test]
async fn what_a_rule_counted_goes_on_where_only_others_changed() {
    let aws = Upstream::plain(OK).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.yaml");
    let once = rule("once", "GET", "    when: {limit: 1}\n");
    fs::write(&file, profile(std::slice::from_ref(&once))).unwrap();
    let squall = serving(&aws, &file);
    assert_eq!(answered_by(&squall, "GET").await.as_deref(), Some("once"));
    replace(&file, &profile(&[rule("new", "PUT", ""), once]));
    until_answered_by(&squall, "PUT", Some("new")).await;
    assert_eq!(answered_by(&squall, "GET").await, None);
}

#[tokio::test]
async fn a_hangup_reloads_without_ending_anything() {
    let aws = Upstream::plain(OK).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.yaml");
    fs::write(&file, profile(&[rule("one", "GET", "")])).unwrap();
    let mut squall = serving(&aws, &file);
    squall.hang_up();
    eventually("a reload", || squall.stderr().contains("reloaded the profile: p, 1 rule; seed 1")).await;
    assert_eq!(answered_by(&squall, "GET").await.as_deref(), Some("one"));
    assert!(squall.ended().is_none());
}
