"""What the tests of pages rely on: the browser reports errors, requests and overflow."""

_PAGE = """<!doctype html><title>Page</title>
<body style="margin: 0">
<div style="width: 700px">wide</div>
<img src="missing.png" alt="none">
<script>console.error("said"); undefined_name()</script>
"""


def test_what_happens_on_a_page_is_seen(tmp_path, visit):
    path = tmp_path / "a page ü.html"
    path.write_text(_PAGE, encoding="utf-8")
    narrow = visit(path.as_uri(), width=400)
    assert narrow.page.title() == "Page"
    assert narrow.overflow == 300
    assert any("said" in error for error in narrow.errors)
    assert any("undefined_name" in error for error in narrow.errors)
    assert narrow.requests == [path.as_uri(), (tmp_path / "missing.png").as_uri()]
    assert visit(path.as_uri(), width=1200).overflow == 0
