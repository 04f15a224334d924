"""Small architectures written the ways people write them; every one is piecewise affine in eval mode."""

import torch
import torch.nn.functional as F
from torch import nn


class Written(nn.Module):
    """A module whose forward is one function of itself and its input."""

    def __init__(self, forward, **children):
        super().__init__()
        self._written = forward
        for name, child in children.items():
            setattr(self, name, child)

    def forward(self, x):
        return self._written(self, x)


def between(activation, width=6):
    """Two linear layers with an activation between them, on the plane."""
    return Written(lambda m, x: m.last(activation(m.first(x))), first=nn.Linear(2, width), last=nn.Linear(width, 2))


def image(activation, *, channels=2, out=None):
    """A convolution of 1 x 5 x 5 images, something, and a linear head that fits."""
    body = Written(lambda m, x: activation(m.conv(x)).flatten(1), conv=nn.Conv2d(1, channels, 2, stride=2, padding=1))
    features = body(torch.zeros(1, 1, 5, 5)).shape[1]
    return nn.Sequential(body, nn.Linear(features, 2))


def with_statistics(model, seed=0):
    """The same model, its batch norms given running statistics and weights that are not trivial."""
    generator = torch.Generator().manual_seed(seed)
    for norm in model.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            norm.running_mean.copy_(0.3 * torch.randn(norm.num_features, generator=generator))
            norm.running_var.copy_(0.5 + torch.rand(norm.num_features, generator=generator))
            for parameter in norm.parameters():
                nn.init.normal_(parameter, generator=generator)
    return model


class PreActivationBlock(nn.Module):
    def __init__(self, inside, out, stride, norm):
        super().__init__()
        layer = nn.BatchNorm2d if norm else lambda _: nn.Identity()
        self.norm1, self.norm2 = layer(inside), layer(out)
        self.conv1 = nn.Conv2d(inside, out, 3, stride, 1, bias=not norm)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=not norm)
        if stride != 1 or inside != out:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False))

    def forward(self, x):
        out = F.relu(self.norm1(x))
        shortcut = self.shortcut(out) if hasattr(self, "shortcut") else x
        out = self.conv2(F.relu(self.norm2(self.conv1(out))))
        out += shortcut
        return out


class PreActivationResNet(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3, 1, 1, bias=False)
        self.layer1 = nn.Sequential(PreActivationBlock(2, 2, 1, norm))
        self.layer2 = nn.Sequential(PreActivationBlock(2, 3, 2, norm), PreActivationBlock(3, 3, 1, norm))
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        out = self.layer2(self.layer1(self.stem(x)))
        out = F.avg_pool2d(out, 2)
        return self.linear(out.view(out.size(0), -1))


