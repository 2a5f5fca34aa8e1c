"""Watches orders through grpcio, with code that is made from the published .proto, and moves the first that is opened.

grpc_watch.py ADDRESS PROTO_FOLDER FILE [TOKEN]
Appends a line "NO SEQ KIND STATE WHO TOKEN" to FILE for each event, as it comes, from the token or from the start; accepts an
order when it is opened. Ends when the city does, and prints the status that it was told.
"""

import pathlib
import sys
import tempfile

import grpc
import grpc_tools
from grpc_tools import protoc

address, folder, into = sys.argv[1], sys.argv[2], sys.argv[3]
token = sys.argv[4] if len(sys.argv) > 4 else ""
made = tempfile.mkdtemp()
include = pathlib.Path(grpc_tools.__file__).parent / "_proto"
file = "yiwang/v1/orders.proto"
code = protoc.main(["protoc", f"-I{folder}", f"-I{include}", f"--python_out={made}", f"--grpc_python_out={made}", file])
assert code == 0, "the published .proto does not compile"
sys.path.insert(0, made)

from yiwang.v1 import orders_pb2, orders_pb2_grpc  # noqa: E402

with grpc.insecure_channel(address) as channel, open(into, "a", encoding="utf-8", buffering=1) as lines:
    orders = orders_pb2_grpc.OrderServiceStub(channel)
    asked = orders_pb2.WatchOrdersRequest(token=token, from_start=not token)
    try:
        for reply in orders.Watch(asked):
            if not reply.HasField("event"):
                continue
            step = reply.event.step
            if step.kind == "opened":
                try:
                    orders.Transition(orders_pb2.TransitionOrderRequest(no=reply.event.no, to="accepted"), timeout=60)
                except grpc.RpcError as error:
                    # It was accepted already, if the city was killed before the line was written.
                    if error.code() != grpc.StatusCode.FAILED_PRECONDITION:
                        raise
            lines.write(f"{reply.event.no} {step.seq} {step.kind} {step.state} {step.who} {reply.token}\n")
        print("the stream ended by itself")
    except grpc.RpcError as error:
        print(error.code().name)
