"""Many calls: batches, their outcomes, and what they do during an outage."""
