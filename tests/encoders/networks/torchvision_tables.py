"""Parameters of torchvision's image networks, copied from published listings of their state dicts.

Each line is a block: its prefix, then the shapes of its convolutions (out, in, rows, columns).
DenseNet's 98 layers differ in their input only, which is written out layer by layer.
"""

from __future__ import annotations

Shape = tuple[int, ...]

ALEXNET = {
    "features.0.weight": (64, 3, 11, 11),
    "features.0.bias": (64,),
    "features.3.weight": (192, 64, 5, 5),
    "features.3.bias": (192,),
    "features.6.weight": (384, 192, 3, 3),
    "features.6.bias": (384,),
    "features.8.weight": (256, 384, 3, 3),
    "features.8.bias": (256,),
    "features.10.weight": (256, 256, 3, 3),
    "features.10.bias": (256,),
}

RESNET50 = """
layer1.0 conv1=64,64,1,1 conv2=64,64,3,3 conv3=256,64,1,1 downsample.0=256,64,1,1
layer1.1 conv1=64,256,1,1 conv2=64,64,3,3 conv3=256,64,1,1
layer1.2 conv1=64,256,1,1 conv2=64,64,3,3 conv3=256,64,1,1
layer2.0 conv1=128,256,1,1 conv2=128,128,3,3 conv3=512,128,1,1 downsample.0=512,256,1,1
layer2.1 conv1=128,512,1,1 conv2=128,128,3,3 conv3=512,128,1,1
layer2.2 conv1=128,512,1,1 conv2=128,128,3,3 conv3=512,128,1,1
layer2.3 conv1=128,512,1,1 conv2=128,128,3,3 conv3=512,128,1,1
layer3.0 conv1=256,512,1,1 conv2=256,256,3,3 conv3=1024,256,1,1 downsample.0=1024,512,1,1
layer3.1 conv1=256,1024,1,1 conv2=256,256,3,3 conv3=1024,256,1,1
layer3.2 conv1=256,1024,1,1 conv2=256,256,3,3 conv3=1024,256,1,1
layer3.3 conv1=256,1024,1,1 conv2=256,256,3,3 conv3=1024,256,1,1
layer3.4 conv1=256,1024,1,1 conv2=256,256,3,3 conv3=1024,256,1,1
layer3.5 conv1=256,1024,1,1 conv2=256,256,3,3 conv3=1024,256,1,1
layer4.0 conv1=512,1024,1,1 conv2=512,512,3,3 conv3=2048,512,1,1 downsample.0=2048,1024,1,1
layer4.1 conv1=512,2048,1,1 conv2=512,512,3,3 conv3=2048,512,1,1
layer4.2 conv1=512,2048,1,1 conv2=512,512,3,3 conv3=2048,512,1,1
"""

RESNEXT50 = """
layer1.0 conv1=128,64,1,1 conv2=128,4,3,3 conv3=256,128,1,1 downsample.0=256,64,1,1
layer1.1 conv1=128,256,1,1 conv2=128,4,3,3 conv3=256,128,1,1
layer1.2 conv1=128,256,1,1 conv2=128,4,3,3 conv3=256,128,1,1
layer2.0 conv1=256,256,1,1 conv2=256,8,3,3 conv3=512,256,1,1 downsample.0=512,256,1,1
layer2.1 conv1=256,512,1,1 conv2=256,8,3,3 conv3=512,256,1,1
layer2.2 conv1=256,512,1,1 conv2=256,8,3,3 conv3=512,256,1,1
layer2.3 conv1=256,512,1,1 conv2=256,8,3,3 conv3=512,256,1,1
layer3.0 conv1=512,512,1,1 conv2=512,16,3,3 conv3=1024,512,1,1 downsample.0=1024,512,1,1
layer3.1 conv1=512,1024,1,1 conv2=512,16,3,3 conv3=1024,512,1,1
layer3.2 conv1=512,1024,1,1 conv2=512,16,3,3 conv3=1024,512,1,1
layer3.3 conv1=512,1024,1,1 conv2=512,16,3,3 conv3=1024,512,1,1
layer3.4 conv1=512,1024,1,1 conv2=512,16,3,3 conv3=1024,512,1,1
layer3.5 conv1=512,1024,1,1 conv2=512,16,3,3 conv3=1024,512,1,1
layer4.0 conv1=1024,1024,1,1 conv2=1024,32,3,3 conv3=2048,1024,1,1 downsample.0=2048,1024,1,1
layer4.1 conv1=1024,2048,1,1 conv2=1024,32,3,3 conv3=2048,1024,1,1
layer4.2 conv1=1024,2048,1,1 conv2=1024,32,3,3 conv3=2048,1024,1,1
"""

