#!/usr/bin/env bash
# Ray writes that a node has died to the standard output of the program that uses it, where it was told to log nothing there.
#
# Package: ray==2.60.0, Python 3.11, Linux.
# Input: two nodes on this machine (ray.cluster_utils), ray.init(log_to_driver=False, logging_level=ERROR), and one node that is removed
#   without a farewell. The program prints one line, "result".
# Expected: that line alone on standard output, which is where a program's results go; news of the cluster on standard error, or nowhere.
# Seen 2026-11-28: "(raylet) The node with node id ... has been marked dead" stands on standard output beside the result, so that what
#   reads it, a JSON parser for instance, fails on the day when a node is lost. Results are safe in a file, or printed after standard
#   output has been led elsewhere (os.dup2) before ray.init.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ray==2.60.0 2>/dev/null
cat > "$work/lose.py" <<'PY'
import logging
import time

import ray
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
second = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
cluster.wait_for_nodes()
cluster.remove_node(second, allow_graceful=False)
for _ in range(60):
    if sum(node["Alive"] for node in ray.nodes()) == 1:
        break
    time.sleep(0.5)
time.sleep(5)
print("result")
ray.shutdown()
cluster.shutdown()
PY
export RAY_USAGE_STATS_ENABLED=0
"$work/venv/bin/python" "$work/lose.py" > "$work/out" 2>/dev/null
echo "standard output:"; cut -c1-120 "$work/out" | head -5
grep -q "^result" "$work/out" && grep -q "marked dead" "$work/out" || { echo "changed since 2026-11-28"; exit 1; }
echo "as seen on 2026-11-28"
