//! The command line: one file a subcommand, and what they share.

mod cluster;
mod context;
mod deglitch;
mod demo;
mod edit_distance;
mod exit;
mod features;
mod help;
mod info;
mod interrupt;
mod log_lines;
mod options;
mod output;
mod output_guard;
mod parsers;
mod progress;
mod recipe;
mod report;
mod run;
mod scatter;
mod separate;
mod settings;
mod synth;
mod template;
mod train;
mod unmix;
mod unmix_local;
mod usage_error;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand};

use context::CommandContext;
use exit::{Failure, Result};

/// Takes seismic records that mix sources apart, without labels.
#[derive(Debug, Parser)]
#[command(
    name = "seismix",
    version,
    about,
    after_help = "Every option can also be set by a variable SEISMIX_OPTION or in a TOML file given with --config;\n\
                  a flag overrides a variable, a variable the file, and the file the default.\n\
                  Keys outside of tables hold for all commands, those of a table [COMMAND] for that command.\n\
                  `seismix COMMAND --help-all` also lists expert options.\n\
                  Exit code: 0 done, 1 something failed, 2 wrong usage, 130 interrupted."
)]
struct Cli {
    #[command(flatten)]
    common: options::Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Info(info::Info),
    Scatter(scatter::Scatter),
    Features(features::Features),
    Train(train::Train),
    Cluster(cluster::Cluster),
    Separate(separate::Separate),
    Deglitch(deglitch::Deglitch),
    Template(template::ShowTemplate),
    Unmix(unmix::Unmix),
    Synth(synth::Synth),
    Report(report::Report),
    Run(Box<run::Run>),
    Completions(help::Completions),
    Man(help::Man),
    #[command(hide = true)]
    Reference(help::Reference),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    match start(argv) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // A closed stderr must not change the exit code.
            for line in failure.lines() {
                let _ = writeln!(std::io::stderr(), "{line}");
            }
            failure.exit_code()
        }
    }
}

fn start(mut argv: Vec<OsString>) -> Result<()> {
    let command = help::command_for(&mut argv);
    let (argv, settings) = settings::merge(&command, argv, std::env::vars_os())?;
    let parsed = command.clone().try_get_matches_from(&argv);
    let is_fresh = parsed.as_ref().is_ok_and(has_fresh);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return usage_error::report(&error, &command, &settings),
    };
    interrupt::listen();
    let mut context = CommandContext::start(cli.common)?;
    for warning in settings.warnings() {
        log::warn!("{warning}");
    }
    let outcome = match &cli.command {
        Command::Demo(command) => command.run(&mut context),
        Command::Info(command) => command.run(&mut context),
        Command::Scatter(command) => command.run(&mut context),
        Command::Features(command) => command.run(&mut context),
        Command::Train(command) => command.run(&mut context),
        Command::Cluster(command) => command.run(&mut context),
        Command::Separate(command) => command.run(&mut context),
        Command::Deglitch(command) => command.run(&mut context),
        Command::Template(command) => command.run(&mut context),
        Command::Unmix(command) => command.run(&mut context),
        Command::Synth(command) => command.run(&mut context),
        Command::Report(command) => command.run(&mut context),
        Command::Run(command) => command.run(&mut context),
        Command::Completions(command) => command.run(&mut context),
        Command::Man(command) => command.run(&mut context),
        Command::Reference(command) => command.run(&mut context),
    };
    // Results that precede a failure are printed as well.
    let flushed = context.printer.flush().map_err(Failure::from);
    let ended = match outcome.and(flushed) {
        Ok(()) => context.observer.verdict().map(|()| context.finish()),
        // A reader that closed stdout does not undo the failure of an input.
        Err(Failure::BrokenPipe) => context.observer.verdict(),
        failed => failed,
    };
    match ended {
        Err(Failure::Interrupted) if is_fresh => Err(Failure::InterruptedFresh),
        ended => ended,
    }
}

/// True if the command was called with `--fresh`.
fn has_fresh(matches: &clap::ArgMatches) -> bool {
    let of_command = matches.subcommand().map(|(_, matches)| matches);
    let found = of_command.and_then(|matches| matches.try_get_one::<bool>("fresh").ok());
    found.flatten().is_some_and(|fresh| *fresh)
}
