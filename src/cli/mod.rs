//! The command line: one file a subcommand, and what they share.

mod cluster;
mod demo;
mod failure;
mod features;
mod info;
mod interrupt;
mod layers;
mod options;
mod output;
mod progress;
mod report;
mod run;
mod scatter;
mod separate;
mod train;
mod unmix;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
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
    Report(report::Report),
    Run(run::Run),
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
        Err(error) => return explain(&error, &layers),
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
        Command::Report(command) => command.run(&mut context),
        Command::Run(command) => command.run(&mut context),
    };
    // What was found out before a failure is shown too.
    let flushed = context.printer.flush().map_err(Failure::from);
    outcome?;
    flushed?;
    context.observer.verdict()
}

/// Help and version go to stdout; a wrong command line becomes a usage failure of one line and its help.
fn explain(error: &clap::Error, layers: &layers::Layers) -> Result<()> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            error.print()?;
            return Ok(());
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            error.print()?;
            return Err(Failure::usage("no command given")
                .with_help("begin with `seismix demo -o RUN`, or `seismix --help`"));
        }
        _ => {}
    }
    let rendered = error.render().to_string();
    let mut message = String::new();
    let mut help = Vec::new();
    for line in rendered.lines() {
        let line = line.trim();
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        if let Some(tip) = line.strip_prefix("tip: ") {
            help.push(tip.to_owned());
        } else if let Some(first) = line.strip_prefix("error: ") {
            message.push_str(first);
        } else if !line.is_empty() {
            message.push_str(if message.ends_with(':') { " " } else { "; " });
            message.push_str(line);
        }
    }
    if let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg)
        && let Some(origin) = layers::flag_name(arg).and_then(|name| layers.origin(name))
    {
        message.push_str(&format!(" (from {origin})"));
    }
    if help.is_empty() {
        help.push("`seismix COMMAND --help` lists what a command takes".into());
    }
    Err(Failure::usage(message).with_help(help.join("; ")))
}
