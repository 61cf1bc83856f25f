#!/usr/bin/env bash
# fastparquet: labels that were written in two parts are read with the names of the last part: sad faces are neutral
#   ones.
#
# Packages: fastparquet==2026.9.0, pyarrow==26.0.1, pandas==3.1.1, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: a table of labels as a pandas category, "sad, happy, sad, angry", to which "neutral, sad, happy, happy" is
#   appended, by fastparquet.write(.., append=True), and by pyarrow's ParquetWriter, part by part; read by
#   ParquetFile(..).to_pandas(), by pandas.read_parquet(engine="fastparquet") and by pyarrow; the same where both parts
#   have one list of categories, and as plain texts.
# Expected: the eight labels, from each reader, or an error that the parts do not fit. The Parquet format lets each
#   part (row group) have a dictionary of its own.
# Seen 2026-11-29: pyarrow gives the eight labels from both files. fastparquet gives "sad, neutral, sad, happy, neutral,
#   sad, happy, happy" from both, its own file too: the numbers of all parts are looked up in the dictionary of the part
#   that was read last. With one list of categories, and as texts, it is right. No error, no warning; the maintainers
#   know of it (issue 949 of dask/fastparquet).
# What it means: a list of labels that grew by a part, person by person or video by video, has other labels for all but
#   its last part, and each of them is a valid name. Give all parts one list of categories, or write texts.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet fastparquet==2026.9.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6 2>/dev/null
cd "$work"
"$work/venv/bin/python" - <<'PY'
import warnings

import fastparquet
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

parts = [["sad", "happy", "sad", "angry"], ["neutral", "sad", "happy", "happy"]]
names = ["angry", "happy", "neutral", "sad"]


def frames(kind):
    for part in parts:
        values = part if kind == "texts" else pd.Categorical(part, names if kind == "one list" else None)
        yield pd.DataFrame({"label": values})


def read(path):
    return {"ParquetFile": list(fastparquet.ParquetFile(path).to_pandas()["label"]),
            "pandas": list(pd.read_parquet(path, engine="fastparquet")["label"]),
            "pyarrow": pq.read_table(path)["label"].to_pylist()}


seen = {}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for kind in ("categories", "one list", "texts"):
        first, second = frames(kind)
        fastparquet.write(f"{kind}.parquet", first)
        fastparquet.write(f"{kind}.parquet", second, append=True)
        seen["fastparquet", kind] = read(f"{kind}.parquet")
        tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in frames(kind)]
        with pq.ParquetWriter(f"{kind}-arrow.parquet", tables[0].schema) as writer:
            for table in tables:
                writer.write_table(table)
        seen["pyarrow", kind] = read(f"{kind}-arrow.parquet")
for (writer, kind), found in seen.items():
    for reader, labels in found.items():
        print(f"written by {writer} as {kind}, read by {reader}:", *labels)
about = [str(warning.message) for warning in caught
         if not issubclass(warning.category, ResourceWarning) and "categor" in str(warning.message).lower()]
print("warnings of categories:", about)
right = parts[0] + parts[1]
mixed = ["sad", "neutral", "sad", "happy", *parts[1]]
same = not about
for (writer, kind), found in seen.items():
    same &= found["pyarrow"] == right
    same &= found["ParquetFile"] == found["pandas"] == (mixed if kind == "categories" else right)
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"
