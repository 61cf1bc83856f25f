#!/usr/bin/env bash
# onnxruntime's provider for processors takes any option without a word, and heeds none: the arena's among them.
#
# Packages: onnxruntime==1.32.0, onnx==1.23.2, Python 3.11, Linux.
# Input: InferenceSession(model, providers=[("CPUExecutionProvider", options)]) with {"arena_extend_strategy": "kSameAsRequested"}, an option
#   that other providers document, and with {"no_such_option": "at all"}.
# Expected: an effect for the first and a refusal of the second, as the execution mode or the graph level is refused when it is no known one.
# Seen 2026-11-28: both sessions start, nothing is logged at the level of warnings, and get_provider_options() is empty for both. What gives
#   the memory back that the arena has taken in doublings is a registered allocator: create_and_register_allocator with an OrtArenaCfg, and
#   the session entry session.use_env_allocators = 1.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 2>/dev/null
cat > "$work/ask.py" <<'PY'
import onnx
import onnxruntime
from onnx import TensorProto, helper

x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy")
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", [x], [y])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
for options in ({"arena_extend_strategy": "kSameAsRequested"}, {"no_such_option": "at all"}):
    session = onnxruntime.InferenceSession(model, providers=[("CPUExecutionProvider", options)])
    print(next(iter(options)), "->", session.get_provider_options())
PY
seen=$("$work/venv/bin/python" "$work/ask.py" 2>"$work/said")
echo "$seen"
[ "$seen" = "arena_extend_strategy -> {'CPUExecutionProvider': {}}
no_such_option -> {'CPUExecutionProvider': {}}" ] && ! grep -qi "option" "$work/said" || { echo "changed since 2026-11-28"; exit 1; }
echo "as seen on 2026-11-28"
