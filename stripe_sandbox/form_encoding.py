"""Stripe's form bodies and query strings: `items[0][price]=x` becomes nested dictionaries of text."""

import re
from typing import Any
from urllib.parse import parse_qsl

from stripe_sandbox.errors import ParameterError

KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
PART = re.compile(r"\[([^\[\]]*)\]")


def decode_form(text: str) -> dict[str, Any]:
    """Lists stay dictionaries by index: only the reader of the parameters knows which is a list and which a map."""
    tree: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        match = KEY.match(key)
        if match is None:
            raise ParameterError(f"Invalid request: the parameter name {key!r} is malformed.", param=key)
        node = tree
        *parents, last = [match[1], *PART.findall(match[2])]
        for part in parents:
            child = node.setdefault(part or str(len(node)), {})
            if not isinstance(child, dict):
                raise ParameterError(f"Invalid request: {key} is both a value and an object.", param=key)
            node = child
        node[last or str(len(node))] = value
    return tree
