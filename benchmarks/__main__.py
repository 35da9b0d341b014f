"""Print all tables: `make bench`, or one of them: `python -m benchmarks quality`."""

import argparse
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import fan_out, load, published, quality, speed, store, upload
from benchmarks.fields import fields
from worker.compiled import keep_compiled_programs
from worker.engine.presets import PRESETS


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    every = ["speed", "quality", "upload", "load", "store", "fan-out"]
    parser.add_argument("what", nargs="*", choices=[[], *every], help="default: all")
    parser.add_argument("--preset", choices=list(PRESETS), default="fast")
    parser.add_argument("--field", help="only fields whose name contains this")
    parser.add_argument("--upload-gib", type=float, default=4, help="size of the uploaded file")
    parser.add_argument("--load-seconds", type=float, default=15, help="how long each rate is held")
    arguments = parser.parse_args()
    keep_compiled_programs()
    console = Console(width=140)
    what = arguments.what or every
    if "upload" in what:
        console.print(upload.table(upload.measure(int(arguments.upload_gib * upload.GIBIBYTE))))
    if "load" in what:
        console.print(load.table(load.measure(arguments.load_seconds)))
    if "store" in what:
        for name, timed in store.measure():
            console.print(store.plans(name, timed), markup=False, highlight=False)
            console.print(store.table(name, timed))
    if "fan-out" in what:
        console.print(fan_out.table(fan_out.measure()))
    if "speed" in what:
        console.print(speed_table())
    if "quality" in what:
        scores = []
        for field in fields():
            if arguments.field is None or arguments.field in field.name:
                scores.append(quality.measure(field, arguments.preset))
                console.print(f"{field.name}: {scores[-1].delivered:.2f} dB in {scores[-1].seconds:.0f} s")
        console.print(quality.table(scores, arguments.preset))


def speed_table() -> Table:
    """Measure ours and, where there is a checkout, the published code, in one run on the same input."""
    work = speed.make_work(seed=1)
    ours = speed.measure(work)
    checkout = os.environ.get("PPN2V_SRC")
    theirs = published.measure(Path(checkout), work) if checkout else None
    table = Table(
        "what", "ClearScope", "published code", "ratio", title="Speed at the paper's architecture (CPU)"
    )
    for what, attribute in [
        ("training, seconds per patch of 100x100", "seconds_per_patch"),
        ("prediction, seconds per megapixel, 800 samples", "seconds_per_megapixel"),
        ("noise model, seconds per fit, 26 M pairs", "seconds_per_fit"),
    ]:
        own = getattr(ours, attribute)
        other = getattr(theirs, attribute) if theirs else None
        cells = ("-", "-") if other is None else (f"{other:.2f}", f"{other / own:.1f}x")
        table.add_row(what, f"{own:.2f}", *cells)
    return table


if __name__ == "__main__":
    main()
