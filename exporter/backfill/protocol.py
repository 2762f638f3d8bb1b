"""The messages of remote write, by the libraries of the extra `remote-write`."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from exporter.backfill.sink import Labels

EXTRA = "openai-usage-exporter[remote-write]"

try:
    import cramjam
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    AVAILABLE = True
except ImportError:
    AVAILABLE = False


@cache
def messages() -> dict[str, Any]:
    """Return the message types of prometheus' remote.proto and types.proto, as far as they are needed, by name."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="remote.proto", package="prometheus", syntax="proto3")
    for name, fields in {
        "Label": (("name", field.TYPE_STRING, ""), ("value", field.TYPE_STRING, "")),
        "Sample": (("value", field.TYPE_DOUBLE, ""), ("timestamp", field.TYPE_INT64, "")),
        "TimeSeries": (("labels", field.TYPE_MESSAGE, "Label"), ("samples", field.TYPE_MESSAGE, "Sample")),
        "WriteRequest": (("timeseries", field.TYPE_MESSAGE, "TimeSeries"),),
    }.items():
        message = file.message_type.add(name=name)
        for number, (label, kind, of) in enumerate(fields, 1):
            repeated = field.LABEL_REPEATED if of else field.LABEL_OPTIONAL
            message.field.add(
                name=label, number=number, type=kind, label=repeated, type_name=f".prometheus.{of}" if of else None
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"prometheus.{name}"))
        for name in ("TimeSeries", "WriteRequest")
    }


def label_bytes(labels: Labels) -> bytes:
    """Return the labels, sorted by name, as the beginning of a message TimeSeries; an empty label is no label."""
    series = messages()["TimeSeries"]()
    for name, value in sorted(labels):
        if value:
            series.labels.add(name=name, value=value)
    encoded: bytes = series.SerializeToString()
    return encoded


def compress(content: bytes) -> bytes:
    """Return a body in snappy's block format."""
    return bytes(cramjam.snappy.compress_raw(content))


def decoded(body: bytes) -> Sequence[Any]:
    """Return the series of a compressed write request."""
    request = messages()["WriteRequest"]()
    request.ParseFromString(bytes(cramjam.snappy.decompress_raw(body)))
    series: Sequence[Any] = request.timeseries
    return series
