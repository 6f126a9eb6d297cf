"use strict";
// Everything is readable without this script: it sorts the tables, walks over the charts' points, and opens all for print.
(() => {
  const number = (cell) => {
    const value = cell.dataset.value ?? cell.textContent;
    const found = parseFloat(value);
    return Number.isNaN(found) ? null : found;
  };

  // A merged cell cannot move with one row: each row gets its own before the first sorting.
  const split = (body) => {
    for (const cell of body.querySelectorAll("[rowspan]")) {
      let row = cell.parentElement;
      const column = [...row.children].indexOf(cell);
      const rows = cell.rowSpan;
      cell.removeAttribute("rowspan");
      for (let i = 1; i < rows; i += 1) {
        row = row.nextElementSibling;
        row.insertBefore(cell.cloneNode(true), row.children[column] ?? null);
      }
    }
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        split(body);
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows];
        const compare = (left, right) => {
          const [a, b] = [left.cells[column], right.cells[column]];
          const [x, y] = [number(a), number(b)];
          if (x === null && y === null) return a.textContent.localeCompare(b.textContent) * (down ? -1 : 1);
          if (x === null || y === null) return x === null ? 1 : -1; // what was not measured stays last
          return (x - y) * (down ? -1 : 1);
        };
        rows.sort(compare);
        body.append(...rows);
      });
    });
  }

  for (const chart of document.querySelectorAll("figure.chart")) {
    const svg = chart.querySelector("svg");
    const ring = svg.querySelector(".ring");
    const tip = chart.querySelector(".tip");
    const points = () => [...svg.querySelectorAll("g[data-series]:not([visibility=hidden]) .point")];
    let current = null;
    const show = (point) => {
      current = point;
      ring.setAttribute("visibility", point ? "visible" : "hidden");
      tip.textContent = point ? point.dataset.text : "";
      if (point) {
        ring.setAttribute("cx", point.dataset.x);
        ring.setAttribute("cy", point.dataset.y);
      }
    };
    const nearest = (event) => {
      const matrix = svg.getScreenCTM();
      if (!matrix) return null;
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
      let best = null;
      let least = 40 ** 2;
      for (const point of points()) {
        const distance = (point.dataset.x - at.x) ** 2 + (point.dataset.y - at.y) ** 2;
        if (distance < least) [best, least] = [point, distance];
      }
      return best;
    };
    svg.addEventListener("pointermove", (event) => show(nearest(event)));
    svg.addEventListener("pointerdown", (event) => show(nearest(event)));
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const all = points();
      if (!step || !all.length) return;
      event.preventDefault();
      const from = all.indexOf(current);
      show(all[from < 0 ? 0 : (from + step + all.length) % all.length]);
    });
    for (const button of chart.querySelectorAll(".legend button")) {
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(on));
        const group = svg.querySelector(`g[data-series="${button.dataset.series}"]`);
        group.setAttribute("visibility", on ? "visible" : "hidden");
        show(null);
      });
    }
  }

  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const one of opened) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
  document.documentElement.dataset.ready = "yes";
})();
