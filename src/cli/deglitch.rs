//! `seismix deglitch`: glitches found and removed.

use std::path::PathBuf;

use clap::Args;
use seismix::config::DeglitchConfig;
use seismix::deglitch::{DeglitchInput, DeglitchSummary, deglitch};

use super::context::CommandContext;
use super::exit::Result;
use super::options::{Resuming, SelectionArgs};
use super::output_guard;
use super::parsers::{instant, positive_real};

/// Find and remove every glitch of the records: sources that repeat a waveform
///
/// Nothing needs to be known: the waveform is learned from the records, which are then searched with it.
///
/// DIR receives background/, source/ and deviation/ with the input's own paths and file names: background + source is
/// the input, deviation the standard deviation of the background. glitches.csv has one row a find. templates/ holds
/// what was learned, for other days of the station (--template).
#[derive(Debug, Args)]
#[command(after_long_help = COLUMNS)]
pub struct Deglitch {
    /// SDS archive, folders, files or globs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Folder for the records without glitches
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// False discovery rate: of all glitches removed, at most this share is expected to be none
    #[arg(long, value_name = "RATE", default_value = "0.05", value_parser = positive_real, help_heading = "Removal")]
    fdr: f64,
    /// Also remove finds of a score of 40 or more for which no false discovery rate can be promised
    #[arg(long, help_heading = "Removal")]
    remove_unsure: bool,
    /// Template and calibration from templates/ of an earlier output, in place of learning
    #[arg(long, value_name = "FILE", help_heading = "Template")]
    template: Option<PathBuf>,
    /// Duration of a glitch's waveform, s
    #[arg(long, value_name = "SECONDS", default_value = "51.2", value_parser = positive_real, help_heading = "Template")]
    duration: f64,
    /// First instant of the records to learn and calibrate with, UTC [default: the first there is]
    #[arg(long, value_name = "TIME", value_parser = instant, help_heading = "Template")]
    calibrate_from: Option<i64>,
    /// Last instant of these records, excluded [default: the last there is]
    #[arg(long, value_name = "TIME", value_parser = instant, help_heading = "Template")]
    calibrate_to: Option<i64>,
    /// Never use the templates that come with the program
    #[arg(long, help_heading = "Template")]
    no_bundled: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    resuming: Resuming,
}

/// Definition of each column.
const COLUMNS: &str = "Columns of glitches.csv:
  id                 station and location, NET.STA.LOC
  onset, end         UTC; at the end 99 % of the waveform's energy has passed
  kind               step: the response to a step or ramp
  template           learned, or the name of the template
  score              F: decrease of chi-square over the misfit that is left
  share              share of the local misfit that it explains; gusts have a small one
  stratum            stratum of noise, from 0 for the quietest hours
  best_decoy_score   best score within 6 s of waveforms that no glitch has; empty without any
  sure               true if no decoy of the stratum has as high a score
  q                  share of false ones expected among all finds of the stratum at least as good; empty below score 40
  removed, reason    whether it was removed, and why
  polarity           sign of its largest amplitude
  snr_in_db          energy of the glitch over that of the background, dB
  expected_snr_db    expected SNR of the background after the removal, dB
  amplitude_CHA, deviation_CHA
                     amplitude on each channel and its standard deviation; empty where it is not significant";

impl Deglitch {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        let written = ["background", "source", "deviation", "templates"];
        output_guard::folder(&self.output, &self.paths, &written)?;
        let selection = self.selection.config()?;
        let config = DeglitchConfig {
            fdr: self.fdr,
            remove_unsure: self.remove_unsure,
            duration_s: self.duration,
            calibrate_from_ns: self.calibrate_from,
            calibrate_to_ns: self.calibrate_to,
            bundled: !self.no_bundled,
        };
        config.check()?;
        let stage = self.resuming.context(None, &context.observer);
        let input = DeglitchInput {
            paths: &self.paths,
            selection: &selection,
            template: self.template.as_deref(),
        };
        let summary = deglitch(&input, &config, &stage, &self.output)?;
        self.print(context, &summary)
    }

    fn print(&self, context: &mut CommandContext, summary: &DeglitchSummary) -> Result<()> {
        context.open_first(&self.output.join(seismix::deglitch::CATALOGUE));
        for station in &summary.stations {
            if station.template.is_none() {
                let line = format!("{}: no template: {}", station.station, station.evidence);
                context.printer.text(line)?;
            }
        }
        context.printer.text(last_line(summary))?;
        context.printer.record(summary)?;
        Ok(())
    }
}

fn last_line(summary: &DeglitchSummary) -> String {
    let counts = format!(
        "{} found, {} removed, {} left",
        summary.found, summary.removed, summary.left
    );
    let reachable = |s: &seismix::deglitch::StratumSummary| s.threshold.is_some();
    let mut strata = summary.stations.iter().flat_map(|s| &s.strata);
    match summary.found > 0 && !strata.any(reachable) {
        true => format!(
            "{counts}: the record is too short to promise the false discovery rate; --remove-unsure removes finds of a \
             score of 40 or more without a promise"
        ),
        false => counts,
    }
}
