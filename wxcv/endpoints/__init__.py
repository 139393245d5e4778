"""WeChat's image endpoints: one file for each, with its Endpoint and its answer class."""
