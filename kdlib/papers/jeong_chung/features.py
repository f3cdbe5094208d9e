"""Features of an image set: computed once by an ImageNet network, kept as its
principal components in half precision."""

import torch
import torch.nn.functional as F

BATCH = 50


def compute(model, images, *, side):
    """Features of images that are enlarged to the size that the network is used to.

    Args:
        model: a network with ``features``, in evaluation mode.
        images: uint8, ``(n, 3, h, w)``.
        side: pixels of a side after bilinear interpolation.

    Returns:
        float32 tensor ``(n, d)``.

    Source: Jeong & Chung 2025, Section 5, who enlarge to 224 pixels.
    """
    rows = []
    with torch.inference_mode():
        for batch in images.split(BATCH):
            enlarged = F.interpolate(batch.float(), size=(side, side), mode="bilinear")
            grey = (enlarged / 127.5 - 1).contiguous(memory_format=torch.channels_last)
            rows.append(model.features(grey))
    return torch.cat(rows)
