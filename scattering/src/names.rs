//! Names of option values, as on the command line and in files.

/// Gives an enum without fields its names: `NAMES`, `name`, `Display`, `FromStr` and serde all use the same text.
macro_rules! option_names {
    ($type:ident, $parameter:literal, { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// The names of all values, in the order of their declaration.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// Name of the value on the command line and in files.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::Error;

            fn from_str(text: &str) -> Result<Self, $crate::Error> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    _ => Err($crate::error::parameter(
                        $parameter,
                        text,
                        format!("give one of {}", Self::NAMES.join(", ")),
                    )),
                }
            }
        }

        $crate::names::serde_as_text!($type);
    };
}

/// Implements serde through `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($type:ident) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use {option_names, serde_as_text};
