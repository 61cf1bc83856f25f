#!/usr/bin/env bash
# pycocotools: faces marked "ignore" count all the same: a detector that leaves them out loses its recall.
#
# Packages: pycocotools==2.0.11, faster-coco-eval==1.8.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: ten photos, each with a face and four tiny ones in the background that a person marked as not to be counted,
#   as lists of faces in photos have such marks: "ignore": 1 in the annotation, which COCOeval reads; a detector that
#   finds each of the ten faces, and one of the tiny ones of each photo, surer of it. COCOeval of "bbox"; the same
#   without the mark, with "iscrowd": 1 in place of it, and with the tiny ones left out of the file; faster-coco-eval of
#   the same.
# Expected: an average precision and a recall of 1.0, as with "iscrowd": what is to be ignored is neither missed nor a
#   false alarm. COCOeval has a line that takes "ignore" over from the annotation.
# Seen 2026-11-29: precision 0.406 and recall 0.4, the same numbers as without the mark: the next line overwrites it
#   with "iscrowd". With "iscrowd" 1.0 and 1.0; left out, precision 0.5. faster-coco-eval has the same numbers. Nothing
#   is raised or warned.
# What it means: a set's own rule of what counts has no effect, and networks are compared by the faces that nobody was
#   to look at. "iscrowd" is not quite the same: its overlap is measured by the detection's area alone.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pycocotools==2.0.11 faster-coco-eval==1.8.0 numpy==2.4.6 2>/dev/null
"$work/venv/bin/python" -W ignore - <<'PY'
import contextlib
import io

import faster_coco_eval
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def scores(mark, table, judge):
    boxes, found = [], []
    for photo in range(1, 11):
        for place in range(5):
            box = [10, 10, 30, 30] if place == 0 else [10 + 40 * place, 60, 8, 8]
            row = {"id": len(boxes) + 1, "image_id": photo, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            if place > 0 and mark == "left out":
                continue
            if place > 0 and mark:
                row[mark] = 1
            boxes.append(row)
        found.append({"image_id": photo, "category_id": 1, "bbox": [10, 10, 30, 30], "score": 0.9})
        found.append({"image_id": photo, "category_id": 1, "bbox": [50, 60, 8, 8], "score": 0.95})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = table()
        truth.dataset = {"images": [{"id": photo, "width": 300, "height": 100} for photo in range(1, 11)],
                         "annotations": boxes, "categories": [{"id": 1, "name": "face"}], "info": {}}
        truth.createIndex()
        evaluation = judge(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return round(float(evaluation.stats[0]), 3), round(float(evaluation.stats[8]), 3)


seen = {mark: scores(mark, COCO, COCOeval) for mark in ("", "ignore", "iscrowd", "left out")}
faster = {mark: scores(mark, faster_coco_eval.COCO, faster_coco_eval.COCOeval_faster) for mark in seen}
for mark, numbers in seen.items():
    print(f"{mark or 'no mark'}: average precision {numbers[0]}, recall {numbers[1]}; faster-coco-eval {faster[mark]}")
same = seen == {"": (0.406, 0.4), "ignore": (0.406, 0.4), "iscrowd": (1.0, 1.0), "left out": (0.5, 1.0)} and faster == seen
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"
