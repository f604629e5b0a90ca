"""What a cover says of those who defend: from ``defence.toml``, or that there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trending.report.data import Report
    from trending.report.wording import Wording


def title_of(report: Report, tell: Wording) -> str:
    """Return the title in the language, or the project's own."""
    known = report.identity
    if known is None:
        return tell("cover_default")
    return (known.title_en if tell.language == "en" else "") or known.title


def authors_of(report: Report, tell: Wording) -> tuple[str, ...]:
    """Return each author with his or her role."""
    lines = []
    for author in report.identity.authors if report.identity else ():
        role = (author.role_en if tell.language == "en" else "") or author.role
        lines.append(tell("cover_author", name=author.name, role=role) if role else author.name)
    return tuple(lines)


def subject_of(report: Report, tell: Wording) -> str:
    """Return subject and institution."""
    known = report.identity
    if known is None:
        return ""
    subject = (known.subject_en if tell.language == "en" else "") or known.subject
    return ". ".join(filter(None, (tell("cover_subject", subject=subject), known.institution)))


def cover_lines(report: Report, tell: Wording) -> tuple[str, ...]:
    """Return subject, authors, date and tribunal, or that nobody wrote them down."""
    known = report.identity
    if known is None:
        return (tell("cover_no_identity"),)
    tribunal = tell("cover_tribunal", names=", ".join(known.tribunal)) if known.tribunal else ""
    return tuple(
        filter(
            None,
            (
                subject_of(report, tell),
                " · ".join(authors_of(report, tell)),
                ". ".join(filter(None, (tell("cover_date", date=tell.date(known.date)), tribunal))),
            ),
        )
    )