class BasicBlock(nn.Module):
    def __init__(self, inside, out, stride=1, downsample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = downsample

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class VisionResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(2)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(2, 2))
        down = nn.Sequential(nn.Conv2d(2, 3, 1, stride=2, bias=False), nn.BatchNorm2d(3))
        self.layer2 = nn.Sequential(BasicBlock(2, 3, 2, down))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.avgpool(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(x, 1))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 2, 2), nn.Conv2d(2, 3, 2)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc1, self.fc2 = nn.Linear(3, 5), nn.Linear(5, 3)
        self.dropout = nn.Dropout(0.4)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = F.relu(self.conv2(x)).view(-1, 3)
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(2 + 3 * i, 3) for i in range(3))

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, F.leaky_relu(layer(x), 0.1)], dim=1)
        return x


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.outer, self.head = nn.Linear(2, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        state = x.new_zeros(x.shape[0], 4)
        for step in x.unbind(dim=1):
            state = torch.relu(self.inner(step) + self.outer(state))
        return self.head(state)


class Buffered(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 4), nn.Linear(4, 2)
        self.register_buffer("mask", torch.tensor([True, False, True, True]))
        self.register_buffer("scale", torch.tensor([1.0, 2.0, -1.0, 0.5]), persistent=False)

    def forward(self, x):
        h = self.first((x - torch.tensor(0.25)) / torch.tensor(2.0)) * self.scale
        h = torch.where(self.mask, h, torch.full_like(h, 0.5))
        return self.last(torch.relu(h)).masked_fill(torch.tensor([True, False]), -1.5)


def _in_place(h):
    h = h.clone()
    h += 1
    h[:, 0] = 0.5
    h[:, 1] += h[:, 2]
    h[:, 3:5] *= -2
    h[:, torch.tensor([False, False, False, False, False, True])] -= 0.25
    return 2 * h.relu_()


def _written_into_slices(h):
    h = h.relu() + 0
    h[:, :4] -= 1
    h[:, ::2] *= 2
    filled = h.new_zeros(h.shape[0], 6)
    filled[:, 1:5] = h[:, 2:]
    filled[:, [0, 5]] = h.abs()[:, :2]
    return filled.relu()


def _shuffled(h):
    h = h.view(-1, 2, 3).permute(0, 2, 1).transpose(1, 2)[:, :, [2, 0, 1]]
    a, b = h.reshape(h.size(0), -1).chunk(2, dim=1)
    c, d = torch.split(a, [1, 2], dim=1)
    return torch.relu(torch.cat([torch.stack([b, b.flip(1)], dim=2).sum(2), d, c[:, :1]], dim=1).squeeze(-1))


def _multiplied(h):
    rotation = torch.linspace(-1, 1, 36, dtype=h.dtype).reshape(6, 6)
    mixed = torch.einsum("ni,ij->nj", h, rotation) + torch.matmul(h, rotation.T) - h @ rotation
    return torch.relu(3.0 * mixed / 2 - h.mean(dim=1, keepdim=True) + (1 - h).sum(1, keepdim=True))


def _pool(pool, **options):
    return lambda: image(lambda h: pool(torch.relu(h), **options))


PLANE, IMAGE, SEQUENCE, VOLUME = (2,), (1, 5, 5), (2, 7), (1, 3, 4, 3)


def _detached_branch(model, x):
    h = torch.relu(model.first(x))
    return model.last(torch.relu(model.middle(h)).detach() + h)


def _convolution_folded_into_the_batch(model, x):
    patches = F.relu(model.first(x)).view(-1, 4, 1, 3, 3).flatten(0, 1)
    return F.relu(model.conv(patches).reshape(-1, 72))


def _rows_folded_in_between(model, x):
    tokens = F.relu(model.first(x)).view(-1, 4, 3)
    folded = model.second(model.middle(tokens.flatten(0, 1))).view(-1, 40)
    sequence = model.second(model.middle(tokens.transpose(0, 1))).transpose(0, 1).reshape(-1, 40)
    return model.last(F.relu(folded)) + model.last(F.relu(0.5 - sequence))


def _repeated_without_memory(model, x):
    return model.last(F.relu(model.middle(F.relu(model.first(x))).expand(-1, 5)))


def _channels_last(model, x):
    x = F.relu(model.first(x.contiguous(memory_format=torch.channels_last)))
    x = F.relu(model.second(x.to(memory_format=torch.channels_last)))
    return x.clone(memory_format=torch.channels_last).permute(0, 2, 3, 1).view(-1, 27)


def _nothing_beside_something(model, x):
    h = model.first(x)
    return model.last(F.relu(model.middle(torch.cat([F.relu(h[:, :0]), F.relu(h)], dim=1))))


# name -> (factory, input shape, half-width of the window)
ZOO = {
    "detached branch": (
        lambda: Written(_detached_branch, first=nn.Linear(2, 6), middle=nn.Linear(6, 6), last=nn.Linear(6, 2)),
        PLANE,
        3,
    ),
    "convolution folded into the batch": (
        lambda: Written(_convolution_folded_into_the_batch, first=nn.Linear(2, 36), conv=nn.Conv2d(1, 2, 3, padding=1)),
        PLANE,
        1,
    ),
    "rows folded in between": (
        lambda: Written(
            _rows_folded_in_between,
            first=nn.Linear(2, 12),
            middle=nn.Linear(3, 3),
            second=nn.Linear(3, 10),
            last=nn.Linear(40, 2),
        ),
        PLANE,
        1,
    ),
    "repeated without memory": (
        lambda: Written(
            _repeated_without_memory,
            first=nn.Linear(2, 4, bias=False),
            middle=nn.Linear(4, 1, bias=False),
            last=nn.Linear(5, 2),
        ),
        PLANE,
        2,
    ),
    "channels last": (
        lambda: Written(_channels_last, first=nn.Conv2d(1, 3, 3, padding=1), second=nn.Conv2d(3, 3, 3)),
        IMAGE,
        1,
    ),
    "nothing beside something": (
        lambda: Written(_nothing_beside_something, first=nn.Linear(2, 6), middle=nn.Linear(6, 4), last=nn.Linear(4, 2)),
        PLANE,
        3,
    ),
    "leaky relu": (lambda: between(lambda h: F.leaky_relu(h, 0.2)), PLANE, 3),
    "prelu per channel": (lambda: nn.Sequential(nn.Linear(2, 5), _prelu(5), nn.Linear(5, 2)), PLANE, 3),
    "prelu of an image": (lambda: nn.Sequential(nn.Conv2d(1, 3, 3), _prelu(3), nn.Flatten()), IMAGE, 2),
    "rrelu": (lambda: nn.Sequential(nn.Linear(2, 5), nn.RReLU(), nn.Linear(5, 2)), PLANE, 3),
    "functional rrelu": (lambda: between(lambda h: F.rrelu(h, 0.2, 0.4)), PLANE, 3),
    "absolute value": (lambda: between(torch.abs), PLANE, 3),
    "hardtanh": (lambda: between(lambda h: F.hardtanh(h, -0.5, 0.75)), PLANE, 3),
    "relu6": (lambda: between(lambda h: F.relu6(4 * h)), PLANE, 3),
    "relu6 module": (lambda: nn.Sequential(nn.Linear(2, 5), nn.ReLU6(), nn.Linear(5, 2)), PLANE, 8),
    "clamp to an interval": (lambda: between(lambda h: h.clamp(-0.5, 0.5)), PLANE, 3),
    "clamp from above": (lambda: between(lambda h: torch.clamp(h, max=0.3)), PLANE, 3),
    "bounds at infinity": (lambda: between(lambda h: F.hardtanh(h.clamp(-torch.inf, 0.5), -0.5, torch.inf)), PLANE, 3),
    "clip to tensors": (lambda: between(_clip_to_tensors), PLANE, 3),
    "clamp to activations": (lambda: between(lambda h: torch.clamp(h, h.roll(1, 1), h.roll(2, 1))), PLANE, 3),
    "maximum of two activations": (lambda: between(lambda h: torch.maximum(h, h.roll(1, 1) - 0.5)), PLANE, 3),
    "minimum, broadcast": (lambda: between(lambda h: torch.minimum(h[:, :1], h)), PLANE, 3),
    "bounds that broadcast": (lambda: nn.Sequential(between(_broadcast, 5), nn.ReLU()), PLANE, 3),
    "fmax and fmin": (lambda: between(lambda h: torch.fmax(h, torch.fmin(h.flip(1), torch.tensor(0.2)))), PLANE, 3),
    "continuous threshold": (lambda: between(lambda h: F.threshold(h, 0.25, 0.25)), PLANE, 3),
    "hardsigmoid": (lambda: between(lambda h: F.hardsigmoid(4 * h)), PLANE, 3),
    "softshrink": (lambda: nn.Sequential(nn.Linear(2, 5), nn.Softshrink(0.3), nn.Linear(5, 2)), PLANE, 3),
    "maxout by view and amax": (
        lambda: between(lambda h: h.view(h.shape[0], 6, 3).amax(-1).repeat(1, 3), 18),
        PLANE,
        2,
    ),
    "maxout by view and max": (lambda: between(lambda h: h.view(-1, 3, 4).max(dim=1).values.tile(3), 12), PLANE, 2),
    "minimum over a dimension": (lambda: between(lambda h: h + h.min(dim=1, keepdim=True)[0]), PLANE, 3),
    "amax over two dimensions": (lambda: image(lambda h: h.amax((2, 3)) - h.amin((1, 2, 3))[:, None]), IMAGE, 2),
    "max pool": (_pool(F.max_pool2d, kernel_size=2), IMAGE, 2),
    "max pool, overlapping": (_pool(F.max_pool2d, kernel_size=2, stride=1), IMAGE, 2),
    "max pool, padded": (_pool(F.max_pool2d, kernel_size=3, stride=2, padding=1), IMAGE, 2),
    "max pool, dilated": (_pool(F.max_pool2d, kernel_size=2, stride=1, dilation=2), IMAGE, 2),
    "max pool, ceil mode": (_pool(F.max_pool2d, kernel_size=2, ceil_mode=True), IMAGE, 2),
    "max pool, no activation": (lambda: image(lambda h: F.max_pool2d(h, (1, 2))), IMAGE, 2),
    "adaptive max pool": (_pool(F.adaptive_max_pool2d, output_size=2), IMAGE, 2),
    "max pool of a sequence": (
        lambda: nn.Sequential(nn.Conv1d(2, 2, 2), nn.MaxPool1d(3, 2, 1), nn.Flatten(), nn.Linear(6, 2)),
        SEQUENCE,
        2,
    ),
    "adaptive max pool of a sequence": (
        lambda: nn.Sequential(nn.Conv1d(2, 2, 3, dilation=2), nn.AdaptiveMaxPool1d(2), nn.Flatten()),
        SEQUENCE,
        2,
    ),
    "max pool of a volume": (
        lambda: nn.Sequential(nn.Conv3d(1, 2, 2), nn.ReLU(), nn.MaxPool3d((1, 2, 2), 1), nn.Flatten()),
        VOLUME,
        2,
    ),
    "average pools": (lambda: image(lambda h: F.avg_pool2d(torch.relu(h), 2, 1, 1)), IMAGE, 2),
    "adaptive average pool": (lambda: image(lambda h: F.adaptive_avg_pool2d(torch.relu(h), (2, 1))), IMAGE, 2),
    "sequence": (
        lambda: nn.Sequential(
            nn.Conv1d(2, 4, 3, stride=2, padding=1, groups=2),
            nn.ReLU(),
            nn.AvgPool1d(2, ceil_mode=True),
            nn.Flatten(),
            nn.Linear(8, 2),
        ),
        SEQUENCE,
        2,
    ),
    "volume": (
        lambda: nn.Sequential(nn.Conv3d(1, 2, 2, (1, 2, 1)), nn.ReLU(), nn.AvgPool3d(2, 1), nn.Flatten()),
        VOLUME,
        2,
    ),
    "transposed convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 3, 2),
            nn.ReLU(),
            nn.ConvTranspose2d(2, 1, 3, 2, 1, output_padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16, 2),
        ),
        IMAGE,
        1,
    ),
    "transposed convolution of a sequence": (
        lambda: nn.Sequential(nn.ConvTranspose1d(2, 1, 2, 2), nn.LeakyReLU(), nn.Flatten()),
        SEQUENCE,
        2,
    ),
    "batch norm": (
        lambda: with_statistics(nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2))),
        PLANE,
        3,
    ),
    "batch norm of an image": (
        lambda: with_statistics(
            nn.Sequential(
                nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.BatchNorm2d(2, affine=False), nn.Flatten()
            )
        ),
        IMAGE,
        2,
    ),
    "upsampling": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 1, 3, 2), nn.Upsample(scale_factor=2), nn.ReLU(), nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten()
        ),
        IMAGE,
        2,
    ),
    "bilinear upsampling": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 1, 4),
            nn.UpsamplingBilinear2d(3),
            nn.ReLU(),
            nn.Upsample((2, 4), mode="bilinear"),
            nn.Flatten(),
        ),
        IMAGE,
        2,
    ),
    "paddings": (lambda: image(_padded), IMAGE, 2),
    "shapes": (lambda: between(_shuffled), PLANE, 3),
    "products with constants": (lambda: between(_multiplied), PLANE, 3),
    "in place": (lambda: between(_in_place), PLANE, 3),
    "constants and buffers": (Buffered, PLANE, 3),
    "residual": (lambda: between(lambda h: h + F.relu(h.flip(1)) - 0.5 * F.relu(1 - h)), PLANE, 3),
    "dense": (DenseNet, PLANE, 3),
    "branches": (
        lambda: Written(
            lambda m, x: torch.cat([F.relu(m.a(x)), F.hardtanh(m.b(x)), torch.abs(m.c(x))], 1).relu_(),
            a=nn.Linear(2, 3),
            b=nn.Linear(2, 2),
            c=nn.Linear(2, 2),
        ),
        PLANE,
        3,
    ),
    "one module used thrice": (
        lambda: Written(
            lambda m, x: m.act(m.turn(m.act(m.turn(m.act(m.lift(x)))))),
            lift=nn.Linear(2, 4),
            turn=nn.Linear(4, 4),
            act=nn.ReLU(),
        ),
        PLANE,
        3,
    ),
    "nested": (
        lambda: nn.Sequential(
            nn.Sequential(nn.Identity(), nn.Sequential(nn.Linear(2, 4), nn.ReLU(inplace=True))),
            nn.Dropout(0.5),
            nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.LeakyReLU(0.3, inplace=True))),
        ),
        PLANE,
        3,
    ),
    "recurrent": (Recurrent, (3, 2), 2),
    "squeezed": (
        lambda: Written(lambda m, x: F.relu(m.a(x).squeeze(-1).squeeze()).unsqueeze(-1) * 2, a=nn.Linear(2, 1)),
        PLANE,
        3,
    ),
    "casts": (lambda: between(lambda h: F.relu(h.to(h.dtype).to("cpu").double())), PLANE, 3),
    "sorted in pairs": (lambda: between(lambda h: h.view(-1, 3, 2).sort(-1)[0].flatten(1)), PLANE, 3),
    "sorted": (lambda: between(lambda h: h.sort(dim=1, descending=True).values), PLANE, 3),
    "running extremes": (lambda: between(lambda h: h.cummax(1)[0] - h.cummin(1).values), PLANE, 3),
    "sums of magnitudes": (
        lambda: between(lambda h: torch.cat([h.norm(1, 1, True), h.norm(torch.inf, 1, True), F.relu(h[:, 2:])], 1)),
        PLANE,
        3,
    ),
    "written into slices": (lambda: between(_written_into_slices), PLANE, 3),
    "LeNet": (LeNet, IMAGE, 1.5),
    "pre-activation ResNet": (lambda: PreActivationResNet(False), (1, 4, 4), 1),
    "pre-activation ResNet with batch norm": (lambda: with_statistics(PreActivationResNet(True)), (1, 4, 4), 0.5),
    "vision ResNet": (lambda: with_statistics(VisionResNet()), (1, 4, 4), 1),
}

