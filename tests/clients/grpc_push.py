"""Pushes readings through grpcio, with code that is made from the published .proto.

grpc_push.py ADDRESS PROTO_FOLDER SOURCE NANOS COUNT
Pushes COUNT readings, a second apart, half as rows and half as columns; prints what was durable, what was refused, and
how many orders OrderService lists.
"""

import pathlib
import sys
import tempfile

import grpc
import grpc_tools
from grpc_tools import protoc

address, folder, source, begin, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
made = tempfile.mkdtemp()
files = [str(path.relative_to(folder)) for path in pathlib.Path(folder).glob("yiwang/v1/*.proto")]
include = pathlib.Path(grpc_tools.__file__).parent / "_proto"
code = protoc.main(["protoc", f"-I{folder}", f"-I{include}", f"--python_out={made}", f"--grpc_python_out={made}", *files])
assert code == 0, "the published .proto does not compile"
sys.path.insert(0, made)

from yiwang.v1 import ingest_pb2, ingest_pb2_grpc, orders_pb2, orders_pb2_grpc  # noqa: E402


def requests():
    for number in range(count):
        time, value = begin + number * 10**9, 20.0 + number
        request = ingest_pb2.PushRequest(gateway="python", stream_id=1, sequence=number + 1)
        if number % 2 == 0:
            request.rows.readings.add(source=source, metric="pm2_5", unit="µg/m³", time_unix_nanos=time, value=value)
        else:
            request.columns.series.add(source=source, metric="pm2_5", unit="µg/m³")
            request.columns.index.append(0)
            request.columns.time_unix_nanos.append(time)
            request.columns.value.append(value)
        yield request


with grpc.insecure_channel(address) as channel:
    durable = refused = 0
    for reply in ingest_pb2_grpc.IngestServiceStub(channel).Push(requests(), timeout=60):
        durable, refused = max(durable, reply.durable_sequence), refused + reply.refused_total
    orders = orders_pb2_grpc.OrderServiceStub(channel)
    listed = orders.List(orders_pb2.ListOrdersRequest(), timeout=60)
    print(durable, refused, len(listed.orders))
