"use strict";
// Tables sort by the head of a column: by the numbers behind its cells, or else by their words.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const up = before === "none" ? head.classList.contains("words") : before === "descending";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const order = (a, b) => {
        const [x, y] = [a.cells[column], b.cells[column]];
        const [known, other] = ["value" in x.dataset, "value" in y.dataset];
        if (known !== other) return known ? -1 : 1;  // no number goes last, either way
        const gap = known
          ? x.dataset.value - y.dataset.value || 0  // of two that are infinite there is none
          : x.textContent.localeCompare(y.textContent, "en", {numeric: true});
        return up ? gap : -gap;
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
    });
  });
}