#: Channels that each dense layer reads, block by block; it gives 128, then 32.
DENSENET201 = """
64 96 128 160 192 224
128 160 192 224 256 288 320 352 384 416 448 480
256 288 320 352 384 416 448 480 512 544 576 608 640 672 704 736 768 800 832 864 896 928 960 992
1024 1056 1088 1120 1152 1184 1216 1248 1280 1312 1344 1376 1408 1440 1472 1504 1536 1568 1600
1632 1664 1696 1728 1760
896 928 960 992 1024 1056 1088 1120 1152 1184 1216 1248 1280 1312 1344 1376 1408 1440 1472 1504
1536 1568 1600 1632 1664 1696 1728 1760 1792 1824 1856 1888
"""
DENSENET201_LAYERS = (6, 12, 48, 32)
#: Channels before and behind each transition.
DENSENET201_TRANSITIONS = ((256, 128), (512, 256), (1792, 896))


def norm(name: str, channels: int) -> dict[str, Shape]:
    """Parameters and statistics of a batch norm."""
    return {f"{name}.{part}": (channels,) for part in ("weight", "bias", *STATISTICS)}


STATISTICS = ("running_mean", "running_var")
_NORM_OF = {"conv1": "bn1", "conv2": "bn2", "conv3": "bn3", "downsample.0": "downsample.1"}


def resnet(table: str) -> dict[str, Shape]:
    """Every parameter of a ResNet but those of its classifier."""
    found: dict[str, Shape] = {"conv1.weight": (64, 3, 7, 7), **norm("bn1", 64)}
    for line in table.split("\n"):
        block, *convolutions = line.split() or [""]
        for name, _, typed in (one.partition("=") for one in convolutions):
            shape = tuple(int(size) for size in typed.split(","))
            found[f"{block}.{name}.weight"] = shape
            found |= norm(f"{block}.{_NORM_OF[name]}", shape[0])
    return found


def densenet() -> dict[str, Shape]:
    """Every parameter of DenseNet-201 but those of its classifier."""
    found = {"features.conv0.weight": (64, 3, 7, 7), **norm("features.norm0", 64)}
    inputs = iter(DENSENET201.split())
    for block, layers in enumerate(DENSENET201_LAYERS, start=1):
        for layer in range(1, layers + 1):
            name, before = f"features.denseblock{block}.denselayer{layer}", int(next(inputs))
            found |= norm(f"{name}.norm1", before) | norm(f"{name}.norm2", 128)
            found[f"{name}.conv1.weight"] = (128, before, 1, 1)
            found[f"{name}.conv2.weight"] = (32, 128, 3, 3)
    for number, (before, after) in enumerate(DENSENET201_TRANSITIONS, start=1):
        found |= norm(f"features.transition{number}.norm", before)
        found[f"features.transition{number}.conv.weight"] = (after, before, 1, 1)
    return found | norm("features.norm5", 1920)


TABLES: dict[str, dict[str, Shape]] = {
    "alexnet": dict(ALEXNET),
    "resnet50": resnet(RESNET50),
    "resnext50": resnet(RESNEXT50),
    "densenet201": densenet(),
}
CLASSIFIERS: dict[str, dict[str, Shape]] = {
    "alexnet": {
        "classifier.1.weight": (4096, 9216),
        "classifier.1.bias": (4096,),
        "classifier.4.weight": (4096, 4096),
        "classifier.4.bias": (4096,),
        "classifier.6.weight": (1000, 4096),
        "classifier.6.bias": (1000,),
    },
    "resnet50": {"fc.weight": (1000, 2048), "fc.bias": (1000,)},
    "resnext50": {"fc.weight": (1000, 2048), "fc.bias": (1000,)},
    "densenet201": {"classifier.weight": (1000, 1920), "classifier.bias": (1000,)},
}
#: ``num_params`` and ``_ops`` (10^9 multiplications for 224 x 224) of torchvision's weights.
PARAMETERS = {
    "alexnet": 61_100_840,
    "resnet50": 25_557_032,
    "resnext50": 25_028_904,
    "densenet201": 20_013_928,
}
GIGA_OPERATIONS = {"alexnet": 0.714, "resnet50": 4.089, "resnext50": 4.23, "densenet201": 4.291}
