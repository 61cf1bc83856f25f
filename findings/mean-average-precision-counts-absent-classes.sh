#!/usr/bin/env bash
# mean-average-precision: a perfect detector has an mAP of 0.71, if two of the seven expressions do not occur in the test
#   set.
#
# Packages: mean-average-precision==2024.1.5.0, pycocotools==2.0.11, numpy==2.4.6, Python 3.11.
# Input: 20 photos with a face each, of five of seven expressions, and detections that are the very same boxes with their
#   expressions; MetricBuilder.build_evaluation_metric("map_2d", num_classes=7), value(iou_thresholds=0.5), the same at
#   the thresholds of COCO; pycocotools of the same boxes. With one more face of each missing expression as well.
# Expected: 1.0: there is no precision of a class that is not there, and pycocotools (-1 for it) and others leave it out.
# Seen 2026-11-29: 0.714, five sevenths, at one threshold and at ten, where pycocotools says 1.0; with a face of all
#   seven 1.0 from both. A class without a face counts as 0 in the mean, like one that is never found. Its own entry
#   of the result has an "ap" of 0 too. Nothing is said.
# What it means: the same network scores 0.71 on a set without disgust and contempt, or in a fold that drew none, and 1.0
#   on a full one; differences of folds are those of their labels. Take the mean over the classes that occur.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet mean-average-precision==2024.1.5.0 pycocotools==2.0.11 numpy==2.4.6 2>/dev/null
"$work/venv/bin/python" -W ignore - <<'PY'
import contextlib
import io

import numpy as np
from mean_average_precision import MetricBuilder
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def scores(expressions):
    """mAP at 0.5, mAP at ten thresholds, and pycocotools' two, of a detector that finds everything."""
    metric = MetricBuilder.build_evaluation_metric("map_2d", async_mode=False, num_classes=7)
    truth, found = [], []
    for number, expression in enumerate(expressions, 1):
        box = [10 + number, 20, 50 + number, 80]
        metric.add(np.array([[*box, expression, 0.9]]), np.array([[*box, expression, 0, 0]]))
        truth.append({"id": number, "image_id": number, "category_id": expression, "bbox": [box[0], 20, 40, 60], "area": 2400,
                      "iscrowd": 0})
        found.append({"image_id": number, "category_id": expression, "bbox": [box[0], 20, 40, 60], "score": 0.9})
    coco = COCO()
    with contextlib.redirect_stdout(io.StringIO()):
        coco.dataset = {"images": [{"id": entry["id"], "width": 100, "height": 100} for entry in truth], "annotations": truth,
                        "categories": [{"id": expression, "name": str(expression)} for expression in range(7)]}
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    one = metric.value(iou_thresholds=0.5)
    ten = metric.value(iou_thresholds=np.arange(0.5, 1.0, 0.05), recall_thresholds=np.arange(0.0, 1.01, 0.01), mpolicy="soft")
    alone = [round(float(one[0.5][expression]["ap"]), 3) for expression in range(7)]
    return [round(float(value), 3) for value in (one["mAP"], ten["mAP"], judge.stats[1], judge.stats[0])], alone


seen = {}
for name, expressions in ("five of seven", [0, 2, 3, 4, 5] * 4), ("all seven", [0, 2, 3, 4, 5] * 4 + [1, 6]):
    seen[name], alone = scores(expressions)
    print(f"{name}: mAP {seen[name][:2]}, pycocotools {seen[name][2:]}, each class {alone}")
same = seen == {"five of seven": [0.714, 0.714, 1.0, 1.0], "all seven": [1.0, 1.0, 1.0, 1.0]}
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"
