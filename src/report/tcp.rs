//! The report's part on TCP connections of which nothing was read.

use std::fmt::{self, Write as _};

use comfy_table::{CellAlignment, Table};

use super::table::{Layout, time};
use super::text::counted;
use crate::ledger::TcpRow;

/// A table of where they went, and a line for what did not go well without a rule.
pub(super) fn tell(out: &mut String, rows: &[TcpRow], layout: Layout) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = Table::new();
    layout.apply(&mut table);
    table.set_header(COLUMNS);
    for row in rows {
        table.add_row(cells(row));
    }
    for column in table.column_iter_mut().skip(WORDS) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "{table}")?;
    rows.iter().try_for_each(|row| trouble(out, row))
}

fn cells(row: &TcpRow) -> [String; COLUMNS.len()] {
    [
        row.name.to_string(),
        row.upstream.to_string(),
        row.connections.to_string(),
        row.struck.to_string(),
        row.injected.to_string(),
        if row.shut == 0 { "-".to_owned() } else { time(row.shut_us) },
        size(row.bytes_up),
        size(row.bytes_down),
    ]
}

fn trouble(out: &mut String, row: &TcpRow) -> fmt::Result {
    let lines = [
        (row.unreachable, "came to nothing, as the far end could not be reached."),
        (row.upstream_failed, "broken off by the far end."),
        (row.client_gone, "broken off by the client."),
    ];
    for (number, how) in lines.into_iter().filter(|(number, _)| *number > 0) {
        writeln!(out, "{}: {} {how}", row.name, counted(number, "connection"))?;
    }
    Ok(())
}

/// With the digits that matter.
fn size(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        ..10_000 => format!("{bytes} B"),
        10_000..1_000_000 => format!("{} KB", tenths(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", tenths(1_000_000)),
        _ => format!("{} GB", tenths(1_000_000_000)),
    }
}

const COLUMNS: [&str; 8] = ["tcp", "far end", "connections", "struck", "ended by rules", "not listening", "up", "down"];
/// Columns of words; the rest are figures.
const WORDS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_told_by_where_they_went() {
        let db = TcpRow {
            name: "postgres".into(),
            upstream: "127.0.0.1:5432".into(),
            connections: 12,
            struck: 3,
            injected: 2,
            unreachable: 1,
            shut: 1,
            shut_us: 20_000_000,
            bytes_up: 900,
            bytes_down: 1_234_567,
            ..TcpRow::default()
        };
        let mut out = String::new();
        tell(&mut out, &[db], Layout::default()).unwrap();
        let want = "\
| tcp      | far end        | connections | struck | ended by rules | not listening |    up |   down |
|----------|----------------|-------------|--------|----------------|---------------|-------|--------|
| postgres | 127.0.0.1:5432 |          12 |      3 |              2 |        20.0 s | 900 B | 1.2 MB |
postgres: 1 connection came to nothing, as the far end could not be reached.
";
        assert_eq!(out, want, "\n{out}");
        assert_eq!([9_999, 10_000, 12_345_678_901].map(size), ["9999 B", "10.0 KB", "12.3 GB"]);
    }

    #[test]
    fn without_any_nothing_is_told() {
        let mut out = String::new();
        tell(&mut out, &[], Layout::default()).unwrap();
        assert_eq!(out, "");
    }
}
