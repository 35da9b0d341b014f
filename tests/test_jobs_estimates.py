"""How the preparation of a prediction tells how far it is."""

from worker.jobs.estimates import _report_passes


def test_progress_of_the_preparation_never_goes_back() -> None:
    told: list[tuple[float, str]] = []
    on_plane = _report_passes(lambda fraction, status: told.append((fraction, status)), refit=True)
    for planes in (4, 2):
        for done in range(1, planes + 1):
            on_plane(done, planes)
    fractions = [fraction for fraction, _ in told]
    assert fractions == [0.125, 0.25, 0.375, 0.5, 0.75, 1.0]
    assert "noise model" in told[0][1]
    assert "compared" in told[-1][1]
