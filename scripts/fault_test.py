#!/usr/bin/env python3
"""Tries faults of disks, users and inputs on every command and checks that nothing is lost, silent, hung or panics.

    python3 scripts/fault_test.py SEISMIX [--only TEXT] [--keep FOLDER]

SEISMIX is the binary. Needs the standard library only; about three minutes on two cores. Each fault starts from a copy
of a small set of outputs (features, model, clusters, separated records). A fault is survived if the exit code is one of
those specified, stderr names the thing, files that are not seismix's are unchanged, damage is made good by the same
command, nothing takes longer than a timeout, and no thread panics. The last line counts: tried, survived, lost files,
silent faults, panics, hangs. Ends with 1 unless all are survived.
"""

import argparse
import os
import random
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RATE, SAMPLES = 20, 12_000
TRANSFORM = "--scales 64,256 --octaves 4".split()
TRAIN = "--clusters 4 --epochs 2".split()
SEPARATE = "--octaves 4 --max-targets 3 --snippets 8 --max-iter 5".split()
TIMEOUT = 120


class Skip(Exception):
    """The fault cannot be made here."""


def record(code, day, start, samples):
    """One miniSEED 2 record of 4096 bytes with 32-bit integers, most significant byte first."""
    seconds, rest = divmod(start, RATE)
    head = b"000001D " + b"FLT  " + b"00" + code.encode() + b"XX"
    head += struct.pack(">HHBBBBH", 2020, day, seconds // 3600, seconds // 60 % 60, seconds % 60, 0, rest * 10_000 // RATE)
    head += struct.pack(">HhhBBBBiHH", len(samples), RATE, 1, 0, 0, 0, 1, 0, 64, 48)
    head += struct.pack(">HHBBBB", 1000, 0, 3, 1, 12, 0)
    body = struct.pack(f">{len(samples)}i", *samples)
    return (head.ljust(64, b"\0") + body).ljust(4096, b"\0")


def signal_of(seed, n=SAMPLES):
    """Coloured noise with a pulse every 700 samples."""
    draw, level, all_samples = random.Random(seed), 0.0, []
    for i in range(n):
        level = 0.95 * level + 100 * (draw.random() - 0.5)
        since = (i - 300) % 700
        pulse = 3000 * 2.718 ** (-since / 15) if i >= 300 and since < 100 else 0
        all_samples.append(round(level + pulse))
    return all_samples


def write_day(path, day, samples_of):
    """A file with three channels of one day."""
    with open(path, "wb") as file:
        for seed, code in enumerate(("BHU", "BHV", "BHW"), 1):
            samples = samples_of(seed + 10 * day)
            for at in range(0, len(samples), 1008):
                file.write(record(code, day, at, samples[at : at + 1008]))


def write_npy(path, shape, values):
    """A .npy file of f8."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(117) + "\n"
    Path(path).write_bytes(b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(values)}d", *values))


class Bench:
    """The binary, the outputs that faults start from, and the counts."""

    def __init__(self, binary, work):
        self.binary, self.work = binary, work
        self.tried = self.survived = self.lost = self.silent = self.panics = self.hangs = self.skipped = 0
        self.base = work / "base"
        (self.base / "in").mkdir(parents=True)
        for day in (2, 3):
            write_day(self.base / "in" / f"{day}.mseed", day, signal_of)
        write_npy(self.base / "x.npy", "(512,)", [float(v) for v in signal_of(1, 512)])
        write_npy(self.base / "zero-d.npy", "()", [1.0])
        write_npy(self.base / "nk.npy", "(4, 512)", [float(v) for v in signal_of(2, 2048)])
        self.target = None
        for command in (self.features(), self.train(), self.cluster()):
            self.must(command)
        counts = {}
        for line in (self.base / "C.csv").read_text().splitlines()[1:]:
            _, _, scale, cluster = line.split(",")[:4]
            counts[cluster] = counts.get(cluster, 0) + (scale == "64")
        self.target = min((n, cluster) for cluster, n in counts.items() if n)[1]
        self.must(self.separate())
        self.must(self.run())

    def must(self, command):
        done = subprocess.run([self.binary, *command], cwd=self.base, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")

    def features(self, *more, out="F"):
        return ["features", "in", "-o", out, *TRANSFORM, *more]

    def train(self, *more, out="M"):
        return ["train", "F", "-o", out, *TRAIN, *more]

    def cluster(self, *more, out="C.csv"):
        return ["cluster", "F", "-m", "M", "-o", out, *more]

    def separate(self, *more, out="S"):
        return ["separate", "in", "-c", "C.csv", "--target", f"64:{self.target}", *SEPARATE, "-o", out, *more]

    def run(self, *more, out="R"):
        return ["run", "in", "-o", out, *TRANSFORM, *TRAIN, *SEPARATE[2:], *more]


class Fault:
    """One fault in a folder of its own."""

    def __init__(self, bench, name):
        self.bench, self.name, self.kept, self.notes = bench, name, {}, []
        self.folder = bench.work / "case"
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(bench.base, self.folder, symlinks=True)

    def path(self, name):
        return self.folder / name

    def user_file(self, name, text="mine"):
        """A file that is not seismix's and must survive."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.kept[path] = text.encode()
        return path

    def go(self, command, codes=(0,), says=(), stderr=subprocess.PIPE, limit=TIMEOUT, before=None):
        """Runs a command; notes all that is wrong."""
        process = subprocess.Popen(
            [self.bench.binary, *command], cwd=self.folder, stdout=subprocess.PIPE, stderr=stderr, preexec_fn=before
        )
        try:
            _, text = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.notes.append("hang")
            return ""
        text = (text or b"").decode(errors="replace")
        self.judge(process.returncode, text, codes, says)
        return text

    def judge(self, code, text, codes, says):
        if "panicked" in text or code == 101:
            self.notes.append("panic")
        if code not in codes:
            self.notes.append(f"silent: exit {code}" if code == 0 else f"exit {code}: {text.strip()[-200:]}")
        for word in says:
            if word not in text:
                self.notes.append(f"silent: `{word}` is not said")

    def same(self, *names):
        """Files have their undamaged content again."""
        for name in names:
            path, wanted = self.path(name), self.bench.base / name
            if not path.is_file() or path.read_bytes() != wanted.read_bytes():
                self.notes.append(f"silent: {name} is not made again")

    def absent(self, name):
        if self.path(name).exists():
            self.notes.append(f"silent: {name} looks current")

    def end(self):
        bench = self.bench
        for path, content in self.kept.items():
            if not path.is_file() or path.read_bytes() != content:
                bench.lost += 1
                self.notes.append(f"lost {path.name}")
        bench.tried += 1
        bench.survived += not self.notes
        bench.silent += any(note.startswith("silent") for note in self.notes)
        bench.panics += "panic" in self.notes
        bench.hangs += "hang" in self.notes
        print("FAIL" if self.notes else "ok  ", self.name, *self.notes, sep="  ", flush=True)


FAULTS = []


def fault(name, *arguments):
    """Registers a fault; `arguments` are handed on to the function."""

    def register(function):
        FAULTS.append((name, function, arguments))
        return function

    return register


def each(names):
    """Registers a function once for each name."""

    def register(function):
        for name in names:
            FAULTS.append((f"{function.__doc__.splitlines()[0].rstrip('.')}: {name}", function, (name,)))
        return function

    return register


@each(["S/parts/notes.txt", "S/.notes.tmp", "S/.seismix-mine", "S/a/b/.x.tmp", "S/background/notes.txt"])
def user_file_in_separate(f, name):
    """A user's file in the output of separate."""
    f.user_file(name)
    f.go(f.bench.separate("--fresh"))


@each(["F/notes.h5.txt", "F/.notes.tmp", "F/sub/.seismix-mine"])
def user_file_in_features(f, name):
    """A user's file in the output of features."""
    f.user_file(name)
    f.go(f.bench.features("--fresh"))


@each(["R/notes.txt", "R/.notes.tmp", "R/features/.seismix-mine", "R/separated/parts/notes.txt"])
def user_file_in_run(f, name):
    """A user's file in the output of run."""
    f.user_file(name)
    f.go(f.bench.run("--fresh"))


@each(["N/separation.json", "N/background/2020/XX/FLT/BHU.D/XX.FLT.00.BHU.D.2020.002"])
def foreign_output(f, name):
    """A user's file where separate would write."""
    f.user_file(name)
    f.go(f.bench.separate(out="N"), codes=(1, 2), says=(Path(name).name,))


@fault("a user's file where features would write")
def foreign_day(f):
    f.user_file("N/XX.FLT.00.2020.002.h5")
    f.go(f.bench.features(out="N"), codes=(1, 2), says=("XX.FLT.00.2020.002.h5",))


COMMANDS = {
    "train": lambda b, out: b.train(out=out),
    "cluster": lambda b, out: b.cluster(out=out),
    "scatter": lambda b, out: ["scatter", "x.npy", "-o", out, "--octaves", "4"],
    "unmix": lambda b, out: ["unmix", "--mixture", "x.npy", "--background", "nk.npy", "-o", out, "--octaves", "4", "--max-iter", "3", "--method", "scattering"],
    "synth": lambda b, out: ["synth", "--like", "x.npy", "-o", out, "--octaves", "4", "--max-iter", "3", "--tolerance", "0.9"],
    "report": lambda b, out: ["report", "R", "-o", out],
}  # fmt: skip


@each(COMMANDS)
def foreign_file(f, command):
    """A user's file as output."""
    f.user_file("mine.csv")
    f.go(COMMANDS[command](f.bench, "mine.csv"), codes=(1, 2), says=("mine.csv",))


@each(COMMANDS)
def fifo_output(f, command):
    """A FIFO as output."""
    os.mkfifo(f.path("fifo.csv"))
    f.go(COMMANDS[command](f.bench, "fifo.csv"), codes=(1, 2), says=("fifo.csv",))
    if not stat.S_ISFIFO(os.lstat(f.path("fifo.csv")).st_mode):
        f.bench.lost += 1
        f.notes.append("lost the FIFO")


@each(COMMANDS)
def folder_output(f, command):
    """A folder as output file."""
    f.user_file("folder.csv/notes.txt")
    f.go(COMMANDS[command](f.bench, "folder.csv"), codes=(1, 2), says=("folder.csv",))


@each(["train", "scatter", "cluster"])
def device_output(f, command):
    """A device node as output."""
    try:
        os.mknod(f.path("node.csv"), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except OSError as error:
        raise Skip(f"mknod: {error.strerror}") from error
    f.go(COMMANDS[command](f.bench, "node.csv"), codes=(1, 2), says=("node.csv",))
    if not stat.S_ISCHR(os.lstat(f.path("node.csv")).st_mode):
        f.bench.lost += 1
        f.notes.append("lost the device")


@each(["scatter", "cluster", "train"])
def link_output(f, command):
    """A symbolic link as output is followed."""
    f.path("elsewhere").mkdir()
    f.path("link.csv").symlink_to("elsewhere/real.csv")
    f.go(COMMANDS[command](f.bench, "link.csv"))
    if not f.path("link.csv").is_symlink() or not f.path("elsewhere/real.csv").is_file():
        f.notes.append("silent: the link is replaced")


@fault("a file as output folder")
def file_as_folder(f):
    f.user_file("file")
    f.go(f.bench.separate(out="file"), codes=(1, 2), says=("file",))


@fault("a day that is no longer among the records of features")
def stale_day(f):
    f.path("in/3.mseed").unlink()
    text = f.go(f.bench.features(), codes=(0, 1))
    if "2020.003" not in text:
        f.absent("F/XX.FLT.00.2020.003.h5")


@fault("a day that is no longer among the records of separate")
def stale_separated_day(f):
    f.path("in/3.mseed").unlink()
    f.go(f.bench.separate(), codes=(0, 1))
    f.absent("S/background/2020/XX/FLT/BHU.D/XX.FLT.00.BHU.D.2020.003")


@fault("a deviation of an earlier method")
def stale_deviation(f):
    f.go(f.bench.separate("--method", "local", out="D"))
    if not f.path("D/deviation").exists():
        raise Skip("the local model gave no deviation")
    f.go(f.bench.separate("--method", "wiener", "--fresh", out="D"))
    f.absent("D/deviation")


@each(["features", "train", "separate", "run"])
def other_settings(f, command):
    """Other settings than those of the existing output."""
    b = f.bench
    made = {
        "features": (b.features(*"--octaves 3".split()), "octaves"),
        "train": (b.train(*"--epochs 3".split()), "epochs"),
        "separate": (b.separate(*"--max-iter 4".split()), "max_iter"),
        "run": (b.run(*"--seed 7".split()), "seed"),
    }
    command, name = made[command]
    option = command[-2]
    first = command.index(option)
    if first != len(command) - 2:
        del command[first : first + 2]
    f.go(command, codes=(1, 2), says=(name,))


def damage(path, kind):
    """Changes, cuts or removes a file; size and name of a changed one are as before."""
    content = path.read_bytes()
    if kind == "missing":
        path.unlink()
    elif kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        at = len(content) * 2 // 3
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])


