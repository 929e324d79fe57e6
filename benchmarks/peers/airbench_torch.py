"""A peer of `experiment=cifar10_94`: the recipe of airbench94 with Muon, in PyTorch on the processor, on image files.

usage: airbench_torch.py FOLDER THREADS SEED [EPOCHS]

FOLDER has train/ and test/, each with a folder a class. The recipe is Jordan's (2024, arXiv:2404.00498, and the program
with Muon that followed it), written anew for folders of files and processors; all images of train/ are trained on.
Prints the accuracy on test/ after each epoch, and at the end a JSON object: accuracy without and with six views of each
image, and the seconds of training.
"""

import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

BATCH, EPOCHS, WHITENED_EPOCHS = 2000, 8, 3
BIAS_RATE, HEAD_RATE, KERNEL_RATE = 0.053, 0.67, 0.24
DECAY, SMOOTHING, MOVED = 2e-6 * BATCH, 0.2, 2  # weight decay times rate; of labels; pixels
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def read(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images (N, 3, 32, 32), standardized, and their classes."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    files = [(file, label) for label, path in enumerate(classes) for file in sorted(path.iterdir())]
    pixels = np.stack([np.asarray(Image.open(file).convert("RGB")) for file, _ in files])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    images = (images - torch.tensor(MEAN).view(-1, 1, 1)) / torch.tensor(DEVIATION).view(-1, 1, 1)
    return images.contiguous(memory_format=torch.channels_last), torch.tensor([label for _, label in files])


def convolution(before: int, filters: int) -> nn.Conv2d:
    """A convolution that begins by handing its channels on."""
    layer = nn.Conv2d(before, filters, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight.data[:before])
    return layer


def normalized_gelu(filters: int) -> list[nn.Module]:
    normalization = nn.BatchNorm2d(filters, momentum=0.4, eps=1e-12)
    normalization.weight.requires_grad = False
    return [normalization, nn.GELU()]


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.whitening = nn.Conv2d(3, 24, 2)
        self.whitening.weight.requires_grad = False
        layers: list[nn.Module] = [nn.GELU()]
        for before, filters in ((24, 64), (64, 256), (256, 256)):
            layers += [convolution(before, filters), nn.MaxPool2d(2), *normalized_gelu(filters)]
            layers += [convolution(filters, filters), *normalized_gelu(filters)]
        self.layers = nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten())
        self.head = nn.Linear(256, 10, bias=False)
        self.head.weight.data /= self.head.weight.data.std()

    def whiten(self, images: torch.Tensor) -> None:
        patches = images.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12)
        variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (directions / torch.sqrt(variances + 5e-4)).T.reshape(12, 3, 2, 2)
        self.whitening.weight.data[:] = torch.cat([filters, -filters])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(self.whitening(x))) / 256


class Muon:
    """Kernels of the norm √filters, which each step turns."""

    def __init__(self, kernels: list[nn.Parameter], momentum: float = 0.6) -> None:
        self._kernels, self._momentum = kernels, momentum
        self._means = [torch.zeros_like(kernel) for kernel in kernels]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for kernel, mean in zip(self._kernels, self._means, strict=True):
            mean.mul_(self._momentum).add_(kernel.grad)
            update = (kernel.grad + self._momentum * mean).flatten(1)
            kernel.mul_(math.sqrt(len(kernel)) / kernel.norm())
            kernel.sub_(rate * orthogonal(update).view_as(kernel))


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = wide / (wide.norm() + 1e-7)
    for _ in range(3):
        products = x @ x.T
        x = 3.4445 * x + (-4.7750 * products + 2.0315 * products @ products) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def epochs(images: torch.Tensor, labels: torch.Tensor, count: int) -> Iterator[Iterator[tuple[torch.Tensor, ...]]]:
    """Yield the batches of each epoch: mirrored in every other one, moved by up to two pixels."""
    mirrored = torch.rand(len(images)) < 0.5
    padded = functional.pad(torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images), (MOVED,) * 4, "reflect")
    for epoch in range(count):
        order, moves = torch.randperm(len(images)), torch.randint(0, 2 * MOVED + 1, (len(images), 2)).tolist()

        def batches(order: torch.Tensor = order, moves: list[list[int]] = moves, epoch: int = epoch):
            for start in range(0, len(order) - BATCH + 1, BATCH):
                rows = order[start : start + BATCH]
                crops = [
                    padded[row, :, moves[row][0] : moves[row][0] + 32, moves[row][1] : moves[row][1] + 32]
                    for row in rows.tolist()
                ]
                batch = torch.stack(crops).contiguous(memory_format=torch.channels_last)
                yield batch.flip(-1) if epoch % 2 else batch, labels[rows]

        yield batches()


def logits(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return model(images).float()


@torch.no_grad()
def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, *, views: int) -> float:
    def mirrored(x: torch.Tensor) -> torch.Tensor:
        return (logits(model, x) + logits(model, x.flip(-1))) / 2

    model.eval()
    right = 0
    for part, expected in zip(images.split(1000), labels.split(1000), strict=True):
        if views == 1:
            answers = logits(model, part)
        else:
            padded = functional.pad(part, (1,) * 4, "reflect")
            moved = (mirrored(padded[:, :, :32, :32]) + mirrored(padded[:, :, 2:, 2:])) / 2
            answers = (mirrored(part) + moved) / 2
        right += int((answers.argmax(1) == expected).sum())
    model.train()
    return right / len(labels)


def main() -> None:
    folder, threads, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    count = int(sys.argv[4]) if len(sys.argv) > 4 else EPOCHS
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    (images, labels), (test_images, test_labels) = read(folder / "train"), read(folder / "test")
    model = Network().to(memory_format=torch.channels_last)
    biases = [value for name, value in model.layers.named_parameters() if name.endswith("bias")]
    groups = [
        {"params": [model.whitening.bias], "lr": BIAS_RATE, "weight_decay": DECAY / BIAS_RATE},
        {"params": biases, "lr": BIAS_RATE, "weight_decay": DECAY / BIAS_RATE},
        {"params": [model.head.weight], "lr": HEAD_RATE, "weight_decay": DECAY / HEAD_RATE},
    ]
    others = torch.optim.SGD(groups, momentum=0.85, nesterov=True)
    first_rates = [group["lr"] for group in others.param_groups]
    kernels = Muon([value for value in model.layers.parameters() if value.ndim == 4])
    steps, step = count * (len(images) // BATCH), 0
    whitened = WHITENED_EPOCHS * (len(images) // BATCH)

    start, seconds = time.perf_counter(), 0.0
    model.whiten(images[torch.randperm(len(images))[:5000]])
    for batches in epochs(images, labels, count):
        for batch, expected in batches:
            left = 1 - step / steps
            for group, rate in zip(others.param_groups, first_rates, strict=True):
                group["lr"] = rate * left
            others.param_groups[0]["lr"] = first_rates[0] * max(0.0, 1 - step / whitened)
            answers = logits(model, batch)
            functional.cross_entropy(answers, expected, label_smoothing=SMOOTHING, reduction="sum").backward()
            others.step()
            kernels.step(KERNEL_RATE * left)
            model.zero_grad(set_to_none=True)
            step += 1
        seconds += time.perf_counter() - start
        trained = float((answers.argmax(1) == expected).float().mean())
        print(
            f"{step} steps, last batch {trained:.4f}, test {accuracy(model, test_images, test_labels, views=1):.4f}",
            flush=True,
        )
        start = time.perf_counter()
    scores = {f"views_{views}": accuracy(model, test_images, test_labels, views=views) for views in (1, 6)}
    print(json.dumps({**scores, "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main()
