//! The page: head, style, colours, navigation, script, and one module for each section.

mod clusters;
mod fingerprint;
pub(crate) mod format;
mod gallery;
mod palette;
mod provenance;
mod record;
mod record_data;
mod separations;
mod stability;
mod summary;
mod training;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::ReportData;
use format::put;
use palette::{N_COLOURS, dark, hex, light, takes_dark_text};

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");

/// Renders the report as one HTML page that needs no other file and no network.
///
/// All text from outside is escaped; without scripts the page shows everything, with them it zooms, marks clusters and
/// shows one scale at a time. The same data give the same bytes.
#[must_use]
pub fn render_html(data: &ReportData) -> String {
    let or = |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
    let unit = or(&data.amplitude_unit, "counts");
    let title = or(&data.title, "Seismic record");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(format!("seismix {}", data.provenance.version));
                title { (title) " · seismix" }
                style { (PreEscaped(STYLE)) (PreEscaped(colours())) }
            }
            body {
                header class="top" {
                    p class="brand" { "seismix report" }
                    h1 { (title) }
                    nav { (links(data)) }
                }
                main {
                    (summary::section(data))
                    (record::section(data, &unit))
                    (clusters::section(data, &unit))
                    (stability::section(data))
                    (training::section(data))
                    (separations::section(data, &unit))
                    (provenance::section(&data.provenance))
                }
                div id="tip" hidden {}
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string() + "\n"
}

fn links(data: &ReportData) -> Markup {
    let sections = [
        ("summary", "Summary", true),
        ("record", "Record", true),
        ("clusters", "Clusters", true),
        ("stability", "Stability", data.stability.is_some()),
        ("training", "Training", data.training.is_some()),
        ("separations", "Separated sources", true),
        ("provenance", "Provenance", true),
    ];
    html! {
        @for (id, name, _) in sections.iter().filter(|section| section.2) {
            a href=(format!("#{id}")) { (name) }
        }
    }
}

/// Rules for the clusters' colours: `.f0` fills, `.s0` strokes, `.b0` is a background with readable text.
fn colours() -> String {
    let mut light_rules = String::from(":root{");
    let mut dark_rules = String::from("@media screen and (prefers-color-scheme:dark){:root{");
    let mut uses = String::new();
    let ink = |rgb| if takes_dark_text(rgb) { "#111" } else { "#fff" };
    for i in 0..N_COLOURS as u32 {
        let (day, night) = (light(i), dark(i));
        put!(light_rules, "--c{i}:{};--t{i}:{};", hex(day), ink(day));
        put!(dark_rules, "--c{i}:{};--t{i}:{};", hex(night), ink(night));
        put!(
            uses,
            ".f{i}{{fill:var(--c{i})}}.s{i}{{stroke:var(--c{i})}}.b{i}{{background:var(--c{i});color:var(--t{i})}}"
        );
    }
    format!("{light_rules}}}{dark_rules}}}}}{uses}")
}
