"""Tables in the style of `squall demo`."""

from __future__ import annotations

from collections.abc import Sequence


def drawn(header: Sequence[str], rows: Sequence[Sequence[object]], rules_before: Sequence[int] = ()) -> str:
    """With its first column to the left and the others to the right, and a line above each row of `rules_before`."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        others = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        return "│ " + " ┆ ".join([row[0].ljust(widths[0]), *others]) + " │"

    def rule(left: str, dash: str, cross: str, right: str) -> str:
        return left + cross.join(dash * (width + 2) for width in widths) + right

    lines = [rule("┌", "─", "┬", "┐"), line(cells[0]), rule("╞", "═", "╪", "╡")]
    for number, row in enumerate(cells[1:]):
        if number in rules_before:
            lines.append(rule("├", "╌", "┼", "┤"))
        lines.append(line(row))
    return "\n".join([*lines, rule("└", "─", "┴", "┘")])
