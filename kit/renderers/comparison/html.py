"""comparison.html: one file that is complete without a network, with the report's own charts and tables."""

from kit.model.comparison import Comparison
from kit.renderers import charts
from kit.renderers.comparison import sections
from kit.renderers.html import BOX, HEIGHT, WIDTH, Drawing, hashed
from kit.renderers.layouts import STANDARD


def written(found: Comparison) -> bytes:
    environment = STANDARD.environment(found)
    environment.autoescape = True
    style, script = STANDARD.text("report.css"), STANDARD.text("report.js")
    whole = sections.of(found)
    values = {
        "style": style,
        "script": script,
        "policy": f"default-src 'none'; style-src '{hashed(style)}'; script-src '{hashed(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        "title": sections.title(found),
        "warning": sections.warning(found),
        "sections": whole,
        "drawings": {
            section.key: [Drawing(chart, charts.layout(chart, BOX)) for chart in section.charts] for section in whole
        },
        "width": WIDTH,
        "height": HEIGHT,
    }
    return STANDARD.rendered(environment, "compare.html.j2", values).encode()
