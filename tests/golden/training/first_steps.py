#!/usr/bin/env python3
"""Makes first_steps.csv: the first ten training steps of small networks, computed without any of this project's code.

Layers are written from the layer contract with PyTorch's own convolutions; gradients are PyTorch's automatic ones, in
double precision. The random numbers, the order of the samples, augmentation, gradient descent, batch statistics and the
evaluation after the last step are repeated here from their descriptions. Needs torch (2.15 was used; Debian 12's 1.13 gives the same):

    python3 first_steps.py ../../../training/data/digits.csv.gz > first_steps.csv
"""

import gzip
import math
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
PARAMETERS, ORDER, AUGMENTATION = 1, 2, 3  # what random numbers are for
SEED, TRAIN, TEST, BATCH, STEPS = 7, 40, 20, 16, 10
EPSILON = 1e-5


# ---- random numbers -------------------------------------------------------------------------------------------------


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


class Random:
    def __init__(self, stream, *key):
        self.state = mix((SEED + GOLDEN) & MASK)
        for part in (stream,) + key:
            self.state = mix(((self.state ^ part) + GOLDEN) & MASK)

    def next(self):
        self.state = (self.state + GOLDEN) & MASK
        return mix(self.state)

    def below(self, n):
        return ((self.next() >> 32) * n) >> 32

    def normal(self):
        return (2 * sum(self.next() >> 32 for _ in range(12)) - 12 * 0xFFFFFFFF) / 2.0**33


def permutation(epoch, n):
    order = list(range(n))
    random = Random(ORDER, epoch)
    for i in range(n, 1, -1):
        j = random.below(i)
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


# ---- images ---------------------------------------------------------------------------------------------------------


