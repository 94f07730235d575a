//! Where a run computes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How the name of a device begins that only imitates another.
pub const EMULATED: &str = "emulated";

/// Where a run computes; as text `cpu`, or `cuda:N`, for which `cuda` is short where N is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DeviceId {
    /// The processor.
    #[default]
    Cpu,
    /// A CUDA device, counted from 0 as the driver does.
    Cuda(u16),
}

/// What kind of thing computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// A graphics processor.
    Gpu,
    /// A program that imitates one: results count, times mean nothing.
    Emulated,
}

impl DeviceKind {
    /// That of a device of this name, where nobody says more; none of one without a name.
    pub fn named(device: &str) -> Option<Self> {
        let name = device.trim().to_lowercase();
        match name.as_str() {
            "" => None,
            "cpu" => Some(Self::Cpu),
            name if name.starts_with(EMULATED) => Some(Self::Emulated),
            _ => Some(Self::Gpu),
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for DeviceId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_number = |index: &&str| index.bytes().all(|byte| byte.is_ascii_digit());
        let index = |index: &str| Some(index).filter(is_number)?.parse().ok();
        let device = match (text, text.strip_prefix("cuda:")) {
            ("cpu", _) => Some(Self::Cpu),
            ("cuda", _) => Some(Self::Cuda(0)),
            (_, rest) => rest.and_then(index).map(Self::Cuda),
        };
        device
            .ok_or_else(|| format!("there is no device `{text}`; write `cpu`, `cuda` or `cuda:N`"))
    }
}

impl TryFrom<String> for DeviceId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DeviceId> for String {
    fn from(device: DeviceId) -> Self {
        device.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_kind_of_a_device() {
        for (name, kind) in [
            ("", None),
            ("CPU", Some(DeviceKind::Cpu)),
            ("NVIDIA H200", Some(DeviceKind::Gpu)),
            ("emulated device", Some(DeviceKind::Emulated)),
            (" Emulated GPU", Some(DeviceKind::Emulated)),
        ] {
            assert_eq!(DeviceKind::named(name), kind, "{name}");
        }
    }

    #[test]
    fn devices_by_name() {
        for (text, device, shown) in [
            ("cpu", DeviceId::Cpu, "cpu"),
            ("cuda", DeviceId::Cuda(0), "cuda:0"),
            ("cuda:3", DeviceId::Cuda(3), "cuda:3"),
        ] {
            assert_eq!((text.parse(), device.to_string().as_str()), (Ok(device), shown));
        }
        for text in
            ["CPU", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:+1", "cuda:65536", "cuda1", ""]
        {
            let message = text.parse::<DeviceId>().unwrap_err();
            assert!(message.contains("write `cpu`, `cuda` or `cuda:N`"), "{message}");
        }
    }
}
