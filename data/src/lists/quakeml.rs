//! Entries of QuakeML: the picks of an event, or its origin where it has none.

use super::interval::{ListedId, ListedInterval};
use crate::catalog::{Catalog, CatalogEvent};

/// Entries of a catalogue. The kind is the phase of a pick, or else the type of the event.
pub(super) fn intervals(catalog: &Catalog) -> Vec<ListedInterval> {
    catalog.events.iter().flat_map(of_event).collect()
}

fn of_event(event: &CatalogEvent) -> Vec<ListedInterval> {
    let entry =
        |onset_ns: i64, id: Option<ListedId>, phase: Option<&String>, row: u64| ListedInterval {
            id,
            channel: None,
            onset_ns,
            end_ns: None,
            kind: phase.or(event.kind.as_ref()).cloned(),
            row,
        };
    let picks = event.picks.iter();
    let picks = picks.map(|p| entry(p.time_ns, ListedId::of(&p.id), p.phase.as_ref(), p.line));
    let picks: Vec<ListedInterval> = picks.collect();
    if !picks.is_empty() {
        return picks;
    }
    let origin = event
        .origin()
        .map(|o| entry(o.time_ns, None, None, event.line));
    origin.into_iter().collect()
}
