//! What options choose among: the words of the command line are those of the document.

use std::str::FromStr;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an object is fetched.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum GetMode {
    /// One GetObject for the whole object. ASSUMPTION: what Globus's connector does is not documented.
    #[default]
    Whole,
    /// Ranges of the part size, `parts_in_flight` at a time.
    Ranged,
}

/// Whether requests learn from those that were refused; the names are those of the AWS SDKs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum RetryMode {
    /// After a 429 all requests of a job keep a common pace, which falls with refusals and recovers
    #[default]
    Adaptive,
    /// Each request waits for itself alone
    Standard,
}

impl RetryMode {
    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Standard => "standard",
        }
    }
}

/// How the payload of an upload is signed. That its head is signed is another matter.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PayloadSigning {
    /// Not at all: the head says UNSIGNED-PAYLOAD
    #[default]
    Unsigned,
    /// By its SHA-256 in the head, for which a part is read whole before its first byte is sent
    Signed,
    /// While it is sent, in chunks of 64 KiB (aws-chunked), each of which signs the one before
    Streaming,
}

/// The checksum that goes with an upload: in its head, or behind it where the payload is signed while it is sent.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Checksum {
    /// None
    #[default]
    None,
    /// CRC-32, the AWS SDKs' choice since 2025
    Crc32,
    /// CRC-32C (Castagnoli)
    Crc32c,
    /// CRC-64/NVME
    Crc64Nvme,
    /// SHA-1
    Sha1,
    /// SHA-256
    Sha256,
    /// Content-MD5, the only one that Storj looks at
    Md5,
}

impl PayloadSigning {
    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Signed => "signed",
            Self::Streaming => "streaming",
        }
    }
}

impl Checksum {
    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Crc32 => "crc32",
            Self::Crc32c => "crc32c",
            Self::Crc64Nvme => "crc64nvme",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Md5 => "md5",
        }
    }
}

/// What becomes of symbolic links, in the words of `recursive_symlinks` of Globus's Transfer API, where `ignore` is the
/// default. Its `keep` makes links at the destination, which a bucket cannot have.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Symlinks {
    /// They are not moved; how many there are is said
    #[default]
    Ignore,
    /// What they lead to is moved in their place
    Copy,
}

/// When files begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Arrivals {
    /// When a mover is free.
    #[default]
    Closed,
    /// At equal distances.
    Constant {
        /// Never 0.
        #[serde(deserialize_with = "super::number::from_zero")]
        files_per_second: f64,
    },
    /// At distances with an exponential distribution: independent of each other.
    Poisson {
        /// Never 0.
        #[serde(deserialize_with = "super::number::from_zero")]
        files_per_second: f64,
    },
}

impl Arrivals {
    /// On average; `None` in a closed loop.
    pub fn files_per_second(self) -> Option<f64> {
        match self {
            Self::Closed => None,
            Self::Constant { files_per_second } | Self::Poisson { files_per_second } => {
                Some(files_per_second)
            }
        }
    }
}

impl FromStr for Arrivals {
    type Err = &'static str;

    /// `constant:20` or `poisson:20`, in files per second.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = "write constant:20 or poisson:20 for 20 files a second";
        let (distances, rate) = text.split_once(':').ok_or(wanted)?;
        let files_per_second: f64 = rate.parse().map_err(|_| wanted)?;
        if !(files_per_second > 0.0 && files_per_second.is_finite()) {
            return Err(wanted);
        }
        match distances {
            "constant" => Ok(Self::Constant { files_per_second }),
            "poisson" => Ok(Self::Poisson { files_per_second }),
            _ => Err(wanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_has_one_name_on_the_command_line_and_in_the_document() {
        fn names<T: ValueEnum + Serialize>(name: impl Fn(&T) -> &'static str) {
            for value in T::value_variants() {
                let option = value.to_possible_value().expect("none is hidden");
                let written = serde_json::to_value(value).expect("it is a word");
                assert_eq!((option.get_name(), written), (name(value), name(value).into()));
            }
        }
        names(|payload: &PayloadSigning| payload.name());
        names(|checksum: &Checksum| checksum.name());
    }

    #[test]
    fn arrivals_are_read_from_a_command_line() {
        assert_eq!("poisson:0.5".parse(), Ok(Arrivals::Poisson { files_per_second: 0.5 }));
        assert_eq!("constant:20".parse(), Ok(Arrivals::Constant { files_per_second: 20.0 }));
        for bad in ["20", "constant:", "constant:0", "poisson:-1", "poisson:inf", "burst:3"] {
            assert!(bad.parse::<Arrivals>().is_err(), "{bad} was taken");
        }
    }
}