# Ways to write the same activation: one partition.
SPELLINGS = {
    "relu": [
        F.relu,
        torch.relu,
        lambda h: h.relu(),
        lambda h: h.clone().relu_(),
        nn.ReLU(),
        nn.ReLU(inplace=True),
        lambda h: h.clamp_min(0),
        lambda h: h.clamp(min=0.0),
        lambda h: torch.clip(h, 0),
        lambda h: torch.maximum(h, 0 * h),
        lambda h: torch.maximum(h, torch.zeros(6)),
        lambda h: torch.max(h, torch.zeros_like(h)),
        lambda h: -torch.minimum(-h, torch.tensor(0.0)),
        lambda h: F.threshold(h, 0, 0),
        lambda h: F.leaky_relu(h, 0.0),
        lambda h: F.prelu(h, torch.zeros(1)),
        lambda h: F.hardtanh(h, 0, 1e9),
        lambda h: torch.stack([h, torch.zeros_like(h)]).permute(1, 2, 0).amax(-1),
        lambda h: torch.stack([torch.zeros_like(h), h], dim=1).max(dim=1)[0],
    ],
    "hardtanh": [
        F.hardtanh,
        nn.Hardtanh(),
        lambda h: h.clamp(-1, 1),
        lambda h: torch.clip(h, torch.full((6,), -1.0), torch.tensor(1.0)),
        lambda h: torch.minimum(torch.maximum(h, torch.tensor(-1.0)), torch.tensor(1.0)),
        lambda h: F.relu6(3 * h + 3) / 3 - 1,
        lambda h: 2 * F.hardsigmoid(3 * h) - 1,
        lambda h: h - F.softshrink(h, 1.0),
    ],
    "abs": [
        torch.abs,
        lambda h: h.abs(),
        lambda h: torch.maximum(h, -h),
        lambda h: F.leaky_relu(h, -1.0),
        lambda h: F.prelu(h, -torch.ones(6)),
        lambda h: h.clamp(min=-h),
        lambda h: torch.stack([h, -h], 2).max(2).values,
    ],
}


def _prelu(channels):
    layer = nn.PReLU(channels)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-0.5, 0.75, channels))
    return layer


def _clip_to_tensors(h):
    low = torch.linspace(-1, 0, 6, dtype=h.dtype)
    return torch.clip(h, low, low + torch.tensor([0.5, 1.0, 1.5, 0.25, 2.0, 1.0]))


def _broadcast(h):
    levels = torch.linspace(-1, 0.5, 5)
    return torch.maximum(levels, h[:, 1:2].clamp(levels - 0.5, torch.tensor(1.0)))


def _padded(h):
    h = torch.relu(F.pad(h, (1, 0, 0, 1), mode="reflect"))
    h = F.pad(F.pad(h, (1, 1), value=-0.5), (0, 0, 1, 1), mode="replicate")
    return F.pad(h, (-2, 0, 0, -1)) + F.pad(h, (1, 1, 0, 0), mode="circular")[..., 1:, 2:-2]
