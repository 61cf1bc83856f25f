#!/usr/bin/env bash
# On Linux TensorFlow's wheels leave oneDNN's convolutions off on x86 processors without instructions made for networks.
#
# Packages: tensorflow-cpu==2.21.0, Python 3.11, Linux on x86_64.
# Expected: oneDNN, which asks for no more than SSE 4.1 and has kernels for AVX2, is on wherever the wheel runs, as the start-up
#   message about "oneDNN custom operations" and the guides to TF_ENABLE_ONEDNN_OPTS=0 suggest.
# Seen 2026-11-29: it is on only where the processor has AVX512-VNNI, AVX512-BF16, AVX-VNNI or AMX. An AMD EPYC of the third
#   generation has AVX2 and none of these: no message, and training ResNet50V2 at 48 pixels gave 14 images a second on two cores;
#   with TF_ENABLE_ONEDNN_OPTS=1 55. It tells most on small maps with many channels, as late in networks for small images: the step
#   below takes 4.8 times the computing (2.4 times on maps of 3 by 3; 1.2 times on 12 by 12 with 128 channels). Nothing is said of it.
# What helps: TF_ENABLE_ONEDNN_OPTS=1 before the import. Results differ from those without in their last bits.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet tensorflow-cpu==2.21.0 2>/dev/null
cat > "$work/step.py" <<'PY'
import time

import tensorflow as tf

tf.random.set_seed(0)
images = tf.random.normal((64, 2, 2, 512))
kernel = tf.Variable(tf.random.normal((3, 3, 512, 512)) / 68)


@tf.function
def step():
    with tf.GradientTape() as tape:
        x = images
        for _ in range(4):
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))
        loss = tf.reduce_mean(x)
    return tape.gradient(loss, kernel)


step()
times = []
for _ in range(5):
    started = time.process_time()
    step().numpy()
    times.append(time.process_time() - started)
print(f"{sorted(times)[2]:.4f}")
PY
run() { "$work/venv/bin/python" "$work/step.py" 2> "$work/said"; }
said() { grep -c "oneDNN custom operations are on" "$work/said" || true; }
made_for_networks=$(grep -m1 -oE 'avx512_vnni|avx512_bf16|avx_vnni|amx_tile|amx_int8|amx_bf16' /proc/cpuinfo || true)
by_default=$(env -u TF_ENABLE_ONEDNN_OPTS "$work/venv/bin/python" "$work/step.py" 2> "$work/said"); default_on=$(said)
asked=$(TF_ENABLE_ONEDNN_OPTS=1 run); asked_on=$(said)
refused=$(TF_ENABLE_ONEDNN_OPTS=0 run); refused_on=$(said)
echo "instructions for networks: ${made_for_networks:-none}"
echo "computing a step: as it comes $by_default s (message: $default_on), asked for $asked s ($asked_on), refused $refused s ($refused_on)"
[ "$asked_on" -gt 0 ] && [ "$refused_on" -eq 0 ] || { echo "changed since 2026-11-29"; exit 1; }
if [ -n "$made_for_networks" ]; then expected=1; else expected=0; fi
[ "$((default_on > 0))" -eq "$expected" ] || { echo "changed since 2026-11-29"; exit 1; }
if [ "$expected" -eq 0 ]; then
  python3 -c "import sys; sys.exit(not $by_default > 1.5 * $asked)" || { echo "changed since 2026-11-29: as fast"; exit 1; }
fi
echo "as seen on 2026-11-29"
