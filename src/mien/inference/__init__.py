"""From a photo to faces and expression probabilities; needs a bundle and no deep learning framework."""
