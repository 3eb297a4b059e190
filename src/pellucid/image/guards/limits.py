"""Limits on the size of an image file, checked from its header before anything is decoded."""

from dataclasses import dataclass
from pathlib import Path

from pellucid.errors import PellucidError, TooLarge


@dataclass(frozen=True)
class ReadLimits:
    """Limits on a file, checked from its header before anything is decoded.

    Attributes:
        max_pixels: the maximum number of pixels, height times width times frames.
        max_frames: the maximum number of pages or frames.
        limit_name: what errors call `max_pixels`, such as the option that sets it.
        max_text: the maximum size of profiles, EXIF, XMP and texts in bytes, uncompressed.
    """

    max_pixels: int = 300_000_000
    max_frames: int = 10_000
    limit_name: str = "max_pixels"
    max_text: int = 256 << 20

    @property
    def max_bytes(self) -> int:
        """The size in bytes that no format needs for `max_pixels`."""
        return 16 * self.max_pixels + (64 << 20)

    def check(self, path: Path, height: int, width: int, frames: int = 1, kind: str = "frames") -> None:
        """Check the size of an image.

        Args:
            path: of the file, for errors.
            height: of a frame in pixels.
            width: of a frame in pixels.
            frames: their number.
            kind: what errors call them, "frames" or "pages".

        Raises:
            TooLarge: if there are more frames or pixels than allowed.
            PellucidError: if there are no pixels.
        """
        if height < 1 or width < 1:
            raise PellucidError(f"{path} is damaged: its header says {width}x{height} pixels; get the file again")
        if frames > self.max_frames:
            if self.max_frames == 1:
                raise TooLarge(f"{path} holds {frames} {kind}, one is supported here: save the {kind} one a file")
            raise TooLarge(
                f"{path} holds {frames} {kind}, more than the {self.max_frames} allowed: split it into several files"
            )
        if frames * height * width > self.max_pixels:
            times = f"{frames} {kind} of " if frames > 1 else ""
            raise TooLarge(
                f"{path} has {times}{width}x{height} = {frames * height * width / 1e6:.6g} megapixels, "
                f"more than the {self.max_pixels / 1e6:.6g} allowed: crop it, or raise {self.limit_name}"
            )

    def check_text(self, path: Path, size: int) -> None:
        """Raise TooLarge if profiles, EXIF, XMP and texts have together more bytes than allowed."""
        if size > self.max_text:
            raise TooLarge(
                f"{path} carries {size} bytes of text and metadata, more than the {self.max_text} allowed: save it "
                "without them"
            )

    def check_bytes(self, path: Path, size: int) -> None:
        """Raise TooLarge if a file is larger than `max_bytes`."""
        if size > self.max_bytes:
            raise TooLarge(
                f"{path} is larger than {self.max_bytes / 1e6:.6g} MB, more than {self.max_pixels / 1e6:.6g} Mpixels "
                f"can take: crop it, or raise {self.limit_name}"
            )
