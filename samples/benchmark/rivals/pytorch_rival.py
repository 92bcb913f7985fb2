"""PyTorch: every form of a network that may be its fastest.

Synthesis as transposed convolution (natural) or as convolution with flipped, swapped filters (flipped); tensors
contiguous or channels last; eager, or compiled by torch.compile. All eager forms are tried at every batch, briefly; then
compiled ones at the two best batches; what was fastest is measured again at length.
"""

import sys
from pathlib import Path

from protocol import need, serve

_, torch = need(("numpy", "numpy"), ("torch", "torch"))
sys.path.append(str(Path(__file__).absolute().parents[3] / "training" / "pytorch"))
import pytorch_networks  # noqa: E402  needs torch and the path above
import torch._inductor.config as inductor  # noqa: E402

LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
MEASURED_AT_LENGTH = 3
TOLERANCES = {"scores": 2e-3, "loss": 2e-3, "gradients": 2e-2}  # those of rival.cc


class Form:
    """A network in one form, ready to run."""

    def __init__(self, work, synthesis, layout, compiled=False):
        self.work, self.synthesis, self.layout, self.compiled = work, synthesis, layout, compiled
        self.network = pytorch_networks.Network(work, synthesis == "flipped", LAYOUTS[layout])
        self.run = self.network
        if compiled:
            inductor.freezing = not work.training  # weights are constants: packed once
            self.run = torch.compile(self.network)
        trained = [p for p in self.network.flat if p.requires_grad]
        if work.training:
            self.optimiser = torch.optim.SGD(trained, work.learning_rate, work.momentum)

    def name(self):
        return f"{self.synthesis}, {self.layout}" + (", compiled" if self.compiled else "")

    def images(self, batch):
        return torch.from_numpy(self.work.images(batch)).contiguous(memory_format=LAYOUTS[self.layout])

    def labels(self, batch):
        return torch.from_numpy(self.work.labels(batch))

    def results(self, run, batch):
        """Scores, or loss and gradients."""
        images = self.images(batch)
        if not self.work.training:
            with torch.no_grad():
                return {"scores": run(images)}
        self.optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(run(images), self.labels(batch))
        loss.backward()
        return {"loss": loss.detach(), "gradients": self.network.gradients()}

    def check(self, batch):
        """Writes what the benchmark compares with its own numbers. What is compiled for another batch is compared here."""
        self.network.restart()
        self.work.write(**{name: value.numpy() for name, value in self.results(self.network, self.work.checked).items()})
        if self.compiled:
            for (name, found), expected in zip(
                self.results(self.run, batch).items(), self.results(self.network, batch).values()
            ):
                difference, largest = (found - expected).abs().max().item(), expected.abs().max().item()
                if not difference <= TOLERANCES[name] * largest:
                    raise ArithmeticError(f"compiled {name} differ by {difference:.2g} where the largest is {largest:.2g}")

    def measure(self, batch, seconds=None):
        images, labels = self.images(batch), self.labels(batch)

        def infer():
            with torch.no_grad():
                self.run(images)

        def step():
            self.optimiser.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(self.run(images), labels).backward()
            self.optimiser.step()

        return self.work.measure(step if self.work.training else infer, seconds)


def synthesises(work):
    """Whether F^T with stride 1 occurs at all, so that its form matters."""
    return any(spec.get("unfolding", 0) > 0 or spec["op"] == "ResCsc" for spec in work.layers)


def rival(work):
    torch.set_num_threads(work.threads)
    found = []  # (best seconds an image, form, batch); medians of so few runs would say less

    def attempt(form, batch, seconds=None):
        form.check(batch)
        timing = form.measure(batch, seconds)
        found.append((timing["best"] / batch, form, batch))
        return {"batch": batch, "form": form.name(), **timing}

    syntheses = ["natural", "flipped"] if synthesises(work) else ["natural"]
    for synthesis in syntheses:
        for layout in LAYOUTS:
            form = Form(work, synthesis, layout)
            for batch in work.batches:
                yield attempt(form, batch, 0)

    def best():
        found.sort(key=lambda entry: entry[0])
        return found[0][1:]

    batches = list(dict.fromkeys(batch for _, _, batch in sorted(found, key=lambda entry: entry[0])))[:2]
    # The compiler changes which synthesis is faster, so both are compiled; then the better one in the other layout, and
    # the best of all for the next best batch.
    plans = [lambda s=s: (s, "channels last", batches[0]) for s in syntheses]
    plans.append(lambda: (best()[0].synthesis, "contiguous", batches[0]))
    plans += [lambda b=b: (best()[0].synthesis, best()[0].layout, b) for b in batches[1:]]
    for plan in plans:
        synthesis, layout, batch = plan()
        torch._dynamo.reset()  # sizes are compiled in, one batch at a time
        form = Form(work, synthesis, layout, compiled=True)
        try:
            yield attempt(form, batch, 0)
        except Exception as reason:  # no compiler, mostly
            yield {"batch": batch, "form": form.name(), "failed": f"{type(reason).__name__}: {reason}".split("\n")[0]}

    found.sort(key=lambda entry: entry[0])
    for _, form, batch in found[:MEASURED_AT_LENGTH]:
        yield attempt(form, batch)


def configuration():
    lines = [line.strip(" -") for line in torch.__config__.show().splitlines()]
    libraries = [line.split(" Product")[0].split(" (Git")[0] for line in lines if "Math Kernel" in line or "MKL-DNN" in line]
    on = "on" if torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled else "off"
    return ", ".join([*libraries, f"oneDNN {on}", torch.backends.cpu.get_cpu_capability()])


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    serve("PyTorch", torch.__version__, configuration(), rival)
