"""What the clusters of real days hold: one-sided pulses at the finest scale, windy and quiet hours at the largest.

    python3 scripts/real_days.py RUN RECORDS... [--figure docs/images/real_days.png]

RUN is a finished `seismix run` (or a folder with its clusters.csv), RECORDS its miniSEED files or folders. Needs ObsPy, NumPy, SciPy, matplotlib.

Pulses are found by a simple jerk detector that knows nothing of the clusters. Per channel: samples are smoothed over one second; d is the
difference across one second; its local scale is 1.4826 times the median |d| of the surrounding 20 minutes. An onset is where |d|
exceeds THRESHOLD scales and is largest within 15 s, and what follows is one-sided: from the mean of the 10 s before, the smoothed
signal's largest excursion within 15 s has the sign of d and is more than twice that on the other side, and 5 s after its peak it still
has a fifth of it. A window holds a pulse if an onset of any channel lies in it, at least 3 s before its end.

An hour is windy if its level, the median |x[t+1] - x[t]| over channels, lies above the geometric mean of the quietest and the windiest
hour of its day. Local times are local mean solar time at InSight.
"""
import argparse
import csv
import pathlib
from collections import defaultdict

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from obspy import UTCDateTime, read
from scipy.ndimage import uniform_filter1d

THRESHOLD = 15.0
SOL_S = 88775.244
SOL_ZERO = UTCDateTime("2018-11-26T05:10:50.336")  # local midnight of sol 0


def traces(paths):
    files = []
    for path in map(pathlib.Path, paths):
        files += sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        try:
            stream = read(str(file))
        except TypeError:
            continue
        for trace in stream:
            yield trace


