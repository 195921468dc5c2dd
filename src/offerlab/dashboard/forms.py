"""What a form sent, read with limits."""

from typing import Final
from urllib.parse import parse_qsl

from offerlab.dashboard.frame import AnyRequest
from offerlab.errors import InvalidInput, TooLarge

LIMIT: Final = 64 * 1024
FIELDS: Final = 200


async def form_of(request: AnyRequest) -> dict[str, str]:
    """The fields of an urlencoded form; of a field sent twice the last.

    Raises:
        TooLarge: above 64 kB or 200 fields.
        InvalidInput: no UTF-8.
    """
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > LIMIT:
            raise TooLarge(f"a form is at most {LIMIT} bytes long")
    try:
        pairs = parse_qsl(received.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
    except UnicodeError as error:
        raise InvalidInput("the form is not UTF-8") from error
    except ValueError as error:
        raise TooLarge(f"a form has at most {FIELDS} fields") from error
    return dict(pairs)
