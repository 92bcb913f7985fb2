"""PyTorch, on the CPU or a GPU: every form of a network that may be its fastest.

Synthesis as transposed convolution (natural) or as convolution with flipped, swapped filters (flipped); tensors
contiguous or channels last; eager, on a GPU also as one CUDA graph, or compiled by torch.compile, on a GPU with CUDA
graphs. bf16 is a whole network in that format for inference, autocast for training. All eager forms are tried at every
batch, the best of them as graphs, then compiled ones at the two best batches. On the CPU they are measured briefly, and
again at length what was fastest.
"""

import sys
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

from protocol import need, serve

_, torch = need(("numpy", "numpy"), ("torch", "torch"))
sys.path.append(str(Path(__file__).absolute().parents[3] / "training" / "pytorch"))
import pytorch_networks  # noqa: E402  needs torch and the path above
import torch._inductor.config as inductor  # noqa: E402

LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
MEASURED_AT_LENGTH = 3
# Of the largest value, against the eager float32 form, which the benchmark compares with its own numbers: those of
# rival.cc, and what rounding moves through a dozen layers and their kinks.
TOLERANCES = {
    "float32": {"scores": 2e-3, "loss": 2e-3, "gradients": 2e-2},
    "tf32": {"scores": 1e-2, "loss": 1e-2, "gradients": 0.1},
    "bf16": {"scores": 0.1, "loss": 0.05, "gradients": 0.3},
}
IMAGES_BETWEEN_WAITS = 256  # on a GPU, so that waiting for it does not count


def name_of(synthesis, layout, how="eager"):
    return f"{synthesis}, {layout}" + ("" if how == "eager" else f", {how}")