@each(["changed", "cut", "missing"])
def damaged_record(f, kind):
    """A separated record is damaged."""
    name = "S/background/2020/XX/FLT/BHV.D/XX.FLT.00.BHV.D.2020.002"
    damage(f.path(name), kind)
    f.go(f.bench.separate())
    f.same(name)


@each(["changed", "cut", "missing"])
def damaged_day(f, kind):
    """A feature file is damaged."""
    name = "F/XX.FLT.00.2020.002.h5"
    damage(f.path(name), kind)
    if kind != "missing":
        f.go(f.bench.train(), codes=(1,), says=("XX.FLT.00.2020.002.h5",))
    f.go(f.bench.features())
    f.go(f.bench.train(), says=("up to date",))


@each(["changed", "cut", "missing"])
def damaged_model(f, kind):
    """A model is damaged."""
    damage(f.path("M"), kind)
    f.go(f.bench.cluster(), codes=(1,), says=("M",))
    f.go(f.bench.train())
    f.same("M")


@each(["changed", "cut"])
def damaged_table(f, kind):
    """A cluster table is damaged."""
    damage(f.path("C.csv"), kind)
    f.go(f.bench.separate("--fresh"), codes=(1,), says=("C.csv",))
    f.go(f.bench.cluster())
    f.same("C.csv")


