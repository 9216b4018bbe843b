"""``otsec bench``: measure the pipeline on a capture, stage by stage and next to tshark."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otsec.cli import options
from otsec.cli.analyze import positive
from otsec.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otsec.bench import Program, Report
    from otsec.bench_pairs import Kept
    from otsec.tui.measure import Figure

EPILOG = """\
Each round runs `otsec analyze --quiet` with a fresh store: all that is done with a capture, up to
the store written, but no summary. Where there is tshark, `tshark -n -q -z io,phs` follows. They run
one after the other, each in a process of its own. CPU is user and system
time of all processes; what the same command takes on a capture of one packet is its start-up and
is subtracted on both sides. Stages are timed in one more run, memory is watched in another."""


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "capture", type=Path, nargs="?", metavar="FILE", help="the capture to measure on"
    )
    parser.add_argument(
        "--tui",
        action="store_true",
        help="measure the terminal UI on the store instead: first paint, keys, queries, memory",
    )
    parser.add_argument(
        "--rules",
        action="store_true",
        help="measure what rules and checks cost instead: the same with and without them, in turn",
    )
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="the same of baselines: following order, time and silences; learning and judging apart",
    )
    parser.add_argument(
        "--reports",
        action="store_true",
        help="measure every kind of report on the store instead; --pdf: as PDF, too",
    )
    parser.add_argument("--pdf", action="store_true", help="with --reports: as PDF, too")
    options.store(parser)
    parser.add_argument(
        "--rounds",
        type=positive,
        default=5,
        metavar="N",
        help="interleaved rounds, of which the median counts (default 5)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=1,
        metavar="N",
        help="processes of whole runs (default 1); stages are always timed in one",
    )
    parser.add_argument(
        "--batch", type=positive, default=None, metavar="PACKETS", help="packets in a batch"
    )
    parser.add_argument("--alone", action="store_true", help="measure otsec only, not tshark")
    parser.add_argument(
        "--json",
        dest="format",
        action="store_const",
        const="json",
        help="the figures as one JSON object",
    )
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Measure."""
    from otsec.cli.output import say

    if arguments.tui:
        return _screens(arguments)
    if arguments.reports:
        return _reports(arguments)
    if arguments.capture is None:
        raise UsageError("bench: name a capture, or say --tui or --reports over a store")
    if arguments.rules or arguments.baselines:
        return _part(arguments)
    from otsec.bench import measure
    from otsec.model import BATCH_PACKETS
    from otsec.pipeline import Options

    config = options.configured(arguments)
    report = measure(
        arguments.capture,
        config,
        Options(workers=arguments.workers, batch_packets=arguments.batch or BATCH_PACKETS),
        rounds=arguments.rounds,
        alone=arguments.alone,
        tell=(lambda _: None) if arguments.quiet else lambda text: say(f"otsec: {text}"),
    )
    (_write_json if arguments.format == "json" else _write_text)(
        report, "not asked for" if arguments.alone else "there is no tshark here"
    )
    return Exit.FINE


