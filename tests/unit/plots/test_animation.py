"""Moving pictures: what their frames show, and the files that they become."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib import animation as writers
from matplotlib.figure import Figure
from PIL import Image

from physbatch.cli import main
from physbatch.dataset import open_dataset
from physbatch.errors import AnalysisError
from physbatch.exact.planted import first_order
from physbatch.plots import (
    Animation,
    animate_collapse,
    animate_flow,
    animate_histograms,
    animate_units,
    animation,
    save_animation,
)
from physbatch.scaling.data_collapse.varied import drawn_nu, points_at
from physbatch.scaling.statistics.replica_overlaps import overlap_histograms
from tests.unit.plots.gallery import fitted, power_law
from tests.unit.plots.noise_gallery import flow

DATA = Path(__file__).parents[3] / "data"


def test_a_frame_for_every_control_shows_its_histogram(tmp_path: Path) -> None:
    data = first_order(sizes=(50,), replicas=32).isel(time=-1)
    moving = animate_histograms(data)
    assert len(moving.frames) == data.sizes["batch_size"]
    drawn = moving.frames[6](Figure())
    shares = overlap_histograms(data, bins=40).share[6]
    np.testing.assert_array_equal(drawn.ax.patches[0].get_data().values, shares)
    assert drawn.ax.get_title() == f"$m = {float(data['batch_size'][6]):g}$"
    assert drawn.ax.get_ylim() == (0.0, 1.0)
    few = Animation(moving.frames[:3], moving.height, moving.width)
    path = save_animation(few, tmp_path / "moving.gif", frames_per_second=5)
    with Image.open(path) as picture:
        assert getattr(picture, "n_frames", 0) == 3
        assert picture.info["duration"] == 200
    again = save_animation(few, tmp_path / "again.gif", frames_per_second=5)
    assert path.read_bytes() == again.read_bytes()
    assert path.stat().st_size < 3e6


def test_time_units_and_trajectories() -> None:
    cell = first_order(sizes=(50,)).sel(batch_size=[13.0])
    assert len(animate_histograms(cell).frames) == cell.sizes["time"]
    committee = open_dataset(DATA / "erf_committee-path4.nc")
    frames = animate_units(committee, replica=2).frames
    assert len(frames) == committee.sizes["time"]
    mesh = frames[4](Figure()).ax.collections[0]
    held = committee["teacher_overlap"].isel(size=0, batch_size=0, replica=2, time=4).values
    np.testing.assert_array_equal(np.ravel(mesh.get_array()), held.ravel())
    course = flow()
    moving = animate_flow(course)
    assert len(moving.frames) == course.teacher_overlap.shape[1]
    line = moving.frames[5](Figure()).curves[0]
    np.testing.assert_array_equal(line.get_xdata(), course.teacher_overlap[0, :6])


def test_points_move_with_nu_as_the_scaling_variable_does() -> None:
    result = fitted("U")
    nu, (points,) = drawn_nu(result), result.points
    control = points.x * points.size ** (-1.0 / nu)
    (moved,) = points_at(result, 1.3)
    np.testing.assert_allclose(moved.x, points.size ** (1.0 / (1.3 * nu)) * control, rtol=1e-12)
    np.testing.assert_array_equal(moved.y, points.y)
    moving = animate_collapse(result, 8)
    first, quarter = (moving.frames[k](Figure()) for k in (0, 2))
    assert first.ax.get_title() == rf"$\nu = {nu:.3f}$"
    assert quarter.ax.get_title() == rf"$\nu = {1.4 * nu:.3f}$"
    assert first.ax.get_xlim() == quarter.ax.get_xlim()
    with pytest.raises(AnalysisError, match="that has found nu"):
        points_at(replace(result, form="kt"), 1.0)


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = Animation(animate_histograms(first_order(sizes=(50,)).isel(time=-1)).frames[:2])
    with pytest.raises(AnalysisError, match=r"written as \.png; name it \.gif or \.mp4"):
        save_animation(few, tmp_path / "x.png")
    monkeypatch.setattr(animation, "_MOST_BYTES", 100)
    with pytest.raises(AnalysisError, match="larger than 3 MB"):
        save_animation(few, tmp_path / "x.gif")
    monkeypatch.setattr(writers.FFMpegWriter, "isAvailable", lambda: False)
    with pytest.raises(AnalysisError, match=r"no ffmpeg to write \.mp4; install ffmpeg"):
        save_animation(few, tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []


def test_mp4_where_there_is_ffmpeg(tmp_path: Path) -> None:
    if not writers.FFMpegWriter.isAvailable():
        pytest.skip("component missing: ffmpeg")
    few = Animation(animate_histograms(first_order(sizes=(50,)).isel(time=-1)).frames[:2])
    assert b"ftyp" in save_animation(few, tmp_path / "x.mp4").read_bytes()[:16]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved, law = fitted("U").save(tmp_path / "u.nc"), power_law().save(tmp_path / "law.nc")
    target = str(tmp_path / "x.gif")
    units = str(DATA / "erf_committee-path4.nc")
    for words in (
        (units, "--kind", "units", "--frames", "3"),
        (str(DATA / "greedy_unit-d3.nc"), "--kind", "control", "--frames", "3"),
        (str(saved), "--frames", "4"),
    ):
        assert main(["animate", *words, "-o", target]) == 0
        assert capsys.readouterr().out == f"figure   {target}\n"
        with Image.open(target) as picture:
            assert 2 <= getattr(picture, "n_frames", 0) <= 5
    for bad, words in (
        ((str(law),), "no moving picture of ScalingFit"),
        ((str(saved), "--kind", "units"), "one moving picture"),
        ((units, "--kind", "flow"), "single unit"),
        ((units, "--frames", "1"), "take 2 frames or more"),
    ):
        assert main(["animate", *bad, "-o", target]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
