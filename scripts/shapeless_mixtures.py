"""Mixtures whose truth is known, of a background and a source that has statistics but no shape.

`mixture(kind, seed, snr_in_db, records)` gives x, n, s, R background snippets and R source snippets of T samples.
Kinds: turb (turbulence-like bursts) and band (a modulated band of noise), both in the increments of a multifractal
random walk, and real (a quiet hour of real background, windows of a windy hour as source). The study kinds have
the background's spectrum: intermittent, pulses and reversed.
"""

from pathlib import Path

import numpy as np

T, R = 2048, 30


def gaussian(rng, covariance, n):
    """Stationary Gaussian noise with covariance(lag), by circulant embedding."""
    lags = np.minimum(np.arange(2 * n), 2 * n - np.arange(2 * n))
    eigen = np.maximum(np.fft.fft(covariance(lags)).real, 0)
    z = rng.standard_normal(2 * n) + 1j * rng.standard_normal(2 * n)
    return np.fft.fft(np.sqrt(eigen / (2 * n)) * z).real[:n]


def fractional(rng, n, hurst):
    """Increments of fractional Brownian motion."""
    def covariance(k):
        k = k.astype(float)
        return ((k + 1) ** (2 * hurst) + np.abs(k - 1) ** (2 * hurst) - 2 * k ** (2 * hurst)) / 2

    return gaussian(rng, covariance, n)


def volatility(rng, n, intermittency, scale):
    """exp(omega) of a multifractal random walk with integral scale `scale`."""
    omega = gaussian(rng, lambda k: intermittency**2 * np.log(np.maximum(scale / (k + 1.0), 1)), n)
    return np.exp(omega - omega.var())


def random_walk(rng, n, intermittency=0.2):
    """Increments of a multifractal random walk with H = 1/2, as the background of the example unmix_toy."""
    return rng.standard_normal(n) * volatility(rng, n, intermittency, n + 1)


def turbulence(rng, n):
    """A walk whose steps have H = 1/3 and the sizes of a multifractal random walk's, without its mean."""
    walk = np.cumsum(fractional(rng, n, 1 / 3) * np.abs(random_walk(rng, n)))
    return walk - walk.mean()


def burst(rng, n):
    """Turbulence that sets in within the window and dies away again, over a third to two thirds of it."""
    length = int(n * rng.uniform(1 / 3, 2 / 3))
    start = rng.integers(0, n - length)
    walk = np.zeros(n)
    # Differenced once more beyond 64 samples, so that not all energy is in the longest waves.
    part = turbulence(rng, length + 64)
    walk[start : start + length] = (part[64:] - part[:-64]) * np.hanning(length)
    return walk


def band(rng, n):
    """Noise of 0.03 to 0.09 cycles a sample in bursts."""
    f = np.fft.rfftfreq(n)
    shape = np.exp(-0.5 * ((np.log(np.maximum(f, 1e-9)) - np.log(0.055)) / 0.25) ** 2)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * shape, n)
    level = gaussian(rng, lambda k: np.exp(-0.5 * (k / (n / 16)) ** 2), n)
    return noise * np.exp(1.2 * level)


def detrended(x):
    """Without the line that fits it best."""
    t = np.linspace(-1, 1, len(x))
    x = x - x.mean()
    return x - t * (t @ x) / (t @ t)


class Records:
    """Hours of two of the shared days, three components, sorted from quiet to windy.

    Backgrounds are from the quieter half, sources from the windiest third.
    """

    def __init__(self, folder):
        from obspy import read  # only here: the toys do without

        hours = []
        days = [path for day in (156, 264) for path in Path(folder).glob(f"insight/2019/XB/ELYSE/BH[UVW].D/*.2019.{day}")]
        for path in sorted(days):
            x = read(str(path))[0].data.astype(float)
            hours += [x[72000 * h : 72000 * (h + 1)] for h in range(24)]
        order = np.argsort([np.median(np.abs(np.diff(h))) for h in hours], kind="stable")
        self.hours = [hours[i] for i in order]

    def windows(self, hour):
        """The 35 windows of an hour, detrended."""
        return [detrended(hour[i * T : (i + 1) * T]) for i in range(len(hour) // T)]

    def draw(self, rng):
        """Windows of a quiet hour and of a windy one, each R + 1 in random order."""
        n = len(self.hours)
        quiet, windy = rng.integers(0, n // 2), rng.integers(n - n // 3, n)
        pick = lambda hour: [self.windows(hour)[i] for i in rng.permutation(len(hour) // T)[: R + 1]]
        return pick(self.hours[quiet]), pick(self.hours[windy])


def coloured(noise):
    """With the power of a relaxation over 12 samples."""
    f = np.fft.rfftfreq(len(noise))
    return np.fft.irfft(np.fft.rfft(noise) / np.abs(1 - np.exp(-1 / 12 - 2j * np.pi * f)), len(noise))


def pulses(rng, n, rate=1 / 40):
    """Pulses that rise at once and decay over 12 samples, of random times, signs and sizes."""
    hits = rng.standard_normal(3 * n) * rng.exponential(size=3 * n) * (rng.random(3 * n) < rate)
    f = np.fft.rfftfreq(3 * n)
    return np.fft.irfft(np.fft.rfft(hits) / (1 - np.exp(-1 / 12 - 2j * np.pi * f)), 3 * n)[n : 2 * n]


def same_spectrum(kind, rng):
    """One background and one source with its spectrum, that differ in intermittency or time asymmetry alone."""
    gaussian_noise = coloured(rng.standard_normal(T))
    if kind == "intermittent":  # Gaussian noise against bursts of it
        return gaussian_noise, coloured(random_walk(rng, T, 0.6))
    if kind == "pulses":  # Gaussian noise against a train of asymmetric pulses
        return gaussian_noise, pulses(rng, T)
    if kind == "reversed":  # pulses against pulses that run backwards
        return pulses(rng, T), pulses(rng, T)[::-1].copy()
    raise ValueError(kind)


def sources(kind, rng, records):
    """R + 1 backgrounds and R + 1 sources; the first of each is the truth."""
    if kind == "real":
        return records.draw(rng)
    if kind in ("intermittent", "pulses", "reversed"):
        pairs = [same_spectrum(kind, rng) for _ in range(R + 1)]
        return [p[0] for p in pairs], [p[1] for p in pairs]
    make = {"turb": burst, "band": band}[kind]
    return [random_walk(rng, T) for _ in range(R + 1)], [make(rng, T) for _ in range(R + 1)]


def mixture(kind, seed, snr_in_db, records=None):
    """x, n, s, background snippets and source snippets; the source's cluster is scaled as the true source is."""
    rng = np.random.default_rng([seed, sum(map(ord, kind))])
    backgrounds, found = sources(kind, rng, records)
    n, s = backgrounds[0], found[0]
    gain = np.sqrt((n @ n) / (s @ s) / 10 ** (snr_in_db / 10))
    return n + gain * s, n, gain * s, np.array(backgrounds[1:]), gain * np.array(found[1:])
