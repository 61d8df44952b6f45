"""VGG with batch norm for one grey channel: the network behind every expression."""

import torch
from torch import nn

from mien.contract.expressions import EXPRESSIONS

_BLOCKS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
    "small": (1, 2, 2, 2, 2),
}
_WIDTHS = (64, 128, 256, 512, 512)
_SMALL_WIDTHS = (32, 64, 128, 256, 384)

ARCHITECTURES = tuple(_BLOCKS)
"""The names that `VGG` takes."""

INITIALISATIONS = ("identity", "plain")
"""How a network may begin; see `VGG`."""

INPUT_SIZES_PX = range(32, 65)
"""Five poolings leave nothing of a smaller picture; of crops of 48 px larger ones show no more."""


class VGG(nn.Module):
    """VGG11, 13, 16, 19 or small: 3x3 convolutions with batch norm, five poolings, a linear layer.

    The state dict has the keys `features.N.*` and `classifier.*` of the common FER2013 networks.
    The last feature module averages over what is left of the picture; it has no parameters, so
    weights that were trained without it still load, and any input from 32 px on works.
    `small` is the same with fewer and narrower layers: an eighth of VGG19's work a face.
    Source: Simonyan and Zisserman, arXiv:1409.1556, configurations A, B, D and E.
    """

    def __init__(self, name: str, *, blank: bool = False, initialisation: str = "identity") -> None:
        """Builds the network, its values drawn from torch's global generator.

        `identity` is He's with two changes (see `_initialise`), `plain` is torch's own for each
        layer. A blank one has shapes and no values, for those that are assigned to it.

        Raises:
            KeyError: `name` is not one of `ARCHITECTURES`.
        """
        super().__init__()
        self.name = name
        device = "meta" if blank else None
        widths = _SMALL_WIDTHS if name == "small" else _WIDTHS
        self.features = nn.Sequential(*_feature_modules(_BLOCKS[name], widths, device))
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(widths[-1], len(EXPRESSIONS), device=device)
        if not blank and initialisation == "identity":
            self._initialise()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 1, s, s) float, normalised, s >= 32 -> logits (n, 7)."""
        features: torch.Tensor = self.features(images).flatten(1)
        logits: torch.Tensor = self.classifier(self.dropout(features))
        return logits

    @torch.no_grad()
    def _initialise(self) -> None:
        """He's, with two changes without which 19 plain layers hardly begin to learn.

        Layers that keep their width start as the identity plus He's noise, so that a picture
        reaches the top. The last batch norm starts small: 512 positive features of size one would
        make the classifier's loss so steep that no useful learning rate holds.
        Source: He et al., arXiv:1502.01852 (fan out); Zagoruyko and Komodakis, arXiv:1706.00388.
        """
        last_norm: nn.BatchNorm2d | None = None
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.in_channels == module.out_channels:
                    module.weight += nn.init.dirac_(torch.empty_like(module.weight))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            if isinstance(module, nn.BatchNorm2d):
                last_norm = module
        if last_norm is not None:
            nn.init.constant_(last_norm.weight, 0.125)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)


def _feature_modules(
    blocks: tuple[int, ...], widths: tuple[int, ...], device: str | None
) -> list[nn.Module]:
    modules: list[nn.Module] = []
    channels = 1
    for depth, width in zip(blocks, widths, strict=True):
        for _ in range(depth):
            modules += [
                nn.Conv2d(channels, width, kernel_size=3, padding=1, device=device),
                nn.BatchNorm2d(width, device=device),
                nn.ReLU(inplace=True),
            ]
            channels = width
        modules.append(nn.MaxPool2d(2))
    return [*modules, nn.AdaptiveAvgPool2d(1)]
