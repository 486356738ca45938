//! Whom Squall signs as where it must sign: credentials and region as AWS's SDKs find them in Squall's own environment.
//!
//! [`Identity::chain`] looks where every SDK looks: variables, the shared configuration and credentials files with their profiles
//! (SSO, assumed roles, web identities, processes), containers, instance metadata. Nothing is looked for before it is needed. Secrets
//! stay in here and in the signer.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use tokio::sync::OnceCell;

use crate::clock;

/// Finds credentials, and keeps them for as long as they are good.
pub struct Identity {
    source: Source,
    kept: Mutex<Option<Kept>>,
}

enum Source {
    Chain(Box<OnceCell<SdkConfig>>),
    Fixed { credentials: Credentials, region: Option<String> },
}

#[derive(Clone)]
struct Kept {
    until: Option<SystemTime>,
    found: Result<Credentials, NoCredentials>,
}

/// Nowhere were any.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "there are no AWS credentials to sign with: {0}. Give Squall some as any SDK would get them: AWS_ACCESS_KEY_ID and \
     AWS_SECRET_ACCESS_KEY, AWS_PROFILE with a profile of ~/.aws, or a role of the machine or container it runs on"
)]
pub struct NoCredentials(String);

impl Identity {
    /// The standard chain.
    pub fn chain() -> Self {
        Self { source: Source::Chain(Box::default()), kept: Mutex::default() }
    }

    /// Always the same.
    pub fn fixed(credentials: Credentials, region: Option<String>) -> Self {
        Self { source: Source::Fixed { credentials, region }, kept: Mutex::default() }
    }

    /// What to sign with. Two requests that come at once while there are none may both look for them.
    pub async fn credentials(&self) -> Result<Credentials, NoCredentials> {
        let config = match &self.source {
            Source::Fixed { credentials, .. } => return Ok(credentials.clone()),
            Source::Chain(config) => config,
        };
        if let Some(kept) = self.kept() {
            return kept;
        }
        let found = Box::pin(Self::look(config)).await;
        let now = SystemTime::from(clock::wall());
        let until = match &found {
            Ok(credentials) => credentials.expiry().map(|expiry| expiry.checked_sub(BEFORE_EXPIRY).unwrap_or(now)),
            Err(_) => Some(now + LOOK_AGAIN),
        };
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(Kept { until, found: found.clone() });
        found
    }

    /// The region of Squall's own environment.
    pub async fn region(&self) -> Option<String> {
        match &self.source {
            Source::Fixed { region, .. } => region.clone(),
            Source::Chain(config) => Self::config(config).await.region().map(ToString::to_string),
        }
    }

    fn kept(&self) -> Option<Result<Credentials, NoCredentials>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let is_good = kept.until.is_none_or(|until| SystemTime::from(clock::wall()) < until);
        is_good.then_some(kept.found)
    }

    async fn look(config: &OnceCell<SdkConfig>) -> Result<Credentials, NoCredentials> {
        let provider = Self::config(config).await.credentials_provider();
        let provider = provider.ok_or_else(|| NoCredentials("no provider is configured".to_owned()))?;
        provider.provide_credentials().await.map_err(|e| NoCredentials(in_words(&e)))
    }

    async fn config(config: &OnceCell<SdkConfig>) -> &SdkConfig {
        config.get_or_init(|| Box::pin(aws_config::defaults(BehaviorVersion::v2026_01_12()).load())).await
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// The error and what caused it, each once.
fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string);
    let mut words = error.to_string();
    for cause in causes.filter(|cause| !cause.is_empty()) {
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

/// What is about to expire might do so on its way.
const BEFORE_EXPIRY: Duration = Duration::from_secs(60);
/// Asking a machine's metadata in vain takes seconds.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
