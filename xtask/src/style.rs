//! `cargo xtask style`: counts over the source tree, and the bounds that they must keep.
//!
//! Tests, examples, benches and fuzz targets are left out. A function's length runs from its signature to its closing
//! brace; its parameters do not include `self`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// Folders with the code that is counted.
const FOLDERS: [&str; 6] = ["core", "data", "scattering", "vae", "separate", "src"];
/// Folders of numerical code, whose comments give the reason for each equation and constant.
const NUMERICAL: [&str; 3] = ["scattering/src", "vae/src", "separate/src"];
/// Folder whose functions are HTML templates.
const TEMPLATES: &str = "src/report/html";
/// First words that say nothing about the item that a doc comment belongs to.
const OPENINGS: [&str; 6] = ["What", "Whether", "How far", "Where", "As", "The same"];

const MAX_FUNCTION: usize = 80;
const MAX_TEMPLATE: usize = 120;
const FUNCTION_P90: usize = 35;
const MANY_PARAMETERS: usize = 6;
const MAX_WITH_MANY: usize = 8;
const MAX_FILE: usize = 500;
const FILE_P90: usize = 375;
const MAX_COMMENT_COLUMNS: usize = 120;
const MIN_COMMENTS: f64 = 20.0;

/// A function outside tests.
struct Function {
    place: String,
    lines: usize,
    parameters: usize,
    template: bool,
}

/// Counts over the tree.
#[derive(Default)]
struct Tree {
    functions: Vec<Function>,
    /// Lines of each file without its test module.
    files: Vec<(String, usize)>,
    /// Crates that define a public type of a name.
    types: BTreeMap<String, Vec<String>>,
    faults: Vec<String>,
    code: usize,
    numerical: (usize, usize),
}

/// Counts the tree at `root`, prints the figures, and lists what exceeds a bound.
///
/// # Errors
/// The number of faults, if there are any; a file that cannot be read or parsed.
pub fn check(root: &Path) -> Result<(), String> {
    let mut tree = Tree::default();
    for folder in FOLDERS {
        for path in rust_files(&root.join(folder))? {
            tree.add(root, &path)?;
        }
    }
    tree.report()
}

