"""Print all benchmark tables (`make bench`) or selected ones (`python -m benchmarks quality`)."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    camera_maps,
    drift,
    faint,
    fan_out,
    gate,
    gpu,
    intervals,
    live,
    load,
    machine_limits,
    movies,
    pooling,
    portal,
    precision,
    published,
    quality,
    ranges,
    reading,
    reference,
    registry,
    speed,
    store,
    time_to_quality,
    trust,
    upload,
    upload_burst,
    verdict,
    viewer,
)
from benchmarks.fields import ScoredField, fields
from models_store.contracts.vocabulary import DEFAULT_PRESET, Preset, Prior
from models_store.errors import InvalidRequestError
from worker.attempt.device import choose_device
from worker.engine.training.presets import PRESETS
from worker.processes.compile_cache import keep_compiled_programs
from worker.reproduction.layouts import chosen_datasets, find_datasets


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    default = [
        "speed",
        "limits",
        "quality",
        "movies",
        "reference",
        "upload",
        "live",
        "load",
        "portal",
        "store",
        "registry",
        "ranges",
        "reading",
        "fan-out",
        "viewer",
    ]
    parser.add_argument(
        "what",
        nargs="*",
        choices=[
            [],
            *default,
            *(
                "camera-maps",
                "drift",
                "faint",
                "gate",
                "gpu",
                "intervals",
                "pooling",
                "time-to-quality",
                "trust",
                "verdict",
            ),
        ],
        help="benchmarks to run; default: all except camera-maps, drift, faint, gate, intervals, pooling, "
        "trust and verdict, and gpu and time-to-quality, which take hours on a CPU",
    )
    parser.add_argument(
        "--preset", nargs="+", choices=["instant", *PRESETS], default=["instant", "fast", "balanced"]
    )
    parser.add_argument(
        "--prior",
        choices=list(Prior),
        default=Prior.PRETRAINED,
        help="quality, intervals: where training starts",
    )
    parser.add_argument(
        "--several", action="store_true", help="quality: also train on several images of a specimen"
    )
    parser.add_argument(
        "--data", choices=["simulated", "miro"], default="simulated", help="time-to-quality: dataset"
    )
    parser.add_argument(
        "--paper-pn2v-steps",
        type=int,
        help="time-to-quality: train only the paper's PN2V, for this many steps, with our noise model",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("bench-output"), help="folder for trained networks"
    )
    parser.add_argument(
        "--field", help="only fields whose name contains this; time-to-quality: name of the dataset"
    )
    parser.add_argument("--upload-gib", type=float, default=4, help="size of the uploaded file")
    parser.add_argument("--load-seconds", type=float, default=15, help="load, portal: duration of each rate")
    parser.add_argument("--device", default="auto", help="gpu: device to measure")
    parser.add_argument("--planes", type=int, default=100, help="gpu: planes of the stack")
    parser.add_argument("--side-px", type=int, default=1024, help="gpu: height and width of the stack")
    arguments = parser.parse_args()
    keep_compiled_programs()
    console = Console(width=160)
    what = arguments.what or default
    if "upload" in what:
        console.print(upload.table(upload.measure(int(arguments.upload_gib * upload.GIBIBYTE))))
    measure_requests(what, arguments, console)
    measure_databases(what, console)
    if "ranges" in what:
        console.print(ranges.table(ranges.measure()))
    if "reading" in what:
        console.print(reading.table(reading.measure()))
    if "viewer" in what:
        console.print(viewer.table(list(viewer.measure())))
    if "fan-out" in what:
        console.print(fan_out.table(fan_out.measure()))
    if "speed" in what:
        console.print(speed_table())
        console.print(precision.table(precision.measure()))
    if "limits" in what:
        peaks = machine_limits.measure_peaks()
        measured = [
            each for preset in machine_limits.networks() for each in machine_limits.measure(preset, peaks)
        ]
        console.print(machine_limits.table(peaks, measured))
    measure_images(what, arguments, console)
    measure_optional(what, arguments, console)
    measure_trust(what, arguments, console)


def measure_requests(what: list[str], arguments: argparse.Namespace, console: Console) -> None:
    """Print the tables of requests to a server, and of frames that it denoises."""
    if "live" in what:
        console.print(live.table(list(live.measure())))
    if "load" in what:
        console.print(upload_burst.table(upload_burst.measure()))
        console.print(load.table(load.measure(arguments.load_seconds)))
    if "portal" in what:
        console.print(portal.table(portal.measure(arguments.load_seconds)))


def measure_databases(what: list[str], console: Console) -> None:
    """Print the tables of large databases beside small ones."""
    if "store" in what:
        for name, timed in store.measure():
            console.print(store.plans(name, timed), markup=False, highlight=False)
            console.print(store.table(name, timed))
    if "registry" in what:
        for name, timed_registry in registry.measure():
            console.print(registry.table(name, timed_registry))


def measure_images(what: list[str], arguments: argparse.Namespace, console: Console) -> None:
    """Print the tables of denoised images and movies."""
    if "quality" in what:
        measure_quality(arguments, console)
    if "movies" in what:
        measure_movies(console)
    if "reference" in what:
        measure_bounds(arguments, console)


def measure_optional(what: list[str], arguments: argparse.Namespace, console: Console) -> None:
    """Print the tables that are not part of the default."""
    if "camera-maps" in what:
        console.print(camera_maps_table(arguments))
    if "gpu" in what:
        console.print(gpu_table(arguments))
    if "time-to-quality" in what:
        measure_time_to_quality(arguments, console)
    if "drift" in what:
        for table in drift.tables():
            console.print(table)
    if "faint" in what:
        console.print(faint.table(list(faint.measure())))
    if "gate" in what:
        console.print(gate.table(list(gate.measure_all())))
    if "pooling" in what:
        images = list(pooling.count_images(pooling.POOLED[-1] * pooling.GROUPS[-1]))
        console.print(pooling.table(pooling.measure(images)))
        largest = images[: pooling.POOLED[-1]]
        console.print(pooling.compare_denoised(largest[:16], pooling.pooled_model(largest)))
        console.print(pooling.widened())


def measure_trust(what: list[str], arguments: argparse.Namespace, console: Console) -> None:
    """Print the tables of what results tell of themselves."""
    if "intervals" in what:
        console.print(intervals.table(list(measured_intervals(arguments))))
    if "trust" in what:
        console.print(trust.table(list(trust.measure())))
    if "verdict" in what:
        for table in verdict.tables():
            console.print(table)


def measured_intervals(arguments: argparse.Namespace) -> Iterator[intervals.Case]:
    """Measure the intervals of each preset; presets that train, on one detector, from nothing if asked."""
    prior = Prior.NONE if arguments.prior == Prior.NONE else None
    for preset in arguments.preset:
        if preset == Preset.INSTANT:
            yield from intervals.measure(Preset.INSTANT)
        else:
            yield from intervals.measure(Preset(preset), prior, detectors=["sCMOS"])


def measure_quality(arguments: argparse.Namespace, console: Console) -> None:
    """Print each score as soon as it is measured, then the tables."""
    scores: dict[str, list[quality.Score]] = {}
    for field in chosen_fields(arguments):
        references, filters = reference.references(field), quality.filtered(field)
        for found in quality_of_presets(field, arguments):
            for kind, reference_yx in references.items():
                scores.setdefault(kind, []).append(quality.score(found, reference_yx, filters))
            delivered = scores[reference.AS_IT_IS][-1].methods[quality.DELIVERED]
            console.print(
                f"{found.field}, {found.preset}: {delivered.psnr_db:.2f} dB, {delivered.seconds:.0f} CPU s"
            )
    for kind, scores_of_kind in scores.items():
        console.print(quality.table(scores_of_kind, kind))


def quality_of_presets(field: ScoredField, arguments: argparse.Namespace) -> Iterator[quality.DenoisedField]:
    """Denoise a field with each preset, alone and if asked for with more images of the specimen."""
    for preset in arguments.preset:
        if preset == Preset.INSTANT:
            yield quality.instant(field)
            continue
        for several in (False, True) if arguments.several and field.others else (False,):
            prior = Prior(arguments.prior)
            yield quality.denoised(field, PRESETS[preset], several=several, prior=prior)


def measure_movies(console: Console) -> None:
    """Print the table of movies."""
    console.print(movies.table([movies.measure(name, light_tyx) for name, light_tyx in movies.movies()]))


def measure_bounds(arguments: argparse.Namespace, console: Console) -> None:
    """Print upper bounds: the scores of networks trained on the reference itself."""
    bounds = [reference.measure(field, PRESETS[DEFAULT_PRESET]) for field in chosen_fields(arguments)]
    console.print(reference.table(bounds))


def chosen_fields(arguments: argparse.Namespace) -> Iterator[ScoredField]:
    """Return the fields whose name contains `--field`."""
    return (field for field in fields() if arguments.field is None or arguments.field in field.name)


def camera_maps_table(arguments: argparse.Namespace) -> Table:
    """Measure the benefit of the camera maps on the `miro` fields."""
    folder = os.environ.get("CLEARSCOPE_TEST_DATA")
    if not folder:
        raise SystemExit("camera-maps needs CLEARSCOPE_TEST_DATA, the folder that holds miro and scmos_maps")
    maps = camera_maps.CameraMaps.read(Path(folder) / "scmos_maps" / "miro.npz")
    miro_fields = [field for field in chosen_fields(arguments) if field.name.startswith("miro")]
    return camera_maps.table([(field.name, camera_maps.measure(field, maps)) for field in miro_fields])


def measure_time_to_quality(arguments: argparse.Namespace, console: Console) -> None:
    """Print the time-to-quality table, which takes hours; networks of the paper's preset are reused."""
    measured = os.environ.get("CLEARSCOPE_TEST_DATA")
    if arguments.data == "miro" and not measured:
        raise SystemExit("--data miro needs CLEARSCOPE_TEST_DATA, the folder that holds miro")
    maps = Path(measured) if measured else None
    data = str(Path(measured or "") / "miro") if arguments.data == "miro" else arguments.data
    names = [arguments.field] if arguments.field else []
    try:
        datasets = chosen_datasets(find_datasets(data, measured=maps, seed=time_to_quality.SEED), names)
    except InvalidRequestError as error:
        raise SystemExit(str(error)) from error
    others = [preset for name, preset in PRESETS.items() if name != "paper"]
    folder, steps = arguments.output / "time-to-quality", arguments.paper_pn2v_steps
    if steps is not None and steps < 1:
        raise SystemExit("--paper-pn2v-steps must be at least 1")
    comparisons = []
    for dataset in datasets:
        comparisons.append(
            time_to_quality.compare_second_stage(
                dataset, PRESETS["paper"], others, pn2v_steps=steps, show=console.print
            )
            if steps is not None
            else time_to_quality.compare(dataset, PRESETS["paper"], others, folder=folder, show=console.print)
        )
        console.print(time_to_quality.table(comparisons, PRESETS))


