//! The command line: one file a subcommand, and what they share.

mod apart;
mod arrays;
mod cluster;
mod demo;
mod explain;
mod failure;
mod features;
mod info;
mod interrupt;
mod layers;
mod options;
mod output;
mod progress;
mod recipe;
mod report;
mod run;
mod scatter;
mod separate;
mod synth;
mod toy;
mod train;
mod unmix;
mod unmix_local;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use failure::{Failure, Result};
use output::Printer;
use progress::Terminal;

/// Takes seismic records that mix sources apart, without labels.
#[derive(Debug, Parser)]
#[command(
    name = "seismix",
    version,
    about,
    after_help = "Every option can also be set by a variable SEISMIX_OPTION or in a TOML file given with --config;\n\
                  a flag overrules a variable, a variable the file, and the file the default.\n\
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
    Unmix(unmix::Unmix),
    Synth(synth::Synth),
    Report(report::Report),
    Run(Box<run::Run>),
}

/// What a command gets beside its own options.
struct Context {
    common: options::Common,
    printer: Printer,
    observer: Terminal,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    match start(argv) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Without a stderr there is nobody left to tell.
            for line in failure.lines() {
                let _ = writeln!(std::io::stderr(), "{line}");
            }
            failure.exit_code()
        }
    }
}

fn start(argv: Vec<OsString>) -> Result<()> {
    let (argv, layers) = layers::join(&Cli::command(), argv, std::env::vars_os())?;
    let cli = match Cli::command()
        .try_get_matches_from(&argv)
        .and_then(|matches| Cli::from_arg_matches(&matches))
    {
        Ok(cli) => cli,
        Err(error) => return explain::explain(&error, &Cli::command(), &layers),
    };
    interrupt::listen();
    if let Some(threads) = cli.common.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .map_err(|error| Failure::new(format!("cannot start {threads} threads: {error}")))?;
    }
    let mut context = Context {
        printer: Printer::new(cli.common.json),
        observer: Terminal::start(cli.common.quiet, cli.common.verbose),
        common: cli.common,
    };
    let outcome = match &cli.command {
        Command::Demo(command) => command.run(&mut context),
        Command::Info(command) => command.run(&mut context),
        Command::Scatter(command) => command.run(&mut context),
        Command::Features(command) => command.run(&mut context),
        Command::Train(command) => command.run(&mut context),
        Command::Cluster(command) => command.run(&mut context),
        Command::Separate(command) => command.run(&mut context),
        Command::Unmix(command) => command.run(&mut context),
        Command::Synth(command) => command.run(&mut context),
        Command::Report(command) => command.run(&mut context),
        Command::Run(command) => command.run(&mut context),
    };
    // What was found out before a failure is shown too.
    let flushed = context.printer.flush().map_err(Failure::from);
    outcome?;
    flushed?;
    context.observer.verdict()
}
