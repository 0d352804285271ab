"""Sampled stacks, and what is drawn of them."""

import json
import threading
import xml.etree.ElementTree as ET

from towpath._telemetry.profile.flame_graph import MAX_BOXES, flame_graph, page, speedscope, stacks_of
from towpath._telemetry.profile.sampler import Sampler


def test_a_sample_has_the_functions_of_each_other_thread() -> None:
    sampler, end = Sampler(), threading.Event()
    begun = threading.Event()

    def stand_here() -> None:
        begun.set()
        end.wait()

    thread = threading.Thread(target=stand_here, name="standing; here")
    thread.start()
    try:
        begun.wait()
        sampler.sample()
        sampler.sample()
    finally:
        end.set()
        text = sampler.collapsed()
        thread.join()
    (line,) = [line for line in text.splitlines() if "stand_here" in line]
    assert line.startswith("standing, here;")
    assert line.endswith(" 2")


def test_one_profile_at_a_time_and_it_ends_by_itself() -> None:
    sampler = Sampler()
    assert sampler.start(60)
    assert not sampler.start(60)
    sampler.stop()
    assert not sampler.running
    assert sampler.start(0)
    while sampler.running:
        pass
    sampler.stop()
    sampler.stop()


def test_more_stacks_than_are_kept_are_counted_together() -> None:
    sampler, end = Sampler(max_stacks=1), threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    sampler.sample()
    end.set()
    for thread in threads:
        thread.join()
    lines = sampler.collapsed().splitlines()
    assert len(lines) == 2
    assert any(line.startswith("(other stacks) ") for line in lines)


def test_collapsed_text_is_read_and_other_lines_are_left_out() -> None:
    assert stacks_of("a;b 3\na;b 2\nnonsense\n\nx y\na;c (f.py:1) 1\n") == {("a", "b"): 5, ("a", "c (f.py:1)"): 1}


def test_a_box_is_as_wide_as_its_part_of_the_samples() -> None:
    svg = flame_graph({("main", "left"): 3, ("main", "right <&>"): 1}, "a & b")
    root = ET.fromstring(svg)
    spaces = {"s": "http://www.w3.org/2000/svg"}
    widths = {
        group.findtext("s:title", "", spaces).partition(":")[0]: group.find("s:rect", spaces) for group in root.findall("s:g", spaces)
    }
    found = {name: float(rect.get("width", "0")) for name, rect in widths.items() if rect is not None}
    assert found["main"] == 1199.5
    assert found["left"] == 899.5
    assert found["right <&>"] == 299.5


def test_a_picture_of_any_profile_is_small() -> None:
    stacks = {("main", *(f"function_{n}_{depth}" * 20 for depth in range(150))): 1 for n in range(300)}
    svg = flame_graph(stacks, "large")
    assert len(page(svg, "large")) <= 300 * 1024
    assert svg.count("<rect") <= MAX_BOXES + 1


def test_without_a_sample_there_is_a_picture_all_the_same() -> None:
    ET.fromstring(flame_graph({}, ""))


def test_speedscope_has_each_frame_once_and_each_stack_with_its_weight() -> None:
    told = json.loads(speedscope({("a", "b"): 2, ("a",): 1}, "t"))
    assert told["shared"]["frames"] == [{"name": "a"}, {"name": "b"}]
    (profile,) = told["profiles"]
    assert (profile["samples"], profile["weights"], profile["endValue"]) == ([[0, 1], [0]], [2, 1], 3)
