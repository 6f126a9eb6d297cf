"""`evalscope perf` with two things that it lacks: a key that nobody can read, and a note of how each request ended.

    KIT_API_KEY=... evalscope-noted perf --api openai-noted ...

In a container the variable KIT_API_KEY_FILE names a file with the key instead. evalscope itself takes a key on its command line only, where every user of the machine can read it, and writes it into its
log and its arguments file. Here the key joins the headers of each request and is known to nothing else; without the
variable no key is sent. From version 1.14.1 on, evalscope keeps neither why a request failed nor whether the token counts
are the server's own: `requests.jsonl` in the working directory says both, one line per request.
"""

import inspect
import json
import os
import sys

from evalscope.cli.cli import run_cmd
from evalscope.perf.plugin.api.openai_api import OpenaiPlugin
from evalscope.perf.plugin.registry import register_api

VARIABLE = "KIT_API_KEY"
NOTES = "requests.jsonl"
LONGEST = 2000


def _key():
    """The key, or None; read once, since a file of secrets may be gone later."""
    if path := os.environ.get(f"{VARIABLE}_FILE"):
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    return os.environ.get(VARIABLE)


KEY = _key()


@register_api("openai-noted")
class NotedOpenaiPlugin(OpenaiPlugin):
    """evalscope's OpenAI plugin, which adds the key to each request's headers and notes how the request ended."""

    def process_request(self, client_session, url, headers, body):
        """A generator in 1.0.1, whose log tells enough; a coroutine later, whose result is noted before it is handed on."""
        if KEY:
            headers = {**headers, "Authorization": f"Bearer {KEY}"}
        answer = super().process_request(client_session, url, headers, body)
        return answer if inspect.isasyncgen(answer) else _noted(answer)


async def _noted(answer):
    output = await answer
    if output.success and not all(isinstance(chunk, dict) for chunk in output.response_messages):
        # A gateway's page instead of an answer: evalscope takes it for one, and then ends at it with all else lost.
        output.success, output.error = False, f"not a completion: {output.generated_text}"
    note = {
        "start_time": output.start_time,
        "status": output.status_code,
        "error": None if output.success else _short(output.error or ""),
        "usage": output.prompt_tokens is not None and output.completion_tokens is not None,
    }
    with open(NOTES, "a", encoding="utf-8") as file:
        file.write(json.dumps(note) + "\n")
    return output


def _short(error):
    """The last line of a traceback, or what the server said, which may have been the key."""
    if error.startswith("Traceback "):
        error = error.strip().splitlines()[-1]
    if KEY:
        error = error.replace(KEY, "***")
    return error[:LONGEST]


if __name__ == "__main__":
    sys.exit(run_cmd())
