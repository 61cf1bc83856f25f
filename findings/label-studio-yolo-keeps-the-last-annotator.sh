#!/usr/bin/env bash
# label-studio-sdk: where several people drew boxes on a photo, the YOLO and VOC exports keep those of the last one
#   alone.
#
# Packages: label-studio-sdk==2.1.2, Python 3.11.
# Input: an export of Label Studio with two photos; three annotators on the first (sad, happy, and two boxes of
#   angry), two on the second (happy, and sad at another place). Converter(..).convert to YOLO, VOC, COCO, JSON_MIN.
# Expected: the boxes of all, or a warning, or an error that the format has no place for several annotators.
# Seen 2026-11-28: JSON_MIN has all six boxes. YOLO and VOC have three: both of the third annotator on the first photo
#   and the one of the second annotator on the second photo: each annotator's file is written over that of the one
#   before. COCO has all six, with each photo listed once for each annotator under one file name, so that each copy
#   lacks the boxes of the others. convert_to_yolo(split_labelers=True) writes a folder for each annotator. No line of
#   the log says so.
# What it means: a vote of several annotators becomes the opinion of whoever was last, and faces that only others drew
#   are gone. Export JSON and vote before converting.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet label-studio-sdk==2.1.2 2>/dev/null
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import json
from pathlib import Path

from label_studio_sdk.converter import Converter

layout = ('<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image">'
          '<Label value="sad"/><Label value="happy"/><Label value="angry"/></RectangleLabels></View>')


def box(label, left):
    value = {"x": left, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": [label]}
    return {"from_name": "box", "to_name": "image", "type": "rectanglelabels", "original_width": 200,
            "original_height": 100, "image_rotation": 0, "value": value}


drawn = {"first": [["sad"], ["happy"], ["angry", "angry"]], "second": [["happy"], ["", "sad"]]}
tasks = []
for name, annotators in drawn.items():
    annotations = [{"id": 10 * len(tasks) + i, "completed_by": {"id": i, "email": f"annotator{i}"},
                    "result": [box(label, 10 + 30 * place) for place, label in enumerate(labels) if label]}
                   for i, labels in enumerate(annotators)]
    tasks.append({"id": len(tasks), "data": {"image": f"/data/{name}.jpg"}, "annotations": annotations})
Path("tasks.json").write_text(json.dumps(tasks))
for kind in ("YOLO", "VOC", "COCO", "JSON_MIN"):
    Converter(layout, ".", download_resources=False).convert("tasks.json", kind, kind, is_dir=False)

names = Path("YOLO/classes.txt").read_text().split()
yolo = {file.stem.split("__")[-1]: [names[int(line.split()[0])] for line in file.read_text().splitlines()]
        for file in Path("YOLO/labels").rglob("*.txt")}
voc = {file.stem.split("__")[-1]: file.read_text().count("<object>") for file in Path("VOC").rglob("*.xml")}
coco = json.loads(Path("COCO/result.json").read_text())
photos = [image["file_name"] for image in coco["images"]]
rows = json.loads(Path("JSON_MIN/result.json").read_text())
boxes = sum(len(row.get("box", [])) for row in rows)
print("drawn:", drawn)
print("JSON_MIN:", len(rows), "annotations with", boxes, "boxes")
print("YOLO:", yolo)
print("VOC, number of boxes:", voc)
print("COCO:", len(photos), "images of", len(set(photos)), "files with", len(coco["annotations"]), "boxes")
same = (len(rows), boxes) == (5, 6) and yolo == {"first": ["angry", "angry"], "second": ["sad"]}
same &= voc == {"first": 2, "second": 1}
same &= (len(photos), len(set(photos)), len(coco["annotations"])) == (5, 2, 6)
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"
