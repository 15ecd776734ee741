"""Semi-synthetic benchmark of taking glitches out of InSight records: known sources added to real background.

Two makes. `model`: the response of the instrument to a step in acceleration, or a ramp of 1 to 5 s, most with the
precursor of a step in displacement, some overlapping. `real`: strong glitches cut on one day, tapered, scaled down
and added on another. Windows are told; nothing else is.

    python scripts/bench_deglitch.py target/debug/seismix --data ../shared/data --seeds 2,3,4 -o /tmp/deglitch

Needs numpy, scipy and ObsPy. Writes miniSEED and windows.csv for each case, calls `seismix separate` on them, and
prints one table a case (and results.json).
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import obspy
from scipy import signal

RATE = 20.0
COMPONENTS = "UVW"
LEVELS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
BINS = ((0, 1), (1, 3), (3, 10), (10, 30), (30, 100), (100, np.inf))
BANDS = {"full": None, ".1-1 Hz": (0.1, 1.0), "1-8 Hz": (1.0, 8.0)}
#: A stretch of background, s.
STRETCH = 2400.0
#: A window begins so long before an onset and ends so long after it, s; both vary by a few seconds.
BEFORE, AFTER = 6.0, 40.0


# --- the instrument ---------------------------------------------------------------------------------------------------


class Instrument:
    """Response of one component at 20 samples a second to steps and ramps in acceleration, and steps in displacement."""

    def __init__(self, response):
        stages = response.response_stages
        pz = stages[0]
        zeros = [z for z in pz.zeros if abs(z) > 0]
        # Velocity of a step in acceleration is 1/s^2, which takes the two zeros at the origin.
        self.poles = np.array(pz.poles)
        self.step = self.residues(zeros)
        self.jump = self.residues(list(pz.zeros))
        self.firs = []
        for stage in stages[3:5]:
            half = np.array([float(c) for c in stage.coefficients])
            full = np.concatenate([half, half[-2::-1]])
            self.firs.append(full / full.sum())

    def residues(self, zeros):
        """Of the partial fractions prod (s - z) / prod (s - p)."""
        top = np.poly(zeros)
        out = []
        for i, p in enumerate(self.poles):
            out.append(np.polyval(top, p) / np.prod(np.delete(p - self.poles, i)))
        return np.array(out)

    def decimated(self, fine):
        """500 to 20 samples a second by the two filters, each with its delay taken off."""
        for fir in self.firs:
            fine = signal.fftconvolve(fine, fir, mode="same")[::5]
        return fine

    def make(self, onset, n, rise=0.0, precursor=0.0):
        """`n` samples with a step of peak 1 at `onset` (s), over a ramp of `rise` s; a precursor of that peak."""
        lead = 10.0
        t = np.arange(int((n / RATE + 2 * lead) * 500)) / 500.0 - lead - onset

        def sums(factors, t):
            """Of the decaying oscillations, of which each conjugate pair counts twice its real part."""
            late = np.clip(t, 0, None)
            return sum((r * np.exp(late * p)).real * (1 + (p.imag != 0)) for r, p in zip(factors, self.poles) if p.imag >= 0)

        if rise > 0:
            # The integral of the step's response, now and a ramp ago.
            integral = self.step / self.poles / rise
            out = self.decimated(sums(integral, t) - sums(integral, t - rise))
        else:
            out = self.decimated(sums(self.step, t) * (t >= 0))
        out = out / np.abs(out).max()
        if precursor:
            # Band-limited as the recorder does it; the sampled response at once is not.
            spike = self.decimated(sums(self.jump, t) * (t >= 0))
            out = out + precursor * spike / np.abs(spike).max()
        skip = int(lead * RATE)
        return out[skip : skip + n]


def instruments(data):
    """One a component, from the shared StationXML."""
    inventory = obspy.read_inventory(next((data / "seisglitch-example").glob("inventory_*.xml")))
    by_code = {channel.code[-1]: Instrument(channel.response) for network in inventory for station in network for channel in station}
    return [by_code[c] for c in COMPONENTS]


# --- the background ---------------------------------------------------------------------------------------------------


def read_day(data, day):
    """Samples `(3, n)` of a day up to its first gap, and the time of the first."""
    traces = []
    for c in COMPONENTS:
        path = data / f"insight/2019/XB/ELYSE/BH{c}.D/XB.ELYSE.02.BH{c}.D.2019.{day}"
        traces.append(obspy.read(str(path))[0])
    n = min(t.stats.npts for t in traces) - 1
    return np.array([t.data[:n] for t in traces], float), traces[0].stats.starttime


def band(x, low, high):
    """Zero-phase band-pass."""
    sos = signal.butter(3, [low, high], "bandpass", fs=RATE, output="sos")
    return signal.sosfiltfilt(sos, x, axis=-1)


def prominence(x):
    """|x| in 0.02-1 Hz over a robust deviation of 20 minutes around."""
    y = band(x, 0.02, 1.0)
    n = int(1200 * RATE)
    out = np.empty_like(y)
    for i in range(0, y.shape[-1], n):
        part = y[..., i : i + n]
        out[..., i : i + n] = np.abs(part) / (1.4826 * np.median(np.abs(part), axis=-1, keepdims=True) + 1e-9)
    return out


def stretches(x, windy, count, rng):
    """Starts of stretches, quiet or windy ones."""
    n = int(STRETCH * RATE)
    starts = np.arange(0, x.shape[1] - n, n)
    rough = np.array([np.median(np.abs(np.diff(x[:, s : s + n])), axis=1).max() for s in starts])
    order = np.argsort(rough)
    share = (0.65, 0.9) if windy else (0.0, 0.35)
    chosen = order[int(share[0] * len(order)) : int(share[1] * len(order))]
    return np.sort(rng.permutation(starts[chosen])[:count])


# --- cases ------------------------------------------------------------------------------------------------------------


def cuts(data, days, levels=(100.0, 4000.0)):
    """Strong real glitches: `(3, n)` each, the line through what is before and after taken off, ends tapered."""
    before, after = int(5 * RATE), int(50 * RATE)
    taper = np.ones(before + after)
    rise, fall = int(2 * RATE), int(12 * RATE)
    taper[:rise] = 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    taper[-fall:] = 0.5 + 0.5 * np.cos(np.pi * np.arange(fall) / fall)
    found = []
    for day in days:
        x, _ = read_day(data, day)
        rough = np.abs(np.diff(x, prepend=x[:, :1]))
        z = prominence(x).max(axis=0)
        peaks, _ = signal.find_peaks(z, height=25.0, distance=int(20 * RATE))
        for peak in peaks:
            if not levels[0] < z[peak] < levels[1] or peak < 3 * before or peak + 2 * after > x.shape[1]:
                continue
            near = np.abs(peaks - peak) < 60 * RATE
            around = x[:, peak - int(300 * RATE) : peak + int(300 * RATE)]
            quiet = np.median(rough[:, max(0, peak - 6000) : peak + 6000]) < 60
            if near.sum() > 1 or not quiet or around.shape[1] < 10000:
                continue
            # The onset: the first sample above a fifth of the peak.
            head = z[peak - int(8 * RATE) : peak + 1] > 0.15 * z[peak]
            onset = peak - int(8 * RATE) + int(np.argmax(head))
            part = x[:, onset - before : onset + after].copy()
            first = part[:, : before - 20].mean(axis=1)
            last = x[:, onset + after : onset + after + 200].mean(axis=1)
            line = first[:, None] + (last - first)[:, None] * np.linspace(0, 1, before + after)
            part = (part - line) * taper
            found.append(part / np.abs(part).max())
    return found, before


class Case:
    """Records with known sources, by stretch."""

    def __init__(self, name, data, seed, make, windy, per_day=5, days=("156", "264")):
        rng = np.random.default_rng([seed, int(windy), int(make == "real")])
        self.name, self.seed = name, seed
        self.records, self.truth, self.starts, self.windows = [], [], [], []
        ins = instruments(data)
        for day in days:
            x, start = read_day(data, day)
            real, before = (None, 0)
            if make == "real":
                others = [d for d in ("156", "264", "294") if d != day]
                real, before = cuts(data, others)
            for s in stretches(x, windy, per_day, rng):
                n = int(STRETCH * RATE)
                background = x[:, s : s + n]
                source, windows = self.fill(background, ins, real, before, rng, windy)
                index = len(self.records)
                mixture = np.rint(background + source)
                self.records.append(mixture)
                # The record is rounded: what is to be found is the background that the sources leave of it.
                self.truth.append((background, mixture - background))
                self.starts.append(start + s / RATE)
                self.windows += [(index, *w) for w in windows]

    def fill(self, background, ins, real, before, rng, windy):
        """Sources for a stretch, and its windows `(start, end, kind, glitches)` in samples."""
        n = background.shape[1]
        source = np.zeros_like(background)
        windows = []
        busy = prominence(background).max(axis=0) > (12 if windy else 5)
        t = 30.0
        while True:
            t += rng.uniform(48, 100)
            if t > STRETCH - 60:
                return source, windows
            at = int(t * RATE)
            if busy[at - int(25 * RATE) : at + int(45 * RATE)].any():
                continue
            kind = rng.choice(["isolated", "overlapping", "ramp"], p=[0.55, 0.2, 0.25])
            onsets = [t] + ([t + rng.uniform(3, 25)] if kind == "overlapping" else [])
            glitches = []
            for onset in onsets:
                local = background[:, max(0, at - 1200) : at + 1200]
                rms = signal.detrend(local, axis=1).std(axis=1)
                level = rng.choice(LEVELS[:5] if real else LEVELS)
                if real:
                    wave = real[rng.integers(len(real))]
                    loudest = np.argmax(np.abs(wave).max(axis=1) / rms)
                    factor = level * rms[loudest] / np.abs(wave[loudest]).max() * rng.choice([-1, 1])
                    first = int(round(onset * RATE)) - before
                    last = min(n, first + wave.shape[1])
                    placed = np.zeros_like(background)
                    placed[:, first:last] = factor * wave[:, : last - first]
                    glitches.append({"wave": placed, "onset": onset, "rise": 0.0})
                else:
                    direction = 0.7 * rng.normal() + 0.7 * rng.normal(size=3)
                    direction /= np.abs(direction).max()
                    amplitudes = direction * level * rms[np.argmax(np.abs(direction))]
                    rise = rng.uniform(1, 5) if kind == "ramp" else 0.0
                    share = rng.uniform(0.1, 0.6) * rng.choice([-1, 1]) if rng.random() < 0.7 else 0.0
                    first = int((onset - 10) * RATE)
                    last = min(n, first + int(160 * RATE))
                    placed = np.zeros_like(background)
                    for row, a, i in zip(placed, amplitudes, ins):
                        row[first:last] = a * i.make(onset - first / RATE, last - first, rise, share)
                    glitches.append({"wave": placed, "onset": onset, "rise": rise, "precursor": share != 0.0})
                source += glitches[-1]["wave"]
            first = int((onsets[0] - BEFORE + rng.uniform(-3, 3)) * RATE)
            last = min(n - 1, int((onsets[-1] + AFTER + rng.uniform(-3, 6)) * RATE))
            windows.append((first, last, kind, glitches))
            t = onsets[-1]

    def write(self, folder):
        """miniSEED, windows.csv; the arrays as well, for the project's own example."""
        folder.mkdir(parents=True, exist_ok=True)
        stream = obspy.Stream()
        for record, start in zip(self.records, self.starts):
            for c, row in zip(COMPONENTS, record):
                header = {"network": "XB", "station": "ELYSE", "location": "02", "channel": f"BH{c}",
                          "starttime": start, "sampling_rate": RATE}
                stream += obspy.Trace(row.astype(np.int32), header)
        stream.write(str(folder / "records.mseed"), format="MSEED", encoding="STEIM2")
        with open(folder / "windows.csv", "w", encoding="utf-8") as out:
            out.write("starttime,endtime,id\n")
            for index, first, last, kind, _ in self.windows:
                a, b = (self.starts[index] + i / RATE for i in (first, last - 1))
                out.write(f"{a},{b},XB.ELYSE.02.BH\n")

    def export(self, folder):
        """The same as arrays."""
        folder.mkdir(parents=True, exist_ok=True)
        for i, record in enumerate(self.records):
            np.save(folder / f"{i}.npy", record)
        with open(folder / "windows.csv", "w", encoding="utf-8") as out:
            out.write("record,start,end\n")
            for index, first, last, _, _ in self.windows:
                out.write(f"{index},{first},{last}\n")


