//! Header fields of AWS's: those that decoding asks for, picked in one pass over all that a request has (each look-up would hash the
//! name anew), and the names of those that answers have, which are checked when Squall is compiled and not for each answer.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::cut;

pub(super) const AMZ_CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");
pub(super) const AMZ_ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");
pub(super) const AMZ_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
pub(super) const AMZN_ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
pub(super) const AMZN_QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");
pub(super) const AMZN_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
pub(super) const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");

/// The fields that decoding asks for. Of a field that comes several times, the first counts.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) account_id: Field<'a>,
    pub(super) amz_user_agent: Field<'a>,
    pub(super) authorization: Field<'a>,
    pub(super) content_encoding: Field<'a>,
    pub(super) content_length: Field<'a>,
    pub(super) content_type: Field<'a>,
    pub(super) invocation_id: Field<'a>,
    pub(super) invocation_type: Field<'a>,
    pub(super) query_mode: Field<'a>,
    pub(super) region_set: Field<'a>,
    pub(super) sdk_request: Field<'a>,
    pub(super) smithy_protocol: Field<'a>,
    pub(super) target: Field<'a>,
    pub(super) user_agent: Field<'a>,
}

/// A header field, if there is one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Field<'a>(Option<&'a HeaderValue>);

impl<'a> Fields<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            let field = match name.as_str() {
                "amz-sdk-invocation-id" => &mut fields.invocation_id,
                "amz-sdk-request" => &mut fields.sdk_request,
                "authorization" => &mut fields.authorization,
                "content-encoding" => &mut fields.content_encoding,
                "content-length" => &mut fields.content_length,
                "content-type" => &mut fields.content_type,
                "smithy-protocol" => &mut fields.smithy_protocol,
                "user-agent" => &mut fields.user_agent,
                "x-amz-account-id" => &mut fields.account_id,
                "x-amz-invocation-type" => &mut fields.invocation_type,
                "x-amz-region-set" => &mut fields.region_set,
                "x-amz-target" => &mut fields.target,
                "x-amz-user-agent" => &mut fields.amz_user_agent,
                "x-amzn-query-mode" => &mut fields.query_mode,
                _ => continue,
            };
            field.0.get_or_insert(value);
        }
        fields
    }

    /// What the client says of itself: `User-Agent`, then `X-Amz-User-Agent`.
    pub(super) fn agents(&self) -> impl Iterator<Item = &'a str> {
        [self.user_agent, self.amz_user_agent].into_iter().filter_map(Field::text)
    }

    /// The service id that SDKs other than botocore put there: `api/s3#3.1`, `api/dynamodb/1.2`.
    pub(super) fn service_in_user_agent(&self) -> Option<&'a str> {
        let mut words = self.agents().flat_map(|agent| agent.split(' '));
        words.find_map(|word| word.strip_prefix("api/")?.split(['#', '/']).next()).filter(|id| !id.is_empty())
    }
}

impl<'a> Field<'a> {
    /// One that is looked up.
    pub(super) fn of(headers: &'a HeaderMap, name: &HeaderName) -> Self {
        Self(headers.get(name))
    }

    /// Whether there is one.
    pub(super) fn is_there(self) -> bool {
        self.0.is_some()
    }

    /// Its value as it came.
    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        self.0.map(HeaderValue::as_bytes)
    }

    /// Its text, where that is ASCII: what [`HeaderValue::to_str`] tells byte by byte.
    pub(super) fn text(self) -> Option<&'a str> {
        let bytes = self.bytes().filter(|bytes| bytes.is_ascii())?;
        std::str::from_utf8(bytes).ok()
    }

    /// What stands before its parameters, without spaces around: `application/json` of `application/json; charset=utf-8`.
    pub(super) fn media_type(self) -> Option<&'a str> {
        let text = self.text()?;
        Some(cut::once(text, b';').map_or(text, |(media, _)| media).trim_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_told_as_its_type_tells_it() {
        for byte in 0..=u8::MAX {
            let Ok(value) = HeaderValue::from_bytes(&[b'a', byte]) else { continue };
            assert_eq!(Field(Some(&value)).text(), value.to_str().ok(), "{byte}");
        }
    }

    #[test]
    fn the_first_of_a_name_counts() {
        let mut headers = HeaderMap::new();
        for value in ["text/plain ; charset=utf-8", "text/html"] {
            headers.append("content-type", HeaderValue::from_static(value));
        }
        let fields = Fields::of(&headers);
        assert_eq!(fields.content_type.media_type(), Some("text/plain"));
        assert!(!fields.authorization.is_there());
    }
}
