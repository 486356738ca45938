//! How a program under `squall run` comes to Squall when it looks for credentials.
//!
//! Whatever way its other calls go, those for credentials go to an address that no proxy variable covers. SDKs have variables of their
//! own for it. They are set where there is something for Squall to do: an `--upstream` for `imds` or `container-credentials`, or a rule
//! about it. Where credentials come from otherwise (static keys, profiles) nothing changes.

use std::ffi::OsString;

use super::environment::Environment;
use super::stand_in::{AUTHORIZATION, CONTAINER_PATH};
use crate::aws::catalog;
use crate::aws::link_local;
use crate::proxy::Proxy;

/// Which of a machine's services for credentials go through Squall.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Led {
    /// Instance metadata.
    pub instances: bool,
    /// Container credentials: whether there is one to ask, even where the program's environment names none.
    pub containers: Option<AtContainer>,
}

/// What answers for containers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AtContainer {
    /// What the program's environment names.
    Inherited,
    /// Squall's stand-in.
    StandIn,
    /// What `--upstream` names.
    Upstream,
}

impl Led {
    /// As the upstreams and the rules ask for it.
    pub fn of(proxy: &Proxy, container_stand_in: bool) -> Self {
        let service = |name| catalog::service(name).filter(|service| service.is_link_local());
        let has_place = |name| service(name).is_some_and(|service| proxy.destinations.own_of(service).is_some());
        let ruling = proxy.live.load();
        let has_rule = |name| service(name).is_some_and(|service| ruling.plan.is_about(service));
        let containers = match (has_place("container-credentials"), has_rule("container-credentials")) {
            (true, _) if container_stand_in => Some(AtContainer::StandIn),
            (true, _) => Some(AtContainer::Upstream),
            (false, true) => Some(AtContainer::Inherited),
            (false, false) => None,
        };
        Self { instances: has_place("imds") || has_rule("imds"), containers }
    }

    /// Sets what leads the program to Squall at `url`.
    pub fn lead(self, environment: &mut Environment, url: &str, inherited: impl Fn(&str) -> Option<OsString>) {
        let before = environment.set.len();
        if self.instances {
            lead_to_instances(environment, url, &inherited);
        }
        if let Some(at) = self.containers {
            lead_to_containers(environment, url, at, &inherited);
        }
        if environment.set.len() > before && inherited("AWS_ACCESS_KEY_ID").is_some() {
            environment.notes.push(
                "AWS_ACCESS_KEY_ID is set: SDKs that find credentials there ask neither instance metadata nor containers"
                    .to_owned(),
            );
        }
    }
}

fn lead_to_instances(environment: &mut Environment, url: &str, inherited: &impl Fn(&str) -> Option<OsString>) {
    if let Some(old) = inherited(ENDPOINT).filter(|old| !old.to_string_lossy().starts_with(url)) {
        let old = old.to_string_lossy();
        environment.notes.push(format!("{ENDPOINT} was {old}: left out; give it to --upstream imds=URL"));
    }
    if inherited(DISABLED).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        environment.unset.push(DISABLED.to_owned());
        environment.notes.push(format!("{DISABLED} would have kept the program from asking: left out"));
    }
    environment.set.push((ENDPOINT.into(), format!("{url}/").into()));
}

fn lead_to_containers(
    environment: &mut Environment,
    url: &str,
    at: AtContainer,
    inherited: &impl Fn(&str) -> Option<OsString>,
) {
    let text = |name| inherited(name).map(|value| value.to_string_lossy().into_owned());
    let full = text(FULL_URI).and_then(|uri| uri.parse::<http::Uri>().ok());
    let named = text(RELATIVE_URI).or_else(|| Some(full?.path().to_owned()));
    let path = match (at, named) {
        (AtContainer::StandIn, _) | (AtContainer::Upstream, None) => CONTAINER_PATH.to_owned(),
        (_, Some(path)) if link_local::is_containers_path(&path) => path,
        (AtContainer::Inherited, None) => return,
        (_, Some(path)) => {
            environment.notes.push(format!(
                "container credentials at {path} go past Squall, which knows /v1/credentials and /v2/credentials/ID"
            ));
            return;
        }
    };
    if inherited(RELATIVE_URI).is_some() {
        environment.unset.push(RELATIVE_URI.to_owned());
    }
    environment.set.push((FULL_URI.into(), format!("{url}{path}").into()));
    if at == AtContainer::StandIn {
        environment.set.push((TOKEN.into(), AUTHORIZATION.into()));
        environment.unset.push(TOKEN_FILE.to_owned());
    }
}

const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const DISABLED: &str = "AWS_EC2_METADATA_DISABLED";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

#[cfg(test)]
mod tests {
    use super::*;

    fn led(led: Led, inherited: &[(&str, &str)]) -> Environment {
        let mut environment = Environment::default();
        led.lead(&mut environment, "http://127.0.0.1:4577", |name| {
            inherited.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        });
        environment
    }

    fn set(environment: &Environment) -> Vec<(&str, &str)> {
        environment.set.iter().map(|(name, value)| (name.to_str().unwrap(), value.to_str().unwrap())).collect()
    }

    fn containers(at: AtContainer) -> Led {
        Led { instances: false, containers: Some(at) }
    }

    #[test]
    fn instance_metadata_is_asked_of_squall_even_where_it_was_switched_off() {
        let environment = led(Led { instances: true, containers: None }, &[(DISABLED, "TRUE"), (ENDPOINT, "http://a")]);
        assert_eq!(set(&environment), [(ENDPOINT, "http://127.0.0.1:4577/")]);
        assert_eq!(environment.unset, [DISABLED]);
        assert!(environment.notes.len() == 2 && environment.notes[0].contains("http://a"), "{:?}", environment.notes);
        assert_eq!(led(Led::default(), &[(DISABLED, "true")]), Environment::default());
    }

    #[test]
    fn a_container_keeps_the_path_it_was_given() {
        let uri = "http://127.0.0.1:4577/v2/credentials/0a1b";
        let relative = led(containers(AtContainer::Inherited), &[(RELATIVE_URI, "/v2/credentials/0a1b")]);
        assert_eq!(
            (set(&relative), relative.unset.as_slice()),
            (vec![(FULL_URI, uri)], [RELATIVE_URI.to_owned()].as_slice())
        );
        let full = led(containers(AtContainer::Upstream), &[(FULL_URI, "http://169.254.170.23/v1/credentials")]);
        assert_eq!(set(&full), [(FULL_URI, "http://127.0.0.1:4577/v1/credentials")]);
        assert_eq!(led(containers(AtContainer::Inherited), &[]), Environment::default());
        let elsewhere = led(containers(AtContainer::Inherited), &[(FULL_URI, "http://localhost:1338/latest/x")]);
        assert!(elsewhere.set.is_empty() && elsewhere.notes[0].contains("/latest/x"), "{:?}", elsewhere.notes);
    }

    #[test]
    fn the_stand_in_is_asked_with_its_authorization() {
        let environment = led(containers(AtContainer::StandIn), &[("AWS_ACCESS_KEY_ID", "AKIA")]);
        let uri = "http://127.0.0.1:4577/v1/credentials";
        assert_eq!(set(&environment), [(FULL_URI, uri), (TOKEN, "squall-stand-in")]);
        assert_eq!(environment.unset, [TOKEN_FILE]);
        assert!(environment.notes[0].starts_with("AWS_ACCESS_KEY_ID is set"), "{:?}", environment.notes);
    }
}