def onsets(x, rate, threshold):
    """Samples where a strong one-sided pulse begins, with its size in local scales."""
    second = int(round(rate))
    smooth = uniform_filter1d(x, second)
    d = np.zeros_like(smooth)
    d[second // 2:-(second - second // 2)] = smooth[second:] - smooth[:-second]
    # Local scale: medians of one-minute pieces, then a running median of 20 of them.
    minute = 60 * second
    pieces = [np.median(np.abs(d[i:i + minute])) for i in range(0, len(d), minute)]
    local = [np.median(pieces[max(0, i - 10):i + 11]) for i in range(len(pieces))]
    scale = 1.4826 * np.repeat(local, minute)[:len(d)]
    ratio = np.abs(d) / np.maximum(scale, 1e-12)
    found = []
    candidates = np.flatnonzero(ratio > threshold)
    while len(candidates):
        first = candidates[0]
        at = first + int(np.argmax(ratio[first:first + 15 * second]))
        before = smooth[max(0, at - 11 * second):max(1, at - second)].mean()
        after = (smooth[at:at + 15 * second] - before) * np.sign(d[at])
        peak = int(np.argmax(after))
        later = after[min(peak + 5 * second, len(after) - 1)]
        if after[peak] > 0 and -after.min() * 2 < after[peak] and later > 0.2 * after[peak]:
            found.append((at, float(ratio[at])))
        candidates = candidates[candidates > at + 15 * second]
    return found


def local_hour(times_ns):
    return (np.asarray(times_ns) / 1e9 - SOL_ZERO.timestamp) % SOL_S / SOL_S * 24


def best_unions(cluster, truth, largest=3):
    """Clusters added one by one, always the one that raises F1 most: (clusters, precision, recall)."""
    chosen, rows = [], []
    for _ in range(largest):
        def score(k):
            inside = np.isin(cluster, chosen + [k])
            hits = (inside & truth).sum()
            return 2 * hits / max(inside.sum() + truth.sum(), 1)
        rest = [k for k in np.unique(cluster) if k not in chosen]
        if not rest:
            break
        chosen = chosen + [max(rest, key=score)]
        inside = np.isin(cluster, chosen)
        hits = (inside & truth).sum()
        rows.append((list(map(int, chosen)), hits / inside.sum(), hits / truth.sum()))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("records", nargs="+")
    parser.add_argument("--figure")
    parser.add_argument("--threshold", type=float, default=THRESHOLD)
    arguments = parser.parse_args()
    run = pathlib.Path(arguments.run)
    table = list(csv.DictReader(open(run / "clusters.csv" if run.is_dir() else run)))
    scales = sorted({int(row["scale"]) for row in table})
    finest, largest = scales[0], scales[-1]

    def windows(scale):
        rows = [row for row in table if int(row["scale"]) == scale]
        start = np.array([UTCDateTime(r["starttime"]).ns for r in rows])
        end = np.array([UTCDateTime(r["endtime"]).ns for r in rows])
        return start, end, np.array([int(r["cluster"]) for r in rows])

    events, levels, examples = [], defaultdict(list), []
    for trace in traces(arguments.records):
        rate, start = trace.stats.sampling_rate, trace.stats.starttime.ns
        x = trace.data.astype(float)
        if np.abs(x[-1]) > 8e6:  # a sentinel before a gap
            x = x[:-1]
        if len(x) < 600 * rate:
            continue
        step = np.abs(np.diff(x))
        hour = int(3600 * rate)
        for i in range(0, len(step) - hour // 2, hour):
            when = start + int((i + hour / 2) / rate * 1e9)
            levels[when // (3600 * 10**9)].append(np.median(step[i:i + hour]))
        found = onsets(x, rate, arguments.threshold)
        events += [(start + int(at / rate * 1e9), size) for at, size in found]
        for at, size in found[::7]:
            piece = x[max(0, at - int(10 * rate)):at + int(40 * rate)]
            examples.append((trace.stats.channel, size, (piece - np.median(piece)) / np.ptp(piece)))
    onset = np.sort(np.array([t for t, _ in events]))
    print(f"{len(onset)} onsets above {arguments.threshold:g} local scales, on all channels together")

    start, end, cluster = windows(finest)
    truth = np.searchsorted(onset, end - 3 * 10**9) > np.searchsorted(onset, start)
    print(f"scale {finest}: {truth.sum()} of {len(truth)} windows hold a pulse ({100 * truth.mean():.1f} %)")
    for chosen, precision, recall in best_unions(cluster, truth):
        print(f"  clusters {chosen}: precision {precision:.2f}, recall {recall:.2f}, "
              f"{precision / truth.mean():.1f} times chance")
    for k in np.unique(cluster):
        inside = cluster == k
        print(f"  cluster {k}: {inside.sum()} windows, {100 * truth[inside].mean():.0f} % with a pulse")

    hours = np.array(sorted(levels))
    level = np.array([np.median(levels[h]) for h in hours])
    windy = np.zeros(len(hours), bool)
    for day in np.unique(hours // 24):
        of_day = hours // 24 == day
        windy[of_day] = level[of_day] > np.sqrt(level[of_day].min() * level[of_day].max())
    start, end, cluster = windows(largest)
    middle = (start + end) // 2
    at = np.clip(np.searchsorted(hours, middle // (3600 * 10**9)), 0, len(hours) - 1)
    is_windy = windy[at]
    right = sum(max((is_windy[cluster == k]).sum(), (~is_windy[cluster == k]).sum()) for k in np.unique(cluster))
    base = max(is_windy.mean(), 1 - is_windy.mean())
    print(f"scale {largest}: windy or quiet told from the cluster alone: {100 * right / len(is_windy):.0f} % of windows "
          f"({100 * base:.0f} % by always saying the more frequent)")
    for k in np.unique(cluster):
        inside = cluster == k
        print(f"  cluster {k}: {inside.sum()} windows, {100 * is_windy[inside].mean():.0f} % in windy hours")

    if arguments.figure:
        figure, axes = plt.subplots(1, 3, figsize=(15, 4.2), constrained_layout=True)
        axes[0].set_title(f"what the jerk detector finds: {len(onset)} onsets, a sample")
        for i, (channel, size, piece) in enumerate(examples[::5][:12]):
            axes[0].plot(np.arange(len(piece)) / 20 - 10, piece + 1.1 * i, lw=0.8)
            axes[0].text(40.5, 1.1 * i, f"{channel} {size:.0f}", fontsize=7)
        axes[0].set(xlabel="s from the onset", yticks=[])
        start, end, fine = windows(finest)
        ks = np.unique(fine)
        with_pulse = [(truth & (fine == k)).sum() for k in ks]
        without = [(~truth & (fine == k)).sum() for k in ks]
        axes[1].bar(ks, without, color="0.8", label="without a pulse")
        axes[1].bar(ks, with_pulse, bottom=without, color="tab:red", label="with a pulse")
        axes[1].set(xlabel=f"cluster at {finest} samples", ylabel="windows", xticks=ks)
        axes[1].legend()
        axes[1].set_title("pulses gather in few clusters")
        local = local_hour(middle)
        ks = np.unique(cluster)
        share = [is_windy[cluster == k].mean() for k in ks]
        order = [k for _, k in sorted(zip(share, ks))]
        colours = plt.get_cmap("coolwarm")(np.linspace(0, 1, len(order)))
        axes[2].hist([local[cluster == k] for k in order], bins=np.arange(25), stacked=True, color=colours,
                     label=[f"{k}: {100 * is_windy[cluster == k].mean():.0f} % windy" for k in order])
        twin = axes[2].twinx()
        mean_level = [np.exp(np.mean(np.log(level[np.floor(local_hour(hours * 3600 * 10**9 + 1800 * 10**9)) == h])))
                      if (np.floor(local_hour(hours * 3600 * 10**9 + 1800 * 10**9)) == h).any() else np.nan
                      for h in range(24)]
        twin.semilogy(np.arange(24) + 0.5, mean_level, "k.-", lw=1)
        twin.set_ylabel("level, median |step| in counts (black)")
        axes[2].set(xlabel="local mean solar time, h", ylabel=f"windows of {largest} samples")
        axes[2].set_title("clusters of the largest scale by time of day")
        axes[2].legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncol=5)
        figure.savefig(arguments.figure, dpi=110)


if __name__ == "__main__":
    main()