@each(["clusters.csv", "transients.json", "report.json", "report.html", "separated/separation.json"])
def damaged_run(f, name):
    """A file of a run is damaged."""
    damage(f.path(f"R/{name}"), "changed")
    f.go(f.bench.run())
    f.same(f"R/{name}")


@each(["vanish", "change"])
def moving_input(f, what):
    """Records vanish or change while features works."""
    path = f.path("in/3.mseed")
    process = subprocess.Popen(
        [f.bench.binary, *f.bench.features(out="N")], cwd=f.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    # The second day is moved when the first is written, at the latest.
    began = time.monotonic()
    while not f.path("N").exists() and process.poll() is None and time.monotonic() - began < 20:
        time.sleep(0.0005)
    if process.poll() is not None:
        process.communicate()
        raise Skip("it ended before the fault")
    if what == "vanish":
        path.unlink()
    else:
        damage(path, "cut")
    text = process.communicate(timeout=TIMEOUT)[1].decode(errors="replace")
    f.judge(process.returncode, text, (1,), ("3.mseed",))


@each(["features", "separate", "run", "scatter"])
def full_disk(f, command):
    """The disk is full."""
    disk = f.path("disk")
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(disk)], capture_output=True).returncode:
        raise Skip("mount is not permitted")
    try:
        made = {"features": f.bench.features, "separate": f.bench.separate, "run": f.bench.run}
        if command == "scatter":
            (disk / "fill").write_bytes(bytes(12_000))
            line = COMMANDS["scatter"](f.bench, "disk/x.npz")
        else:
            line = made[command](out="disk/out")
        text = f.go(line, codes=(1,))
        if "full" not in text and "No space" not in text:
            f.notes.append("silent: the full disk is not named")
        if text.count("No space") > 3:
            f.notes.append("the run does not stop at the first such error")
    finally:
        subprocess.run(["umount", str(disk)], check=False)


