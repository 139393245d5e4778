"""Takes an image out of a multipart form while the form arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from wxcv.integrations.uploads import make_damaged_error, make_missing_error

if TYPE_CHECKING:
    from wxcv.integrations.uploads import UploadBuffer


class ImageForm:
    """Writes the first file of one field of a form into a buffer and drops everything else.

    Args:
        content_type: the header of the request.
        field: the name of the field.
        buffer: holds the image.
    """

    def __init__(self, content_type: str, field: str, buffer: UploadBuffer) -> None:
        self._field, self._buffer = field, buffer
        self._header = self._value = b""
        self._name = self._filename = b""
        self._is_image = self._is_found = self._is_complete = False
        self._parser = MultipartParser(
            parse_options_header(content_type)[1].get(b"boundary", b""),
            {
                "on_header_field": self._add_header,
                "on_header_value": self._add_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_data,
                "on_part_data": self._add_data,
                "on_end": self._end_form,
            },
        )

    def write(self, chunk: bytes) -> None:
        """Take apart the next bytes of the form.

        Raises:
            ImageTooLargeError: the image is too large.
            UnreadableImageError: it is no form.
        """
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise make_damaged_error() from None

    def end(self) -> str:
        """Return the name of the file, when the whole form has been written.

        Raises:
            UnreadableImageError: the form is not complete, or has no such field.
        """
        if not self._is_complete:
            raise make_damaged_error()
        if not self._is_found:
            raise make_missing_error(self._field)
        return self._filename.decode("utf-8", "replace")

    def _add_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            options = parse_options_header(self._value)[1]
            self._name = options.get(b"name", b"")
            if not self._is_found:
                self._filename = options.get(b"filename", b"")
        self._header = self._value = b""

    def _begin_data(self) -> None:
        self._is_image = not self._is_found and self._name == self._field.encode()
        self._is_found = self._is_found or self._is_image

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_image:
            self._buffer.write(memoryview(data)[start:end])

    def _end_form(self) -> None:
        self._is_complete = True
