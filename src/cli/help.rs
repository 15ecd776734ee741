//! Help pages beyond what the options say of themselves: expert options, examples, completions, man pages, reference.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, ColorChoice, Command, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::context::CommandContext;
use super::exit::{Failure, Result};

/// Options that only `--help-all` lists, in all commands.
const EXPERT: [&str; 24] = [
    "amplitude",
    "batch",
    "block",
    "boundary",
    "center-envelopes",
    "filter-norm",
    "finest-levels",
    "given-power",
    "hidden",
    "keep-power",
    "latent",
    "layers",
    "learning-rate",
    "local-seed",
    "mixtures",
    "moments",
    "no-deflation",
    "no-temporal-whitening",
    "patience",
    "schedule",
    "start",
    "temperature",
    "validation",
    "with-background",
];

/// Examples at the end of each help page.
const EXAMPLES: [(&str, &str); 15] = [
    (
        "demo",
        "  seismix demo -o demo                  the whole pipeline on synthetic records, in a few minutes\n  \
           seismix demo -o demo2 --seed 1        the same with other records",
    ),
    (
        "info",
        "  seismix info archive/                 ids, rates, spans, gaps and amplitudes of an archive\n  \
           seismix info --json a.mseed           one JSON line for each gap-free segment\n  \
           seismix info archive/ --channel 'BH?' --starttime 2019-06-05 --endtime 2019-06-06",
    ),
    (
        "scatter",
        "  seismix scatter x.npy -o coefficients.npz\n  \
           seismix scatter x.npy -o c.npz --octaves 8 --pool 256 --normalize each-ps",
    ),
    (
        "features",
        "  seismix features archive/ -o features --dry-run\n  \
           seismix features archive/ -o features --scales 51.2s,204.8s,819.2s\n  \
           seismix features archive/ -o features --shard 2/8",
    ),
    (
        "train",
        "  seismix train features -o model\n  \
           seismix train features -o model --clusters auto --seeds 10",
    ),
    (
        "cluster",
        "  seismix cluster features -m model -o clusters.csv",
    ),
    (
        "separate",
        "  seismix separate archive/ -c clusters.csv --target 1024:3 -o separated\n  \
           seismix separate archive/ --windows windows.csv -o separated",
    ),
    (
        "deglitch",
        "  seismix deglitch day.mseed -o clean                  one file: learn, find, remove\n  \
           seismix deglitch archive/ -o clean --fdr 0.01        an SDS archive; fewer false finds\n  \
           seismix deglitch new/ -o clean2 --template clean/templates/XB.ELYSE.02.BH.json",
    ),
    (
        "template",
        "  seismix template clean/templates/XB.ELYSE.02.BH.json\n  \
           seismix template t.json --rate 10 -o t10.json",
    ),
    (
        "unmix",
        "  seismix unmix --mixture x.npy --background nk.npy -o out.npz\n  \
           seismix unmix --mixture x.npy --background nk.npy --source-snippets s.npy -o out.npz",
    ),
    (
        "synth",
        "  seismix synth --like x.npy -n 10 -o similar.npz\n  \
           seismix synth -m model --cluster 1024:3 -n 10 -o drawn.npz",
    ),
    ("report", "  seismix report run -o report.html"),
    (
        "run",
        "  seismix run archive/ -o run\n  \
           seismix run archive/ -o run --target 1024:3 --memory 4GiB\n  \
           seismix run archive/ -o run --config seismix.toml",
    ),
    (
        "completions",
        "  seismix completions bash > ~/.local/share/bash-completion/completions/seismix\n  \
           seismix completions zsh > ~/.zfunc/_seismix",
    ),
    ("man", "  seismix man ~/.local/share/man/man1"),
];

/// The command line with examples; expert options are hidden unless `all`.
pub fn command(all: bool) -> Command {
    Cli::command().mut_subcommands(|subcommand| {
        let name = subcommand.get_name().to_owned();
        let subcommand = match EXAMPLES.iter().find(|(command, _)| *command == name) {
            Some((_, text)) => with_examples(subcommand, text),
            None => subcommand,
        };
        subcommand.mut_args(|arg| {
            let is_expert = arg.get_long().is_some_and(|long| EXPERT.contains(&long));
            arg.hide(is_expert && !all)
        })
    })
}

