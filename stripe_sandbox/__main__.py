"""python -m stripe_sandbox --host 127.0.0.1 --port 12111 --state PATH"""

import argparse

from stripe_sandbox.server import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="stripe_sandbox", description="A local, stateful Stripe for usage billing.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=12111, help="0 takes a free one; the address is printed")
    parser.add_argument("--state", metavar="PATH", help="SQLite file that survives restarts; default: memory only")
    arguments = parser.parse_args()
    serve(arguments.host, arguments.port, arguments.state)


if __name__ == "__main__":
    main()