class Form:
    """A network in one form, ready to run."""

    def __init__(self, work, arithmetic, synthesis, layout, how="eager"):
        self.work, self.arithmetic, self.synthesis, self.layout, self.how = work, arithmetic, synthesis, layout, how
        self.on_gpu = work.device == "cuda"
        self.network = self.make()
        self.run, self.dtype = self.network, torch.float32
        if arithmetic == "bf16" and not work.training:
            self.dtype = torch.bfloat16
            self.run = self.make().to(self.dtype)
            # Makes its constants, as the other network's are made before it is compiled: when it is checked.
            self.results(self.run, work.checked, arithmetic, self.dtype)
        if how.startswith("compiled"):
            inductor.freezing = not work.training  # weights are constants: packed once
            self.run = torch.compile(self.run, mode="reduce-overhead" if self.on_gpu else None)
        trained = [p for p in self.network.flat if p.requires_grad]
        if work.training:
            self.optimiser = torch.optim.SGD(trained, work.learning_rate, work.momentum)

    def make(self):
        return pytorch_networks.Network(self.work, self.synthesis == "flipped", LAYOUTS[self.layout])

    def name(self):
        return name_of(self.synthesis, self.layout, self.how)

    @contextmanager
    def precision(self, arithmetic):
        if self.on_gpu:
            torch.backends.cudnn.benchmark = True
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arithmetic == "tf32"
        autocast = arithmetic == "bf16" and self.work.training
        with torch.autocast(self.work.device, torch.bfloat16, enabled=autocast):
            yield

    def images(self, batch, dtype):
        images = torch.from_numpy(self.work.images(batch)).to(self.work.device, dtype)
        return images.contiguous(memory_format=LAYOUTS[self.layout])

    def labels(self, batch):
        return torch.from_numpy(self.work.labels(batch)).to(self.work.device)

    def loss(self, run, arithmetic, images, labels):
        with self.precision(arithmetic):
            return torch.nn.functional.cross_entropy(run(images), labels)

    def results(self, run, batch, arithmetic, dtype=torch.float32):
        """Scores, or loss and gradients."""
        images = self.images(batch, dtype)
        if not self.work.training:
            with torch.no_grad(), self.precision(arithmetic):
                return {"scores": run(images).float()}
        self.optimiser.zero_grad()
        loss = self.loss(run, arithmetic, images, self.labels(batch))
        loss.backward()
        return {"loss": loss.detach(), "gradients": self.network.gradients()}

    def check(self, batch):
        """Writes what the benchmark compares with its own numbers, and compares with it what it cannot see."""
        self.network.restart()
        exact = self.results(self.network, self.work.checked, "float32")
        self.work.write(**{name: value.cpu().numpy() for name, value in exact.items()})
        if self.run is self.network and self.arithmetic == "float32":
            return
        exact = self.results(self.network, batch, "float32")
        for name, found in self.results(self.run, batch, self.arithmetic, self.dtype).items():
            difference, largest = (found - exact[name]).abs().max().item(), exact[name].abs().max().item()
            if not difference <= TOLERANCES[self.arithmetic][name] * largest:
                raise ArithmeticError(f"{name} differ by {difference:.2g} where the largest is {largest:.2g}")

    def measure(self, batch, seconds=None):
        images, labels = self.images(batch, self.dtype), self.labels(batch)

        def infer():
            with torch.no_grad(), self.precision(self.arithmetic):
                self.run(images)

        def step():
            self.optimiser.zero_grad(set_to_none=True)
            self.loss(self.run, self.arithmetic, images, labels).backward()
            self.optimiser.step()

        call = step if self.work.training else infer
        if not self.on_gpu:
            return self.work.measure(call, seconds)
        if self.how == "CUDA graph":
            call = captured(call)
        calls = max(1, IMAGES_BETWEEN_WAITS // batch)

        def run():
            for _ in range(calls):
                call()
            torch.cuda.synchronize()

        for _ in range(3):  # cuDNN tries its algorithms, CUDA graphs are recorded
            run()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        timing = self.work.measure(run, seconds, calls)
        del timing["again"]  # it would hold the GPU's memory
        # Graphs keep what they were recorded with, which is reserved but not counted as allocated.
        eager = self.how == "eager"
        return {**timing, "bytes": torch.cuda.max_memory_allocated() if eager else torch.cuda.max_memory_reserved()}


def release(form):
    """What a form holds of the GPU, or what is left of one that failed. It can be named still."""
    if form is not None:
        form.network = form.run = form.optimiser = None
    torch._dynamo.reset()
    torch.cuda.empty_cache()


def captured(call):
    """The call's kernels as one graph, as PyTorch's manual has it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def synthesises(work):
    """Whether F^T with stride 1 occurs at all, so that its form matters."""
    return any(spec.get("unfolding", 0) > 0 or spec["op"] == "ResCsc" for spec in work.layers)


def forms(work, arithmetic):
    """What was measured of every form in one arithmetic."""
    on_gpu = work.device == "cuda"
    compiled = "compiled, CUDA graphs" if on_gpu else "compiled"
    found = []  # (best seconds an image, form, batch); medians of so few runs would say less

    def attempt(name, make, batch, seconds=None):
        answer = {"arithmetic": arithmetic, "batch": batch, "form": name}
        form = None
        try:
            form = make()
            form.check(batch)
            answer.update(form.measure(batch, seconds))
            found.append((answer["best"] / batch, form, batch))
        except Exception as reason:  # no compiler, no memory left
            answer["failed"] = f"{type(reason).__name__}: {reason}".split("\n")[0]
        if on_gpu:
            release(form)
        return answer

    def made(batches, *form):
        """These are measured briefly on the CPU; on the GPU their memory goes at once, to be the next one's."""
        make = partial(Form, work, arithmetic, *form)
        if not on_gpu:
            make = cache(make)
        for batch in batches:
            yield attempt(name_of(*form), make, batch, None if on_gpu else 0)

    def ranked():
        found.sort(key=lambda entry: entry[0])
        return found

    syntheses = ["natural", "flipped"] if synthesises(work) else ["natural"]
    for synthesis in syntheses:
        for layout in LAYOUTS:
            yield from made(work.batches, synthesis, layout)
    if not found:
        return
    if on_gpu:
        best = ranked()[0][1]
        yield from made(work.batches, best.synthesis, best.layout, "CUDA graph")

    # The compiler changes which synthesis is faster, so both are compiled; then the better one in the other layout, and
    # the best of all for the next best batch.
    batches = list(dict.fromkeys(batch for _, _, batch in ranked()))[:2]
    plans = [lambda s=s: (s, "channels last", batches[0]) for s in syntheses]
    plans.append(lambda: (ranked()[0][1].synthesis, "contiguous", batches[0]))
    plans += [lambda b=b: (ranked()[0][1].synthesis, ranked()[0][1].layout, b) for b in batches[1:]]
    for plan in plans:
        synthesis, layout, batch = plan()
        torch._dynamo.reset()  # sizes are compiled in, one batch at a time
        yield from made([batch], synthesis, layout, compiled)

    if not on_gpu:
        for _, form, batch in list(ranked()[:MEASURED_AT_LENGTH]):
            yield attempt(form.name(), lambda: form, batch)


def rival(work):
    if work.device == "cuda" and not torch.cuda.is_available():
        yield {"batch": work.batches[0], "form": "", "failed": "this PyTorch finds no GPU"}
        return
    torch.set_num_threads(work.threads)
    for arithmetic in work.arithmetics:
        if arithmetic == "tf32" and work.device == "cpu":
            yield {"arithmetic": arithmetic, "batch": work.batches[0], "form": "", "failed": "TF32 is of GPUs"}
        else:
            yield from forms(work, arithmetic)


def configuration():
    if sys.argv[2] == "cuda" and torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    lines = [line.strip(" -") for line in torch.__config__.show().splitlines()]
    libraries = [line.split(" Product")[0].split(" (Git")[0] for line in lines if "Math Kernel" in line or "MKL-DNN" in line]
    on = "on" if torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled else "off"
    return ", ".join([*libraries, f"oneDNN {on}", torch.backends.cpu.get_cpu_capability()])


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    serve("PyTorch", torch.__version__, configuration(), rival)
