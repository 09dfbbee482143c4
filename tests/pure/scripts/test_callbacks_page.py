"""The page about the data that leaves the tenant agrees with the code."""

from scripts.pages import callbacks as callbacks_page


def test_the_page_is_up_to_date() -> None:
    text = callbacks_page.PAGE.read_text(encoding="utf-8")
    assert callbacks_page.page(text) == text, "run: python -m scripts.pages.callbacks"
    assert text.count(callbacks_page.BEGIN) == text.count(callbacks_page.END) == 1
