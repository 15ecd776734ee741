//! Units of stages: the quantity that a name stands for, and its scale.

/// Quantity of a stage's input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Displacement of the ground, or strain.
    Displacement,
    /// Velocity of the ground.
    Velocity,
    /// Acceleration of the ground.
    Acceleration,
    /// Voltage.
    Volts,
    /// Counts.
    Counts,
    /// Anything else, such as pressure.
    Other,
}

impl Quantity {
    /// Number of time derivatives of displacement; `None` if the quantity is not ground motion.
    pub(super) fn derivatives(self) -> Option<i32> {
        match self {
            Self::Displacement => Some(0),
            Self::Velocity => Some(1),
            Self::Acceleration => Some(2),
            Self::Volts | Self::Counts | Self::Other => None,
        }
    }
}

/// Quantity of a unit's name, and the number of these units in the SI unit. Upper and lower case are alike, as in
/// evalresp.
pub(super) fn quantity(name: &str) -> (Quantity, f64) {
    let name = name.trim().to_ascii_uppercase();
    match name.as_str() {
        "V" | "VOLT" | "VOLTS" => return (Quantity::Volts, 1.0),
        "COUNT" | "COUNTS" | "DIGITAL COUNTS" => return (Quantity::Counts, 1.0),
        // Strain has the same response as displacement.
        "M/M" | "M**3/M**3" => return (Quantity::Displacement, 1.0),
        _ => {}
    }
    let (length, rest) = match name.split_once('/') {
        Some((length, rest)) => (length, rest),
        None => (name.as_str(), ""),
    };
    let per_metre = match length {
        "M" => 1.0,
        "CM" => 1e2,
        "MM" => 1e3,
        "NM" => 1e9,
        _ => return (Quantity::Other, 1.0),
    };
    match rest {
        "" if !name.contains('/') => (Quantity::Displacement, per_metre),
        "S" | "SEC" => (Quantity::Velocity, per_metre),
        "S**2" | "(S**2)" | "SEC**2" | "(SEC**2)" | "S/S" | "S^2" => {
            (Quantity::Acceleration, per_metre)
        }
        _ => (Quantity::Other, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_quantity_and_scale() {
        for (name, expected) in [
            ("M", (Quantity::Displacement, 1.0)),
            ("nm/s", (Quantity::Velocity, 1e9)),
            ("M/S", (Quantity::Velocity, 1.0)),
            (" cm/sec**2 ", (Quantity::Acceleration, 1e2)),
            ("m/(s**2)", (Quantity::Acceleration, 1.0)),
            ("M/S/S", (Quantity::Acceleration, 1.0)),
            ("m/m", (Quantity::Displacement, 1.0)),
            ("m/", (Quantity::Other, 1.0)),
            ("Pa", (Quantity::Other, 1.0)),
            ("V/M", (Quantity::Other, 1.0)),
            ("counts", (Quantity::Counts, 1.0)),
            ("V", (Quantity::Volts, 1.0)),
        ] {
            assert_eq!(quantity(name), expected, "{name}");
        }
    }
}