/// The Rust files below a folder in order of their paths, without those of tests, examples and benches.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(found);
    };
    for entry in entries {
        let path = entry
            .map_err(|e| format!("{}: {e}", folder.display()))?
            .path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_test = ["tests", "benches", "examples", "target"].contains(&&*name)
            || name.ends_with("_tests")
            || name.starts_with("test_");
        if is_test {
            continue;
        }
        if path.is_dir() {
            found.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

impl Tree {
    fn add(&mut self, root: &Path, path: &Path) -> Result<(), String> {
        let name = path
            .strip_prefix(root)
            .unwrap_or(path)
            .display()
            .to_string();
        let text = fs::read_to_string(path).map_err(|e| format!("{name}: {e}"))?;
        let syntax = syn::parse_file(&text).map_err(|e| format!("{name}: {e}"))?;
        if is_test(&syntax.attrs) {
            return Ok(());
        }
        let mut visitor = Visitor {
            name: &name,
            functions: Vec::new(),
            types: Vec::new(),
            tests: Vec::new(),
            globs: Vec::new(),
        };
        visitor.visit_file(&syntax);
        self.functions.append(&mut visitor.functions);
        let package = name.split('/').next().unwrap_or_default();
        for kind in visitor.types {
            let packages = self.types.entry(kind).or_default();
            if packages.last().is_none_or(|last| last != package) {
                packages.push(package.to_owned());
            }
        }
        for line in visitor.globs {
            self.faults
                .push(format!("{name}:{line}: `use super::*` outside tests"));
        }
        let in_tests = |number: usize| {
            visitor
                .tests
                .iter()
                .any(|(a, b)| (*a..=*b).contains(&number))
        };
        let numerical = NUMERICAL.iter().any(|folder| name.starts_with(folder));
        let mut lines = 0;
        let mut above = "";
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start();
            let number = index + 1;
            let before = std::mem::replace(&mut above, line);
            if in_tests(number) {
                continue;
            }
            lines += 1;
            let inline = line.starts_with("//") && !is_doc(line);
            if !line.is_empty() && !line.starts_with("//") {
                self.code += 1;
                self.numerical.0 += usize::from(numerical);
            }
            self.numerical.1 += usize::from(numerical && inline);
            self.check_line(&format!("{name}:{number}"), line, before);
        }
        self.files.push((name, lines));
        Ok(())
    }

    fn check_line(&mut self, place: &str, line: &str, above: &str) {
        if !line.starts_with("//") {
            return;
        }
        if line.chars().count() > MAX_COMMENT_COLUMNS {
            self.faults.push(format!(
                "{place}: comment longer than {MAX_COMMENT_COLUMNS} columns"
            ));
        }
        let text = line.trim_start_matches(['/', '!']).trim_start();
        if is_doc(line) && !is_doc(above) {
            let opening = OPENINGS.iter().find(|opening| {
                let rest = text.strip_prefix(**opening);
                rest.is_some_and(|rest| rest.starts_with([' ', ',']))
            });
            if let Some(opening) = opening {
                self.faults
                    .push(format!("{place}: doc comment opens with `{opening}`"));
            }
        }
    }

    fn report(mut self) -> Result<(), String> {
        self.functions.sort_by_key(|f| f.lines);
        self.files.sort_by_key(|f| f.1);
        let many = self
            .functions
            .iter()
            .filter(|f| f.parameters >= MANY_PARAMETERS);
        let many: Vec<String> = many.map(|f| f.place.clone()).collect();
        let function_p90 = p90(self.functions.iter().map(|f| f.lines).collect());
        let file_p90 = p90(self.files.iter().map(|f| f.1).collect());
        for function in &self.functions {
            let bound = if function.template {
                MAX_TEMPLATE
            } else {
                MAX_FUNCTION
            };
            if function.lines > bound {
                let Function { place, lines, .. } = function;
                self.faults
                    .push(format!("{place}: {lines} lines, at most {bound}"));
            }
        }
        for (name, lines) in self.files.iter().filter(|f| f.1 > MAX_FILE) {
            self.faults
                .push(format!("{name}: {lines} lines, at most {MAX_FILE}"));
        }
        for (kind, packages) in self.types.iter().filter(|t| t.1.len() > 1) {
            if !["Error", "Result"].contains(&kind.as_str()) {
                self.faults.push(format!(
                    "public type `{kind}` is defined in {}",
                    packages.join(", ")
                ));
            }
        }
        if function_p90 > FUNCTION_P90 {
            self.faults.push(format!(
                "functions: 90th percentile {function_p90} lines, at most {FUNCTION_P90}"
            ));
        }
        if file_p90 > FILE_P90 {
            self.faults.push(format!(
                "files: 90th percentile {file_p90} lines, at most {FILE_P90}"
            ));
        }
        if many.len() > MAX_WITH_MANY {
            let n = many.len();
            self.faults.push(format!(
                "{n} functions have {MANY_PARAMETERS} or more parameters, at most {MAX_WITH_MANY}: {}",
                many.join(", ")
            ));
        }
        let (code, comments) = self.numerical;
        let density = 1000.0 * comments as f64 / code.max(1) as f64;
        if density < MIN_COMMENTS {
            self.faults.push(format!(
                "numerical code has {density:.1} inline comments per 1000 lines, at least {MIN_COMMENTS}"
            ));
        }
        say(format!("code lines           {}", self.code));
        say(format!(
            "functions            {}, p90 {function_p90}, longest {}",
            self.functions.len(),
            self.functions.last().map_or(0, |f| f.lines)
        ));
        say(format!("6 or more parameters {}", many.len()));
        say(format!(
            "files                {}, p90 {file_p90}, longest {}",
            self.files.len(),
            self.files.last().map_or(0, |f| f.1)
        ));
        say(format!(
            "inline comments      {density:.1} per 1000 lines of numerical code"
        ));
        for fault in &self.faults {
            say(fault.clone());
        }
        match self.faults.len() {
            0 => Ok(()),
            n => Err(format!("{n} faults")),
        }
    }
}

/// Prints a line; a reader such as `head` may have gone.
fn say(line: String) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn is_doc(line: &str) -> bool {
    line.starts_with("///") || line.starts_with("//!")
}

fn p90(mut values: Vec<usize>) -> usize {
    values.sort_unstable();
    values.get(values.len() * 9 / 10).copied().unwrap_or(0)
}

/// True for `#[cfg(test)]` and `#[test]`.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        syn::Meta::NameValue(_) => false,
    })
}

/// Walks one file and leaves out its tests.
struct Visitor<'a> {
    name: &'a str,
    functions: Vec<Function>,
    types: Vec<String>,
    /// First and last lines of test items.
    tests: Vec<(usize, usize)>,
    /// Lines of `use super::*`.
    globs: Vec<usize>,
}

impl Visitor<'_> {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.span().start().line;
        let last = block.span().end().line;
        let parameters = signature.inputs.iter();
        self.functions.push(Function {
            place: format!("{}:{first} {}", self.name, signature.ident),
            lines: last + 1 - first,
            parameters: parameters
                .filter(|p| matches!(p, syn::FnArg::Typed(_)))
                .count(),
            template: self.name.starts_with(TEMPLATES),
        });
    }

    /// Notes a public type; types of private modules count too, since a reader meets them by name.
    fn kind(&mut self, visibility: &syn::Visibility, name: &syn::Ident) {
        if matches!(visibility, syn::Visibility::Public(_)) {
            self.types.push(name.to_string());
        }
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if is_test(attributes) {
            let span = item.span();
            self.tests.push((span.start().line, span.end().line));
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.kind(&item.vis, &item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.kind(&item.vis, &item.ident);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if let syn::UseTree::Path(path) = &item.tree
            && path.ident == "super"
            && matches!(*path.tree, syn::UseTree::Glob(_))
        {
            self.globs.push(item.span().start().line);
        }
    }
}
