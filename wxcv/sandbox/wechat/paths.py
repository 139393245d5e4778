"""The paths of the cv endpoints."""

QRCODE = "/cv/img/qrcode"
COMM = "/cv/ocr/comm"

CV_PATHS = (QRCODE, COMM)
