//! The report's table, a row per operation, and how it may look.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::ledger::OperationRow;

/// How the report may look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    /// Columns of the terminal. Without it nothing is wrapped, as suits a log.
    pub width: Option<u16>,
    /// What lines are drawn with.
    pub borders: Borders,
}

/// What a table's lines are drawn with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Borders {
    /// Plain characters, as a Markdown table: for logs and pipes.
    #[default]
    Ascii,
    /// Box-drawing characters: for a terminal.
    Utf8,
}

impl Layout {
    pub(super) fn apply(self, table: &mut Table) {
        table.load_style(match self.borders {
            Borders::Ascii => presets::ASCII_MARKDOWN,
            Borders::Utf8 => presets::UTF8_HORIZONTAL_ONLY,
        });
        if let Some(width) = self.width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
    }
}

/// A row per operation.
pub(super) fn table(operations: &[OperationRow], layout: Layout) -> Table {
    let mut table = Table::new();
    layout.apply(&mut table);
    table.set_header(COLUMNS);
    for row in operations {
        table.add_row(cells(row));
    }
    for column in table.column_iter_mut().skip(WORDS) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn cells(row: &OperationRow) -> [String; COLUMNS.len()] {
    let time = |micros: Option<u64>| micros.map_or_else(|| "-".to_owned(), time);
    [
        row.service.to_owned(),
        row.operation.unwrap_or("?").to_owned(),
        if row.invocations == 0 { "-".to_owned() } else { row.invocations.to_string() },
        row.counts.attempts.to_string(),
        row.counts.injected.to_string(),
        row.counts.upstream_errors().to_string(),
        time(row.p50_us),
        time(row.p95_us),
        time(row.p99_us),
    ]
}

/// Microseconds with two or three digits that matter.
pub(super) fn time(micros: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", micros / unit, micros % unit * 10 / unit);
    match micros {
        ..100_000 => format!("{} ms", tenths(1_000)),
        100_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..100_000_000 => format!("{} s", tenths(1_000_000)),
        _ => format!("{} s", micros / 1_000_000),
    }
}

const COLUMNS: [&str; 9] =
    ["service", "operation", "invocations", "attempts", "injected", "upstream errors", "p50", "p95", "p99"];
/// Columns of words; the rest are figures.
const WORDS: usize = 2;
