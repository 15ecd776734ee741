//! What is wrong with a command line, in one line and its help.

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use super::failure::{Failure, Result};
use super::layers::{self, PerLayer};

/// Help and version go to stdout; a wrong command line becomes a usage failure.
///
/// # Errors
/// Always, but for help and version.
pub fn explain(error: &Error, command: &Command, layers: &PerLayer) -> Result<()> {
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
    let (mut message, mut help) = split(&error.render().to_string());
    let invalid = context(error, ContextKind::InvalidArg);
    if let Some(origin) = invalid
        .as_deref()
        .and_then(layers::flag_name)
        .and_then(|name| layers.origin(name))
    {
        message.push_str(&format!(" (from {origin})"));
    }
    if help.is_empty() {
        help.extend(similar(error, command));
    }
    if help.is_empty() {
        help.push("`seismix COMMAND --help` lists what a command takes".into());
    }
    Err(Failure::usage(message).with_help(help.join("; ")))
}

/// The message and the tips of clap's text; its usage line is left out.
fn split(rendered: &str) -> (String, Vec<String>) {
    let (mut message, mut help) = (String::new(), Vec::new());
    let lines = rendered.lines().map(str::trim);
    for line in
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
    {
        if let Some(tip) = line.strip_prefix("tip: ") {
            if !tip.starts_with("to pass ") {
                help.push(tip.to_owned());
            }
        } else if let Some(first) = line.strip_prefix("error: ") {
            message.push_str(first);
        } else if !line.is_empty() {
            message.push_str(if message.ends_with(':') { " " } else { "; " });
            message.push_str(line);
        }
    }
    (message, help)
}

/// The nearest name where clap offers none.
fn similar(error: &Error, command: &Command) -> Option<String> {
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let given = context(error, ContextKind::InvalidSubcommand)?;
            let known = command.get_subcommands().map(Command::get_name);
            layers::nearest(&given, known).map(|name| format!("the nearest command is '{name}'"))
        }
        ErrorKind::UnknownArgument => {
            let given = context(error, ContextKind::InvalidArg)?;
            let given = layers::flag_name(&given)?;
            let all = command.get_subcommands().chain([command]);
            let known = all.flat_map(|command| layers::options(command).map(|(name, _)| name));
            layers::nearest(given, known).map(|name| format!("the nearest option is '--{name}'; `seismix COMMAND --help` lists what a command takes"))
        }
        ErrorKind::InvalidValue => {
            let given = context(error, ContextKind::InvalidValue)?;
            let Some(ContextValue::Strings(known)) = error.get(ContextKind::ValidValue) else {
                return None;
            };
            layers::nearest(&given, known.iter().map(String::as_str))
                .map(|name| format!("the nearest is '{name}'"))
        }
        _ => None,
    }
}

fn context(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        _ => None,
    }
}
