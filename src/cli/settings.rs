//! Sources of a setting: flag > `SEISMIX_*` variable > `--config` file > default.
//!
//! Settings of the environment and of the file are appended to the command line as flags, unless the same flag is given
//! there; so one parser checks the values of all three.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};

use super::edit_distance::edit_distance;
use super::exit::{Failure, Result};

/// Groups of options that exclude each other: one given in a higher source replaces all of them in the lower ones.
const ALTERNATIVES: [&[&str]; 6] = [
    &["resume", "fresh"],
    &["window", "scales"],
    &["quiet", "verbose"],
    &["target", "windows"],
    &["normalize", "given-power"],
    &["like", "cluster"],
];

/// Tables of a configuration file that group keys of all commands, next to those named as a command.
const GROUPS: [&str; 4] = ["selection", "transform", "training", "separation"];

/// Commands whose tables `run` reads as well, because it runs them.
const STAGES: [&str; 5] = ["features", "train", "cluster", "separate", "report"];

/// A setting from the environment or the file.
#[derive(Debug, Clone)]
struct Setting {
    /// One value, or those of a list.
    values: Vec<String>,
    origin: String,
}

/// Settings by the long name of their option.
type Source = BTreeMap<String, Setting>;

/// The settings that were added to a command line, their origins, and warnings about the environment.
#[derive(Debug, Default)]
pub struct Settings {
    origins: BTreeMap<String, String>,
    warnings: Vec<String>,
    command: Option<String>,
}

impl Settings {
    /// Origin of the value of `--name`, unless it is the command line.
    pub fn origin(&self, name: &str) -> Option<&str> {
        self.origins.get(name).map(String::as_str)
    }

    /// Variables that begin with `SEISMIX_` and name no option.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The command that the command line names.
    pub fn command(&self) -> Option<&str> {
        self.command.as_deref()
    }
}

/// Adds the settings of the environment and of the configuration file to the command line `argv`.
///
/// # Errors
/// Usage errors: an unknown key of the file (with the nearest valid one), a file that cannot be read, a switch that is
/// neither true nor false.
pub fn merge(
    command: &Command,
    argv: Vec<OsString>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(Vec<OsString>, Settings)> {
    let mut settings = Settings::default();
    let environment = from_environment(command, environment, &mut settings.warnings)?;
    let Some(subcommand) = subcommand(command, &argv) else {
        return Ok((argv, settings));
    };
    settings.command = Some(subcommand.get_name().to_owned());
    let file = match config_path(&argv, &environment) {
        Some(path) => ConfigFile::read(command, &path)?.settings_of(subcommand),
        None => Source::new(),
    };

    let args: BTreeMap<&str, &Arg> = options(command).chain(options(subcommand)).collect();
    let mut taken: Vec<&str> = args
        .iter()
        .filter(|(name, arg)| is_given(&argv, name, arg))
        .map(|(name, _)| *name)
        .collect();
    let mut added = Vec::new();
    for source in [environment, file] {
        let mut here = Vec::new();
        for (name, setting) in source {
            let Some((&name, &arg)) = args.get_key_value(name.as_str()) else {
                continue;
            };
            if alternatives(name).any(|other| taken.contains(&other)) {
                continue;
            }
            here.push(name);
            settings
                .origins
                .insert(name.to_owned(), setting.origin.clone());
            added.extend(as_flags(name, arg, &setting)?);
        }
        taken.extend(here);
    }
    let mut argv = argv;
    let end = argv
        .iter()
        .position(|arg| arg == "--")
        .unwrap_or(argv.len());
    argv.splice(end..end, added);
    Ok((argv, settings))
}

/// The subcommand that the command line names; values of the options before it are not mistaken for it.
fn subcommand<'a>(command: &'a Command, argv: &[OsString]) -> Option<&'a Command> {
    let takes_value = |given: &OsString| {
        options(command).any(|(long, arg)| {
            arg.get_action().takes_values() && given.to_str() == Some(&format!("--{long}"))
        })
    };
    let mut given = argv.iter().skip(1);
    while let Some(arg) = given.next() {
        if let Some(found) = command.find_subcommand(arg) {
            return Some(found);
        }
        if takes_value(arg) {
            given.next();
        }
    }
    None
}

/// Options of a command by their long names, without those that print help.
pub fn options(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    command
        .get_arguments()
        .filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version" | "help_all"))
        .filter_map(|arg| arg.get_long().map(|long| (long, arg)))
}