def gpu_table(arguments: argparse.Namespace) -> Table:
    """Measure the paper's preset on the chosen device."""
    device = choose_device(arguments.device)
    extent = gpu.Extent(arguments.planes, arguments.side_px)
    limits = gpu.measure_limits(device, extent)
    measured = list(gpu.measure(PRESETS["paper"], device, extent, limits))
    return gpu.table(measured, device, extent, limits)


def speed_table() -> Table:
    """Measure our engine and, if PPN2V_SRC is set, the published code on the same input."""
    work = speed.make_work(seed=1)
    ours = speed.measure(work)
    checkout = os.environ.get("PPN2V_SRC")
    theirs = published.measure(Path(checkout), work) if checkout else None
    table = Table(
        "what", "ClearScope", "published code", "ratio", "target", title="Speed of the paper's network (CPU)"
    )
    for what, attribute, target in [
        ("training, seconds per patch of 100x100", "seconds_per_patch", 10),
        ("prediction, seconds per megapixel, 800 samples", "seconds_per_megapixel", 10),
        ("noise model, seconds per fit, 26 M pairs", "seconds_per_fit", 100),
    ]:
        own = getattr(ours, attribute)
        other = getattr(theirs, attribute) if theirs else None
        cells = ("-", "-") if other is None else (f"{other:.2f}", f"{other / own:.1f}x")
        table.add_row(what, f"{own:.2f}", *cells, f"{target}x")
    return table


if __name__ == "__main__":
    main()
