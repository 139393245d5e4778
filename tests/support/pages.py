"""The paths of WeChat's pages, written out: neither the client nor the sandbox is asked for them."""

QRCODE = "/cv/img/qrcode"
COMM = "/cv/ocr/comm"
AICROP = "/cv/img/aicrop"
CLASSIC_TOKEN = "/cgi-bin/token"
STABLE_TOKEN = "/cgi-bin/stable_token"
COMPONENT_TOKEN = "/cgi-bin/component/api_component_token"
AUTHORIZER_TOKEN = "/cgi-bin/component/api_authorizer_token"
CORNERS = ["left_top", "right_top", "right_bottom", "left_bottom"]
"""The names in a ``pos``, in WeChat's order."""
PATHS = [QRCODE, COMM, CLASSIC_TOKEN, STABLE_TOKEN, COMPONENT_TOKEN, AUTHORIZER_TOKEN, "/nowhere"]
"""All pages, and what is none."""