def _part(arguments: Namespace) -> int:
    """Measure what rules and checks cost, or baselines."""
    import json
    import sys
    from dataclasses import asdict

    from otsec.bench_pairs import BASELINES, RULES, compare
    from otsec.cli.harmless import harmless
    from otsec.cli.output import SCHEMA_VERSION, say
    from otsec.model import BATCH_PACKETS
    from otsec.pipeline import Options

    kept = compare(
        RULES if arguments.rules else BASELINES,
        arguments.capture,
        options.configured(arguments),
        Options(workers=arguments.workers, batch_packets=arguments.batch or BATCH_PACKETS),
        rounds=arguments.rounds,
        tell=(lambda _: None) if arguments.quiet else lambda text: say(f"otsec: {text}"),
    )
    both = (kept.without, kept.whole)
    if arguments.format == "json":
        told: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "kind": f"bench_{kept.part.name}",
            "capture": str(kept.capture),
            "bytes": kept.size_bytes,
            "ratio": kept.ratio,
            "ratios": kept.ratios,
            "wanted": kept.part.wanted,
            "lines": kept.lines,
            "once": [asdict(one) for one in kept.once],
            "programs": [
                {
                    "program": one.name,
                    "cpu_s": one.middle.cpu_s,
                    "start_up_cpu_s": one.start_up.cpu_s,
                    "rounds_cpu_s": [spent.cpu_s for spent in one.rounds],
                }
                for one in both
            ],
        }
        json.dump(told, sys.stdout)
        sys.stdout.write("\n")
        return Exit.FINE
    lines = [f"{harmless(str(kept.capture))}: {len(kept.whole.rounds)} pairs, in turn", ""]
    lines.append(f"{'median':<24}{'CPU s':>9}{'start-up s':>12}")
    lines += [f"{one.name:<24}{one.middle.cpu_s:>9.3f}{one.start_up.cpu_s:>12.3f}" for one in both]
    if kept.ratio is None:
        lines += ["", "the capture is too small to take any time"]
    else:
        span = f"{min(kept.ratios):.0%} to {max(kept.ratios):.0%} in the pairs"
        lines += [
            "",
            f"{kept.ratio:.0%} of the speed is kept ({span}; wanted: {kept.part.wanted:.0%})",
        ]
    lines += _once_lines(kept)
    sys.stdout.write("\n".join(lines) + "\n")
    return Exit.FINE


def _once_lines(kept: "Kept") -> list[str]:
    """What is measured apart: it goes by lines of the baseline, not by packets."""
    from otsec.cli.output import bytes_text

    if not kept.once:
        return []
    head = f"{f'once, {kept.lines:,} lines':<24}{'CPU s':>9}{'memory':>12}"
    return ["", head] + [
        f"{one.name:<24}{one.cpu_s:>9.3f}"
        f"{bytes_text(one.peak_memory_bytes) if one.peak_memory_bytes else '':>12}"
        for one in kept.once
    ]


def _screens(arguments: Namespace) -> int:
    """Measure the terminal UI on a store."""
    from otsec.tui.measure import measure

    config = options.configured(arguments, "db")
    return _tell_figures(arguments, "bench_tui", measure(config, _teller(arguments)))


def _reports(arguments: Namespace) -> int:
    """Measure reports on a store."""
    from otsec.cli.harmless import harmless
    from otsec.cli.report import manner, one_site
    from otsec.reports.measure import Ways, measure
    from otsec.reports.subject import Order
    from otsec.store import open_store
    from otsec.tui.measure import Figure

    config = options.configured(arguments, "db")
    ways = Ways(harmless, manner(config.zone()), _teller(arguments))
    with open_store(config.store, readonly=True) as store:
        order = Order(one_site(store, None, config.site), config.zone())
    found = measure(config.store, order, ways, pdf=arguments.pdf)
    return _tell_figures(arguments, "bench_reports", [Figure(*one) for one in found])


def _teller(arguments: Namespace) -> "Callable[[str], None]":
    """How progress is told."""
    from otsec.cli.output import say

    return (lambda _: None) if arguments.quiet else (lambda text: say(f"otsec: {text}"))


def _tell_figures(arguments: Namespace, kind: str, figures: "Sequence[Figure]") -> int:
    """Write figures with what they should be at most."""
    import json
    import sys

    from otsec.cli.output import SCHEMA_VERSION

    if arguments.format == "json":
        rows = [{**one._asdict(), "kept": one.kept} for one in figures]
        json.dump({"schema_version": SCHEMA_VERSION, "kind": kind, "rows": rows}, sys.stdout)
        sys.stdout.write("\n")
        return Exit.FINE
    for one in figures:
        wanted = "" if one.wanted is None else f"  (wanted: at most {one.wanted:g}{'' if one.kept else ', MORE'})"  # fmt: skip
        cpu = "" if one.cpu is None else f"{one.cpu:>12,.1f} {one.unit} CPU"
        sys.stdout.write(f"{one.name:<52}{one.value:>10,.1f} {one.unit}{cpu}{wanted}\n")
    return Exit.FINE


# ------------------------------------------------------------------------------- for people


