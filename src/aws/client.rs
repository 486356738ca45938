//! Who made a request: SDK, version, language and retry mode, from `User-Agent` and `x-amz-user-agent`.
//!
//! SDKs write words of `name/value`; newer ones (`ua/2.0`, `ua/2.1`) put `#` or `/` between a key and its value: `lang/python#3.11.7`,
//! `cfg/retry-mode#standard`, `m/E`. What no word says is absent. The words known here are those that the SDKs' sources write and that
//! recorded requests show.

use std::fmt;

use compact_str::CompactString;

use super::cut;
use super::field::Fields;

/// The program's way of speaking to AWS. Displayed: `boto3 1.44.5`, `aws-sdk-go-v2 1.30.0 in terraform`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    /// The SDK, in lower case as it calls itself: `boto3`, `aws-cli`, `aws-sdk-js`, `rclone`.
    pub sdk: &'static str,
    /// Its version.
    pub version: Option<CompactString>,
    /// The language that it is written for, in lower case.
    pub language: Option<&'static str>,
    /// The version of that language, or of its runtime.
    pub language_version: Option<CompactString>,
    /// How it retries.
    pub retry_mode: Option<RetryMode>,
    /// The program that uses it, where that is known by name.
    pub tool: Option<&'static str>,
}

/// The retry modes that SDKs share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RetryMode {
    /// Standard, with a rate limit on the client's side.
    Adaptive,
    /// What the SDK did before there were modes.
    Legacy,
    /// Three attempts and a quota, alike in all SDKs.
    Standard,
}

impl RetryMode {
    /// As SDKs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Legacy => "legacy",
            Self::Standard => "standard",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Adaptive, Self::Legacy, Self::Standard].into_iter().find(|mode| mode.as_str() == name)
    }

    /// The feature ids of `m/`.
    fn of_features(ids: &str) -> Option<Self> {
        ids.split(',').find_map(|id| match id {
            "D" => Some(Self::Legacy),
            "E" => Some(Self::Standard),
            "F" => Some(Self::Adaptive),
            _ => None,
        })
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sdk)?;
        if let Some(version) = &self.version {
            write!(f, " {version}")?;
        }
        match self.tool {
            Some(tool) => write!(f, " in {tool}"),
            None => Ok(()),
        }
    }
}

impl Client {
    /// Reads both headers; none where no SDK is named.
    pub(super) fn read(fields: &Fields<'_>) -> Option<Self> {
        let mut words = Words::default();
        for agent in fields.agents() {
            cut::all(agent, b' ').take(MOST_WORDS).for_each(|word| words.take(word));
        }
        words.client()
    }
}

/// What the words said so far; of each thing the first said counts.
#[derive(Default)]
struct Words<'a> {
    sdk: Option<&'static Sdk>,
    version: Option<&'a str>,
    language_version: Option<&'a str>,
    retry_mode: Option<RetryMode>,
    tool: Option<&'static str>,
}

impl<'a> Words<'a> {
    fn take(&mut self, word: &'a str) {
        let (key, value) = cut::once(word, b'/').unwrap_or((word, ""));
        match key {
            "" | "api" | "app" | "exec-env" | "os" | "ua" => {}
            "cfg" => self.configured(value),
            "lang" => self.language_version = self.language_version.or_else(|| version(parted(value)?.1)),
            "m" => self.retry_mode = self.retry_mode.or_else(|| RetryMode::of_features(value)),
            "md" => self.detail(value),
            _ => self.product(key, value),
        }
    }

    fn configured(&mut self, setting: &str) {
        if let Some(("retry-mode", mode)) = parted(setting) {
            self.retry_mode = self.retry_mode.or_else(|| RetryMode::of_name(mode));
        }
    }

    fn detail(&mut self, detail: &'a str) {
        if let Some(("nodejs", number)) = parted(detail) {
            self.language_version = self.language_version.or_else(|| version(number));
        }
    }

    fn product(&mut self, name: &'a str, value: &'a str) {
        let Some(sdk) = self.sdk else {
            self.sdk = SDKS.iter().find(|sdk| sdk.written.eq_ignore_ascii_case(name));
            match self.sdk {
                Some(_) => self.version = version(value),
                None => self.tool(name),
            }
            return;
        };
        self.tool(name);
        // `aws-sdk-nodejs/2.1692.0 linux/v20.11.0 promise`, `aws-sdk-go/1.44.0 (go1.20; linux; amd64)`
        let of_node = sdk.written == "aws-sdk-nodejs" && value.starts_with('v');
        let of_language = sdk.language.is_some_and(|language| language.eq_ignore_ascii_case(name));
        let found = match name.strip_prefix("(go") {
            Some(number) => version(number.trim_end_matches([';', ')'])),
            None if of_node || of_language => version(value),
            None => None,
        };
        self.language_version = self.language_version.or(found);
    }

    fn tool(&mut self, name: &str) {
        let known = || TOOLS.iter().find(|tool| tool.eq_ignore_ascii_case(name)).copied();
        self.tool = self.tool.or_else(known);
    }

