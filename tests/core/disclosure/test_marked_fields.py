"""Fields with `debug_redact`: their names, and messages without them."""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from towpath._core.disclosure.marked_fields import marked_names, without_marked

FILE = """
name: "pay.proto" package: "pay" syntax: "proto2"
message_type {
  name: "Order"
  field { name: "card_number" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL json_name: "cardNumber" options { debug_redact: true } }
  field { name: "note" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "next" number: 3 type: TYPE_MESSAGE type_name: ".pay.Order" label: LABEL_OPTIONAL }
  field { name: "parts" number: 4 type: TYPE_MESSAGE type_name: ".pay.Part" label: LABEL_REPEATED }
  field { name: "by_name" number: 5 type: TYPE_MESSAGE type_name: ".pay.Order.ByNameEntry" label: LABEL_REPEATED }
  field { name: "counts" number: 6 type: TYPE_MESSAGE type_name: ".pay.Order.CountsEntry" label: LABEL_REPEATED }
  extension_range { start: 100 end: 200 }
  nested_type {
    name: "ByNameEntry" options { map_entry: true }
    field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "value" number: 2 type: TYPE_MESSAGE type_name: ".pay.Part" label: LABEL_OPTIONAL }
  }
  nested_type {
    name: "CountsEntry" options { map_entry: true }
    field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "value" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL }
  }
}
message_type {
  name: "Part"
  field { name: "pins" number: 1 type: TYPE_INT32 label: LABEL_REPEATED options { debug_redact: true } }
  field { name: "size" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL }
}
message_type { name: "Empty" }
extension { name: "hidden" extendee: ".pay.Order" number: 100 type: TYPE_STRING label: LABEL_OPTIONAL options { debug_redact: true } }
"""


def made() -> dict[str, Any]:
    from google.protobuf import text_format

    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(FILE, descriptor_pb2.FileDescriptorProto()))
    classes: dict[str, Any] = {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"pay.{name}")) for name in ("Order", "Part", "Empty")
    }
    return {**classes, "hidden": pool.FindExtensionByName("pay.hidden")}


def test_the_names_of_a_contracts_marked_fields_in_every_spelling() -> None:
    of = made()
    assert marked_names([of["Empty"], of["Order"]]) == {"card_number", "cardNumber", "pins"}
    assert marked_names([]) == frozenset()


def test_a_copy_of_a_message_has_no_marked_field_at_any_depth() -> None:
    of = made()
    order = of["Order"](card_number="4111", note="fast")
    order.next.card_number = "4222"
    order.next.next.note = "deep"
    order.parts.add(pins=[1, 2], size=3)
    order.by_name["a"].pins.append(4)
    order.by_name["a"].size = 5
    order.counts["b"] = 6
    order.Extensions[of["hidden"]] = "4333"
    before = order.SerializeToString(deterministic=True)
    shown = without_marked(order)
    assert order.SerializeToString(deterministic=True) == before
    for secret in (b"4111", b"4222", b"4333"):
        assert secret in before
        assert secret not in shown.SerializeToString()
    assert (shown.note, shown.next.next.note, shown.parts[0].size, shown.by_name["a"].size, shown.counts["b"]) == ("fast", "deep", 3, 5, 6)
    assert list(shown.parts[0].pins) == list(shown.by_name["a"].pins) == []
