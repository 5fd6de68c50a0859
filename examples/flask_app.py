"""Counters in a Flask app: its middleware counts requests, also by route and by status, and the
threads that are alive are asked for when somebody looks. cprof serves the counts beside it.

    pip install cprof flask
    python examples/flask_app.py 8080 6060     its own port and the debug server's; 0 picks one
    curl http://127.0.0.1:8080/cart
    curl http://127.0.0.1:6060/debug/vars
    curl http://127.0.0.1:6060/debug/metrics   the same for Prometheus

With --reload Flask runs it twice, in a process that watches files and in one that serves; only the
latter has a debug server. `CPROF_HTTP=6060 flask --app examples/flask_app run --debug` knows that
by itself.
"""

from __future__ import annotations

import argparse
import threading

from flask import Flask, Response, request
from werkzeug.serving import is_running_from_reloader

import cprof

app = Flask(__name__)
requests = cprof.Int("requests")
by_route = cprof.Map("requests.by_route")
by_status = cprof.Map("requests.by_status")
cprof.publish("threads.live", threading.active_count)


@app.before_request
def count_request() -> None:
    """By route, not by path: what strangers ask for must not become a key each."""
    requests.add()
    by_route.add(request.url_rule.rule if request.url_rule else "(none)")


@app.after_request
def count_status(response: Response) -> Response:
    by_status.add(str(response.status_code))
    return response


@app.get("/")
@app.get("/cart")
@app.get("/hello/<name>")
def hello(name: str = "you") -> str:
    return f"hello {name}\n"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("port", nargs="?", type=int, default=8080)
    options.add_argument("debug_port", nargs="?", type=int, default=6060)
    options.add_argument("--reload", action="store_true")
    o = options.parse_args()
    if not o.reload or is_running_from_reloader():
        url = cprof.serve(o.debug_port).url
        print(f"counts: {url}/debug/vars, profiles: {url}/debug/pprof/", flush=True)
    app.run(port=o.port, use_reloader=o.reload)


if __name__ == "__main__":
    main()
