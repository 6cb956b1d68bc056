"""Frame rate of the live collapse page at 20 sizes x 200 points, in headless Chromium.

Run it as ``python -m tests.benchmarks.explore_frames``; it prints one table.
"""

from __future__ import annotations

import platform
import shutil
import statistics
import tempfile

import numpy as np

from physbatch.report import write_explore
from physbatch.tables import make_table

FRAMES = 120
REPEATS = 5

_SCRIPT = """
async (frames) => {
    const slider = document.getElementById("inverse_nu-slider");
    const start = performance.now();
    let work = 0;
    for (let k = 0; k < frames; k++) {
        slider.value = 0.8 + 0.4 * k / frames;
        slider.dispatchEvent(new Event("input"));
        const before = performance.now();
        update();
        work += performance.now() - before;
        await new Promise(requestAnimationFrame);
    }
    return [work / frames, frames / (performance.now() - start) * 1000];
}
"""


def main() -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    rng = np.random.default_rng(1)
    size = np.repeat(np.arange(1, 21) * 16.0, 200)
    control = np.tile(np.linspace(0.9, 1.1, 200), 20)
    value = np.tanh(size * (control - 1) / 8) + 0.01 * rng.standard_normal(4000)
    table = make_table(size, control, {"U": value}, {"U": np.full(4000, 0.01)})
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = write_explore(table, "U", f"{folder}/explore.html")
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox"]
        )
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.goto(path.as_uri())
        runs = [page.evaluate(_SCRIPT, FRAMES) for _ in range(REPEATS)]
        version = chromium.version
        chromium.close()
    print(f"Chromium {version}, {platform.machine()}, {REPEATS} x {FRAMES} frames, medians")
    print(f"work per frame   {statistics.median(run[0] for run in runs):.1f} ms")
    print(f"frames a second  {statistics.median(run[1] for run in runs):.1f}")


if __name__ == "__main__":
    main()
