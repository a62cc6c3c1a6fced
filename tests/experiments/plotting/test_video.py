"""Videos are decoded again by other readers and compared with what went in."""

import sys

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from didact.common.errors import SettingError
from didact.common.files import replacing
from didact.experiments.plotting.video import caption, fit, status, tile, write_video


def frames(count, height=48, width=64):
    """Pictures of few colours that all differ: a red square walks over grey."""
    out = np.full((count, height, width, 3), 100, np.uint8)
    for number in range(count):
        out[number, 4:12, 4 + 2 * number : 12 + 2 * number] = (255, 0, 0)
    return list(out)


def read_gif(path):
    with Image.open(path) as image:
        pictures, durations = [], []
        for number in range(image.n_frames):
            image.seek(number)
            pictures.append(np.asarray(image.convert("RGB")))
            durations.append(image.info["duration"])
        return pictures, durations, image.info.get("loop")


def test_a_gif_holds_every_frame_exactly(tmp_path):
    given = frames(12)
    path = write_video(tmp_path / "new" / "episode.gif", given, fps=15)
    pictures, durations, loop = read_gif(path)
    assert len(pictures) == 12
    np.testing.assert_array_equal(pictures, given)
    assert sum(durations) == 800  # 12 frames at 15 a second, though none can last 66.7 ms
    assert loop == 0
    assert [p.name for p in path.parent.iterdir()] == ["episode.gif"]


def test_equal_frames_in_a_gif_last_longer(tmp_path):
    first, second = frames(2)
    path = write_video(tmp_path / "a.gif", [first, first, first, second], fps=10)
    pictures, durations, _ = read_gif(path)
    assert durations == [300, 100]
    np.testing.assert_array_equal(pictures, [first, second])


def test_a_gif_of_many_colours_keeps_large_areas_and_small_ones(tmp_path):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 128, (64, 64, 3)).astype(np.uint8)
    picture[:, :32] = (1, 2, 3)
    picture[40:43, 50:53] = (255, 0, 0)  # nine pixels far from all other colours
    (decoded,), _, _ = read_gif(write_video(tmp_path / "a.gif", [picture]))
    np.testing.assert_array_equal(decoded[:, :32], picture[:, :32])
    difference = np.abs(decoded.astype(int) - picture)
    assert difference[41, 51].max() <= 8
    assert difference.mean() < 8  # 255 colours for 2000 drawn at random


