"""Content codings, piece by piece."""

import gzip
import sys
import zlib

import lz4.frame
import pytest

from chengnao.sensing.store.coding import Decoder, choose_encoder
from chengnao.sensing.store.errors import StoreError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CODERS = {"gzip": gzip.compress, "deflate": zlib.compress, "lz4": lz4.frame.compress, "zstd": zstd.compress}
TEXT = bytes(range(256)) * 500


def undo(coding: str, coded: bytes, step: int) -> bytes:
    decoder = Decoder(coding)
    output = b"".join(decoder.feed(coded[i : i + step]) for i in range(0, len(coded), step))
    decoder.finish()
    return output


@pytest.mark.parametrize("coding", CODERS)
@pytest.mark.parametrize("step", [1, 7, 65536])
def test_frames_one_after_another_are_one_body(coding: str, step: int) -> None:
    coded = CODERS[coding](TEXT) + CODERS[coding](b"") + CODERS[coding](b"end")
    assert undo(coding, coded, step) == TEXT + b"end"


@pytest.mark.parametrize("coding", CODERS)
def test_encoder_and_decoder_agree(coding: str) -> None:
    name, encoder = choose_encoder(f"br;q=1, {coding}")
    coded = encoder.feed(TEXT) + encoder.feed(b"end") + encoder.finish()
    assert name == coding
    assert undo(coding, coded, 1000) == TEXT + b"end"
    assert len(coded) < len(TEXT) / 5


@pytest.mark.parametrize("coding", CODERS)
def test_body_that_is_cut_or_no_such_coding_is_refused(coding: str) -> None:
    with pytest.raises(StoreError, match="ends in the middle"):
        undo(coding, CODERS[coding](TEXT)[:-9], 100)
    with pytest.raises(StoreError, match=f"is not {coding}"):
        undo(coding, b"nonsense" * 20, 100)


def test_coding_unknown_here_is_named() -> None:
    with pytest.raises(StoreError, match="snappy is not served; use one of gzip") as refused:
        Decoder("snappy")
    assert refused.value.status == 501


def test_without_a_common_coding_the_body_stays_plain() -> None:
    name, encoder = choose_encoder("br, identity")
    assert name is None
    assert encoder.feed(TEXT) + encoder.finish() == TEXT
