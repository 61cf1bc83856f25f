#!/usr/bin/env bash
# Keras: AutoContrast of pictures whose channels come first stretches each column by itself instead of each channel.
#
# Packages: keras==3.15.1, jax==0.10.2, jaxlib==0.10.2, numpy==2.4.6, Python 3.11, on the processor.
# Input: a picture of 48 x 48 in three channels with smooth waves between 60 and 190, as float32, through
#   AutoContrast(), and with its channels put first through AutoContrast(data_format="channels_first"), in a batch of
#   one and alone; the same under keras.config.set_image_data_format("channels_first"); and Equalization() and
#   RandomGrayscale(1.0).
# Expected: the same picture each time, the least level of each channel at 0 and the greatest at 255; every layer of
#   this kind takes data_format.
# Seen 2026-11-29: with channels last it is that, and Equalization and RandomGrayscale are the same in all ways. With
#   channels first each column of pixels is stretched to 0..255, its three channels and all its rows together, and
#   levels are off by 33 on average: the least and the greatest are taken over the axes numbered 1 and 2, whatever they
#   hold. Nothing is raised or warned.
# What it means: light and shadow from left to right are gone, and colours are shifted, in pictures for training
#   alone, so that the network learns from faces such as no photo has. Put the channels last for this layer.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 2>/dev/null
export KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$work/keras"
"$work/venv/bin/python" - <<'PY'
import keras
import numpy as np

place = np.arange(48)
channels = [125 + 40 * np.sin(place / period) + 25 * np.cos(place / (period + 2))[:, None] for period in (6, 9, 13)]
picture = np.stack(channels, -1).astype(np.float32)
same = True
for name, made in (("AutoContrast", keras.layers.AutoContrast), ("Equalization", keras.layers.Equalization),
                   ("RandomGrayscale", lambda **more: keras.layers.RandomGrayscale(1.0, **more))):
    last, first = made(), made(data_format="channels_first")
    turned = picture.transpose(2, 0, 1).copy()
    batch = np.asarray(last(picture[None], training=True))[0]
    ways = {"alone": np.asarray(last(picture, training=True)),
            "batch, channels first": np.asarray(first(turned[None], training=True))[0].transpose(1, 2, 0),
            "alone, channels first": np.asarray(first(turned, training=True)).transpose(1, 2, 0)}
    keras.config.set_image_data_format("channels_first")
    ways["by Keras' setting"] = np.asarray(made()(turned[None], training=True))[0].transpose(1, 2, 0)
    keras.config.set_image_data_format("channels_last")
    off = {way: float(np.abs(numbers - batch).mean()) for way, numbers in ways.items()}
    print(f"{name}: off from the batch by", ", ".join(f"{way} {value:.1f}" for way, value in off.items()))
    if name == "AutoContrast":
        right = (picture - picture.min((0, 1))) / np.ptp(picture, axis=(0, 1)) * 255
        columns = (picture - picture.min((0, 2), keepdims=True)) / np.ptp(picture, axis=(0, 2), keepdims=True) * 255
        same &= bool(np.allclose(batch, right, atol=0.01)) and bool(np.allclose(ways.pop("alone"), right, atol=0.01))
        same &= off["batch, channels first"] > 20 and all(np.allclose(way, columns, atol=0.01) for way in ways.values())
    else:
        same &= max(off.values()) < 0.01
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"
