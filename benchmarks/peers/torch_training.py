"""A peer of `training.py`: the same networks in PyTorch, channels-last.

usage: torch_training.py NETWORK SIDE BATCH STEPS float32|bfloat16 eager|compile

Makes STEPS steps for each line of its input, and prints the images a second: of processor time where MEASURED_TIME is
``processor``, else of wall time.
"""

import json
import os
import sys
import time

import timm
import torch
from torch import nn

CLASSES = 10


def baseline(side: int) -> nn.Module:
    """The reference network: 32, 64 and 128 filters."""
    layers: list[nn.Module] = []
    for before, filters in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(before, filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2 * side**2, 128), nn.ReLU(), nn.Linear(128, CLASSES))


def vgg(side: int) -> nn.Module:
    layers: list[nn.Module] = []
    for before, filters in ((3, 32), (32, 64), (64, 128)):
        for inputs in (before, filters):
            layers += [nn.Conv2d(inputs, filters, 3, padding=1), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2 * side**2, 256), nn.ReLU(), nn.Linear(256, CLASSES))


class Unit(nn.Module):
    """A residual unit."""

    def __init__(self, before: int, filters: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(before, filters, 3, stride, 1, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(),
            nn.Conv2d(filters, filters, 3, 1, 1, bias=False),
            nn.BatchNorm2d(filters),
        )
        projected = nn.Sequential(nn.Conv2d(before, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))
        self.shortcut = projected if stride > 1 or before != filters else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.residual(x) + self.shortcut(x))


def resnet(side: int) -> nn.Module:
    units = [Unit(16, 16, 1), Unit(16, 16, 1), Unit(16, 32, 2), Unit(32, 32, 1), Unit(32, 64, 2), Unit(64, 64, 1)]
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    if side >= 128:
        stem = [nn.Conv2d(3, 16, 7, 2, 3, bias=False), *stem[1:], nn.MaxPool2d(2)]
    return nn.Sequential(*stem, *units, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES))


def airbench(_: int) -> nn.Module:
    """A whitening convolution, whose kernel is not trained, and three blocks; features are divided by their root."""
    first = nn.Conv2d(3, 24, 2)
    first.weight.requires_grad = False
    layers: list[nn.Module] = [first, nn.GELU()]
    for before, filters in ((24, 64), (64, 256), (256, 256)):
        layers += [nn.Conv2d(before, filters, 3, padding=1, bias=False), nn.MaxPool2d(2), *_normalized_gelu(filters)]
        layers += [nn.Conv2d(filters, filters, 3, padding=1, bias=False), *_normalized_gelu(filters)]
    return nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten(), _Scaled(1 / 16), nn.Linear(256, CLASSES))


def _normalized_gelu(filters: int) -> list[nn.Module]:
    normalization = nn.BatchNorm2d(filters, momentum=0.4)
    normalization.weight.requires_grad = False
    return [normalization, nn.GELU()]


class _Scaled(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self._factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self._factor


def fine_tuned(name: str) -> nn.Module:
    """A backbone as it is fine-tuned: batch normalization uses its stored statistics."""
    model = timm.create_model(name, num_classes=CLASSES)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return model


def main() -> None:
    name, *shape, precision, mode = sys.argv[1:]
    side, batch, steps = map(int, shape)
    torch.manual_seed(0)
    made = {"baseline": baseline, "vgg": vgg, "resnet": resnet, "airbench": airbench}
    model = made[name](side) if name in made else fine_tuned({"lite0": "tf_efficientnet_lite0"}.get(name, name))
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    pixels = torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8).contiguous(
        memory_format=torch.channels_last
    )
    labels = torch.randint(0, CLASSES, (batch,))

    def loss_of(pixels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model(pixels.float() / 255)
        return nn.functional.cross_entropy(logits.float(), labels)

    compute = torch.compile(loss_of) if mode == "compile" else loss_of
    clock = time.process_time if os.environ["MEASURED_TIME"] == "processor" else time.perf_counter
    for _ in sys.stdin:
        start = clock()
        for _ in range(steps):
            optimizer.zero_grad()
            compute(pixels, labels).backward()
            optimizer.step()
        print(json.dumps(batch * steps / (clock() - start)), flush=True)


if __name__ == "__main__":
    main()
