"""What a notebook shows of objects: texts of a server are never markup, and nothing is asked for it."""

from __future__ import annotations

from hsframe.cards import card
from hsframe.kinds import Ref


def test_a_card_has_texts_alone() -> None:
    shown = card("<b>", {"<i>": "<script>alert(1)</script>", "nothing": ""})
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<b>&lt;b&gt;</b>" in shown
    assert "nothing" not in shown


def test_a_ref_is_its_name_and_its_id() -> None:
    assert Ref("a", "Main <meter>")._repr_html_() == "Main &lt;meter&gt; <code>@a</code>"
    assert Ref("a")._repr_html_() == "<code>@a</code>"
