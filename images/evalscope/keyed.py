"""`evalscope perf` with the API key taken from the environment variable KIT_API_KEY.

    KIT_API_KEY=... evalscope-keyed perf --api openai-keyed ...

evalscope itself takes a key on its command line only, where every user of the machine can read it, and writes it into its
log and its arguments file. Here the key joins the headers of each request and is known to nothing else.
"""

import os
import sys

from evalscope.cli.cli import run_cmd
from evalscope.perf.plugin.api.openai_api import OpenaiPlugin
from evalscope.perf.plugin.registry import register_api

VARIABLE = "KIT_API_KEY"


@register_api("openai-keyed")
class KeyedOpenaiPlugin(OpenaiPlugin):
    """evalscope's OpenAI plugin, which adds the key to each request's headers."""

    def process_request(self, client_session, url, headers, body):
        """A generator in 1.0.1 and a coroutine later: what the parent returns is handed on."""
        key = os.environ[VARIABLE]
        return super().process_request(client_session, url, {**headers, "Authorization": f"Bearer {key}"}, body)


def main() -> int:
    if not os.environ.get(VARIABLE):
        print(f"evalscope-keyed: the environment variable {VARIABLE} is not set", file=sys.stderr)
        return 2
    run_cmd()
    return 0


if __name__ == "__main__":
    sys.exit(main())
