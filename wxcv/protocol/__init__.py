"""WeChat's protocol as values and bytes, without I/O: requests, answers and error codes."""
