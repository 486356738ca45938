//! Names of header fields that every request is asked for. Looked up by a text, a name would be read anew each time.

use http::HeaderName;

pub(super) static AMZ_ACCOUNT_ID: HeaderName = HeaderName::from_static("x-amz-account-id");
pub(super) static AMZ_INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
pub(super) static AMZ_QUERY_MODE: HeaderName = HeaderName::from_static("x-amzn-query-mode");
pub(super) static AMZ_SDK_INVOCATION_ID: HeaderName = HeaderName::from_static("amz-sdk-invocation-id");
pub(super) static AMZ_SDK_REQUEST: HeaderName = HeaderName::from_static("amz-sdk-request");
pub(super) static AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");
pub(super) static AMZ_USER_AGENT: HeaderName = HeaderName::from_static("x-amz-user-agent");
pub(super) static SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");
