#!/usr/bin/env bash
# Ray runs each task at niceness 15, on a cluster of this very machine too.
#
# Package: ray==2.60.0, Python 3.11, Linux.
# Input: a remote function that gives os.nice(0), on a cluster that ray.init(address="local") starts.
# Expected: the niceness of the process that calls it, since neither ray.init nor ray.remote speaks of one.
# Seen 2026-11-28: 15. On a machine with other work, a task takes as much computing time as the same function called directly and up to
#   2.7 times as long by the clock, so that a comparison of Ray with one process measures the scheduler of the system.
#   RAY_worker_niceness=0 in the environment, before Ray starts, gives 0.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ray==2.60.0 2>/dev/null
cat > "$work/ask.py" <<'PY'
import logging
import os

import ray

ray.init(address="local", num_cpus=1, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
print(os.nice(0), ray.get(ray.remote(lambda: os.nice(0)).remote()))
PY
export RAY_USAGE_STATS_ENABLED=0
usual=$("$work/venv/bin/python" "$work/ask.py" 2>/dev/null | tail -1)
asked=$(RAY_worker_niceness=0 "$work/venv/bin/python" "$work/ask.py" 2>/dev/null | tail -1)
echo "niceness of caller and task: $usual; with RAY_worker_niceness=0: $asked"
read -r caller task <<< "$usual"
[ "$task" = 15 ] && [ "$caller" -lt 15 ] && [ "$asked" = "$caller $caller" ] || { echo "changed since 2026-11-28"; exit 1; }
echo "as seen on 2026-11-28"
