"""The paths of the cv pages."""

QRCODE = "/cv/img/qrcode"
COMM = "/cv/ocr/comm"

CV_PATHS = (QRCODE, COMM)
