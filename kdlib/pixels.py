"""Grey values to inputs: standardised, noisy, shifted and mirrored images."""

import torch


def channel_moments(images):
    """Mean and standard deviation of each channel over images and pixels.

    Grey values are taken on the scale 0 … 1.

    Args:
        images: uint8 tensor of shape ``(n, channels, h, w)``.

    Returns:
        Two float32 tensors of shape ``(channels,)``.

    Raises:
        ValueError: ``images`` is not uint8 with four dimensions.
    """
    _check_grey(images)
    counts = [channel.flatten().bincount(minlength=256) for channel in images.unbind(1)]
    levels = torch.stack(counts).double()
    grey = torch.arange(256, dtype=torch.float64, device=images.device) / 255
    share = levels / levels.sum(dim=1, keepdim=True)
    mean = share @ grey
    variance = (share @ grey.square() - mean.square()).clamp(min=0)
    return mean.float(), variance.sqrt().float()


def standardise(images, mean, std):
    r"""Grey values 0 … 255 as floating-point inputs.

    .. math:: (x / 255 - \mu_c) / s_c \quad \text{in channel } c

    Args:
        images: uint8 tensor of shape ``(n, channels, h, w)``.
        mean: means of the channels, shape ``(channels,)``: the training set's, also for
            a test set.
        std: standard deviations, likewise; a channel of one grey (0) is only centred.

    Returns:
        float32 tensor of the same shape, in ``channels_last`` memory order.

    Raises:
        ValueError: ``images`` is not uint8 with four dimensions.
    """
    _check_grey(images)
    x = images.to(torch.float32, memory_format=torch.channels_last).div_(255)
    mean = mean.view(1, -1, 1, 1)
    std = torch.where(std > 0, std, 1).view(1, -1, 1, 1)
    return x.sub_(mean).div_(std)


def noisy(images, *, variance, pooled=1, known, generator):
    r"""Images with Gaussian noise on their pixels, then standardised by channel.

    Grey values on the scale 0 … 1 are averaged over squares of ``pooled`` pixels. Noise
    from N(0, ``variance``), drawn once, is added. Then x becomes (x − mean) /
    deviation, with the channel's moments over the first ``known`` images, noise
    included.

    Args:
        images: uint8 tensor of shape ``(n, channels, h, w)``.
        variance: of the noise, at least 0.
        pooled: side of the squares, 1 for none.
        known: number of leading images that may be looked at, at least 1: the training
            part.
        generator: draws the noise; the result lives on its device.

    Returns:
        float32 tensor of shape ``(n, channels, h // pooled, w // pooled)``, in
        ``channels_last`` memory order.

    Raises:
        ValueError: ``images`` is not uint8 with four dimensions, or the variance is
            negative.

    Source: Mandal, Lin & Srikant 2025, Fig. 1; the scale of the variance is not given.
    """
    _check_grey(images)
    if not variance >= 0:
        raise ValueError(f"variance must be at least 0, got {variance}")
    device = generator.device
    x = torch.nn.functional.avg_pool2d(images.to(device).float(), pooled) / 255
    x += variance**0.5 * torch.randn(x.shape, generator=generator, device=device)
    std, mean = torch.std_mean(x[:known], dim=(0, 2, 3), keepdim=True)
    x = (x - mean) / std.clamp(min=1e-12)
    return x.contiguous(memory_format=torch.channels_last)


def crop_and_flip(images, *, padding=4, generator):
    """Images shifted by up to ``padding`` pixels and mirrored with probability ½.

    Image i becomes the h × w window at a uniformly drawn corner of the image with
    ``padding`` zeros around it (zero is the mean grey of standardised images), left to
    right or right to left.

    Args:
        images: tensor of shape ``(n, channels, h, w)``.
        padding: largest shift in pixels, at least 0.
        generator: draws shifts and mirrors.

    Returns:
        New tensor of the same shape, in ``channels_last`` memory order.

    Raises:
        ValueError: ``padding`` is negative.

    Source: He et al. 2016 (Deep Residual Learning), Section 4.2.
    """
    if padding < 0:
        raise ValueError(f"padding must be at least 0, got {padding}")
    n, channels, h, w = images.shape
    draw = dict(generator=generator, device=generator.device)
    top = torch.randint(2 * padding + 1, (n,), **draw).to(images.device)
    left = torch.randint(2 * padding + 1, (n,), **draw).to(images.device)
    mirror = torch.randint(2, (n,), **draw).bool().to(images.device)
    # Every window is a view of the padded batch, (n, 2p+1, 2p+1, h, w, channels): one
    # gather copies the chosen ones.
    frame = (0, 0, padding, padding, padding, padding)
    padded = torch.nn.functional.pad(images.permute(0, 2, 3, 1), frame).contiguous()
    image, row, column, channel = padded.stride()
    windows = padded.as_strided(
        (n, 2 * padding + 1, 2 * padding + 1, h, w, channels),
        (image, row, column, row, column, channel),
    )
    chosen = windows[torch.arange(n, device=images.device), top, left]
    chosen = torch.where(mirror.view(n, 1, 1, 1), chosen.flip(2), chosen)
    return chosen.permute(0, 3, 1, 2)


def _check_grey(images):
    """Raise ValueError where images are not grey values of four dimensions."""
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(
            "images must be uint8 of shape (n, channels, h, w), got "
            f"{images.dtype} of shape {tuple(images.shape)}"
        )
