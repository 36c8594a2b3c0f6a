"""Convolutional networks for images in plain torch, with torchvision's parameter names.

torchvision is no dependency (its installation breaks torch's here). Names and shapes of the
parameters, their number, and the multiplications of a pass are compared with torchvision's
published figures, ResNet-50's forward pass with that of transformers; the forward passes were not
compared with torchvision's own, which cannot run beside this package.

Only the convolutional part is built. An embedding is the global average of its last feature maps:
256 channels of AlexNet, 2048 of ResNet-50 and ResNeXt-50, 1920 of DenseNet-201.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from encoders.specs import Architecture

Images = Float[Tensor, "images 3 height width"]
Maps = Float[Tensor, "images channels rows columns"]

#: Length of an embedding.
DIMS: dict[Architecture, int] = {
    "alexnet": 256,
    "resnet50": 2048,
    "resnext50": 2048,
    "densenet201": 1920,
}


def build(architecture: Architecture, seed: int) -> "ImageNetwork":
    """A network with torchvision's initialisation, drawn from ``seed`` alone.

    AlexNet keeps torch's own (uniform, He et al. 2015 with a = sqrt 5). ResNet and ResNeXt draw
    He's normal over the fan out, DenseNet over the fan in; norms start at weight 1 and bias 0.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture == "alexnet":
            return AlexNet()
        if architecture == "densenet201":
            return _initialised(DenseNet(blocks=(6, 12, 48, 32), growth=32, stem=64), "fan_in")
        grouped = architecture == "resnext50"
        network = ResNet(groups=32, wide=2) if grouped else ResNet(groups=1, wide=1)
        return _initialised(network, "fan_out")


def _initialised(network: "ImageNetwork", mode: Literal["fan_in", "fan_out"]) -> "ImageNetwork":
    # torchvision's networks draw their classifier too before they draw the convolutions again.
    nn.Linear(network.dim, 1000)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
    return network


class WindowNetwork(nn.Module):
    """A network without its classifier: one embedding of ``dim`` values per window."""

    dim: int

    def forward(self, windows: Float[Tensor, "windows ..."]) -> Float[Tensor, "windows dim"]:
        """Embedding of every window, each by itself."""
        raise NotImplementedError


class ImageNetwork(WindowNetwork):
    """A convolutional network on images."""

    def maps(self, images: Images) -> Maps:
        """Feature maps of the last convolution, after its norm and rectifier."""
        raise NotImplementedError

    def forward(self, images: Images) -> Float[Tensor, "images dim"]:
        """Embedding of every image: the average of each feature map."""
        return self.maps(images).mean(dim=(2, 3))


class Projected(WindowNetwork):
    """A network whose embedding is a linear map of another's."""

    def __init__(self, network: WindowNetwork, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.network = network
        self.projection = nn.Linear(network.dim, dim)

    def forward(self, windows: Float[Tensor, "windows ..."]) -> Float[Tensor, "windows dim"]:
        """Projected embedding of every window."""
        return self.projection(self.network(windows))


# ---------------------------------------------------------------- AlexNet


class AlexNet(ImageNetwork):
    """The one-column AlexNet of Krizhevsky 2014 (arXiv 1404.5997), 2 469 696 parameters."""

    dim = DIMS["alexnet"]

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        )

    def maps(self, images: Images) -> Maps:
        """Feature maps after the last pooling, 6 x 6 for images of 224 x 224."""
        return self.features(images)


# ---------------------------------------------------------------- ResNet, ResNeXt


class ResNet(ImageNetwork):
    """ResNet-50 (He et al. 2016) and ResNeXt-50 32x4d (Xie et al. 2017).

    The stride of a stage stands in its 3 x 3 convolution, as in torchvision ("v1.5"). ResNeXt has
    ``groups`` of channels there, and is ``wide`` times as wide inside a block.
    """

    dim = DIMS["resnet50"]

    def __init__(self, groups: int, wide: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(3, 64, 256, stride=1, groups=groups, wide=wide)
        self.layer2 = _stage(4, 256, 512, stride=2, groups=groups, wide=wide)
        self.layer3 = _stage(6, 512, 1024, stride=2, groups=groups, wide=wide)
        self.layer4 = _stage(3, 1024, 2048, stride=2, groups=groups, wide=wide)

    def maps(self, images: Images) -> Maps:
        """Feature maps of the fourth stage, 7 x 7 for images of 224 x 224."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            maps = stage(maps)
        return maps


def _stage(
    blocks: int, before: int, after: int, *, stride: int, groups: int, wide: int
) -> nn.Sequential:
    inner = after // 4 * wide
    first = Bottleneck(before, inner, after, stride=stride, groups=groups)
    others = (Bottleneck(after, inner, after, stride=1, groups=groups) for _ in range(1, blocks))
    return nn.Sequential(first, *others)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut."""

    def __init__(self, before: int, inner: int, after: int, *, stride: int, groups: int) -> None:
        super().__init__()
        shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )
        self.conv1 = nn.Conv2d(before, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, maps: Maps) -> Float[Tensor, "images after smaller_rows smaller_columns"]:
        """Maps of the block."""
        inner = self.relu(self.bn1(self.conv1(maps)))
        inner = self.relu(self.bn2(self.conv2(inner)))
        return self.relu(self.bn3(self.conv3(inner)) + self.downsample(maps))


# ---------------------------------------------------------------- DenseNet


class DenseNet(ImageNetwork):
    """DenseNet-BC (Huang et al. 2017): every layer reads the maps of all before it in its block."""

    dim = DIMS["densenet201"]

    def __init__(self, blocks: tuple[int, ...], growth: int, stem: int) -> None:
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(stem))
        self.features.add_module("relu0", nn.ReLU(inplace=True))
        self.features.add_module("pool0", nn.MaxPool2d(3, stride=2, padding=1))
        channels = stem
        for number, count in enumerate(blocks, start=1):
            self.features.add_module(f"denseblock{number}", _dense_block(channels, growth, count))
            channels += growth * count
            if number < len(blocks):
                self.features.add_module(f"transition{number}", _transition(channels))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))

    def maps(self, images: Images) -> Maps:
        """Feature maps of the last norm, rectified, 7 x 7 for images of 224 x 224."""
        return self.features(images).relu()


class DenseLayer(nn.Module):
    """``growth`` new maps of all maps so far, behind them."""

    def __init__(self, before: int, growth: int) -> None:
        super().__init__()
        inner = 4 * growth
        self.norm1 = nn.BatchNorm2d(before)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(before, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(inner, growth, 3, padding=1, bias=False)

    def forward(self, maps: Maps) -> Float[Tensor, "images more rows columns"]:
        """All maps so far and the new ones."""
        inner = self.conv1(self.relu1(self.norm1(maps)))
        return torch.cat([maps, self.conv2(self.relu2(self.norm2(inner)))], dim=1)


def _dense_block(before: int, growth: int, count: int) -> nn.Sequential:
    block = nn.Sequential()
    for index in range(count):
        block.add_module(f"denselayer{index + 1}", DenseLayer(before + index * growth, growth))
    return block


def _transition(before: int) -> nn.Sequential:
    block = nn.Sequential()
    block.add_module("norm", nn.BatchNorm2d(before))
    block.add_module("relu", nn.ReLU(inplace=True))
    block.add_module("conv", nn.Conv2d(before, before // 2, 1, bias=False))
    block.add_module("pool", nn.AvgPool2d(2, stride=2))
    return block
