#!/usr/bin/env bash
# A data set's Parquet file that passed through pandas or polars has no label names left, and its images are no images.
#
# Packages: datasets==5.2.0, pandas==3.1.1, polars==2.1.0, pyarrow==26.0.1, pillow==13.0.0, Python 3.11.
# Input: three images with the labels anger, disgust and fear, written by Dataset.to_parquet(); then read and written
#   again unchanged: pandas.read_parquet(..).to_parquet(..), the same with polars, and with pyarrow.parquet.
# Expected: the same data set from load_dataset("parquet") each time, as no row and no column was touched.
# Seen 2026-11-28: after pyarrow it is the same. After pandas and after polars the label is a plain integer without
#   names, and an image comes as a dictionary of its bytes. The names and types stand in the key "huggingface" of the
#   file's own metadata; pandas writes its own key in place of it, polars none. Neither says that something was left
#   out.
# What it means: 0 to 6 have no meaning after it, and data sets of expressions do not agree on an order. Filter such a
#   file with pyarrow or datasets, or cast with the original's Features afterwards.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet datasets==5.2.0 pandas==3.1.1 polars==2.1.0 pyarrow==26.0.1 pillow==13.0.0 2>/dev/null
cd "$work"
export HF_HOME="$work/cache" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1
"$work/venv/bin/python" - <<'PY'
import pandas
import polars
import pyarrow.parquet
from datasets import ClassLabel, Dataset, Features, Image, load_dataset
from PIL import Image as Pillow

names = ["anger", "disgust", "fear"]
features = Features({"image": Image(), "label": ClassLabel(names=names)})
images = [Pillow.new("L", (8, 8), 50 * i) for i in range(3)]
Dataset.from_dict({"image": images, "label": [0, 1, 2]}, features=features).to_parquet("original.parquet")
pyarrow.parquet.write_table(pyarrow.parquet.read_table("original.parquet"), "pyarrow.parquet")
pandas.read_parquet("original.parquet").to_parquet("pandas.parquet")
polars.read_parquet("original.parquet").write_parquet("polars.parquet")

same = True
for by, kept in {"original": True, "pyarrow": True, "pandas": False, "polars": False}.items():
    keys = sorted(key.decode() for key in pyarrow.parquet.read_schema(f"{by}.parquet").metadata or {})
    rows = load_dataset("parquet", data_files=f"{by}.parquet", split="train")
    found, image = getattr(rows.features["label"], "names", None), rows[0]["image"]
    print(f"{by}: metadata {keys}, label names {found}, rows[0]['image'] is a {type(image).__name__}")
    same &= (found == names and isinstance(image, Pillow.Image)) if kept else (found is None and isinstance(image, dict))
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"
