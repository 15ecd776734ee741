//! Where a setting may come from: flag > `SEISMIX_*` variable > `--config` file > default.
//!
//! Settings of the environment and of the file become flags at the end of the command line, where the same flag is
//! not given there already; so one parser checks the values of all three.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};

use super::failure::{Failure, Result};

/// Flags that answer the same question: giving one in a higher place silences all of them in the lower ones.
const ALTERNATIVES: [&[&str]; 2] = [&["resume", "fresh"], &["window", "scales"]];

/// Tables that a configuration file may use to group its keys.
const SECTIONS: [&str; 5] = ["selection", "transform", "training", "separation", "run"];

/// A setting from below the command line.
#[derive(Debug, Clone)]
struct Setting {
    value: String,
    origin: String,
}

/// The settings that join a command line, and where each comes from.
#[derive(Debug, Default)]
pub struct PerLayer {
    joined: BTreeMap<String, String>,
}

impl PerLayer {
    /// Where the value of `--name` comes from, if not from the command line.
    pub fn origin(&self, name: &str) -> Option<&str> {
        self.joined.get(name).map(String::as_str)
    }
}

/// Adds what the environment and the configuration file say to the command line `argv`.
///
/// # Errors
/// Usage errors: an unknown key (with the nearest valid one), a file that cannot be read, a switch that is neither true nor false.
pub fn join(
    command: &Command,
    argv: Vec<OsString>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(Vec<OsString>, PerLayer)> {
    let keys = known_keys(command);
    let environment = from_environment(&keys, environment)?;
    let Some(subcommand) = argv
        .iter()
        .skip(1)
        .find_map(|arg| command.find_subcommand(arg))
    else {
        return Ok((argv, PerLayer::default()));
    };
    let file = match config_path(&argv, &environment)? {
        Some(path) => from_file(&keys, &path)?,
        None => BTreeMap::new(),
    };

    let args: BTreeMap<&str, &Arg> = options(command).chain(options(subcommand)).collect();
    let mut taken: Vec<&str> = args
        .iter()
        .filter(|(name, arg)| is_given(&argv, name, arg))
        .map(|(name, _)| *name)
        .collect();
    let mut added = Vec::new();
    let mut layers = PerLayer::default();
    for layer in [environment, file] {
        let mut here = Vec::new();
        for (name, setting) in layer {
            let Some((&name, &arg)) = args.get_key_value(name.as_str()) else {
                continue;
            };
            if alternatives(name).any(|other| taken.contains(&other)) {
                continue;
            }
            here.push(name);
            layers
                .joined
                .insert(name.to_owned(), setting.origin.clone());
            added.extend(as_flag(name, arg, &setting)?);
        }
        taken.extend(here);
    }
    let mut argv = argv;
    let end = argv
        .iter()
        .position(|arg| arg == "--")
        .unwrap_or(argv.len());
    argv.splice(end..end, added);
    Ok((argv, layers))
}

/// The options of a command by their long names; `--help` and `--version` are none.
pub fn options(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    command
        .get_arguments()
        .filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version"))
        .filter_map(|arg| arg.get_long().map(|long| (long, arg)))
}

/// The options of all commands: one file serves them all, and each takes what concerns it.
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

/// Whether the command line has this option, long or short.
fn is_given(argv: &[OsString], name: &str, arg: &Arg) -> bool {
    argv.iter()
        .skip(1)
        .filter_map(|arg| arg.to_str())
        .any(|given| {
            if let Some(long) = given.strip_prefix("--") {
                long.split('=').next() == Some(name)
            } else {
                let short = given.strip_prefix('-').and_then(|rest| rest.chars().next());
                short.is_some() && short == arg.get_short()
            }
        })
}

fn as_flag(name: &str, arg: &Arg, setting: &Setting) -> Result<Option<OsString>> {
    let wrong = |wanted: &str| {
        Failure::usage(format!(
            "`{}` is no value of `{name}` (from {}); write {wanted}",
            setting.value, setting.origin
        ))
    };
    let flag = match arg.get_action() {
        ArgAction::SetTrue => match setting.value.as_str() {
            "true" | "1" | "yes" | "on" => Some(format!("--{name}")),
            "false" | "0" | "no" | "off" | "" => None,
            _ => return Err(wrong("`true` or `false`")),
        },
        ArgAction::Count => match setting.value.parse::<usize>() {
            Ok(0) => None,
            Ok(n) if n < 10 => arg
                .get_short()
                .map(|short| format!("-{}", short.to_string().repeat(n))),
            _ => return Err(wrong("a number from 0 to 9")),
        },
        _ => Some(format!("--{name}={}", setting.value)),
    };
    Ok(flag.map(OsString::from))
}

fn config_path(
    argv: &[OsString],
    environment: &BTreeMap<String, Setting>,
) -> Result<Option<PathBuf>> {
    let mut given = argv.iter().skip(1);
    while let Some(arg) = given.next() {
        if arg == "--config" {
            // Without a value the parser will complain better than we could.
            return Ok(given.next().map(PathBuf::from));
        }
        if let Some(path) = arg.to_str().and_then(|arg| arg.strip_prefix("--config=")) {
            return Ok(Some(PathBuf::from(path)));
        }
    }
    Ok(environment
        .get("config")
        .map(|setting| PathBuf::from(&setting.value)))
}

fn from_environment(
    keys: &[String],
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<String, Setting>> {
    let mut settings = BTreeMap::new();
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
            let as_variable =
                |key: &str| format!("SEISMIX_{}", key.to_ascii_uppercase().replace('-', "_"));
            return Err(unknown(
                &format!("the environment variable `SEISMIX_{name}` is not known"),
                &key,
                keys,
                as_variable,
            ));
        }
        let Some(value) = value.to_str() else {
            return Err(Failure::usage(format!(
                "the environment variable `SEISMIX_{name}` is not UTF-8"
            )));
        };
        let setting = Setting {
            value: value.to_owned(),
            origin: format!("the environment variable SEISMIX_{name}"),
        };
        settings.insert(key, setting);
    }
    Ok(settings)
}

