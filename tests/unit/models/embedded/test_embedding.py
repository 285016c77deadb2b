"""Texts as vectors."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from chengnao.models.embedded.embedding import DIMENSIONS, embed


def test_rows_have_length_1_in_the_order_of_the_texts() -> None:
    texts = [f"路灯不亮 {number}" for number in range(70)]
    rows = embed(texts)
    assert rows.shape == (70, DIMENSIONS)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.allclose(rows[69], embed(texts[69:])[0], atol=1e-5)


def test_alike_in_meaning_is_nearer_than_other() -> None:
    dark, lamp, rubbish = embed(["路灯坏了，晚上黑漆漆的", "街灯不亮", "垃圾堆了几天没人清运"])
    assert dark @ lamp > dark @ rubbish


def test_anything_that_is_a_text_has_a_vector() -> None:
    rows = embed(["", "\ud800", "长" * 100_000, "Street light out"])
    assert np.isfinite(rows).all()
    assert embed([]).shape == (0, DIMENSIONS)


def test_threads_get_the_same_vectors() -> None:
    alone = embed(["井盖不见了"])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(embed, [["井盖不见了"]] * 8))
    assert all(np.array_equal(alone, rows) for rows in found)
