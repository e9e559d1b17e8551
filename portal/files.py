"""Files that a page hands out: as attachments, with their hash."""

from hashlib import sha256
from io import BytesIO

from flask import Response, send_file

EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def download(content: bytes, name: str, media_type: str = EXCEL) -> Response:
    """The bytes under that name (RFC 5987 where it is not ASCII), never opened in the browser; ETag is their hash."""
    return send_file(
        BytesIO(content), mimetype=media_type, as_attachment=True, download_name=name, etag=sha256(content).hexdigest()
    )
