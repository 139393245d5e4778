"""Where tests find files."""

from pathlib import Path

SCRIPTS = Path(__file__).parent
"""Programs that tests run in processes of their own."""

TESTS = SCRIPTS.parent
ROOT = TESTS.parent
SAMPLES = TESTS / "samples"
PARCEL = TESTS / "images" / "parcel.png"
