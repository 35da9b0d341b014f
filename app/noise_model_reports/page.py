"""One-page report on a noise model: its density, slices, photon transfer curve and history."""

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from app.noise_model_reports.density import Density, observed_densities, slices_of
from app.noise_model_reports.record import NoiseModelRecord, PhotonTransferDocument
from models_store.noise_model_files.moments import variance_adu2
from models_store.noise_model_files.pixel_pairs import PixelPairs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["png", "svg"]

_PAGE_INCHES = (8.27, 11.69)
_DPI = 120
_COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#b8860b", "#6a4c93")
_MIN_PIXELS = 30
_TEXT_SIZE = 8
_BEYOND = 0.12
# Fonts and their caches are shared by all figures of a process.
_drawing = threading.Lock()


@dataclass(frozen=True, eq=False)
class NoiseModelReport:
    """What is drawn: a noise model's record, and the pairs it was fitted to, if they are kept."""

    record: NoiseModelRecord
    pairs: PixelPairs | None

    def draw(self, file_format: Format) -> bytes:
        """Return the page, with the same bytes for the same report."""
        with _drawing:
            figure = self._figure()
            content = io.BytesIO()
            undated = {"Date": None} if file_format == "svg" else {"Software": None}
            figure.savefig(content, format=file_format, dpi=_DPI, metadata=undated)
        return content.getvalue()

    def _figure(self) -> "Figure":
        figure = _new_figure()
        rows = figure.add_gridspec(
            3, 1, left=0.1, right=0.96, bottom=0.05, top=0.83, hspace=0.32, height_ratios=(5, 4, 3)
        )
        above = rows[0].subgridspec(1, 2, wspace=0.28)
        density = Density.of(self.record.parameters)
        self._head(figure)
        self._draw_density(figure.add_subplot(above[0]), density)
        self._draw_slices(figure.add_subplot(above[1]), density)
        self._draw_photon_transfer(figure.add_subplot(rows[1]))
        self._draw_history(figure.add_subplot(rows[2]))
        return figure

    def _head(self, figure: "Figure") -> None:
        noise_model = self.record.noise_model
        place = noise_model.belongs_to
        of = f"{place.microscope} / {place.profile}" if place else "no profile"
        channel = f", channel {noise_model.channel}" if noise_model.channel else ""
        title = f"Noise model, version {noise_model.version} of {of}{channel}"
        figure.text(0.1, 0.965, title, size=14, weight="bold", parse_math=False)
        figure.text(
            0.1, 0.953, "\n".join(self._facts()), size=_TEXT_SIZE, va="top", linespacing=1.5, parse_math=False
        )

    def _facts(self) -> Iterator[str]:
        noise_model, quality = self.record.noise_model, self.record.noise_model.fit_quality
        state = "active" if noise_model.active else "retired" if noise_model.retired else "not active"
        made = f"made {_at(noise_model.created_at)}"
        yield f"{noise_model.id}: {noise_model.kind}, {noise_model.origin}, {made}, {state}"
        yield f"Signals from {noise_model.signal_min_adu:.5g} to {noise_model.signal_max_adu:.5g} ADU."
        if self.record.variance_line is not None:
            line = self.record.variance_line
            yield (
                f"Gain {line.gain_adu:.4g} ADU/e-, constant {line.intercept_adu2:.4g} ADU² (line through the "
                "variances of the model)."
            )
        if noise_model.pixel_pairs is not None:
            images = f" of {len(noise_model.images)} images" if noise_model.images else ""
            yield f"Fitted to {noise_model.pixel_pairs:,} pixel pairs{images}."
        if quality.get("check"):
            yield from _wrapped(f"Check: {quality['check']}.")

    def _draw_density(self, axes: "Axes", density: Density) -> None:
        axes.pcolormesh(
            density.signal_adu,
            density.deviation_adu,
            density.relative(),
            cmap="Greys",
            vmin=0,
            vmax=1,
            rasterized=True,
        )
        for colour, at_adu in zip(_COLOURS, slices_of(density), strict=True):
            axes.axvline(at_adu, color=colour, linewidth=1.2)
        axes.axhline(0, color="0.6", linewidth=0.6)
        _label(
            axes,
            "Density of observations at each signal (darker: likelier)",
            "signal (ADU)",
            "observation - signal (ADU)",
        )

    def _draw_slices(self, axes: "Axes", density: Density) -> None:
        for colour, at_adu in zip(_COLOURS, slices_of(density), strict=True):
            observed = observed_densities(self.pairs, at_adu) if self.pairs is not None else None
            if observed is not None:
                axes.plot(
                    observed.deviation_adu, observed.density, "o", color=colour, markersize=2.5, alpha=0.6
                )
            axes.plot(density.deviation_adu, density.at(at_adu), color=colour, label=f"{at_adu:.4g} ADU")
        axes.set_xlim(density.deviation_adu[0], density.deviation_adu[-1])
        axes.set_ylim(bottom=0)
        axes.legend(title="at signal", fontsize=_TEXT_SIZE, title_fontsize=_TEXT_SIZE, frameon=False)
        measured = " (points: pixel pairs)" if self.pairs is not None else ""
        _label(axes, f"Slices{measured}", "observation - signal (ADU)", "density (1/ADU)")

    def _draw_photon_transfer(self, axes: "Axes") -> None:
        parameters = self.record.parameters
        signal_adu = np.linspace(parameters.signal_min_adu, parameters.signal_max_adu, 400)
        with np.errstate(all="ignore"):  # polynomials of an imported file may overflow
            variance = variance_adu2(parameters, signal_adu)
        axes.plot(signal_adu, variance, color=_COLOURS[0], label="noise model")
        found = self.record.pixel_pairs
        if found is not None and found.photon_transfer is not None:
            self._draw_points(axes, found.photon_transfer, signal_adu)
        axes.legend(fontsize=_TEXT_SIZE, frameon=False, loc="upper left")
        axes.set_ylim(bottom=0)
        _label(axes, "Photon transfer curve", "signal (ADU)", "variance of the noise (ADU²)")

    @staticmethod
    def _draw_points(axes: "Axes", curve: PhotonTransferDocument, signal_adu: np.ndarray) -> None:
        pixels = np.array(curve.pixels)
        usual = pixels >= _MIN_PIXELS
        signal, variance = (np.array(each)[usual] for each in (curve.signal_adu, curve.variance_adu2))
        error = variance * np.sqrt(2 / pixels[usual])
        axes.errorbar(
            signal,
            variance,
            yerr=error,
            fmt="o",
            markersize=3,
            color="0.3",
            linewidth=0.8,
            label="pixel pairs",
        )
        if curve.line is not None:
            line = curve.line.gain_adu * signal_adu + curve.line.intercept_adu2
            label = f"line: {curve.line.gain_adu:.4g} ADU/e- * signal {curve.line.intercept_adu2:+.4g} ADU²"
            axes.plot(signal_adu, line, color=_COLOURS[1], linestyle="--", linewidth=1, label=label)

    def _draw_history(self, axes: "Axes") -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num  # noqa: PLC0415

        known = [self.record.noise_model.created_at, *(change.at for change in self.record.history)]
        # What is active is drawn a little beyond the last change; a page tells nothing of the present time.
        end = max(known) + _BEYOND * max(max(known) - min(known), timedelta(minutes=1))
        _label(
            axes, "History: gain of each version, thick while it was active", "date (UTC)", "gain (ADU/e-)"
        )
        for version in self.record.versions:
            if version.gain_adu is None:
                continue
            own = version.noise_model_id == self.record.noise_model.id
            colour = _COLOURS[1] if own else _COLOURS[0]
            made = date2num(version.created_at)  # type: ignore[no-untyped-call]
            axes.plot([made], [version.gain_adu], "o", color=colour, markersize=4)
            for span in version.active:
                ends = [date2num(each) for each in (span.since, span.until or end)]  # type: ignore[no-untyped-call]
                axes.plot(ends, [version.gain_adu] * 2, color=colour, linewidth=4, alpha=0.6)
            axes.annotate(
                f"{version.version} ({version.origin})",
                (made, version.gain_adu),
                xytext=(4, 5),
                textcoords="offset points",
                size=_TEXT_SIZE - 1,
                color=colour,
            )
        if not axes.lines:
            axes.text(0.5, 0.5, "no gain is known", ha="center", transform=axes.transAxes, size=_TEXT_SIZE)
            return
        axes.margins(x=0.05, y=0.25)
        locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.get_offset_text().set_fontsize(_TEXT_SIZE)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


@cache
def _prepared() -> None:
    """Make names in SVG files the same each time; this server draws nothing else."""
    import matplotlib as mpl  # noqa: PLC0415  # see _new_figure

    mpl.rcParams["svg.hashsalt"] = "clearscope"
    mpl.rcParams["svg.fonttype"] = "none"


def _new_figure() -> "Figure":
    # Imported with the first report: it takes half a second and 50 MB, which most servers never need.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    _prepared()
    figure = Figure(figsize=_PAGE_INCHES, dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _label(axes: "Axes", title: str, x: str, y: str) -> None:
    axes.set_title(title, size=_TEXT_SIZE + 1, loc="left")
    axes.set_xlabel(x, size=_TEXT_SIZE)
    axes.set_ylabel(y, size=_TEXT_SIZE)
    axes.tick_params(labelsize=_TEXT_SIZE)


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _wrapped(text: str, width: int = 125) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line
