"""docs/licences.md, made from the table of licences: what each lets a game do, and why."""

from ogaart.sites.licences import LICENCES, USES


def licences_markdown() -> str:
    """The table of what each licence allows, with the reasons, as Markdown."""
    lines = [
        "# Licences, and what they let a game do",
        "",
        "Made from `ogaart/sites/licences.py` with `python -m ogaart.reference`. Answers are the cautious ones, not",
        "legal advice. Several licences of an entry mean that any one may be chosen; uses",
        "needed together must be granted by one of them. A licence not listed here grants nothing, neither",
        "does a name without its version, nor one that its page links to another licence: it is stored as",
        "`CC0 (linked to CC-BY-SA-4.0)`.",
        "",
        f"| licence | SPDX | {' | '.join(USES.values())} |",
        f"|---|---|{'---|' * len(USES)}",
    ]
    for one in LICENCES:
        answers = " | ".join("yes" if use in one.grants else "no" for use in USES)
        lines.append(f"| [{one.name}]({one.url}) | `{one.spdx}` | {answers} |")
    lines += ["", "## Reasons", "", "Numbers are sections of the licence's text.", ""]
    for one in LICENCES:
        lines += [
            f"### {one.name}",
            "",
            f"Text: <{one.legal_text}>",
            "",
            f"- {USES['sell']}: {'yes' if one.may_sell else 'no'}; {one.why_sell}.",
            f"- {USES['no-credit']}: {'no' if one.credit_needed else 'yes'}; {one.why_credit}.",
            f"- {USES['no-share-alike']}: {'no' if one.share_alike else 'yes'}; {one.why_share_alike}.",
            f"- {USES['drm']}: {'yes' if one.drm_allowed else 'no'}; {one.why_drm}.",
            "",
        ]
    return "\n".join(lines)
