#!/usr/bin/env python3
"""Sources with the background's spectrum, which differ from it in intermittency or time asymmetry alone.

bench_same_spectrum.py BINARY [--seeds N] [--first N]: SNR of the background, dB, at 0 dB: the mixture times the best
factor (3 dB), the published objective run out and stopped, its best iterate in hindsight, the local model, the local model
refined by scattering terms, and a network that is trained on mixtures of snippets to mask cells of time and frequency.
"""

import argparse
import os
import sys
import tempfile

import numpy as np

from bench_shapeless import Case, cells, oracle, signal, snr_db
from shapeless_mixtures import mixture

KINDS = "intermittent,pulses,reversed"
FRAME = 64


def patches(x, background):
    """Log powers of a cell's surroundings, (cells, features): five bins by eleven frames, and the bin's place."""
    level = np.log(np.abs(cells(x, FRAME)) ** 2 / background + 1e-3)
    m, f = level.shape
    wide = np.pad(level, ((5, 5), (2, 2)), mode="edge")
    around = [wide[i : i + m, j : j + f] for i in range(11) for j in range(5)]
    place = np.broadcast_to(np.log(1 + np.arange(f)), (m, f))
    return np.stack([*around, place], -1).reshape(m * f, -1)


def network(background, source, seed, hidden=32, steps=3000, batch=1024):
    """Two layers trained by Adam so that the mask times the mixture is the background."""
    rng = np.random.default_rng(seed)
    spectrum = np.mean([np.abs(cells(s, FRAME)) ** 2 for s in background], axis=(0, 1))
    inputs, powers, products = [], [], []
    for _ in range(90):
        n, s = background[rng.integers(len(background))], source[rng.integers(len(source))]
        z, own = cells(n + s, FRAME), cells(n, FRAME)
        unit = (np.abs(own) ** 2).mean()
        inputs.append(patches(n + s, spectrum))
        powers.append((np.abs(z) ** 2).ravel() / unit)
        products.append((z * own.conj()).real.ravel() / unit)
    inputs, powers, products = map(np.concatenate, (inputs, powers, products))
    center, scale = inputs.mean(0), inputs.std(0) + 1e-9
    inputs = ((inputs - center) / scale).astype(np.float32)
    sizes = [inputs.shape[1], hidden, hidden, 1]
    weights = [rng.standard_normal((a, b)).astype(np.float32) / np.sqrt(a) for a, b in zip(sizes, sizes[1:])]
    weights += [np.zeros(b, np.float32) for b in sizes[1:]]
    first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]

    def run(u):
        a = np.tanh(u @ weights[0] + weights[3])
        b = np.tanh(a @ weights[1] + weights[4])
        return a, b, 1 / (1 + np.exp(-(b @ weights[2] + weights[5])[:, 0]))

    for step in range(1, steps + 1):
        at = rng.integers(len(inputs), size=batch)
        a, b, mask = run(inputs[at])
        slope = ((2 * mask * powers[at] - 2 * products[at]) * mask * (1 - mask) / batch)[:, None].astype(np.float32)
        back_b = slope @ weights[2].T * (1 - b**2)
        back_a = back_b @ weights[1].T * (1 - a**2)
        gradients = [inputs[at].T @ back_a, a.T @ back_b, b.T @ slope, back_a.sum(0), back_b.sum(0), slope.sum(0)]
        rate = 3e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
        for w, g, one, two in zip(weights, gradients, first, second):
            one += 0.1 * (g - one)
            two += 0.001 * (g * g - two)
            w -= rate * one / (1 - 0.9**step) / (np.sqrt(two / (1 - 0.999**step)) + 1e-8)
    return lambda x: signal(
        cells(x, FRAME) * run(((patches(x, spectrum) - center) / scale).astype(np.float32))[2].reshape(-1, FRAME // 2 + 1),
        len(x), FRAME,
    )


def solve(case, seed):
    x, n, _, background, source = case.arrays
    rows = {"nothing": x, "half of the mixture": x / 2}
    rows["published, run out"] = case.unmix(["--objective", "paper", "--max-iter", "60"])["background"]
    rows["published, from Wiener, stopped"] = case.unmix(["--objective", "seismix", "--max-iter", "60"])["background"]
    best = [case.unmix(["--objective", "paper", "--max-iter", str(i)])["background"] for i in (3, 6, 12, 25)]
    rows["published, best iterate of five in hindsight"] = max([*best, rows["published, run out"]], key=lambda v: snr_db(n, v))
    ours = case.unmix(["--method", "auto", "--realisation"])
    rows["local model"] = ours["waveform"]
    rows["local model, refined by scattering"] = ours["realisation"]
    rows["mask network"] = network(background, source, seed)(x)
    rows["true local spectra (oracle)"] = oracle(*case.arrays)
    snr = {k: snr_db(n, v) for k, v in rows.items()}
    phi = case.statistics([*background, n, *rows.values()])
    r = len(background)
    deviation = np.maximum(phi[:r].std(0), 1e-2)
    far = {k: np.sqrt(np.mean(np.abs(v - phi[r]) ** 2 / deviation**2)) for k, v in zip(rows, phi[r + 1 :])}
    return snr, far


def main():
    """All kinds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--kinds", default=KINDS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    found = {}
    for kind in kinds:
        for seed in range(options.first, options.first + options.seeds):
            with tempfile.TemporaryDirectory() as folder:
                case = Case(os.path.abspath(options.binary), folder, mixture(kind, seed, 0))
                found.setdefault(kind, []).append(solve(case, seed))
    print("| row | " + " | ".join(f"{k}, SNR | distance" for k in kinds) + " |")
    print("|" + "---|" * (2 * len(kinds) + 1))
    for row in found[kinds[0]][0][0]:
        cells_of = [f"{np.mean([c[i][row] for c in found[k]]):.{i + 1}f}" for k in kinds for i in (0, 1)]
        print("| " + " | ".join([row, *cells_of]) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