    fn client(self) -> Option<Client> {
        let sdk = self.sdk?;
        Some(Client {
            sdk: sdk.name,
            version: self.version.map(CompactString::from),
            language: sdk.language,
            language_version: self.language_version.map(CompactString::from),
            retry_mode: self.retry_mode,
            tool: self.tool,
        })
    }
}

/// `retry-mode#standard`, or `retry-mode/standard` as it was once.
fn parted(text: &str) -> Option<(&str, &str)> {
    text.split_once(['#', '/'])
}

/// A version begins with a digit, or with `v` and a digit. `#C++17` stands behind C++'s name.
fn version(text: &str) -> Option<&str> {
    let text = text.strip_prefix("C++").or_else(|| text.strip_prefix('v')).unwrap_or(text);
    text.starts_with(|first: char| first.is_ascii_digit()).then(|| text.get(..LONGEST_VERSION).unwrap_or(text))
}

/// How an SDK writes itself, what it is called here, and its language.
struct Sdk {
    written: &'static str,
    name: &'static str,
    language: Option<&'static str>,
}

const fn sdk(written: &'static str, name: &'static str, language: &'static str) -> Sdk {
    Sdk { written, name, language: Some(language) }
}

const SDKS: &[Sdk] = &[
    sdk("aiobotocore", "aiobotocore", "python"),
    sdk("aws-cli", "aws-cli", "python"),
    sdk("aws-sdk-cpp", "aws-sdk-cpp", "c++"),
    sdk("aws-sdk-dotnet-45", "aws-sdk-dotnet", ".net"),
    sdk("aws-sdk-dotnet-core", "aws-sdk-dotnet", ".net"),
    sdk("aws-sdk-dotnet-coreclr", "aws-sdk-dotnet", ".net"),
    sdk("aws-sdk-dotnet-framework", "aws-sdk-dotnet", ".net"),
    sdk("aws-sdk-go", "aws-sdk-go", "go"),
    sdk("aws-sdk-go-v2", "aws-sdk-go-v2", "go"),
    sdk("aws-sdk-java", "aws-sdk-java", "java"),
    sdk("aws-sdk-js", "aws-sdk-js", "javascript"),
    sdk("aws-sdk-kotlin", "aws-sdk-kotlin", "kotlin"),
    sdk("aws-sdk-nodejs", "aws-sdk-js", "javascript"),
    sdk("aws-sdk-php", "aws-sdk-php", "php"),
    sdk("aws-sdk-ruby2", "aws-sdk-ruby", "ruby"),
    sdk("aws-sdk-ruby3", "aws-sdk-ruby", "ruby"),
    sdk("aws-sdk-rust", "aws-sdk-rust", "rust"),
    sdk("aws-sdk-swift", "aws-sdk-swift", "swift"),
    sdk("boto3", "boto3", "python"),
    sdk("botocore", "botocore", "python"),
    sdk("minio-go", "minio-go", "go"),
    sdk("minio-java", "minio-java", "java"),
    sdk("minio-py", "minio-py", "python"),
    sdk("object_store", "object_store", "rust"),
    sdk("rclone", "rclone", "go"),
];

const TOOLS: &[&str] = &["aws-cdk", "mc", "opentofu", "pulumi", "terraform"];

