#!/usr/bin/env bash
# datasets' "imagefolder" takes the folders Training and Testing, or those of FER+, for one split with the test images
#   in it.
#
# Packages: datasets==5.2.0, pillow==13.0.0, Python 3.11.
# Input: two images of each of two expressions in each of the folders training/ and testing/; the same in Training/ and
#   Testing/; in Training/, PublicTest/ and PrivateTest/ (the names of FER2013's parts); in FER2013Train/,
#   FER2013Valid/ and FER2013Test/ (the folders of FER+); in train/ and Test/.
# Expected: a split for each folder, or an error or a warning where the name of a folder is not understood.
# Seen 2026-11-28: training/ and testing/ become the splits train and test, of 4 images each. Every other layout
#   becomes a single split "train" with all images, test images included; the labels are right and nothing is said.
#   With train/ and Test/ the one folder that is not understood is left out instead. Names are compared with their
#   case, and only between separators (- . _ / space, digits), so that neither "Test" nor "PrivateTest" is the name of
#   a split.
# What it means: look at the names and sizes of the splits before training. Else the network is trained on its test
#   set, or a train_test_split() made afterwards "tests" on images of all parts.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet datasets==5.2.0 pillow==13.0.0 2>/dev/null
cd "$work"
export HF_HOME="$work/cache" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1
"$work/venv/bin/python" - <<'PY'
from pathlib import Path

from datasets import load_dataset
from PIL import Image

seen = {
    ("training", "testing"): {"train": 4, "test": 4},
    ("Training", "Testing"): {"train": 8},
    ("Training", "PublicTest", "PrivateTest"): {"train": 12},
    ("FER2013Train", "FER2013Valid", "FER2013Test"): {"train": 12},
    ("train", "Test"): {"train": 4},
}
same = True
for number, (folders, splits) in enumerate(seen.items()):
    root = Path(f"layout{number}")
    for part, folder in enumerate(folders):
        for label in ("happy", "sad"):
            (root / folder / label).mkdir(parents=True)
            for i in range(2):
                Image.new("L", (8, 8), 50 * part + i).save(root / folder / label / f"{i}.png")
    loaded = load_dataset("imagefolder", data_dir=str(root))
    sizes = {split: len(rows) for split, rows in loaded.items()}
    print(f"{', '.join(folders)}: {sizes}, labels {loaded['train'].features['label'].names}")
    same &= sizes == splits and loaded["train"].features["label"].names == ["happy", "sad"]
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"
