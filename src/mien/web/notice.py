"""What people must be told: what the labels are, what they are not for, and that their faces are read by a machine.

The law that is named is Regulation (EU) 2024/1689, the AI Act. The texts are a help for those who must inform people;
they are no legal advice.
"""

from __future__ import annotations

import base64
import hashlib
import html
from dataclasses import dataclass
from typing import Any

from mien.bundle import Bundle
from mien.labels import Label

SCHEMA = 1
LAW = "Regulation (EU) 2024/1689 (AI Act)"
LAW_ADDRESS = "https://eur-lex.europa.eu/eli/reg/2024/1689/oj"

LABELS_ARE = (
    "A label is the word that people would most probably give to the look of a face in a still picture. It is a guess "
    "about how a face looks to others.",
    "Every label comes with probabilities. Where none is high enough, the answer is 'unsure'; where no face is found, "
    "there is no label.",
)
LABELS_ARE_NOT = (
    "A label does not say what someone feels, thinks or intends. People show feelings in different ways, and show what "
    "they do not feel.",
    "A label is wrong for some faces, more often for some expressions and groups of people than for others. The card "
    "of the model says what was measured, and on whom.",
    "A label is no ground for a decision about a person.",
)
PROHIBITED = (
    "To infer emotions of people at work or in education, unless it is for medical or safety reasons: prohibited in "
    "the European Union since 2 February 2025 (Article 5(1)(f)). Job interviews are among it, and the monitoring of "
    "staff, pupils and examinations.",
)
NOT_FOR = (
    "Judging people: hiring, schooling, policing, credit, insurance, medicine or care.",
    "Watching people in secret, or telling who somebody is.",
)
DUTIES = (
    "Whoever uses a system that reads emotions from faces informs the people who are exposed to it that it is at work, "
    "and processes their data as data protection law wants it (Article 50(3), in force since 2 August 2026).",
    "The information is clear and easy to tell from the rest, comes at the latest with the first exposure, and is "
    "accessible to people with disabilities (Article 50(5)).",
    "A photo of a person is personal data: there must be a legal basis for working on it, and people have the rights "
    "of the GDPR.",
    "Systems that are meant to recognise emotions count as high-risk (Annex III, point 1(c)), with further duties for "
    "those who provide and use them. Whether a use of expression labels falls under it depends on the use: have it "
    "checked, and inform people when in doubt.",
)


@dataclass(frozen=True)
class Deployer:
    """Who uses the labels; what is not known is left as a gap to fill in.

    Attributes:
        name: the person or organisation that is responsible.
        purpose: what the labels are used for.
        contact: where people can ask, object, or have their data deleted.
    """

    name: str = ""
    purpose: str = ""
    contact: str = ""


def information_for_people(deployer: Deployer, labels: tuple[Label, ...]) -> list[str]:
    """The text for those whose faces are read, a paragraph each.

    Args:
        deployer: who uses the labels.
        labels: what the model can say.
    """
    return [
        "Faces in pictures are read by a machine here.",
        f"{_or_gap(deployer.name, 'name')} uses a computer program (AI) that finds faces in pictures and guesses which "
        f"expression other people would see in them: {', '.join(labels)}.",
        f"It is used for: {_or_gap(deployer.purpose, 'purpose')}.",
        "The program looks at how a face looks in one picture. It does not know what you feel, and it is often wrong. "
        "It does not find out who you are.",
        "The program itself keeps no picture. Whether pictures or results are kept, for how long, and on what legal "
        "basis: [fill in].",
        "You may ask what is known about you, have it corrected or deleted, object, and complain to the data "
        f"protection authority. Ask: {_or_gap(deployer.contact, 'contact')}.",
    ]


def notice(bundle: Bundle, deployer: Deployer | None = None) -> dict[str, Any]:
    """The whole notice as plain JSON values.

    Args:
        bundle: the model that is used.
        deployer: who uses it; None leaves gaps.
    """
    return {
        "schema": SCHEMA,
        "law": {"name": LAW, "address": LAW_ADDRESS, "advice": "No legal advice."},
        "labels": {
            "names": [expression.value for expression in bundle.label_set.expressions],
            "are": list(LABELS_ARE),
            "are_not": list(LABELS_ARE_NOT),
        },
        "prohibited": list(PROHIBITED),
        "not_for": list(NOT_FOR),
        "duties": list(DUTIES),
        "information": information_for_people(deployer or Deployer(), bundle.label_set.expressions),
        "model": {"identity": bundle.identity, "card": dict(bundle.card)},
    }


# On paper the text for people is the first page; a browser prints it to PDF.
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1.05rem/1.55 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.7rem;line-height:1.25}h2{font-size:1.2rem;margin-top:2rem}"
    "section.people{border:2px solid;border-radius:.5rem;padding:0 1.2rem .6rem}"
    "dt{font-weight:600}dd{margin:0 0 .6rem}"
    "@media print{:root{color-scheme:light}body{margin:0;max-width:none;font-size:11pt}"
    "section.people{border:0;padding:0;font-size:14pt;break-after:page}@page{margin:20mm}}"
)
# The page has no script, and no style but this one.
PAGE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def notice_page(content: dict[str, Any]) -> str:
    """The notice as one HTML page that holds all it needs, made for the screen and for paper (or PDF).

    Args:
        content: what `notice` gave.
    """
    heading, *paragraphs = content["information"]
    sections = (
        ("What the labels are", content["labels"]["are"]),
        ("What they are not", content["labels"]["are_not"]),
        ("Prohibited", content["prohibited"]),
        ("Not made for", content["not_for"]),
        ("Duties of those who use it", content["duties"]),
    )
    lists = "".join(
        f"<section><h2>{html.escape(title)}</h2><ul>{''.join(f'<li>{html.escape(item)}</li>' for item in items)}</ul>"
        "</section>"
        for title, items in sections
    )
    model = content["model"]
    card = "".join(
        f"<dt>{html.escape(key.replace('_', ' '))}</dt><dd>{html.escape(_in_words(value))}</dd>"
        for key, value in model["card"].items()
        if key in ("intended_use", "not_for", "licence")
    )
    law = content["law"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Notice: faces are read by a machine</title><style>{_STYLE}</style></head><body><main>"
        f'<section class="people"><h1>{html.escape(heading)}</h1>'
        f"{''.join(f'<p>{html.escape(paragraph)}</p>' for paragraph in paragraphs)}</section>"
        f"{lists}<section><h2>The model</h2><p>{html.escape(model['identity'])}</p><dl>{card}</dl></section>"
        f'<p>{html.escape(law["name"])}: <a href="{law["address"]}" rel="noreferrer">{law["address"]}</a>. '
        f"{html.escape(law['advice'])}</p></main></body></html>\n"
    )


def notice_text(content: dict[str, Any]) -> str:
    """The text for people alone, for a sign, a form or an e-mail."""
    return "\n\n".join(content["information"]) + "\n"


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}: {_in_words(item).rstrip('.')}." for key, item in value.items())
    return " ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else str(value)


def _or_gap(text: str, what: str) -> str:
    return text.strip().rstrip(".") or f"[{what}]"
