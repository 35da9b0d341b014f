"""`clearscope evaluate`: score image files against ground truth."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.commands.extras import require_extra
from app.commands.options import SeriesOption
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
            help="TIFF files, denoised or noisy; files with the same name form one row of the table.",
        ),
    ],
    ground_truth: Annotated[
        list[Path],
        typer.Option(exists=True, help="Clean image; repeat the option for each field of view."),
    ],
    series: SeriesOption = None,
    as_json: Annotated[  # a command-line flag
        bool, typer.Option("--json", help="Print JSON including the scores of each plane.")
    ] = False,
) -> None:
    """Score images against ground truth: PSNR, affine-invariant PSNR, SSIM, with standard errors.

    With several fields of view, list the files of each name in the order of the ground truth files; append
    further runs in the same order. Single-plane ground truth applies to every plane of a stack.
    """
    named: dict[str, list[Path]] = {}
    for prediction in predictions:
        name, path = _split(prediction, alone=len(ground_truth) == 1)
        if path in named.get(name, []):
            raise InvalidRequestError(f"{path} is listed twice as {name}; list each file of a name once")
        named.setdefault(name, []).append(path)
    with require_extra("worker"):
        # Imported here: other commands work without the engine.
        from worker.engine.scores.scoreboard import document, table  # noqa: PLC0415
        from worker.offline.scores import NamedFiles, score_files  # noqa: PLC0415
    candidates = [NamedFiles(name, paths) for name, paths in named.items()]
    with stage_bars(Console(stderr=True)) as show:
        rows = score_files(
            candidates,
            ground_truth,
            lambda fraction, status: show("evaluate", fraction, status),
            series=series,
        )
    text = json.dumps(document(rows, each=True), indent=2) if as_json else table(rows)
    typer.echo(text, nl=as_json)


def _split(prediction: str, *, alone: bool) -> tuple[str, Path]:
    """Split NAME=PATH; with a single field of view, an unnamed file is named after its path."""
    name, separator, path = prediction.partition("=")
    if not separator or not name or Path(prediction).exists():
        name, path = (prediction if alone else "prediction"), prediction
    if not re.fullmatch(f"{NAME_CHARACTER}+", name):
        raise InvalidRequestError(
            f"{name!r} is not a valid row name; choose a name without | and line breaks: NAME={path}"
        )
    return name, Path(path)