# --- rows to compare with ---------------------------------------------------------------------------------------------


def interpolated(case):
    """Straight lines over the windows, between the means of ten samples."""
    out = [np.zeros_like(r) for r in case.records]
    for index, first, last, _, _ in case.windows:
        x = case.records[index]
        a = x[:, max(0, first - 10) : first].mean(axis=1)
        b = x[:, last : last + 10].mean(axis=1)
        line = a[:, None] + (b - a)[:, None] * np.linspace(0, 1, last - first)
        out[index][:, first:last] = x[:, first:last] - line
    return out


def least_squares(case, ins):
    """The step's response with a shift inside the window, beside a line; one a glitch, one after the other."""
    out = [np.zeros_like(r) for r in case.records]
    grid = np.arange(0, 1, 0.25)
    length = int(60 * RATE)
    shapes = np.array([[i.make(2.0 + g / RATE, length) for g in grid] for i in ins])
    for index, first, last, _, glitches in case.windows:
        n = last - first
        x = case.records[index][:, first:last].copy()
        t = np.linspace(-1, 1, n)
        line = np.linalg.qr(np.stack([np.ones(n), t], axis=1))[0]
        project = lambda y: y - (y @ line) @ line.T
        rest = project(x)
        for _ in glitches:
            best = (0.0, None)
            for at in range(-20, n - 60):
                for g in range(len(grid)):
                    part = np.zeros((3, n))
                    a = max(0, at - 40)
                    skip = a - (at - 40)
                    stop = min(n, at - 40 + length)
                    part[:, a:stop] = shapes[:, g, skip : skip + stop - a]
                    part = project(part)
                    norms = (part**2).sum(axis=1)
                    dots = (part * rest).sum(axis=1)
                    fall = (dots**2 / norms).sum()
                    if fall > best[0]:
                        best = (fall, (part, dots / norms, (a, stop, skip, g)))
            part, factors, (a, stop, skip, g) = best[1]
            rest = rest - factors[:, None] * part
            out[index][:, first + a : first + stop] += factors[:, None] * shapes[:, g, skip : skip + stop - a]
    return out


