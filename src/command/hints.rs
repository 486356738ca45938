//! What is known of a program and its surroundings that may explain why its AWS calls did not come.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::report::Hints;

/// For a program under `squall run`: its name, and what in the surroundings leads past a proxy.
pub fn of(command: &[OsString], proxy_url: String, inherited: &Inherited) -> Hints {
    let replaced = ["HTTPS_PROXY", "https_proxy"].into_iter().find(|name| inherited.value(name).is_some());
    Hints {
        command: command.iter().map(text).collect(),
        proxy_url: Some(proxy_url),
        replaced_proxy: replaced.map(str::to_owned),
        endpoint_urls: inherited.endpoint_urls(),
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

    /// Where an endpoint of AWS's is set: programs then go there, not through a proxy.
    pub fn endpoint_urls(&self) -> Vec<String> {
        let is_true = |value: OsString| value.eq_ignore_ascii_case("true");
        if self.value("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(is_true) {
            return Vec::new();
        }
        let variables = self.0.iter().filter(|(name, value)| name.starts_with("AWS_ENDPOINT_URL") && !value.is_empty());
        let mut found: Vec<_> = variables.map(|(name, _)| name.clone()).collect();
        found.sort_unstable();
        if let Some(file) =
            self.config_file().filter(|file| std::fs::read_to_string(file).is_ok_and(|text| sets_endpoint(&text)))
        {
            found.push(format!("endpoint_url in {}", file.display()));
        }
        found
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
