"""WeChat's image pages: a file for each, with its Endpoint and its answer class."""
