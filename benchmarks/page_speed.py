"""How long the page takes for one photo of 12 megapixels, against Python: one thread against all cores.

    python benchmarks/page_speed.py [--rounds 5]

Needs Chromium, Playwright, and `python -m mien.web.runtime` once. Both read the same JPEG by turns; a round of each
comes first and is not counted. The page's time is from the file to its result and a small copy to look at.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from mien import Recognizer
from mien.web.page import write_page

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.browser import BROWSERS, Host

WIDTH, HEIGHT = 4000, 3000
READ = """async () => {
  window.reader ??= await (async () => {
    const { BrowserReader } = await import('./readers.js');
    const reader = new BrowserReader(() => {});
    await reader.start();
    return reader;
  })();
  const file = await (await fetch('photo.jpg')).blob();
  const start = performance.now();
  const { result } = await window.reader.read(file, 'photo.jpg');
  return [(performance.now() - start) / 1000, result.faces.length];
}"""


def make_photo(path: Path) -> None:
    sample = Image.open(resources.files("mien") / "data" / "sample.jpg").convert("RGB")
    photo = Image.new("RGB", (WIDTH, HEIGHT), (120, 130, 140))
    large = sample.resize((HEIGHT // 2, HEIGHT // 2), Image.Resampling.LANCZOS)
    for number in range(4):
        photo.paste(large, (number % 2 * WIDTH // 2, number // 2 * HEIGHT // 2))
    photo.save(path, quality=90)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    rounds = options.parse_args().rounds
    recognizer = Recognizer()
    browser_path = next(filter(None, map(shutil.which, BROWSERS)))
    times: dict[str, list[float]] = {"python": [], "page": []}
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary) / "page"
        write_page(folder)
        photo = folder / "photo.jpg"
        make_photo(photo)
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        with Host(folder) as host:
            page = browser.new_page(service_workers="block")
            page.goto(host.url)
            page.locator("html[data-state]").wait_for(timeout=120_000)
            for counted in range(-1, rounds):
                start = time.perf_counter()
                found = len(recognizer.recognize(photo).faces)
                python = time.perf_counter() - start
                seconds, faces = page.evaluate(READ)
                assert faces == found, (faces, found)
                if counted >= 0:
                    times["python"].append(python)
                    times["page"].append(seconds)
        version = browser.version
        browser.close()
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{WIDTH} x {HEIGHT} pixels, {found} faces, {rounds} rounds, {os.cpu_count()} cores, Chromium {version}")
    for name, values in times.items():
        print(f"{name}: median {medians[name]:.3f} s, {min(values):.3f} to {max(values):.3f} s")
    print(f"page / python: {medians['page'] / medians['python']:.2f}")


if __name__ == "__main__":
    main()
