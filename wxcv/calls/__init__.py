"""How one call is made: slots, deadlines, retries, pacing and transport."""
