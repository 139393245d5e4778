"""One call: slots, deadlines, retries, pacing and transport."""
