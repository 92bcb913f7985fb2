"""The paper's networks as //training:train lays them out and starts them, as csc_torch modules."""

from csc_torch import KAIMING, GlobalAveragePool, Gemm, LayeredThreshold, MaxPool, MlCsc, MsdCsc, Network, ResCsc


def msd_csc(channels=3, classes=10, size=32, depth=6, width=16, unfolding=1, algorithm="fista", norm=True,
            threshold_identity=1, filter_scale=0.1):
    """Dilations 1, 2, 3 by turns; a max-pool after one and after two thirds of the layers.

    MSDNet is unfolding=0, threshold_identity=0, filter_scale=KAIMING.
    """
    layers = []
    for i in range(depth):
        dilation = min(i % 3 + 1, max(1, (size - 1) // 2))  # a filter no wider than the image
        layers.append(
            MsdCsc(
                channels,
                width,
                dilations=dilation,
                unfolding=unfolding,
                algorithm=algorithm,
                norm=norm,
                threshold_identity=threshold_identity,
                filter_scale=filter_scale,
            )
        )
        channels += width
        if i + 1 in (depth // 3, 2 * depth // 3) and size >= 2:
            layers.append(MaxPool())
            size //= 2
    return Network(*layers, GlobalAveragePool(), Gemm(channels, classes))


def res_csc(channels=3, classes=10, depth=20, width=16, simplified=0, norm=True, step=-0.1):
    """6n + 2 layers in three stages. A ResNet is step=0 with every c kept from training (requires_grad_(False))."""
    if depth % 6 != 2:
        raise ValueError(f"a depth of {depth}: 6 n + 2 expected")
    layers = [LayeredThreshold(channels, width, norm=norm)]
    before = width
    for stage in range(3):
        for block in range((depth - 2) // 6):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(ResCsc(before, width << stage, strides=stride, simplified=simplified, norm=norm, step=step))
            before = width << stage
    return Network(*layers, GlobalAveragePool(), Gemm(before, classes))


def ml_csc(channels=3, classes=10, size=32, width=32, unfolding=1, algorithm="fista", norm=True, filter_scale=0.5):
    """Three layers of 4 x 4 filters with stride 2 pursued together, then three plain ones, two with max-pooling."""
    layers = [
        MlCsc(
            channels,
            [width, 2 * width, 4 * width],
            [4, 4, 4],
            layer_strides=[2, 2, 2],
            layer_pads=[1, 1, 1],
            unfolding=unfolding,
            algorithm=algorithm,
            filter_scale=filter_scale,
        )
    ]
    before, size = 4 * width, size // 8
    for i, w in enumerate((8 * width, 16 * width, 16 * width)):
        layers.append(LayeredThreshold(before, w, norm=norm, filter_scale=1.0))
        before = w
        if i > 0 and size >= 2:
            layers.append(MaxPool())
            size //= 2
    return Network(*layers, Gemm(before, classes, size))