def _write_text(report: "Report", without: str) -> None:
    import sys

    from otsec.cli.harmless import harmless
    from otsec.cli.output import bytes_text

    memory = report.peak_memory_bytes
    count, workers = len(report.otsec.rounds), report.workers
    what = f"{report.packets:,} packets, {bytes_text(report.size_bytes)}"
    how = f"{count} {'round' if count == 1 else 'rounds'}, {workers} "
    how += "worker" if workers == 1 else "workers"
    head = f"{'median of the rounds':<24}{'CPU s':>9}{'start-up s':>12}{'clock s':>9}"
    lines = [
        f"{harmless(str(report.capture))}: {what}; {how}",
        "",
        f"{head}{'ns/packet':>11}{'packets/s':>12}",
        *(_program_line(one, report.packets) for one in (report.otsec, report.tshark) if one),
        "(CPU and clock without start-up; ns of CPU; packets a second by the clock)",
        "",
        _ratio_line(report, without),
        "peak memory, anonymous and shared, of all processes: "
        + ("not told on this system" if memory is None else bytes_text(memory)),
        "",
        f"{'stage, in one process':<24}{'ns/packet':>11}{'share':>9}",
        *_stage_lines(report),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _program_line(program: "Program", packets: int) -> str:
    middle = program.middle
    return (
        f"{program.name:<24}{middle.cpu_s:>9.3f}{program.start_up.cpu_s:>12.3f}"
        f"{middle.clock_s:>9.3f}{middle.cpu_s / packets * 1e9:>11,.0f}"
        f"{_a_second(packets, middle.clock_s):>12,.0f}"
    )


def _ratio_line(report: "Report", without: str) -> str:
    if report.tshark is None:
        return f"not compared with tshark: {without}"
    if report.ratio is None:
        return "not compared with tshark: the capture is too small to take any time"
    return (
        f"tshark takes {report.ratio:.1f} times the CPU of otsec "
        f"({min(report.ratios):.1f} to {max(report.ratios):.1f} in the rounds)"
    )


def _stage_lines(report: "Report") -> list[str]:
    total = sum(one.ns for one in report.stages)
    rows = [(one.name, one.ns) for one in report.stages] + [("total", total)]
    return [
        f"{name:<24}{ns / report.packets:>11,.1f}{ns / max(total, 1):>9.1%}" for name, ns in rows
    ]


def _a_second(packets: int, clock_s: float) -> float:
    """Packets a second; 0 where the clock cannot tell."""
    return packets / clock_s if clock_s else 0.0


# ------------------------------------------------------------------------------- for programs


def _write_json(report: "Report", without: str) -> None:
    import json
    import sys

    from otsec.cli.output import SCHEMA_VERSION

    total = sum(one.ns for one in report.stages)
    json.dump(
        {
            "schema_version": SCHEMA_VERSION,
            "kind": "bench",
            "capture": str(report.capture),
            "bytes": report.size_bytes,
            "packets": report.packets,
            "workers": report.workers,
            "otsec": _program(report.otsec, report.packets),
            "tshark": _program(report.tshark, report.packets) if report.tshark else None,
            "without_tshark": "" if report.tshark else without,
            "ratio": report.ratio,
            "ratios": report.ratios,
            "peak_memory_bytes": report.peak_memory_bytes,
            "stages": [
                {
                    "stage": one.name,
                    "ns_per_packet": one.ns / report.packets,
                    "share": one.ns / max(total, 1),
                }
                for one in report.stages
            ],
        },
        sys.stdout,
    )
    sys.stdout.write("\n")


def _program(program: "Program", packets: int) -> dict[str, Any]:
    middle = program.middle
    return {
        "program": program.name,
        "cpu_s": middle.cpu_s,
        "clock_s": middle.clock_s,
        "start_up_cpu_s": program.start_up.cpu_s,
        "start_up_clock_s": program.start_up.clock_s,
        "ns_per_packet": middle.cpu_s / packets * 1e9,
        "packets_per_s": _a_second(packets, middle.clock_s),
        "rounds_cpu_s": [one.cpu_s for one in program.rounds],
        "rounds_start_up_cpu_s": [one.cpu_s for one in program.start_ups],
    }
