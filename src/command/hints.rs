//! What is known of a program and its surroundings that may explain why its AWS calls did not come.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::environment::{APPENDED, Way};
use crate::report::Hints;

/// For a program under `squall run`: its name, and what in the surroundings leads past a proxy.
pub fn of(command: &[OsString], way: Way, url: String, inherited: &Inherited) -> Hints {
    let (as_endpoint, isolated) = (way == Way::Endpoint, matches!(way, Way::Isolated { .. }));
    let replaced = ["HTTPS_PROXY", "https_proxy"].into_iter().find(|name| inherited.value(name).is_some());
    Hints {
        command: command.iter().map(text).collect(),
        proxy_url: Some(url),
        as_endpoint,
        isolated,
        replaced_proxy: replaced.filter(|_| way == Way::Proxy).map(str::to_owned),
        endpoint_urls: if as_endpoint { Vec::new() } else { inherited.endpoint_urls() },
    }
}

/// The environment Squall was started in.
#[derive(Clone, Debug, Default)]
pub struct Inherited(Vec<(String, OsString)>);

impl Inherited {
    /// This process's.
    pub fn here() -> Self {
        Self(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect())
    }

    /// A variable's value; an empty one counts as none, as SDKs take it.
    pub fn value(&self, name: &str) -> Option<OsString> {
        self.0.iter().find(|(n, value)| n == name && !value.is_empty()).map(|(_, value)| value.clone())
    }

    /// The file that is started by this name.
    pub fn executable(&self, program: &OsStr) -> Option<PathBuf> {
        if Path::new(program).components().count() > 1 {
            return Some(program.into());
        }
        std::env::split_paths(&self.value("PATH")?).map(|dir| dir.join(program)).find(|file| file.is_file())
    }

    /// Where an endpoint of AWS's is set: programs then go there, not through a proxy.
    pub fn endpoint_urls(&self) -> Vec<String> {
        let is_true = |value: OsString| value.eq_ignore_ascii_case("true");
        if self.value("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(is_true) {
            return Vec::new();
        }
        let mut found: Vec<_> = self.endpoint_variables().into_iter().map(|(name, _)| name).collect();
        found.sort_unstable();
        if let Some(file) =
            self.config_file().filter(|file| std::fs::read_to_string(file).is_ok_and(|text| sets_endpoint(&text)))
        {
            found.push(format!("endpoint_url in {}", file.display()));
        }
        found
    }

    /// The same without the variables that an earlier `squall env` set: each names a file below `dir`, or a proxy beside those.
    pub fn without_values_below(self, dir: &Path) -> Self {
        let dir = dir.as_os_str().as_encoded_bytes();
        let is_ours = |value: &OsString| value.as_encoded_bytes().windows(dir.len().max(1)).any(|part| part == dir);
        if !self.0.iter().any(|(_, value)| is_ours(value)) {
            return self;
        }
        let is_left = |name: &str, value: &OsString| {
            APPENDED.contains(&name) || !(is_ours(value) || matches!(name, "HTTPS_PROXY" | "https_proxy"))
        };
        Self(self.0.into_iter().filter(|(name, value)| is_left(name, value)).collect())
    }

    /// The variables that name endpoints.
    pub fn endpoint_variables(&self) -> Vec<(String, OsString)> {
        let named = self.0.iter().filter(|(name, value)| name.starts_with("AWS_ENDPOINT_URL") && !value.is_empty());
        named.cloned().collect()
    }

    fn config_file(&self) -> Option<PathBuf> {
        let in_home = || Some(PathBuf::from(self.value("HOME")?).join(".aws/config"));
        self.value("AWS_CONFIG_FILE").map(PathBuf::from).or_else(in_home)
    }
}

fn sets_endpoint(config: &str) -> bool {
    config.lines().any(|line| line.split_once('=').is_some_and(|(key, _)| key.trim() == "endpoint_url"))
}

fn text(word: impl AsRef<OsStr>) -> String {
    word.as_ref().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inherited(variables: &[(&str, &str)]) -> Inherited {
        Inherited(variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect())
    }

    #[test]
    fn endpoints_are_found_in_variables_and_in_the_configuration_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[profile x]\nregion = us-east-1\nendpoint_url = http://localhost:4566\n").unwrap();
        let path = file.path().to_str().unwrap();
        let set = [("AWS_ENDPOINT_URL_S3", "http://a"), ("AWS_ENDPOINT_URL", ""), ("AWS_CONFIG_FILE", path)];
        assert_eq!(
            inherited(&set).endpoint_urls(),
            ["AWS_ENDPOINT_URL_S3".to_owned(), format!("endpoint_url in {path}")]
        );
        let ignored = [set.as_slice(), &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")]].concat();
        assert!(inherited(&ignored).endpoint_urls().is_empty());
    }
}
