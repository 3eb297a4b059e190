import pytest

from .conftest import done, give

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


def test_what_is_dropped_is_cleaned_wherever_it_falls(page, fake, photo):
    files = transfer(page, ("one.png", photo("one.png", SMALL)), ("two.png", photo("two.png", SMALL)))
    page.dispatch_event("aside", "dragenter", {"dataTransfer": files})
    expect(page.locator("#drop")).to_be_visible()
    page.dispatch_event("aside", "drop", {"dataTransfer": files})
    expect(page.locator("#drop")).to_be_hidden()
    done(page)
    assert fake.asked[0]["names"] == ["one.png", "two.png"]


def test_a_drag_that_leaves_leaves_nothing(page, photo):
    files = transfer(page, ("one.png", photo("one.png", SMALL)))
    page.dispatch_event("body", "dragenter", {"dataTransfer": files})
    page.dispatch_event("main", "dragenter", {"dataTransfer": files})
    page.dispatch_event("body", "dragleave", {"dataTransfer": files})
    expect(page.locator("#drop")).to_be_visible()
    page.dispatch_event("main", "dragleave", {"dataTransfer": files})
    expect(page.locator("#drop")).to_be_hidden()


def test_text_that_is_dragged_is_left_alone(page):
    text = page.evaluate_handle("() => { const t = new DataTransfer(); t.setData('text/plain', 'a'); return t; }")
    page.dispatch_event("body", "dragenter", {"dataTransfer": text})
    expect(page.locator("#drop")).to_be_hidden()


def test_what_falls_on_the_reference_is_one(page, fake, photo):
    give(page, photo(size=SMALL))
    done(page)
    page.dispatch_event(
        "#reference-hint", "drop", {"dataTransfer": transfer(page, ("clean.png", photo("c.png", SMALL)))}
    )
    expect(page.locator("#reference-hint")).to_have_text("clean.png")
    expect(page.locator("#facts")).to_contain_text("PSNR")
    assert fake.asked[1]["names"] == ["photo.png"]


def test_the_images_in_a_dropped_folder_are_taken_in_order(page, fake, photo):
    sent = [(name, photo(name, SMALL)) for name in ("10.png", "9.png", ".hidden.png")]
    files = transfer(page, *sent, ("notes.txt", photo("10.png", SMALL)), kind="")
    # A script cannot make a folder to drop, so the entries are played.
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
    done(page)
    assert fake.asked[0]["names"] == ["9.png", "10.png"]
    expect(page.get_by_role("alert")).to_have_text("Left out, since it is no image: notes.txt.")


def test_a_pasted_picture_gets_a_name(page, fake, photo):
    paste(page, transfer(page, ("image.png", photo(size=SMALL))))
    done(page)
    expect(page.locator("#title")).to_have_text("pasted.png")
    assert fake.asked[0]["names"] == ["pasted.png"]


def test_a_pasted_file_keeps_its_name_and_text_is_not_taken(page, fake, photo):
    paste(page, page.evaluate_handle("() => { const t = new DataTransfer(); t.setData('text/plain', 'a'); return t; }"))
    expect(page.locator("#welcome")).to_be_visible()
    paste(page, transfer(page, ("IMG_1.png", photo(size=SMALL))))
    done(page)
    assert [asked["names"] for asked in fake.asked] == [["IMG_1.png"]]
