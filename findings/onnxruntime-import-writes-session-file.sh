#!/usr/bin/env bash
# Importing onnxruntime writes a file, though nothing was asked of it yet: a telemetry client is built into the wheel.
#
# Package: onnxruntime==1.32.0 (with numpy==2.4.6), Linux x86_64, Python 3.11.
# Expected: `import onnxruntime` leaves the folder of temporary files as it was.
# Seen 2026-11-28: a file `.ses` appears there, with an identifier of the session. With ORT_DISABLE_TELEMETRY=1 in the
#   environment before the import there is none; calling onnxruntime.disable_telemetry_events() after it is too late.
# What it means: a program that promises that nothing is written, or that runs with a read-only or watched folder of
#   temporary files, has to set the variable before the first import.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null

left_behind() { # names of what a Python program leaves in an empty folder of temporary files; $2: the variable's setting
  mkdir "$work/$1"
  env -u ORT_DISABLE_TELEMETRY TMPDIR="$work/$1" $2 "$work/venv/bin/python" -c "$3"
  find "$work/$1" -mindepth 1 -printf '%f '
}
plain=$(left_behind plain "" 'import onnxruntime')
late=$(left_behind late "" 'import onnxruntime as o; o.disable_telemetry_events()')
off=$(left_behind off ORT_DISABLE_TELEMETRY=1 'import onnxruntime')
echo "plain import: [$plain]  disabled after the import: [$late]  ORT_DISABLE_TELEMETRY=1: [$off]"
[ "$plain" = ".ses " ] && [ "$late" = ".ses " ] && [ -z "$off" ] || { echo "changed since 2026-11-28"; exit 1; }
echo "as seen on 2026-11-28"
