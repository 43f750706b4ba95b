"""Write the table of settings into the README."""

import re
from pathlib import Path

from ogaart.reference.settings import settings_table

README = Path(__file__).parent.parent / "README.md"


def main() -> None:
    """Replace the text between the two marks."""
    text = README.read_text(encoding="utf-8")
    block = f"<!-- settings -->\n{settings_table()}<!-- /settings -->"
    README.write_text(re.sub(r"<!-- settings -->.*<!-- /settings -->", lambda _: block, text, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()
