"""The paths of the cv endpoints."""

QRCODE = "/cv/img/qrcode"
COMM = "/cv/ocr/comm"
AICROP = "/cv/img/aicrop"

READ_HERE = (QRCODE, COMM, AICROP)
"""What the sandbox reads itself."""

CANNED = (
    "/cv/img/superresolution",
    "/cv/ocr/idcard",
    "/cv/ocr/bankcard",
    "/cv/ocr/driving",
    "/cv/ocr/drivinglicense",
    "/cv/ocr/bizlicense",
    "/cv/ocr/menu",
    "/cv/ocr/platenum",
)
"""What the sandbox cannot read: these answer what a test has set, and 101001 otherwise."""

CV_PATHS = (*READ_HERE, *CANNED)
