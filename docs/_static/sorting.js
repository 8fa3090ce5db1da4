// Tables of numbers, of four rows and more, are sorted by a click on a head: by size, "72.6 ± 0.8" by the mean.
document.addEventListener("DOMContentLoaded", () => {
  const number = (text) => {
    const found = text.replace(/[\u2212–]/g, "-").match(/^[(<+]?\s*(-?[\d,]*\.?\d+)/);
    // "<0.001" stands below 0.001.
    return found ? parseFloat(found[1].replace(/,/g, "")) * (text[0] === "<" ? 0.999 : 1) : null;
  };
  for (const table of document.querySelectorAll("article table.docutils:not(.autosummary)")) {
    const body = table.tBodies[0];
    const heads = table.tHead ? [...table.tHead.rows[0].cells] : [];
    if (!body || body.rows.length < 4 || heads.length < 2) continue;
    if (!body.querySelector("td.text-right")) continue; // sentences have an order of their own
    const names = [...body.rows].map((row) => row.cells[0].textContent.trim());
    // A row without a name of its own says something only below the row it belongs to.
    if (names.includes("") || new Set(names).size < names.length) continue;
    table.classList.add("sortable");
    heads.forEach((head, column) => {
      if (!head.textContent.trim()) head.setAttribute("aria-label", "name");
      head.tabIndex = 0;
      const sort = () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const told = (row) => (row.cells[column] ? row.cells[column].textContent.trim() : "");
        const rows = [...body.rows].sort((a, b) => {
          const [x, y] = [told(a), told(b)];
          if (!x || !y) return !x - !y; // empty cells stand last either way
          const [u, v] = [number(x), number(y)];
          const order = u !== null && v !== null ? v - u : x.localeCompare(y);
          return down ? order : -order;
        });
        body.append(...rows);
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => event.key === "Enter" && sort());
    });
  }
});