def test_an_mp4_plays_with_odd_sides(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    given = frames(10, 49, 65)
    path = write_video(tmp_path / "episode.mp4", given, fps=5)
    decoded = iio.imread(path, plugin="FFMPEG")
    assert decoded.shape == (10, 50, 66, 3)
    # Chroma has half the resolution, so compare away from edges.
    np.testing.assert_allclose(decoded[0, 6:10, 6:10].mean((0, 1)), (255, 0, 0), atol=25)
    np.testing.assert_allclose(decoded[9, 30:, 30:].mean((0, 1, 2)), 100, atol=5)
    assert iio.immeta(path, plugin="FFMPEG")["fps"] == 5
    assert [p.name for p in tmp_path.iterdir()] == ["episode.mp4"]


def test_without_ffmpeg_the_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(SettingError, match="pip install imageio-ffmpeg"):
        write_video(tmp_path / "a.mp4", frames(2))
    assert not list(tmp_path.iterdir())
    write_video(tmp_path / "a.gif", frames(2))


@pytest.mark.parametrize(
    ("name", "given", "fps", "message"),
    [
        ("a.avi", frames(2), 8, r"\*.gif or \*.mp4"),
        ("a.gif", [], 8, "at least one frame"),
        ("a.gif", frames(2), 0, "fps is 0"),
        ("a.gif", frames(2), 1e-300, "at least 0.01"),
        ("a.gif", frames(2), 60, "50 for a .gif"),
        ("a.gif", [np.zeros((4, 4, 3))], 8, "float64"),
    ],
)
def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path, name, given, fps, message):
    with pytest.raises(SettingError, match=message):
        write_video(tmp_path / name, given, fps)
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_frames_of_two_sizes_make_one_video(tmp_path):
    given = [frames(1, 20, 20)[0], frames(1, 60, 40)[0]]
    pictures, _, _ = read_gif(write_video(tmp_path / "a.gif", given))
    assert [p.shape for p in pictures] == [(60, 40, 3)] * 2
    np.testing.assert_array_equal(pictures[0][10:50], given[0].repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("size", [(100, 30), (30, 100), (7, 9), (96, 128), (48, 64)])
def test_fit_centres_and_keeps_the_shape(size):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 255
    picture = fit(red, *size)
    assert picture.shape == (*size, 3)
    inside = (picture == (255, 0, 0)).all(axis=2)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    assert len(rows) == size[0] or len(columns) == size[1]
    assert abs(len(columns) / len(rows) - 64 / 48) < (0.3 if min(size) < 10 else 0.06)
    assert abs(rows[0] - (size[0] - 1 - rows[-1])) <= 1
    assert abs(columns[0] - (size[1] - 1 - columns[-1])) <= 1
    assert inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


def test_caption_keeps_the_picture_and_shows_the_words():
    picture = frames(1, 256, 256)[0]
    blank = caption(picture, [])
    short = caption(picture, ["go to the red ball", status(3, 0.5)])
    long = caption(picture, ["put the yellow box next to a grey ball " * 9, status(64, 0.9, True)])
    assert blank.shape == short.shape == long.shape
    for picture_with_words in (blank, short, long):
        np.testing.assert_array_equal(picture_with_words[:256], picture)
    strips = [p[256:] for p in (blank, short, long)]
    ink = [(np.abs(s.astype(int) - s[0, 0]).max(axis=2) > 40).sum() for s in strips]
    assert 0 == ink[0] < 100 < ink[1] < ink[2] / 2
    for strip in strips[1:]:  # words keep clear of the edges, however long they are
        assert (strip[:4] == strip[0, 0]).all()
        assert (strip[-4:] == strip[0, 0]).all()
        assert (strip[:, :4] == strip[0, 0]).all()
        assert (strip[:, -4:] == strip[0, 0]).all()


def test_caption_colours_success_and_failure():
    picture = frames(1, 64, 320)[0]
    done, failed, running = (
        caption(picture, ["", status(1, 0, success)])[64:].reshape(-1, 3).astype(int)
        for success in (True, False, None)
    )
    assert (done[:, 1] - done[:, 0]).max() > 60  # green
    assert (failed[:, 0] - failed[:, 1]).max() > 60  # red
    assert np.ptp(running, axis=1).max() < 30  # grey


def test_caption_scales_small_worlds_to_one_size():
    small, large = frames(1, 40, 40)[0], frames(1, 200, 240)[0]
    words = ["open the door"]
    assert caption(small, words, size=(200, 240)).shape == caption(large, words).shape


def test_a_word_too_long_for_the_picture_is_cut():
    narrow = frames(1, 40, 60)[0]
    assert caption(narrow, ["incomprehensibilities " * 3], rows=2).shape[1] == 60
    with pytest.raises(SettingError, match="rows is 1"):
        caption(narrow, ["one", "two"], rows=1)


def test_tile_puts_each_world_in_its_place():
    worlds = [np.full((10, 20, 3), 40 * n + 40, np.uint8) for n in range(5)]
    mosaic = tile(worlds, columns=3, gap=4)
    assert mosaic.shape == (2 * 14 + 4, 3 * 24 + 4, 3)
    for number, world in enumerate(worlds):
        top, left = 4 + number // 3 * 14, 4 + number % 3 * 24
        np.testing.assert_array_equal(mosaic[top : top + 10, left : left + 20], world)
    assert len(np.unique(mosaic[18:28, 52:72].reshape(-1, 3), axis=0)) == 1  # the sixth is empty
    assert tile(worlds[:4]).shape[0] == 2 * 18 + 8  # as square as can be: 2 x 2
    with pytest.raises(SettingError, match="frames"):
        tile([])
