"""WeChat's protocol as values and bytes, without I/O: requests, responses and error codes."""
