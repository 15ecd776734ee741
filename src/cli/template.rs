//! `seismix template`: a template of a repeating source, inspected or brought to another rate.

use std::path::PathBuf;

use clap::Args;
use seismix::deglitch::StationTemplate;

use super::context::CommandContext;
use super::exit::Result;
use super::options::Replacing;
use super::output::table;
use super::parsers::positive_real;

/// Rates for which thresholds are shown.
const RATES: [f64; 2] = [0.01, 0.05];

/// Show what a template of glitches was learned from, and what its calibration promises
///
/// Templates are in templates/ of an output of `seismix deglitch`. With -o the template is written anew, at another
/// sampling rate if one is given.
#[derive(Debug, Args)]
pub struct ShowTemplate {
    /// Template
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Sampling rate of the template that is written, Hz [default: its own]
    #[arg(long, value_name = "HZ", value_parser = positive_real, requires = "output")]
    rate: Option<f64>,
    /// File for the template at that rate
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    replacing: Replacing,
}

impl ShowTemplate {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        let mut template = StationTemplate::load(&self.file)?;
        if let Some(rate) = self.rate {
            template = template.at_rate(rate);
        }
        if let Some(output) = &self.output {
            super::output_guard::file(output, [self.file.as_path()])?;
            self.replacing.check(output, "template")?;
            template.save(output)?;
            context.open_first(output);
        }
        for line in describe(&template) {
            context.printer.text(line)?;
        }
        context.printer.record(&template)?;
        Ok(())
    }
}

/// The template in words.
fn describe(template: &StationTemplate) -> Vec<String> {
    let layout = template.template.layout;
    let seconds = layout.length as f64 / template.sampling_rate;
    let mut lines = vec![
        format!(
            "{}, channels {}",
            template.station,
            template.channels.join(", ")
        ),
        format!(
            "{} samples at {} Hz: {seconds:.1} s",
            layout.length, template.sampling_rate
        ),
    ];
    if !template.learned_from.is_empty() {
        lines.push(format!("learned from {}", template.learned_from));
    }
    if let Some(evidence) = template.evidence {
        lines.push(format!(
            "a waveform learned from half of the sources explains {:.0} % of the energy of the others",
            100.0 * evidence.explained
        ));
    }
    if template.calibration.strata.is_empty() {
        lines.push("not calibrated: no false discovery rate can be promised with it".into());
        return lines;
    }
    lines.push("calibration by noise, the largest deviation of the channels:".into());
    lines.push(calibration(template));
    lines
}

fn calibration(template: &StationTemplate) -> String {
    let or_none = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.1}"));
    let rows: Vec<Vec<String>> = template
        .calibration
        .strata
        .iter()
        .map(|s| {
            let thresholds = RATES.map(|rate| or_none(s.threshold(rate)));
            let counts = [
                format!("{:.4e}", s.noise_from),
                format!("{:.1}", s.hours),
                s.finds.len().to_string(),
                s.decoys.len().to_string(),
            ];
            counts.into_iter().chain(thresholds).collect()
        })
        .collect();
    let names = [
        "noise from",
        "hours",
        "finds",
        "decoys",
        "score for q .01",
        "for q .05",
    ];
    table(&names, &rows)
}
