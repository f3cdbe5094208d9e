"""Images per second of ResNet-20 on CIFAR-sized images: kdlib's training loop against the plain way, in one run.

The plain way is what a first script does: a Dataset that crops and mirrors one image at a time, a DataLoader that puts
them together, float32 in torch's usual order (NCHW), one SGD step a batch. Same network, batch size and optimiser.
Run: ``python benchmarks/bench_training.py [batches]``. Ratios are of this run and this machine; only they count. How
much bfloat16 can give is the processor's affair, so the same run also says what no loop can pass: the images per second
if each multiplication of the network ran as fast as in one large bfloat16 product, and everything else took no time.
"""

import statistics
import sys
import time
from functools import partial

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from kdlib import devices, losses, models, pixels, training

DEPTH, BATCH, TARGET = 20, 128, 4.0


class PlainImages(torch.utils.data.Dataset):
    """Per-image augmentation, as in most training scripts."""

    def __init__(self, images, labels, teacher_logits):
        self.images, self.labels, self.teacher_logits = images, labels, teacher_logits

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image = F.pad(self.images[i], (4, 4, 4, 4))
        top, left = torch.randint(9, (2,)).tolist()
        image = image[:, top : top + 32, left : left + 32]
        return (image.flip(2) if torch.rand(()) < 0.5 else image), self.teacher_logits[i], self.labels[i]


def plain_seconds(images, labels, teacher_logits, loss, batches):
    model = models.ResNet(DEPTH, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    data = PlainImages(images.contiguous(), labels, teacher_logits)
    start = time.perf_counter()
    for x, zt, y in torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True, drop_last=True):
        optimizer.zero_grad()
        loss(model(x), zt, y).mean().backward()
        optimizer.step()
    assert len(images) == batches * BATCH
    return time.perf_counter() - start


def kdlib_seconds(images, labels, teacher_logits, loss, batches):
    generator = torch.Generator().manual_seed(0)
    model = models.ResNet(DEPTH, generator=generator)
    start = time.perf_counter()
    training.fit(model, images, (teacher_logits, labels), loss, steps=batches, batch_size=BATCH, learning_rate=0.1,
                 augment=pixels.crop_and_flip, bfloat16=True, generator=generator)
    return time.perf_counter() - start


def product_rate(dtype, size=1024):
    """Operations a second of one square matrix product, the best of twenty."""
    a, b = (torch.ones(size, size, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


def operations():
    """Additions and multiplications of one image's pass forwards and backwards."""
    model = models.ResNet(DEPTH, generator=torch.Generator().manual_seed(0)).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, 32, 32)).sum().backward()
    return counter.get_total_flops()


def main(batches=8, repeats=3):
    generator = torch.Generator().manual_seed(0)
    n = batches * BATCH
    grey = torch.randint(256, (n, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images = pixels.standardise(grey, *pixels.channel_moments(grey))
    labels = torch.randint(10, (n,), generator=generator)
    teacher_logits = torch.randn(n, 10, generator=generator)
    loss = partial(losses.distillation_loss, soft_ratio=0.9, temperature=4.0)
    print(f"ResNet-{DEPTH}, batches of {BATCH}, bfloat16 {'on' if devices.has_bfloat16('cpu') else 'off'}, "
          f"medians of {repeats} runs of {batches} batches; at least {TARGET:g} times is asked for")
    for threads in sorted({1, torch.get_num_threads()}, reverse=True):
        torch.set_num_threads(threads)
        seconds = {"plain": [], "kdlib": []}
        for measured in range(-1, repeats):  # one round to warm up, then the two ways in turn
            for name, run in (("plain", plain_seconds), ("kdlib", kdlib_seconds)):
                taken = run(images, labels, teacher_logits, loss, batches)
                if measured >= 0:
                    seconds[name].append(taken)
        plain, fast = (n / statistics.median(seconds[name]) for name in ("plain", "kdlib"))
        single, half = product_rate(torch.float32), product_rate(torch.bfloat16)
        limit = (half if devices.has_bfloat16("cpu") else max(single, half)) / operations()
        print(f"{threads} thread{'s' * (threads > 1)}: plain {plain:.0f} images/s, kdlib {fast:.0f} images/s, ratio "
              f"{fast / plain:.2f}; at most {limit:.0f} images/s, ratio {limit / plain:.2f}, at the speed of a large "
              f"product, which is {half / single:.2f} times as fast in bfloat16")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