/// A command with examples at the end of its help, after what its own long help says there.
fn with_examples(command: Command, text: &str) -> Command {
    let examples = format!("Examples:\n{text}");
    match command.get_after_long_help().map(ToString::to_string) {
        Some(own) => command
            .after_long_help(format!("{own}\n\n{examples}"))
            .after_help(examples),
        None => command.after_help(examples),
    }
}

/// The command line for these arguments: `--help-all` becomes `--help` with the expert options, and `--color` holds for
/// the help as well.
pub fn command_for(argv: &mut [OsString]) -> Command {
    let mut all = false;
    for arg in argv.iter_mut().filter(|arg| *arg == "--help-all") {
        all = true;
        *arg = "--help".into();
    }
    let has = |text: &str| argv.iter().any(|arg| arg == text);
    let follows = |when: &str| {
        argv.windows(2)
            .any(|pair| pair[0] == "--color" && pair[1] == when)
    };
    let color = if has("--color=never") || follows("never") {
        ColorChoice::Never
    } else if has("--color=always") || follows("always") {
        ColorChoice::Always
    } else {
        ColorChoice::Auto
    };
    command(all).color(color)
}

/// Print the completions of a shell
#[derive(Debug, Args)]
pub struct Completions {
    /// Shell that reads them
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(true), "seismix", &mut script);
        let script = String::from_utf8_lossy(&script);
        context.printer.text(script.trim_end())?;
        Ok(())
    }
}

/// Write the man pages, one for each command
#[derive(Debug, Args)]
pub struct Man {
    /// Folder for the pages
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Man {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        let mut command = command(true);
        // Subcommands refer to global options, which they have only after this.
        command.build();
        let pages = command.get_subcommands().filter(|c| !c.is_hide_set());
        self.write(context, "seismix", &command)?;
        for subcommand in pages {
            let name = format!("seismix-{}", subcommand.get_name());
            self.write(context, &name, subcommand)?;
        }
        Ok(())
    }

    fn write(&self, context: &mut CommandContext, name: &str, command: &Command) -> Result<()> {
        let mut page = Vec::new();
        // `name` of a command has to live as long as the program in clap; there are a dozen of them.
        let owned: &'static str = Box::leak(name.to_owned().into_boxed_str());
        clap_mangen::Man::new(command.clone().name(owned)).render(&mut page)?;
        let path = self.folder.join(format!("{name}.1"));
        write_file(&path, &page)?;
        context.printer.text(path.display())?;
        Ok(())
    }
}

fn write_file(path: &Path, content: &[u8]) -> Result<()> {
    use std::io::Write as _;
    seismix_core::atomic_file::atomic_write(path, |writer| {
        writer
            .write_all(content)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    })
}

/// Print the reference of all commands in Markdown, as docs/reference.md
#[derive(Debug, Args)]
pub struct Reference {}

impl Reference {
    /// Runs the command.
    pub fn run(&self, context: &mut CommandContext) -> Result<()> {
        context.printer.text(reference().trim_end())?;
        Ok(())
    }
}

/// The reference of all commands in Markdown.
fn reference() -> String {
    let mut text = String::from(
        "# Command reference\n\nGenerated by `seismix reference`; do not edit. Options marked with * are listed by \
         `--help-all` only.\n",
    );
    let command = command(true);
    let mut built = command.clone();
    built.build();
    for subcommand in built.get_subcommands() {
        if subcommand.is_hide_set() || subcommand.get_name() == "help" {
            continue;
        }
        section(&mut text, subcommand);
    }
    text.push_str("\n## Options of all commands\n\n");
    for arg in command.get_arguments() {
        option(&mut text, arg);
    }
    text
}

