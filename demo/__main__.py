"""Start a private server, upload an image, denoise it, and show the result."""

import argparse
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import tifffile
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.commands.progress import show_job, stage_bars
from clearscope_client import ClearScope, ClientError, Job
from demo.noise import compare, fit_line
from demo.sample import Sample, simulate
from demo.server import ServerProcess
from models_store.errors import ClearScopeError, InvalidRequestError
from models_store.image_files.channels import planes_of_channel
from models_store.image_files.opening import open_planes
from models_store.whole_files import appearing_whole, require_writable_folder
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.scores.metrics import psnr
from worker.offline.report import DenoisedPlane, NoiseEvidence, draw_report

SEED = 1
OUTPUT = Path("demo-output")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("image", nargs="?", type=Path, help="TIFF file; default: a simulated sample")
    parser.add_argument(
        "--stay", action="store_true", help="keep the server until Ctrl-C, to look at the portal"
    )
    arguments = parser.parse_args()
    console = Console()
    try:
        run(arguments.image, console, stay=arguments.stay)
    except (ClearScopeError, ClientError) as error:
        console.print(f"[bold red]Error:[/] {escape(error.detail)}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("stopped", soft_wrap=True)
        sys.exit(128 + signal.SIGINT)


def run(image: Path | None, console: Console, *, stay: bool = False) -> None:
    """Denoise an image, or a simulated one if None, through the whole service.

    `stay`: keep the server until the person has seen the result in the portal.
    """
    if image is not None and not image.is_file():
        raise InvalidRequestError(f"{image} is not a file; give the path of a TIFF file")
    require_writable_folder(OUTPUT)
    OUTPUT.mkdir(exist_ok=True)
    sample = None
    if image is None:
        sample, image = simulate(SEED), OUTPUT / "sample.tif"
        with appearing_whole(image) as unfinished:
            tifffile.imwrite(unfinished, sample.observation_yx)
        console.print(f"simulated {image}: filaments, nuclei and spots imaged by an sCMOS camera")
    with tempfile.TemporaryDirectory(prefix="clearscope-demo-") as folder:
        server = ServerProcess(Path(folder) / "data")
        try:
            server.start()
            console.print(f"server at {server.url}, API documentation at {server.url}/docs", soft_wrap=True)
            with ClearScope(server.url) as client:
                job, noise_model, files = denoise(client, image, console)
            report(image, sample, job, noise_model, files, console)
            if stay:
                show_portal(f"{server.url}/jobs/{job.id}", console)
        finally:
            server.stop()


def show_portal(address: str, console: Console) -> None:
    """Tell where the portal shows the job, and wait for Ctrl-C."""
    with suppress(KeyboardInterrupt):
        console.print(f"\nthe result in the portal: {address}\nstop the server with Ctrl-C", soft_wrap=True)
        signal.pause()


def denoise(
    client: ClearScope, image: Path, console: Console
) -> tuple[Job, GaussianMixtureNoiseModel, dict[str, Path]]:
    """Upload, post, wait and download; return the job, its noise model, and the files by content."""
    uploaded = client.upload(image)
    header = uploaded.header
    shape = "x".join(map(str, header.shape))
    console.print(f"uploaded {image.name}: {header.axes} {shape} {header.dtype}")
    job = client.submit({"kind": "denoise", "image_ids": [uploaded.id]})
    with stage_bars(console) as show:
        job = client.wait(job.id, on_progress=show_job(show))
    results = client.results(uploaded, job, output=OUTPUT)
    # Others describe the results.
    files = {each.artifact.output: each.path for each in results.files if each.artifact.output and each.path}
    found = client.noise_model(shown_results(job)["noise_model_id"])
    return job, GaussianMixtureNoiseModel.from_parameters(found.parameters), files


def shown_results(job: Job) -> dict[str, Any]:
    """Return the results of the first channel, or of the whole image if it has a single one."""
    values = job.result.values if job.result else {}
    first: dict[str, Any] = values["channels"][0] if "channels" in values else values
    return first


def report(
    image: Path,
    sample: Sample | None,
    job: Job,
    noise_model: GaussianMixtureNoiseModel,
    files: dict[str, Path],
    console: Console,
) -> None:
    """Print the scores and the paths of the files; draw the figure."""
    values = shown_results(job)
    with open_planes(image) as observations, open_planes(files["denoised"]) as results:
        channel = values.get("channel")
        planes = (
            range(len(observations)) if channel is None else planes_of_channel(observations.header, channel)
        )
        middle = planes[len(planes) // 2]
        observation_yx, denoised_yx = observations[middle], results[middle]
    console.print(f"delivered: {values['reason']}", highlight=False, markup=False, soft_wrap=True)
    line = fit_line(noise_model, denoised_yx)
    if sample is None:
        console.print(f"noise: gain {line.gain_adu:.3g} ADU per photoelectron (slope of the fitted variance)")
    else:
        before_db, after_db = (psnr(each, sample.signal_yx) for each in (observation_yx, denoised_yx))
        console.print(f"PSNR: {before_db:.2f} dB before, [bold]{after_db:.2f} dB after[/]", highlight=False)
        table = Table("noise of the camera", "true", "fitted", title_justify="left")
        for quantity, true, fitted in compare(line, sample.noise):
            table.add_row(quantity, f"{true:.2f}", f"{fitted:.2f}")
        console.print(table)
    figure = OUTPUT / "report.png"
    truth_yx = None if sample is None else sample.signal_yx
    true_noise = None if sample is None else sample.noise
    draw_report(
        figure,
        DenoisedPlane(observation_yx, denoised_yx, truth_yx),
        NoiseEvidence(noise_model, true_noise=true_noise),
    )
    for content, path in [("observation", image), *files.items(), ("figure", figure)]:
        console.print(f"{content:<12} {path.resolve()}", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
