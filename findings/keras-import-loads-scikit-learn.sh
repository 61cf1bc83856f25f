#!/usr/bin/env bash
# `import keras` loads scikit-learn and scipy.stats wherever they are installed, for wrappers that few ask for.
#
# Packages: keras==3.15.1, tensorflow-cpu==2.21.0, scikit-learn==1.9.1, Python 3.11.
# Expected: what is loaded depends on what is used; keras.wrappers.SKLearnClassifier loads scikit-learn when it is made.
# Seen 2026-11-28: keras/__init__ imports keras.wrappers, which imports scikit-learn if it can. 159 modules of both, about 60 MiB
#   more at the peak, and a quarter more computing time for the import (1.4 s of 6). Each process of a study pays it.
# What helps: sys.modules["sklearn"] = None before the import, and away with it after. keras.wrappers then refuses.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet keras==3.15.1 tensorflow-cpu==2.21.0 scikit-learn==1.9.1 2>/dev/null
cat > "$work/load.py" <<'PY'
import resource
import sys

if sys.argv[1] == "without":
    sys.modules["sklearn"] = None
import keras

loaded = sum(name.startswith(("sklearn.", "scipy.stats.")) and module is not None for name, module in sys.modules.items())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(loaded, peak)
PY
run() { KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" "$work/load.py" "$1" 2>/dev/null; }
read -r with with_mib <<< "$(run with)"
read -r without without_mib <<< "$(run without)"
echo "modules of scikit-learn and scipy.stats after import keras: $with, kept out: $without; peak $with_mib and $without_mib MiB"
[ "$with" -gt 100 ] && [ "$without" -eq 0 ] && [ $((with_mib - without_mib)) -gt 20 ] || { echo "changed since 2026-11-28"; exit 1; }
echo "as seen on 2026-11-28"
