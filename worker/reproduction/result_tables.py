"""Measured tables with the paper's values for comparison, as Markdown and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models_store.whole_files import reporting_write_errors, write_whole
from worker.engine.scores.metrics import Scores, Summary
from worker.reproduction.result_cache import MethodResult


@dataclass(frozen=True)
class Cell:
    """Scores of one cell over repeats and images; None where a method is not applicable."""

    psnr_db: Summary | None = None
    ssim: Summary | None = None
    seconds: float = 0.0
    steps: int = 0
    note: str = ""
    paper_db: float | None = None

    @classmethod
    def of(
        cls,
        outcomes: Sequence[MethodResult],
        estimate: str,
        *,
        other_scale: bool,
        paper_db: float | None = None,
    ) -> "Cell":
        scores: list[Scores] = [each for outcome in outcomes for each in outcome.scores.get(estimate, [])]
        first = outcomes[0]
        if not scores:
            return cls(note=first.note, paper_db=paper_db)
        if other_scale:
            psnr, ssim = (
                [each.affine_invariant_psnr_db for each in scores],
                [each.fitted_ssim for each in scores],
            )
        else:
            psnr, ssim = [each.psnr_db for each in scores], [each.ssim for each in scores]
        return cls(
            psnr_db=Summary.of(psnr),
            ssim=Summary.of(ssim),
            seconds=sum(outcome.seconds for outcome in outcomes) / len(outcomes),
            steps=first.steps,
            note=first.note,
            paper_db=paper_db,
        )

    def text(self) -> str:
        if self.psnr_db is None:
            return "-"
        error = self.psnr_db.standard_error
        return f"{self.psnr_db.mean:.2f}" + ("" if error is None else f" ± {error:.2f}")


@dataclass(frozen=True)
class Table:
    """Table of cells by row and column; `columns` in display order."""

    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Cell]]
    notes: tuple[str, ...] = ()
    circumstances: Mapping[str, Any] | None = None

    def markdown(self) -> str:
        """Return PSNR with the paper's PSNR per column, then SSIM, then time and training steps."""
        parts = [f"## {self.title}", self._circumstances(), self._psnr(), self._ssim(), self._effort()]
        parts += ["\n".join(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n\n".join(part for part in parts if part) + "\n"

    def record(self) -> dict[str, Any]:
        rows = {
            name: {column: asdict(cell) for column, cell in row.items()} for name, row in self.rows.items()
        }
        return {
            "title": self.title,
            "columns": self.columns,
            "rows": rows,
            "notes": self.notes,
            **(self.circumstances or {}),
        }

    def _circumstances(self) -> str:
        named = self.circumstances or {}
        listed = [f"{name} {value}" for name, value in named.items() if isinstance(value, str | int)]
        return ", ".join([f"preset {named['preset']['name']}", *listed]) if named else ""

    def _psnr(self) -> str:
        with_paper = [column for column in self.columns if any(self._paper(row, column) for row in self.rows)]
        header = [
            f"PSNR (dB) | {' | '.join(_heading(column, column in with_paper) for column in self.columns)}"
        ]
        lines = [
            [
                name,
                *(
                    text
                    for column in self.columns
                    for text in (
                        _cell(row, column).text(),
                        *([self._paper(name, column) or "-"] if column in with_paper else []),
                    )
                ),
            ]
            for name, row in self.rows.items()
        ]
        return _markdown_table(header[0].split(" | "), lines)

    def _ssim(self) -> str:
        rows = {name: row for name, row in self.rows.items() if any(cell.ssim for cell in row.values())}
        lines = [
            [
                name,
                *(
                    f"{cell.ssim.mean:.4f}" if (cell := _cell(row, column)).ssim else "-"
                    for column in self.columns
                ),
            ]
            for name, row in rows.items()
        ]
        return _markdown_table(["SSIM", *self.columns], lines)

    def _effort(self) -> str:
        lines = [
            [
                name,
                *(
                    f"{cell.seconds:.0f} s, {cell.steps}"
                    for column in self.columns
                    if (cell := _cell(row, column))
                ),
            ]
            for name, row in self.rows.items()
            if any(cell.steps for cell in row.values())
        ]
        return _markdown_table(["time, training steps", *self.columns], lines) if lines else ""

    def _paper(self, name: str, column: str) -> str:
        value = _cell(self.rows[name], column).paper_db
        return "" if value is None else f"{value:.2f}"


def unscored(rows: Mapping[str, Mapping[str, Cell]], columns: Sequence[str]) -> list[str]:
    """Return a note on each empty cell with the reason."""
    return [
        f"{column}: {name} is not applicable, {cell.note}"
        for column in columns
        for name, row in rows.items()
        if (cell := row.get(column)) and cell.psnr_db is None
    ]


def write_tables(folder: Path, stem: str, tables: Sequence[Table]) -> tuple[Path, Path]:
    """Write `stem.md` and `stem.json` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    text, record = folder / f"{stem}.md", folder / f"{stem}.json"
    content = [table.record() for table in tables]
    with reporting_write_errors(folder):
        write_whole(text, "\n".join(table.markdown() for table in tables).encode())
        write_whole(record, f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode())
    return text, record


def _cell(row: Mapping[str, Cell], column: str) -> Cell:
    return row.get(column, Cell())


def _heading(column: str, with_paper: bool) -> str:  # noqa: FBT001  # one of two headings
    return f"{column} | paper" if with_paper else column


def _markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))
