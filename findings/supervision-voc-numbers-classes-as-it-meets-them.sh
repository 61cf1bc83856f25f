#!/usr/bin/env bash
# supervision: from_pascal_voc() numbers the classes as it meets them, so that training and test set number them
#   otherwise.
#
# Packages: supervision==0.31.2, pillow==13.0.0, numpy==2.4.6, Python 3.11.
# Input: faces of three expressions with a box each, as Pascal VOC files in a folder for training (first image happy,
#   then angry and sad) and one for testing (first sad, then happy), read by DetectionDataset.from_pascal_voc(); the
#   same sets written and read as YOLO.
# Expected: one number for one expression in both, from the sorted names for instance, as other readers number them,
#   or a way to give the names.
# Seen 2026-11-28: happy is 0 in training and 1 in testing, sad 2 and 0; nothing is said. from_pascal_voc has no
#   argument for the names. By way of YOLO, where a file holds the names, the numbers are the same in both.
# What it means: predicted and true class_id are compared as numbers, so that a perfect detector is right on no face
#   of this test set. DetectionDataset.merge() of the two puts it right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet supervision==0.31.2 pillow==13.0.0 numpy==2.4.6 2>/dev/null
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
from pathlib import Path

import numpy as np
import supervision
from PIL import Image

names = ["angry", "happy", "sad"]
told = {"training": ["happy", "angry", "sad"], "testing": ["sad", "happy"]}
read = {}
for part, expressions in told.items():
    Path(part).mkdir()
    boxes = {}
    for i, expression in enumerate(expressions):
        path = f"{part}/{i}.png"
        Image.new("RGB", (64, 48), (90 + i, 80, 70)).save(path)
        boxes[path] = supervision.Detections(xyxy=np.array([[10.0, 5.0, 40.0, 35.0]]), class_id=np.array([names.index(expression)]))
    faces = supervision.DetectionDataset(classes=names, images=list(boxes), annotations=boxes)
    faces.as_pascal_voc(images_directory_path=f"{part}/voc", annotations_directory_path=f"{part}/voc_boxes")
    faces.as_yolo(images_directory_path=f"{part}/yolo", annotations_directory_path=f"{part}/yolo_boxes", data_yaml_path=f"{part}/names.yaml")
    read["VOC", part] = supervision.DetectionDataset.from_pascal_voc(f"{part}/voc", f"{part}/voc_boxes")
    read["YOLO", part] = supervision.DetectionDataset.from_yolo(f"{part}/yolo", f"{part}/yolo_boxes", f"{part}/names.yaml")


def numbers(faces):
    return {faces.classes[number]: int(number) for _, _, boxes in faces for number in boxes.class_id}


seen = {key: dict(sorted(numbers(faces).items())) for key, faces in read.items()}
for key, found in seen.items():
    print(*key, found)
merged = supervision.DetectionDataset.merge([read["VOC", "training"], read["VOC", "testing"]])
counted = sorted(merged.classes[number] for _, _, boxes in merged for number in boxes.class_id)
print("merged:", merged.classes, counted)
same = seen["VOC", "training"] == {"angry": 1, "happy": 0, "sad": 2} and seen["VOC", "testing"] == {"happy": 1, "sad": 0}
same &= seen["YOLO", "training"] == {"angry": 0, "happy": 1, "sad": 2} and seen["YOLO", "testing"] == {"happy": 1, "sad": 2}
same &= counted == ["angry", "happy", "happy", "sad", "sad"]
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"
