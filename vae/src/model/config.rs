//! Sizes of a model.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, setting};

/// Sizes of a factorial Gaussian-mixture VAE.
///
/// Scales are ordered as given, by convention from the shortest window to the longest; names are part of the
/// parameters' names (`inference.inference_qyx.1024.0.weight`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FvaeConfig {
    /// Name of each scale: letters, digits, `_` and `-`.
    pub scale_names: Vec<String>,
    /// Number of features of each channel, per scale.
    #[doc(alias = "F")]
    pub features_per_scale: Vec<usize>,
    /// Number of channels (components of the record).
    #[doc(alias = "C")]
    pub n_channels: usize,
    /// Number of clusters at each scale.
    #[doc(alias = "K")]
    pub n_clusters: usize,
    /// Size of each scale's latent variable.
    #[doc(alias = "Z")]
    pub latent: usize,
    /// Width of the hidden layers.
    #[doc(alias = "H")]
    pub hidden: usize,
    /// Depth: residual blocks of the common encoder, and hidden layers of every other part.
    pub layers: usize,
}

impl FvaeConfig {
    /// Largest width of any layer; keeps a damaged file from asking for more memory than exists.
    pub const MAX_WIDTH: usize = 1 << 17;
    /// Most clusters a scale; two are the least.
    pub const MAX_CLUSTERS: usize = 1000;
    /// Most layers.
    pub const MAX_LAYERS: usize = 64;

    /// Number of scales.
    pub fn n_scales(&self) -> usize {
        self.scale_names.len()
    }

    /// Checks every size.
    ///
    /// # Errors
    /// [`Error::Setting`] for a size that is 0 or too large, or a bad or repeated scale name;
    /// [`Error::Shape`] if the lists differ in length.
    pub fn check(&self) -> Result<()> {
        let n_scales = self.n_scales();
        setting(
            (1..=64).contains(&n_scales),
            "number of scales",
            n_scales,
            "from 1 to 64",
        )?;
        if self.features_per_scale.len() != n_scales {
            return Err(Error::shape(
                "features_per_scale",
                n_scales,
                self.features_per_scale.len(),
            ));
        }
        for (index, name) in self.scale_names.iter().enumerate() {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            setting(
                !name.is_empty() && name.len() <= 64 && name.chars().all(plain),
                "scale name",
                name,
                "1 to 64 letters, digits, `_` or `-`",
            )?;
            setting(
                !self.scale_names[..index].contains(name),
                "scale name",
                name,
                "different from the others",
            )?;
        }
        let allowed = "from 1 to 131072";
        let in_range = |n: usize| (1..=Self::MAX_WIDTH).contains(&n);
        for &n in &self.features_per_scale {
            setting(in_range(n), "features_per_scale", n, allowed)?;
        }
        let total: usize = self.features_per_scale.iter().sum();
        setting(in_range(total), "sum of features_per_scale", total, allowed)?;
        setting(
            (2..=Self::MAX_CLUSTERS).contains(&self.n_clusters),
            "n_clusters",
            self.n_clusters,
            "from 2 to 1000",
        )?;
        setting(
            (1..=64).contains(&self.n_channels),
            "n_channels",
            self.n_channels,
            "from 1 to 64",
        )?;
        setting(in_range(self.latent), "latent", self.latent, allowed)?;
        setting(in_range(self.hidden), "hidden", self.hidden, allowed)?;
        setting(
            (1..=Self::MAX_LAYERS).contains(&self.layers),
            "layers",
            self.layers,
            "from 1 to 64",
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::model::Plan;

    fn small() -> FvaeConfig {
        FvaeConfig {
            scale_names: vec!["64".into(), "256".into()],
            features_per_scale: vec![10, 7],
            n_channels: 3,
            n_clusters: 3,
            latent: 4,
            hidden: 16,
            layers: 2,
        }
    }

    #[test]
    fn sizes_are_checked() {
        assert!(small().check().is_ok());
        let broken: [fn(&mut FvaeConfig); 9] = [
            |c| c.scale_names.clear(),
            |c| c.scale_names[1] = "64".into(),
            |c| c.scale_names[1] = "a.b".into(),
            |c| c.features_per_scale[0] = 0,
            |c| c.features_per_scale.push(3),
            |c| c.n_clusters = 1,
            |c| c.layers = usize::MAX,
            |c| c.hidden = usize::MAX,
            |c| c.latent = 0,
        ];
        for (index, breaks) in broken.into_iter().enumerate() {
            let mut config = small();
            breaks(&mut config);
            assert!(config.check().is_err(), "{index}");
        }
    }

    #[test]
    fn the_parameter_count_follows_from_the_equations() {
        let config = small();
        let (c, k, z, h) = (3, 3, 4, 16);
        let s: usize = config.features_per_scale.iter().sum();
        let common = 2 * (2 * s * h + 2 * c);
        let trunk = |d: usize| d * h + 2 * c + c * h * h + 2 * h + (h * h + 2 * h);
        let ch = c * h;
        let per_scale = |f: usize| {
            trunk(f)
                + (h * k + k)
                + trunk(f + k)
                + 2 * h * z
                + 2 * (k * z + z)
                + (z * h + 2 * h + h * ch + 2 * ch + (ch * ch + 2 * ch) + h * f + f)
        };
        let expected = common + per_scale(10) + per_scale(7);
        assert_eq!(Plan::new(&config).n_parameters(), expected);
    }
}
