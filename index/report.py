"""What an evaluation says, for staff: one HTML page with everything in it, no scripts, no addresses outside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from index.analysis import (
    Bin,
    Fault,
    Outcome,
    Values,
    confusions,
    interval,
    named,
    per_question,
    reliability,
    risk_coverage,
    slices,
    worst,
)

_FAULTS: dict[Fault, str] = {
    "told wrong": "trả lời sai",
    "said none": "nói không có, mà có",
    "asked in vain": "hỏi lại, mà không có cái cần",
    "asked for nothing": "hỏi lại, đáng lẽ nói không có",
}
_DECISIONS = {"answer": "trả lời luôn", "clarify": "hỏi lại", "none": "nói không có"}
_MEASURES = {
    "recall@1": "Đúng ngay đầu", "recall@3": "Đúng trong 3", "recall@5": "Đúng trong 5", "mrr": "MRR",
    "answered": "Trả lời luôn", "answered_right": "Trả lời luôn mà đúng", "none_recall": "Biết nói “không có”",
    "false_none": "Nói “không có” oan",
}  # fmt: skip
_NOTHING = "(không thủ tục nào)"
STEADY = 0.05
"""The risk curve starts at this coverage; before it, single questions make it jump."""

_CSS = """
:root{color-scheme:light dark;--ink:#1c2430;--paper:#fff;--soft:#f1f4f8;--line:#c3ccd8;--mark:#0b62a8;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf2;--paper:#14181e;--soft:#1f252e;--line:#465161;--mark:#6cb8ff;
--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:64rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem}h2{font-size:1.15rem;margin:2rem 0 .3rem}p{margin:.3rem 0 .8rem}.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem}th{background:var(--soft)}td small{display:block;opacity:.75}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;white-space:nowrap}
th:first-child,td:first-child{text-align:left}td.name{text-align:left;white-space:normal;min-width:14rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:1rem}
figure{margin:0}figcaption{font-size:.9rem}svg{width:100%;height:auto;max-width:26rem}
svg text{fill:var(--ink);font-size:12px}.grid{stroke:var(--line)}.ideal{stroke:var(--ink);stroke-dasharray:5 4}
.curve{stroke:var(--mark);stroke-width:2;fill:none}.dot{fill:var(--mark)}.now,.fault{fill:var(--bad);color:var(--bad)}
.bar{stroke:var(--mark);opacity:.55;stroke-width:2}summary{cursor:pointer}
article{border:1px solid var(--line);border-radius:.5rem;padding:.6rem .8rem;margin:.6rem 0;overflow-wrap:anywhere}
article b{display:block}article ul{margin:.3rem 0;padding-left:1.2rem}
"""


def page(found: Sequence[Outcome], names: Mapping[str, str], title: str, *, shown: int = 30) -> str:
    """One HTML page that needs nothing else. ``names``: code -> name; ``shown``: so many questions, confusions."""
    stated_right, stated_held = (
        np.array([getattr(o.result, name) for o in found], float) for name in ("right", "answerable")
    )
    right, held = (np.array([getattr(o, name) for o in found], float) for name in ("right", "held"))
    bad = worst(found)
    body = [
        f"<h1>Đo phần tìm thủ tục</h1><p>{escape(title)} · {len(found)} câu hỏi</p>",
        "<h2>Điểm theo nhóm câu</h2><p>Tính theo phần trăm. Số nhỏ là khoảng tin cậy 95%. Nhóm ít câu thì khoảng rộng: "
        f"chênh vài phần trăm chưa nói lên gì.</p>{_summary(found)}",
        "<h2>Trợ lý tự tin có đúng mức không</h2><p>Chấm càng gần đường đứt càng tốt. Chấm nằm dưới đường: tự tin quá. "
        "Chấm to là nhiều câu.</p><div class=charts>",
        _reliability("Thủ tục đứng đầu là đúng", reliability(stated_right, right)),
        _reliability("Danh mục có thủ tục cần tìm", reliability(stated_held, held)),
        "</div><h2>Trả lời nhiều hơn thì sai thêm bao nhiêu</h2><p>Đi sang phải: trả lời luôn nhiều câu hơn. Đi lên: "
        "sai nhiều hơn. Chấm đỏ là mức đang dùng.</p><div class=charts>",
        _risk(found, risk_coverage(stated_right, right)),
        f"</div><h2>Hay nhầm</h2><p>Cái đứng đầu mà sai → cái đáng lẽ phải ra.</p>{_confused(found, names, shown)}",
        f"<h2>{min(shown, len(bad))} câu tệ nhất</h2><p>Trong {len(bad)} câu chưa ổn. Trả lời sai đứng trước.</p>",
        *(_article(outcome, names) for outcome in bad[:shown]),
    ]
    return (
        '<!doctype html>\n<html lang="vi"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_CSS}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _decimal(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".replace(".", ",")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """``rows`` hold finished cells (``<td>…``)."""
    top = "".join(f"<th scope=col>{escape(h)}</th>" for h in head)
    lines = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<div class=wide tabindex=0><table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>"


def _summary(found: Sequence[Outcome]) -> str:
    def cell(values: Values | None) -> str:
        if values is None:
            return "<td>–</td>"
        low, high = (_decimal(100 * x, 1) for x in interval(values))
        return f"<td>{_decimal(100 * float(values.mean()), 1)}<small>{low}–{high}</small></td>"

    rows = []
    for name, part in slices(found).items():
        values = per_question(part)
        label = "tất cả" if name == "all" else name
        rows.append([f"<td>{escape(label)}</td><td>{len(part)}</td>", *(cell(values.get(m)) for m in _MEASURES)])
    return _table(["Nhóm", "Câu", *_MEASURES.values()], rows)


def _chart(label: str, across: str, up: str, top: float, inside: Iterable[str]) -> str:
    """Axes from 0 to 1 across and 0 to ``top`` up, on a plane of 260 × 260 whose origin is (40, 270)."""
    marks = [
        f'<line class=grid x1=40 y1={270 - 52 * i} x2=300 y2={270 - 52 * i} /><text x=34 y={274 - 52 * i} '
        f"text-anchor=end>{_percent(top * i / 5)}</text><text x={40 + 52 * i} y=286 text-anchor=middle>{20 * i}%</text>"
        for i in range(6)
    ]  # fmt: skip
    return (
        f'<svg viewBox="0 -16 320 326" role=img aria-label="{escape(label)}">{"".join(marks)}<text x=170 y=304 '
        f'text-anchor=middle>{across}</text><text x=2 y=-3>↑ {up}</text><g>{"".join(inside)}</g></svg>'
    )  # fmt: skip


def _percent(value: float) -> str:
    return f"{100 * value:.0f}%"


def _reliability(label: str, bins: Sequence[Bin]) -> str:
    most = max((b.questions for b in bins), default=1)
    total = sum(b.questions for b in bins) or 1
    off = sum(b.questions * abs(b.stated - b.real) for b in bins) / total
    line = " ".join(f"{40 + 260 * b.stated:.1f},{270 - 260 * b.real:.1f}" for b in bins)
    inside = ["<line class=ideal x1=40 y1=270 x2=300 y2=10 />", f'<polyline class=curve points="{line}" />']
    for b in bins:
        x = 40 + 260 * b.stated
        inside.append(
            f"<line class=bar x1={x:.1f} x2={x:.1f} y1={270 - 260 * b.low:.1f} y2={270 - 260 * b.high:.1f} />"
            f"<circle class=dot cx={x:.1f} cy={270 - 260 * b.real:.1f} r={3 + 5 * math.sqrt(b.questions / most):.1f} />"
        )
    cells = [[f"<td>{_percent(b.stated)}</td><td>{_percent(b.real)}</td><td>{b.questions}</td>"] for b in bins]
    return (
        f"<figure><figcaption><b>{label}</b><br>Lệch trung bình: {_decimal(100 * off, 1)} điểm phần trăm</figcaption>"
        f"{_chart(label, 'trợ lý tự cho', 'thật ra', 1.0, inside)}"
        f"<details><summary>Xem số</summary>{_table(['Tự cho', 'Thật ra', 'Câu'], cells)}</details></figure>"
    )


def _risk(found: Sequence[Outcome], curve: Sequence[tuple[float, float]]) -> str:
    curve = [point for point in curve if point[0] >= STEADY]
    top = max(0.1, math.ceil(10 * max((risk for _, risk in curve), default=0)) / 10)
    told = [o for o in found if o.result.decision == "answer"]
    share, wrong = len(told) / (len(found) or 1), sum(not o.right for o in told) / (len(told) or 1)

    def at(coverage: float, risk: float, joint: str = ",") -> str:
        return f"{40 + 260 * coverage:.1f}{joint}{270 - 260 * risk / top:.1f}"

    inside = [f'<polyline class=curve points="{" ".join(at(*p) for p in curve)}" />',
              f"<circle class=now cx={at(share, wrong, ' cy=')} r=6 />"]  # fmt: skip
    return (
        f"<figure><figcaption>Đang dùng: trả lời luôn {_percent(share)} số câu, sai {_decimal(100 * wrong, 1)}% trong "
        f"số đó.</figcaption>{_chart('Đường sai theo số câu trả lời', 'trả lời luôn', 'sai', top, inside)}</figure>"
    )


def _confused(found: Sequence[Outcome], names: Mapping[str, str], shown: int) -> str:
    rows = [
        [f"<td>{c.times}</td>", *(f"<td class=name>{_label(code, names)}</td>" for code in (c.got, c.wanted))]
        for c in confusions(found)[:shown]
    ]
    return _table(["Lần", "Ra cái này", "Đáng lẽ"], rows) if rows else "<p>Không có.</p>"


def _label(code: str, names: Mapping[str, str]) -> str:
    return escape(named(code, names, "danh mục không có") if code else _NOTHING)


def _article(outcome: Outcome, names: Mapping[str, str]) -> str:
    result = outcome.result
    wanted = "".join(f"<li>{_label(code, names)}</li>" for code in outcome.question.gold_codes or ("",))
    got = "".join(f"<li>{_decimal(h.score)} · {_label(h.code, names)}</li>" for h in result.hits[:3])
    return (
        f"<article><b>{escape(outcome.question.question)}</b><span class=fault>{_FAULTS[outcome.fault or 'told wrong']}"
        f"</span> · {escape(outcome.question.slice)} · {_DECISIONS[result.decision]} · đứng đầu đúng: "
        f"{_decimal(result.right)} · có trong danh mục: {_decimal(result.answerable)}"
        f"<div>Cần:</div><ul>{wanted}</ul><div>Ra:</div><ul>{got or f'<li>{_NOTHING}</li>'}</ul></article>"
    )
