//! The page around the sections: head, style, colours, navigation, script.

use super::data::ReportData;
use super::format::{escape, put};
use super::palette::{N_COLOURS, dark, hex, light, takes_dark_text};
use super::{clusters, provenance, record, separations, stability, summary, training};

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");

/// The whole report as one HTML page that needs nothing else, neither files nor the network.
///
/// Everything that comes from outside is escaped; without scripts the page shows all it has, with them
/// it zooms, marks clusters and shows one scale at a time. The same data give the same bytes.
#[must_use]
pub fn render_html(data: &ReportData) -> String {
    let unit = if data.amplitude_unit.is_empty() {
        "counts"
    } else {
        &data.amplitude_unit
    };
    let title = if data.title.is_empty() {
        "Seismic record"
    } else {
        &data.title
    };
    let mut out = String::with_capacity(1 << 20);
    put!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
         <meta name=\"color-scheme\" content=\"light dark\"/>\
         <meta name=\"generator\" content=\"seismix {}\"/><title>{} · seismix</title><style>{STYLE}{}</style></head><body>",
        escape(&data.provenance.version),
        escape(title),
        colours()
    );
    put!(
        out,
        "<header class=\"top\"><p class=\"brand\">seismix report</p><h1>{}</h1><nav>",
        escape(title)
    );
    let mut link = |id: &str, name: &str| put!(out, "<a href=\"#{id}\">{name}</a>");
    link("summary", "Summary");
    link("record", "Record");
    link("clusters", "Clusters");
    if data.stability.is_some() {
        link("stability", "Do they repeat?");
    }
    if data.training.is_some() {
        link("training", "Training");
    }
    link("separations", "Separated sources");
    link("provenance", "Provenance");
    out.push_str("</nav></header><main>");
    summary::section(&mut out, data);
    record::section(&mut out, data, unit);
    clusters::section(&mut out, data, unit);
    stability::section(&mut out, data);
    training::section(&mut out, data);
    separations::section(&mut out, data, unit);
    provenance::section(&mut out, &data.provenance);
    put!(
        out,
        "</main><div id=\"tip\" hidden></div><script>{SCRIPT}</script></body></html>\n"
    );
    out
}

/// Rules for the clusters' colours: `.f0` fills, `.s0` strokes, `.b0` is a background with readable text.
fn colours() -> String {
    let mut light_rules = String::from(":root{");
    let mut dark_rules = String::from("@media screen and (prefers-color-scheme:dark){:root{");
    let mut uses = String::new();
    let ink = |rgb| if takes_dark_text(rgb) { "#111" } else { "#fff" };
    for i in 0..N_COLOURS as u32 {
        put!(
            light_rules,
            "--c{i}:{};--t{i}:{};",
            hex(light(i)),
            ink(light(i))
        );
        put!(
            dark_rules,
            "--c{i}:{};--t{i}:{};",
            hex(dark(i)),
            ink(dark(i))
        );
        put!(
            uses,
            ".f{i}{{fill:var(--c{i})}}.s{i}{{stroke:var(--c{i})}}.b{i}{{background:var(--c{i});color:var(--t{i})}}"
        );
    }
    format!("{light_rules}}}{dark_rules}}}}}{uses}")
}