@fault("a file size limit")
def size_limit(f):
    import resource

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    f.go(f.bench.features(out="N"), codes=(1,), says=("N",), before=limit)


@each(["features", "train", "separate", "run"])
def closed_stderr(f, command):
    """Stderr is closed."""
    b = f.bench
    made = {"features": b.features, "train": b.train, "separate": b.separate, "run": b.run}
    read, write = os.pipe()
    os.close(read)
    out = {"features": "N", "train": "N", "separate": "N", "run": "N"}[command]
    f.go(made[command](out=out), stderr=write)
    os.close(write)


@each(["SIGINT", "SIGTERM", "SIGHUP"])
def signals(f, name):
    """A signal ends a run, and the same command completes it."""
    process = subprocess.Popen(
        [f.bench.binary, *f.bench.run("--epochs", "400", out="N")[:-2], "--fresh"],
        cwd=f.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(0.15)
    if process.poll() is not None:
        process.communicate()
        raise Skip("it ended before the signal")
    process.send_signal(getattr(signal, name))
    try:
        text = process.communicate(timeout=30)[1].decode(errors="replace")
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        f.notes.append("hang")
        return
    f.judge(process.returncode, text, (130,), ())
    f.go(f.bench.run(out="N"))
    for part in ("clusters.csv", "separated/separation.json"):
        ours, wanted = f.path(f"N/{part}"), f.bench.base / "R" / part
        if not ours.is_file() or ours.read_bytes() != wanted.read_bytes():
            f.notes.append(f"silent: {part} differs from that of an undisturbed run")


@each(["0", "777", "-12345"])
def constant_stretch(f, value):
    """A constant stretch near the targets."""

    def samples(seed):
        found = signal_of(seed)
        found[2000:6200] = [int(value)] * 4200
        return found

    write_day(f.path("in/2.mseed"), 2, samples)
    f.go(f.bench.run("--method", "local", out="N"))


@fault("an array without axes")
def array_without_axes(f):
    f.go(["scatter", "zero-d.npy", "-o", "o.npz"], codes=(1, 2), says=("zero-d.npy",))


@each(["info", "features", "scatter", "separate"])
def fifo_input(f, command):
    """A FIFO as input."""
    os.mkfifo(f.path("pipe"))
    made = {
        "info": ["info", "pipe"],
        "features": ["features", "pipe", "-o", "N", *TRANSFORM],
        "scatter": ["scatter", "pipe", "-o", "o.npz"],
        "separate": ["separate", "in", "-c", "pipe", "--target", "64:0", "-o", "N"],
    }
    f.go(made[command], codes=(1, 2), says=("pipe",), limit=20)


@each(["header", "line"])
def giant_table(f, where):
    """A table with a giant header or line."""
    text = (f.path("C.csv")).read_text().splitlines()
    if where == "header":
        text[0] += "," + ",".join(f"q{i}" for i in range(300_000))
    else:
        text[1] += "," + "9" * 30_000_000
    f.path("big.csv").write_text("\n".join(text))
    f.go(["separate", "in", "-c", "big.csv", "--target", "64:0", "-o", "N", *SEPARATE], codes=(1, 2), says=("big.csv",), limit=30)


@each(["S", "F", "R"])
def two_writers(f, out):
    """Unfinished files of a killed writer are ours to remove, those of others not."""
    f.user_file(f"{out}/.XX.FLT.mseed.1.tmp")
    made = {"S": f.bench.separate, "F": f.bench.features, "R": f.bench.run}
    f.go(made[out]("--fresh"))


def main():
    """All faults."""
    parser = argparse.ArgumentParser(description="Tries faults on every command.")
    parser.add_argument("binary")
    parser.add_argument("--only", default="", help="faults whose name has this text")
    parser.add_argument("--keep", type=Path, help="work here, and keep the last case")
    options = parser.parse_args()
    work = options.keep or Path(tempfile.mkdtemp(prefix="seismix-fault-"))
    work.mkdir(parents=True, exist_ok=True)
    bench = Bench(str(Path(options.binary).resolve()), work)
    for name, function, arguments in FAULTS:
        if options.only not in name:
            continue
        case = Fault(bench, name)
        try:
            function(case, *arguments)
        except Skip as reason:
            bench.skipped += 1
            print("skip", name, reason, sep="  ", flush=True)
            continue
        case.end()
    if not options.keep:
        shutil.rmtree(work, ignore_errors=True)
    print(
        f"tried {bench.tried}, survived {bench.survived}, lost files {bench.lost}, silent {bench.silent}, "
        f"panics {bench.panics}, hangs {bench.hangs}, skipped {bench.skipped}"
    )
    return int(bench.survived != bench.tried)


if __name__ == "__main__":
    sys.exit(main())
