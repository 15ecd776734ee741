"""A step of training beside the same network in PyTorch, on the same cores.

    python3 scripts/bench_training.py --binary target/release/examples/step_cost [--threads 1]

Both take the same made-up inputs' sizes, draw noise, run forward and backward, cut gradients entry by entry and take a step of Adam, in
single precision. PyTorch's network is written as its users would: nn.Linear, nn.BatchNorm1d, optim.Adam. Times are CPU seconds,
which waiting for a core does not inflate: of ours, a run with three times the steps less one with few; runs alternate. Needs torch.
"""
import argparse
import os
import re
import resource
import subprocess
import time

import torch
from torch import nn

SIZES = {  # channels, features a scale, latent, hidden, layers; as in vae/examples/step_cost.rs
    "compact": (1, 24, 8, 64, 2),
    "wide": (3, 420, 32, 128, 4),
    "paper": (3, 420, 32, 1024, 4),
}
SCALES, CLUSTERS = 4, 9


class ChannelLayer(nn.Module):
    """Linear, one normalisation a channel over batch and features, LeakyReLU."""

    def __init__(self, inputs, outputs, channels):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x):
        return nn.functional.leaky_relu(self.norm(self.linear(x)), 0.2)


def layer(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.LeakyReLU(0.2))


class Trunk(nn.Module):
    def __init__(self, inputs, hidden, channels, layers):
        super().__init__()
        self.channel = ChannelLayer(inputs, hidden, channels)
        self.rest = nn.Sequential(*[layer(channels * hidden if i == 0 else hidden, hidden) for i in range(layers)])

    def forward(self, x):
        return self.rest(self.channel(x).flatten(1))


class Scale(nn.Module):
    def __init__(self, c, f, z, h, n):
        super().__init__()
        self.c, self.h = c, h
        self.cluster_trunk, self.logits = Trunk(f, h, c, n), nn.Linear(h, CLUSTERS)
        self.latent_trunk = Trunk(f + CLUSTERS, h, c, n)
        self.mean, self.variance = nn.Linear(h, z, bias=False), nn.Linear(h, z, bias=False)
        self.prior_mean, self.prior_variance = nn.Linear(CLUSTERS, z), nn.Linear(CLUSTERS, z)
        sizes = [z, h] + [c * h] * n
        self.decoder = nn.Sequential(*[layer(a, b) for a, b in zip(sizes, sizes[1:])])
        self.output = nn.Linear(h, f)

    def forward(self, x, common, temperature):
        b = x.shape[0]
        logits = self.logits(self.cluster_trunk(common))
        gumbel = -torch.log(-torch.log(torch.rand_like(logits) + 1e-20) + 1e-20)
        y = torch.softmax((logits + gumbel) / temperature, 1)
        hidden = self.latent_trunk(torch.cat([common, y[:, None, :].expand(b, self.c, -1)], 2))
        mean, variance = self.mean(hidden), nn.functional.softplus(self.variance(hidden))
        z = mean + torch.randn_like(mean) * torch.sqrt(variance + 1e-10)
        prior_mean = self.prior_mean(y)
        prior_variance = nn.functional.softplus(self.prior_variance(y)) + 1
        xrec = self.output(self.decoder(z).reshape(b, self.c, self.h))

        def density(m, v):
            return -0.5 * (torch.log(v + 1e-8) + (z - m) ** 2 / (v + 1e-8)).sum(1)

        log_q = torch.log_softmax(logits, 1)
        rec = ((x - xrec) ** 2).sum((1, 2)).mean()
        gauss = (density(mean, variance) - density(prior_mean, prior_variance)).mean()
        cat = (log_q.exp() * log_q).sum(1).mean() + torch.log(torch.tensor(float(CLUSTERS)))
        return 0.15 * rec + gauss + cat


class Fvae(nn.Module):
    def __init__(self, c, f, z, h, n):
        super().__init__()
        self.f = f
        self.down = nn.ModuleList(ChannelLayer(SCALES * f, h, c) for _ in range(n))
        self.up = nn.ModuleList(nn.Linear(h, SCALES * f, bias=False) for _ in range(n))
        self.scales = nn.ModuleList(Scale(c, f, z, h, n) for _ in range(SCALES))

    def forward(self, inputs, temperature):
        common = torch.cat(inputs, 2)
        for down, up in zip(self.down, self.up):
            common = common + up(down(common))
        parts = common.split(self.f, 2)
        losses = [scale(x, part, temperature) for scale, x, part in zip(self.scales, inputs, parts)]
        return sum(losses) / SCALES


def torch_steps(name, batch, steps):
    torch.manual_seed(1)
    network = Fvae(*SIZES[name])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    c, f = SIZES[name][:2]
    inputs = [torch.randn(batch, c, f) for _ in range(SCALES)]
    seconds = []
    for _ in range(steps):
        began = time.process_time()
        optimizer.zero_grad()
        network(inputs, 1.0).backward()
        for parameter in network.parameters():
            parameter.grad.clamp_(-20, 20)
        optimizer.step()
        seconds.append(time.process_time() - began)
    return seconds, sum(p.numel() for p in network.parameters())


def our_step(binary, name, batch, steps, threads):
    """CPU seconds of a step, and the number of parameters."""
    seconds = []
    for n in (steps, 3 * steps):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run([binary, name, str(batch), str(n)], capture_output=True, text=True, check=True,
                             env={**os.environ, "RAYON_NUM_THREADS": str(threads)})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return (seconds[1] - seconds[0]) / (2 * steps), int(re.search(r"; (\d+) parameters", run.stdout)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, help="the example step_cost, compiled")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", default="compact:128:200,wide:256:10,paper:64:3,paper:512:2")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} thread(s); CPU ms a step, the least")
    for case in arguments.cases.split(","):
        name, batch, steps = case.split(":")
        theirs, ours = [], []
        for _ in range(arguments.rounds):
            seconds, n = torch_steps(name, int(batch), int(steps))
            theirs += seconds
            second, n_ours = our_step(arguments.binary, name, int(batch), int(steps), arguments.threads)
            ours.append(second)
            assert n_ours == n, f"{n_ours} parameters, PyTorch has {n}"
        print(f"{name:8} batch {batch:>5}  {n:>11} parameters  PyTorch {1e3 * min(theirs):9.2f}  "
              f"ours {1e3 * min(ours):9.2f}  ratio {min(ours) / min(theirs):.2f}", flush=True)


if __name__ == "__main__":
    main()
