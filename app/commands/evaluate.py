"""`clearscope evaluate`: scores of files against ground truth."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.commands.extras import needing
from app.commands.progress import stage_bars
from models_store.contracts.evaluation import NAME_CHARACTER
from models_store.errors import InvalidRequestError

evaluate_command = typer.Typer()


@evaluate_command.command()
def evaluate(
    predictions: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]PREDICTION...",
            help="TIFF files, denoised or noisy; those of one name are one row of the table.",
        ),
    ],
    ground_truth: Annotated[
        list[Path],
        typer.Option(exists=True, dir_okay=False, help="A clean TIFF file; once for each field of view."),
    ],
    as_json: Annotated[  # an option of the command
        bool, typer.Option("--json", help="Print JSON, with the scores of every plane.")
    ] = False,
) -> None:
    """Score images against ground truth: PSNR, affine-invariant PSNR, SSIM, with standard errors.

    With several fields of view, give the files of each name in the order of the ground truth; further runs
    follow in the same order. Ground truth of one plane holds for every plane of a stack.
    """
    named: dict[str, list[Path]] = {}
    for prediction in predictions:
        name, path = _split(prediction, alone=len(ground_truth) == 1)
        if path in named.get(name, []):
            raise InvalidRequestError(f"{path} is named twice as {name}; a run is scored once")
        named.setdefault(name, []).append(path)
    with needing("worker"):
        # Other commands work without an engine.
        from worker.engine.scores.scoreboard import document, table  # noqa: PLC0415
        from worker.offline.scores import NamedFiles, score_files  # noqa: PLC0415
    candidates = [NamedFiles(name, paths) for name, paths in named.items()]
    with stage_bars(Console(stderr=True)) as show:
        rows = score_files(
            candidates, ground_truth, lambda fraction, status: show("evaluate", fraction, status)
        )
    said = json.dumps(document(rows, each=True), indent=2) if as_json else table(rows)
    typer.echo(said, nl=as_json)


def _split(prediction: str, *, alone: bool) -> tuple[str, Path]:
    """Take a name off a path; without one, a file is a row of its own where there is one field of view."""
    name, separator, path = prediction.partition("=")
    if not separator or not name or Path(prediction).exists():
        name, path = (prediction if alone else "prediction"), prediction
    if not re.fullmatch(f"{NAME_CHARACTER}+", name):
        raise InvalidRequestError(
            f"{name!r} cannot name a row of a table; give a name without | and line breaks: NAME={path}"
        )
    return name, Path(path)
