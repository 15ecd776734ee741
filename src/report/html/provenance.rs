//! The foot of the page: version, command, settings and inputs.

use maud::{Markup, html};

use super::format::{bytes, plural};
use crate::report::ReportProvenance;

/// Renders the section.
pub(super) fn section(provenance: &ReportProvenance) -> Markup {
    html! {
        section id="provenance" {
            h2 { "Provenance" }
            table class="facts-table" {
                tbody {
                    tr { th { "seismix" } td { (provenance.version) } }
                    @if !provenance.command.is_empty() {
                        tr { th { "command" } td { code { (provenance.command) } } }
                    }
                    tr { th { "seed of all random numbers" } td { (provenance.seed) } }
                    @for (name, value) in &provenance.facts {
                        tr { th { (name) } td { (value) } }
                    }
                }
            }
            @if !provenance.configuration.trim().is_empty() {
                details {
                    summary { "Full configuration" }
                    pre { (provenance.configuration.trim_end()) }
                }
            }
            @if !provenance.inputs.is_empty() {
                (inputs(provenance))
            }
        }
    }
}

fn inputs(provenance: &ReportProvenance) -> Markup {
    html! {
        details {
            summary { (plural(provenance.inputs.len() as u64, "input file")) " with checksums" }
            div class="wide" {
                table {
                    thead { tr { th { "File" } th class="n" { "size" } th { "SHA-256" } } }
                    tbody {
                        @for input in &provenance.inputs {
                            tr {
                                th { (input.path) }
                                td class="n" { (bytes(input.bytes)) }
                                td { code class="hash" { (input.sha256) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
