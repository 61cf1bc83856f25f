"""From a photo to faces and expression probabilities; needs a bundle and no deep learning framework."""

import os

# From 1.29 on onnxruntime's builds report its use to their maker, by HTTPS, and write a file beside it. Whoever labels
# faces with mien is promised that nothing leaves the machine. It counts only when it is set before the first import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