/// Real ones have about twenty words; what comes after these is not looked at.
const MOST_WORDS: usize = 64;
const LONGEST_VERSION: usize = 40;

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn read(agents: [&'static str; 2]) -> Option<Client> {
        let mut headers = HeaderMap::new();
        for (name, value) in ["user-agent", "x-amz-user-agent"].into_iter().zip(agents) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        Client::read(&Fields::of(&headers))
    }

    /// SDK, version, language, its version, retry mode, tool.
    fn told(agents: [&'static str; 2]) -> [String; 6] {
        let client = read(agents).unwrap();
        let text = |found: Option<CompactString>| found.unwrap_or_default().into();
        [
            client.sdk.into(),
            text(client.version),
            client.language.unwrap_or_default().into(),
            text(client.language_version),
            client.retry_mode.map_or_else(String::new, |mode| mode.as_str().into()),
            client.tool.unwrap_or_default().into(),
        ]
    }

    #[test]
    fn every_sdk_is_read_as_it_writes_itself() {
        for (agents, expected) in [
            (
                [
                    "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.11.7 md/pyimpl#CPython m/Z,b,D cfg/retry-mode#legacy",
                    "",
                ],
                ["boto3", "1.44.5", "python", "3.11.7", "legacy", ""],
            ),
            (
                [
                    "Boto3/1.10.2 Python/3.8.0 Linux/4.14.138-99.102.amzn2.x86_64 exec-env/AWS_Lambda_python3.8 Botocore/1.13.2",
                    "",
                ],
                ["boto3", "1.10.2", "python", "3.8.0", "", ""],
            ),
            (
                ["aws-cli/2.15.0 Python/3.11.6 Linux/5.10 exe/x86_64.amzn.2 prompt/off command/s3.ls", ""],
                ["aws-cli", "2.15.0", "python", "3.11.6", "", ""],
            ),
            (
                [
                    "aws-sdk-js/3.1168.0 ua/2.1 os/linux#6.1 lang/js md/nodejs#22.1.0 api/s3#3.1168.0 m/F",
                    "aws-sdk-js/3.1168.0",
                ],
                ["aws-sdk-js", "3.1168.0", "javascript", "22.1.0", "adaptive", ""],
            ),
            (
                ["aws-sdk-nodejs/2.1586.0 linux/v20.15.1 aws-cdk/2.135.0 promise", ""],
                ["aws-sdk-js", "2.1586.0", "javascript", "20.15.1", "", "aws-cdk"],
            ),
            (
                [
                    "aws-sdk-rust/1.3.9 os/windows lang/rust/1.87.0",
                    "aws-sdk-rust/1.3.9 ua/2.1 api/ssooidc/1.88.0 os/windows lang/rust/1.87.0 m/E app/AmazonQ-For-CLI",
                ],
                ["aws-sdk-rust", "1.3.9", "rust", "1.87.0", "standard", ""],
            ),
            (
                ["m/E aws-sdk-go-v2/1.30.4 os/macos lang/go#1.23.0 md/GOOS#darwin md/GOARCH#arm64 api/s3#1.60.1", ""],
                ["aws-sdk-go-v2", "1.30.4", "go", "1.23.0", "standard", ""],
            ),
            (["aws-sdk-go/1.51.0 (go1.22; linux; amd64)", ""], ["aws-sdk-go", "1.51.0", "go", "1.22", "", ""]),
            (
                [
                    "APN/1.0 HashiCorp/1.0 Terraform/1.7.0 (+https://www.terraform.io) terraform-provider-aws/5.32.1 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.24.1 os/linux lang/go#1.20.12 md/GOOS#linux md/GOARCH#amd64 api/resourcegroups#1.19.7",
                    "",
                ],
                ["aws-sdk-go-v2", "1.24.1", "go", "1.20.12", "", "terraform"],
            ),
            (
                [
                    "aws-sdk-java/2.51.4 os/Mac_OS_X#56.7.8 lang/java#19.0.20.1 md/OpenJDK_64-Bit_Server_VM#11.0.20.1+9-LTS md/en_US cfg/retry-mode#standard",
                    "",
                ],
                ["aws-sdk-java", "2.51.4", "java", "19.0.20.1", "standard", ""],
            ),
            (
                [
                    "aws-internal/3 aws-sdk-java/1.12.650 Linux/5.4 OpenJDK_64-Bit_Server_VM/11.0.2 java/11.0.2 cfg/retry-mode/legacy",
                    "",
                ],
                ["aws-sdk-java", "1.12.650", "java", "11.0.2", "legacy", ""],
            ),
            (
                ["aws-sdk-php/3.212.2 OS/Linux/5.10.25-linuxkit lang/php/8.0.18 GuzzleHttp/7", "aws-sdk-php/3.212.2"],
                ["aws-sdk-php", "3.212.2", "php", "8.0.18", "", ""],
            ),
            (
                [
                    "aws-sdk-ruby3/3.190.0 md/internal ua/2.0 api/xray#1.0.0 os/linux md/x86_64 lang/ruby#2.7.8 md/2.7.8 cfg/retry-mode#legacy",
                    "",
                ],
                ["aws-sdk-ruby", "3.190.0", "ruby", "2.7.8", "legacy", ""],
            ),
            (
                ["aws-sdk-ruby3/3.121.1 ruby/3.0.2 x86_64-linux-gnu aws-sdk-s3/1.93.0", ""],
                ["aws-sdk-ruby", "3.121.1", "ruby", "3.0.2", "", ""],
            ),
            (
                [
                    "aws-sdk-cpp/1.11.900 ua/2.1 api/S3 os/Linux#6.1 md/arch#x86_64 lang/c++#C++17 md/GCC#14.2.1 cfg/retry-mode#standard",
                    "",
                ],
                ["aws-sdk-cpp", "1.11.900", "c++", "17", "standard", ""],
            ),
            (
                ["MinIO (linux; amd64) minio-go/v7.0.24 mc/DEVELOPMENT.2022-04-20T23-07-53Z", ""],
                ["minio-go", "7.0.24", "go", "", "", "mc"],
            ),
            (["rclone/v1.60.1-DEV", ""], ["rclone", "1.60.1-DEV", "go", "", "", ""]),
            (["object_store/0.12.4", ""], ["object_store", "0.12.4", "rust", "", "", ""]),
        ] {
            assert_eq!(told(agents), expected.map(str::to_owned), "{agents:?}");
        }
    }

    #[test]
    fn what_is_no_sdk_is_no_client() {
        for agent in ["", "curl/8.5.0", "python-requests/2.31", "api/s3#3", "Terraform/1.7.0", "notboto3/1"] {
            assert_eq!(read([agent, ""]), None, "{agent}");
        }
    }

    #[test]
    fn a_client_is_told_in_a_few_words() {
        let shown = |agent| read([agent, ""]).unwrap().to_string();
        assert_eq!(shown("Terraform/1.7.0 aws-sdk-go-v2/1.24.1"), "aws-sdk-go-v2 1.24.1 in terraform");
        assert_eq!(shown("Boto3/x"), "boto3");
    }
}
