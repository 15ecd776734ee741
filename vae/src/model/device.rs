//! Device of a network: the processor, or one that a cargo feature adds.

use std::fmt;
use std::str::FromStr;

use burn_tensor::Device;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use burn_tensor::DeviceType;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Device of a network. Written `cpu`, `wgpu`, `wgpu:1`, `vulkan:0`, `cuda:1`; without a number the first.
///
/// All but the processor need the cargo feature of that name. Noise is drawn on the processor from the seed, so a
/// training on another device differs by rounding alone; its last bits may depend on the device's driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ComputeDevice {
    /// The processor; the same bits on any number of threads.
    #[default]
    Cpu,
    /// A device of wgpu, on whatever graphics interface it finds (feature `wgpu`).
    Wgpu(usize),
    /// A device of wgpu through Vulkan and SPIR-V (feature `vulkan`).
    Vulkan(usize),
    /// An NVIDIA card (feature `cuda`).
    Cuda(usize),
}

impl ComputeDevice {
    /// Devices of this build on this machine, the processor first. Opens drivers, which takes a moment.
    pub fn available() -> Vec<Self> {
        let mut all = vec![Self::Cpu];
        let kinds: [fn(usize) -> Self; 3] = [Self::Wgpu, Self::Vulkan, Self::Cuda];
        for kind in kinds {
            all.extend((0..count(kind(0))).map(kind));
        }
        all
    }

    /// # Errors
    /// [`Error::Device`] with those that are present, if it is not among them.
    pub fn check(self) -> Result<()> {
        self.open().map(|_| ())
    }

    pub(crate) fn open(self) -> Result<Device> {
        if self == Self::Cpu {
            return Ok(Device::flex());
        }
        let found = devices(self).into_iter().nth(self.index());
        found.ok_or_else(|| Error::Device {
            asked: self,
            feature: self.feature(),
            present: Self::available()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// True if the build supports devices of its kind.
    fn built(self) -> bool {
        match self {
            Self::Cpu => true,
            Self::Wgpu(_) => cfg!(feature = "wgpu"),
            Self::Vulkan(_) => cfg!(feature = "vulkan"),
            Self::Cuda(_) => cfg!(feature = "cuda"),
        }
    }

    /// Reason why it may be missing, for messages.
    fn feature(self) -> String {
        if self.built() {
            "no driver for it was found".to_owned()
        } else {
            format!("this build lacks it: build with --features {}", self.kind())
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wgpu(_) => "wgpu",
            Self::Vulkan(_) => "vulkan",
            Self::Cuda(_) => "cuda",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Cpu => 0,
            Self::Wgpu(index) | Self::Vulkan(index) | Self::Cuda(index) => index,
        }
    }
}

fn count(kind: ComputeDevice) -> usize {
    devices(kind).len()
}

/// All devices of the kind of `device`.
fn devices(device: ComputeDevice) -> Vec<Device> {
    match device {
        ComputeDevice::Cpu => vec![Device::flex()],
        #[cfg(feature = "wgpu")]
        ComputeDevice::Wgpu(_) => enumerate(DeviceType::Wgpu),
        #[cfg(feature = "vulkan")]
        ComputeDevice::Vulkan(_) => enumerate(DeviceType::Vulkan),
        #[cfg(feature = "cuda")]
        ComputeDevice::Cuda(_) => enumerate(DeviceType::Cuda),
        #[allow(unreachable_patterns, reason = "with all features there is no other")]
        _ => Vec::new(),
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn enumerate(kind: DeviceType) -> Vec<Device> {
    // Where a driver's library is missing, loading it panics; for us that is no device.
    std::panic::catch_unwind(|| Device::enumerate(kind).into_iter().collect()).unwrap_or_default()
}

impl fmt::Display for ComputeDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index() {
            0 => f.write_str(self.kind()),
            index => write!(f, "{}:{index}", self.kind()),
        }
    }
}

impl FromStr for ComputeDevice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, index) = text.split_once(':').unwrap_or((text, "0"));
        let index = index.parse().ok().filter(|index: &usize| *index < 1024);
        let device = match (kind, index) {
            ("cpu", Some(0)) => Self::Cpu,
            ("wgpu", Some(index)) => Self::Wgpu(index),
            ("vulkan", Some(index)) => Self::Vulkan(index),
            ("cuda", Some(index)) => Self::Cuda(index),
            _ => {
                return Err(Error::Setting {
                    name: "device",
                    found: text.to_owned(),
                    allowed: "cpu, wgpu, vulkan or cuda, with a number such as cuda:1 for one of several",
                });
            }
        };
        Ok(device)
    }
}

impl TryFrom<String> for ComputeDevice {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ComputeDevice> for String {
    fn from(device: ComputeDevice) -> Self {
        device.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["cpu", "wgpu", "wgpu:2", "vulkan:1", "cuda"] {
            assert_eq!(text.parse::<ComputeDevice>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "gpu",
            "cpu:1",
            "cuda:",
            "cuda:-1",
            "cuda:99999",
            "wgpu:0:1",
        ] {
            assert!(text.parse::<ComputeDevice>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_missing_device_names_those_present() {
        let missing = ComputeDevice::Cuda(1000).check().unwrap_err().to_string();
        assert!(
            missing.contains("cuda:1000") && missing.contains("present: cpu"),
            "{missing}"
        );
        ComputeDevice::Cpu.check().unwrap();
    }
}
