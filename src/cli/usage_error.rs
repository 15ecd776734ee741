//! Usage errors: clap's report in one line, with the nearest valid name.

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use super::edit_distance::edit_distance;
use super::exit::{Failure, Result};
use super::settings::{self, Settings};

/// Prints help and version to stdout; turns every other error of the command line into a usage failure.
///
/// # Errors
/// [`Failure::Usage`], unless help or version was requested.
pub fn report(error: &Error, command: &Command, settings: &Settings) -> Result<()> {
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
        .and_then(settings::flag_name)
        .and_then(|name| settings.origin(name))
    {
        message.push_str(&format!(" (from {origin})"));
    }
    if help.is_empty() {
        help.extend(similar(error, command, settings.command()));
    }
    if help.is_empty() {
        help.push("`seismix COMMAND --help` lists what a command takes".into());
    }
    Err(Failure::usage(message).with_help(help.join("; ")))
}

/// Message and tips of clap's text, without its usage line.
fn split(rendered: &str) -> (String, Vec<String>) {
    let (mut message, mut help) = (String::new(), Vec::new());
    let lines = rendered.lines().map(str::trim);
    for line in
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
    {
        if let Some(tip) = line.strip_prefix("tip: ") {
            // clap suggests names that have little in common with the given one.
            if !tip.starts_with("to pass ") && !tip.contains("similar") {
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

/// Nearest valid name, if there is one at a small distance.
fn similar(error: &Error, command: &Command, current: Option<&str>) -> Option<String> {
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let given = context(error, ContextKind::InvalidSubcommand)?;
            let known = command.get_subcommands().map(Command::get_name);
            settings::nearest(&given, known).map(|name| format!("the nearest command is '{name}'"))
        }
        ErrorKind::UnknownArgument => {
            let given = context(error, ContextKind::InvalidArg)?;
            similar_option(settings::flag_name(&given)?, command, current)
        }
        ErrorKind::InvalidValue => {
            let given = context(error, ContextKind::InvalidValue)?;
            let Some(ContextValue::Strings(known)) = error.get(ContextKind::ValidValue) else {
                return None;
            };
            settings::nearest(&given, known.iter().map(String::as_str))
                .map(|name| format!("the nearest is '{name}'"))
        }
        _ => None,
    }
}

/// The nearest option of the current command, or else of another command.
fn similar_option(given: &str, command: &Command, current: Option<&str>) -> Option<String> {
    let names = |command| settings::options(command).map(|(name, _)| name);
    let own = current.and_then(|name| command.find_subcommand(name));
    let all = names(command).chain(own.into_iter().flat_map(names));
    if let Some(name) = settings::nearest(given, all) {
        return Some(format!("the nearest option is '--{name}'"));
    }
    let others = command.get_subcommands();
    others
        .filter_map(|other| Some((settings::nearest(given, names(other))?, other.get_name())))
        .min_by_key(|(name, _)| edit_distance(name, given))
        .map(|(name, other)| format!("`seismix {other}` has an option '--{name}'"))
}

fn context(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        _ => None,
    }
}