fn from_file(keys: &[String], path: &Path) -> Result<BTreeMap<String, Setting>> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("the configuration file {shown}: {error}")))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        Failure::usage(format!("{shown}, line {line}: {}", error.message()))
    })?;
    let mut settings = BTreeMap::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(section) => {
                if !SECTIONS.contains(&name.as_str()) {
                    let what = format!("{shown}: the table `[{name}]` is not known");
                    let sections = SECTIONS.map(str::to_owned);
                    return Err(unknown(&what, &name, &sections, |key| format!("[{key}]")));
                }
                for (name, value) in section {
                    insert(&mut settings, keys, path, name, &value)?;
                }
            }
            value => insert(&mut settings, keys, path, name, &value)?,
        }
    }
    Ok(settings)
}

fn insert(
    settings: &mut BTreeMap<String, Setting>,
    keys: &[String],
    path: &Path,
    name: String,
    value: &toml::Value,
) -> Result<()> {
    let shown = path.display();
    let key = name.replace('_', "-");
    if !keys.contains(&key) || key == "config" {
        let what = format!("{shown}: the key `{name}` is not known");
        return Err(unknown(&what, &key, keys, str::to_owned));
    }
    let value = as_text(value)
        .ok_or_else(|| Failure::usage(format!("{shown}: `{name}` must be a value or a list")))?;
    let setting = Setting {
        value,
        origin: format!("{shown}, key `{name}`"),
    };
    match settings.insert(key, setting) {
        None => Ok(()),
        Some(_) => Err(Failure::usage(format!(
            "{shown}: `{name}` is given more than once"
        ))),
    }
}

/// A TOML value as one would write it behind a flag.
fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Array(values) => {
            let values: Option<Vec<_>> = values.iter().map(as_text).collect();
            values.map(|values| values.join(","))
        }
        toml::Value::Table(_) => None,
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

/// The known name that is nearest to `name`, unless they have little in common.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, key) = known
        .map(|key| (strsim::damerau_levenshtein(key, name), key))
        .min()?;
    (distance <= 1 + name.len() / 2).then_some(key)
}

/// The long name of the flag that a clap error is about, such as `octaves` of `--octaves <J>`.
pub fn flag_name(invalid_arg: &str) -> Option<&str> {
    let name = invalid_arg.strip_prefix("--")?;
    name.split([' ', '=', '[']).next()
}
