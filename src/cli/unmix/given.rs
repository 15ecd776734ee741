//! The mixture and the snippets that `unmix` is given.

use super::*;

impl Unmix {
    /// The arrays of the files.
    pub(super) fn read(&self) -> Result<Given> {
        let (Some(mixture_path), Some(background_path)) = (&self.mixture, &self.background) else {
            return Err(Failure::usage(
                "give --mixture and --background, or --toy".to_owned(),
            ));
        };
        let mixture = arrays::read_finite(mixture_path)?;
        let background = arrays::read_finite(background_path)?;
        let file = |path: &Path, sha256: &str| json!({ "file": path.display().to_string(), "sha256": sha256 });
        Ok(Given {
            channels: self.channels(
                mixture_path,
                &mixture.values,
                background_path,
                &background.values,
            )?,
            shape: mixture.values.shape().to_vec(),
            name: mixture_path.display().to_string(),
            provenance: json!({
                "mixture": file(mixture_path, &mixture.sha256),
                "background": file(background_path, &background.sha256),
            }),
            truth: None,
        })
    }

    /// Splits the arrays into channels.
    fn channels(
        &self,
        mixture_path: &Path,
        mixture: &ArrayD<f64>,
        background_path: &Path,
        background: &ArrayD<f64>,
    ) -> Result<Vec<Channel>> {
        let shape = mixture.shape();
        if shape.len() > 2 || shape.is_empty() {
            return Err(mismatch(mixture_path, shape, "(T,) or (C,T)"));
        }
        let n_samples = shape[shape.len() - 1];
        let length = background.shape().last().copied().unwrap_or(0);
        let fits = background.ndim() == shape.len() + 1
            && background.shape()[1..shape.len()] == shape[..shape.len() - 1]
            && (length == n_samples || (self.local_wanted() && length < n_samples));
        if !fits {
            let wanted = if self.local_wanted() {
                "(R,T) or (R,C,T) with the mixture's C and at most its T"
            } else {
                "(R,T) or (R,C,T) with the mixture's T and C"
            };
            return Err(mismatch(background_path, background.shape(), wanted));
        }
        let n_channels = mixture.len() / n_samples;
        let available = background.len_of(Axis(0));
        let n_snippets = self.snippets.unwrap_or(available);
        if n_snippets > available {
            return Err(Failure::usage(format!(
                "--snippets {n_snippets}: {} holds {available}",
                background_path.display()
            )));
        }
        let snippets = arrays::rows(background);
        let of_channel = |(c, mixture): (usize, Vec<f64>)| Channel {
            mixture,
            snippets: (0..n_snippets)
                .map(|r| snippets[r * n_channels + c].clone())
                .collect(),
            source_snippets: Vec::new(),
        };
        Ok(arrays::rows(mixture)
            .into_iter()
            .enumerate()
            .map(of_channel)
            .collect())
    }
}
