"""A token that was fetched elsewhere."""

from __future__ import annotations

from support.steps import ASKED, run

import wxcv


def test_a_static_token_is_itself() -> None:
    """A static token needs no step, and each one has a key of its own."""
    steps, token = run(wxcv.StaticTokenCredential("MARKED-T").refresh(ASKED))

    assert (steps, token.value, token.kind) == ([], "MARKED-T", "static")
    assert wxcv.StaticTokenCredential("MARKED-T").key != wxcv.StaticTokenCredential("MARKED-T").key
