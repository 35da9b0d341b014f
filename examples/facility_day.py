"""A day at an imaging facility, told against a live server and checked step by step.

    python examples/facility_day.py                          starts a server of its own
    python examples/facility_day.py https://... cs_...       uses one that runs, with a key of the scope admin

Each step prints one line, or stops with what went wrong. The images are simulated. All that is made belongs
to two microscopes whose names end with the time of the run.
"""

import argparse
import io
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from own_server import own_server
from service import Document, Service, gain_of, noise_model_step
from simulated_camera import Camera, defocused_light, psnr_db, specimen

SLOW = Camera("ORCA-Fusion", "100234", gain_name="1", gain_adu=1.0)
FAST = Camera("ORCA-Fusion", "100234", gain_name="4", gain_adu=4.0)
SHEET = Camera("Prime BSI", "A22", gain_name="HDR", gain_adu=2.0)
DRIFTED = Camera("ORCA-Fusion", "100234", gain_name="1", gain_adu=1.05)
FRAMES = 20
IMAGES_OF_THE_DAY = 4
GAIN_TOLERANCE = 0.03


class Day:
    """The story; each public method is a step."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service, self.folder = service, folder
        self.rng = np.random.default_rng(2026)
        stamp = datetime.now(UTC).strftime("%Y-%m-%d %H.%M.%S.%f")
        self.disc, self.sheet = f"Spinning disc {stamp}", f"Light sheet {stamp}"
        self.files = 0

    def run(self) -> None:
        self.microscopes_and_profiles()
        calibrated = self.calibration()
        morning = self.image_finds_its_model(calibrated)
        self.another_gain_is_refused(calibrated)
        self.pooling()
        recalibrated = self.drift(calibrated)
        self.version_of_the_date(morning, calibrated, recalibrated)
        self.roll_back(calibrated, recalibrated)
        self.camera_report(calibrated)
        if self.service.has_key:
            self.key_of_a_microscope(calibrated)

    def microscopes_and_profiles(self) -> None:
        for name, about in (
            (self.disc, {"manufacturer": "Andor", "model": "Dragonfly", "modality": "spinning disc"}),
            (self.sheet, {"manufacturer": "Zeiss", "model": "Lightsheet 7", "modality": "light sheet"}),
        ):
            made = self.service.post("/v1/microscopes", {"name": name, **about, "site": "Room 3.14"})
            assert made["model"] == about["model"]
        for camera, microscope in ((SLOW, self.disc), (FAST, self.disc), (SHEET, self.sheet)):
            url = f"/v1/microscopes/{microscope}/profiles"
            settings = {"camera": camera.model, "camera_serial": camera.serial, "binning": 1}
            settings |= {"readout_mode": f"{camera.readout_mhz} MHz", "gain_name": camera.gain_name}
            made = self.service.post(url, settings)
            spelled = {"camera": camera.model.upper(), "binning": "1x1", "gain_name": f" {camera.gain_name} "}
            assert self.service.post(url, {**settings, **spelled}) == made
        say("two microscopes and three profiles; the same settings in another spelling are the same profile")

    def calibration(self) -> Document:
        image = self._calibration_stack(SLOW)
        model = self._made(self.service.finished({"kind": "fit_noise_model", "image_ids": [image["id"]]}))
        assert (model["origin"], model["active"]) == ("calibration", True)
        assert model["belongs_to"]["profile_id"] == image["origin"]["profile_id"]
        assert model["images"] == [{"id": image["id"], "sha256": image["sha256"]}]
        assert abs(gain_of(model) / SLOW.gain_adu - 1) < GAIN_TOLERANCE
        (made,) = self._history(self.disc)
        assert (made["action"], made["active_id"]) == ("activate", model["id"])
        say(
            f"calibrated from {FRAMES} frames: {gain_of(model):.3f} ADU per photon (true: {SLOW.gain_adu}), "
            f"version {model['version']} of {model['belongs_to']['profile']}"
        )
        return model

    def image_finds_its_model(self, calibrated: Document) -> Document:
        photons = specimen(self.rng, 60)
        image = self._record(SLOW, self.disc, photons)
        assert image["origin"]["profile_id"] == calibrated["belongs_to"]["profile_id"]
        job = self._denoise(image)
        step = noise_model_step(job)
        assert (step["action"], step["id"]) == ("reuse", calibrated["id"])
        before_db, after_db = self._psnr_db(image, job, SLOW, photons)
        assert after_db > before_db + 3
        say(
            f"an image finds its noise model by its own metadata ({image['profile_choice']}): "
            f"PSNR {before_db:.1f} dB before, {after_db:.1f} dB after"
        )
        return image

    def another_gain_is_refused(self, calibrated: Document) -> None:
        image = self._record(FAST, self.disc, specimen(self.rng, 60))
        assert image["origin"]["profile_id"] != calibrated["belongs_to"]["profile_id"]
        job = self._denoise(image)
        step = noise_model_step(job)
        assert (step["action"], step["fit"]["verdict"]) == ("compute", "refuse")
        assert "whose gain is 1 instead of 4, was not taken" in step["why"]
        named = {"kind": "denoise", "preset": "instant", "image_ids": [image["id"]]}
        refusal = self.service.refused("/v1/jobs", {**named, "noise_model": calibrated["id"]})
        assert "does not explain the noise of the images" in refusal
        say(f"an image of gain 4 does not get the model of gain 1, but one of its own: {step['fit']['told']}")

    def pooling(self) -> None:
        gains = []
        for _ in range(IMAGES_OF_THE_DAY):
            job = self._denoise(self._record(SHEET, self.sheet, specimen(self.rng, 60)))
            assert noise_model_step(job)["action"] == "compute"
            gains.append(gain_of(self._made(job)))
        image = self._record(SHEET, self.sheet, specimen(self.rng, 60))
        pool = {
            "kind": "pool_noise_model",
            "microscope": self.sheet,
            "profile": image["origin"]["profile_id"],
        }
        pooled = self._made(self.service.finished(pool))
        assert (pooled["origin"], pooled["active"]) == ("pooled", True)
        assert pooled["fit_quality"]["images"] == IMAGES_OF_THE_DAY
        errors = [abs(gain / SHEET.gain_adu - 1) for gain in (*gains, gain_of(pooled))]
        assert errors[-1] < max(errors[:-1])
        step = noise_model_step(self._denoise(image))
        assert (step["action"], step["id"]) == ("reuse", pooled["id"])
        say(
            f"pooled over {IMAGES_OF_THE_DAY} images of the day: gain off by {errors[-1]:.1%}, those of "
            f"single images by up to {max(errors[:-1]):.1%}; the next image uses it"
        )

    def drift(self, calibrated: Document) -> Document:
        image = self._calibration_stack(DRIFTED)
        check = self.service.finished({"kind": "check_noise_model", "image_ids": [image["id"]]})
        values = check["result"]["values"]
        assert values["checked_noise_model_id"] == calibrated["id"]
        assert values["camera"]["verdict"] == "drifted"
        assert self.service.get(f"/v1/noise-models/{calibrated['id']}")["drift"] is not None
        model = self._made(self.service.finished({"kind": "fit_noise_model", "image_ids": [image["id"]]}))
        assert model["version"] > calibrated["version"]
        why = {"reason": "the monthly check found a drifted gain"}
        activated = self.service.post(f"/v1/noise-models/{model['id']}/activate", why)
        assert activated["active"]
        assert self._history(self.disc)[0]["reason"] == why["reason"]
        say(
            f"a month later the camera has drifted: {gain_of(model):.3f} ADU per photon; flagged, calibrated "
            f"again and activated as version {model['version']}, with the reason"
        )
        return model

    def version_of_the_date(self, morning: Document, calibrated: Document, recalibrated: Document) -> None:
        date = morning["header"]["acquired_at"]
        assert noise_model_step(self._denoise(morning))["id"] == recalibrated["id"]
        job = self._denoise(morning, noise_model_at=date)
        assert noise_model_step(job)["id"] == calibrated["id"]
        say(f"an image of {date} is denoised with the version that was active then: {calibrated['version']}")

    def roll_back(self, calibrated: Document, recalibrated: Document) -> None:
        why = {"reason": "the recalibration was made with the wrong filter"}
        before = self.service.post(f"/v1/noise-models/{recalibrated['id']}/roll-back", why)
        assert (before["id"], before["active"]) == (calibrated["id"], True)
        newest = self._history(self.disc)[0]
        assert (newest["action"], newest["reason"]) == ("roll_back", why["reason"])
        self.service.post(f"/v1/noise-models/{recalibrated['id']}/retire", why)
        image = self._record(SLOW, self.disc, specimen(self.rng, 60))
        assert noise_model_step(self._denoise(image))["id"] == calibrated["id"]
        say(f"rolled back to version {calibrated['version']}; the history says why: {newest['reason']}")

    def camera_report(self, calibrated: Document) -> None:
        report = self.service.get(f"/v1/microscopes/{self.disc}/camera-report.json")
        profile_id = calibrated["belongs_to"]["profile_id"]
        (camera,) = (each for each in report["cameras"] if each["profile_id"] == profile_id)
        assert (camera["camera_serial"], camera["noise_model"]["id"]) == (SLOW.serial, calibrated["id"])
        assert camera["verdict"] == "drifted"
        assert SLOW.serial.encode() in self.service.content(f"/v1/microscopes/{self.disc}/camera-report")
        say(f"the camera report of {report['month']}: {camera['told']}")

    def key_of_a_microscope(self, calibrated: Document) -> None:
        name = f"guest of {self.disc}"
        made = self.service.post("/v1/keys", {"name": name, "microscopes": [self.disc], "expires_days": 1})
        with Service(self.service.url, made["key"]) as guest:
            visible = {each["name"] for each in guest.get("/v1/microscopes")}
            assert visible == {self.disc}
            path = SLOW.record(self.folder / "guest.ome.tif", specimen(self.rng, 60), self.rng)
            image = guest.upload(path, microscope=self.disc, role="data")
            spec = {"kind": "denoise", "preset": "instant", "image_ids": [image["id"]]}
            assert noise_model_step(guest.finished(spec))["id"] == calibrated["id"]
            used = guest.get("/v1/keys/own")["usage"]["stored_bytes"]
            assert used > 0
        assert self.service.post(f"/v1/keys/{made['about']['id']}/revoke", {})["state"] == "revoked"
        say(
            f"a guest's key sees {self.disc} alone, uses its noise model, stored {used} bytes, and is revoked"
        )

    def _record(
        self, camera: Camera, microscope: str, photons: NDArray[np.float64], role: str = "data"
    ) -> Document:
        self.files += 1
        path = camera.record(self.folder / f"{role} {self.files}.ome.tif", photons, self.rng)
        return self.service.upload(path, microscope=microscope, role=role)

    def _calibration_stack(self, camera: Camera) -> Document:
        return self._record(camera, self.disc, defocused_light(FRAMES, 200), role="calibration")

    def _denoise(self, image: Document, **fields: str) -> Document:
        spec = {"kind": "denoise", "preset": "instant", "image_ids": [image["id"]]}
        return self.service.finished({**spec, **fields})

    def _made(self, job: Document) -> Document:
        """Return the noise model that a job has made."""
        made: Document = self.service.get(f"/v1/noise-models/{job['result']['values']['noise_model_id']}")
        return made

    def _history(self, microscope: str) -> list[Document]:
        found: list[Document] = self.service.get("/v1/noise-models/history", microscope=microscope)
        return found

    def _psnr_db(
        self, image: Document, job: Document, camera: Camera, photons: NDArray[np.float64]
    ) -> tuple[float, float]:
        """Return the PSNR of an image and of its result, against the signal without noise."""
        (result,) = (each for each in job["result"]["artifacts"] if each["output"] == "denoised")
        truth_yx = camera.gain_adu * photons[0] + camera.offset_adu
        files = (image["content_href"], result["href"])
        noisy_yx, denoised_yx = (
            tifffile.imread(io.BytesIO(self.service.content(href))).squeeze() for href in files
        )
        return psnr_db(noisy_yx, truth_yx), psnr_db(denoised_yx, truth_yx)


def say(line: str) -> None:
    print(f"ok  {line}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", nargs="?", help="URL of a running server; default: one of the example's own")
    parser.add_argument("key", nargs="?", help="API key with the scope admin, if the server has keys")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="facility-day-")))
        url = asked.url or stack.enter_context(own_server(folder / "data"))
        Day(stack.enter_context(Service(url, asked.key)), folder).run()


if __name__ == "__main__":
    main()
