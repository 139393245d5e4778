"""``wxcv batch``: reads any number of images, with a journal from which a later run resumes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import typer

import wxcv
from wxcv.cli import exits, options, output
from wxcv.cli.batch_run import BatchRun
from wxcv.cli.batch_settings import BatchSettings, Inputs
from wxcv.cli.endpoints import find_endpoint, parse_fields
from wxcv.cli.inputs import is_record_list
from wxcv.cli.lists import ColumnError, check_column
from wxcv.cli.running import describe, run
from wxcv.cli.state_folder import make_own_store

if TYPE_CHECKING:
    from collections.abc import Mapping


@options.declare_options(BatchSettings)
def batch(
    endpoint: options.EndpointName,
    inputs: Inputs,
    *,
    settings: BatchSettings,
    field: options.Field = None,
) -> None:
    """Read any number of images, and record every outcome in a journal.

    After a run was stopped or killed, the same command resumes it: what has an answer is not sent again.
    `wxcv results` shows the journal.
    """
    found = find_endpoint(endpoint)
    fields = parse_fields(found, field or [])
    for word in inputs:
        _check_list(word, settings.column)
    if settings.wait and settings.daily_limit == 0:
        raise typer.BadParameter("--wait with --daily-limit 0 would never end; raise the limit")
    if settings.local and found != wxcv.SCAN_QRCODE:
        raise typer.BadParameter("--local reads codes only; use it with scan-qrcode")
    name = re.sub(r"[^\w.-]|_", "-", found.name)
    journal = settings.journal or f"wxcv-{name}.sqlite"
    settings = attrs.evolve(settings, journal=journal)
    run(_run_batch(found, inputs, fields, settings))


def _check_list(word: str, column: str) -> None:
    """Refuse a list that does not exist, or has no such column, before anything is sent."""
    is_list = word.startswith("@") and not os.path.lexists(word)
    path = word[1:] if is_list else word
    if (is_list or is_record_list(word)) and not os.path.exists(path):  # noqa: PTH110 - a name may be anything
        raise typer.BadParameter(f"the list {output.printable(path)!r} does not exist")
    if Path(path).suffix.lower() == ".csv" and not is_list and os.path.isfile(path):  # noqa: PTH113
        try:
            check_column(path, column)
        except ColumnError as error:
            raise typer.BadParameter(output.printable(str(error))) from None


async def _run_batch(
    endpoint: wxcv.Endpoint[Any], words: list[str], fields: Mapping[str, str], settings: BatchSettings
) -> int:
    notes = [f"journal: {settings.journal} (the same command resumes from it)"]
    if settings.daily_limit is not None and settings.store is None and not settings.sandbox:
        place = _make_own_store()
        notes.append(f"--daily-limit counts in {place} (--store shares the count with other machines)")
        settings = attrs.evolve(settings, store=place)
    return await BatchRun(endpoint, words, fields, settings, notes).execute()


def _make_own_store() -> str:
    """Return the path of the store in the user's state folder, or exit with a message."""
    try:
        return str(make_own_store())
    except OSError as error:
        output.say(f"cannot make the state folder for --daily-limit: {describe(error)}; give --store PATH")
    except RuntimeError:
        output.say("--daily-limit needs a state folder, but the home folder is unknown; give --store PATH")
    raise typer.Exit(exits.USAGE)
