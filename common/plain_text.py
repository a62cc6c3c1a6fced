"""Text of others, made safe to display.

Names of files, error messages of servers and descriptions in files may contain escape sequences
that move the cursor, hide text or change the title of a terminal.
"""

import unicodedata


def shown(text: str, *, lines: bool = False) -> str:
    r"""Return text in which control characters are escaped, such as `\x1b` for the escape.

    Escaped are all characters that do not print as themselves: control and format characters (for
    example those that reverse the direction of text), line separators, surrogates, and code points
    that are unassigned or private. Letters of all scripts, spaces and emoji are kept.

    Args:
        text: any text.
        lines: keep line breaks and tabs; otherwise they are escaped, too.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(c, lines) for c in text)


def _shown(character: str, lines: bool) -> str:
    if character.isprintable() or (lines and character in "\n\t"):
        return character
    if unicodedata.category(character) == "Zs":  # such as a no-break space
        return character
    return character.encode("unicode_escape").decode("ascii")
