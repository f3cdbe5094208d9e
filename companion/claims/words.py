"""How claims and verdicts read on a page and on a terminal: a line, a chapter's table, the ledger."""

from html import escape

from companion.claims.file import PAPERS
from companion.claims.verdicts import NO_CHAPTER, NOT_RUN, VERDICTS


def as_line(made):
    """One recorded claim as a line of HTML: its verdict, what is claimed and where, and what was measured."""
    measured = quantity(made)
    return (
        f'<p class="{_classes("kd-verdict", made["verdict"])}" id="claim-{made["id"]}">{_badge(made["verdict"])} '
        f"{escape(made['statement'])} <small>{escape(PAPERS[made['paper']])}, {escape(made['place'])}."
        f"{' Measured: ' + escape(measured) + '.' if measured else ''}</small></p>"
    )


def as_text(made):
    """One claim as a line of plain text."""
    measured = quantity(made)
    return f"{made['verdict']}: {made['id']}: {made['statement']}{f' [{measured}]' if measured else ''}"


def chapter_table(records):
    """A chapter's recorded claims as Markdown: a heading and a table, the failing first."""
    heads = ("verdict", "the paper says", "rule", "measured here")
    rows = [
        f'<tr><td class="{_classes("kd-verdict", made["verdict"])}">{_badge(made["verdict"])}</td>'
        f'<th scope="row">{escape(made["statement"])} <small>{escape(made["place"])}</small></th>'
        f"<td>{escape(rule_text(made['rule']))}</td><td>{escape(quantity(made))}{_link(made, '')}</td></tr>"
        for made in sorted(records, key=lambda made: VERDICTS.index(made["verdict"]))
    ]
    caption = "<caption>The paper's claims that this chapter decides, the failing first</caption>"
    table = _table("This chapter's claims", "kd-claims", caption, heads, rows)
    return f"## What became of the claims\n\n````{{raw}} html\n{table}\n````"


def ledger_html(frame):
    """The ledger as HTML, one table row a claim; its filters stay hidden until ``ledger.js`` brings them to life."""
    heads = ("verdict", "claim", "rule", "measured here", "decided by")
    rows = [
        f'<tr id="{made["id"]}" data-paper="{made["paper"]}" data-verdict="{made["verdict"]}">'
        f'<td class="{_classes("kd-verdict", made["verdict"])}">{_badge(made["verdict"])}</td>'
        f'<th scope="row">{escape(made["statement"])} '
        f"<small>{escape(PAPERS[made['paper']])}, {escape(made['place'])}</small></th>"
        f"<td>{escape(rule_text(made['rule']))}</td><td>{escape(quantity(made))}</td>"
        f"<td>{_link(made, made['chapter'] + '.html') or made['chapter']}</td></tr>"
        for made in frame.to_dict("records")
    ]
    papers = {
        key: name for key, name in PAPERS.items() if (frame["paper"] == key).any()
    }
    verdicts = {
        verdict: verdict for verdict in VERDICTS if (frame["verdict"] == verdict).any()
    }
    filters = _select("paper", "Paper", papers) + _select(
        "verdict", "Verdict", verdicts
    )
    caption = f"<caption>All {len(frame)} claims, the failing first</caption>"
    return (
        f'<div class="kd-ledger"><form class="kd-filters" hidden>{filters} '
        f'<output aria-live="polite">{len(frame)} claims</output></form>\n'
        f"{_table('Ledger of claims', 'kd-claims', caption, heads, rows)}</div>"
    )


def rule_text(rule):
    """A rule in words."""
    kind = rule["kind"]
    if kind == "ordering":
        return (" > " if rule.get("by") == "falling" else " < ").join(
            map(str, rule["order"])
        )
    if kind == "sign":
        return rule["sign"]
    if kind == "inequality":
        return (
            f"violated in at most {100 * rule['delta']:g} % of the cases"
            if rule["delta"]
            else "never violated"
        )
    wider = f" (up to {rule['wider']:g}: another constant)" if "wider" in rule else ""
    if kind == "curve":
        factor = rule.get("factor", 1.5)
        return f"log distance at most {rule['threshold']:g} or {factor:g} times the replicate floor{wider}"
    exponent = "exponent, interval over seeds included, " if kind == "slope" else ""
    if "value" not in rule:
        side = "at_most" if "at_most" in rule else "at_least"
        return f"{exponent}{side.replace('_', ' ')} {rule[side]:g}{wider}"
    value = rule["value"]
    width = (
        f"± {rule['absolute']:g}"
        if "absolute" in rule
        else f"within a factor {1 + rule['relative']:g}"
    )
    if wider and "relative" in rule:
        wider = f" (up to a factor {1 + rule['wider']:g}: another constant)"
    return f"{exponent}{shown(value)}, {'each ' if isinstance(value, (dict, list)) else ''}{width}{wider}"


def shown(value, interval=None):
    """A measured value, or several by name, with intervals where there are any, to four digits."""
    if isinstance(value, dict) and {"violations", "trials"} <= set(value):
        return f"violated in {value['violations']} of {value['trials']} cases"
    if isinstance(value, dict):
        pairs = interval if isinstance(interval, dict) else {}
        text = ", ".join(
            f"{name}: {shown(item, pairs.get(name))}" for name, item in value.items()
        )
        steps = {name: pair for name, pair in pairs.items() if name not in value}
        return text + (f"; steps {shown(steps)}" if steps else "")
    if isinstance(value, list) and len(value) == 2:
        return f"[{value[0]:.4g}, {value[1]:.4g}]"
    if value is None:
        return "not computed"
    return f"{value:.4g} {shown(interval)}" if interval else f"{value:.4g}"


def quantity(made):
    """What was measured for a claim, in words: its estimate, names in the paper's order, its interval and its note."""
    estimate, rule = made["estimate"], made["rule"]
    if isinstance(estimate, dict):
        names = list(
            map(
                str,
                rule.get("order")
                or (rule["value"] if isinstance(rule.get("value"), dict) else ()),
            )
        )
        estimate = {
            name: estimate[name]
            for name in sorted(estimate, key=lambda name: (names + [name]).index(name))
        }
    parts = [
        shown(estimate, made["interval"]) if estimate is not None else "",
        made["note"] or "",
    ]
    return "; ".join(part for part in parts if part)


def _link(made, page):
    """A link to the figure that decides a claim, or to its line in the chapter; nothing where it was not run."""
    if made["verdict"] in (NOT_RUN, NO_CHAPTER) or not (page or made["figure"]):
        return ""
    target = made["figure"] or f"claim-{made['id']}"
    return f' <a href="{page}#{escape(target)}">{escape(made["figure"] or made["chapter"])}</a>'


def _badge(verdict):
    return f'<strong class="kd-badge">{verdict}</strong>'


def _classes(name, verdict):
    return f"{name} {name}--{verdict.replace(' ', '-')}"


def _select(name, label, options):
    choices = "".join(
        f'<option value="{escape(key)}">{escape(text)}</option>'
        for key, text in options.items()
    )
    return f'<label>{label} <select name="{name}"><option value="">all</option>{choices}</select></label>'


def _table(label, name, caption, heads, rows):
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "\n".join(rows)
    return (
        f'<div class="kd-scroll" tabindex="0" role="region" aria-label="{label}"><table class="{name}">{caption}'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )
