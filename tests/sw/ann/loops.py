"""Spiking networks as plain loops, unit by unit and step by step, in Python's own floats: what the
simulation is compared with. Weights are lists of rows; a layer is (weights, biases, threshold).
"""


def affine(layer, values, share):
    weights, biases, _ = layer
    return [
        sum(w * x for w, x in zip(row, values, strict=True)) + bias * share
        for row, bias in zip(weights, biases, strict=True)
    ]


def rate(layers, image, steps, start):
    """Integrate and fire, all layers in the same step. Outputs and spikes by step."""
    potentials = [[start * threshold] * len(weights) for weights, _, threshold in layers[:-1]]
    total, outputs, spikes = [0.0] * len(layers[-1][0]), [], []
    for _ in range(steps):
        values, fired = image, []
        for layer, potential in zip(layers[:-1], potentials, strict=True):
            current = affine(layer, values, 1.0)
            values = []
            for unit, amount in enumerate(current):
                potential[unit] += amount
                fires = potential[unit] >= layer[2]
                potential[unit] -= layer[2] * fires
                values.append(layer[2] * fires)
                fired.append(int(fires))
        total = [a + b for a, b in zip(total, affine(layers[-1], values, 1.0), strict=True)]
        outputs.append(total)
        spikes.append(fired)
    return outputs, spikes


def weight(k, phases):
    return 2 ** (phases - 1 - k) / (2**phases - 1)


def phase(layers, image, steps, phases):
    """Phase neurons that fire on what they have heard so far."""
    least = weight(phases - 1, phases)
    potentials = [[0.5 * least * threshold] * len(w) for w, _, threshold in layers[:-1]]
    total, outputs, spikes = [0.0] * len(layers[-1][0]), [], []
    for step in range(steps):
        share = weight(step % phases, phases)
        values, fired = [x * share for x in image], []
        for layer, potential in zip(layers[:-1], potentials, strict=True):
            current, size = affine(layer, values, share), layer[2] * share
            values = []
            for unit, amount in enumerate(current):
                potential[unit] += amount
                fires = potential[unit] >= size
                potential[unit] -= size * fires
                values.append(size * fires)
                fired.append(int(fires))
        total = [a + b for a, b in zip(total, affine(layers[-1], values, share), strict=True)]
        outputs.append(total)
        spikes.append(fired)
    return outputs, spikes


def bistable(layers, image, periods, phases):
    """Whole periods at once: each layer's values of a period are bits of what it has heard in the
    period before. The outputs after each period, and the numbers that each layer says in it.
    """
    top = 2**phases - 1
    rest = [[0.5 * threshold / top] * len(w) for w, _, threshold in layers[:-1]]
    said = [None] * len(layers)  # what the layer before says in this period, None: nothing yet
    total, outputs, numbers = [0.0] * len(layers[-1][0]), [], []
    for _ in range(periods):
        said[0] = image
        heard = [
            None if s is None else affine(la, s, 1.0) for la, s in zip(layers, said, strict=True)
        ]
        said_next, codes = [None] * len(layers), []
        for at, (_, _, threshold) in enumerate(layers[:-1]):
            if heard[at] is None:
                continue
            step = threshold / top
            values = []
            for unit, amount in enumerate(heard[at]):
                rest[at][unit] += amount
                number = min(max(int(rest[at][unit] // step), 0), top)
                rest[at][unit] -= number * step
                values.append(number * step)
                codes.append(number)
            said_next[at + 1] = values
        if heard[-1] is not None:
            total = [a + b for a, b in zip(total, heard[-1], strict=True)]
        outputs.append(total)
        numbers.append(codes)
        said = said_next
    return outputs, numbers
