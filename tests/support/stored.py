"""A stored token, and the time at which it was stored."""

import wxcv

NOW = 1_700_000_000.0
STORED = wxcv.StoredToken("MARKED-T1", 1, NOW + 100, 100.0)
