#!/usr/bin/env bash
# datasets: class_encode_column() gives integer labels other numbers, in the order of the alphabet: 10 becomes 2, 2
#   becomes 3.
#
# Packages: datasets==5.2.0, numpy==2.4.6, Python 3.11.
# Input: labels 0 to 10 as AffectNet numbers them (2 sad, 3 surprise, 10 no face), as integers, and labels 1 to 7 as
#   RAF-DB numbers them; class_encode_column("label"), as a stratified train_test_split takes a ClassLabel only; and a
#   ClassLabel column that is cast to a ClassLabel with the same names in another order, and to strings.
# Expected: integers keep their numbers; a cast from names to names keeps the names, and a cast to strings gives them.
# Seen 2026-11-28: 0 1 2 3 .. 10 become 0 1 3 4 .. 2, the integers being sorted as texts ("1", "10", "2"), and 1 .. 7
#   become 0 .. 6. int2str gives the old number back, but nothing does so by itself, and nothing is said. A cast to
#   other names keeps the numbers, so that "happy" is called "neutral" afterwards; a cast to strings gives "0", "1",
#   "2". align_labels_with_mapping() is what keeps the names.
# What it means: a network trained on the encoded column, or a list of names laid over it, takes sad faces for
#   surprised ones. The documentation says "casts the given column as ClassLabel" and no more.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet datasets==5.2.0 numpy==2.4.6 2>/dev/null
cd "$work"
export HF_HOME="$work/cache" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1
"$work/venv/bin/python" - <<'PY'
from datasets import ClassLabel, Dataset, Features, Value, disable_progress_bars

disable_progress_bars()
affectnet = Dataset.from_dict({"label": list(range(11))})
try:
    affectnet.train_test_split(0.5, stratify_by_column="label")
    refusal = ""
except ValueError as error:
    refusal = str(error)
print("stratified split of integers:", refusal)
encoded = affectnet.class_encode_column("label")
numbers = list(encoded["label"])
print("0 to 10 become", *numbers)
shifted = list(Dataset.from_dict({"label": list(range(1, 8))}).class_encode_column("label")["label"])
print("1 to 7 become", *shifted)

named = Dataset.from_dict({"label": [0, 1, 2]}, features=Features({"label": ClassLabel(names=["neutral", "happy", "sad"])}))
other = ClassLabel(names=["happy", "neutral", "sad"])
cast = [other.int2str(number) for number in named.cast_column("label", other)["label"]]
texts = list(named.cast_column("label", Value("string"))["label"])
aligned = named.align_labels_with_mapping({"happy": 0, "neutral": 1, "sad": 2}, "label")
kept = [aligned.features["label"].int2str(number) for number in aligned["label"]]
print("neutral, happy, sad: cast to other names", cast, "cast to strings", texts, "aligned", kept)
same = "ClassLabel" in refusal
same &= numbers == [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 2] and shifted == list(range(7))
same &= cast == ["happy", "neutral", "sad"] and texts == ["0", "1", "2"] and kept == ["neutral", "happy", "sad"]
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"
