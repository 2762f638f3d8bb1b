"""Reads Prometheus' protobuf exposition with the protobuf library; the fields are those of prometheus/client_model."""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD: Final = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    "string": _FIELD.TYPE_STRING,
    "double": _FIELD.TYPE_DOUBLE,
    "uint64": _FIELD.TYPE_UINT64,
    "int64": _FIELD.TYPE_INT64,
    "int32": _FIELD.TYPE_INT32,
}
_MESSAGES: Final = {
    "Timestamp": {1: ("seconds", "int64"), 2: ("nanos", "int32")},
    "LabelPair": {1: ("name", "string"), 2: ("value", "string")},
    "Gauge": {1: ("value", "double")},
    "Counter": {1: ("value", "double"), 3: ("created_timestamp", "Timestamp")},
    "Bucket": {1: ("cumulative_count", "uint64"), 2: ("upper_bound", "double")},
    "Histogram": {
        1: ("sample_count", "uint64"),
        2: ("sample_sum", "double"),
        3: ("bucket", "Bucket*"),
        15: ("created_timestamp", "Timestamp"),
    },
    "Metric": {
        1: ("label", "LabelPair*"),
        2: ("gauge", "Gauge"),
        3: ("counter", "Counter"),
        7: ("histogram", "Histogram"),
    },
    "MetricFamily": {1: ("name", "string"), 2: ("help", "string"), 3: ("type", "int32"), 4: ("metric", "Metric*")},
}
COUNTER, GAUGE, HISTOGRAM = 0, 1, 4


def _family_class() -> Any:  # noqa: ANN401 -- a class that the library makes
    file = descriptor_pb2.FileDescriptorProto(name="client_model.proto", package="test", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in fields.items():
            many = kind.endswith("*")
            added = message.field.add(name=field, number=number)
            added.label = _FIELD.LABEL_REPEATED if many else _FIELD.LABEL_OPTIONAL
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type, added.type_name = _FIELD.TYPE_MESSAGE, f".test.{kind.removesuffix('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("test.MetricFamily"))


_FAMILY: Final = _family_class()


def families(exposition: bytes) -> list[Any]:
    """Return the families of an exposition; a field that is not known here fails."""
    found, position = [], 0
    while position < len(exposition):
        length, shift = 0, 0
        while True:
            byte = exposition[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        encoded = exposition[position : position + length]
        family = _FAMILY.FromString(encoded)
        assert encoded == family.SerializeToString()
        found.append(family)
        position += length
    return found