def load(path):
    rows = [[int(v) for v in line.split(",")] for line in gzip.open(path, "rt")]
    train = [row for i, row in enumerate(rows) if i % 5 != 4]
    test = [row for i, row in enumerate(rows) if i % 5 == 4]

    def pick(rows, count):
        rows = [rows[i * len(rows) // count] for i in range(count)]
        images = torch.tensor([row[:64] for row in rows]).reshape(-1, 1, 8, 8) / 16.0
        return images.to(torch.float64), torch.tensor([row[64] for row in rows])

    return pick(train, TRAIN), pick(test, TEST)


def translate(image, epoch, index):
    random = Random(AUGMENTATION, epoch, index)
    down, right = random.below(3) - 1, random.below(3) - 1
    return F.pad(image, (1, 1, 1, 1))[:, 1 + down : 9 + down, 1 + right : 9 + right]


# ---- layers ---------------------------------------------------------------------------------------------------------


class Net:
    """Parameters in the order in which the network's layers ask for them."""

    def __init__(self, batch_norm):
        self.batch_norm = batch_norm
        self.parameters, self.decayed = [], []
        self.moments = None  # sums over measured batches: images, mean, mean of squares
        self.made = False

    def restart(self, training):
        self.training, self.next_parameter, self.next_moments = training, 0, 0

    def parameter(self, dims, deviation=0.0, constant=0.0, filters=False):
        if not self.made:
            random = Random(PARAMETERS, len(self.parameters))
            n = math.prod(dims)
            values = [deviation * random.normal() if deviation else constant for _ in range(n)]
            # The program keeps float32 parameters.
            tensor = torch.tensor(values, dtype=torch.float32).double().reshape(dims)
            self.parameters.append(tensor.requires_grad_())
            self.decayed.append(filters)
        self.next_parameter += 1
        return self.parameters[self.next_parameter - 1]

    def filters(self, m, c, k, scale):
        return self.parameter([m, c, k, k], scale / math.sqrt(c * k * k), filters=True)

    def normalise(self, u):
        """Batch normalisation without its affine part."""
        if not self.batch_norm:
            return u
        if self.training:
            mean, variance = u.mean((0, 2, 3)), u.var((0, 2, 3), unbiased=False)
            if self.moments is not None:
                if len(self.moments) == self.next_moments:
                    self.moments.append([0, 0, 0])
                sums = self.moments[self.next_moments]
                for i, term in enumerate((1, mean, (u * u).mean((0, 2, 3)))):
                    sums[i] = sums[i] + u.shape[0] * term
        else:
            images, total, squares = self.moments[self.next_moments]
            mean = total / images
            variance = squares / images - mean * mean
        self.next_moments += 1
        return (u - per_channel(mean)) / torch.sqrt(per_channel(variance) + EPSILON)


def per_channel(v):
    return v.reshape(1, -1, 1, 1)


def relu(x):
    return torch.relu(x)  # whose derivative at 0 is 0 in every version, unlike clamp's


def momentum_factors():
    t = 1.0
    while True:
        following = (1 + math.sqrt(1 + 4 * t * t)) / 2
        yield (t - 1) / following
        t = following


def msd_csc(net, x, w, dilation, unfolding, scale):
    c = x.shape[1]
    filters = net.filters(w, c, 3, scale)
    b = net.parameter([c + w])
    step = net.parameter([1], constant=1.0)
    a = net.parameter([c + w], constant=1.0) if net.batch_norm else torch.ones(c + w)

    def prox(u):
        # Identity and new channels are normalised one after the other, which for a normalisation by channel is the same
        # as together; their moments are kept apart.
        u = torch.cat([net.normalise(u[:, :c]), net.normalise(u[:, c:])], 1)
        return relu(per_channel(a) * u - per_channel(b))

    def analysis(image):
        return F.conv2d(image, filters, padding=dilation, dilation=dilation)

    code = prox(step * torch.cat([x, analysis(x)], 1))
    previous = code
    for _, factor in zip(range(unfolding), momentum_factors()):
        z = code + factor * (code - previous)
        r = z[:, :c] + F.conv_transpose2d(z[:, c:], filters, padding=dilation, dilation=dilation) - x
        previous = code
        code = prox(z - step * torch.cat([r, analysis(r)], 1))
    return code


def dense_csc(net, x, w, dilations, unfolding, scale):
    """The layers of a dense block, pursued together: analysis A_i g = [g ; F_i g]."""
    layers = []
    channels = x.shape[1]
    for dilation in dilations:
        filters = net.filters(w, channels, 3, scale)
        channels += w
        b, step = net.parameter([channels]), net.parameter([1], constant=1.0)
        a = net.parameter([channels], constant=1.0) if net.batch_norm else torch.ones(channels)
        layers.append((filters, b, step, a, dilation))

    def analysis(layer, image):
        filters, dilation = layer[0], layer[4]
        return torch.cat([image, F.conv2d(image, filters, padding=dilation, dilation=dilation)], 1)

    def synthesis(layer, code):
        filters, dilation = layer[0], layer[4]
        c = filters.shape[1]
        return code[:, :c] + F.conv_transpose2d(code[:, c:], filters, padding=dilation, dilation=dilation)

    def prox(layer, u):
        c = layer[0].shape[1]
        u = torch.cat([net.normalise(u[:, :c]), net.normalise(u[:, c:])], 1)
        return relu(per_channel(layer[3]) * u - per_channel(layer[1]))

    codes = [x]
    for layer in layers:
        codes.append(prox(layer, layer[2] * analysis(layer, codes[-1])))
    previous = codes[-1]
    for _, factor in zip(range(unfolding), momentum_factors()):
        estimates = [codes[-1] + factor * (codes[-1] - previous)]
        previous = codes[-1]
        for layer in reversed(layers):
            estimates.insert(0, synthesis(layer, estimates[0]))
        for i, layer in enumerate(layers, 1):
            r = estimates[i - 1] - codes[i - 1]
            codes[i] = prox(layer, estimates[i] - layer[2] * analysis(layer, r))
    return codes[-1]


def layered_pursuit(net, x, w, unfolding, scale):
    filters, b, step = net.filters(w, x.shape[1], 3, scale), net.parameter([w]), net.parameter([1], constant=1.0)

    def prox(u):
        return relu(u - per_channel(b))

    code = prox(step * F.conv2d(x, filters, padding=1))
    previous = code
    for _, factor in zip(range(unfolding), momentum_factors()):
        z = code + factor * (code - previous)
        previous = code
        code = prox(z - step * F.conv2d(F.conv_transpose2d(z, filters, padding=1) - x, filters, padding=1))
    return code


def threshold(net, x, m, k, stride, pad, scale):
    filters = net.filters(m, x.shape[1], k, scale)
    b = net.parameter([m])
    a = net.parameter([m], constant=1.0) if net.batch_norm else torch.ones(m)
    u = net.normalise(F.conv2d(x, filters, stride=stride, padding=pad))
    return relu(per_channel(a) * u - per_channel(b))


def res_csc(net, x, m, stride, scale):
    f1 = net.filters(m, x.shape[1], 3, scale)
    b1 = net.parameter([m])
    f2 = net.filters(m, m, 3, scale)
    b2 = net.parameter([m])
    step = net.parameter([1], constant=-0.1)
    a1 = net.parameter([m], constant=1.0) if net.batch_norm else torch.ones(m)
    a2 = net.parameter([m], constant=1.0) if net.batch_norm else torch.ones(m)
    h = relu(per_channel(a1) * net.normalise(F.conv2d(x, f1, stride=stride, padding=1)) - per_channel(b1))
    s = x[:, :, ::stride, ::stride]
    s = F.pad(s, (0, 0, 0, 0, 0, m - s.shape[1]))
    u = F.conv2d(h + step * F.conv_transpose2d(s, f2, padding=1), f2, padding=1)
    return relu(per_channel(a2) * net.normalise(u) + s - per_channel(b2))


def ml_csc(net, x, widths, unfolding, scale):
    layers, channels = [], x.shape[1]
    for m in widths:
        layers.append((net.filters(m, channels, 4, scale), net.parameter([m]), net.parameter([1], constant=1.0)))
        channels = m

    def analysis(f, image):
        return F.conv2d(image, f, stride=2, padding=1)

    def synthesis(f, code):
        return F.conv_transpose2d(code, f, stride=2, padding=1)

    codes = [x]
    for f, b, c in layers:
        codes.append(relu(c * analysis(f, codes[-1]) - per_channel(b)))
    previous = codes[-1]
    for _, factor in zip(range(unfolding), momentum_factors()):
        estimates = [None] * len(layers) + [codes[-1] + factor * (codes[-1] - previous)]
        previous = codes[-1]
        for i in range(len(layers), 0, -1):
            estimates[i - 1] = synthesis(layers[i - 1][0], estimates[i])
        for i, (f, b, c) in enumerate(layers, 1):
            r = estimates[i - 1] - codes[i - 1]
            codes[i] = relu(estimates[i] - c * analysis(f, r) - per_channel(b))
    return codes[-1]


def classify(net, x):
    k, c, h, w = 10, *x.shape[1:]
    weights = net.parameter([k, c, h, w], 1 / math.sqrt(c * h * w), filters=True)
    b = net.parameter([k])
    return F.conv2d(x, weights).flatten(1) + b


# ---- networks: the names and options are those of the training program ----------------------------------------------


def msd_network(depth, width, unfolding):
    def forward(net, x):
        for i in range(depth):
            widest = max(1, (x.shape[2] - 1) // 2)  # a dilated filter is no wider than the image
            x = msd_csc(net, x, width, min(i % 3 + 1, widest), unfolding, 0.1)
            if i + 1 in (depth // 3, 2 * depth // 3):
                x = F.max_pool2d(x, 2)
        return classify(net, x.mean((2, 3), keepdim=True))

    return forward


def joint_network(net, x):
    for dilations in ((1, 2), (1, 1)):  # 3 is too wide for 4 x 4 pixels
        x = dense_csc(net, x, 2, dilations, 3, 0.1)
        x = F.max_pool2d(x, 2)
    x = dense_csc(net, x, 2, (1, 1), 3, 0.1)
    return classify(net, x.mean((2, 3), keepdim=True))


def layered_network(net, x):
    for _ in range(3):
        x = layered_pursuit(net, x, 8, 2, 0.6)
        x = F.max_pool2d(x, 2) if x.shape[2] > 2 else x
    return classify(net, x.mean((2, 3), keepdim=True))


def res_network(net, x):
    x = threshold(net, x, 4, 3, 1, 1, math.sqrt(2))
    for stage, m in enumerate((4, 8, 16)):
        x = res_csc(net, x, m, 2 if stage else 1, math.sqrt(2))
    return classify(net, x.mean((2, 3), keepdim=True))


def ml_network(net, x):
    x = ml_csc(net, x, (2, 4, 8), 2, 1.0)
    for m in (16, 32, 32):  # the image is down to one pixel: nothing to pool
        x = threshold(net, x, m, 3, 1, 1, 1.0)
    return classify(net, x)


CASES = {
    # name: network, batch normalisation, rate, Nesterov, weight decay, augmentation
    "msd_csc_none": (msd_network(9, 2, 2), False, 0.05, False, 0.0, False),
    "msd_csc_batch": (msd_network(3, 3, 3), True, 0.05, False, 0.01, True),
    "res_csc_batch": (res_network, True, 0.1, True, 1e-4, True),
    "ml_csc_none": (ml_network, False, 0.05, True, 0.0, False),
    "msd_csc_joint_batch": (joint_network, True, 0.05, False, 0.0, False),
    "layered_pursuit_none": (layered_network, False, 0.02, False, 0.0, True),
}


def run(name, train, test):
    forward, batch_norm, rate, nesterov, decay, augment = CASES[name]
    net = Net(batch_norm)
    net.restart(True)
    with torch.no_grad():
        forward(net, train[0][:1].expand(2, -1, -1, -1))  # makes the parameters
    net.made = True
    velocity = [torch.zeros_like(p) for p in net.parameters]
    per_epoch = -(-TRAIN // BATCH)

    def batch(epoch, step):
        indices = permutation(epoch, TRAIN)[step * BATCH : (step + 1) * BATCH]
        images = train[0][indices]
        if augment:
            images = torch.stack([translate(image, epoch, i) for image, i in zip(images, indices)])
        return images, train[1][indices]

    for done in range(STEPS):
        epoch, step = divmod(done, per_epoch)
        images, labels = batch(epoch, step)
        net.restart(True)
        loss = F.cross_entropy(forward(net, images), labels)
        yield done + 1, loss.item()
        gradients = torch.autograd.grad(loss, net.parameters)
        with torch.no_grad():
            for p, v, g, filters in zip(net.parameters, velocity, gradients, net.decayed):
                d = g + (decay if filters else 0.0) * p
                v.mul_(0.9).add_(d)
                p -= rate * (d + 0.9 * v if nesterov else v)
            if step + 1 < per_epoch:
                continue
            # The epoch is over: normalise by the moments over its batches, with the parameters as they are now.
            net.moments = []
            for i in range(per_epoch):
                net.restart(True)
                forward(net, batch(epoch, i)[0])
            net.restart(False)
            yield f"test{epoch + 1}", F.cross_entropy(forward(net, test[0]), test[1]).item()
            net.moments = None


def main():
    train, test = load(sys.argv[1])
    print("case,step,loss")
    for name in CASES:
        for step, loss in run(name, train, test):
            print(f"{name},{step},{loss:.9f}")


if __name__ == "__main__":
    main()
