"""How a count is distributed over examples: the latency's figure, wherever it was found."""

from sw.reports.blocks import Figure
from sw.reports.result import Histogram
from sw.reports.svg import COLOURS, drawing

__all__ = ["latency"]

_BARS = 48


def latency(cycles: Histogram, *, origin: str, clock_mhz: float | None, title: str) -> Figure:
    """Cycles per example from ``origin`` to the result, and their time at a clock if there is
    one.
    """
    mean, worst = cycles.mean, cycles.values[-1]
    median, most = cycles.quantile(0.5), cycles.quantile(0.99)
    time = ""
    if clock_mhz is not None:
        time = f" At {clock_mhz:g} MHz: mean {mean / clock_mhz:.2f} µs, "
        time += f"worst {worst / clock_mhz:.2f} µs."
    return Figure(
        svg=_picture(cycles, clock_mhz),
        title=title,
        caption=f"Cycles from {origin} to the result: mean {mean:.1f}, median {median}, "
        f"99% within {most}, worst {worst}.{time}",
        description=f"Histogram of {cycles.images:,} latencies from {cycles.values[0]} to {worst} "
        f"cycles with a mean of {mean:.1f}.",
    )


def _picture(cycles: Histogram, clock_mhz: float | None) -> str:
    from matplotlib.ticker import MaxNLocator

    first, last = cycles.values[0], cycles.values[-1]
    width = max(1, -(-(last - first + 1) // _BARS))  # whole cycles, so that no bar has more of them
    bars = [0] * ((last - first) // width + 1)
    for value, count in zip(cycles.values, cycles.counts, strict=True):
        bars[(value - first) // width] += count
    left = [first + width * bar - 0.5 for bar in range(len(bars))]
    with drawing(2.9) as picture:
        axes = picture.figure.subplots()
        share = [100 * count / cycles.images for count in bars]
        axes.bar(left, share, 0.92 * width, align="edge", color=COLOURS["accent"])
        axes.axvline(cycles.mean, color=COLOURS["warn"], linestyle="--", linewidth=1.2)
        axes.text(
            cycles.mean,
            1.0,
            f"  mean {cycles.mean:.1f}",
            transform=axes.get_xaxis_transform(),
            va="top",
            size=10,
        )
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
        axes.set(xlabel="cycles", ylabel="examples [%]", ylim=(0, 1.14 * max(share)))
        if clock_mhz is not None:
            above = axes.twiny()
            above.spines["top"].set_visible(True)
            above.set_xlim(*(cycle / clock_mhz for cycle in axes.get_xlim()))
            above.xaxis.set_major_locator(MaxNLocator(nbins=6))
            above.set_xlabel(f"µs at {clock_mhz:g} MHz")
    return picture.svg