/// Options of all commands: one file serves them all, and each reads its own.
fn known_keys(command: &Command) -> Vec<String> {
    let all = command.get_subcommands().chain([command]);
    let mut keys: Vec<String> = all
        .flat_map(|command| options(command).map(|(long, _)| long.to_owned()))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn alternatives(name: &str) -> impl Iterator<Item = &str> {
    let group = ALTERNATIVES.iter().find(|group| group.contains(&name));
    let others = group.map_or(&[] as &[&str], |group| *group);
    std::iter::once(name).chain(others.iter().copied())
}

/// True if the command line has this option, by its long name, an alias or its short name.
fn is_given(argv: &[OsString], name: &str, arg: &Arg) -> bool {
    argv.iter()
        .skip(1)
        .filter_map(|arg| arg.to_str())
        .any(|given| {
            if let Some(long) = given.strip_prefix("--") {
                let long = long.split('=').next().unwrap_or_default();
                long == name || arg.get_all_aliases().unwrap_or_default().contains(&long)
            } else {
                let short = given.strip_prefix('-').and_then(|rest| rest.chars().next());
                short.is_some() && short == arg.get_short()
            }
        })
}

/// The flags that give an option the value of a setting.
fn as_flags(name: &str, arg: &Arg, setting: &Setting) -> Result<Vec<OsString>> {
    let value = setting.values.join(",");
    let wrong = |wanted: &str| {
        Failure::usage(format!(
            "`{value}` is not a value of `{name}` (from {}); write {wanted}",
            setting.origin
        ))
    };
    let flags = match arg.get_action() {
        ArgAction::SetTrue => match value.as_str() {
            "true" | "1" | "yes" | "on" => vec![format!("--{name}")],
            "false" | "0" | "no" | "off" | "" => Vec::new(),
            _ => return Err(wrong("`true` or `false`")),
        },
        ArgAction::Count => match value.parse::<usize>() {
            Ok(n) if n < 10 => vec![format!("--{name}"); n],
            _ => return Err(wrong("a number from 0 to 9")),
        },
        // Paths may contain commas: a list becomes one flag per value.
        ArgAction::Append if arg.get_value_delimiter().is_none() => {
            let flag = |value: &String| format!("--{name}={value}");
            setting.values.iter().map(flag).collect()
        }
        _ => vec![format!("--{name}={value}")],
    };
    Ok(flags.into_iter().map(OsString::from).collect())
}

fn config_path(argv: &[OsString], environment: &Source) -> Option<PathBuf> {
    let mut given = argv.iter().skip(1);
    while let Some(arg) = given.next() {
        if arg == "--config" {
            // Without a value, the parser reports the error.
            return given.next().map(PathBuf::from);
        }
        if let Some(path) = arg.to_str().and_then(|arg| arg.strip_prefix("--config=")) {
            return Some(PathBuf::from(path));
        }
    }
    let setting = environment.get("config")?;
    setting.values.first().map(PathBuf::from)
}

fn from_environment(
    command: &Command,
    environment: impl Iterator<Item = (OsString, OsString)>,
    warnings: &mut Vec<String>,
) -> Result<Source> {
    let keys = known_keys(command);
    let mut settings = Source::new();
    let mut variables: Vec<_> = environment.collect();
    variables.sort();
    for (variable, value) in variables {
        let Some(name) = variable
            .to_str()
            .and_then(|name| name.strip_prefix("SEISMIX_"))
        else {
            continue;
        };
        let key = name.to_ascii_lowercase().replace('_', "-");
        if !keys.contains(&key) {
            // Other programs may use the prefix, too: a variable must not stop a run.
            let nearest = nearest(&key, keys.iter().map(String::as_str)).map(|key| {
                let variable = key.to_ascii_uppercase().replace('-', "_");
                format!(": the nearest option has `SEISMIX_{variable}`")
            });
            warnings.push(format!(
                "the environment variable `SEISMIX_{name}` names no option and is ignored{}",
                nearest.unwrap_or_default()
            ));
            continue;
        }
        let Some(value) = value.to_str() else {
            return Err(Failure::usage(format!(
                "the environment variable `SEISMIX_{name}` is not UTF-8"
            )));
        };
        let setting = Setting {
            values: vec![value.to_owned()],
            origin: format!("the environment variable SEISMIX_{name}"),
        };
        settings.insert(key, setting);
    }
    Ok(settings)
}

/// The settings of a configuration file: of all commands, and of single ones.
#[derive(Debug, Default)]
struct ConfigFile {
    general: Source,
    of_command: BTreeMap<String, Source>,
}

/// Text of a configuration file, which may be a pipe of the shell but has an end.
fn read_text(path: &Path) -> io::Result<String> {
    /// Longest configuration file, bytes.
    const LONGEST: u64 = 1 << 20;
    let mut text = String::new();
    let file = fs::File::open(path)?;
    match file.take(LONGEST + 1).read_to_string(&mut text)? {
        n if n as u64 > LONGEST => Err(io::ErrorKind::FileTooLarge.into()),
        _ => Ok(text),
    }
}

impl ConfigFile {
    fn read(command: &Command, path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = read_text(path)
            .map_err(|error| Failure::usage(format!("the configuration file {shown}: {error}")))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            Failure::usage(format!("{shown}, line {line}: {}", error.message()))
        })?;
        let keys = known_keys(command);
        let mut file = Self::default();
        for (name, value) in table {
            let toml::Value::Table(section) = value else {
                insert(&mut file.general, &keys, path, (&name, &value))?;
                continue;
            };
            if let Some(subcommand) = command.find_subcommand(&name) {
                let source = command_table(command, subcommand, path, &section)?;
                file.of_command.insert(name, source);
            } else if GROUPS.contains(&name.as_str()) {
                for (key, value) in &section {
                    insert(&mut file.general, &keys, path, (key, value))?;
                }
            } else {
                let what = format!("{shown}: the table `[{name}]` is not known");
                let commands = command.get_subcommands().map(Command::get_name);
                let known: Vec<String> = commands.chain(GROUPS).map(str::to_owned).collect();
                return Err(unknown(&what, &name, &known, |key| format!("[{key}]")));
            }
        }
        Ok(file)
    }

    /// The settings for one command: a table named as the command overrides the keys outside of all tables.
    fn settings_of(mut self, subcommand: &Command) -> Source {
        let name = subcommand.get_name();
        let stages: &[&str] = if name == "run" { &STAGES } else { &[] };
        for table in stages.iter().chain([&name]) {
            self.general
                .extend(self.of_command.remove(*table).unwrap_or_default());
        }
        self.general
    }
}

