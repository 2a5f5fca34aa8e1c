"""Makes a client from the served OpenAPI document, lists orders with it, gets one and accepts it.

generated_client.py URL TOKEN FOLDER
Prints how many orders were listed, the state before and after, and the states that a refusal allows.
"""

import importlib
import pathlib
import subprocess
import sys

url, token, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
document = folder / "openapi.json"
made = folder / "yiwang_client"
# Its text/plain bodies are beyond this generator, which says so and goes on. The document needs the credential too, so it was fetched before.
generator = pathlib.Path(sys.executable).parent / "openapi-python-client"
subprocess.run(
    [generator, "generate", "--path", document, "--meta", "none", "--output-path", made],
    check=True,
    stdout=sys.stderr,
)
sys.path.insert(0, str(folder))

from yiwang_client import AuthenticatedClient  # noqa: E402
from yiwang_client import models  # noqa: E402

client = AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True)


def call(name):
    return importlib.import_module(f"yiwang_client.api.orders.{name}").sync


page = call("list_orders")(client=client, limit=5)
first = page.orders[-1]
one = call("get_order")(no=first.no, client=client)
moved = call("move_order")(no=first.no, client=client, body=models.Transition(to=models.OrderState("accepted"), note="seen"))
refused = call("move_order")(no=first.no, client=client, body=models.Transition(to=models.OrderState("closed")))
print(len(page.orders), one.state, moved.state, moved.timeline[-1].who, *refused.allowed)