fn section(text: &mut String, command: &Command) {
    let mut usage = command.clone();
    let usage = usage.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    text.push_str(&format!("\n## seismix {}\n\n", command.get_name()));
    let about = command.get_long_about().or_else(|| command.get_about());
    if let Some(about) = about {
        text.push_str(&format!("{about}\n\n"));
    }
    text.push_str(&format!("```\n{usage}\n```\n\n"));
    let own = |arg: &&clap::Arg| !arg.is_global_set() && arg.get_id() != "help";
    for arg in command.get_arguments().filter(own) {
        option(text, arg);
    }
    if let Some((_, examples)) = EXAMPLES
        .iter()
        .find(|(name, _)| *name == command.get_name())
    {
        let lines: Vec<&str> = examples.lines().map(str::trim).collect();
        text.push_str(&format!(
            "\nExamples:\n\n```sh\n{}\n```\n",
            lines.join("\n")
        ));
    }
}

fn option(text: &mut String, arg: &clap::Arg) {
    let values: Vec<String> = arg
        .get_value_names()
        .filter(|_| arg.get_action().takes_values())
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    let value = values.join(" ");
    let flags: Vec<String> = arg
        .get_short()
        .map(|short| format!("-{short}"))
        .into_iter()
        .chain(arg.get_long().map(|long| format!("--{long}")))
        .chain(
            arg.get_visible_aliases()
                .unwrap_or_default()
                .into_iter()
                .map(|alias| format!("--{alias}")),
        )
        .collect();
    let expert = arg.get_long().is_some_and(|long| EXPERT.contains(&long));
    let mark = if expert { "\\*" } else { "" };
    let head = format!("{} {value}", flags.join(", "));
    text.push_str(&format!("- `{}`{mark}", head.trim()));
    if let Some(help) = arg.get_help() {
        text.push_str(&format!(": {}", help.to_string().replace('\n', " ")));
    }
    let names: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set() && arg.get_action().takes_values())
        .map(|value| value.get_name().to_owned())
        .collect();
    if !names.is_empty() {
        text.push_str(&format!(" (one of {})", names.join(", ")));
    }
    let default: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    if !default.is_empty() && arg.get_action().takes_values() {
        text.push_str(&format!(" [default: {}]", default.join(",")));
    }
    text.push('\n');
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A name has one type in all commands, so that one file and one set of variables serve them all.
    #[test]
    fn one_name_has_one_type() {
        let command = command(true);
        let mut types = std::collections::BTreeMap::new();
        for subcommand in command.get_subcommands() {
            for arg in subcommand.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                let takes = arg.get_action().takes_values();
                let parser = arg.get_value_parser().type_id();
                let (known, first) = types
                    .entry(long.to_owned())
                    .or_insert(((takes, parser), subcommand.get_name().to_owned()));
                assert!(
                    *known == (takes, parser),
                    "--{long} has different types in {first} and {}",
                    subcommand.get_name()
                );
            }
        }
        assert!(types.len() > 50);
    }

    #[test]
    fn every_page_has_examples_that_parse() {
        for subcommand in command(false).get_subcommands() {
            let name = subcommand.get_name();
            if subcommand.is_hide_set() {
                continue;
            }
            let (_, text) = EXAMPLES.iter().find(|(known, _)| *known == name).unwrap();
            for line in text.lines().map(str::trim) {
                let words = line
                    .split("  ")
                    .next()
                    .unwrap()
                    .split(" > ")
                    .next()
                    .unwrap();
                let words: Vec<String> = words.split(' ').map(|w| w.replace('\'', "")).collect();
                let parsed = command(true).try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn expert_options_exist_and_are_hidden_unless_all_are_shown() {
        for name in EXPERT {
            let of = |command: &Command| {
                let all = command.get_subcommands();
                let args = all.flat_map(Command::get_arguments);
                let found: Vec<bool> = args
                    .filter(|arg| arg.get_long() == Some(name))
                    .map(clap::Arg::is_hide_set)
                    .collect();
                found
            };
            assert!(
                !of(&command(false)).is_empty(),
                "--{name} is an option of no command"
            );
            assert!(of(&command(false)).iter().all(|hidden| *hidden));
            assert!(of(&command(true)).iter().all(|hidden| !hidden));
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        command(true).debug_assert();
    }

    /// docs/reference.md is what `seismix reference` prints.
    #[test]
    fn the_committed_reference_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed.trim_end() == reference().trim_end(),
            "run `seismix reference > docs/reference.md`"
        );
    }
}
