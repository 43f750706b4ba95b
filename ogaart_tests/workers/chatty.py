"""A child that answers each request with messages in pieces: ``python -m ogaart_tests.workers.chatty``."""

import time

from ogaart.workers import child, protocol


def content(number: int, length: int) -> bytes:
    """The bytes of a blob, by its number."""
    return bytes((number + place) % 251 for place in range(length))


def main() -> None:
    """Serve until the parent closes the pipe: one message for each list of lengths, written piece by piece."""
    out, requests = child.open_pipes()
    while True:
        fields = requests.get().fields
        written = bytearray()
        for number, lengths in enumerate(fields["messages"]):
            protocol.send(written.extend, {"number": number}, [content(number, length) for length in lengths])
        for start in range(0, len(written), fields["piece"]):
            out.write(written[start : start + fields["piece"]])
            out.flush()
            time.sleep(fields["pause"])


if __name__ == "__main__":
    main()
