import pytest

from .conftest import choose, wait_done

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect

SMALL = (32, 24)
# Files as the browser hands them over, made of names and bytes.
TRANSFER = """([files, kind]) => {
    const transfer = new DataTransfer();
    for (const [name, bytes] of files) transfer.items.add(new File([new Uint8Array(bytes)], name, { type: kind }));
    return transfer;
}"""


def transfer(page, *files, kind="image/png"):
    contents = [[name, list(path.read_bytes())] for name, path in files]
    return page.evaluate_handle(TRANSFER, [contents, kind])


def paste(page, clipboard):
    event = "clipboardData => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }))"
    page.evaluate(event, clipboard)


def test_dropped_files_are_sent_wherever_they_are_dropped(page, fake, photo):
    files = transfer(page, ("one.png", photo("one.png", SMALL)), ("two.png", photo("two.png", SMALL)))
    page.dispatch_event("aside", "dragenter", {"dataTransfer": files})
    expect(page.locator("#drop")).to_be_visible()
    page.dispatch_event("aside", "drop", {"dataTransfer": files})
    expect(page.locator("#drop")).to_be_hidden()
    wait_done(page)
    assert fake.requests[0]["names"] == ["one.png", "two.png"]


def test_a_drag_that_leaves_hides_the_overlay(page, photo):
    files = transfer(page, ("one.png", photo("one.png", SMALL)))
    page.dispatch_event("body", "dragenter", {"dataTransfer": files})
    page.dispatch_event("main", "dragenter", {"dataTransfer": files})
    page.dispatch_event("body", "dragleave", {"dataTransfer": files})
    expect(page.locator("#drop")).to_be_visible()
    page.dispatch_event("main", "dragleave", {"dataTransfer": files})
    expect(page.locator("#drop")).to_be_hidden()


def test_dragged_text_is_ignored(page):
    text = page.evaluate_handle("() => { const t = new DataTransfer(); t.setData('text/plain', 'a'); return t; }")
    page.dispatch_event("body", "dragenter", {"dataTransfer": text})
    expect(page.locator("#drop")).to_be_hidden()


def test_a_file_dropped_on_the_reference_field_is_a_reference(page, fake, photo):
    choose(page, photo(size=SMALL))
    wait_done(page)
    page.dispatch_event(
        "#reference-hint", "drop", {"dataTransfer": transfer(page, ("clean.png", photo("c.png", SMALL)))}
    )
    expect(page.locator("#reference-hint")).to_have_text("clean.png")
    expect(page.locator("#metadata")).to_contain_text("PSNR")
    assert fake.requests[1]["names"] == ["photo.png"]


def test_the_images_in_a_dropped_folder_are_sent_in_order(page, fake, photo):
    sent = [(name, photo(name, SMALL)) for name in ("10.png", "9.png", ".hidden.png")]
    files = transfer(page, *sent, ("notes.txt", photo("10.png", SMALL)), kind="")
    # A script cannot make a folder to drop, so its entries are fakes.
    page.evaluate(
        """transfer => {
            const files = [...transfer.files];
            const entry = file => ({ name: file.name, isFile: true, isDirectory: false, file: done => done(file) });
            const folder = (name, inside) => ({ name, isFile: false, isDirectory: true, createReader: () => {
                const parts = [inside, []];
                return { readEntries: done => done(parts.shift()) };
            } });
            const inner = folder("inner", [entry(files[0]), entry(files[2])]);
            const outer = folder("outer", [inner, ...[files[1], files[3]].map(entry)]);
            DataTransferItem.prototype.webkitGetAsEntry = function () { return outer; };
        }""",
        files,
    )
    one = transfer(page, ("outer", photo("10.png", SMALL)))
    page.dispatch_event("main", "drop", {"dataTransfer": one})
    wait_done(page)
    assert fake.requests[0]["names"] == ["9.png", "10.png"]
    expect(page.get_by_role("alert")).to_have_text("Skipped, not an image: notes.txt.")


def test_a_pasted_image_gets_a_name(page, fake, photo):
    paste(page, transfer(page, ("image.png", photo(size=SMALL))))
    wait_done(page)
    expect(page.locator("#title")).to_have_text("pasted.png")
    assert fake.requests[0]["names"] == ["pasted.png"]


def test_a_pasted_file_keeps_its_name_and_text_is_ignored(page, fake, photo):
    paste(page, page.evaluate_handle("() => { const t = new DataTransfer(); t.setData('text/plain', 'a'); return t; }"))
    expect(page.locator("#welcome")).to_be_visible()
    paste(page, transfer(page, ("IMG_1.png", photo(size=SMALL))))
    wait_done(page)
    assert [request["names"] for request in fake.requests] == [["IMG_1.png"]]
