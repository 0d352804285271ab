"""The tree of a loop's tasks, folded: tasks that do the same at the same place are one entry with a count."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from towpath._telemetry.loop_monitor.blocked_calls import call_of
from towpath._telemetry.tasks.waiting import Place, Waiting, held, waiting

MAX_TASKS: Final = 20_000
"""Tasks that are looked at. More are only counted."""

MAX_ENTRIES: Final = 500
"""Entries of a tree that is told, after folding."""

MAX_DEPTH: Final = 50

LATEST: Final = -4
"""The places of a chain that are told, from the innermost."""


@dataclass
class Node:
    """One task, or several alike."""

    name: str
    coroutine: str
    places: tuple[Place, ...]
    on: str
    method: str
    """The call that it works for; empty for none."""
    holder: str = ""
    """The name of the task that has the lock which it waits for; empty if it is not known, or if it waits for none."""
    count: int = 1
    children: "list[Node]" = field(default_factory=list["Node"])

    @property
    def alike(self) -> tuple[Any, ...]:
        """What two tasks have in common that are told as one."""
        return self.coroutine, self.places, self.on, self.method, self.holder, tuple((child.alike, child.count) for child in self.children)

    def told(self) -> dict[str, Any]:
        """The entry as JSON has it."""
        return {
            "name": self.name,
            "coroutine": self.coroutine,
            "at": [place._asdict() for place in self.places[LATEST:]],
            "waits_for": self.on,
            "holder": self.holder,
            "method": self.method,
            "count": self.count,
            "children": [child.told() for child in self.children],
        }


@dataclass(frozen=True, kw_only=True)
class Tree:
    """All tasks of a loop."""

    count: int
    """How many there are."""
    left_out: int
    """How many of them are in no entry."""
    roots: tuple[Node, ...]
    deadlocks: tuple[tuple[str, ...], ...]
    """Tasks that wait for each other, each of these by a line about every task."""

    def told(self) -> dict[str, Any]:
        """The tree as JSON has it."""
        return {
            "count": self.count,
            "left_out": self.left_out,
            "deadlocks": [list(ring) for ring in self.deadlocks],
            "tasks": [root.told() for root in self.roots],
        }


def task_tree(tasks: Iterable["asyncio.Task[Any]"]) -> Tree:
    """The tree of `tasks`, the one that asks left out. It is made in the loop's thread: 10,000 tasks take a tenth of a second or more."""
    current = asyncio.current_task()
    every = [task for task in tasks if task is not current and not task.done()]
    known = every[:MAX_TASKS]
    waits = {task: waiting(task) for task in known}
    holders = _holders(waits)
    awaited = {child for each in waits.values() for child in each.tasks}
    seen: set[asyncio.Task[Any]] = set()
    roots = [_node(task, waits, holders, seen) for task in known if task not in awaited]
    roots += [_node(task, waits, holders, seen) for task in known if task not in seen]  # tasks that wait for each other
    folded = _folded(roots)
    kept = folded[:MAX_ENTRIES]
    shown = sum(_size(node) for node in kept)
    return Tree(
        count=len(every),
        left_out=max(0, len(every) - shown),
        roots=tuple(kept),
        deadlocks=tuple(_rings(waits, holders)),
    )


def _holders(waits: dict["asyncio.Task[Any]", Waiting]) -> dict[int, "asyncio.Task[Any]"]:
    """The task that has each lock which some task waits for."""
    locks = {id(each.lock): each.lock for each in waits.values() if each.lock is not None}
    found: dict[int, asyncio.Task[Any]] = {}
    if locks:
        for task, each in waits.items():
            # The one that waits has its `__aexit__` too, as it is about to be inside.
            for lock in held(task, locks) - {id(each.lock)}:
                found.setdefault(lock, task)
    return found


def _node(
    task: "asyncio.Task[Any]",
    waits: dict["asyncio.Task[Any]", Waiting],
    holders: dict[int, "asyncio.Task[Any]"],
    seen: set["asyncio.Task[Any]"],
    depth: int = 0,
) -> Node:
    seen.add(task)
    each = waits[task]
    coroutine: Any = task.get_coro()
    call = call_of(task)
    holder = holders.get(id(each.lock)) if each.lock is not None else None
    node = Node(
        name=task.get_name(),
        coroutine=str(getattr(coroutine, "__qualname__", type(coroutine).__name__)),
        places=each.places,
        on=each.on,
        method="" if call is None else call.method,
        holder="" if holder is None else holder.get_name(),
    )
    if depth < MAX_DEPTH:
        children = [child for child in each.tasks if child in waits and child not in seen]
        node.children = _folded([_node(child, waits, holders, seen, depth + 1) for child in children if child not in seen])
    return node


def _folded(nodes: Sequence[Node]) -> list[Node]:
    """One node for all that are alike, those with most tasks last."""
    first: dict[tuple[Any, ...], Node] = {}
    for node in nodes:
        known = first.setdefault(node.alike, node)
        if known is not node:
            known.count += 1
    return sorted(first.values(), key=lambda node: node.count)


def _size(node: Node) -> int:
    return node.count * (1 + sum(_size(child) for child in node.children))


def _rings(waits: dict["asyncio.Task[Any]", Waiting], holders: dict[int, "asyncio.Task[Any]"]) -> Iterable[tuple[str, ...]]:
    """The rings of tasks of which each waits for a lock that the next one has, or for the next one itself."""
    following = {task: after for task, each in waits.items() if (after := _after(each, holders)) is not None}
    done: set[asyncio.Task[Any]] = set()
    for start in following:
        path: dict[asyncio.Task[Any], None] = {}
        task = start
        while task in following and task not in done and task not in path:
            path[task] = None
            task = following[task]
        if task in path:
            ring = list(path)[list(path).index(task) :]
            yield tuple(_link(each, waits[each], following[each]) for each in ring)
        done.update(path)


def _after(each: Waiting, holders: dict[int, "asyncio.Task[Any]"]) -> "asyncio.Task[Any] | None":
    if each.lock is not None:
        return holders.get(id(each.lock))
    return each.tasks[0] if len(each.tasks) == 1 else None


def _link(task: "asyncio.Task[Any]", each: Waiting, after: "asyncio.Task[Any]") -> str:
    place = each.places[-1] if each.places else None
    at = "" if place is None else f" at {place.file}:{place.line} {place.source}"
    what = f"{each.on} that {after.get_name()} has" if each.lock is not None else f"the task {after.get_name()}"
    return f"{task.get_name()} waits for {what},{at}".rstrip(",")