/// The settings of the table `[command]`, whose keys are the options of that command or their aliases.
fn command_table(
    command: &Command,
    subcommand: &Command,
    path: &Path,
    section: &toml::Table,
) -> Result<Source> {
    let mut source = Source::new();
    let args: Vec<(&str, &Arg)> = options(command).chain(options(subcommand)).collect();
    let keys: Vec<String> = args.iter().map(|(long, _)| (*long).to_owned()).collect();
    for (key, value) in section {
        let given = key.replace('_', "-");
        let by_alias = args.iter().find(|(_, arg)| {
            let aliases = arg.get_all_aliases().unwrap_or_default();
            aliases.contains(&given.as_str())
        });
        let name = by_alias.map_or(given.as_str(), |(long, _)| *long);
        insert(&mut source, &keys, path, (name, value))?;
    }
    Ok(source)
}

fn insert(
    settings: &mut Source,
    keys: &[String],
    path: &Path,
    (name, value): (&str, &toml::Value),
) -> Result<()> {
    let shown = path.display();
    let key = name.replace('_', "-");
    if !keys.contains(&key) || key == "config" {
        let what = format!("{shown}: the key `{name}` is not known");
        return Err(unknown(&what, &key, keys, str::to_owned));
    }
    let values = match value {
        toml::Value::Array(values) => values.iter().map(as_text).collect::<Option<Vec<_>>>(),
        value => as_text(value).map(|text| vec![text]),
    };
    let values = values
        .ok_or_else(|| Failure::usage(format!("{shown}: `{name}` must be a value or a list")))?;
    let setting = Setting {
        values,
        origin: format!("{shown}, key `{name}`"),
    };
    match settings.insert(key, setting) {
        None => Ok(()),
        Some(_) => Err(Failure::usage(format!(
            "{shown}: `{name}` is given more than once"
        ))),
    }
}

/// A TOML value in the notation of the command line.
fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Table(_) | toml::Value::Array(_) => None,
        other => Some(other.to_string()),
    }
}

/// The error for an unknown name, with the nearest known one.
fn unknown(what: &str, name: &str, known: &[String], show: impl Fn(&str) -> String) -> Failure {
    let failure = Failure::usage(what);
    match nearest(name, known.iter().map(String::as_str)) {
        Some(key) => failure.with_help(format!("the nearest is `{}`", show(key))),
        None => {
            let known: Vec<_> = known.iter().map(|key| show(key)).collect();
            failure.with_help(format!("known are {}", known.join(", ")))
        }
    }
}

/// The known name nearest to `name`, if it differs by a slip: one edit in a short name, three at most.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (1 + name.chars().count() / 4).min(3);
    let (distance, key) = known.map(|key| (edit_distance(key, name), key)).min()?;
    (distance <= most).then_some(key)
}

/// The long name of the flag that a clap error is about, such as `octaves` of `--octaves <J>`.
pub fn flag_name(invalid_arg: &str) -> Option<&str> {
    let name = invalid_arg.strip_prefix("--")?;
    name.split([' ', '=', '[']).next()
}
