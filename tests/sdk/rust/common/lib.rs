//! What the programs and cases share.

use aws_config::{BehaviorVersion, SdkConfig};

/// As the environment says.
pub async fn config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest()).region("us-east-1").load().await
}