def whitener(x, order=100):
    """Autoregression of first differences by Yule and Walker."""
    d = np.diff(x)
    d = d - d.mean()
    n = len(d)
    f = np.fft.rfft(d, 2 * n)
    r = np.fft.irfft(np.abs(f) ** 2)[: order + 1] / n
    from scipy.linalg import solve_toeplitz

    a = solve_toeplitz(r[:order], -r[1:])
    full = np.concatenate([[1.0], a])
    return np.convolve(full, [1.0, -1.0])


def oracle(case):
    """The true waveforms with free amplitudes on each component, weighed by the true background's spectrum."""
    out = [np.zeros_like(r) for r in case.records]
    for index in range(len(case.records)):
        background, _ = case.truth[index]
        glitches = [g for w in case.windows if w[0] == index for g in w[4]]
        for c in range(3):
            w = whitener(background[c])
            white = lambda y: signal.lfilter(w, [1.0], y)[len(w) :]
            waves = [g["wave"][c] for g in glitches]
            atoms = np.array([white(v) for v in waves])
            factors = np.linalg.lstsq(atoms.T, white(case.records[index][c]), rcond=None)[0]
            for v, a in zip(waves, factors):
                out[index][c] += a * v
    return out


def ours(case, binary, folder, arguments):
    """What `seismix separate` takes out; also its deviations where it tells them, the SNR it expects, and the seconds."""
    out = folder / "separated"
    began = time.time()
    command = [str(binary), "separate", str(folder / "records.mseed"), "--windows", str(folder / "windows.csv"),
               "-o", str(out), "--quiet", "--fresh", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.time() - began

    def load(kind):
        stream = obspy.Stream()
        for path in sorted((out / kind).rglob("*.D.*")):
            stream += obspy.read(str(path))
        arrays = []
        for record, start in zip(case.records, case.starts):
            rows = []
            for c in COMPONENTS:
                traces = [t for t in stream.select(channel=f"BH{c}")
                          if t.stats.starttime - 0.01 <= start + record.shape[1] / RATE and t.stats.endtime >= start]
                row = np.zeros(record.shape[1])
                for t in traces:
                    at = int(round((t.stats.starttime - start) * RATE))
                    a, b = max(0, at), min(record.shape[1], at + t.stats.npts)
                    if a < b:
                        row[a:b] = t.data[a - at : b - at]
                rows.append(row)
            arrays.append(np.array(rows))
        return arrays

    deviation = load("deviation") if (out / "deviation").exists() else None
    return load("source"), deviation, expected_snr(case, out), seconds


def expected_snr(case, out):
    """What `separation.json` expects of the background's SNR, dB, by window and component."""
    found = {}
    for target in json.loads((out / "separation.json").read_text())["targets"]:
        begin = obspy.UTCDateTime(ns=target["start_ns"])
        for number, (index, first, _, _, _) in enumerate(case.windows):
            if abs(case.starts[index] + first / RATE - begin) < 0.5 / RATE:
                for channel in target["channels"]:
                    value = channel["windows"][0]["expected_snr_db"]
                    if value is not None:
                        found[number, COMPONENTS.index(channel["id"][-1])] = value
    return found


# --- scores -----------------------------------------------------------------------------------------------------------


def log_spectral_distance(a, b):
    """Root mean square difference of the log spectra, dB, in bands of a third of an octave."""
    f = np.fft.rfftfreq(a.shape[-1], 1 / RATE)
    edges = 0.1 * 2 ** (np.arange(0, 20) / 3)
    pa, pb = (np.abs(np.fft.rfft(signal.detrend(y) * np.hanning(len(y)))) ** 2 for y in (a, b))
    out = []
    for low, high in zip(edges, edges[1:]):
        inside = (f >= low) & (f < high)
        if inside.any():
            out.append(10 * np.log10((pa[inside].mean() + 1e-9) / (pb[inside].mean() + 1e-9)))
    return float(np.sqrt(np.mean(np.square(out))))


def scores(case, found, deviation=None, expected=None):
    """One row a window and component."""
    rows = []
    filtered = {}
    for name, edges in BANDS.items():
        for index, (background, source) in enumerate(case.truth):
            error = source - found[index]
            pair = (source, error) if edges is None else (band(source, *edges), band(error, *edges))
            filtered[name, index] = pair
    for number, (index, first, last, kind, glitches) in enumerate(case.windows):
        background, source = case.truth[index]
        part = slice(first, last)
        local = background[:, max(0, first - 600) : last + 600]
        rms = signal.detrend(local, axis=1).std(axis=1)
        for c in range(3):
            row = {"window": number, "component": c, "kind": kind, "ratio": float(np.abs(source[c, part]).max() / rms[c]),
                   "precursor": any(g.get("precursor") for g in glitches)}
            for name in BANDS:
                s, e = (y[c, part] for y in filtered[name, index])
                row[name] = float(10 * np.log10((s @ s + 1e-9) / (e @ e + 1e-9)))
            row["lsd"] = log_spectral_distance(background[c, part] + source[c, part] - found[index][c, part], background[c, part])
            if deviation is not None:
                off = np.abs(found[index][c, part] - source[c, part])
                row["covered"] = float(np.mean(off <= 1.645 * deviation[index][c, part] + 0.5))
            if expected and (number, c) in expected:
                kept, error = signal.detrend(background[c, part]), source[c, part] - found[index][c, part]
                row["expected"] = expected[number, c] - 10 * np.log10((kept @ kept + 1e-9) / (error @ error + 1e-9))
            rows.append(row)
    return rows


def changed_outside(case, found):
    """Samples outside the windows in which something was taken out."""
    count = 0
    for index, x in enumerate(found):
        inside = np.zeros(x.shape[1], bool)
        for i, first, last, _, _ in case.windows:
            if i == index:
                inside[first:last] = True
        count += int(np.count_nonzero(x[:, ~inside]))
    return count


def summary(rows):
    """Medians and tenth percentiles by bin, band and kind."""
    out = {}
    pick = lambda chosen, key: [r[key] for r in chosen]
    two = lambda values: (float(np.median(values)), float(np.percentile(values, 10))) if values else (np.nan, np.nan)
    for low, high in BINS:
        chosen = [r for r in rows if low <= r["ratio"] < high]
        out[f"{low}-{high}"] = {name: two(pick(chosen, name)) for name in BANDS} | {"n": len(chosen)}
    strong = [r for r in rows if r["ratio"] >= 1]
    out["all"] = {name: two(pick(strong, name)) for name in BANDS} | {"n": len(strong)}
    out["kinds"] = {kind: two(pick([r for r in strong if r["kind"] == kind], "full"))
                    for kind in ("isolated", "overlapping", "ramp")}
    out["kinds"]["precursor"] = two(pick([r for r in strong if r["precursor"]], "full"))
    out["lsd"] = float(np.median(pick(strong, "lsd")))
    out["worse"] = int(sum(r["full"] < -0.5 for r in rows if r["ratio"] >= 10))
    off = np.array([r["expected"] for r in strong if "expected" in r])
    if len(off):
        out["expected"] = (float(np.median(off)), float(np.mean(np.abs(off) <= 3)))
    if rows and "covered" in rows[0]:
        out["covered"] = float(np.mean(pick(rows, "covered")))
        out["covered strong"] = float(np.mean(pick(strong, "covered")))
    return out


def show(name, result):
    """A line of the table, and what stands below it."""
    cells = []
    for low, high in BINS:
        median, tenth = result[f"{low}-{high}"]["full"]
        cells.append(f"{median:5.1f} ({tenth:5.1f})")
    median, tenth = result["all"]["full"]
    print(f"{name:14} | " + " | ".join(cells) + f" | {median:5.1f} ({tenth:5.1f})")
    bands = "; ".join(
        f"{b}: " + " ".join(f"{result[f'{l}-{h}'][b][0]:.1f}({result[f'{l}-{h}'][b][1]:.1f})" for l, h in BINS)
        + f" all {result['all'][b][0]:.1f}({result['all'][b][1]:.1f})" for b in list(BANDS)[1:])
    kinds = ", ".join(f"{k} {v[0]:.1f} ({v[1]:.1f})" for k, v in result["kinds"].items())
    extra = f"; covered {result['covered']:.3f}, >= 1x {result['covered strong']:.3f}" if "covered" in result else ""
    if "expected" in result:
        extra += "; expected SNR less the truth's {:.1f} dB (median), {:.0%} within 3 dB".format(*result["expected"])
    print(f"{'':14}   {bands}\n{'':14}   {kinds}; spectra {result['lsd']:.2f} dB; worse above 10x: {result['worse']}{extra}")


CASES = {"model-quiet": ("model", False), "model-windy": ("model", True),
         "real-quiet": ("real", False), "real-windy": ("real", True)}


def main():
    """Runs the cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path, help="the seismix binary")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", default="2,3,4", help="with commas")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rows", default="nothing,interpolation,least squares,oracle,ours")
    parser.add_argument("--export", action="store_true", help="only write the cases as arrays")
    parser.add_argument("--arrays", action="store_true", help="score N.source.npy beside exported arrays as ours")
    parser.add_argument("--extra", default="", help="further arguments of `seismix separate`")
    parser.add_argument("-o", "--output", type=Path, default=Path("deglitch"))
    options = parser.parse_args()
    if not (options.data / "insight").exists():
        print(f"skipped: {options.data} is absent")
        return 0
    ins = instruments(options.data)
    results = {}
    for name in options.cases.split(","):
        pooled = {row: [] for row in options.rows.split(",")}
        for seed in map(int, options.seeds.split(",")):
            case = Case(name, options.data, seed, *CASES[name])
            folder = options.output / f"{name}-{seed}"
            if options.export:
                case.export(folder)
                continue
            for row in pooled:
                deviation, expected = None, None
                if row == "nothing":
                    found = [np.zeros_like(r) for r in case.records]
                elif row == "interpolation":
                    found = interpolated(case)
                elif row == "least squares":
                    found = least_squares(case, ins)
                elif row == "oracle":
                    found = oracle(case)
                elif options.arrays:
                    found = [np.load(folder / f"{i}.source.npy") for i in range(len(case.records))]
                    for i, x in enumerate(found):
                        inside = np.zeros(x.shape[1], bool)
                        for k, first, last, _, _ in case.windows:
                            if k == i:
                                inside[first:last] = True
                        x[:, ~inside] = 0
                    if (folder / "0.deviation.npy").exists():
                        deviation = [np.load(folder / f"{i}.deviation.npy") for i in range(len(case.records))]
                else:
                    case.write(folder)
                    found, deviation, expected, seconds = ours(case, options.binary, folder, options.extra.split())
                    print(f"# {name} seed {seed}: {seconds:.0f} s, changed outside: {changed_outside(case, found)}", flush=True)
                for scored in scores(case, found, deviation, expected):
                    pooled[row].append(scored | {"seed": seed})
        if options.export:
            continue
        n = len(pooled[next(iter(pooled))])
        print(f"\n## {name}: {n} windows and components, seeds {options.seeds}")
        print(f"{'row':14} | " + " | ".join(f"{f'{l}-{h}x':13}" for l, h in BINS) + " | all >= 1x")
        results[name] = {}
        for row, rows in pooled.items():
            results[name][row] = summary(rows)
            show(row, results[name][row])
        sys.stdout.flush()
    if results:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "results.json").write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
