"""`tls`: the same as `upload` over TLS.

Measured: microseconds of CPU and of the clock for each call at concurrency 64, for pictures of 20 KB, 200 KB
and 1.9 MB.
Baseline: aiohttp with FormData under a semaphore (1.00), and aiohttp with a payload of three parts. All trust
the answerer's certificate by SSL_CERT_FILE, and keep their connections.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.cases.upload import BARE, BASELINE, COLUMNS, by_group, cases, on_uvloop
from benchmarks.harness.core import CONCURRENCY, Report, Settings, require_modules
from benchmarks.harness.runner import rounds_of
from benchmarks.harness.serving import answering

ROUNDS = 5


def _certificates(folder: str) -> tuple[str, str]:
    """Write a certificate for the answerer and the authority behind it, and return their paths."""
    import trustme

    authority, own = Path(folder, "authority.pem"), Path(folder, "answerer.pem")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(authority)
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(own)
    return str(authority), str(own)


def run(settings: Settings) -> list[Report]:
    """Run the benchmark."""
    require_modules("trustme")
    with tempfile.TemporaryDirectory() as folder:
        authority, own = _certificates(folder)
        with answering(certificate=own) as answerer:
            plain = cases(settings, ("wxcv", BASELINE, BARE), answerer.tls_url, answerer.base_url)
            trusting = [replace(case, environment={"SSL_CERT_FILE": authority}) for case in plain]
            rows = rounds_of(trusting, settings.rounds_or(ROUNDS))
            rows += rounds_of(on_uvloop(trusting), settings.rounds_or(3))
    return [Report(f"upload over TLS, {CONCURRENCY} at a time", COLUMNS, BASELINE, by_group(rows))]
