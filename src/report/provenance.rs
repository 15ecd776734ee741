//! The foot of the page: how to make the same again.

use super::data::Provenance;
use super::format::{bytes, escape, put};
use super::summary::plural;

/// Writes the section.
pub(crate) fn section(out: &mut String, provenance: &Provenance) {
    out.push_str(
        "<section id=\"provenance\"><h2>Provenance</h2><table class=\"facts-table\"><tbody>",
    );
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            put!(out, "<tr><th>{}</th><td>{}</td></tr>", escape(name), value);
        }
    };
    row("seismix", &escape(&provenance.version));
    if !provenance.command.is_empty() {
        row(
            "command",
            &format!("<code>{}</code>", escape(&provenance.command)),
        );
    }
    row("seed", &provenance.seed.to_string());
    for (name, value) in &provenance.facts {
        row(name, &escape(value));
    }
    out.push_str("</tbody></table>");
    if !provenance.configuration.trim().is_empty() {
        put!(
            out,
            "<details><summary>Full configuration</summary><pre>{}</pre></details>",
            escape(provenance.configuration.trim_end())
        );
    }
    if !provenance.inputs.is_empty() {
        put!(
            out,
            "<details><summary>{} with their hashes</summary><div class=\"wide\"><table><thead><tr><th>File</th>\
             <th class=\"n\">size</th><th>SHA-256</th></tr></thead><tbody>",
            plural(provenance.inputs.len() as u64, "input")
        );
        for input in &provenance.inputs {
            put!(
                out,
                "<tr><th>{}</th><td class=\"n\">{}</td><td><code class=\"hash\">{}</code></td></tr>",
                escape(&input.path),
                bytes(input.bytes),
                escape(&input.sha256)
            );
        }
        out.push_str("</tbody></table></div></details>");
    }
    out.push_str("</section>");
}
