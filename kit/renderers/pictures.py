"""Charts as PNG pictures, in a font that travels with kit: the same on every machine, in either language."""

import io
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from kit.renderers.charts import COLOURS, Box, Chart, layout, marker
from kit.resources import folder

_SCALE = 2  # drawn larger and shrunk: smooth lines
WIDTH, HEIGHT = 1000, 600
_INK, _GRID = "#222222", "#d9d9d9"


def png(chart: Chart) -> bytes:
    """The chart as a picture of `WIDTH` x `HEIGHT` points; tools/chart_font.py takes care of the characters it may need."""
    canvas = _Canvas()
    rows = canvas.legend_rows(chart)
    box = Box(130, 24 + 40 * rows, WIDTH - 30, HEIGHT - 110)
    found = layout(chart, box, apart=70)
    canvas.legend(chart)
    for y, text in found.y_ticks:
        canvas.line([(box.left, y), (box.right, y)], _GRID, 1.5)
        canvas.text((box.left - 14, y), text, "rm")
    for x, text in found.x_ticks:
        canvas.line([(x, box.bottom), (x, box.bottom + 8)], _INK, 1.5)
        canvas.text((x, box.bottom + 14), text, "mt")
    canvas.line([(box.left, box.bottom), (box.right, box.bottom)], _INK, 2)
    canvas.text(((box.left + box.right) / 2, HEIGHT - 20), chart.x_title, "mb")
    canvas.upright(chart.y_title, (box.top + box.bottom) / 2)
    for number, positions in enumerate(found.lines):
        canvas.line(list(positions), COLOURS[chart.colour(number)], 2 if chart.dense else 4)
        # Over time there are hundreds of points: the line is enough.
        for x, y in () if chart.dense else positions:
            canvas.marker(chart, number, x, y)
    return canvas.png()


@cache
def font() -> ImageFont.FreeTypeFont:
    """What labels are written in."""
    # The plain layout: another one is used where a library of the system is found, and draws differently.
    path = folder("templates") / "chart.otf"
    return ImageFont.truetype(path, 24 * _SCALE, layout_engine=ImageFont.Layout.BASIC)


class _Canvas:
    def __init__(self) -> None:
        self._image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), "white")
        self._draw = ImageDraw.Draw(self._image)
        self._font = font()

    def line(self, points: list[tuple[float, float]], colour: str, width: float) -> None:
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.line(scaled, fill=colour, width=round(width * _SCALE), joint="curve")

    def text(self, at: tuple[float, float], text: str, anchor: str) -> None:
        self._draw.text((at[0] * _SCALE, at[1] * _SCALE), text, fill=_INK, font=self._font, anchor=anchor)

    def upright(self, text: str, y: float) -> None:
        """Text turned by a quarter along the left edge."""
        width, height = round(self._font.getlength(text)), 40 * _SCALE
        turned = Image.new("RGB", (width, height), "white")
        ImageDraw.Draw(turned).text((width / 2, height / 2), text, fill=_INK, font=self._font, anchor="mm")
        turned = turned.transpose(Image.Transpose.ROTATE_90)
        self._image.paste(turned, (4 * _SCALE, max(0, round(y * _SCALE - width / 2))))

    def marker(self, chart: Chart, number: int, x: float, y: float) -> None:
        colour, size = COLOURS[chart.colour(number)], 8.0
        corners = marker(chart.marker(number), x, y, size)
        if corners:
            self._draw.polygon([(cx * _SCALE, cy * _SCALE) for cx, cy in corners], fill=colour)
        else:
            around = [(x - size) * _SCALE, (y - size) * _SCALE, (x + size) * _SCALE, (y + size) * _SCALE]
            self._draw.ellipse(around, fill=colour)

    def _legend_places(self, chart: Chart) -> list[tuple[float, float]]:
        places: list[tuple[float, float]] = []
        x, y = 130.0, 28.0
        for series in chart.series:
            width = 70 + self._font.getlength(series.name) / _SCALE
            if x + width > WIDTH - 20 and x > 130:
                x, y = 130.0, y + 40
            places.append((x, y))
            x += width
        return places

    def legend_rows(self, chart: Chart) -> int:
        return len({y for _, y in self._legend_places(chart)})

    def legend(self, chart: Chart) -> None:
        for number, (series, (x, y)) in enumerate(zip(chart.series, self._legend_places(chart), strict=True)):
            self.line([(x, y), (x + 36, y)], COLOURS[chart.colour(number)], 4)
            if not chart.dense:
                self.marker(chart, number, x + 18, y)
            self.text((x + 44, y), series.name, "lm")

    def png(self) -> bytes:
        stored = io.BytesIO()
        self._image.reduce(_SCALE).save(stored, "PNG")
        return stored.getvalue()
