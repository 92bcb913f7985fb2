"""The table of reproduce.py: ours beside the paper's, as Markdown and as CSV."""

import csv
import io
import os
import statistics

COLUMNS = ("preset", "paper_accuracy", "last_mean", "last_deviation", "selected_mean", "selected_deviation", "seeds",
           "failed_seeds", "epochs", "preset_epochs", "images_per_second")
HEADER = """# Ours beside the paper's

Test accuracy in percent: mean ± sample standard deviation over the seeds, after the last epoch, and after the epoch that
was best on the training images held out, where some were.
"""


def replace(path, text):
    """Writes a file beside its place and renames it, so that nobody meets half of it."""
    with open(path + ".tmp", "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.replace(path + ".tmp", path)


def percent(accuracies):
    """Mean and deviation; None for what the values do not tell."""
    return (100 * statistics.mean(accuracies) if accuracies else None,
            100 * statistics.stdev(accuracies) if len(accuracies) > 1 else None)


def make_row(preset, results, failed_seeds):
    """One cell as {column: value}. `preset` is a line of train --list-presets, `results` are {seed: result.json}."""
    last = percent([r["last_test_accuracy"] for r in results.values()])
    selected = percent([r["test_accuracy"] for r in results.values() if "validation_accuracy" in r])
    # A training that was resumed after its last step has no speed.
    speeds = [r["images_per_second"] for r in results.values() if r["images_per_second"] > 0]
    return dict(zip(COLUMNS, (
        preset["preset"], preset["paper_accuracy"], *last, *selected, " ".join(map(str, results)),
        " ".join(map(str, failed_seeds)), max((r["epochs"] for r in results.values()), default=None),
        preset["options"]["epochs"], statistics.mean(speeds) if speeds else None)))


def to_csv(rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{v:.4f}" if isinstance(v, float) else v for name, v in row.items()})
    return text.getvalue()


def to_markdown(rows, notes, failures):
    """`notes` stand above the table, `failures` below."""
    lines = [HEADER, *notes, "", "| preset | paper | last epoch | selected epoch | seeds | epochs | images/s |",
             "|---|---|---|---|---|---|---|"]
    for row in rows:
        done, planned, speed = row["epochs"], row["preset_epochs"], row["images_per_second"]
        cells = (row["preset"], f"{row['paper_accuracy']:.2f}", accuracy(row["last_mean"], row["last_deviation"]),
                 accuracy(row["selected_mean"], row["selected_deviation"]), row["seeds"].replace(" ", ", "),
                 "" if done is None else f"{done}" if done == planned else f"{done} of {planned} epochs",
                 "" if speed is None else f"{speed:.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines + ["", *failures]).rstrip() + "\n"


def accuracy(mean, deviation):
    return "" if mean is None else f"{mean:.2f}" if deviation is None else f"{mean:.2f} ± {deviation:.2f}"


def write_table(out, rows, notes, failures):
    """OUT/reproduction.csv and OUT/reproduction.md; returns the latter."""
    replace(os.path.join(out, "reproduction.csv"), to_csv(rows))
    text = to_markdown(rows, notes, failures)
    replace(os.path.join(out, "reproduction.md"), text)
    return text
