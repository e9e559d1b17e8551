"""localstripe as a process of its own on this machine only: prints its port. Keeps nothing on disk, and knows `created`
on every list, as Stripe does.
"""

import socket

from aiohttp import web
from localstripe import resources, server

server.store.dump_to_disk = lambda: None


def with_created(cls: type) -> None:
    """Lets a list be narrowed to what was made since an instant."""
    plain = cls._api_list_all.__func__

    def listed(own, url, created=None, **rest):
        found = plain(own, url, **rest)
        since = int((created or {}).get("gte", 0))
        found._list = [one for one in found._list if one.created >= since]
        return found

    cls._api_list_all = classmethod(listed)


for one in (resources.PaymentIntent, resources.Refund, resources.BalanceTransaction, resources.Payout):
    with_created(one)
own = socket.socket()
own.bind(("127.0.0.1", 0))
own.listen()
print(own.getsockname()[1], flush=True)
web.run_app(server.app, sock=own, print=None, access_log=None)
